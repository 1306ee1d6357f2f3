//! A made-up cluster that behaves like one: what it says is a function of time and of what it was told.
//!
//! It knows no protocol. It produces what frames look like while slots are ordered, while a primary is silent and when
//! a view begins, so that the console can be tested, and looked at, without replicas.

use std::collections::{BTreeMap, BTreeSet};

use byztop_core::app::Application as _;
use byztop_core::app::smallbank::{Account, Operation, SmallBank};
use byztop_core::attack::{Attack, Directive, parse};
use byztop_core::committee::Committee;
use byztop_core::protocol::{
    Complaint, Event, PhaseVotes, SlotPhase, SlotVotes, Status, Tampering, Topic, TransferProgress, ViewChangeShown,
};
use byztop_core::rejection::Rejection;
use byztop_core::telemetry::{
    ConsoleMessage, ConsoleRequest, Counters, Course, Fate, Frame, Ledger, LogEntry, Passage, PhaseLatencies, Trace,
    Welcome,
};
use byztop_core::types::{Digest, Micros, ProtocolName, ReplicaId, ReplicaSet, SeqNum, Time, View};

use crate::tui::{Command, FeedEvent, LinkEvent, LoadReport, ProcessEvent, Roster};

/// How long frames are apart, in microseconds.
pub(crate) const FRAME_US: u64 = 250_000;

/// K.
const CHECKPOINT: u64 = 128;

/// How long the primary may be silent before it is deposed, in microseconds.
const PATIENCE_US: u64 = 1_500_000;

/// The cluster.
pub(crate) struct Cluster {
    committee: Committee,
    /// Microseconds of Unix time.
    pub(crate) now: Time,
    started: Time,
    /// Slots executed since the start.
    executed: f64,
    slots_per_second: f64,
    ops_per_slot: u64,
    view: View,
    /// When it began.
    view_began: Time,
    stalled_since: Option<Time>,
    asking: bool,
    attacks: Vec<String>,
    dead: BTreeSet<ReplicaId>,
    /// Who only watches, until when, and who fetches the state.
    pub(crate) recovering: BTreeMap<ReplicaId, (Option<SeqNum>, Option<TransferProgress>)>,
    watched: Option<SeqNum>,
    events: Vec<Vec<(Time, Event)>>,
    latency: hdrhistogram::Histogram<u64>,
    rate: Option<f64>,
    random: u64,
    view_changes: u64,
    /// Whether a collector counts the votes.
    pub(crate) has_collector: bool,
}

impl Cluster {
    /// `replicas` replicas that begin at a time.
    pub(crate) fn new(replicas: usize, now: Time) -> Cluster {
        Cluster {
            committee: Committee::new(replicas).expect("a size between 1 and 100"),
            now,
            started: now,
            executed: 18_300.0,
            slots_per_second: 250.0,
            ops_per_slot: 8,
            view: View(0),
            view_began: now,
            stalled_since: None,
            asking: false,
            attacks: vec![String::new(); replicas],
            dead: BTreeSet::new(),
            recovering: BTreeMap::new(),
            watched: None,
            events: vec![Vec::new(); replicas],
            latency: hdrhistogram::Histogram::new(3).expect("three digits"),
            rate: Some(2000.0),
            random: 0x9e37_79b9_7f4a_7c15,
            view_changes: 0,
            has_collector: false,
        }
    }

    /// What is known of it beforehand.
    pub(crate) fn roster(&self) -> Roster {
        Roster { protocol: "pbft".into(), replicas: self.committee.size(), durability: "os".into(), simulation: None }
    }

    /// Every process starts and every link comes up.
    pub(crate) fn connect(&mut self) -> Vec<FeedEvent> {
        let ids: Vec<ReplicaId> = self.committee.members().collect();
        let mut feed = Vec::new();
        for id in ids {
            feed.push(FeedEvent::Process(id, ProcessEvent::Started { pid: 4100 + u32::from(id.0) }));
            feed.push(FeedEvent::Link(id, LinkEvent::Up(Box::new(self.welcome(id)))));
            feed.push(FeedEvent::Link(id, LinkEvent::Rtt(Micros(180 + 7 * u64::from(id.0)))));
        }
        feed
    }

    fn welcome(&self, id: ReplicaId) -> Welcome {
        Welcome {
            replica: id,
            protocol: ProtocolName::Pbft,
            leader: if self.has_collector { "collector" } else { "primary" }.to_string(),
            phases: ["pre-prepare", "prepare", "commit"].map(String::from).to_vec(),
            replicas: self.committee.size() as u8,
            checkpoint_interval_slots: CHECKPOINT,
            durability: "os".into(),
            may_attack: true,
            pid: 4100 + u32::from(id.0),
        }
    }

    /// A process is killed by somebody else.
    pub(crate) fn kill(&mut self, id: ReplicaId) -> Vec<FeedEvent> {
        let (status, log_tail) = ("signal 9 (KILL)".into(), "INFO slot 18431 executed".into());
        self.end(id, ProcessEvent::Exited { status, log_tail })
    }

    /// A process ends, and its link a little later.
    fn end(&mut self, id: ReplicaId, how: ProcessEvent) -> Vec<FeedEvent> {
        self.dead.insert(id);
        self.attacks[id.index()].clear();
        let lost = LinkEvent::Down("it has sent nothing for too long".into());
        vec![FeedEvent::Process(id, how), FeedEvent::Link(id, lost)]
    }

    /// A process starts again. It is heard of once [`Cluster::answer`] says so.
    fn restart(&mut self, id: ReplicaId) -> Vec<FeedEvent> {
        vec![FeedEvent::Process(id, ProcessEvent::Started { pid: 4200 + u32::from(id.0) })]
    }

    /// A replica that was started again is connected.
    pub(crate) fn answer(&mut self, id: ReplicaId) -> Vec<FeedEvent> {
        self.dead.remove(&id);
        vec![FeedEvent::Link(id, LinkEvent::Up(Box::new(self.welcome(id))))]
    }

    /// Does what the console wants and answers.
    pub(crate) fn obey(&mut self, command: Command) -> Vec<FeedEvent> {
        let (id, request) = match command {
            Command::Send(id, request) => (id, request),
            Command::Kill(id) => return self.end(id, ProcessEvent::Killed),
            Command::Restart(id) => return self.restart(id),
            Command::SetRate(rate) => {
                self.rate = rate;
                self.slots_per_second = rate.unwrap_or(12_400.0) / self.ops_per_slot as f64;
                return Vec::new();
            }
            Command::Listen(_) | Command::Simulate(_) | Command::Case(_) | Command::Quit => return Vec::new(),
        };
        if self.dead.contains(&id) {
            return Vec::new();
        }
        let attack = &mut self.attacks[id.index()];
        let answer = match request {
            ConsoleRequest::Attack(text) if text.contains("nonsense") => {
                ConsoleMessage::Refused("column 1: unknown attack \"nonsense\"".into())
            }
            ConsoleRequest::Attack(text) => {
                *attack = if attack.is_empty() { text } else { format!("{attack}; {text}") };
                self.events[id.index()].push((self.now, Event::AttackSet { attack: attack.clone() }));
                let first = parse(attack).ok().and_then(|set| Some(set.last()?.attack.clone()));
                let how = match &first {
                    Some(Attack::Time(span)) => Tampering::HeldBack(self.now.after(*span)),
                    Some(Attack::Sign | Attack::Equivocation { .. }) => Tampering::Altered,
                    _ => Tampering::Withheld,
                };
                let hearers = match &first {
                    Some(Attack::Dark(victims) | Attack::Equivocation { victims, .. }) => *victims,
                    _ => self.committee.others(id).collect(),
                };
                let seq = SeqNum(self.executed as u64 + 1);
                let topic = Topic::Slot { view: self.view, seq, digest: state(seq) };
                let by = first.map_or("", |attack| attack.name()).to_string();
                let tampered = Event::Tampered { message: "commit".to_string(), topic, hearers, how, by };
                self.events[id.index()].push((self.now.after(Micros(900)), tampered));
                ConsoleMessage::Done(attack.clone())
            }
            ConsoleRequest::End(name) => {
                let mut rest = parse(attack).expect("the fixture sets what can be read");
                rest.retain(|directive| directive.attack.name() != name);
                *attack = Directive::join(&rest);
                self.events[id.index()].push((self.now, Event::AttackEnded { name }));
                ConsoleMessage::Done(attack.clone())
            }
            ConsoleRequest::Heal => {
                if !std::mem::take(attack).is_empty() {
                    self.events[id.index()].push((self.now, Event::Healed));
                }
                ConsoleMessage::Done(String::new())
            }
            ConsoleRequest::WatchSlot(slot) => {
                self.watched = slot;
                return Vec::new();
            }
            ConsoleRequest::Ledger => ConsoleMessage::Ledger(Box::new(self.ledger(id))),
            ConsoleRequest::Trace(course) => ConsoleMessage::Trace(Box::new(self.trace(id, course))),
            ConsoleRequest::Subscribe { .. } | ConsoleRequest::Clock { .. } => return Vec::new(),
        };
        vec![FeedEvent::Link(id, LinkEvent::Message(answer))]
    }

    /// A frame's time passes; what everyone says then.
    pub(crate) fn step(&mut self) -> Vec<FeedEvent> {
        self.now = self.now.after(Micros(FRAME_US));
        self.order();
        let ids: Vec<ReplicaId> = self.committee.members().filter(|id| !self.dead.contains(id)).collect();
        let mut feed: Vec<FeedEvent> = Vec::new();
        for id in ids {
            let frame = Box::new(self.frame(id));
            feed.push(FeedEvent::Link(id, LinkEvent::Message(ConsoleMessage::Frame(frame))));
        }
        feed.push(FeedEvent::Load(Box::new(self.load())));
        feed
    }

    fn leader(&self) -> ReplicaId {
        self.committee.primary(self.view)
    }

    fn does(&self, id: ReplicaId, attack: &str) -> bool {
        self.attacks[id.index()].contains(attack)
    }

    fn is_silent(&self, id: ReplicaId) -> bool {
        self.dead.contains(&id) || self.does(id, "crash") || self.does(id, "sign")
    }

    fn order(&mut self) {
        let silent = self.committee.members().filter(|id| self.is_silent(*id)).count();
        let lacks_quorum = self.committee.size() - silent < self.committee.quorum();
        if !self.is_silent(self.leader()) && !lacks_quorum {
            self.stalled_since = None;
            let before = (self.executed as u64) / CHECKPOINT;
            self.executed += self.slots_per_second * FRAME_US as f64 / 1e6;
            let after = (self.executed as u64) / CHECKPOINT;
            for checkpoint in before + 1..=after {
                let seq = SeqNum(checkpoint * CHECKPOINT);
                self.tell_all(0, &Event::CheckpointStable { seq, digest: state(seq) });
            }
            for _ in 0..(self.slots_per_second * FRAME_US as f64 / 1e6) as u64 {
                let latency = self.spread(3100.0);
                self.latency.record(latency).expect("the histogram grows");
            }
        } else {
            let since = *self.stalled_since.get_or_insert(self.now);
            if self.now.since(since).0 >= PATIENCE_US && !lacks_quorum && !self.asking {
                self.asking = true;
                self.change_view();
            }
        }
        let bad: Vec<ReplicaId> = self.committee.members().filter(|id| self.does(*id, "sign")).collect();
        for from in bad {
            for _ in 0..40 {
                self.tell_all(0, &Event::Rejected { from, why: Rejection::BadSignature, count: 1 });
            }
        }
    }

    fn change_view(&mut self) {
        let mut view = self.view.next();
        while self.is_silent(self.committee.primary(view)) {
            view = view.next();
        }
        let honest: Vec<ReplicaId> = self.committee.members().filter(|id| !self.is_silent(*id)).collect();
        let began = Time(self.now.0 - 30_000);
        let most = honest.len().min(self.committee.weak_quorum());
        for (i, id) in honest.iter().enumerate() {
            let why = if i < most { Complaint::RequestTimeout } else { Complaint::Joined };
            let at = began.after(Micros(2000 * i as u64));
            self.events[id.index()].push((at, Event::ViewChangeAsked { view, why }));
            let primary = self.committee.primary(view);
            let stable = self.status(*id).stable;
            let shown = honest.iter().take(self.committee.quorum());
            let view_changes = shown.map(|replica| ViewChangeShown { replica: *replica, stable, slots: 4 }).collect();
            let entered = Event::ViewEntered { view, primary, forced: 4, nulls: 1, view_changes };
            self.events[id.index()].push((began.after(Micros(18_000 + 500 * i as u64)), entered));
        }
        (self.view, self.view_began, self.asking, self.stalled_since) = (view, began, false, None);
        self.view_changes += 1;
    }

    /// Every replica notes it.
    pub(crate) fn tell(&mut self, event: &Event) {
        self.tell_all(0, event);
    }

    fn tell_all(&mut self, skew: u64, event: &Event) {
        let at = self.now.after(Micros(skew));
        for id in self.committee.members() {
            if self.events[id.index()].len() < 500 {
                self.events[id.index()].push((at, event.clone()));
            }
        }
    }

    /// What it has sent: to each other one a vote in each phase, and its proposals.
    fn messages(&self, id: ReplicaId, executed: SeqNum) -> Vec<(String, u64)> {
        let others = self.committee.size() as u64 - 1;
        let (leads, slots) = (self.leader() == id, executed.0 - 18_000);
        let sent = [("pre-prepare", leads, others), ("prepare", !leads, others), ("commit", true, others)];
        let sent = sent.into_iter().filter(|(_, is_sent, _)| *is_sent);
        sent.map(|(name, _, copies)| (name.to_string(), slots * copies)).collect()
    }

    fn behind(&self, id: ReplicaId) -> u64 {
        let is_dark = self.committee.members().any(|other| self.attacks[other.index()].contains(&format!("dark({id}")));
        if is_dark { 41 } else { 0 }
    }

    fn status(&self, id: ReplicaId) -> Status {
        let executed = SeqNum((self.executed as u64).saturating_sub(self.behind(id)));
        Status {
            view: self.view,
            asking_for: None,
            leader: self.leader(),
            stable: SeqNum(executed.0 / CHECKPOINT * CHECKPOINT),
            executed,
            observing_until: self.recovering.get(&id).and_then(|(until, _)| *until),
            transfer: self.recovering.get(&id).and_then(|(_, transfer)| *transfer),
        }
    }

    fn frame(&mut self, id: ReplicaId) -> Frame {
        let (status, behind) = (self.status(id), self.behind(id));
        let Status { executed, stable, .. } = status;
        let is_stalled = self.stalled_since.is_some();
        let operations = (self.executed as u64 - 18_300).saturating_sub(behind) * self.ops_per_slot;
        let jitter = self.next() % 40;
        Frame {
            replica: id,
            at: self.now,
            status,
            stable_digest: state(stable),
            executed_digest: None,
            counters: Counters {
                operations,
                operations_failed: operations / 9,
                submissions: operations / 8,
                pending: if is_stalled { 200 } else { 3 },
                view_changes: self.view_changes,
                messages_sent: executed.0 * 14,
                links: self.committee.size() as u64 - 1,
                cpu: Micros((self.now.since(self.started).0) * (30 + 3 * u64::from(id.0)) / 100 + jitter * 100),
                memory_bytes: 48 << 20,
                disk_bytes: 21 << 20,
                commits: executed.0 * 3,
                ..Counters::default()
            },
            messages: self.messages(id, executed),
            attack: self.attacks[id.index()].clone(),
            slots: self.slots(executed, is_stalled, behind > 0),
            fast: self.fast(executed),
            votes: Some(self.votes(id, executed)),
            latencies: self.latencies(is_stalled),
            events: std::mem::take(&mut self.events[id.index()]),
            dropped: 0,
        }
    }

    fn slots(&mut self, executed: SeqNum, is_stalled: bool, is_dark: bool) -> Vec<(SeqNum, SlotPhase)> {
        if is_stalled {
            return Vec::new();
        }
        let phases = [SlotPhase::Committed, SlotPhase::Prepared, SlotPhase::PrePrepared, SlotPhase::Empty];
        let mut slot = executed;
        let mut slots = Vec::new();
        for phase in phases {
            let repeat = if is_dark && phase == SlotPhase::Prepared { 36 } else { self.next() % 3 };
            for _ in 0..repeat {
                slot = slot.next();
                slots.push((slot, phase));
            }
        }
        slots
    }

    fn votes(&mut self, observer: ReplicaId, executed: SeqNum) -> SlotVotes {
        let seq = self.watched.unwrap_or(executed.plus(2));
        let digest = state(seq);
        let quorum = self.committee.quorum() as u8;
        let is_old = seq <= executed;
        let phases = ["prepare", "commit"].into_iter().enumerate().map(|(i, phase)| {
            let missing = if is_old { 0 } else { 1 + 2 * i as u64 + u64::from(observer.0 % 2) };
            let voters = self.committee.members().filter(|id| !self.is_silent(*id));
            let voters: ReplicaSet = voters
                .filter(|id| *id == observer || u64::from(id.0) + missing < self.committee.size() as u64)
                .collect();
            PhaseVotes { phase: phase.into(), by_digest: vec![(digest, voters)], needed: quorum }
        });
        SlotVotes { seq, view: self.view, phases: phases.collect(), is_fast: self.has_collector && is_old }
    }

    /// Of the last hundred slots those that all replicas voted for at once: none while one is silent, and one in sixteen
    /// came too late.
    fn fast(&self, executed: SeqNum) -> Vec<SeqNum> {
        let all_vote = self.committee.members().all(|id| !self.is_silent(id));
        let last = (executed.0.saturating_sub(100)..=executed.0).map(SeqNum);
        last.filter(|seq| self.has_collector && all_vote && !seq.0.is_multiple_of(16)).collect()
    }

    fn latencies(&mut self, is_stalled: bool) -> Vec<PhaseLatencies> {
        if is_stalled {
            return vec![PhaseLatencies::default(); 4];
        }
        let means = [420.0, 950.0, 1800.0, 70.0];
        let mut all = Vec::new();
        for mean in means {
            let mut buckets: BTreeMap<Micros, u32> = BTreeMap::new();
            for _ in 0..60 {
                *buckets.entry(Micros(self.spread(mean))).or_default() += 1;
            }
            all.push(PhaseLatencies { buckets: buckets.into_iter().collect() });
        }
        all
    }

    /// A bank of ten with a payment in every slot, and the log of the last twelve.
    fn ledger(&self, id: ReplicaId) -> Ledger {
        let status = self.status(id);
        let mut bank = SmallBank::new(10, 10, 5);
        bank.apply(Operation::SendPayment { from: Account(0), to: Account(1), amount: 4 });
        bank.apply(Operation::DepositChecking { account: Account(2), amount: (status.executed.0 % 1000) as i64 });
        let entry = |seq: u64| {
            let after = |us: u64| Some(Time(self.now.0 - (status.executed.0 - seq) * 4000 + us + 90 * u64::from(id.0)));
            LogEntry {
                seq: SeqNum(seq),
                proposal: Some((status.view, state(SeqNum(seq)))),
                pre_prepared: after(400),
                prepared: after(1300),
                committed: after(2900),
                executed: after(2900),
                submissions: 3,
            }
        };
        Ledger {
            replica: id,
            status,
            state_digest: state(status.executed),
            slots: vec![(status.executed.next(), SlotPhase::Prepared)],
            log: (status.executed.0 - 12..=status.executed.0).map(entry).collect(),
            figures: bank.figures().into_iter().map(|(name, number)| (name.to_string(), number)).collect(),
            leaf_count: bank.leaf_count() as u32,
            leaves: Ledger::first_leaves(bank.leaf_count(), |index| bank.leaf(index)),
        }
    }

    /// What passed at a replica: everyone tells everyone, some microseconds apart, but for what attacks do.
    fn trace(&self, id: ReplicaId, course: Course) -> Trace {
        let (began, names) = match course {
            Course::Slot(seq) => {
                let behind = self.status(self.leader()).executed.0.saturating_sub(seq.0);
                (Time(self.now.0 - behind * 4000), &["pre-prepare", "prepare", "commit"][..])
            }
            Course::View(_) => (self.view_began, &["view-change", "new-view"][..]),
        };
        let entry = match course {
            Course::Slot(seq) => self.ledger(id).log.into_iter().find(|entry| entry.seq == seq),
            Course::View(_) => None,
        };
        let mut passages = Vec::new();
        for (phase, name) in names.iter().enumerate() {
            for from in self.committee.members() {
                let is_by_leader = matches!(*name, "pre-prepare" | "new-view");
                if self.dead.contains(&from) || is_by_leader != (from == self.leader()) && phase != 2 {
                    continue;
                }
                for to in self.committee.members().filter(|to| *to != from && (*to == id || from == id)) {
                    let left = began.after(Micros(([0, 500, 1400][phase]) + 90 * u64::from(from.0)));
                    let way = 150 + 20 * ((u64::from(from.0) * 7 + u64::from(to.0) * 3 + phase as u64 * 5) % 11);
                    let passage = self.passage(id, course, (*name, from, to), left, Micros(way));
                    passages.extend(passage);
                }
            }
        }
        passages.sort_by_key(|passage: &Passage| passage.at);
        Trace { replica: id, course, since: self.started, entry, passages }
    }

    /// A message as its sender or its hearer tells it.
    fn passage(
        &self,
        teller: ReplicaId,
        course: Course,
        (name, from, to): (&'static str, ReplicaId, ReplicaId),
        left: Time,
        way: Micros,
    ) -> Vec<Passage> {
        let attacks = parse(&self.attacks[from.index()]).expect("the fixture sets what can be read");
        let does = |is_it: &dyn Fn(&Attack) -> bool| attacks.iter().any(|directive| is_it(&directive.attack));
        let lies = does(&|attack| matches!(attack, Attack::Equivocation { victims, .. } if victims.contains(to)));
        let topic = match course {
            Course::Slot(seq) => {
                let digest = if lies { state(SeqNum(0)) } else { state(seq) };
                Topic::Slot { view: self.view, seq, digest }
            }
            Course::View(view) => Topic::View(view),
        };
        let late = does(&|attack| matches!(attack, Attack::Time(_)));
        let leaves = if late { left.after(Micros::from_millis(500)) } else { left };
        let only = |replica| ReplicaSet::from_iter([replica]);
        let told = |at, fate| Passage { at, name: name.into(), topic, fate };
        let by = |name: &str| name.to_string();
        if does(&|attack| *attack == Attack::Crash) {
            return if teller == from {
                vec![told(left, Fate::Withheld { to: only(to), by: by("crash") })]
            } else {
                vec![]
            };
        }
        if does(&|attack| matches!(attack, Attack::Dark(victims) if victims.contains(to))) {
            return if teller == from {
                vec![told(left, Fate::Withheld { to: only(to), by: by("dark") })]
            } else {
                vec![]
            };
        }
        if teller == to {
            let came = leaves.after(way);
            let is_bad = does(&|attack| *attack == Attack::Sign);
            let why = Rejection::BadSignature;
            return vec![told(came, if is_bad { Fate::Refused { from, why } } else { Fate::Came { from } })];
        }
        let held = Fate::HeldBack { to: only(to), until: leaves, by: by("time") };
        let held = late.then(|| told(left, held));
        held.into_iter().chain([told(leaves, Fate::Left { to: only(to) })]).collect()
    }

    fn load(&self) -> LoadReport {
        let committed_ops = (self.executed as u64 - 18_300) * self.ops_per_slot;
        LoadReport {
            committed_ops,
            success: committed_ops - committed_ops / 9,
            failed: committed_ops / 9,
            offered_ops: committed_ops + 24,
            in_flight: 24,
            busy: 0,
            busiest: vec![("0".into(), committed_ops / 16), ("6180".into(), committed_ops / 30)],
            latency: self.latency.clone(),
            rate: self.rate,
            bundle: 8,
        }
    }

    /// About log-normal around a mean, with a tail.
    fn spread(&mut self, mean: f64) -> u64 {
        let sum: f64 = (0..6).map(|_| (self.next() % 1000) as f64 / 1000.0).sum::<f64>() - 3.0;
        let tail = if self.next().is_multiple_of(200) { 4.0 } else { 1.0 };
        ((mean * (sum * 0.55).exp() * tail) as u64).max(1)
    }

    /// The next number of a xorshift generator with a fixed seed.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

fn state(seq: SeqNum) -> Digest {
    Digest::of("fixture", &[&seq.0.to_le_bytes()])
}
