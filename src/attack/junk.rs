//! `junk(KIND)`: messages that are refused, or that draw long answers, and cost whoever gets them much more than their sender.

use super::forge::Forge;
use super::voice::Voice;
use crate::committee::Committee;
use crate::crypto::{Signature, Signed, Signer};
use crate::evidence::Proof;
use crate::protocol::Recipients;
use crate::replica::{Output, PeerMessage, StateRequest, Submission};
use crate::types::{ClientId, Digest, Micros, ReplicaId, SeqNum, Session, Timestamp};

/// How often messages of one kind are sent to everyone.
pub(super) const PACE: Micros = Micros::from_millis(50);

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Junk {
    /// The beginning of a view with junk signatures by the thousand.
    NewView,
    /// Its own request for a view, truly signed, around votes that nobody has cast; with it what makes up for a refused message.
    ViewChange,
    /// A proof around the beginning of a view that nobody has signed.
    Proof,
    /// Bodies with junk signatures.
    Bodies,
    /// Votes with junk signatures.
    Votes,
    /// Requests for one body, named as often as fits.
    Fetch,
    /// Requests for parts of the state.
    State,
}

/// Who sends junk, and what it knows.
pub struct Source<'a> {
    /// Who it is.
    pub me: ReplicaId,
    /// Among whom.
    pub committee: Committee,
    /// How many slots a message can have something to say about.
    pub window_slots: u64,
    /// How many slots the beginning of a view speaks of: the window's, or as many as fit into a message.
    pub new_view_slots: u64,
    /// Its own key.
    pub signer: &'a Signer,
    /// A submission whose body the others hold, if it knows one.
    pub known: Option<Digest>,
}

impl Junk {
    /// All kinds.
    pub const ALL: [Junk; 7] =
        [Junk::NewView, Junk::ViewChange, Junk::Proof, Junk::Bodies, Junk::Votes, Junk::Fetch, Junk::State];

    /// How many votes, bodies or requests are sent at once.
    const VOTES: u64 = 64;
    const BODIES: u64 = 1024;
    const REQUESTS: usize = 16;

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Junk::NewView => "new-view",
            Junk::ViewChange => "view-change",
            Junk::Proof => "proof",
            Junk::Bodies => "bodies",
            Junk::Votes => "votes",
            Junk::Fetch => "fetch",
            Junk::State => "state",
        }
    }

    /// The messages of one turn; turns are counted from 0.
    pub fn messages<M: Forge>(self, from: &Source<'_>, turn: u64) -> Vec<PeerMessage<M>> {
        match self {
            Junk::NewView | Junk::ViewChange | Junk::Votes => {
                M::junk(self, from, turn).into_iter().map(PeerMessage::Protocol).collect()
            }
            Junk::Proof => {
                let prove = |message| PeerMessage::Proof(Box::new(Proof::SelfIncriminating(Box::new(message))));
                M::junk(self, from, turn).into_iter().map(prove).collect()
            }
            Junk::Bodies => {
                let numbers = turn * Self::BODIES..(turn + 1) * Self::BODIES;
                vec![PeerMessage::Bodies(numbers.map(|number| submission(ClientId(0), number)).collect())]
            }
            Junk::Fetch => {
                let digest = from.known.unwrap_or(Digest::ZERO);
                vec![PeerMessage::FetchBodies(vec![digest; 512]); Self::REQUESTS]
            }
            Junk::State => {
                let request = StateRequest::Leaves { seq: SeqNum(0), leaves: (0..128).collect() };
                vec![PeerMessage::StateRequest(request); Self::REQUESTS]
            }
        }
    }

    /// The numbers of one turn's votes.
    pub(super) fn votes(turn: u64) -> std::ops::Range<u64> {
        turn * Self::VOTES..(turn + 1) * Self::VOTES
    }
}

/// A signature that nothing but a full check finds to be bad: R is the curve's base point, and S is canonical.
pub fn signature(number: u64) -> Signature {
    let mut bytes = [0x66; 64];
    bytes[0] = 0x58;
    bytes[32..].fill(0);
    bytes[32..40].copy_from_slice(&number.to_le_bytes());
    bytes[40..48].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    Signature::from(bytes)
}

/// A client's submission that it has not signed.
pub fn submission(client: ClientId, number: u64) -> Signed<Submission> {
    let session = Session { client, index: (number % 1024) as u16 };
    // What any application makes of it matters no more than who signed it.
    let body = Submission { session, timestamp: Timestamp(1 + number / 1024), operations: vec![1, 1] };
    Signed { body, signature: signature(number) }
}

impl Voice {
    /// One turn's junk for everyone.
    pub(super) fn junk<M: Forge>(
        &self,
        kind: Junk,
        (window_slots, known): (u64, Option<Digest>),
        turn: u64,
    ) -> impl Iterator<Item = Output<M>> {
        let Voice { me, committee, ref signer, .. } = *self;
        let source = Source { me, committee, window_slots, new_view_slots: window_slots, signer, known };
        let messages = kind.messages(&source, turn);
        messages.into_iter().map(|message| Output::Send(Recipients::All, message))
    }
}
