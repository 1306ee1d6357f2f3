//! What replicas send to each other, whatever the protocol.

use serde::{Deserialize, Serialize};

use super::submission::Submission;
use crate::app::merkle::Children;
use crate::committee::Committee;
use crate::crypto::{Author, Check, Signable as _, Signature, Signed, Signer, Verifier};
use crate::evidence::Proof;
use crate::protocol::{Batch, Checkpoint, CheckpointCertificate, Claim, Class, Message};
use crate::rejection::Rejection;
use crate::telemetry::Heading;
use crate::types::{Digest, SeqNum};
use crate::wire;

/// A message between replicas; `M` is the protocol's own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum PeerMessage<M> {
    /// Of the ordering protocol.
    Protocol(M),
    /// A client's submission, passed on to the primary (rule 24).
    Forward(Signed<Submission>),
    /// Asks for bodies by digest.
    FetchBodies(#[serde(deserialize_with = "wire::at_most::<_, _, { Batch::MAX_SUBMISSIONS }>")] Vec<Digest>),
    /// Bodies that were asked for.
    Bodies(#[serde(deserialize_with = "wire::at_most::<_, _, { Batch::MAX_SUBMISSIONS }>")] Vec<Signed<Submission>>),
    /// The sender's state after a slot.
    Checkpoint(Signed<Checkpoint>),
    /// Asks for nodes of the Merkle tree over a stable checkpoint's state, or for leaves.
    StateRequest(StateRequest),
    /// A part of the state.
    StatePart(StatePart),
    /// A proof of a replica's guilt.
    Proof(Box<Proof<M>>),
}

/// Asks for a part of the state at a stable checkpoint (rule 28).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StateRequest {
    /// The children of some nodes of the Merkle tree.
    Nodes {
        /// At which checkpoint.
        seq: SeqNum,
        /// On which level; leaves are on level 0.
        level: u8,
        /// Which, by their place on the level.
        #[serde(deserialize_with = "wire::at_most::<_, _, { StatePart::MAX_NODES }>")]
        nodes: Vec<u32>,
    },
    /// Some leaves.
    Leaves {
        /// At which checkpoint.
        seq: SeqNum,
        /// Which.
        #[serde(deserialize_with = "wire::at_most::<_, _, { StatePart::MAX_LEAVES }>")]
        leaves: Vec<u32>,
    },
}

/// A part of the state at a stable checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StatePart {
    /// Nodes of the Merkle tree.
    Nodes {
        /// At which checkpoint.
        seq: SeqNum,
        /// On which level.
        level: u8,
        /// Place and children of each.
        #[serde(deserialize_with = "wire::at_most::<_, _, { StatePart::MAX_NODES }>")]
        nodes: Vec<(u32, Children)>,
    },
    /// Leaves with their bytes.
    Leaves {
        /// At which checkpoint.
        seq: SeqNum,
        /// Index and bytes of each.
        #[serde(deserialize_with = "wire::at_most::<_, _, { StatePart::MAX_LEAVES }>")]
        leaves: Vec<(u32, Leaf)>,
    },
    /// The sender holds the state that it was asked for no more. This newer one it does, and keeps it for the asker.
    Newer(CheckpointCertificate),
}

impl StatePart {
    /// The most nodes in one part: 64 KiB.
    pub const MAX_NODES: usize = 128;
    /// The most leaves in one part.
    pub const MAX_LEAVES: usize = 128;

    /// How many bytes of state are in it, less a few.
    pub(super) fn bytes(&self) -> usize {
        match self {
            StatePart::Nodes { nodes, .. } => nodes.len() * size_of::<Children>(),
            StatePart::Leaves { leaves, .. } => leaves.iter().map(|(_, Leaf(bytes))| bytes.len()).sum(),
            StatePart::Newer(certificate) => 65 * certificate.signers().iter().count(),
        }
    }
}

/// The largest leaf that travels. An application's are smaller; a leaf of the client table holds one cached result of
/// each client key, so that some 300 keys have room for the longest results.
pub(super) const MAX_STATE_LEAF_BYTES: usize = 4 << 20;

/// The bytes of a leaf.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaf(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl<M: Message> PeerMessage<M> {
    /// Which stream it travels on.
    pub fn class(&self) -> Class {
        match self {
            PeerMessage::Protocol(message) => message.class(),
            PeerMessage::Checkpoint(_) | PeerMessage::Proof(_) => Class::Vote,
            _ => Class::Bulk,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            PeerMessage::Protocol(message) => message.name(),
            PeerMessage::Forward(_) => "request",
            PeerMessage::FetchBodies(_) => "fetch",
            PeerMessage::Bodies(_) => "bodies",
            PeerMessage::Checkpoint(_) => "checkpoint",
            PeerMessage::StateRequest(_) => "state-request",
            PeerMessage::StatePart(_) => "state-part",
            PeerMessage::Proof(_) => "proof",
        }
    }

    /// What it is called and about, if it belongs to the course of a slot or of a view change.
    pub fn heading(&self) -> Option<Heading> {
        match self {
            PeerMessage::Protocol(message) => Some(Heading { name: message.name(), topic: message.topic()? }),
            _ => None,
        }
    }

    /// Whether its answer may be much longer than it is.
    pub fn asks_for_much(&self) -> bool {
        match self {
            PeerMessage::Protocol(message) => message.asks_for_much(),
            PeerMessage::FetchBodies(_) | PeerMessage::StateRequest(_) => true,
            _ => false,
        }
    }

    /// The signed statements of replicas in it that could contradict others, but for those of a proof, which is judged by
    /// itself.
    pub fn claims(&self, committee: Committee) -> Vec<Claim> {
        match self {
            PeerMessage::Protocol(message) => message.claims(committee),
            PeerMessage::Checkpoint(Signed { body, signature }) => {
                vec![Claim { statement: body.statement(), signature: *signature, batch: None }]
            }
            PeerMessage::StatePart(StatePart::Newer(certificate)) => certificate.claims().collect(),
            _ => Vec::new(),
        }
    }

    /// Signs every blank signature whose author is the signer.
    pub fn fill_signatures(&mut self, signer: &Signer) {
        match self {
            PeerMessage::Protocol(message) => message.fill_signatures(signer),
            PeerMessage::Checkpoint(checkpoint) => checkpoint.fill_signature(signer),
            _ => {}
        }
    }

    /// Every signature in it that its sender could spoil.
    pub fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        match self {
            PeerMessage::Protocol(message) => message.signatures_mut(),
            PeerMessage::Forward(submission) => vec![&mut submission.signature],
            PeerMessage::Bodies(bodies) => bodies.iter_mut().map(|body| &mut body.signature).collect(),
            PeerMessage::Checkpoint(checkpoint) => vec![&mut checkpoint.signature],
            PeerMessage::Proof(proof) => proof.signatures_mut(),
            PeerMessage::StatePart(StatePart::Newer(certificate)) => certificate.signatures_mut().collect(),
            PeerMessage::FetchBodies(_) | PeerMessage::StateRequest(_) | PeerMessage::StatePart(_) => Vec::new(),
        }
    }
}

impl<M: Message> Check for PeerMessage<M> {
    fn check(&self, sender: Author, verifier: &Verifier) -> Result<(), Rejection> {
        match self {
            PeerMessage::Protocol(message) => message.check(sender, verifier),
            PeerMessage::Forward(submission) => submission.check(sender, verifier),
            PeerMessage::Bodies(bodies) => bodies.iter().try_for_each(|body| body.check(sender, verifier)),
            PeerMessage::Checkpoint(checkpoint) => checkpoint.check(sender, verifier),
            PeerMessage::Proof(proof) => proof.verify(verifier).map(|_| ()),
            PeerMessage::StatePart(StatePart::Leaves { leaves, .. }) => {
                let largest = leaves.iter().map(|(_, leaf)| leaf.0.len()).max().unwrap_or(0);
                if largest > MAX_STATE_LEAF_BYTES {
                    return Err(Rejection::TooLarge { bytes: largest as u64, limit: MAX_STATE_LEAF_BYTES as u64 });
                }
                Ok(())
            }
            PeerMessage::StatePart(StatePart::Newer(certificate)) => certificate.verify(verifier),
            PeerMessage::StatePart(StatePart::Nodes { .. })
            | PeerMessage::FetchBodies(_)
            | PeerMessage::StateRequest(_) => Ok(()),
        }
    }
}
