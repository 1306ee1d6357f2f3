//! The terminal console: what is known, what a key does to it, and what is drawn of it.
//!
//! [`Model`](model::Model) folds a feed of events into what is known; [`update`](update::update) turns an action into
//! commands; [`view`](view::view) draws and changes nothing. Only [`run`] touches a terminal, and nothing here knows a
//! socket: whoever opens the links maps them to the types of this file, so that live replicas, recordings and
//! simulated ones look alike from here.

mod action;
mod attacks;
mod chooser;
#[cfg(test)]
mod fixture;
mod input;
mod keys;
mod model;
mod palette;
mod runner;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod ui;
mod update;
mod view;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Welcome};
use byztop_core::types::{Micros, ReplicaId};
pub use runner::run;

/// Everything that the console is given: who there is, what they say, and whom to tell what.
pub struct Feed {
    /// What is known before anything is connected.
    pub roster: Roster,
    /// What happened, in the order in which it was received. When its sender is gone, the console ends.
    pub events: std::sync::mpsc::Receiver<FeedEvent>,
    /// What the console wants done; bounded, and a command that does not fit is reported on the screen.
    pub commands: tokio::sync::mpsc::Sender<Command>,
    /// How many events did not fit into the feed and are lost; shown on the screen.
    pub dropped: Arc<AtomicU64>,
}

/// What is known of a cluster before anything is connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Roster {
    /// The protocol's name.
    pub protocol: String,
    /// How many replicas there are.
    pub replicas: usize,
    /// What survives: `memory`, `os` or `sync`.
    pub durability: String,
}

/// Something happened outside the console.
#[derive(Debug)]
pub enum FeedEvent {
    /// On the link to a replica.
    Link(ReplicaId, LinkEvent),
    /// The load generator says how it is getting on; a few times a second.
    Load(Box<LoadReport>),
    /// To a process that this console started.
    Process(ReplicaId, ProcessEvent),
}

/// What happens on the link to a replica.
#[derive(Debug)]
pub enum LinkEvent {
    /// An attempt to connect begins.
    Connecting,
    /// The replica has said who it is.
    Up(Box<Welcome>),
    /// Any later message.
    Message(ConsoleMessage),
    /// The link's round trip time.
    Rtt(Micros),
    /// The link is lost or did not come about, and why.
    Down(String),
}

/// What happens to a replica's process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProcessEvent {
    /// It runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It has ended.
    Exited {
        /// The exit status or signal, for people.
        status: String,
        /// The last line of its log.
        log_tail: String,
    },
}

/// How the load is getting on. Counters and histogram are cumulative since the load began.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Operations that the client saw committed.
    pub committed_ops: u64,
    /// Of those, how many the application carried out.
    pub success: u64,
    /// Of those, how many the application rejected.
    pub failed: u64,
    /// Operations that were due to be sent.
    pub offered_ops: u64,
    /// Operations that were sent and are not answered yet.
    pub in_flight: u64,
    /// Operations that could not be sent because every session was busy.
    pub busy: u64,
    /// End-to-end latencies in microseconds.
    pub latency: hdrhistogram::Histogram<u64>,
    /// Operations per second that are asked for; `None` for as many as possible.
    pub rate: Option<f64>,
    /// Operations in one submission.
    pub bundle: u32,
}

/// What the console wants done outside of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Send a request on the link to a replica.
    Send(ReplicaId, ConsoleRequest),
    /// Change the load's operations per second; `None` for as many as possible.
    SetRate(Option<f64>),
    /// The user has left; end everything.
    Quit,
}
