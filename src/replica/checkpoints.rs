//! Checkpoints: own snapshots, the others' votes, and when one is stable (Castro & Liskov, OSDI '99, §4.3).

use std::collections::{BTreeMap, BTreeSet};

use super::state::State;
use crate::committee::Committee;
use crate::crypto::{Kind, Signed};
use crate::protocol::{Cast, Checkpoint, CheckpointCertificate, Settings, Votes};
use crate::rejection::Rejection;
use crate::types::{Digest, ReplicaId, SeqNum, View};

/// The checkpoints of one replica.
///
/// Bounds: votes for slots within two windows above the stable checkpoint, at multiples of K only; own snapshots from
/// the last two stable checkpoints on, and of those before them one for each peer that fetches it.
pub(super) struct Checkpoints<A> {
    committee: Committee,
    interval_slots: u64,
    window_slots: u64,
    stable: CheckpointCertificate,
    votes: BTreeMap<SeqNum, Votes>,
    snapshots: BTreeMap<SeqNum, Snapshot<A>>,
    /// The snapshot that each peer fetches.
    pins: BTreeMap<ReplicaId, Pin>,
    /// The stable checkpoint before the last one.
    earlier: SeqNum,
    /// The newest checkpoint of ours, for retransmission until it is stable.
    newest_own: Option<Signed<Checkpoint>>,
    /// The newest slot whose checkpoint was given to be signed.
    signed_up_to: SeqNum,
}

/// The state after a slot, held still.
struct Snapshot<A> {
    digest: Digest,
    state: State<A>,
}

/// A snapshot is held still for a peer however old it is.
struct Pin {
    seq: SeqNum,
    /// How many checkpoints have become stable since the peer last asked for a part.
    idle_checkpoints: u32,
}

impl<A> Checkpoints<A> {
    /// After how many stable checkpoints a snapshot is held still no longer for a peer that asks for nothing of it.
    pub(super) const MAX_IDLE_CHECKPOINTS: u32 = 32;

    pub(super) fn new(committee: Committee, settings: &Settings) -> Self {
        Checkpoints {
            committee,
            interval_slots: settings.checkpoint_interval_slots,
            window_slots: settings.window_slots,
            stable: CheckpointCertificate::genesis(),
            votes: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            pins: BTreeMap::new(),
            earlier: SeqNum(0),
            newest_own: None,
            signed_up_to: SeqNum(0),
        }
    }

    /// Whether a checkpoint is due after the slot.
    pub(super) fn is_due(&self, seq: SeqNum) -> bool {
        seq.0.is_multiple_of(self.interval_slots)
    }

    /// The last stable checkpoint that this replica's state has reached.
    pub(super) fn stable(&self) -> &CheckpointCertificate {
        &self.stable
    }

    /// Holds a state still.
    pub(super) fn keep(&mut self, seq: SeqNum, digest: Digest, state: State<A>) {
        self.snapshots.insert(seq, Snapshot { digest, state });
    }

    /// Drops the states after a slot: they followed from one that differed.
    pub(super) fn forget_after(&mut self, seq: SeqNum) {
        self.snapshots.retain(|later, _| *later <= seq);
    }

    /// Whether our checkpoint after the slot was not signed yet; from now on it is.
    pub(super) fn may_sign(&mut self, seq: SeqNum) -> bool {
        let is_new = seq > self.signed_up_to;
        self.signed_up_to = self.signed_up_to.max(seq);
        is_new
    }

    /// Our digest after a slot, if we hold that state.
    pub(super) fn own_digest(&self, seq: SeqNum) -> Option<Digest> {
        self.snapshots.get(&seq).map(|snapshot| snapshot.digest)
    }

    /// The state after a slot, for others to fetch.
    pub(super) fn snapshot(&self, seq: SeqNum) -> Option<&State<A>> {
        self.snapshots.get(&seq).map(|snapshot| &snapshot.state)
    }

    /// The state after a slot, which a peer fetches: from now on it is held still for it, until the peer asks for a newer
    /// one, has come that far, or asks for nothing while [`Self::MAX_IDLE_CHECKPOINTS`] become stable.
    pub(super) fn fetch(&mut self, peer: ReplicaId, seq: SeqNum) -> Option<&State<A>> {
        if !self.snapshots.contains_key(&seq) {
            return None;
        }
        if self.pins.get(&peer).is_none_or(|pin| pin.seq <= seq) {
            self.pins.insert(peer, Pin { seq, idle_checkpoints: 0 });
            self.collect();
        }
        self.snapshot(seq)
    }

    /// The stable checkpoint, if the state that a peer asks for is older and gone: from now on that one is held still for
    /// the peer.
    pub(super) fn newer(&mut self, peer: ReplicaId, seq: SeqNum) -> Option<&CheckpointCertificate> {
        let stable = self.stable.seq();
        (seq < stable && self.fetch(peer, stable).is_some()).then_some(&self.stable)
    }

    /// Counts a CHECKPOINT by slot, digest and replica; gives the certificate once q match (rule 27).
    ///
    /// # Errors
    ///
    /// [`Rejection::Conflicting`] for a second digest of one replica, [`Rejection::OutsideWatermarks`] for a slot that is
    /// too far ahead or no checkpoint at all.
    pub(super) fn on_vote(
        &mut self,
        me: ReplicaId,
        signed: &Signed<Checkpoint>,
    ) -> Result<Option<CheckpointCertificate>, Rejection> {
        let Signed { body: Checkpoint { seq, digest, replica }, signature } = *signed;
        if replica == me {
            self.newest_own = Some(*signed);
        }
        if self.pins.get(&replica).is_some_and(|pin| pin.seq < seq) {
            self.pins.remove(&replica);
            self.collect();
        }
        if seq <= self.stable.seq() {
            return Ok(None);
        }
        if !self.is_due(seq) || seq > self.stable.seq().plus(2 * self.window_slots) {
            return Err(Rejection::OutsideWatermarks(seq));
        }
        let votes = self.votes.entry(seq).or_default();
        if votes.cast(View(0), replica, digest, signature) == Cast::Conflicting {
            return Err(Rejection::Conflicting(replica));
        }
        let quorum = votes.certificate(Kind::Checkpoint, View(0), seq, digest, self.committee.quorum());
        Ok(quorum.map(|certificate| CheckpointCertificate::new(seq, digest, certificate.signatures)))
    }

    /// How many votes it holds.
    pub(super) fn vote_count(&self) -> usize {
        self.votes.values().map(Votes::len).sum()
    }

    /// How many states it holds still.
    pub(super) fn snapshot_count(&self) -> usize {
        self.snapshots.len()
    }

    /// For how many peers it holds a state still.
    pub(super) fn pin_count(&self) -> usize {
        self.pins.len()
    }

    /// Our newest checkpoint, while it is not stable.
    pub(super) fn unstable_own(&self) -> Option<&Signed<Checkpoint>> {
        self.newest_own.as_ref().filter(|own| own.body.seq > self.stable.seq())
    }

    /// The checkpoint is stable and ours: everything before the one before it goes, apart from what peers fetch.
    pub(super) fn stabilise(&mut self, certificate: CheckpointCertificate) {
        self.earlier = self.stable.seq();
        self.stable = certificate;
        self.votes = self.votes.split_off(&self.stable.seq().next());
        self.pins.values_mut().for_each(|pin| pin.idle_checkpoints += 1);
        self.pins.retain(|_, pin| pin.idle_checkpoints < Self::MAX_IDLE_CHECKPOINTS);
        self.collect();
    }

    fn collect(&mut self) {
        let pinned: BTreeSet<SeqNum> = self.pins.values().map(|pin| pin.seq).collect();
        self.snapshots.retain(|seq, _| *seq >= self.earlier || pinned.contains(seq));
    }
}
