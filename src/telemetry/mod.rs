//! What a replica tells the console, and what the console may ask of it.
//!
//! Observation costs the protocol nothing: a replica is looked at a few times a second, and what it noted meanwhile is
//! batched into one [`Frame`]. Frames carry the state as it is rather than each step to it, so that a full load does
//! not drown a console and a lost frame loses only detail; what was dropped is counted.
//!
//! This file has what is said, `ledger` what is said of the state and `trace` what of single messages; `clock` tells how
//! clocks differ; `recorder` makes frames of what a replica notes, whoever drives it: a node under the wall clock, or a
//! simulator under virtual time. Times are arguments, and nothing here asks who may see a frame.

mod clock;
mod credible;
mod latency;
mod ledger;
mod recorder;
mod rejections;
mod trace;
mod traffic;
mod trouble;

pub use clock::{ClockOffset, ClockOffsets};
pub use credible::Stranger;
pub use ledger::{
    Ledger, LedgerLeaf, LogEntry, MAX_LEDGER_BYTES, MAX_LEDGER_FIGURES, MAX_LEDGER_LEAVES, MAX_LEDGER_SLOTS,
};
pub use recorder::{Glimpse, Notebook, Recorder};
use serde::{Deserialize, Serialize};
pub use trace::{Course, Fate, Heading, MAX_TRACE, Passage, Trace};
pub use traffic::Traffic;
pub use trouble::{MAX_TROUBLES, Trouble};

use crate::protocol::{Event, SlotPhase, SlotVotes, Status};
use crate::types::{Digest, Micros, ProtocolName, ReplicaId, SeqNum, Time};
use crate::wire;

/// The longest message on the control stream.
pub const MAX_CONTROL_BYTES: usize = 1 << 20;

/// The most events in one frame; the rest are counted as dropped.
pub const MAX_FRAME_EVENTS: usize = 512;

/// The most slots of the fast path in one frame.
pub const MAX_FRAME_FAST: usize = 512;

/// From a console to a replica.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ConsoleRequest {
    /// Start sending frames, so many milliseconds apart (10 to 10 000).
    Subscribe {
        /// The pause between frames.
        interval_ms: u32,
    },
    /// Send the votes of this slot with each frame, or of the newest if none is named.
    WatchSlot(Option<SeqNum>),
    /// Tell the state after the last executed slot: answered by one [`ConsoleMessage::Ledger`].
    Ledger,
    /// Set attacks on this replica, in the attack language. Operators only.
    Attack(String),
    /// End the attack of this name on this replica. Operators only.
    End(String),
    /// End every attack on this replica. Operators only.
    Heal,
    /// Tell the messages of a slot or a view change: answered by one [`ConsoleMessage::Trace`].
    Trace(Course),
    /// Say what time it is: answered by one [`ConsoleMessage::Clock`], at once.
    Clock {
        /// When it is asked, by the console's clock.
        asked: Time,
    },
}

impl ConsoleRequest {
    /// Whether it makes the replica behave otherwise: for operators only.
    pub fn is_for_operators(&self) -> bool {
        match self {
            ConsoleRequest::Attack(_) | ConsoleRequest::End(_) | ConsoleRequest::Heal => true,
            ConsoleRequest::Subscribe { .. }
            | ConsoleRequest::WatchSlot(_)
            | ConsoleRequest::Ledger
            | ConsoleRequest::Trace(_)
            | ConsoleRequest::Clock { .. } => false,
        }
    }
}

/// From a replica to a console.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ConsoleMessage {
    /// The first message: who this is.
    Welcome(Welcome),
    /// What happened since the last frame.
    Frame(Box<Frame>),
    /// The state, as it was asked for.
    Ledger(Box<Ledger>),
    /// An attack or heal was carried out; says what now holds, in the attack language.
    Done(String),
    /// A request was refused, and why.
    Refused(String),
    /// Messages, as they were asked for.
    Trace(Box<Trace>),
    /// What time it is, microseconds of Unix time.
    Clock {
        /// As the console said.
        asked: Time,
        /// By the replica's clock.
        at: Time,
    },
    /// What is wrong now, as the replica sees it; said when a console comes, if anything is, and whenever it changes.
    Troubles(#[serde(deserialize_with = "wire::at_most::<_, _, MAX_TROUBLES>")] Vec<Trouble>),
}

/// Who a replica is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// Its id.
    pub replica: ReplicaId,
    /// The protocol that it runs.
    pub protocol: ProtocolName,
    /// What the protocol calls whoever leads a view.
    pub leader: String,
    /// The protocol's phases, in order.
    #[serde(deserialize_with = "wire::at_most::<_, _, 16>")]
    pub phases: Vec<String>,
    /// How many replicas the cluster has.
    pub replicas: u8,
    /// K, in slots.
    pub checkpoint_interval_slots: u64,
    /// What survives: `memory`, `os` or `sync`.
    pub durability: String,
    /// Whether this console may inject attacks.
    pub may_attack: bool,
    /// The process id, for whoever started it.
    pub pid: u32,
}

/// A replica at one moment, and what it noted since the frame before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Whose.
    pub replica: ReplicaId,
    /// When it was made, microseconds of Unix time by the replica's clock.
    pub at: Time,
    /// Where the protocol stands.
    pub status: Status,
    /// The state's digest at the last stable checkpoint.
    pub stable_digest: Digest,
    /// The slot and digest of the state at its last executed slot; asked for on an idle cluster only, since it costs
    /// a Merkle update.
    pub executed_digest: Option<(SeqNum, Digest)>,
    /// Counters since the replica started.
    pub counters: Counters,
    /// Messages sent to other replicas since the replica started, by name.
    #[serde(deserialize_with = "wire::at_most::<_, _, 64>")]
    pub messages: Vec<(String, u64)>,
    /// What is set on it, in the attack language; empty if nothing is.
    pub attack: String,
    /// Unexecuted slots and how far each is, ascending.
    #[serde(deserialize_with = "wire::at_most::<_, _, 4096>")]
    pub slots: Vec<(SeqNum, SlotPhase)>,
    /// Slots decided on the fast path since the frame before, oldest first; the newest of them, if there were more.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_FRAME_FAST>")]
    pub fast: Vec<SeqNum>,
    /// The votes of the watched slot.
    pub votes: Option<SlotVotes>,
    /// Latencies since the frame before, one entry per phase of the protocol and a last one for execution.
    #[serde(deserialize_with = "wire::at_most::<_, _, 17>")]
    pub latencies: Vec<PhaseLatencies>,
    /// What was noted since the frame before, oldest first. Progress of single slots is in `slots`, not here.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_FRAME_EVENTS>")]
    pub events: Vec<(Time, Event)>,
    /// How many events and frames this console has lost so far.
    pub dropped: u64,
}

/// A phase's latencies within one frame: (value, count) pairs of a histogram with three significant digits.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PhaseLatencies {
    /// Latency in microseconds and how many slots took it, ascending.
    #[serde(deserialize_with = "wire::at_most::<_, _, 8192>")]
    pub buckets: Vec<(Micros, u32)>,
}

/// What a replica has counted since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Operations executed.
    pub operations: u64,
    /// Of those, how many the application rejected.
    pub operations_failed: u64,
    /// Submissions executed.
    pub submissions: u64,
    /// Submissions answered *busy* because its pool was full.
    pub submissions_refused: u64,
    /// Submissions that wait in its pool.
    pub pending: u64,
    /// Views entered after the first.
    pub view_changes: u64,
    /// Messages that honest peers may have sent and that came too early or too late: another view, beyond the window,
    /// unasked for. Not counted as refused.
    pub untimely: u64,
    /// Messages refused, of whatever kind.
    pub rejected: u64,
    /// Of those, how many for a bad signature.
    pub bad_signatures: u64,
    /// Proofs of guilt that it holds.
    pub proofs: u64,
    /// Messages sent to other replicas.
    pub messages_sent: u64,
    /// Bytes sent to other replicas.
    pub bytes_sent: u64,
    /// Outgoing messages dropped because a peer's queue was full.
    pub messages_dropped: u64,
    /// Peers that it is connected to.
    pub links: u64,
    /// Processor time of the process, in microseconds.
    pub cpu: Micros,
    /// Resident memory of the process, in bytes.
    pub memory_bytes: u64,
    /// What its store takes on the disk, in bytes; 0 without one.
    pub disk_bytes: u64,
    /// Commits of its store: several things that it must remember share one.
    pub commits: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        for request in [
            ConsoleRequest::Subscribe { interval_ms: 50 },
            ConsoleRequest::WatchSlot(Some(SeqNum(7))),
            ConsoleRequest::Ledger,
            ConsoleRequest::Attack("dark(n2)".into()),
            ConsoleRequest::End("dark".into()),
            ConsoleRequest::Heal,
            ConsoleRequest::Trace(Course::Slot(SeqNum(7))),
            ConsoleRequest::Clock { asked: Time(7) },
        ] {
            assert_eq!(wire::decode::<ConsoleRequest>(&wire::encode(&request), 1000), Ok(request));
        }
    }
}
