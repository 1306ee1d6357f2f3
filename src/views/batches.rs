//! Batches by digest: fetched where one is missing, kept while something names them.
//!
//! PREPARE, COMMIT, VIEW-CHANGE and NEW-VIEW speak of a batch by its digest. The paper (OSDI '99, §4.4) lets a replica
//! fetch what it lacks from whoever has it; so that somebody always has it, a replica is prepared only when it holds the
//! batch, and a view begins only with view changes whose batches its primary holds. What was proposed in an earlier view
//! and is shown by nobody may then go.
//!
//! What a peer can make this replica do is bounded: batches that were not asked for are hashed and refused, a peer gets
//! one answer's worth of batches within [`BATCHES_PAUSE`], and all batches are looked through only once as many view
//! change entries as a window has slots were replaced.

use std::collections::BTreeSet;

use super::form::{Form, Shown};
use super::message::{Message, ViewChange};
use super::{Cx, Slot, Views};
use crate::crypto::Signed;
use crate::protocol::{Batch, Recipients};
use crate::rejection::Rejection;
use crate::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum};

/// How many submissions the batches of one answer name at most: a mebibyte of digests.
const MAX_BATCHES_SUBMISSIONS: usize = 32 << 10;
/// In which time a peer gets as much as that.
const BATCHES_PAUSE: Micros = Micros::from_millis(50);

impl<F: Form> Views<F> {
    /// Asks whoever voted for a decided batch for its content.
    pub(crate) fn fetch_batch(&mut self, cx: &mut Cx<'_, F>, digest: Digest, voters: ReplicaSet) {
        self.fetching.insert(digest);
        for voter in voters.iter().filter(|voter| *voter != self.me).take(self.committee.weak_quorum()) {
            cx.send(Recipients::One(voter), Message::FetchBatches(vec![digest]));
        }
    }

    /// Asks again for what is still missing: everyone for the batches of proposals that a new view forces, and as primary
    /// of the view that is asked for whoever showed a batch as prepared.
    pub(super) fn fetch_missing(&mut self, cx: &mut Cx<'_, F>) {
        self.fetch_proposed(cx);
        let target = self.asked_or_entered();
        if self.committee.primary(target) != self.me {
            return;
        }
        let unknown = |signed: &Signed<ViewChange<F>>| (signed.body.replica, self.unknown(&signed.body).collect());
        let shown: Vec<(ReplicaId, Vec<Digest>)> = self.asks.for_view(target).map(unknown).collect();
        for (replica, unknown) in shown {
            self.fetch(cx, Recipients::One(replica), unknown);
        }
    }

    /// Asks everyone for the batches of proposals that a new view forces and that this replica never saw.
    pub(super) fn fetch_proposed(&mut self, cx: &mut Cx<'_, F>) {
        let proposed = self.log.after(self.executed).filter_map(|(_, slot)| slot.proposal);
        let unknown: Vec<Digest> =
            proposed.map(|proposal| proposal.digest).filter(|digest| !self.log.has_batch(*digest)).collect();
        self.fetch(cx, Recipients::All, unknown);
    }

    /// Asks whoever shows a prepared certificate for the batch that it held when it prepared.
    pub(super) fn fetch_shown(&mut self, cx: &mut Cx<'_, F>, view_change: &ViewChange<F>) {
        let unknown: Vec<Digest> = self.unknown(view_change).collect();
        self.work.add(view_change.shown.len());
        self.fetch(cx, Recipients::One(view_change.replica), unknown);
    }

    fn fetch(&mut self, cx: &mut Cx<'_, F>, from: Recipients, unknown: Vec<Digest>) {
        if !unknown.is_empty() {
            self.fetching.extend(&unknown);
            cx.send(from, Message::FetchBatches(unknown));
        }
    }

    /// The batches that this replica lacks of those that a view change shows as prepared. What lies at or below its own
    /// stable checkpoint is no loss: the state holds its effects.
    pub(super) fn unknown(&self, view_change: &ViewChange<F>) -> impl Iterator<Item = Digest> {
        let low = self.watermarks.low();
        let open = view_change.shown.iter().filter(move |shown| shown.seq() > low);
        open.flat_map(Shown::digests).filter(|digest| !self.log.has_batch(*digest))
    }

    /// Answers with each batch once, as far as the peer may draw more now; what is left out it asks for again.
    pub(super) fn on_fetch_batches(&mut self, cx: &mut Cx<'_, F>, from: ReplicaId, digests: &[Digest]) {
        let pacing = &mut self.peers.entry(from).or_default().batches;
        let room = pacing.room(cx.now, BATCHES_PAUSE, MAX_BATCHES_SUBMISSIONS);
        let distinct: BTreeSet<Digest> = digests.iter().copied().collect();
        self.work.add(digests.len());
        let (mut known, mut drawn) = (Vec::new(), 0);
        for digest in distinct {
            let Some(submissions) = self.log.submissions_of(digest) else { continue };
            if drawn + 1 + submissions > room {
                break;
            }
            drawn += 1 + submissions;
            known.extend(self.log.batch(digest));
        }
        pacing.draw(drawn);
        self.work.add(drawn);
        if !known.is_empty() {
            cx.send(Recipients::One(from), Message::Batches(known));
        }
    }

    /// Takes in batches that were asked for.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unsolicited`] if none of them was, or all have come already.
    pub(super) fn on_batches(&mut self, cx: &mut Cx<'_, F>, batches: Vec<Batch>) -> Result<(), Rejection> {
        let mut arrived = BTreeSet::new();
        for batch in batches {
            self.work.add(1 + batch.submissions.len());
            let digest = batch.digest();
            if self.fetching.contains(&digest) {
                arrived.insert(digest);
                self.keep_batch(batch);
            }
        }
        if arrived.is_empty() {
            return Err(Rejection::Unsolicited);
        }
        self.work.add(self.log.len().0);
        let is_waiting = |slot: &Slot<F>| slot.digests().any(|digest| arrived.contains(&digest));
        let slots = self.log.after(self.watermarks.low());
        let waiting: Vec<SeqNum> = slots.filter(|(_, slot)| is_waiting(slot)).map(|(seq, _)| seq).collect();
        for seq in waiting {
            self.resume(cx, seq);
        }
        self.begin_view(cx);
        Ok(())
    }

    /// Keeps a batch while something names it.
    pub(super) fn keep_batch(&mut self, batch: Batch) {
        let digest = self.log.keep_batch(batch);
        self.fetching.remove(&digest);
        self.touch_batch(digest);
    }

    /// Drops the batches that nothing names any more.
    pub(super) fn forget_batches(&mut self) {
        let named = self.named_batches();
        self.work.add(named.len());
        self.stale_digests = 0;
        self.fetching.retain(|digest| named.contains(digest));
        for digest in self.log.retain_batches(&named) {
            self.touch_batch(digest);
        }
    }

    /// A view change went for another one: what it showed may be named by nothing now. All batches are looked through once
    /// a window's worth of entries has gone, so each entry that somebody sends pays for few look-ups.
    pub(super) fn forget_shown(&mut self, earlier: &ViewChange<F>) {
        self.stale_digests += earlier.shown.iter().map(|shown| shown.digests().len()).sum::<usize>();
        self.work.add(earlier.shown.len());
        if self.stale_digests as u64 >= self.settings.window_slots {
            self.forget_batches();
        }
    }

    /// What the log, the new view's O beyond the window and the view changes that may begin the next view speak of.
    fn named_batches(&self) -> BTreeSet<Digest> {
        let low = self.watermarks.low();
        let forced = self.new_view.iter().flat_map(|signed| &signed.body.forced);
        let forced = forced.filter(|entry| entry.seq > low).map(|entry| entry.digest);
        let shown = self.asks.all().flat_map(|Signed { body, .. }| &body.shown).flat_map(Shown::digests);
        self.log.digests().chain(forced).chain(shown).collect()
    }
}
