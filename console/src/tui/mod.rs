//! The terminal console: what is known, what a key does to it, and what is drawn of it.
//!
//! [`Model`](model::Model) folds a feed of events into what is known; [`update`](update::update) turns an action into
//! commands; [`view`](view::view) draws and changes nothing. Only [`run`] touches a terminal, and nothing here knows a
//! socket: whoever opens the links maps them to the types of this file, so that live replicas, recordings and
//! simulated ones look alike from here.

mod action;
mod attacks;
mod cases;
mod chooser;
mod chronicle;
mod export;
mod filter;
#[cfg(test)]
mod fixture;
mod history;
mod input;
mod keys;
mod model;
mod palette;
mod panes;
mod picture;
mod presets;
mod runner;
mod simulated;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod ui;
mod update;
mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use byztop_core::telemetry::{ClockOffset, ConsoleMessage, ConsoleRequest, Welcome};
use byztop_core::types::{Micros, ReplicaId, Time};
pub(crate) use cases::{CaseEvent, CaseList, CaseWish, Told};
pub(crate) use chronicle::{Chronicle, Happening};
pub(crate) use history::{Recording, Writer};
pub(crate) use runner::{replay, run};
use serde::{Deserialize, Serialize};
pub(crate) use simulated::{End, MAX_RECENT, RecentStep, Simulate, SimulatedTime, Speed, Stride};
pub(crate) use text::seconds;
pub(crate) use theme::Glyphs;

/// Everything that the console is given: who there is, what they say, and whom to tell what.
pub(crate) struct Feed {
    /// What is known before anything is connected.
    pub(crate) roster: Roster,
    /// What happened, in the order in which it was received. When its sender is gone, the console ends.
    pub(crate) events: std::sync::mpsc::Receiver<FeedEvent>,
    /// What the console wants done; bounded, and a command that does not fit is reported on the screen.
    pub(crate) commands: tokio::sync::mpsc::Sender<Command>,
    /// How many events did not fit into the feed and are lost; shown on the screen.
    pub(crate) dropped: Arc<AtomicU64>,
    /// Where to record from the beginning, if that is wanted.
    pub(crate) record: Option<PathBuf>,
}

/// What is known of a cluster before anything is connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Roster {
    /// The protocol's name.
    pub(crate) protocol: String,
    /// How many replicas there are.
    pub(crate) replicas: usize,
    /// What survives: `memory`, `os` or `sync`.
    pub(crate) durability: String,
    /// Where the simulation begins, if it is one: its time is the screen's from then on.
    pub(crate) simulation: Option<SimulatedTime>,
}

/// Something happened outside the console. What is skipped is not remembered: see [`history`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum FeedEvent {
    /// On the link to a replica.
    Link(ReplicaId, LinkEvent),
    /// The load generator says how it is getting on; a few times a second.
    Load(Box<LoadReport>),
    /// To a process that this console started.
    Process(ReplicaId, ProcessEvent),
    /// To a test case.
    #[serde(skip)]
    Case(CaseEvent),
    /// A simulation stands here now; what is told after this happens then.
    #[serde(skip)]
    Simulated(Box<SimulatedTime>),
    /// A simulation's time is this now, on its way to where it will stand.
    #[serde(skip)]
    Passing(Time),
    /// A simulation was turned back: forget everything, then take in what has happened until then.
    #[serde(skip)]
    Rewound(Vec<FeedEvent>),
}

/// What happens on the link to a replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum LinkEvent {
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
    /// How its clock differs from the console's.
    Clock(ClockOffset),
}

/// What happens to a replica's process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ProcessEvent {
    /// It runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It was killed as a [`Command`] wanted.
    Killed,
    /// It has ended by itself, or somebody else has ended it.
    Exited {
        /// The exit status or signal, for people.
        status: String,
        /// The last line of its log.
        log_tail: String,
    },
    /// It could not be started again.
    NotStarted {
        /// Why not, for people.
        why: String,
    },
}

/// How the load is getting on. Counters and histogram are cumulative since the load began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoadReport {
    /// Operations that the client saw committed.
    pub(crate) committed_ops: u64,
    /// Of those, how many the application carried out.
    pub(crate) success: u64,
    /// Of those, how many the application rejected.
    pub(crate) failed: u64,
    /// Operations that were due to be sent.
    pub(crate) offered_ops: u64,
    /// Operations that were sent and are not answered yet.
    pub(crate) in_flight: u64,
    /// Operations that could not be sent because every session was busy.
    pub(crate) busy: u64,
    /// The accounts that were asked for most, and how often, most first.
    pub(crate) busiest: Vec<(String, u64)>,
    /// End-to-end latencies in microseconds.
    #[serde(with = "history::histogram")]
    pub(crate) latency: hdrhistogram::Histogram<u64>,
    /// Operations per second that are asked for; `None` for as many as possible.
    pub(crate) rate: Option<f64>,
    /// Operations in one submission.
    pub(crate) bundle: u32,
}

/// How closely the cluster is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attention {
    /// The screen follows it.
    Live,
    /// The screen is held still: what happens is remembered, and nobody looks.
    Held,
}

/// What the console wants done outside of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Command {
    /// Send a request on the link to a replica.
    Send(ReplicaId, ConsoleRequest),
    /// Kill the process of a replica that was started here.
    Kill(ReplicaId),
    /// Start the process of such a replica again.
    Restart(ReplicaId),
    /// Change the load's operations per second; `None` for as many as possible.
    SetRate(Option<f64>),
    /// Let replicas speak as often as somebody looks who watches this closely.
    Listen(Attention),
    /// Run test cases, or no more of them.
    Case(CaseWish),
    /// Let the simulated time pass otherwise.
    Simulate(Simulate),
    /// The user has left; end everything.
    Quit,
}
