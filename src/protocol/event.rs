//! What a protocol says about itself, in its own words. Drivers stamp these and stream them to consoles.

use serde::{Deserialize, Serialize};

use super::{OwnStatement, Topic};
use crate::rejection::Rejection;
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, Time, View};
use crate::wire;

/// Something happened that an observer may want to know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event {
    /// A proposal was accepted.
    PrePrepared {
        /// In which view.
        view: View,
        /// For which slot.
        seq: SeqNum,
        /// The batch's digest.
        digest: Digest,
    },
    /// A quorum has prepared the slot.
    Prepared {
        /// In which view.
        view: View,
        /// Which slot.
        seq: SeqNum,
    },
    /// The slot is decided.
    Committed {
        /// In which view.
        view: View,
        /// Which slot.
        seq: SeqNum,
        /// Whether a phase was left out, as all replicas voted at once.
        is_fast: bool,
    },
    /// The slot's submissions were executed.
    Executed {
        /// Which slot.
        seq: SeqNum,
        /// How many submissions ran, duplicates not counted.
        submissions: u32,
        /// How many operations they held.
        operations: u32,
    },
    /// The replica asks the others for commit certificates of what it misses (rule 16).
    Asked {
        /// The first slot that it misses.
        from: SeqNum,
    },
    /// The replica asks for another view.
    ViewChangeAsked {
        /// Which view.
        view: View,
        /// Why.
        why: Complaint,
    },
    /// A view has begun here.
    ViewEntered {
        /// Which view.
        view: View,
        /// Its primary.
        primary: ReplicaId,
        /// How many slots the new view had to repeat.
        forced: u32,
        /// How many of those are null requests.
        nulls: u32,
        /// The view changes that the primary has shown for it.
        #[serde(deserialize_with = "wire::at_most::<_, _, 128>")]
        view_changes: Vec<ViewChangeShown>,
    },
    /// A checkpoint is stable.
    CheckpointStable {
        /// The slot.
        seq: SeqNum,
        /// The state's digest there.
        digest: Digest,
    },
    /// This replica's state differs from what a quorum certified: it must fetch the state anew.
    Diverged {
        /// At which slot.
        seq: SeqNum,
        /// What it had.
        mine: Digest,
        /// What the quorum has.
        certified: Digest,
    },
    /// State transfer has begun.
    TransferBegan {
        /// The stable checkpoint that is fetched.
        target: SeqNum,
    },
    /// State was installed.
    TransferDone {
        /// The checkpoint that the state is now at.
        seq: SeqNum,
        /// How many leaves differed and were fetched.
        leaves: u32,
        /// How many bytes they had.
        bytes: u64,
    },
    /// The replica lost its log and watches until a checkpoint at or beyond this slot is stable (rule 29).
    Observing {
        /// The slot.
        until: SeqNum,
    },
    /// The replica takes part again.
    Rejoined,
    /// Messages of a peer were refused.
    Rejected {
        /// The TLS peer that sent them.
        from: ReplicaId,
        /// Why the last one was.
        why: Rejection,
        /// How many for such a reason since this was last told. A replica tells each; drivers may sum up.
        count: u32,
    },
    /// Two signed statements prove a replica guilty; see the evidence for the bytes.
    Proved {
        /// Who is guilty.
        accused: ReplicaId,
        /// One line for people: what it told to whom.
        summary: String,
    },
    /// An attack was set on this replica.
    AttackSet {
        /// In the attack language.
        attack: String,
    },
    /// One of several attacks on this replica ended.
    AttackEnded {
        /// The attack with its parameters, as it is written without its trigger.
        name: String,
    },
    /// All attacks on this replica ended.
    Healed,
    /// An attack on this replica has a hand on one of its messages.
    Tampered {
        /// The message's name.
        message: String,
        /// What it is about.
        topic: Topic,
        /// Who does not get it as it is.
        hearers: ReplicaSet,
        /// What becomes of it.
        how: Tampering,
        /// The attack's name.
        by: String,
    },
    /// A peer showed what this replica signed and its log lacks: the log is an old copy. From here on the replica does what
    /// one does that lost its log (rule 29).
    OldLog {
        /// What the log lacks.
        shown: OwnStatement,
    },
}

/// What an attack does to a message on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Tampering {
    /// It never leaves.
    Withheld,
    /// It leaves then.
    HeldBack(Time),
    /// Something else leaves instead.
    Altered,
}

/// What a replica has said by its view change, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViewChangeShown {
    /// Who.
    pub replica: ReplicaId,
    /// Its stable checkpoint.
    pub stable: SeqNum,
    /// Of how many slots above that it has something to show: prepared, or voted for.
    pub slots: u32,
}

/// Why a replica asks for another view.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Complaint {
    /// A request that it admitted was not executed in time.
    RequestTimeout,
    /// The view that it asked for did not begin in time.
    ViewChangeTimeout,
    /// f+1 others ask already (rule 19).
    Joined,
    /// There is a proof against the primary.
    Proof {
        /// Who is guilty.
        accused: ReplicaId,
    },
    /// The primary says that it lost its log: it may not propose (rule 29).
    LostLog,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Complaint::RequestTimeout => f.write_str("request timed out"),
            Complaint::ViewChangeTimeout => f.write_str("view change timed out"),
            Complaint::Joined => f.write_str("joined f+1 others"),
            Complaint::LostLog => f.write_str("the primary lost its log"),
            Complaint::Proof { accused } => write!(f, "proof against {accused}"),
        }
    }
}

impl std::fmt::Display for Event {
    /// A few words, as in a transcript: `prepared v1 s12`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::PrePrepared { view, seq, digest } => write!(f, "pre-prepared v{view} s{seq} {}", digest.short()),
            Event::Prepared { view, seq } => write!(f, "prepared v{view} s{seq}"),
            Event::Committed { view, seq, is_fast } => {
                write!(f, "committed v{view} s{seq}{}", if *is_fast { " on the fast path" } else { "" })
            }
            Event::Executed { seq, submissions, .. } => write!(f, "executed s{seq}, ran {submissions}"),
            Event::Asked { from } => write!(f, "asks for s{from} and on"),
            Event::ViewChangeAsked { view, why } => write!(f, "asks for v{view}: {why}"),
            Event::ViewEntered { view, primary, forced, nulls, .. } => {
                write!(f, "enters v{view} of {primary}, {forced} slots repeated, {nulls} of them null")
            }
            Event::CheckpointStable { seq, digest } => write!(f, "stable s{seq} {}", digest.short()),
            Event::Diverged { seq, mine, certified } => {
                write!(f, "diverged at s{seq}: {} here, {} certified", mine.short(), certified.short())
            }
            Event::TransferBegan { target } => write!(f, "fetches the state of s{target}"),
            Event::TransferDone { seq, leaves, bytes } => {
                write!(f, "installed the state of s{seq}, {leaves} leaves, {bytes} bytes")
            }
            Event::Observing { until } => write!(f, "lost its log, watches until s{until}"),
            Event::Rejoined => f.write_str("takes part again"),
            Event::OldLog { shown } => write!(f, "its log is an old copy: it lacks its own {shown}"),
            Event::Rejected { from, why, .. } => write!(f, "refuses {from}: {why}"),
            Event::Proved { summary, .. } => write!(f, "proof: {summary}"),
            Event::AttackSet { attack } => write!(f, "attacks: {attack}"),
            Event::AttackEnded { name } => write!(f, "ends {name}"),
            Event::Healed => f.write_str("healed"),
            Event::Tampered { message, topic, hearers, how, by } => {
                let verb = match how {
                    Tampering::Withheld => "keeps",
                    Tampering::HeldBack(_) => "holds back",
                    Tampering::Altered => "alters",
                };
                match topic {
                    Topic::Slot { view, seq, .. } => write!(f, "{verb} {message} v{view} s{seq}"),
                    Topic::View(view) => write!(f, "{verb} {message} v{view}"),
                }?;
                write!(f, " for {hearers}: {by}")
            }
        }
    }
}
