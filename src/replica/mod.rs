//! What is the same under every protocol: ingress, pool, client table, executor, checkpoints, state transfer.
//!
//! A [`Replica`] is a value. [`Input`]s go in with the time, [`Output`]s come out and are performed in order. It never
//! signs: what it sends is signed by the layer around it, [`crate::attack::Byzantine`], and its own messages come back
//! to it as inputs.

mod message;
mod submission;

pub use message::{Leaf, PeerMessage, StatePart, StateRequest};
pub use submission::{Reply, ReplyOutcome, Submission};

use crate::app::Application;
use crate::committee::Committee;
use crate::crypto::{Signed, Verified};
use crate::protocol::{Event, Protocol, Recipients, Settings, SlotPhase, SlotVotes, Status, Timer};
use crate::telemetry::Counters;
use crate::types::{Digest, ReplicaId, SeqNum, Session, Time};

/// What happens to a replica.
#[derive(Clone, PartialEq, Debug)]
pub enum Input<M> {
    /// It starts. `has_lost_log`: it ran before and does not know what it signed.
    Start {
        /// Whether it ran before.
        has_lost_log: bool,
    },
    /// A message of a peer, or its own one come back.
    Peer(ReplicaId, Verified<PeerMessage<M>>),
    /// A submission straight from its client.
    Client(Verified<Signed<Submission>>),
    /// A timer ran out.
    Timeout(Timer),
}

/// What a replica wants done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output<M> {
    /// Send to peers.
    Send(Recipients, PeerMessage<M>),
    /// Answer a client.
    Reply(Session, Reply),
    /// Wake it at a time; setting a timer again moves it.
    SetTimer(Timer, Time),
    /// Forget a timer.
    CancelTimer(Timer),
    /// Something an observer may want to know.
    Note(Event),
}

/// A replica without its signatures: a protocol, an application, and what lies between them.
pub struct Replica<P: Protocol, A: Application> {
    _later: std::marker::PhantomData<(P, A)>,
}

impl<P: Protocol, A: Application> Replica<P, A> {
    /// A replica at the beginning of time.
    pub fn new(_me: ReplicaId, _committee: Committee, _settings: &Settings, _app: A) -> Self {
        Replica { _later: std::marker::PhantomData }
    }

    /// Where the protocol stands.
    pub fn status(&self) -> Status {
        unimplemented!()
    }

    /// Unexecuted slots and how far each is.
    pub fn slots(&self) -> Vec<(SeqNum, SlotPhase)> {
        unimplemented!()
    }

    /// The votes it holds for a slot, or for the newest one.
    pub fn votes(&self, _seq: Option<SeqNum>) -> Option<SlotVotes> {
        unimplemented!()
    }

    /// Fills in the counters that the replica itself keeps; the driver fills in the others.
    pub fn count(&self, _counters: &mut Counters) {
        unimplemented!()
    }

    /// The state's digest at the last stable checkpoint.
    pub fn stable_digest(&self) -> Digest {
        unimplemented!()
    }

    /// The last executed slot and the state's digest after it; brings the Merkle tree up to date.
    pub fn state_digest(&mut self) -> (SeqNum, Digest) {
        unimplemented!()
    }
}
