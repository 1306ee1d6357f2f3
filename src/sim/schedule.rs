//! What happens in one run, as data: the cluster, the weather of its network, and what befalls whom at what time.
//!
//! Everything else follows from the seed, message by message: what a link does to its k-th message depends on nothing but
//! (seed, link, k), so that leaving out one action leaves most of the rest of the run as it was. That is what makes a
//! failing schedule shrink.

use crate::committee::Committee;
use crate::protocol::Settings;
use crate::types::{ClientId, Micros, ProtocolName, ReplicaId, ReplicaSet, Time};

/// One run. Read and written as text; see [`Schedule::parse`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// What decides all that is not said here.
    pub seed: u64,
    /// What the replicas run.
    pub protocol: ProtocolName,
    /// n.
    pub committee: Committee,
    /// The cluster's parameters.
    pub settings: Settings,
    /// How statements are signed.
    pub keys: Keys,
    /// What a power cut leaves of what was written.
    pub durability: Durability,
    /// How well clients reach replicas, and what they forget.
    pub clients: ClientFaults,
    /// How far the replicas' clocks go too fast or too slow at most, in thousandths; each at a rate of its own.
    pub drift_per_mille: u16,
    /// The run goes on, with a trickle of requests, until it has had so many events; 0 for no more than it needs.
    pub min_events: u64,
    /// What befalls whom, in order of time. Times count from the start; [`Schedule::MAX_TIME`] at most.
    pub actions: Vec<(Time, Action)>,
}

impl Schedule {
    /// The latest time of an action: an hour.
    pub const MAX_TIME: Time = Time(3_600_000_000);

    /// The most that clocks drift, in thousandths.
    pub const MAX_DRIFT_PER_MILLE: u16 = 500;

    /// The Byzantine replicas of the run: whoever is told to attack or has a twin.
    pub fn byzantine(&self) -> ReplicaSet {
        let is_byzantine = |(_, action): &(Time, Action)| match action {
            Action::Attack { replica, .. } | Action::Twin { replica, .. } => Some(*replica),
            _ => None,
        };
        self.actions.iter().filter_map(is_byzantine).collect()
    }

    /// The longest that a message is on its way once the network is calm.
    pub fn slowest_after_calm(&self) -> Micros {
        let calm = self.actions.iter().position(|(_, action)| *action == Action::Calm);
        let later = self.actions.iter().skip(calm.unwrap_or(self.actions.len()));
        let slowest = |(_, action): &(Time, Action)| match action {
            Action::Weather(Weather { slow_per_mille: 0, most, .. }) => Some(*most),
            Action::Weather(Weather { most, .. }) => Some(Micros(most.0 * Weather::SLOWNESS)),
            _ => None,
        };
        later.filter_map(slowest).max().unwrap_or(Weather::FAIR.most)
    }

    /// Those that something befalls which a disk is for.
    pub fn with_disk(&self) -> ReplicaSet {
        let has_disk = |(_, action): &(Time, Action)| match action {
            Action::Kill { replica, .. }
            | Action::PowerCut { replica, .. }
            | Action::DiskFull(replica)
            | Action::BitRot { replica, .. } => Some(*replica),
            _ => None,
        };
        self.actions.iter().filter_map(has_disk).collect()
    }

    /// Those that lose their log, or what they wrote last: they count against f, but are held to what honest replicas do.
    /// Whoever is killed and keeps what it wrote is as honest as others.
    pub fn amnesiac(&self) -> ReplicaSet {
        let forgets = |(_, action): &(Time, Action)| match action {
            Action::Crash(replica) | Action::BitRot { replica, .. } => Some(*replica),
            // Nobody can tell afterwards whether anything was lost.
            Action::PowerCut { replica, .. } if self.durability == Durability::Os => Some(*replica),
            _ => None,
        };
        self.actions.iter().filter_map(forgets).collect()
    }

    /// Whether more than f replicas are Byzantine or amnesiac: what breaks then is expected.
    pub fn is_beyond_budget(&self) -> bool {
        let faulty: ReplicaSet = self.byzantine().iter().chain(self.amnesiac().iter()).collect();
        faulty.len() > self.committee.faulty()
    }
}

/// How statements are signed in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keys {
    /// Keyed tags: fast, and unforgeable to whoever has only signers.
    Tags,
    /// Ed25519, and every message travels as bytes.
    Ed25519,
}

/// When what a replica writes is on its disk: before anything about it leaves, it is at least with the operating system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// It was synced: a power cut loses nothing that was spoken of.
    Sync,
    /// Some time later: it outlives its process, and what was written last does not outlive a power cut.
    Os,
}

impl Durability {
    /// Both levels, and how they are written.
    pub const ALL: [(Durability, &'static str); 2] = [(Durability::Sync, "sync"), (Durability::Os, "os")];
}

/// What goes wrong between honest clients and replicas. Probabilities are in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientFaults {
    /// How many requests and replies are lost on one link, until the calm.
    pub loss_per_mille: u16,
    /// How many take [`ClientFaults::LATENESS`] longer, until the calm.
    pub late_per_mille: u16,
    /// How many submissions are made with the timestamp of the one before, as by a client that has lost its clock. It waits
    /// in vain, and signs the operations anew under the next timestamp.
    pub forgetful_per_mille: u16,
}

impl ClientFaults {
    /// How much later what is late arrives.
    pub const LATENESS: Micros = Micros::from_millis(300);
}

/// Something that befalls the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// The network's weather changes.
    Weather(Weather),
    /// What these send to those is lost, until [`Action::Join`].
    Cut {
        /// Who is not heard.
        from: ReplicaSet,
        /// By whom.
        to: ReplicaSet,
    },
    /// Every cut is mended.
    Join,
    /// A replica becomes Byzantine, or does so in one more way; in the attack language.
    Attack {
        /// Who.
        replica: ReplicaId,
        /// What it does.
        attack: String,
    },
    /// A Byzantine replica behaves again.
    Heal(ReplicaId),
    /// A replica's identity is used twice: from now on its first instance talks to these peers only, and a second one,
    /// which starts from nothing if there is none yet, to the others.
    Twin {
        /// Whose identity.
        replica: ReplicaId,
        /// Whom the first instance talks to.
        first: ReplicaSet,
    },
    /// A replica stops and loses nothing but time: what is sent to it meanwhile is lost.
    Freeze(ReplicaId),
    /// A stopped replica goes on.
    Thaw(ReplicaId),
    /// A replica's process ends, and with it all that it knew.
    Crash(ReplicaId),
    /// A replica's process is killed in the middle of what it does next; its disk keeps what was written until then.
    Kill {
        /// Whose.
        replica: ReplicaId,
        /// Of what the outputs of its next events do.
        ending: Ending,
    },
    /// A replica's machine loses power in the middle of what it does next. At [`Durability::Os`] its disk loses what was
    /// written last: whole transactions, the oldest of which may have been torn.
    PowerCut {
        /// Whose.
        replica: ReplicaId,
        /// Of what the outputs of its next events do.
        ending: Ending,
        /// So many transactions never reached the disk; [`Action::MAX_LOST`] at most.
        lost: u16,
        /// Of one more a part did, which the store finds incomplete and drops.
        is_torn: bool,
    },
    /// A replica's disk is full: it stops at the next thing that it has to write, and nothing after that leaves.
    DiskFull(ReplicaId),
    /// On the disk of a replica that is down a bit turns over: it does not start on what is left, and its operator empties
    /// the disk.
    BitRot {
        /// Whose disk.
        replica: ReplicaId,
        /// Which bit of which row: drawn from this seed.
        draw: u64,
    },
    /// A replica that is down starts again, with what its disk holds; its disk has space again.
    Restart(ReplicaId),
    /// A client submits operations, if it has a session that waits for nothing.
    Submit {
        /// Whose key.
        client: ClientId,
        /// How many operations.
        operations: u8,
        /// Which: they are drawn from this seed.
        draw: u64,
        /// To whom first; repetitions go to all.
        to: ReplicaSet,
    },
    /// An evil client misbehaves.
    Evil {
        /// How.
        deed: EvilDeed,
        /// In which detail: drawn from this seed.
        draw: u64,
    },
    /// The safety phase is over: cuts are mended, whoever is stopped goes on, the weather is fair. From here on liveness is
    /// due. Byzantine replicas stay what they are unless they were healed.
    Calm,
}

impl Action {
    /// The most transactions that a power cut loses.
    pub const MAX_LOST: u16 = 64;
}

/// How far a process comes with what it does when its end is near.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// It ends after so many writes, messages and replies.
    pub after: u16,
    /// What so many events make it write is written as one, before anything of it leaves; at least 1.
    pub group: u16,
}

/// What an evil client does. Its key is the last of the roster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EvilDeed {
    /// Signs two submissions with one timestamp and gives each to half of the replicas.
    TwoBodies,
    /// Gives a submission to one replica only.
    OneReplica,
    /// Jumps to an enormous timestamp in one session and comes back with a small one.
    TimeTravel,
    /// Sends bytes that are no operations.
    Garbage,
    /// Sends somebody else's submission, and one with a bad signature.
    Forgery,
}

impl EvilDeed {
    /// Every deed, and how it is written.
    pub const ALL: [(EvilDeed, &'static str); 5] = [
        (EvilDeed::TwoBodies, "two-bodies"),
        (EvilDeed::OneReplica, "one-replica"),
        (EvilDeed::TimeTravel, "time-travel"),
        (EvilDeed::Garbage, "garbage"),
        (EvilDeed::Forgery, "forgery"),
    ];
}

/// What the network does to messages. Probabilities are in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// How many are lost.
    pub loss_per_mille: u16,
    /// How many arrive twice.
    pub duplicate_per_mille: u16,
    /// How often an old message of the link arrives again besides.
    pub replay_per_mille: u16,
    /// How many take [`Weather::SLOWNESS`] times as long, and so are overtaken.
    pub slow_per_mille: u16,
    /// The shortest time on the way.
    pub least: Micros,
    /// The longest, of those that are not slow.
    pub most: Micros,
}

impl Weather {
    /// No faults, and a quarter to one millisecond on the way.
    pub const FAIR: Weather = Weather {
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        replay_per_mille: 0,
        slow_per_mille: 0,
        least: Micros(250),
        most: Micros(1000),
    };

    /// How many times as long a slow message takes.
    pub const SLOWNESS: u64 = 20;
}
