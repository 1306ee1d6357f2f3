//! What is the same under every protocol: ingress, pool, client table, executor, checkpoints, state transfer.
//!
//! A [`Replica`] is a value. [`Input`]s go in with the time, [`Output`]s come out and are performed in order. It never
//! signs: what it sends is signed by the layer around it, [`crate::attack::Byzantine`], and its own messages come back
//! to it as inputs.
//!
//! `pool` holds what waits, `state` runs what was ordered, `checkpoints` and `transfer` keep replicas in step, and this
//! file lets them and the protocol work together.

mod checkpoints;
mod clients;
mod execution;
mod memory;
mod message;
mod pool;
mod recovery;
mod shares;
mod state;
mod submission;
mod transfer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use message::{Leaf, PeerMessage, StatePart, StateRequest};
pub use shares::Share;
pub use submission::{Reply, ReplyOutcome, Submission};

use self::checkpoints::Checkpoints;
use self::clients::Freshness;
use self::memory::Memory;
use self::pool::{Admission, Displaced, RequestPool};
use self::state::State;
use self::transfer::Transfer;
use crate::app::Application;
use crate::committee::Committee;
use crate::crypto::{Signed, Verified};
use crate::durable::Write;
use crate::evidence::{Auditor, Finding, Proof, Rule};
use crate::protocol::{
    self, Batch, CheckpointCertificate, Context, Event, OwnStatement, Pacing, Protocol, QueueLevel, Recipients,
    Settings, SlotPhase, SlotVotes, Status, Timer, Work,
};
use crate::rejection::Rejection;
use crate::telemetry::{Counters, Ledger, LogEntry};
use crate::types::{Digest, Micros, ReplicaId, SeqNum, Session, Time, Timestamp, View};

/// What happens to a replica.
#[derive(Clone, PartialEq, Debug)]
pub enum Input<M> {
    /// It starts. `has_lost_log`: it ran before and does not know all that it signed, be it that its log is gone or that
    /// the end of it may be. Whoever says so says so at each start until the replica has written something again.
    Start {
        /// Whether it ran before, and its log is not whole.
        has_lost_log: bool,
    },
    /// A message of a peer, or its own one come back.
    Peer(ReplicaId, Verified<PeerMessage<M>>),
    /// A submission straight from its client.
    Client(Verified<Signed<Submission>>),
    /// A timer ran out.
    Timeout(Timer),
}

/// What a replica wants done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output<M> {
    /// Write this, as a whole: nothing that comes after leaves before it is on the disk.
    Persist(Vec<Write>),
    /// Send to peers.
    Send(Recipients, PeerMessage<M>),
    /// Answer a client.
    Reply(Session, Reply),
    /// Wake it at a time; setting a timer again moves it.
    SetTimer(Timer, Time),
    /// Forget a timer.
    CancelTimer(Timer),
    /// A slot was executed. Nothing is left to do; whoever keeps books wants to know.
    Executed(ExecutedSlot),
    /// Something an observer may want to know.
    Note(Event),
}

/// What the execution of one slot did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecutedSlot {
    /// Which slot.
    pub seq: SeqNum,
    /// What was ordered there.
    pub batch: Batch,
    /// Which of its submissions ran, in order; the others are duplicates of what ran before.
    pub ran: Vec<Digest>,
}

/// A replica without its signatures: a protocol, an application, and what lies between them.
pub struct Replica<P: Protocol, A: Application> {
    me: ReplicaId,
    committee: Committee,
    settings: Settings,
    protocol: P,
    pool: RequestPool,
    state: State<A>,
    checkpoints: Checkpoints<A>,
    transfer: Option<Transfer>,
    /// How long a part of the state may take: doubles once nobody was that fast, since the way there may be long.
    transfer_patience: Micros,
    /// A stable checkpoint that this replica has not reached.
    ahead: Option<CheckpointCertificate>,
    /// Decided slots that wait for an earlier one or for a body. Bounded by the watermarks.
    decided: BTreeMap<SeqNum, Batch>,
    /// The bodies that the next decided slot lacks, if it is decided; at most a batch's.
    lacking: BTreeSet<Digest>,
    auditor: Auditor,
    is_audit_suspended: bool,
    /// Whether its key signs, or has signed, what it does not log.
    signs_beside_log: bool,
    /// What each peer has drawn in answers.
    drawn: BTreeMap<ReplicaId, Drawn>,
    /// What it has done for what others sent, apart from what the protocol and the auditor did.
    spent: Work,
    /// What was proved already, so that each guilt is announced once per view.
    proved: BTreeSet<(ReplicaId, View, Rule)>,
    counters: Counters,
    /// What the protocol wants done and was not done yet. Empty between inputs.
    work: VecDeque<protocol::Output<P::Message>>,
    /// Whether the timer that gives bodies to the primary runs.
    is_forwarding: bool,
    /// Our unstable checkpoint at the last status report: if it is the same one at the next, it is sent again.
    unstable_at_status: Option<SeqNum>,
    /// What is on its disk, if it has one.
    memory: Option<Memory>,
}

/// In which time a peer gets so many bytes in answers and no more.
const ANSWERS_PAUSE: Micros = Micros::from_millis(50);

/// What a peer has drawn in answers.
#[derive(Clone, Copy, Default)]
struct Drawn {
    bodies: Pacing,
    state: Pacing,
}

/// Where the outputs of one input go.
type Outputs<P> = Vec<Output<<P as Protocol>::Message>>;

impl<P: Protocol, A: Application> Replica<P, A> {
    /// How often bodies are given to the primary in the second half of a request's time.
    const FORWARDS_IN_HALF: u64 = 4;

    /// How many guilts are remembered.
    const MAX_PROVED: usize = 1024;

    /// How many guilts of one replica are announced, apart from those of the current view.
    const MAX_GUILTS: usize = 16;

    /// A replica at the beginning of time.
    pub fn new(me: ReplicaId, committee: Committee, settings: &Settings, app: A) -> Self {
        Replica {
            me,
            committee,
            settings: settings.clone(),
            protocol: P::new(me, committee, settings),
            pool: RequestPool::new(settings),
            state: State::new(app),
            checkpoints: Checkpoints::new(committee, settings),
            transfer: None,
            transfer_patience: recovery::TRANSFER_PAUSE,
            ahead: None,
            decided: BTreeMap::new(),
            lacking: BTreeSet::new(),
            auditor: Auditor::new(me, committee, settings.window_slots),
            is_audit_suspended: false,
            signs_beside_log: false,
            drawn: BTreeMap::new(),
            spent: Work::default(),
            proved: BTreeSet::new(),
            counters: Counters::default(),
            work: VecDeque::new(),
            is_forwarding: false,
            unstable_at_status: None,
            memory: None,
        }
    }

    /// From now on it looks for no contradictions, and acts on no proof that others show. What an attack signs is not in the
    /// log: see [`Replica::expect_unlogged_statements`].
    pub fn suspend_audit(&mut self) {
        self.is_audit_suspended = true;
        self.expect_unlogged_statements();
    }

    /// Its key signs what it does not log, under an attack or because a second process has the key: from now on it takes no
    /// statement of its own that a peer shows for a sign that its log is an old copy.
    pub fn expect_unlogged_statements(&mut self) {
        self.signs_beside_log = true;
    }

    /// From now on it looks for contradictions again.
    pub fn resume_audit(&mut self) {
        self.is_audit_suspended = false;
    }

    /// Handles an input; appends what is to be performed.
    pub fn handle(&mut self, now: Time, input: Input<P::Message>, outputs: &mut Outputs<P>) {
        match input {
            Input::Start { has_lost_log } => self.act(now, outputs, |protocol, cx| protocol.on_start(cx, has_lost_log)),
            Input::Peer(from, message) => match self.on_peer(now, from, message, outputs) {
                Err(why) if why.is_a_matter_of_time() => self.counters.untimely += 1,
                Err(why) => outputs.push(Output::Note(Event::Rejected { from, why, count: 1 })),
                Ok(()) => {}
            },
            Input::Client(submission) => {
                if self.on_submission(now, None, submission.into_inner(), outputs) == Admission::Full {
                    // Refused work starts no timer: the client hears of it and comes again.
                    self.counters.submissions_refused += 1;
                }
            }
            Input::Timeout(timer) => self.on_timeout(now, timer, outputs),
        }
        while let Some(output) = self.work.pop_front() {
            self.perform(now, output, outputs);
        }
    }

    /// Lets the protocol act. What it has to remember is written before anything else, what it wants done is queued.
    fn act(&mut self, now: Time, outputs: &mut Outputs<P>, act: impl FnOnce(&mut P, &mut Context<'_, P::Message>)) {
        let mut wanted = Vec::new();
        act(&mut self.protocol, &mut Context::new(now, &mut self.pool, &mut wanted));
        self.remember(outputs);
        self.work.extend(wanted);
    }

    fn perform(&mut self, now: Time, output: protocol::Output<P::Message>, outputs: &mut Outputs<P>) {
        match output {
            protocol::Output::Send(to, message) => outputs.push(Output::Send(to, PeerMessage::Protocol(message))),
            protocol::Output::SetTimer(timer, at) => outputs.push(Output::SetTimer(timer, at)),
            protocol::Output::CancelTimer(timer) => outputs.push(Output::CancelTimer(timer)),
            protocol::Output::NeedBodies { digests, holder } => self.want_bodies(now, &digests, holder, outputs),
            protocol::Output::Commit { seq, batch, .. } => {
                if seq > self.state.executed {
                    protocol::Pool::hold(&mut self.pool, &batch, seq);
                    self.decided.insert(seq, batch);
                }
                self.execute_ready(now, outputs);
            }
            protocol::Output::LearnedCheckpoint(certificate) => self.on_certificate(now, certificate, outputs),
            protocol::Output::Note(event) => {
                if let Event::ViewEntered { view, .. } = event {
                    self.counters.view_changes += 1;
                    self.auditor.enter_view(view);
                }
                outputs.push(Output::Note(event));
            }
        }
    }

    fn on_peer(
        &mut self,
        now: Time,
        from: ReplicaId,
        message: Verified<PeerMessage<P::Message>>,
        outputs: &mut Outputs<P>,
    ) -> Result<(), Rejection> {
        let message = message.into_inner();
        self.audit(now, from, &message, outputs);
        match message {
            PeerMessage::Protocol(message) => {
                let view = self.protocol.status().view;
                let of_later_view =
                    protocol::Message::slot(&message).is_some_and(|(later, _)| later > view).then(|| message.clone());
                let mut verdict = Ok(());
                let message = Verified::part(message);
                self.act(now, outputs, |protocol, cx| verdict = protocol.on_message(cx, from, message));
                // What brought this replica into a view far ahead was more than the auditor had to remember until now.
                if let Some(message) = of_later_view.filter(|_| self.protocol.status().view > view) {
                    self.auditor.enter_view(self.protocol.status().view);
                    self.audit(now, from, &PeerMessage::Protocol(message), outputs);
                }
                verdict
            }
            PeerMessage::Checkpoint(checkpoint) => self.on_checkpoint(now, &checkpoint, outputs),
            PeerMessage::Proof(proof) => self.on_proof(now, *proof, outputs),
            PeerMessage::Forward(submission) => {
                self.on_submission(now, Some(from), submission, outputs);
                Ok(())
            }
            PeerMessage::FetchBodies(digests) => {
                self.on_fetch_bodies(now, from, &digests, outputs);
                Ok(())
            }
            PeerMessage::Bodies(bodies) => self.on_bodies(now, bodies, outputs),
            PeerMessage::StateRequest(request) => {
                self.on_state_request(now, from, &request, outputs);
                Ok(())
            }
            PeerMessage::StatePart(part) => self.on_state_part(now, from, part, outputs),
        }
    }

    /// Holds what a peer's message says against what was said before. What this replica passes on in its own was looked at
    /// when it came.
    fn audit(&mut self, now: Time, from: ReplicaId, message: &PeerMessage<P::Message>, outputs: &mut Outputs<P>) {
        if self.is_audit_suspended || from == self.me {
            return;
        }
        let findings = match message {
            PeerMessage::Protocol(message) => self.auditor.observe(from, message),
            other => self.auditor.remember_all(from, other.claims(self.committee)),
        };
        let lacking = self.auditor.own().iter().find(|own| !self.protocol.accounts_for(own)).copied();
        self.on_own_statement(now, lacking, outputs);
        for finding in findings {
            self.on_finding(now, finding, outputs);
        }
    }

    /// A peer showed a statement of this replica that its log lacks, if there is one: the log is an old copy.
    fn on_own_statement(&mut self, now: Time, lacking: Option<OwnStatement>, outputs: &mut Outputs<P>) {
        if let Some(shown) = lacking.filter(|_| !self.signs_beside_log) {
            self.act(now, outputs, |protocol, cx| protocol.on_old_log(cx, shown));
        }
    }

    /// A submission, from its client or passed on by a peer.
    fn on_submission(
        &mut self,
        now: Time,
        source: Option<ReplicaId>,
        submission: Signed<Submission>,
        outputs: &mut Outputs<P>,
    ) -> Admission {
        let Submission { session, timestamp, .. } = submission.body;
        let digest = submission.body.digest();
        if self.pool.wants(&digest) {
            self.pool.supply(digest, submission.clone());
            self.on_arrived(now, &[digest], outputs);
        }
        match self.state.clients.freshness(session, timestamp) {
            // Rule 23: answered from the cache, never executed again.
            Freshness::Last(entry) => {
                let outcome = ReplyOutcome::Executed(entry.result.clone());
                let reply = Reply { session, timestamp, submission: entry.submission, outcome };
                outputs.push(Output::Reply(session, reply));
                return Admission::Known;
            }
            // A client that has forgotten how far it was, or whose clock went back, can go on from there.
            Freshness::Old(last) => {
                if source.is_none() {
                    let reply = Reply { session, timestamp, submission: digest, outcome: ReplyOutcome::Old(last) };
                    outputs.push(Output::Reply(session, reply));
                }
                return Admission::Known;
            }
            Freshness::New if !self.state.app.is_well_formed(&submission.body.operations) => return Admission::Known,
            Freshness::New => {}
        }
        let admission = self.pool.admit(now, digest, submission, source);
        match admission {
            Admission::Admitted | Admission::InPlaceOf(_) => {
                if let Admission::InPlaceOf(Displaced { session, timestamp, submission }) = admission {
                    self.counters.submissions_refused += 1;
                    outputs.push(Output::Reply(session, Reply::busy(session, timestamp, submission)));
                }
                self.act(now, outputs, |protocol, cx| protocol.on_request(cx));
                self.forward_later(now, outputs);
            }
            Admission::Full => outputs.push(Output::Reply(session, Reply::busy(session, timestamp, digest))),
            Admission::Known => {}
        }
        admission
    }

    fn on_timeout(&mut self, now: Time, timer: Timer, outputs: &mut Outputs<P>) {
        match timer {
            Timer::Forward => self.forward(now, outputs),
            Timer::Bodies => self.fetch_bodies(now, outputs),
            Timer::StateTransfer => self.on_transfer_timeout(now, outputs),
            Timer::Status => {
                self.repeat_checkpoint(outputs);
                self.act(now, outputs, |protocol, cx| protocol.on_timeout(cx, timer));
            }
            Timer::Request | Timer::Ask | Timer::ViewChange | Timer::FastPath | Timer::Delayed => {
                self.act(now, outputs, |protocol, cx| protocol.on_timeout(cx, timer));
            }
        }
    }

    fn forward_later(&mut self, now: Time, outputs: &mut Outputs<P>) {
        if !self.is_forwarding {
            self.is_forwarding = true;
            outputs.push(Output::SetTimer(Timer::Forward, now.after(self.forward_after())));
        }
    }

    fn forward_after(&self) -> Micros {
        Micros(self.settings.request_timeout().0 / 2)
    }

    /// Rule 24: at half of a request's time the primary is given its body, and again whenever it still waits as long as the whole
    /// time after that: the network may have lost it.
    fn forward(&mut self, now: Time, outputs: &mut Outputs<P>) {
        let Status { view, leader, .. } = self.protocol.status();
        let since = Time(now.0.saturating_sub(self.forward_after().0));
        let lost = Time(now.0.saturating_sub(self.settings.request_timeout().0));
        if leader != self.me {
            // A full pool has been given by the time that the first of it is overdue.
            let limit = self.settings.pool_submissions.div_ceil(Self::FORWARDS_IN_HALF as usize);
            for submission in self.pool.take_unforwarded(now, (since, lost), view, limit) {
                outputs.push(Output::Send(Recipients::One(leader), PeerMessage::Forward(submission)));
            }
        }
        self.is_forwarding = self.pool.len() > 0;
        if self.is_forwarding {
            let pause = Micros((self.forward_after().0 / Self::FORWARDS_IN_HALF).max(1));
            outputs.push(Output::SetTimer(Timer::Forward, now.after(pause)));
        }
    }

    /// Somebody shows a proof. Its signatures were checked on the way in.
    fn on_proof(&mut self, now: Time, proof: Proof<P::Message>, outputs: &mut Outputs<P>) -> Result<(), Rejection> {
        if self.is_audit_suspended {
            return Ok(());
        }
        let verdict = proof.verdict(self.committee).ok_or(Rejection::BadProof)?;
        let lacking = proof.claims().map(|claim| OwnStatement::Signed(claim.statement));
        let lacking = lacking.filter(|_| verdict.accused == self.me).find(|own| !self.protocol.accounts_for(own));
        self.on_own_statement(now, lacking, outputs);
        let summary = format!("{}: {} in view {}", verdict.accused, verdict.rule, verdict.view);
        self.on_finding(now, Finding { proof, summary }, outputs);
        Ok(())
    }

    /// A proof is announced, passed on and acted on, once. Whoever convicts itself again and again is heard of as often as
    /// that concerns the view that this replica is in or asks for, and [`Self::MAX_GUILTS`] times apart from that: each
    /// announcement is a message from everyone to everyone.
    fn on_finding(&mut self, now: Time, finding: Finding<P::Message>, outputs: &mut Outputs<P>) {
        let Finding { proof, summary } = finding;
        let verdict = proof.verdict(self.committee).expect("the auditor makes proofs that hold");
        let Status { view, asking_for, .. } = self.protocol.status();
        let guilt = (verdict.accused, verdict.view, verdict.rule);
        let of_accused = self.proved.range((verdict.accused, View(0), Rule::FIRST)..);
        let guilts = of_accused.take_while(|(accused, ..)| *accused == verdict.accused).take(Self::MAX_GUILTS).count();
        if verdict.view != asking_for.unwrap_or(view) && guilts >= Self::MAX_GUILTS {
            return;
        }
        if !self.proved.insert(guilt) {
            return;
        }
        if self.proved.len() > Self::MAX_PROVED {
            self.proved.pop_first();
        }
        self.counters.proofs += 1;
        outputs.push(Output::Note(Event::Proved { accused: verdict.accused, summary }));
        outputs.push(Output::Send(Recipients::All, PeerMessage::Proof(Box::new(proof))));
        self.act(now, outputs, |protocol, cx| protocol.on_proof(cx, verdict.accused, verdict.view));
    }

    /// Each session that had something executed, with the timestamp of what ran last and how many bytes its result has.
    pub fn sessions(&self) -> impl Iterator<Item = (Session, Timestamp, usize)> {
        self.state.clients.entries().map(|(session, entry)| (*session, entry.timestamp, entry.result.len()))
    }

    /// Where the protocol stands, and the transfer of the state if one is under way.
    pub fn status(&self) -> Status {
        Status { transfer: self.transfer.as_ref().map(Transfer::progress), ..self.protocol.status() }
    }

    /// Unexecuted slots and how far each is.
    pub fn slots(&self) -> Vec<(SeqNum, SlotPhase)> {
        self.protocol.slots()
    }

    /// What each client has waiting that was here itself.
    pub fn shares(&self) -> Vec<Share> {
        self.pool.shares()
    }

    /// The votes it holds for a slot, or for the newest one.
    pub fn votes(&self, seq: Option<SeqNum>) -> Option<SlotVotes> {
        self.protocol.votes(seq)
    }

    /// What it has done so far for what others sent: executing what was ordered does not count.
    pub fn work(&self) -> Work {
        let mut work = self.spent;
        work += self.protocol.work();
        work += self.auditor.work();
        work
    }

    /// How full everything is that grows with what others send.
    pub fn queues(&self, visit: &mut dyn FnMut(QueueLevel)) {
        self.protocol.queues(visit);
        self.pool.queues(visit);
        let window = self.settings.window_slots as usize;
        let n = self.committee.size();
        let mut level = |name, len, bound| visit(QueueLevel { name, len, bound });
        level("decided slots", self.decided.len(), 2 * window);
        level("checkpoint votes", self.checkpoints.vote_count(), n * 2 * window);
        level("pinned snapshots", self.checkpoints.pin_count(), n);
        level("snapshots", self.checkpoints.snapshot_count(), 2 * window + 2 + n);
        level("audited statements", self.auditor.len(), self.auditor.bound());
        level("audited submissions", self.auditor.digests(), self.auditor.max_digests());
        level("proofs", self.proved.len(), Self::MAX_PROVED);
    }

    /// Fills in the counters that the replica itself keeps; the driver fills in the others.
    pub fn count(&self, counters: &mut Counters) {
        counters.operations = self.counters.operations;
        counters.operations_failed = self.counters.operations_failed;
        counters.submissions = self.counters.submissions;
        counters.submissions_refused = self.counters.submissions_refused;
        counters.pending = self.pool.len() as u64;
        counters.untimely = self.counters.untimely;
        counters.view_changes = self.counters.view_changes;
        counters.proofs = self.counters.proofs;
    }

    /// The state's digest at the last stable checkpoint.
    pub fn stable_digest(&self) -> Digest {
        self.checkpoints.stable().digest()
    }

    /// The last executed slot and the state's digest after it; brings the Merkle tree up to date.
    pub fn state_digest(&mut self) -> (SeqNum, Digest) {
        (self.state.executed, self.state.digest())
    }

    /// The books of this replica, for whoever wants to see more than digests: its state as of the last executed slot, with
    /// the digest and the log that the driver has of it.
    pub fn ledger(&self, state_digest: Digest, log: Vec<LogEntry>) -> Ledger {
        let app = self.application();
        Ledger {
            replica: self.me,
            status: self.status(),
            state_digest,
            slots: self.slots(),
            log,
            figures: app.figures().into_iter().map(|(name, number)| (name.to_string(), number)).collect(),
            leaf_count: u32::try_from(app.leaf_count()).unwrap_or(u32::MAX),
            leaves: Ledger::first_leaves(app.leaf_count(), |index| app.leaf(index)),
        }
    }

    /// What it was configured with.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A submission whose body it holds, if it holds one.
    pub(crate) fn some_body(&self) -> Option<Digest> {
        self.pool.some_body()
    }

    /// The application as of the last executed slot.
    pub fn application(&self) -> &A {
        &self.state.app
    }
}
