//! byztop-node: one replica as a process, and how to talk to it.
//!
//! The consensus itself is a value in `byztop-core`; this crate gives it a socket, a clock and a thread:
//!
//! - [`run_replica`] runs one replica of a cluster directory until it is told to stop;
//! - [`control::watch`] follows a replica for a console and carries its attacks there;
//! - [`client::Client`] submits operations and counts the answers;
//! - [`load::Load`] offers a SmallBank load at a rate, or as fast as it is served;
//! - [`bare`] is the links alone, to measure what they could carry;
//! - [`store::Store`] keeps what a replica must not forget, and [`recover`] is the way on when too many have.
//!
//! Within: `transport` moves frames over QUIC and knows neither protocol nor application; `core_loop` owns the one task
//! that drives the replica; `control` looks at it from outside.
//!
//! *Architecture invariants:* one task alone touches the replica, so there is no lock around it. Every channel is
//! bounded. Towards the replica a full channel makes the sender wait, so that a flood is held off by QUIC's flow control;
//! away from it a full queue drops and counts, so that neither a slow peer nor a slow console holds consensus up.

mod clock;
mod core_loop;
mod replica;
mod standing;
mod transport;

pub mod bare;
pub mod client;
pub mod control;
pub mod load;
pub mod panics;
pub mod recover;
pub mod store;

pub use replica::{STORE, run_replica};

/// How many threads a process wants that has processors to itself: one for consensus, one for the signatures of what comes
/// in.
pub const WORKER_THREADS: usize = 2;

/// How many threads each of so many processes of one machine should have. More than there are processors make nothing
/// faster: what one thread hands to another then waits for a switch between them.
pub fn threads_for(processes: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / processes.max(1)).clamp(1, WORKER_THREADS)
}

/// A runtime for a replica, a client or a console's links, with so many threads.
///
/// # Errors
///
/// If the system gives no threads.
pub fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads.max(1)).enable_all().build()
}
