//! A primary orders slots in numbered views: what every form of PBFT has in common (Castro & Liskov, OSDI '99).
//!
//! | read | for |
//! |---|---|
//! | [`form`] | what a form must say for itself |
//! | [`message`] | what is said, and what can be checked of it without any state |
//! | `slots` | §4.2, from the proposal of a slot to its decision |
//! | `view_change`, [`new_view`] | §4.4, view changes and the set O |
//! | `backoff` | §4.5.2, how long a primary may take |
//! | `catch_up` | retransmission, what was decided, request timers, recovery without a log |
//! | `batches` | batches by digest: fetched where one is missing, kept while something names them |
//! | `log` | what is kept of each slot |
//! | `memory` | what is written before it is spoken of, and read back after a restart |
//! | `old_log` | whether the log is an old copy, by what peers show of this replica's own statements |
//!
//! Checkpoints (§4.3), the client table and execution are the replica's: see [`crate::replica`].

mod asks;
mod awaited;
mod backoff;
mod batches;
mod catch_up;
pub mod form;
mod log;
mod memory;
pub mod message;
pub mod new_view;
mod old_log;
mod slots;
mod view_change;

use std::collections::{BTreeMap, BTreeSet};

use self::asks::Asks;
use self::awaited::AwaitedBodies;
use self::backoff::Backoff;
use self::catch_up::Peer;
use self::form::{Decision as _, Form};
use self::log::Log;
pub(crate) use self::log::{Proposal, Slot};
use self::message::{Message, NewView, ViewChange};
use crate::committee::Committee;
use crate::crypto::{Signed, Verified};
use crate::durable::{Damaged, Image, Write};
use crate::protocol::{
    Batch, CheckpointCertificate, Complaint, Context, LoggedSlot, OwnStatement, PhaseVotes, Protocol, QueueLevel,
    Settings, SlotPhase, SlotVotes, Status, Timer, Watermarks, Work,
};
use crate::rejection::Rejection;
use crate::types::{Digest, ProtocolName, ReplicaId, ReplicaSet, SeqNum, Time, View};

/// What a form's handlers work with.
pub type Cx<'a, F> = Context<'a, Message<F>>;

/// One replica's share in a form of PBFT.
pub struct Views<F: Form> {
    pub(crate) me: ReplicaId,
    pub(crate) committee: Committee,
    pub(crate) settings: Settings,
    /// What the form remembers.
    pub(crate) form: F,
    /// The last view that was entered; it only grows (rule 10).
    pub(crate) view: View,
    phase: Phase,
    view_entered_at: Time,
    watermarks: Watermarks,
    /// The proof of the low watermark.
    stable: CheckpointCertificate,
    pub(crate) executed: SeqNum,
    /// As primary: the next slot to assign.
    next_seq: SeqNum,
    pub(crate) log: Log<F>,
    /// What keeps this replica from voting for proposals.
    awaited: AwaitedBodies,
    /// The batches that this replica asked for and that have not come: nothing else is taken in. Whatever was asked for is
    /// named by something, and goes with the batches that nothing names.
    fetching: BTreeSet<Digest>,
    /// How many batches view changes named that went for others since the batches were last looked through: less than a
    /// window.
    stale_digests: usize,
    /// What it has done for what others sent.
    work: Work,
    /// What others ask for, of views above ours.
    asks: Asks<F>,
    /// What began the current view, for whoever missed it. None in view 0.
    new_view: Option<Signed<NewView<F>>>,
    /// What this replica said when it last asked for a view, as far as it remembers.
    asked: Option<ViewChange<F>>,
    /// What is not written yet.
    unwritten: memory::Unwritten,
    /// The last view that this replica began as its primary: it begins each once.
    last_begun: Option<View>,
    /// How long requests and view changes may take (rule 18).
    backoff: Backoff,
    peers: BTreeMap<ReplicaId, Peer>,
    /// While f+1 others are ahead: the last slot that it had executed, and since when it has not got beyond.
    behind: Option<(SeqNum, Time)>,
    asked_at: Option<Time>,
    patience: Patience,
    /// Since when a replica that lost its log has waited for the cluster to get on, and it has not.
    awaited_since: Option<Time>,
    /// As primary: how many null requests it may still propose for observers before its next status report.
    nulls_left: u64,
    /// Set while the replica may not vote, having lost its log or the end of it.
    observing: Option<Observing>,
}

/// Whether the replica votes in its view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// It does.
    Active,
    /// It has asked for another view and only learns until that, or a later one, begins (rule 15).
    Changing {
        /// The view it asks for.
        target: View,
        /// Whether q replicas ask with it, so that the timer runs.
        is_timed: bool,
    },
}

/// How far a replica's patience with its primary has come (rules 16 and 17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Patience {
    /// Nothing that it admitted waits, as far as it has looked.
    Idle,
    /// The request timer runs.
    Waiting,
    /// It ran out; the others were asked, and their answers are waited for.
    Asking,
}

/// A replica that lost its log watches (rule 29).
#[derive(Default)]
struct Observing {
    /// How far each peer has proved the cluster to be.
    claims: BTreeMap<ReplicaId, SeqNum>,
    /// The slot that must be stable first, once q peers have answered.
    until: Option<SeqNum>,
}

impl<F: Form> Views<F> {
    pub(crate) fn is_primary(&self) -> bool {
        self.committee.primary(self.view) == self.me
    }

    fn is_changing_view(&self) -> bool {
        matches!(self.phase, Phase::Changing { .. })
    }

    /// Whether this replica may sign proposals and votes in its view.
    pub(crate) fn may_vote(&self) -> bool {
        self.phase == Phase::Active && self.observing.is_none()
    }

    /// Votes for every proposal that it has not voted for, as far as it holds what they name.
    fn vote_for_open(&mut self, cx: &mut Cx<'_, F>) {
        let primary = self.committee.primary(self.view);
        let open: Vec<SeqNum> = self.log.after(self.executed).map(|(seq, _)| seq).collect();
        for seq in open {
            self.try_prepare(cx, seq, primary);
        }
    }

    /// Moves the low watermark up.
    fn collect(&mut self, cx: &mut Cx<'_, F>, certificate: &CheckpointCertificate) {
        self.stable = certificate.clone();
        // One checkpoint longer than §4.3 has it: whoever is a few slots behind can still be told what was decided.
        for seq in self.log.collect(self.watermarks.low()) {
            self.touch(seq);
        }
        self.watermarks.advance(certificate.seq());
        self.awaited.collect(certificate.seq());
        self.forget_batches();
        self.adopt_forced(cx);
        self.rejoin_if_safe(cx);
        self.propose(cx);
    }
}

impl<F: Form> Protocol for Views<F> {
    type Message = Message<F>;

    const NAME: ProtocolName = F::NAME;
    const LEADER: &'static str = F::LEADER;
    const HAS_COLLECTOR: bool = F::HAS_COLLECTOR;
    const PHASES: &'static [&'static str] = F::PHASES;

    fn new(me: ReplicaId, committee: Committee, settings: &Settings) -> Self {
        Views {
            me,
            committee,
            settings: settings.clone(),
            form: F::default(),
            view: View(0),
            phase: Phase::Active,
            view_entered_at: Time(0),
            watermarks: Watermarks::new(settings.window_slots),
            stable: CheckpointCertificate::genesis(),
            executed: SeqNum(0),
            next_seq: SeqNum(1),
            log: Log::default(),
            awaited: AwaitedBodies::default(),
            fetching: BTreeSet::new(),
            stale_digests: 0,
            work: Work::default(),
            asks: Asks::new(),
            new_view: None,
            asked: None,
            unwritten: memory::Unwritten::default(),
            last_begun: None,
            backoff: Backoff::new(settings),
            peers: BTreeMap::new(),
            behind: None,
            asked_at: None,
            patience: Patience::Idle,
            awaited_since: None,
            nulls_left: 0,
            observing: None,
        }
    }

    fn on_start(&mut self, cx: &mut Cx<'_, F>, has_lost_log: bool) {
        if has_lost_log {
            self.observing = Some(Observing::default());
            // On the disk before anything else: if it is killed while it watches it watches on.
            self.touch_view();
        }
        // What it remembers of its votes may be older than what it said last.
        if self.observing.is_some() {
            self.log.fall_silent();
        }
        self.view_entered_at = cx.now;
        self.resume_after_restart(cx);
        self.on_status_timeout(cx);
    }

    fn take_writes(&mut self, writes: &mut Vec<Write>) -> Vec<Batch> {
        self.write_rows(writes)
    }

    fn forget_writes(&mut self) {
        self.unwritten = memory::Unwritten::default();
    }

    fn restore(&mut self, image: &Image, stable: &CheckpointCertificate) -> Result<(), Damaged> {
        self.read_rows(image, stable)
    }

    fn logged(image: &Image) -> Result<Vec<LoggedSlot>, Damaged> {
        memory::logged::<F>(image)
    }

    fn on_request(&mut self, cx: &mut Cx<'_, F>) {
        self.arm_request_timer(cx);
        self.propose(cx);
    }

    fn on_bodies(&mut self, cx: &mut Cx<'_, F>, arrived: &[Digest]) {
        let primary = self.committee.primary(self.view);
        for digest in arrived {
            for seq in self.awaited.on_arrived(*digest) {
                self.try_prepare(cx, seq, primary);
            }
        }
    }

    fn on_message(
        &mut self,
        cx: &mut Cx<'_, F>,
        from: ReplicaId,
        message: Verified<Message<F>>,
    ) -> Result<(), Rejection> {
        match message.into_inner() {
            Message::PrePrepare(m) => return self.on_pre_prepare(cx, &Verified::part(m)),
            Message::Prepare(m) => return self.on_prepare(cx, &Verified::part(m)),
            Message::Commit(m) => return self.on_commit(cx, &Verified::part(m)),
            Message::ViewChange(m) => return self.on_view_change(cx, &Verified::part(m)),
            Message::NewView(m) => return self.on_new_view(cx, &Verified::part(m)),
            Message::Count(count) => return F::on_count(self, cx, count),
            // What follows is for the others; this replica hears itself too.
            _ if from == self.me => {}
            Message::Status(report) => self.on_status(cx, from, &report),
            Message::Ask { from: seq } => self.answer(cx, from, seq),
            Message::Committed(history) => self.on_committed(cx, from, history),
            Message::FetchBatches(digests) => self.on_fetch_batches(cx, from, &digests),
            Message::Batches(batches) => return self.on_batches(cx, batches),
        }
        Ok(())
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_, F>, timer: Timer) {
        match timer {
            Timer::Request => self.on_request_timeout(cx),
            Timer::Ask => self.on_ask_timeout(cx),
            Timer::ViewChange => self.on_view_change_timeout(cx),
            Timer::Status => self.on_status_timeout(cx),
            Timer::FastPath => F::on_timeout(self, cx),
            Timer::Forward | Timer::Bodies | Timer::StateTransfer | Timer::Delayed => {}
        }
    }

    fn on_executed(&mut self, cx: &mut Cx<'_, F>, seq: SeqNum, served_since: Option<Time>) {
        self.executed = seq;
        // A checkpoint that is awaited for a replica without a log is a request, too (rule 29).
        let since = served_since.into_iter().chain(self.awaited_since.take()).min();
        if let Some(since) = since.filter(|_| self.phase == Phase::Active) {
            self.backoff.on_request_executed(cx.now.since(since.max(self.view_entered_at)));
        }
        self.next_seq = self.next_seq.max(seq.next());
        if self.watermarks.contain(seq) {
            self.log.slot_mut(seq).is_executed = true;
        }
        self.propose(cx);
        self.propose_for_observers(cx);
    }

    fn on_stable_checkpoint(&mut self, cx: &mut Cx<'_, F>, certificate: &CheckpointCertificate) {
        self.collect(cx, certificate);
    }

    fn on_state_installed(&mut self, cx: &mut Cx<'_, F>, certificate: &CheckpointCertificate) {
        let seq = certificate.seq();
        // A state below what was executed takes the place of one that differs: what was decided above it runs again.
        self.log.forget_execution_after(seq);
        self.executed = seq;
        self.next_seq = self.next_seq.max(self.executed.next());
        self.collect(cx, certificate);
        let above: Vec<SeqNum> = self.log.after(seq).map(|(seq, _)| seq).collect();
        for seq in above {
            self.deliver(cx, seq);
        }
        self.ask(cx, crate::protocol::Recipients::All);
    }

    fn on_proof(&mut self, cx: &mut Cx<'_, F>, accused: ReplicaId, view: View) {
        if view == self.asked_or_entered() && self.committee.primary(view) == accused {
            self.ask_for(cx, view.next(), Complaint::Proof { accused });
        }
    }

    fn accounts_for(&self, own: &OwnStatement) -> bool {
        Views::accounts_for(self, own)
    }

    fn on_old_log(&mut self, cx: &mut Cx<'_, F>, shown: OwnStatement) {
        self.observe_with_old_log(cx, shown);
    }

    fn status(&self) -> Status {
        Status {
            view: self.view,
            asking_for: self.is_changing_view().then(|| self.asked_or_entered()),
            leader: self.committee.primary(self.view),
            stable: self.watermarks.low(),
            executed: self.executed,
            observing_until: self.observing.as_ref().map(|observing| observing.until.unwrap_or_default()),
            transfer: None,
        }
    }

    fn slots(&self) -> Vec<(SeqNum, SlotPhase)> {
        self.log.after(self.executed).map(|(seq, slot)| (seq, slot.phase(self.view))).collect()
    }

    fn work(&self) -> Work {
        self.work
    }

    fn queues(&self, visit: &mut dyn FnMut(QueueLevel)) {
        let (n, window) = (self.committee.size(), self.settings.window_slots as usize);
        let (slots, batches) = self.log.len();
        let mut level = |name, len, bound| visit(QueueLevel { name, len, bound });
        // The log reaches back to the checkpoint before the stable one.
        level("slots", slots, 2 * window);
        // A slot may know one batch each as proposed, voted for, prepared and decided; O and each view change know two for
        // each slot of a window at most.
        let asks = Asks::<F>::bound(n);
        let named = 4 * 2 * window + 2 * (1 + asks) * window;
        level("batches", batches, named + window);
        level("batches asked for", self.fetching.len(), named + window);
        level("view changes", self.asks.len(), asks);
        level("peers", self.peers.len(), n);
        let (waiting, bodies) = self.awaited.len();
        level("slots without bodies", waiting, window);
        level("bodies that slots lack", bodies, window * Batch::MAX_SUBMISSIONS);
    }

    fn votes(&self, seq: Option<SeqNum>) -> Option<SlotVotes> {
        let seq = seq.or_else(|| self.log.newest_proposed())?;
        let slot = self.log.slot(seq)?;
        let view = slot.proposal.map_or(self.view, |proposal| proposal.view);
        let (mut prepares, mut commits) = (slot.prepares.tally(view), slot.commits.tally(view));
        if let Some(certificate) = slot.prepared.as_ref().map(|prepared| &prepared.prepares).filter(|c| c.view == view)
        {
            include(&mut prepares, certificate.digest, certificate.signers());
        }
        if let Some(decision) = slot.decision.as_ref().filter(|decision| decision.view() == view) {
            // Without the last phase it is the votes of the one before that decided.
            let phase = if decision.is_fast() { &mut prepares } else { &mut commits };
            include(phase, decision.digest(), decision.voters());
        }
        if let Some(proposal) = slot.proposal {
            // Rule 2: the pre-prepare is the primary's prepare.
            let primary = self.committee.primary(view);
            include(&mut prepares, proposal.digest, [primary].into_iter().collect());
        }
        let needed = self.committee.quorum() as u8;
        let phase = |name: &str, by_digest| PhaseVotes { phase: name.to_string(), by_digest, needed };
        let phases = vec![phase("prepare", prepares), phase("commit", commits)];
        let is_fast = slot.decision.as_ref().is_some_and(|decision| decision.is_fast());
        Some(SlotVotes { seq, view, phases, is_fast })
    }
}

/// Counts more voters for a digest.
fn include(tally: &mut Vec<(Digest, ReplicaSet)>, digest: Digest, voters: ReplicaSet) {
    match tally.iter_mut().find(|(known, _)| *known == digest) {
        Some((_, counted)) => *counted = counted.iter().chain(voters.iter()).collect(),
        None => tally.push((digest, voters)),
    }
}
