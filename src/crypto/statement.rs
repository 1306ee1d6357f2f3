//! What is signed: statements of fixed fields, bound to a cluster.

use serde::{Deserialize, Serialize};

use crate::types::{ClientId, Digest, ProtocolName, ReplicaId, SeqNum, View};

/// What every statement of a cluster is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Realm {
    /// The cluster's id.
    pub cluster: Digest,
    /// Which configuration of the cluster: grows when its roster changes.
    pub epoch: u64,
    /// The protocol that the cluster runs.
    pub protocol: ProtocolName,
}

/// Who makes a statement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Author {
    /// A replica of the roster.
    Replica(ReplicaId),
    /// A client key of the roster.
    Client(ClientId),
}

/// What a statement says, apart from its numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A client asks for operations; the digest covers session, timestamp and operations.
    Submission = 1,
    /// The primary assigns a batch to a slot of its own accord.
    PrePrepare = 2,
    /// The primary of a new view repeats what the view change forces on a slot (rule 8).
    Forced = 3,
    /// A backup has accepted the assignment.
    Prepare = 4,
    /// A replica has seen a quorum prepare.
    Commit = 5,
    /// The state's digest after a slot.
    Checkpoint = 6,
    /// A replica asks for a view; the slot is its stable checkpoint, the digest covers the rest of the message.
    ViewChange = 7,
    /// The primary of a view begins it; the digest covers the rest of the message.
    NewView = 8,
}

impl Kind {
    /// The paper's name, as evidence and console print it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Submission => "request",
            Kind::PrePrepare => "pre-prepare",
            Kind::Forced => "new-view pre-prepare",
            Kind::Prepare => "prepare",
            Kind::Commit => "commit",
            Kind::Checkpoint => "checkpoint",
            Kind::ViewChange => "view-change",
            Kind::NewView => "new-view",
        }
    }
}

/// What is signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// What is said.
    pub kind: Kind,
    /// In or about which view; 0 where views mean nothing.
    pub view: View,
    /// About which slot; 0 where slots mean nothing.
    pub seq: SeqNum,
    /// About which content.
    pub digest: Digest,
    /// By whom.
    pub author: Author,
}

impl Statement {
    /// A replica's statement.
    pub fn by_replica(kind: Kind, view: View, seq: SeqNum, digest: Digest, replica: ReplicaId) -> Statement {
        Statement { kind, view, seq, digest, author: Author::Replica(replica) }
    }

    const DOMAIN: &'static [u8; 16] = b"byztop-statement";

    /// How many bytes are signed, whatever is said.
    pub(super) const BYTES: usize = 109;

    /// The bytes that are signed: every field at a fixed place, numbers in little endian.
    pub(super) fn bytes(&self, realm: &Realm) -> [u8; Statement::BYTES] {
        let (role, id) = match self.author {
            Author::Replica(replica) => (0u8, u16::from(replica.0)),
            Author::Client(client) => (1, client.0),
        };
        let protocol = match realm.protocol {
            ProtocolName::Pbft => 1u8,
            ProtocolName::Linear => 2,
        };
        let mut bytes = [0; Statement::BYTES];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(Self::DOMAIN);
        put(&realm.cluster.0);
        put(&realm.epoch.to_le_bytes());
        put(&[protocol, self.kind as u8]);
        put(&self.view.0.to_le_bytes());
        put(&self.seq.0.to_le_bytes());
        put(&self.digest.0);
        put(&[role]);
        put(&id.to_le_bytes());
        assert_eq!(at, bytes.len(), "the statement fills its bytes");
        bytes
    }
}
