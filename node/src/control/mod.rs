//! The control port: what a console sees of a replica, and what it may do to it.
//!
//! A console opens one stream in both directions and sends a byte that names the version. The replica answers with
//! [`ConsoleMessage::Welcome`](byztop_core::telemetry::ConsoleMessage::Welcome), and from then on both sides send frames
//! as they please. Frames are made by the core task, which never waits: what a console does not take in time is dropped
//! and counted.

pub(crate) mod door;
pub(crate) mod observer;
mod progress;
mod subscription;
mod usage;
mod watch;

pub use watch::{LinkEvent, watch};

/// The first byte on a console's stream.
pub(crate) const VERSION: u8 = 1;
