//! The client table: each session's newest executed timestamp and its cached result. Part of the replicated,
//! checkpointed and transferred state (rule 23).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::message::MAX_STATE_LEAF_BYTES;
use crate::app::persistent::PersistentVec;
use crate::types::{Digest, Session, Timestamp};
use crate::wire;

/// What was executed last for a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) timestamp: Timestamp,
    pub(super) submission: Digest,
    #[serde(with = "serde_bytes")]
    pub(super) result: Vec<u8>,
}

/// How a submission relates to what its session had executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Freshness<'a> {
    /// It is newer: it may run.
    New,
    /// It is the one that ran last: here is what the client gets again.
    Last(&'a Entry),
    /// It is older than this one, which ran last: it never runs.
    Old(Timestamp),
}

type Entries = BTreeMap<Session, Entry>;

/// Entries in leaves that are shared until they are written: a clone is a snapshot.
#[derive(Clone)]
pub(super) struct ClientTable {
    leaves: PersistentVec<Arc<Entries>>,
    dirty: BTreeSet<usize>,
}

impl ClientTable {
    /// One leaf per session index: sessions of different clients with one index share a leaf.
    pub(super) const LEAVES: usize = Session::PER_CLIENT as usize;

    pub(super) fn new() -> ClientTable {
        ClientTable { leaves: PersistentVec::filled(&Arc::default(), Self::LEAVES), dirty: BTreeSet::new() }
    }

    pub(super) fn freshness(&self, session: Session, timestamp: Timestamp) -> Freshness<'_> {
        match self.leaves[Self::leaf_of(session)].get(&session) {
            Some(entry) if entry.timestamp == timestamp => Freshness::Last(entry),
            Some(entry) if entry.timestamp > timestamp => Freshness::Old(entry.timestamp),
            _ => Freshness::New,
        }
    }

    pub(super) fn record(&mut self, session: Session, entry: Entry) {
        let index = Self::leaf_of(session);
        Arc::make_mut(&mut self.leaves[index]).insert(session, entry);
        self.dirty.insert(index);
    }

    /// Each session and what ran last for it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Session, &Entry)> {
        self.leaves.iter().flat_map(|leaf| leaf.iter())
    }

    /// Each session and its newest executed timestamp.
    pub(super) fn newest(&self) -> impl Iterator<Item = (Session, Timestamp)> {
        self.entries().map(|(session, entry)| (*session, entry.timestamp))
    }

    pub(super) fn leaf(&self, index: usize) -> Vec<u8> {
        wire::encode(&*self.leaves[index])
    }

    pub(super) fn take_dirty(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.dirty)
    }

    /// Replaces a leaf by verified bytes; false if they are no leaf.
    pub(super) fn install_leaf(&mut self, index: usize, bytes: &[u8]) -> bool {
        let Ok(leaf) = wire::decode::<Entries>(bytes, MAX_STATE_LEAF_BYTES) else { return false };
        if !leaf.keys().all(|session| Self::leaf_of(*session) == index) {
            return false;
        }
        self.leaves[index] = Arc::new(leaf);
        true
    }

    fn leaf_of(session: Session) -> usize {
        usize::from(session.index) % Self::LEAVES
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Leaf, PeerMessage, StatePart};
    use super::*;
    use crate::committee::Committee;
    use crate::crypto::{Author, Check as _, Realm, Verifier};
    use crate::pbft;
    use crate::types::{ClientId, ProtocolName, ReplicaId, SeqNum};

    #[test]
    fn rule_23_only_a_newer_timestamp_runs() {
        let session = Session { client: ClientId(1), index: 7 };
        let mut table = ClientTable::new();
        let entry = Entry { timestamp: Timestamp(5), submission: Digest::ZERO, result: vec![1] };
        table.record(session, entry.clone());
        assert_eq!(table.freshness(session, Timestamp(4)), Freshness::Old(Timestamp(5)));
        assert_eq!(table.freshness(session, Timestamp(5)), Freshness::Last(&entry));
        assert_eq!(table.freshness(session, Timestamp(6)), Freshness::New);
        assert_eq!(table.take_dirty().into_iter().collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn leaves_travel_and_refuse_what_belongs_elsewhere() {
        let session = Session { client: ClientId(1), index: 7 };
        let mut table = ClientTable::new();
        table.record(session, Entry { timestamp: Timestamp(5), submission: Digest::ZERO, result: vec![1] });
        let mut other = ClientTable::new();
        assert!(other.install_leaf(7, &table.leaf(7)));
        assert_eq!(other.leaf(7), table.leaf(7));
        assert!(!other.install_leaf(8, &table.leaf(7)));
        assert!(!other.install_leaf(7, &[9, 9]));
    }

    #[test]
    fn a_leaf_full_of_the_longest_results_travels() {
        let mut table = ClientTable::new();
        for client in 0..200 {
            let entry = Entry { timestamp: Timestamp(5), submission: Digest::ZERO, result: vec![1; 11 * 1024] };
            table.record(Session { client: ClientId(client), index: 7 }, entry);
        }
        let leaf = table.leaf(7);
        assert!(ClientTable::new().install_leaf(7, &leaf));
        let part = StatePart::Leaves { seq: SeqNum(1), leaves: vec![(0, Leaf(leaf))] };
        let verifier = Verifier::tags(
            Realm { cluster: Digest::ZERO, epoch: 0, protocol: ProtocolName::Pbft },
            Committee::new(4).unwrap(),
            1,
            Digest::ZERO,
        );
        let message: PeerMessage<pbft::Message> = PeerMessage::StatePart(part);
        assert_eq!(message.check(Author::Replica(ReplicaId(1)), &verifier), Ok(()));
    }
}
