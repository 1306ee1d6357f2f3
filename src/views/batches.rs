//! Batches by digest: fetched where one is missing, kept while something names them.
//!
//! PREPARE, COMMIT, VIEW-CHANGE and NEW-VIEW speak of a batch by its digest. The paper (OSDI '99, §4.4) lets a replica
//! fetch what it lacks from whoever has it; so that somebody always has it, a replica is prepared only when it holds the
//! batch, and a view begins only with view changes whose batches its primary holds. What was proposed in an earlier view
//! and is shown by nobody may then go.

use std::collections::BTreeSet;

use super::form::{Form, Shown};
use super::message::{Message, ViewChange};
use super::{Cx, Views};
use crate::crypto::Signed;
use crate::protocol::{Batch, Recipients};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum};

/// How many submissions the batches of one answer name at most: a mebibyte of digests.
const MAX_BATCHES_SUBMISSIONS: usize = 32 << 10;

impl<F: Form> Views<F> {
    /// Asks whoever voted for a decided batch for its content.
    pub(crate) fn fetch_batch(&self, cx: &mut Cx<'_, F>, digest: Digest, voters: ReplicaSet) {
        for voter in voters.iter().filter(|voter| *voter != self.me).take(self.committee.weak_quorum()) {
            cx.send(Recipients::One(voter), Message::FetchBatches(vec![digest]));
        }
    }

    /// Asks again for what is still missing: everyone for the batches of proposals that a new view forces, and as primary
    /// of the view that is asked for whoever showed a batch as prepared.
    pub(super) fn fetch_missing(&self, cx: &mut Cx<'_, F>) {
        self.fetch_proposed(cx);
        let target = self.asked_or_entered();
        if self.committee.primary(target) == self.me {
            self.asks.for_view(target).for_each(|signed| self.fetch_shown(cx, &signed.body));
        }
    }

    /// Asks everyone for the batches of proposals that a new view forces and that this replica never saw.
    pub(super) fn fetch_proposed(&self, cx: &mut Cx<'_, F>) {
        let proposed = self.log.after(self.executed).filter_map(|(_, slot)| slot.proposal);
        let unknown: Vec<Digest> =
            proposed.map(|proposal| proposal.digest).filter(|digest| !self.log.has_batch(*digest)).collect();
        if !unknown.is_empty() {
            cx.send(Recipients::All, Message::FetchBatches(unknown));
        }
    }

    /// Asks whoever shows a prepared certificate for the batch that it held when it prepared.
    pub(super) fn fetch_shown(&self, cx: &mut Cx<'_, F>, view_change: &ViewChange<F>) {
        let unknown: Vec<Digest> = self.unknown(view_change).collect();
        if !unknown.is_empty() {
            cx.send(Recipients::One(view_change.replica), Message::FetchBatches(unknown));
        }
    }

    /// The batches that this replica lacks of those that a view change shows as prepared. What lies at or below its own
    /// stable checkpoint is no loss: the state holds its effects.
    pub(super) fn unknown(&self, view_change: &ViewChange<F>) -> impl Iterator<Item = Digest> {
        let low = self.watermarks.low();
        let open = view_change.shown.iter().filter(move |shown| shown.seq() > low);
        open.flat_map(Shown::digests).filter(|digest| !self.log.has_batch(*digest))
    }

    pub(super) fn on_fetch_batches(&self, cx: &mut Cx<'_, F>, from: ReplicaId, digests: &[Digest]) {
        let distinct: BTreeSet<&Digest> = digests.iter().collect();
        let mut submissions = 0;
        let fits = |batch: &Batch| {
            submissions += batch.submissions.len();
            submissions <= MAX_BATCHES_SUBMISSIONS
        };
        let known: Vec<Batch> =
            distinct.into_iter().filter_map(|digest| self.log.batch(*digest)).take_while(fits).collect();
        if !known.is_empty() {
            cx.send(Recipients::One(from), Message::Batches(known));
        }
    }

    pub(super) fn on_batches(&mut self, cx: &mut Cx<'_, F>, batches: Vec<Batch>) {
        let named = self.named_batches();
        let is_wanted = |batch: &Batch| {
            let digest = batch.digest();
            named.contains(&digest) && !self.log.has_batch(digest)
        };
        let wanted: Vec<Batch> = batches.into_iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            return;
        }
        wanted.into_iter().for_each(|batch| self.keep_batch(batch));
        let open: Vec<SeqNum> = self.log.after(self.watermarks.low()).map(|(seq, _)| seq).collect();
        for seq in open {
            self.resume(cx, seq);
        }
        self.begin_view(cx);
    }

    /// Keeps a batch while something names it.
    pub(super) fn keep_batch(&mut self, batch: Batch) {
        let digest = self.log.keep_batch(batch);
        self.touch_batch(digest);
    }

    /// Drops the batches that nothing names any more.
    pub(super) fn forget_batches(&mut self) {
        let named = self.named_batches();
        for digest in self.log.retain_batches(&named) {
            self.touch_batch(digest);
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
