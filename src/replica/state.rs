//! The replicated state: application and client table under one Merkle tree, executed strictly in order.

use std::collections::BTreeMap;

use super::clients::{ClientTable, Entry, Freshness};
use super::submission::Submission;
use crate::app::Application;
use crate::app::merkle::{self, MerkleTree};
use crate::types::{Digest, SeqNum};

/// The digest that a checkpoint at `seq` has whose Merkle tree has this root.
pub(super) fn digest_of(seq: SeqNum, root: Digest) -> Digest {
    Digest::of("state", &[&seq.0.to_le_bytes(), &root.0])
}

/// Application and client table after a slot.
#[derive(Clone)]
pub(super) struct State<A> {
    pub(super) app: A,
    pub(super) clients: ClientTable,
    pub(super) executed: SeqNum,
    tree: MerkleTree,
}

/// What running a submission gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Ran {
    pub(super) operations: u32,
    pub(super) failed: u32,
}

impl<A: Application> State<A> {
    pub(super) fn new(app: A) -> State<A> {
        let clients = ClientTable::new();
        let app_leaves = app.leaf_count();
        let leaf = |index| if index < app_leaves { app.leaf(index) } else { clients.leaf(index - app_leaves) };
        let count = app_leaves + ClientTable::LEAVES;
        let digests: Vec<Digest> = (0..count).map(|index| merkle::leaf_digest(index, &leaf(index))).collect();
        let tree = MerkleTree::new(&digests);
        let mut state = State { app, clients, executed: SeqNum(0), tree };
        state.refresh();
        state
    }

    /// Runs a submission unless it or a newer one of its session ran before (rule 23); the result is cached.
    pub(super) fn run(&mut self, digest: Digest, submission: &Submission) -> Option<Ran> {
        let Submission { session, timestamp, ref operations } = *submission;
        if self.clients.freshness(session, timestamp) != Freshness::New {
            return None;
        }
        let outcome = self.app.execute(operations);
        self.clients.record(session, Entry { timestamp, submission: digest, result: outcome.result });
        Some(Ran { operations: outcome.operations, failed: outcome.failed })
    }

    /// The digest of the state (rule 27): slot, application and client table. The cost follows what changed.
    pub(super) fn digest(&mut self) -> Digest {
        self.refresh();
        digest_of(self.executed, self.tree.root())
    }

    /// The Merkle tree, brought up to date.
    pub(super) fn tree(&mut self) -> &MerkleTree {
        self.refresh();
        &self.tree
    }

    /// The Merkle tree of a snapshot, which was up to date when it was taken.
    pub(super) fn snapshot_tree(&self) -> &MerkleTree {
        &self.tree
    }

    pub(super) fn leaf(&self, index: usize) -> Vec<u8> {
        let app_leaves = self.app.leaf_count();
        if index < app_leaves { self.app.leaf(index) } else { self.clients.leaf(index - app_leaves) }
    }

    /// A copy at `seq` with some leaves replaced; `None` if one of them is not what it should be. Nothing is half done:
    /// the copy takes the state's place only as a whole (rule 28).
    pub(super) fn with_leaves(&self, seq: SeqNum, leaves: &BTreeMap<u32, Vec<u8>>) -> Option<State<A>> {
        let mut copy = self.clone();
        let app_leaves = copy.app.leaf_count();
        for (index, bytes) in leaves {
            let index = *index as usize;
            let is_installed = if index < app_leaves {
                copy.app.install_leaf(index, bytes)
            } else {
                copy.clients.install_leaf(index - app_leaves, bytes)
            };
            if !is_installed {
                return None;
            }
        }
        copy.tree.set_all(
            leaves.iter().map(|(index, bytes)| (*index as usize, merkle::leaf_digest(*index as usize, bytes))),
        );
        copy.executed = seq;
        Some(copy)
    }

    fn refresh(&mut self) {
        let app_leaves = self.app.leaf_count();
        let dirty_clients = self.clients.take_dirty().into_iter().map(|index| app_leaves + index);
        let dirty: Vec<usize> = self.app.take_dirty().into_iter().chain(dirty_clients).collect();
        let digests: Vec<(usize, Digest)> =
            dirty.into_iter().map(|index| (index, merkle::leaf_digest(index, &self.leaf(index)))).collect();
        self.tree.set_all(digests);
    }
}
