//! What the console knows: a fold over the feed, and nothing else.
//!
//! Histories are bounded. What a lost link can no longer tell is not known any more: [`Replica::known`] is the only
//! way to a replica's numbers, and it gives none while the link is down or silent.

mod cases;
mod latency;
mod load;
mod log;
mod notes;
mod replica;

use std::collections::BTreeMap;

use byztop_core::committee::Committee;
use byztop_core::protocol::SlotVotes;
use byztop_core::telemetry::{ConsoleMessage, Course, Frame, Trouble};
use byztop_core::types::{Micros, ReplicaId, ReplicaSet, SeqNum, Time, View};
pub(super) use cases::{Case, Cases, Progress as CaseProgress};
pub(super) use latency::{HEAT_HIGH, HEAT_LOW, HEAT_S, Recent, Summary};
pub(super) use load::Load;
pub(super) use log::{Entry, Kind, Log};
pub(super) use replica::{Link, Process, Replica, SlotsThen};

use crate::books::{Courses, Deeds, Evidence, Ledgers, Views};

use super::text::clean;
use super::{End, FeedEvent, LinkEvent, Roster, SimulatedTime};

/// Without progress for so long while requests wait, the primary looks silent.
const SILENT_AFTER: Micros = Micros::from_millis(600);

/// Within so long of a frame that showed progress, it is not known when exactly that was.
const COARSE: Micros = Micros::from_millis(400);

/// So many slots beyond what f+1 replicas say one is believed, if they speak of one moment: about what a pipeline is deep.
const AT_ONE_MOMENT: u64 = 32;

/// The same if each speaks of the moment of its last frame.
const BETWEEN_FRAMES: u64 = 1024;

/// What is known.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// n, f and quorums.
    pub committee: Committee,
    /// The protocol's name.
    pub protocol: String,
    /// What survives a crash.
    pub durability: String,
    /// What the protocol calls whoever leads a view.
    pub leader: String,
    /// The protocol's phases, in order; empty until a replica has named them.
    pub phases: Vec<String>,
    /// In roster order.
    pub replicas: Vec<Replica>,
    /// How the load is getting on, if there is one.
    pub load: Option<Load>,
    /// Recent latencies: one entry per phase of the protocol, and a last one for execution.
    pub latencies: Vec<Recent>,
    /// What happened.
    pub log: Log,
    /// The books of states, slots and views.
    pub ledgers: Ledgers,
    pub views: Views,
    pub evidence: Evidence,
    pub deeds: Deeds,
    pub courses: Courses,
    /// What is wrong, as each replica sees it.
    troubles: BTreeMap<ReplicaId, Vec<Trouble>>,
    /// The test cases, if some are run here.
    pub cases: Option<Cases>,
    /// Where the simulation stands, if it is one.
    pub simulation: Option<SimulatedTime>,
    /// The time of the last event or tick; that of the simulation if it is one.
    pub now: Time,
    /// Feed events that were lost on their way here.
    pub feed_dropped: u64,
    /// Errors that the user should see, until the screen takes them.
    pub complaints: Vec<String>,
    progress: Progress,
}

/// When the cluster last executed something.
#[derive(Clone, Copy, Default, Debug)]
struct Progress {
    executed: SeqNum,
    /// On the console's clock.
    seen: Time,
    /// On the clock of the replica that said so.
    at: Time,
    /// Since when enough replicas have had requests waiting, on the console's clock.
    waiting_since: Option<Time>,
    /// The newest view that f+1 replicas were seen in, and since when, on the console's clock.
    view: View,
    reigns_since: Time,
}

/// A figure that can be put in order.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Rate(f64);

impl Eq for Rate {}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Rate) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rate {
    fn cmp(&self, other: &Rate) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The view that the cluster is in, whom most of those in it call its leader, and who wants to leave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reign {
    pub view: View,
    pub leader: ReplicaId,
    /// The view that most ask for, the newest of these, and by how many.
    pub asked: Option<(View, usize)>,
}

impl Model {
    /// Before anything is connected.
    pub(super) fn new(roster: &Roster, now: Time) -> Model {
        let now = roster.simulation.as_ref().map_or(now, |simulation| simulation.now);
        let size = roster.replicas.clamp(1, Committee::MAX_REPLICAS);
        let committee = Committee::new(size).expect("the size was clamped");
        Model {
            committee,
            protocol: clean(&roster.protocol),
            durability: clean(&roster.durability),
            leader: "primary".to_string(),
            phases: Vec::new(),
            replicas: committee.members().map(|id| Replica::new(id, now)).collect(),
            load: None,
            latencies: Vec::new(),
            log: Log::default(),
            ledgers: Ledgers::new(committee),
            views: Views::new(committee),
            evidence: Evidence::new(committee),
            deeds: Deeds::new(committee),
            courses: Courses::default(),
            troubles: BTreeMap::new(),
            cases: None,
            simulation: roster.simulation.clone(),
            now,
            feed_dropped: 0,
            complaints: Vec::new(),
            progress: Progress::default(),
        }
    }

    /// The same without what the user is to be told of it.
    pub(super) fn without_complaints(&self) -> Model {
        Model { complaints: Vec::new(), ..self.clone() }
    }

    /// Takes in an event that was received now.
    pub(super) fn apply(&mut self, now: Time, event: FeedEvent) {
        if let FeedEvent::Simulated(time) = event {
            return self.follow_simulation(*time);
        }
        if let (FeedEvent::Passing(time), Some(simulation)) = (&event, &mut self.simulation) {
            simulation.now = *time;
        }
        self.tick(now);
        match event {
            FeedEvent::Load(report) => self.load.get_or_insert_default().take(self.now, report),
            FeedEvent::Case(event) => self.on_case(event),
            FeedEvent::Rewound(history) => {
                self.forget();
                history.into_iter().for_each(|event| self.apply(now, event));
            }
            FeedEvent::Process(id, event) if self.committee.contains(id) => self.on_process(id, event),
            FeedEvent::Link(id, event) if self.committee.contains(id) => self.on_link(id, event),
            FeedEvent::Process(..) | FeedEvent::Link(..) | FeedEvent::Simulated(_) | FeedEvent::Passing(_) => {}
        }
    }

    /// The simulation has come to another moment, or to its end.
    fn follow_simulation(&mut self, time: SimulatedTime) {
        let had_ended = self.simulation.as_ref().is_some_and(|before| before.end.is_some());
        let (now, name) = (time.now, time.name.clone());
        let end = time.end.clone().filter(|_| !had_ended);
        self.simulation = Some(time);
        self.tick(now);
        match end {
            Some(End::Clean) => self.log.push(now, Kind::End, format!("end of {name}: every invariant has held")),
            Some(End::Violation(what)) => self.log.push(now, Kind::Error, format!("VIOLATION: {}", clean(&what))),
            None => {}
        }
    }

    /// Everything that was learned since the beginning is not known any more.
    fn forget(&mut self) {
        let roster = Roster {
            protocol: std::mem::take(&mut self.protocol),
            replicas: self.replicas.len(),
            durability: std::mem::take(&mut self.durability),
            simulation: self.simulation.take().map(|then| SimulatedTime { now: Time(0), end: None, ..then }),
        };
        *self = Model::new(&roster, self.now);
    }

    /// Time passes; a simulation has its own.
    pub(super) fn tick(&mut self, now: Time) {
        let now = self.simulation.as_ref().map_or(now, |simulation| simulation.now);
        self.now = self.now.max(now);
        for replica in &mut self.replicas {
            if let Some(complaint) = replica.tick(self.now) {
                self.complaints.push(complaint);
            }
        }
        self.latencies.iter_mut().for_each(|recent| recent.advance(self.now));
        if let Some(load) = &mut self.load {
            load.latency.advance(self.now);
        }
    }

    fn on_link(&mut self, id: ReplicaId, event: LinkEvent) {
        match event {
            LinkEvent::Connecting => self.replicas[id.index()].on_connecting(),
            LinkEvent::Up(welcome) => {
                if self.phases.is_empty() {
                    self.leader = clean(&welcome.leader);
                    self.phases = welcome.phases.iter().map(|phase| clean(phase)).collect();
                    self.latencies = vec![Recent::default(); self.phases.len() + 1];
                }
                self.replicas[id.index()].on_up(self.now, welcome.may_attack);
                self.note_up(id);
            }
            LinkEvent::Rtt(rtt) => self.replicas[id.index()].rtt = Some(rtt),
            LinkEvent::Clock(offset) => self.replicas[id.index()].clock = offset,
            LinkEvent::Down(why) => self.on_down(id, &clean(&why)),
            LinkEvent::Message(ConsoleMessage::Welcome(_)) => {}
            LinkEvent::Message(ConsoleMessage::Ledger(ledger)) if ledger.replica == id => self.ledgers.insert(*ledger),
            LinkEvent::Message(ConsoleMessage::Trace(trace)) if trace.replica == id => self.courses.insert(*trace),
            LinkEvent::Message(ConsoleMessage::Ledger(_) | ConsoleMessage::Trace(_) | ConsoleMessage::Clock { .. }) => {
            }
            LinkEvent::Message(ConsoleMessage::Frame(frame)) => self.on_frame(id, frame),
            LinkEvent::Message(ConsoleMessage::Troubles(troubles)) => self.on_troubles(id, troubles),
            LinkEvent::Message(ConsoleMessage::Done(attack)) => {
                self.replicas[id.index()].on_done(self.now, clean(&attack));
            }
            LinkEvent::Message(ConsoleMessage::Refused(why)) => {
                self.replicas[id.index()].pending = None;
                let complaint = format!("{id} refused: {}", clean(&why));
                self.log.push(self.now, Kind::Link, complaint.clone());
                self.complaints.push(complaint);
            }
        }
    }

    fn on_down(&mut self, id: ReplicaId, why: &str) {
        let was_up = self.replicas[id.index()].is_up();
        self.replicas[id.index()].on_down(self.now, why);
        self.troubles.remove(&id);
        if was_up {
            self.log.push(self.now, Kind::Link, format!("{id} lost: {why}"));
        }
        self.follow_progress(None);
    }

    fn on_frame(&mut self, id: ReplicaId, mut frame: Box<Frame>) {
        for (time, event) in std::mem::take(&mut frame.events) {
            self.views.note(id, &event);
            self.evidence.note(time, id, &event);
            self.deeds.note(time, id, &event);
            self.note(id, time, event);
        }
        for (recent, latencies) in self.latencies.iter_mut().zip(std::mem::take(&mut frame.latencies)) {
            for (value, count) in latencies.buckets {
                recent.record(self.now, value, u64::from(count));
            }
        }
        frame.attack = clean(&frame.attack);
        let at = frame.at;
        let until = frame.status.observing_until.filter(|until| *until > SeqNum(0));
        if let Some(until) = until.filter(|_| self.replicas[id.index()].watches_until != until) {
            self.note_watching(id, at, until);
        }
        self.replicas[id.index()].watches_until = until;
        self.replicas[id.index()].on_frame(self.now, frame);
        self.follow_progress(Some(at));
    }

    /// A replica says what is wrong. What nobody said before becomes a line of the log.
    fn on_troubles(&mut self, id: ReplicaId, troubles: Vec<Trouble>) {
        let known: Vec<Trouble> = self.troubles.values().flatten().cloned().collect();
        for trouble in troubles.iter().filter(|trouble| !known.contains(trouble)) {
            let is_known_here = match trouble {
                // Who is dead or not reached from here either needs no second line.
                Trouble::Unlinked { peer, .. } => !self.replicas.get(peer.index()).is_some_and(Replica::is_up),
                _ => false,
            };
            if !is_known_here {
                let kind = if trouble.is_vital() { Kind::Error } else { Kind::Link };
                self.log.push(self.now, kind, format!("{id}: {}", clean(&trouble.to_string())));
            }
        }
        self.troubles.insert(id, troubles);
    }

    /// What is wrong as replicas see it: each once, what nothing can be done under first, and who says so.
    pub(super) fn troubles(&self) -> Vec<(&Trouble, ReplicaSet)> {
        let mut all: BTreeMap<&Trouble, ReplicaSet> = BTreeMap::new();
        for (teller, trouble) in
            self.troubles.iter().flat_map(|(id, troubles)| troubles.iter().map(move |it| (*id, it)))
        {
            all.entry(trouble).or_default().insert(teller);
        }
        let mut all: Vec<(&Trouble, ReplicaSet)> = all.into_iter().collect();
        all.sort_by_key(|(trouble, _)| !trouble.is_vital());
        all
    }

    fn follow_progress(&mut self, at: Option<Time>) {
        let executed = self.newest_executed().unwrap_or_default();
        if executed != self.progress.executed {
            let at = at.unwrap_or(self.progress.at);
            self.deeds.progress(at, executed);
            self.progress = Progress { executed, seen: self.now, at, ..self.progress };
        }
        if let Some(Reign { view, .. }) = self.reign().filter(|reign| reign.view > self.progress.view) {
            self.progress.view = view;
            self.progress.reigns_since = self.now;
        }
        let waiting = self.known().filter(|(_, frame)| frame.counters.pending > 0).count();
        self.progress.waiting_since = match self.progress.waiting_since {
            _ if waiting < self.committee.weak_quorum() => None,
            Some(since) => Some(since),
            None => Some(self.now),
        };
    }

    /// The replicas whose numbers are known.
    pub(super) fn known(&self) -> impl Iterator<Item = (&Replica, &Frame)> {
        self.replicas.iter().filter_map(|replica| Some((replica, replica.known(self.now)?)))
    }

    /// How many replicas are connected and talk.
    pub(super) fn live(&self) -> usize {
        self.known().count()
    }

    /// The newest slot that a replica says it has executed, as far as f+1 are near it.
    pub(super) fn newest_executed(&self) -> Option<SeqNum> {
        self.newest_of(self.known().map(|(_, frame)| frame.status.executed).collect(), BETWEEN_FRAMES)
    }

    /// The newest of what replicas say of themselves: at most a few slots beyond what f+1 say, since f may say anything.
    fn newest_of(&self, said: Vec<SeqNum>, near: u64) -> Option<SeqNum> {
        let last = self.committee.credible(said.iter().copied())?.plus(near);
        said.into_iter().filter(|slot| *slot <= last).max()
    }

    /// The newest slot that a quorum has executed, or whoever is known if those are fewer.
    pub(super) fn executed_by_quorum(&self) -> Option<SeqNum> {
        self.committee.reached_by_quorum(self.known().map(|(_, frame)| frame.status.executed))
    }

    /// What is worth to be followed message by message: the slot that was decided last, or the one that everybody waits
    /// for.
    pub(super) fn newest_course(&self) -> Option<Course> {
        let waited_for = self.silence().and_then(|_| self.newest_executed()).map(SeqNum::next);
        waited_for.or_else(|| self.executed_by_quorum()).filter(|slot| *slot > SeqNum(0)).map(Course::Slot)
    }

    /// The way into the newest view that f+1 replicas are in or ask for, if it was not the first.
    pub(super) fn newest_view_change(&self) -> Option<Course> {
        let views = self.known().map(|(_, frame)| frame.status.asking_for.unwrap_or_default().max(frame.status.view));
        self.committee.credible(views).filter(|view| *view > View(0)).map(Course::View)
    }

    /// A replica's time by the console's clock.
    pub(super) fn correct(&self, id: ReplicaId, time: Time) -> Time {
        self.replicas.get(id.index()).map_or(time, |replica| replica.clock.correct(time))
    }

    /// The newest slot that a replica has begun, as far as f+1 are near it.
    pub(super) fn newest_slot(&self) -> Option<SeqNum> {
        self.newest_of(self.known().filter_map(|(replica, _)| replica.newest_slot()).collect(), BETWEEN_FRAMES)
    }

    /// The newest slot that a replica had begun at one moment, as far as f+1 were near it.
    pub(super) fn newest_slot_of(&self, moment: &[Option<&SlotsThen>]) -> Option<SeqNum> {
        self.newest_of(moment.iter().flatten().map(|slots| slots.newest()).collect(), AT_ONE_MOMENT)
    }

    /// Whether any replica's process was started here.
    pub(super) fn has_processes(&self) -> bool {
        self.simulation.is_none() && self.replicas.iter().any(|replica| replica.process != Process::Unknown)
    }

    /// The newest view that f+1 replicas are in (or all that are known, if those are fewer): one of them is honest.
    pub(super) fn reign(&self) -> Option<Reign> {
        let view = self.committee.credible(self.known().map(|(_, frame)| frame.status.view))?;
        let asking = || self.known().filter_map(|(_, frame)| frame.status.asking_for).filter(|asked| *asked > view);
        let count = |wanted: View| (wanted, asking().filter(|asked| *asked == wanted).count());
        let asked = asking().map(count).max_by_key(|(wanted, by)| (*by, *wanted));
        let leaders = || self.known().map(|(_, frame)| &frame.status).filter(|status| status.view == view);
        let naming = |leader: ReplicaId| leaders().filter(|status| status.leader == leader).count();
        let leader = leaders().map(|status| status.leader).max_by_key(|leader| naming(*leader))?;
        Some(Reign { view, leader, asked })
    }

    /// For how long nothing was executed under this primary although requests wait, once that is too long for an honest
    /// one.
    pub(super) fn silence(&self) -> Option<Micros> {
        let since = self.progress.waiting_since?.max(self.progress.seen).max(self.progress.reigns_since);
        Some(self.now.since(since)).filter(|silence| *silence > SILENT_AFTER)
    }

    /// Replicas that are attacked, dead or not back in step yet, in roster order.
    pub(super) fn faulty(&self) -> Vec<ReplicaId> {
        self.replicas.iter().filter(|replica| replica.is_faulty()).map(|replica| replica.id).collect()
    }

    /// Events and frames that were lost on their way here.
    pub(super) fn dropped(&self) -> u64 {
        // What one says of itself takes no more room than this.
        const MOST_OF_ONE: u64 = 999_999;
        self.known().fold(self.feed_dropped, |sum, (_, frame)| sum.saturating_add(frame.dropped.min(MOST_OF_ONE)))
    }

    /// Operations per second: what the client saw, or what f+1 replicas executed if there is no load here.
    pub(super) fn ops_per_second(&self) -> Option<u64> {
        match &self.load {
            Some(load) => load.ops_per_second(self.now),
            None => self.committee.credible(self.known().filter_map(|(replica, _)| replica.ops_per_second())),
        }
    }

    /// How many messages replicas send each other for one slot, by name, most first: all of them over the last seconds,
    /// divided by the slots that f+1 replicas have executed. `None` while nothing is executed.
    pub(super) fn messages_per_slot(&self) -> Option<Vec<(String, f64)>> {
        let slots =
            self.committee.credible(self.known().filter_map(|(replica, _)| replica.slots_per_second()).map(Rate))?.0;
        let mut sent: BTreeMap<&str, f64> = BTreeMap::new();
        for (name, rate) in self.known().filter_map(|(replica, _)| replica.sent_per_second()).flatten() {
            *sent.entry(name).or_default() += rate;
        }
        let mut per_slot: Vec<_> = sent.into_iter().map(|(name, rate)| (name.to_string(), rate / slots)).collect();
        per_slot.sort_by(|a, b| b.1.total_cmp(&a.1));
        (slots > 0.0).then_some(per_slot)
    }

    /// How many slots a replica is behind what f+1 others had executed when it spoke.
    ///
    /// Frames of different replicas are made at different moments, so the others' progress is interpolated to the
    /// moment of this one's; an eighth of what happens between two frames is taken for the error of that.
    pub(super) fn lag(&self, replica: &Replica) -> Option<u64> {
        replica.known(self.now)?;
        let (at, executed) = replica.last_sample()?;
        let others = self.replicas.iter().filter(|other| other.id != replica.id && other.known(self.now).is_some());
        let executed_at = others.filter_map(|other| other.executed_at(at)).map(|(seq, step)| (Rate(seq), Rate(step)));
        let (Rate(furthest), Rate(step)) = self.committee.credible(executed_at).unwrap_or((Rate(0.0), Rate(0.0)));
        let lag = furthest - executed.0 as f64;
        Some(if lag > step / 8.0 { lag.round() as u64 } else { 0 })
    }

    /// The slots of each replica at about the same moment, or `None` for a replica of which nothing is known.
    pub(super) fn slots_at_one_moment(&self) -> Vec<Option<&SlotsThen>> {
        let moment = self.known().filter_map(|(replica, _)| replica.last_sample()).map(|(at, _)| at).min();
        let when = |replica: &Replica| replica.known(self.now).is_some().then_some(moment).flatten();
        self.replicas.iter().map(|replica| when(replica).and_then(|moment| replica.slots_near(moment))).collect()
    }

    /// The votes of a slot as a replica holds them, if it said so in its last frame.
    pub(super) fn votes(&self, replica: &Replica, slot: SeqNum, view: View) -> Option<&SlotVotes> {
        let replica = &self.replicas[replica.id.index()];
        replica.votes_of(slot, view).filter(|_| replica.known(self.now).is_some())
    }

    /// For how long nothing was executed before a view began that was first asked for at `asked`.
    ///
    /// Progress is seen by the frame, which is too coarse for a quick view change: within a frame or two of the last
    /// progress, what counts is the time from the first complaint.
    fn without_progress(&self, asked: Option<Time>, began: Time) -> Micros {
        let since_progress = began.since(self.progress.at);
        // Before anything was executed, it is not known since when somebody has waited.
        let is_unknown = self.progress.executed == SeqNum(0);
        match asked {
            Some(asked) if since_progress < COARSE || is_unknown => began.since(asked),
            None if is_unknown => Micros(0),
            _ => since_progress,
        }
    }
}
