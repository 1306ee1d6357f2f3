//! Staying in step: status reports, retransmission, commit certificates for whoever fell behind (rules 16 and 20).
//!
//! The paper multicasts until progress; Castro's thesis (§5.2) has replicas report their status and lets whoever can
//! help do so. We follow the thesis, and add commit certificates, so that a replica in the dark catches up although its
//! primary never speaks to it.

use super::form::{Decision, Form};
use super::message::{CommittedHistory, CommittedSlot, Message, StatusReport};
use super::{Cx, Observing, Patience, Phase, Views};
use crate::protocol::{Complaint, Event, Output, Pacing, Recipients, Timer};
use crate::types::{Micros, ReplicaId, ReplicaSet, SeqNum, Time, View};

/// How many slots' messages one status report brings back at most.
const RESEND_SLOTS: u64 = 16;
/// How long after a view change or new view was repeated to a peer it may be repeated again: they are large.
const REPEAT_PAUSE: Micros = Micros::from_millis(500);

/// How long after a peer was believed to wait for a checkpoint another one is believed, in request timeouts: 30 s by
/// default. A report is not signed and costs nothing: a peer that lies makes an idle cluster run two windows and a
/// checkpoint interval of null requests in this time at most, whatever it reports. One that loses its log twice in this
/// time, on an idle cluster, waits for it to pass.
const OBSERVER_PAUSE_TIMEOUTS: u64 = 20;
/// How long all reports of a peer must deny a request of its own for a view, in request timeouts, until that counts for
/// nothing: 30 s by default. Nobody honest takes a request back, and a report that was overtaken by one denies it no longer
/// than messages take. A replica that was under an attack may have asked for the last view there is: those of f+1 of them, at
/// different times, would take an honest one there for good.
const DENIED_TIMEOUTS: u64 = 20;
/// What part of a window the null requests of one status interval are, at most. An observer waits for the first checkpoint
/// at least a window away, which is one and a half windows away at most: on an idle cluster that comes within about 12
/// status intervals.
const NULLS_PER_STATUS: u64 = 8;

/// What is remembered of a peer.
#[derive(Clone, Copy, Default)]
pub(super) struct Peer {
    report: Option<StatusReport>,
    /// The checkpoint that it was last believed to wait for, having lost its log, and since when.
    awaits: Option<(SeqNum, Time)>,
    /// Since when all its reports deny that it asks for the view that it asked for.
    denies_since: Option<Time>,
    /// When a view change or new view was last repeated to it.
    repeated_at: Option<Time>,
    /// Up to which slot it was last told what was decided, and when.
    answered: Option<(SeqNum, Time)>,
    /// When votes were last sent to it again.
    resent_at: Option<Time>,
    /// For which view its view change last made this replica look whether that can begin, and when.
    pub(super) tried_at: Option<(View, Time)>,
    /// How many batches it has drawn.
    pub(super) batches: Pacing,
}

impl<F: Form> Views<F> {
    pub(super) fn on_status_timeout(&mut self, cx: &mut Cx<'_, F>) {
        cx.emit(Output::SetTimer(Timer::Status, cx.now.after(self.settings.status_interval())));
        let asking_for = match self.phase {
            Phase::Active => None,
            Phase::Changing { target, .. } => Some(target),
        };
        let heard = asking_for.into_iter().flat_map(|view| self.asks.for_view(view));
        let view_changes: ReplicaSet = heard.map(|signed| signed.body.replica).collect();
        let report = StatusReport {
            view: self.view,
            asking_for,
            view_changes,
            stable: self.watermarks.low(),
            executed: self.executed,
            observing_until: self.observing.as_ref().map(|observing| observing.until.unwrap_or(SeqNum(0))),
        };
        cx.send(Recipients::All, Message::Status(report));
        if self.observing.as_ref().is_some_and(|observing| observing.until.is_none()) {
            self.ask(cx, Recipients::All);
        }
        self.fetch_missing(cx);
        self.begin_view(cx);
        self.nulls_left = (self.settings.window_slots / NULLS_PER_STATUS).max(1);
        self.help_observers(cx);
    }

    /// Compares a peer's report with where this replica is, and sends what the peer lacks.
    pub(super) fn on_status(&mut self, cx: &mut Cx<'_, F>, from: ReplicaId, report: &StatusReport) {
        let peer = self.peers.entry(from).or_default();
        let earlier = peer.report.replace(*report);
        let is_stuck = earlier.is_some_and(|earlier| earlier.executed == report.executed);
        self.believe_denial(cx.now, from, report);
        if let Some(until) = report.observing_until {
            self.believe_observer(cx.now, from, until);
        }
        let peer = self.peers.entry(from).or_default();
        let may_repeat = peer.repeated_at.is_none_or(|at| cx.now.since(at) >= REPEAT_PAUSE);
        if may_repeat && self.repeat_view_change(cx, from, report) {
            self.peers.entry(from).or_default().repeated_at = Some(cx.now);
        }
        if is_stuck && report.view == self.view {
            self.resend_votes(cx, from, report.executed);
        }
        if is_stuck && report.stable < self.watermarks.low() && report.executed >= self.watermarks.low() {
            self.answer(cx, from, report.executed.next());
        }
        self.ask_if_behind(cx);
    }

    /// A request for a view counts no longer once its author has denied it for long enough.
    fn believe_denial(&mut self, now: Time, from: ReplicaId, report: &StatusReport) {
        let asked = self.asks.of(from).map(|signed| signed.body.view);
        let denies = asked.is_some_and(|asked| report.view < asked && report.asking_for < Some(asked));
        let peer = self.peers.entry(from).or_default();
        peer.denies_since = denies.then(|| peer.denies_since.unwrap_or(now));
        let pause = Micros(DENIED_TIMEOUTS * self.settings.request_timeout().0);
        if peer.denies_since.take_if(|since| now.since(*since) >= pause).is_some() {
            self.asks.withdraw(from);
        }
    }

    /// Repeats the new view to one who has not entered it, or this replica's view change to one who lacks it.
    fn repeat_view_change(&self, cx: &mut Cx<'_, F>, to: ReplicaId, report: &StatusReport) -> bool {
        let missed = self.new_view.as_ref().filter(|signed| report.view < signed.body.view);
        if let Some(new_view) = missed.filter(|signed| report.asking_for.is_none_or(|v| v <= signed.body.view)) {
            cx.send(Recipients::One(to), Message::NewView(new_view.clone()));
            return true;
        }
        let Phase::Changing { target, .. } = self.phase else { return false };
        let has_mine = report.asking_for == Some(target) && report.view_changes.contains(self.me);
        let Some(mine) = self.asks.of(self.me).filter(|_| !has_mine && report.view < target) else {
            return false;
        };
        cx.send(Recipients::One(to), Message::ViewChange(mine.clone()));
        true
    }

    /// Rule 20: what this replica told the peer about the slots on which it is stuck. Reports cost nothing to make: those that
    /// come faster than honest ones draw no more votes.
    fn resend_votes(&mut self, cx: &mut Cx<'_, F>, to: ReplicaId, executed: SeqNum) {
        let peer = self.peers.entry(to).or_default();
        let pause = Micros(self.settings.status_interval().0 / 2);
        if peer.resent_at.is_some_and(|at| cx.now.since(at) < pause) {
            return;
        }
        let last = executed.plus(RESEND_SLOTS);
        let slots = self.log.after(executed).take_while(|(seq, _)| *seq <= last);
        let told = slots.flat_map(|(_, slot)| &slot.said);
        for (_, message) in told.filter(|(hearers, _)| [Recipients::All, Recipients::One(to)].contains(hearers)) {
            cx.send(Recipients::One(to), message.clone());
            peer.resent_at = Some(cx.now);
        }
    }

    /// Rule 16: f+1 others are ahead, so an honest one is; ask what was decided meanwhile.
    fn ask_if_behind(&mut self, cx: &mut Cx<'_, F>) {
        let mut executed: Vec<SeqNum> =
            self.peers.values().filter_map(|peer| peer.report.map(|report| report.executed)).collect();
        executed.sort_unstable_by(|a, b| b.cmp(a));
        let certain = executed.get(self.committee.weak_quorum() - 1).copied().unwrap_or_default();
        if certain <= self.executed {
            self.behind = None;
            return;
        }
        // Whoever gets on is not in need of help.
        let (_, since) = *self.behind.get_or_insert((self.executed, cx.now));
        if self.behind != Some((self.executed, since)) {
            self.behind = Some((self.executed, cx.now));
            return;
        }
        let is_overdue = self.asked_at.is_none_or(|at| cx.now.since(at).as_millis() >= self.settings.ask_timeout_ms);
        if is_overdue && cx.now.since(since) >= self.settings.status_interval() {
            self.ask(cx, Recipients::All);
        }
    }

    /// Asks for commit certificates from the first missing slot on.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_, F>, to: Recipients) {
        self.asked_at = Some(cx.now);
        let from = self.executed.next();
        if to == Recipients::All {
            cx.note(Event::Asked { from });
        }
        cx.send(to, Message::Ask { from });
    }

    /// Answers with what was decided from a slot on. What the last answer held, or did not hold, is told again when that
    /// answer could have been lost, and not before: a few bytes draw many.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_, F>, to: ReplicaId, from: SeqNum) {
        let pause = Micros(Micros::from_millis(self.settings.ask_timeout_ms).0 / 2);
        let answered = self.peers.entry(to).or_default().answered.filter(|(_, at)| cx.now.since(*at) < pause);
        if answered.is_some_and(|(last, _)| from <= last) {
            return;
        }
        let mut slots = Vec::new();
        for (seq, slot) in self.log.after(from.previous()) {
            let is_next = seq == from.plus(slots.len() as u64);
            let Some(decision) = slot.decision.as_ref().filter(|_| is_next) else { break };
            let Some(batch) = self.log.batch(decision.digest()) else { break };
            self.work.add(1 + batch.submissions.len());
            slots.push(CommittedSlot { decision: decision.clone(), batch });
            if slots.len() == CommittedHistory::<F>::MAX_SLOTS {
                break;
            }
        }
        if slots.is_empty() && answered.is_some() {
            return;
        }
        let last = slots.last().map_or(from, |slot: &CommittedSlot<F>| slot.decision.seq());
        self.peers.entry(to).or_default().answered = Some((last, cx.now));
        let newest = self.log.slot(self.executed).and_then(|slot| slot.decision.clone());
        let history = CommittedHistory { stable: self.stable.clone(), newest, slots };
        cx.send(Recipients::One(to), Message::Committed(history));
    }

    /// Learns what a quorum decided, whoever says so. Allowed while another view is asked for (rule 15).
    pub(super) fn on_committed(&mut self, cx: &mut Cx<'_, F>, from: ReplicaId, history: CommittedHistory<F>) {
        let CommittedHistory { stable, newest, slots } = history;
        let certified = newest.as_ref().map_or(stable.seq(), |decision| decision.seq().max(stable.seq()));
        self.note_certified(cx, from, certified);
        if stable.seq() > self.watermarks.low() {
            cx.emit(Output::LearnedCheckpoint(stable));
        }
        let last = slots.last().map(|slot: &CommittedSlot<F>| slot.decision.seq());
        for CommittedSlot { decision, batch } in slots {
            let seq = decision.seq();
            if !self.watermarks.contain(seq) || seq <= self.executed {
                continue;
            }
            self.work.add(1 + batch.submissions.len());
            self.keep_batch(batch);
            if self.log.slot(seq).is_none_or(|slot| slot.decision.is_none()) {
                self.on_decided(cx, decision);
            } else {
                self.deliver(cx, seq);
            }
        }
        // There may be more where this came from.
        if last.is_some_and(|last| last > self.executed && certified > last) {
            cx.send(Recipients::One(from), Message::Ask { from: last.unwrap_or_default().next() });
        }
    }

    /// A request that this replica admitted is overdue: first look whether the cluster has moved on (rule 16).
    pub(super) fn on_request_timeout(&mut self, cx: &mut Cx<'_, F>) {
        self.patience = Patience::Idle;
        if self.is_changing_view() || self.observing.is_some() {
            return;
        }
        if !self.is_overdue(cx) {
            return self.arm_request_timer(cx);
        }
        self.patience = Patience::Asking;
        self.ask(cx, Recipients::All);
        let answers_due = cx.now.after(Micros::from_millis(self.settings.ask_timeout_ms));
        cx.emit(Output::SetTimer(Timer::Ask, answers_due));
    }

    /// The answers are in: complain only if the request is still not executed.
    pub(super) fn on_ask_timeout(&mut self, cx: &mut Cx<'_, F>) {
        self.patience = Patience::Idle;
        if self.is_overdue(cx) && !self.is_changing_view() {
            self.ask_for(cx, self.view.next(), Complaint::RequestTimeout);
        }
        self.arm_request_timer(cx);
    }

    fn is_overdue(&self, cx: &Cx<'_, F>) -> bool {
        self.request_deadline(cx).is_some_and(|deadline| deadline <= cx.now)
    }

    /// Rule 17: the oldest request that was admitted and not executed sets the deadline, whoever else is served. That a
    /// replica which lost its log needs the cluster to get on is a request too (rule 29): on an idle cluster nobody else
    /// would notice that the primary proposes nothing, or that its view is short of a quorum.
    fn request_deadline(&self, cx: &Cx<'_, F>) -> Option<Time> {
        let since = cx.pool.oldest_pending_since().into_iter().chain(self.awaited_since).min()?;
        Some(since.max(self.view_entered_at).after(self.backoff.request_timeout()))
    }

    /// Sets the request timer unless it runs or its answers are waited for; when it runs out it looks at the deadline
    /// anew.
    pub(super) fn arm_request_timer(&mut self, cx: &mut Cx<'_, F>) {
        if self.patience != Patience::Idle || self.is_changing_view() {
            return;
        }
        if let Some(deadline) = self.request_deadline(cx) {
            self.patience = Patience::Waiting;
            cx.emit(Output::SetTimer(Timer::Request, deadline.max(cx.now.after(Micros(1)))));
        }
    }

    /// Rule 29: once q others have shown how far the cluster had come, everything that this replica can have voted for
    /// lies below that plus one window.
    fn note_certified(&mut self, cx: &mut Cx<'_, F>, from: ReplicaId, certified: SeqNum) {
        let (quorum, window) = (self.committee.quorum(), self.settings.window_slots);
        let Some(Observing { claims, until: until @ None }) = self.observing.as_mut() else { return };
        claims.insert(from, certified);
        if claims.len() >= quorum {
            let newest = claims.values().copied().max().unwrap_or_default();
            *until = Some(newest.plus(window));
            cx.note(Event::Observing { until: newest.plus(window) });
            // The cluster may have come there while the answers were on their way, and rest there.
            self.rejoin_if_safe(cx);
        }
    }

    /// Ends observation once a checkpoint is stable beyond all that was ever voted for (rule 29).
    pub(super) fn rejoin_if_safe(&mut self, cx: &mut Cx<'_, F>) {
        let stable = self.stable.seq();
        let is_safe = |observing: &Observing| observing.until.is_some_and(|until| until <= stable);
        if !self.observing.as_ref().is_some_and(is_safe) {
            return;
        }
        self.observing = None;
        self.touch_view();
        self.repeat_complaint(cx);
        self.next_seq = self.next_seq.max(self.executed.next());
        cx.note(Event::Rejoined);
        self.arm_request_timer(cx);
        // What was proposed meanwhile is voted on now.
        self.vote_for_open(cx);
    }

    /// Who lost its log waits for a checkpoint: this replica waits with it and, as primary, sees to it.
    ///
    /// A primary that is itself an observer can not propose and is complained about on its own word.
    fn help_observers(&mut self, cx: &mut Cx<'_, F>) {
        let leader = self.peers.get(&self.committee.primary(self.view)).and_then(|peer| peer.report);
        if leader.is_some_and(|report| report.observing_until.is_some()) && !self.is_changing_view() {
            self.ask_for(cx, self.view.next(), Complaint::LostLog);
        }
        if !self.is_checkpoint_awaited() {
            self.awaited_since = None;
            return;
        }
        self.awaited_since.get_or_insert(cx.now);
        self.arm_request_timer(cx);
        self.propose_for_observers(cx);
    }

    /// As primary of an idle cluster: null requests bring the checkpoint about that an observer waits for, in one status
    /// interval at most an eighth of a window.
    pub(super) fn propose_for_observers(&mut self, cx: &mut Cx<'_, F>) {
        while self.nulls_left > 0 && self.is_checkpoint_awaited() && !cx.pool.has_unproposed() && self.propose_null(cx)
        {
            self.nulls_left -= 1;
        }
    }

    /// Takes over which checkpoint a peer says it waits for. What it said first stands, though it says another thing later:
    /// an honest one does not change it while it observes. One that asks for more than two windows is not believed.
    fn believe_observer(&mut self, now: Time, from: ReplicaId, until: SeqNum) {
        let reach = self.executed.plus(2 * self.settings.window_slots);
        let pause = Micros(OBSERVER_PAUSE_TIMEOUTS * self.settings.request_timeout().0);
        let peer = self.peers.entry(from).or_default();
        let is_paused = peer.awaits.is_some_and(|(_, since)| now.since(since) < pause);
        if !is_paused && until > self.watermarks.low() && until <= reach {
            peer.awaits = Some((until, now));
        }
    }

    /// Whether an observer waits for a checkpoint that is not stable yet.
    fn is_checkpoint_awaited(&self) -> bool {
        let awaits = |peer: &Peer| {
            let is_observing = peer.report.is_some_and(|report| report.observing_until.is_some());
            peer.awaits.map(|(until, _)| until).filter(|_| is_observing)
        };
        self.peers.values().filter_map(awaits).any(|until| until > self.watermarks.low())
    }
}
