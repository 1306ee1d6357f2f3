//! The log: what a replica knows of each slot between the watermarks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::form::{Decision as _, Form};
use super::message::{Message, Origin, PreparedCertificate};
use crate::protocol::{Batch, Recipients, SlotPhase, Votes};
use crate::types::{Digest, SeqNum, View};

/// A proposal that was accepted: at most one per view and slot (rule 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Proposal {
    pub(crate) view: View,
    pub(crate) origin: Origin,
    pub(crate) digest: Digest,
    /// The primary's signature on the header.
    pub(crate) header: crate::crypto::Signature,
}

/// What is known of one slot.
pub struct Slot<F: Form> {
    /// The proposal of the current view, if one was accepted.
    pub(crate) proposal: Option<Proposal>,
    pub(crate) prepares: Votes,
    pub(crate) commits: Votes,
    /// The prepared certificate of the highest view.
    pub(crate) prepared: Option<PreparedCertificate>,
    /// What decided the slot, in whatever view.
    pub(crate) decision: Option<F::Decision>,
    /// Whether the decision was handed on for execution.
    pub(super) is_delivered: bool,
    /// Whether it was executed.
    pub(super) is_executed: bool,
    /// What this replica said about the slot in the current view and to whom, for retransmission.
    pub(super) said: Vec<(Recipients, Message<F>)>,
    /// What this replica prepared last: it sends one PREPARE per view, a primary's being its proposal.
    pub(crate) voted: Option<Proposal>,
    /// The last view in which this replica sent its COMMIT.
    pub(crate) commit_sent_in: Option<View>,
}

impl<F: Form> Default for Slot<F> {
    fn default() -> Self {
        Slot {
            proposal: None,
            prepares: Votes::default(),
            commits: Votes::default(),
            prepared: None,
            decision: None,
            is_delivered: false,
            is_executed: false,
            said: Vec::new(),
            voted: None,
            commit_sent_in: None,
        }
    }
}

impl<F: Form> Slot<F> {
    /// Whether the slot is prepared in a view (§4.2).
    pub(crate) fn is_prepared_in(&self, view: View) -> bool {
        self.prepared.as_ref().is_some_and(|certificate| certificate.prepares.view == view)
    }

    /// How far it has come in the view.
    pub(super) fn phase(&self, view: View) -> SlotPhase {
        if self.is_executed {
            SlotPhase::Executed
        } else if self.decision.is_some() {
            SlotPhase::Committed
        } else if self.is_prepared_in(view) {
            SlotPhase::Prepared
        } else if self.proposal.is_some() {
            SlotPhase::PrePrepared
        } else {
            SlotPhase::Empty
        }
    }

    /// A new view begins: proposals and own messages of the old one are history, certificates stay.
    fn enter_view(&mut self, view: View) {
        self.proposal = None;
        self.said.clear();
        self.prepares.forget_before(view);
        self.commits.forget_before(view);
    }

    /// The batches that it speaks of. What this replica voted for stays among them: in some forms that may decide.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        let proposal = self.proposal.map(|proposal| proposal.digest);
        let voted = self.voted.map(|proposal| proposal.digest);
        let prepared = self.prepared.as_ref().map(|certificate| certificate.prepares.digest);
        let decided = self.decision.as_ref().map(|decision| decision.digest());
        [proposal, voted, prepared, decided].into_iter().flatten()
    }
}

/// The slots above the last stable checkpoint, and the batches that they speak of.
///
/// Bounded by the watermarks: whoever inserts has checked that the slot lies between them.
pub(crate) struct Log<F: Form> {
    slots: BTreeMap<SeqNum, Slot<F>>,
    batches: BTreeMap<Digest, Batch>,
}

impl<F: Form> Default for Log<F> {
    fn default() -> Self {
        Log { slots: BTreeMap::new(), batches: BTreeMap::new() }
    }
}

impl<F: Form> Log<F> {
    /// The slot, made if need be.
    pub(crate) fn slot_mut(&mut self, seq: SeqNum) -> &mut Slot<F> {
        self.slots.entry(seq).or_default()
    }

    pub(crate) fn slot(&self, seq: SeqNum) -> Option<&Slot<F>> {
        self.slots.get(&seq)
    }

    /// The slots after `seq`, ascending.
    pub(crate) fn after(&self, seq: SeqNum) -> impl Iterator<Item = (SeqNum, &Slot<F>)> {
        self.slots.range(seq.next()..).map(|(seq, slot)| (*seq, slot))
    }

    /// The newest slot with a proposal of the current view.
    pub(super) fn newest_proposed(&self) -> Option<SeqNum> {
        self.slots.iter().rev().find(|(_, slot)| slot.proposal.is_some()).map(|(seq, _)| *seq)
    }

    /// How many slots there are, and how many batches.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.slots.len(), self.batches.len())
    }

    /// Keeps a batch until it is dropped as one that nothing names; gives its digest.
    pub(super) fn keep_batch(&mut self, batch: Batch) -> Digest {
        let digest = batch.digest();
        self.batches.insert(digest, batch);
        digest
    }

    /// A batch by digest; the null request is always known.
    pub(crate) fn batch(&self, digest: Digest) -> Option<Batch> {
        if digest == Digest::ZERO {
            return Some(Batch::default());
        }
        self.batches.get(&digest).cloned()
    }

    /// How many submissions a batch names, if it is known.
    pub(super) fn submissions_of(&self, digest: Digest) -> Option<usize> {
        if digest == Digest::ZERO {
            return Some(0);
        }
        self.batches.get(&digest).map(|batch| batch.submissions.len())
    }

    /// Whether [`Log::batch`] gives it.
    pub(crate) fn has_batch(&self, digest: Digest) -> bool {
        digest == Digest::ZERO || self.batches.contains_key(&digest)
    }

    /// A new view begins.
    pub(super) fn enter_view(&mut self, view: View) {
        self.slots.values_mut().for_each(|slot| slot.enter_view(view));
    }

    /// The slots after `seq` are not executed any more, nor handed on for that.
    pub(super) fn forget_execution_after(&mut self, seq: SeqNum) {
        for (_, slot) in self.slots.range_mut(seq.next()..) {
            (slot.is_delivered, slot.is_executed) = (false, false);
        }
    }

    /// What this replica said about the slots is not said again.
    pub(super) fn fall_silent(&mut self) {
        self.slots.values_mut().for_each(|slot| slot.said.clear());
    }

    /// §4.3: what lies at or below a stable checkpoint goes.
    ///
    /// Gives the slots that went.
    pub(super) fn collect(&mut self, stable: SeqNum) -> Vec<SeqNum> {
        let kept = self.slots.split_off(&stable.next());
        std::mem::replace(&mut self.slots, kept).into_keys().collect()
    }

    /// The digests that the slots speak of.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.slots.values().flat_map(Slot::digests)
    }

    /// Drops every batch but these; gives the digests of those that went.
    pub(super) fn retain_batches(&mut self, named: &BTreeSet<Digest>) -> Vec<Digest> {
        self.batches.extract_if(.., |digest, _| !named.contains(digest)).map(|(digest, _)| digest).collect()
    }
}
