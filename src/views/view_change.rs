//! View changes (Castro & Liskov, OSDI '99, §4.4): when to complain, when to join, how a view begins.

use super::awaited::AwaitedBodies;
use super::form::{Form, Shown as _};
use super::log::Proposal;
use super::message::{ForcedProposal, Message, NewView, Origin, ViewChange};
use super::new_view::{forced, is_justified};
use super::{Cx, Phase, Views};
use crate::crypto::{Signature, Signed, Verified};
use crate::protocol::{Batch, Complaint, Event, Output, Recipients, Timer, ViewChangeShown};
use crate::rejection::Rejection;
use crate::types::{Digest, Micros, SeqNum, View};

/// How long after a peer's view change made this replica look whether the view can begin another one does so.
const BEGIN_PAUSE: Micros = Micros::from_millis(50);

impl<F: Form> Views<F> {
    /// Asks for a view. From here on this replica signs nothing in views below it (rule 15).
    pub(super) fn ask_for(&mut self, cx: &mut Cx<'_, F>, view: View, why: Complaint) {
        if view <= self.asked_or_entered() || self.observing.is_some() {
            return;
        }
        self.backoff.on_view_failed();
        self.phase = Phase::Changing { target: view, is_timed: false };
        cx.emit(Output::CancelTimer(Timer::ViewChange));
        cx.note(Event::ViewChangeAsked { view, why });
        let shown = self.log.after(self.watermarks.low()).filter_map(|(seq, slot)| F::show(self, seq, slot)).collect();
        let body = ViewChange { view, replica: self.me, stable: self.stable.clone(), shown };
        self.asked = Some(body.clone());
        self.touch_view();
        cx.send(Recipients::All, Message::ViewChange(Signed::unsigned(body)));
    }

    /// The view that is asked for, or else the one that was entered last.
    pub(super) fn asked_or_entered(&self) -> View {
        match self.phase {
            Phase::Active => self.view,
            Phase::Changing { target, .. } => target,
        }
    }

    /// Keeps what each replica asks for; joins at f+1, begins or waits for the view at q.
    pub(super) fn on_view_change(
        &mut self,
        cx: &mut Cx<'_, F>,
        message: &Verified<Signed<ViewChange<F>>>,
    ) -> Result<(), Rejection> {
        let signed = message.get();
        self.check_window(&signed.body)?;
        let view = signed.body.view;
        if view <= self.view {
            return Ok(());
        }
        if let Some(earlier) = self.asks.keep(signed) {
            self.forget_shown(&earlier.body);
        }
        // A repetition too: whoever lost its log could not join when it first heard this.
        self.join(cx);
        self.time_view_change(cx);
        if self.committee.primary(view) == self.me {
            self.fetch_shown(cx, &signed.body);
            // What the view changes show is looked through again at each status report, and as often as a peer sends one,
            // but for those that come too fast.
            let peer = self.peers.entry(signed.body.replica).or_default();
            let is_due = peer.tried_at.is_none_or(|(tried, at)| tried < view || cx.now.since(at) >= BEGIN_PAUSE);
            if is_due && view == self.asked_or_entered() {
                self.peers.entry(signed.body.replica).or_default().tried_at = Some((view, cx.now));
                self.begin_view(cx);
            }
        }
        Ok(())
    }

    /// Rule 11: nothing that is shown lies beyond the sender's own high watermark.
    fn check_window(&self, body: &ViewChange<F>) -> Result<(), Rejection> {
        let high = body.stable.seq().plus(self.settings.window_slots);
        match body.shown.last() {
            Some(last) if last.seq() > high => Err(Rejection::OutsideWatermarks(last.seq())),
            _ => Ok(()),
        }
    }

    /// Rule 19 (§4.5.2): f+1 distinct replicas ask for views above ours; the smallest of those is ours too.
    fn join(&mut self, cx: &mut Cx<'_, F>) {
        let above = self.asked_or_entered();
        let higher: Vec<View> = self.asks.highest().map(|vc| vc.body.view).filter(|v| *v > above).collect();
        if higher.len() >= self.committee.weak_quorum()
            && let Some(smallest) = higher.into_iter().min()
        {
            self.ask_for(cx, smallest, Complaint::Joined);
        }
    }

    /// Rule 18: the timer starts at q view changes. A replica that asks for a
    /// later view has given this one up: it counts too, or replicas whose targets parted would wait for each other.
    fn time_view_change(&mut self, cx: &mut Cx<'_, F>) {
        let Phase::Changing { target, is_timed: false } = self.phase else { return };
        let count = self.asks.highest().filter(|signed| signed.body.view >= target).count();
        if count < self.committee.quorum() {
            return;
        }
        self.phase = Phase::Changing { target, is_timed: true };
        cx.emit(Output::SetTimer(Timer::ViewChange, cx.now.after(self.backoff.view_change_timeout())));
    }

    /// The view that was asked for did not begin in time: ask for the next one.
    pub(super) fn on_view_change_timeout(&mut self, cx: &mut Cx<'_, F>) {
        if let Phase::Changing { target, is_timed: true } = self.phase {
            self.ask_for(cx, target.next(), Complaint::ViewChangeTimeout);
        }
    }

    /// As the primary of the view that is asked for: begins it at q view changes whose batches it holds. The honest ones
    /// among them bring theirs, so that nobody stops the view by showing a batch that nobody else holds.
    pub(super) fn begin_view(&mut self, cx: &mut Cx<'_, F>) {
        let Phase::Changing { target, .. } = self.phase else { return };
        let quorum = self.committee.quorum();
        // Whoever lost the end of its log may have begun it already (rule 29).
        if self.committee.primary(target) != self.me || self.last_begun >= Some(target) || self.observing.is_some() {
            return;
        }
        // Rule 14: this quorum is of view changes; the quorum behind each one's checkpoint is within it.
        let is_known = |signed: &&Signed<ViewChange<F>>| self.unknown(&signed.body).next().is_none();
        let asked: Vec<&Signed<ViewChange<F>>> = self.asks.for_view(target).collect();
        if asked.len() < quorum {
            return;
        }
        let shown: usize = asked.iter().map(|signed| signed.body.shown.len()).sum();
        let view_changes: Vec<Signed<ViewChange<F>>> =
            asked.into_iter().filter(is_known).take(quorum).cloned().collect();
        self.work.add(shown);
        if view_changes.len() < quorum {
            return;
        }
        self.last_begun = Some(target);
        self.touch_view();
        let entries = forced(view_changes.iter().map(|signed| &signed.body), self.committee).slots.into_iter();
        let blank = |(seq, digest)| ForcedProposal { seq, digest, signature: Signature::BLANK };
        let body = NewView { view: target, primary: self.me, view_changes, forced: entries.map(blank).collect() };
        cx.send(Recipients::All, Message::NewView(Signed::unsigned(body)));
    }

    /// Enters a view if its O follows from its V, and the view is not below one that was asked for.
    pub(super) fn on_new_view(
        &mut self,
        cx: &mut Cx<'_, F>,
        message: &Verified<Signed<NewView<F>>>,
    ) -> Result<(), Rejection> {
        let body = &message.get().body;
        body.view_changes.iter().try_for_each(|signed| self.check_window(&signed.body))?;
        // Rule 12: before anything else changes.
        if !is_justified(body, self.committee) {
            return Err(Rejection::UnjustifiedNewView(body.view));
        }
        // Rules 10 and 22: the view only grows, and begins once.
        if body.view <= self.view || body.view < self.asked_or_entered() {
            return Ok(());
        }
        self.enter_view(cx, message.get());
        Ok(())
    }

    fn enter_view(&mut self, cx: &mut Cx<'_, F>, signed: &Signed<NewView<F>>) {
        let NewView { view, primary, ref view_changes, forced: ref entries } = signed.body;
        let stable = forced(view_changes.iter().map(|signed| &signed.body), self.committee).stable;
        self.view = view;
        self.phase = Phase::Active;
        self.view_entered_at = cx.now;
        self.form.on_view_entered();
        self.new_view = Some(signed.clone());
        self.asked = None;
        self.touch_view();
        self.asks.forget_up_to(view);
        cx.emit(Output::CancelTimer(Timer::ViewChange));
        let nulls = entries.iter().filter(|entry| entry.digest == Digest::ZERO).count() as u32;
        let shown = view_changes.iter().map(|signed| &signed.body).map(|asked| ViewChangeShown {
            replica: asked.replica,
            stable: asked.stable.seq(),
            slots: asked.shown.len() as u32,
        });
        let view_changes = shown.collect();
        cx.note(Event::ViewEntered { view, primary, forced: entries.len() as u32, nulls, view_changes });
        let min_s = stable.seq();
        if min_s > self.watermarks.low() {
            cx.emit(Output::LearnedCheckpoint(stable));
        }
        self.log.enter_view(view);
        self.awaited = AwaitedBodies::default();
        self.forget_batches();
        self.adopt_forced(cx);
        let max_s = entries.last().map_or(min_s, |entry| entry.seq);
        self.next_seq = max_s.max(self.executed).next();
        let batches: Vec<Batch> = entries.iter().filter_map(|entry| self.log.batch(entry.digest)).collect();
        cx.pool.begin_view(&batches.iter().collect::<Vec<_>>());
        self.arm_request_timer(cx);
        self.propose(cx);
    }

    /// Min-s of the view that was entered last: the highest checkpoint in its V.
    pub(super) fn min_s(&self) -> SeqNum {
        let view_changes = self.new_view.iter().flat_map(|signed| &signed.body.view_changes);
        view_changes.map(|signed| signed.body.stable.seq()).max().unwrap_or_default()
    }

    /// Max-s of the view that was entered last: the last slot of its O, or min-s if that is empty.
    pub(super) fn max_s(&self) -> SeqNum {
        let forced = self.new_view.as_ref().and_then(|signed| signed.body.forced.last());
        forced.map_or(self.min_s(), |entry| entry.seq)
    }

    /// Takes over the proposals of O, as if each were a pre-prepare of the new view (§4.4). What lies beyond a lagging
    /// replica's window is taken over when the window has moved: nobody sends it again.
    pub(super) fn adopt_forced(&mut self, cx: &mut Cx<'_, F>) {
        let Some(signed) = self.new_view.as_ref().filter(|signed| signed.body.view == self.view) else { return };
        let (view, is_primary, is_open) = (self.view, self.is_primary(), |seq| self.watermarks.contain(seq));
        let is_new = |seq| self.log.slot(seq).is_none_or(|slot| slot.proposal.is_none());
        let entries: Vec<ForcedProposal> =
            signed.body.forced.iter().filter(|entry| is_open(entry.seq) && is_new(entry.seq)).copied().collect();
        for ForcedProposal { seq, digest, signature } in entries.iter().copied() {
            let proposal = Proposal { view, origin: Origin::NewView, digest, header: signature };
            let slot = self.log.slot_mut(seq);
            slot.proposal = Some(proposal);
            if is_primary {
                slot.voted = slot.proposal;
                self.touch(seq);
            }
            cx.note(Event::PrePrepared { view, seq, digest });
        }
        if !entries.is_empty() {
            self.fetch_proposed(cx);
        }
        for entry in &entries {
            self.resume(cx, entry.seq);
        }
    }

    /// Goes on with a slot whose proposal or batch has just become known.
    pub(super) fn resume(&mut self, cx: &mut Cx<'_, F>, seq: SeqNum) {
        let primary = self.committee.primary(self.view);
        let proposal = self.log.slot(seq).and_then(|slot| slot.proposal);
        if let Some(batch) = proposal.and_then(|proposal| self.log.batch(proposal.digest)) {
            cx.pool.hold(&batch, seq);
        }
        self.try_prepare(cx, seq, primary);
        F::advance(self, cx, seq);
        self.deliver(cx, seq);
    }
}
