//! From the proposal of a slot to its decision (Castro & Liskov, OSDI '99, §4.2): what is the same whoever counts the votes.

use super::form::{Decision as _, Form};
use super::log::Proposal;
use super::message::{Commit, Message, Origin, PrePrepare, Prepare, PreparedCertificate};
use super::{Cx, Views};
use crate::crypto::{Kind, Signature, Signed, Verified};
use crate::protocol::{Batch, Cast, Certificate, Event, Output, Recipients, Votes};
use crate::rejection::Rejection;
use crate::types::{Digest, ReplicaId, SeqNum, View};

/// How many views ahead of its own a replica keeps votes: they come before the new view that they belong to.
const VIEWS_AHEAD: u64 = 4;
/// How many views behind its own a replica counts commits: they were sent before their sender entered this one.
const VIEWS_BEHIND: u64 = 4;

impl<F: Form> Views<F> {
    /// Proposes while there is something to propose and fewer than *depth* slots are in flight: a lone request goes at
    /// once, a flood makes large batches.
    pub(super) fn propose(&mut self, cx: &mut Cx<'_, F>) {
        while self.may_propose() && cx.pool.has_unproposed() {
            let batch = cx.pool.take_batch(self.settings.batch_submissions);
            self.propose_batch(cx, batch);
        }
    }

    /// Proposes a null request so that a replica that lost its log sees a checkpoint it can trust (rule 29), if this primary
    /// may propose now; says whether it did. Null requests do not wait for each other: they become no larger by it, and on
    /// slow links an observer would wait for minutes.
    pub(super) fn propose_null(&mut self, cx: &mut Cx<'_, F>) -> bool {
        let may_lead = self.may_lead();
        if may_lead {
            self.propose_batch(cx, Batch::default());
        }
        may_lead
    }

    fn may_propose(&self) -> bool {
        let in_flight = self.next_seq.0.saturating_sub(self.executed.next().0);
        in_flight < self.settings.depth_slots && self.may_lead()
    }

    /// Whether the next slot is this replica's to propose, now.
    fn may_lead(&self) -> bool {
        self.may_vote() && self.is_primary() && self.watermarks.contain(self.next_seq)
    }

    fn propose_batch(&mut self, cx: &mut Cx<'_, F>, batch: Batch) {
        let (view, seq, digest) = (self.view, self.next_seq, batch.digest());
        self.next_seq = seq.next();
        // On the disk before it leaves; its signature is that of the header.
        let header = Signature::BLANK;
        self.log.slot_mut(seq).voted = Some(Proposal { view, origin: Origin::OwnAccord, digest, header });
        self.touch(seq);
        self.keep_batch(batch.clone());
        let body = PrePrepare { view, seq, digest, primary: self.me, batch };
        self.say(cx, seq, Recipients::All, Message::PrePrepare(Signed::unsigned(body)));
    }

    /// Says something about a slot, and remembers it for whoever may miss it.
    pub(crate) fn say(&mut self, cx: &mut Cx<'_, F>, seq: SeqNum, to: Recipients, message: Message<F>) {
        self.log.slot_mut(seq).said.push((to, message.clone()));
        cx.send(to, message);
    }

    /// §4.2: accept if the view is ours, the slot lies between the watermarks and was not settled before the view began, and
    /// no other batch was accepted for it.
    pub(super) fn on_pre_prepare(
        &mut self,
        cx: &mut Cx<'_, F>,
        message: &Verified<Signed<PrePrepare>>,
    ) -> Result<(), Rejection> {
        let Signed { body, signature } = message.get();
        self.check_slot(body.seq)?;
        if body.view != self.view {
            return Err(Rejection::WrongView(body.view));
        }
        if self.is_changing_view() {
            return Err(Rejection::Complaining(body.view));
        }
        // §4.4: up to min-s everything is settled, though the proof may be all that this replica has of it yet.
        if body.seq <= self.min_s() {
            return Err(Rejection::BehindWindow(body.seq));
        }
        let proposal = Proposal { view: body.view, origin: Origin::OwnAccord, digest: body.digest, header: *signature };
        let is_own = body.primary == self.me;
        let slot = self.log.slot_mut(body.seq);
        match slot.proposal {
            Some(earlier) if earlier.digest != body.digest => return Err(Rejection::Conflicting(body.primary)),
            Some(_) => return Ok(()),
            None => slot.proposal = Some(proposal),
        }
        if is_own {
            slot.voted = Some(proposal);
            self.touch(body.seq);
        }
        self.keep_batch(body.batch.clone());
        cx.pool.hold(&body.batch, body.seq);
        cx.note(Event::PrePrepared { view: body.view, seq: body.seq, digest: body.digest });
        self.resume(cx, body.seq);
        Ok(())
    }

    /// Sends this backup's PREPARE as soon as it holds the batch and every body in it.
    pub(super) fn try_prepare(&mut self, cx: &mut Cx<'_, F>, seq: SeqNum, holder: ReplicaId) {
        if !self.may_vote() || self.is_primary() {
            return;
        }
        let view = self.view;
        let Some(slot) = self.log.slot(seq) else { return };
        let is_due = slot.voted.is_none_or(|voted| voted.view < view);
        let Some(proposal) = slot.proposal.filter(|_| is_due) else { return };
        let Some(batch) = self.log.batch(proposal.digest) else { return };
        let missing = cx.pool.missing(&batch);
        self.work.add(batch.submissions.len());
        if !missing.is_empty() {
            self.awaited.wait(seq, &missing);
            cx.emit(Output::NeedBodies { digests: missing, holder });
            return;
        }
        self.log.slot_mut(seq).voted = Some(proposal);
        self.touch(seq);
        let Proposal { origin, digest, header, .. } = proposal;
        let body = Prepare { view, seq, digest, replica: self.me, origin, header };
        self.say(cx, seq, F::counted_by(holder), Message::Prepare(Signed::unsigned(body)));
    }

    /// §4.2: a backup's PREPARE.
    pub(super) fn on_prepare(
        &mut self,
        cx: &mut Cx<'_, F>,
        message: &Verified<Signed<Prepare>>,
    ) -> Result<(), Rejection> {
        let Signed { body: Prepare { view, seq, digest, replica, .. }, signature } = *message.get();
        self.check_slot(seq)?;
        if !(self.view.0..=self.view.0.saturating_add(VIEWS_AHEAD)).contains(&view.0) {
            return Err(Rejection::WrongView(view));
        }
        self.cast(seq, Kind::Prepare, view, replica, digest, signature)?;
        F::advance(self, cx, seq);
        Ok(())
    }

    /// §4.2: a replica's COMMIT. It counts in old views and while another view is asked for: to learn is always allowed
    /// (rule 15).
    pub(super) fn on_commit(
        &mut self,
        cx: &mut Cx<'_, F>,
        message: &Verified<Signed<Commit>>,
    ) -> Result<(), Rejection> {
        let Signed { body: commit @ Commit { view, seq, digest, replica }, signature } = *message.get();
        let newest = self.view.0.saturating_add(VIEWS_AHEAD);
        let oldest = self.view.0.saturating_sub(VIEWS_BEHIND);
        self.check_slot(seq)?;
        if !(oldest..=newest).contains(&view.0) {
            return Err(Rejection::WrongView(view));
        }
        self.cast(seq, Kind::Commit, view, replica, digest, signature)?;
        F::on_commit(self, cx, &commit);
        Ok(())
    }

    /// Rule 6: only what lies between the watermarks is taken in; the rest is dropped and counted.
    ///
    /// # Errors
    ///
    /// [`Rejection::BehindWindow`] at or below the stable checkpoint, where it is merely late,
    /// [`Rejection::AheadOfWindow`] where honest replicas may be already, [`Rejection::OutsideWatermarks`] beyond.
    pub(crate) fn check_slot(&self, seq: SeqNum) -> Result<(), Rejection> {
        let high = self.watermarks.high();
        if self.watermarks.contain(seq) {
            Ok(())
        } else if seq > high.plus(self.settings.window_slots) {
            Err(Rejection::OutsideWatermarks(seq))
        } else if seq > high {
            Err(Rejection::AheadOfWindow(seq))
        } else {
            Err(Rejection::BehindWindow(seq))
        }
    }

    fn cast(
        &mut self,
        seq: SeqNum,
        kind: Kind,
        view: View,
        voter: ReplicaId,
        digest: Digest,
        signature: Signature,
    ) -> Result<(), Rejection> {
        let slot = self.log.slot_mut(seq);
        let votes: &mut Votes = if kind == Kind::Prepare { &mut slot.prepares } else { &mut slot.commits };
        match votes.cast(view, voter, digest, signature) {
            Cast::Conflicting => Err(Rejection::Conflicting(voter)),
            Cast::Counted | Cast::Repeated => Ok(()),
        }
    }

    /// prepared(m, v, n, i): the batch, the proposal and a certificate for it. Then the COMMIT is sent.
    pub(crate) fn on_prepared(&mut self, cx: &mut Cx<'_, F>, certificate: PreparedCertificate) {
        let Certificate { view, seq, .. } = certificate.prepares;
        self.log.slot_mut(seq).prepared = Some(certificate);
        self.touch(seq);
        cx.note(Event::Prepared { view, seq });
    }

    /// Sends this replica's COMMIT of a prepared slot, once in a view.
    pub(crate) fn commit(&mut self, cx: &mut Cx<'_, F>, seq: SeqNum, digest: Digest) {
        let (view, may_vote) = (self.view, self.may_vote());
        let slot = self.log.slot_mut(seq);
        if slot.commit_sent_in < Some(view) && may_vote {
            slot.commit_sent_in = Some(view);
            self.touch(seq);
            let body = Commit { view, seq, digest, replica: self.me };
            let counted_by = F::counted_by(self.committee.primary(view));
            self.say(cx, seq, counted_by, Message::Commit(Signed::unsigned(body)));
        }
    }

    /// A slot is decided, by votes or by a proof that somebody showed.
    pub(crate) fn on_decided(&mut self, cx: &mut Cx<'_, F>, decision: F::Decision) {
        let (view, seq, digest, voters) = (decision.view(), decision.seq(), decision.digest(), decision.voters());
        let is_fast = decision.is_fast();
        self.log.slot_mut(seq).decision = Some(decision);
        self.touch(seq);
        cx.note(Event::Committed { view, seq, is_fast });
        if !self.log.has_batch(digest) {
            self.fetch_batch(cx, digest, voters);
        }
        self.deliver(cx, seq);
    }

    /// Hands a decided slot on, once its batch is here.
    pub(super) fn deliver(&mut self, cx: &mut Cx<'_, F>, seq: SeqNum) {
        let Some(slot) = self.log.slot(seq) else { return };
        let Some(decision) = slot.decision.as_ref().filter(|_| !slot.is_delivered) else { return };
        let (view, digest) = (decision.view(), decision.digest());
        let Some(batch) = self.log.batch(digest) else { return };
        self.log.slot_mut(seq).is_delivered = true;
        if seq > self.executed {
            cx.emit(Output::Commit { seq, view, batch });
        }
    }
}
