//! What of a replica survives it: written with what its protocol writes, and read back when it starts again.
//!
//! The state is written when a checkpoint is stable, as the leaves that differ from those on the disk, together with the
//! certificate; what was executed since is executed again, since the protocol remembers what was decided.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{Output, Outputs, Replica, Submission};
use crate::app::Application;
use crate::app::merkle::MerkleTree;
use crate::committee::Committee;
use crate::crypto::Signed;
use crate::durable::{Damaged, Image, Table, Write, damaged};
use crate::protocol::{Batch, CheckpointCertificate, Protocol, Settings};
use crate::types::{Digest, ReplicaId, SeqNum};

/// What is on the disk, as far as that is not the protocol's business.
pub(super) struct Memory {
    /// The bodies.
    bodies: Bodies,
    /// The digests of the state's leaves.
    leaves: MerkleTree,
}

/// Which bodies are on the disk. Those that nobody needs any more go a few at a time: all at once, when a checkpoint is
/// stable, would take so long that everyone waits.
#[derive(Default)]
struct Bodies {
    written: BTreeSet<Digest>,
    /// Up to which of them was looked whether somebody needs it.
    swept: Digest,
}

impl Bodies {
    /// For each that is written, so many are looked at: those that nobody needs are about half as many as those that
    /// somebody does.
    const SWEPT_PER_BODY: usize = 3;

    /// Takes out some that nobody needs, after so many were written.
    fn sweep(&mut self, written: usize, is_needed: impl Fn(&Digest) -> bool) -> Vec<Digest> {
        let count = Self::SWEPT_PER_BODY * written;
        let next = self.written.range((Bound::Excluded(self.swept), Bound::Unbounded)).take(count);
        let looked_at: Vec<Digest> = next.copied().collect();
        if let Some(last) = looked_at.last() {
            self.swept = *last;
        }
        if looked_at.len() < count {
            // At the end it begins anew.
            self.swept = Digest::ZERO;
        }
        looked_at.into_iter().filter(|digest| !is_needed(digest) && self.written.remove(digest)).collect()
    }
}

impl<P: Protocol, A: Application> Replica<P, A> {
    /// From now on it says what is to be written before anything about it leaves.
    pub fn keep_memory(&mut self) {
        let leaves = self.state.tree().clone();
        self.memory = Some(Memory { bodies: Bodies::default(), leaves });
    }

    /// A replica as its disk remembers it, which goes on to say what is to be written. `app` is the application at the
    /// beginning of time.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if the disk does not hold what such a replica has written.
    pub fn restore(
        me: ReplicaId,
        committee: Committee,
        settings: &Settings,
        app: A,
        image: &Image,
    ) -> Result<Self, Damaged> {
        let mut replica = Self::new(me, committee, settings, app);
        let stable: CheckpointCertificate =
            image.row(Table::Checkpoint)?.unwrap_or_else(CheckpointCertificate::genesis);
        replica.restore_state(image, &stable)?;
        replica.keep_memory();
        replica.restore_bodies(image)?;
        replica.protocol.restore(image, &stable)?;
        replica.auditor.enter_view(replica.protocol.status().view);
        Ok(replica)
    }

    fn restore_state(&mut self, image: &Image, stable: &CheckpointCertificate) -> Result<(), Damaged> {
        let seq = stable.seq();
        let mut leaves = BTreeMap::new();
        for (key, leaf) in image.rows::<Vec<u8>>(Table::Leaves)? {
            let index = <[u8; 4]>::try_from(key).map_err(|_| damaged(Table::Leaves, key, "no leaf has this number"))?;
            leaves.insert(u32::from_be_bytes(index), leaf);
        }
        let unlike = || damaged(Table::Checkpoint, &[], "the leaves are not those of this checkpoint");
        if seq == SeqNum(0) {
            // An epoch that was begun from a checkpoint of the one before has its state, under no certificate of its own.
            if !leaves.is_empty() {
                self.state = self.state.with_leaves(seq, &leaves).ok_or_else(unlike)?;
            }
            return Ok(());
        }
        let mut state = self.state.with_leaves(seq, &leaves).ok_or_else(unlike)?;
        if state.digest() != stable.digest() {
            return Err(unlike());
        }
        self.state = state;
        self.checkpoints.keep(seq, stable.digest(), self.state.clone());
        self.checkpoints.stabilise(stable.clone());
        self.pool.collect(seq);
        self.auditor.collect(seq);
        Ok(())
    }

    fn restore_bodies(&mut self, image: &Image) -> Result<(), Damaged> {
        for (key, body) in image.rows::<Signed<Submission>>(Table::Bodies)? {
            let digest = body.body.digest();
            if digest.0 != key {
                return Err(damaged(Table::Bodies, key, "it is another submission's"));
            }
            self.pool.remember(digest, body);
            if let Some(memory) = &mut self.memory {
                memory.bodies.written.insert(digest);
            }
        }
        Ok(())
    }

    /// What the protocol wants to be remembered, with the bodies that go with it.
    pub(super) fn remember(&mut self, outputs: &mut Outputs<P>) {
        if self.memory.is_none() {
            return self.protocol.forget_writes();
        }
        let mut writes = Vec::new();
        for batch in self.protocol.take_writes(&mut writes) {
            self.write_bodies(&batch, &mut writes);
        }
        if !writes.is_empty() {
            outputs.push(Output::Persist(writes));
        }
    }

    /// A slot is executed: its bodies may have come when there was nothing to say of it any more, and whoever starts again
    /// executes it again.
    pub(super) fn remember_executed(&mut self, batch: &Batch, outputs: &mut Outputs<P>) {
        let mut writes = Vec::new();
        self.write_bodies(batch, &mut writes);
        if !writes.is_empty() {
            outputs.push(Output::Persist(writes));
        }
    }

    /// The bodies of a batch that are here and not on the disk; some that are there and not here any more make room.
    fn write_bodies(&mut self, batch: &Batch, writes: &mut Vec<Write>) {
        let Some(memory) = &mut self.memory else { return };
        let before = writes.len();
        for digest in &batch.submissions {
            if !memory.bodies.written.contains(digest)
                && let Some(body) = self.pool.body(digest)
            {
                memory.bodies.written.insert(*digest);
                writes.push(Write::put(Table::Bodies, &digest.0, body));
            }
        }
        let written = writes.len() - before;
        let unneeded = memory.bodies.sweep(written, |digest| self.pool.body(digest).is_some());
        writes.extend(unneeded.iter().map(|digest| Write::delete(Table::Bodies, &digest.0)));
    }

    /// The state at a stable checkpoint takes the place of the one before.
    pub(super) fn remember_state(&mut self, stable: &CheckpointCertificate, outputs: &mut Outputs<P>) {
        let Some(memory) = &mut self.memory else { return };
        let mut writes = vec![Write::put(Table::Checkpoint, &[], stable)];
        if let Some(state) = self.checkpoints.snapshot(stable.seq()) {
            for index in state.snapshot_tree().differing(&memory.leaves) {
                writes.push(Write::put(Table::Leaves, &(index as u32).to_be_bytes(), &state.leaf(index)));
            }
            memory.leaves = state.snapshot_tree().clone();
        }
        outputs.push(Output::Persist(writes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_nobody_needs_go_a_few_at_a_time_and_no_others() {
        let digest = |number: u32| Digest::of("body", &[&number.to_le_bytes()]);
        let mut bodies = Bodies::default();
        // The newest hundred are needed, and each turn writes ten.
        for turn in 10..500 {
            let newest = (turn * 10 - 100..turn * 10).map(digest).collect::<BTreeSet<_>>();
            let written = if turn == 10 { 0 } else { turn * 10 - 10 };
            bodies.written.extend((written..turn * 10).map(digest));
            let gone = bodies.sweep(10, |digest| newest.contains(digest));
            assert!(gone.len() <= 10 * Bodies::SWEPT_PER_BODY && gone.iter().all(|digest| !newest.contains(digest)));
            assert!(newest.is_subset(&bodies.written), "turn {turn}");
            assert!(bodies.written.len() <= 200, "turn {turn}: {} on the disk", bodies.written.len());
        }
    }
}
