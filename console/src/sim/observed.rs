//! A simulation, looked at as consoles look at replicas: its frames are those that nodes would send.

use std::collections::VecDeque;

use byztop_core::app::Application as _;
use byztop_core::app::merkle::{MerkleTree, leaf_digest};
use byztop_core::attack::Forge;
use byztop_core::protocol::Protocol;
use byztop_core::sim::{Schedule, Simulation};
use byztop_core::telemetry::{ConsoleMessage, Counters, Course, Glimpse, Notebook, Recorder, Traffic, Welcome};
use byztop_core::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum, Time};

use crate::tui::{End, FeedEvent, LinkEvent, MAX_RECENT, ProcessEvent, RecentStep};

/// How far frames are apart in virtual time, however fast it passes: the same whenever a run comes by there.
const TELL: Micros = Micros::from_millis(100);

/// A run, and what its console would know.
pub(super) struct Observed<P: Protocol>
where
    P::Message: Forge,
{
    simulation: Simulation<P>,
    replicas: Vec<Seen>,
    /// Which slot's votes are shown; the newest until one is named.
    watched: Option<SeqNum>,
    /// The last events.
    recent: VecDeque<RecentStep>,
    /// The newest slot that anyone has executed, and the steps at which that grew. A run is bounded, so these are.
    executed: SeqNum,
    progress: Vec<u64>,
    /// When the next frames are due.
    due: Time,
    /// What the console has not been told yet.
    untold: Vec<FeedEvent>,
}

/// What a console knows of one replica.
struct Seen {
    recorder: Recorder,
    notebook: Notebook,
    standing: Standing,
    /// As it was when it was last looked at.
    glimpse: Option<Glimpse>,
}

/// Whether a replica takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Unknown,
    Running,
    /// It stands still and will go on.
    Stopped,
    /// Its process is gone.
    Crashed,
}

impl<P: Protocol> Observed<P>
where
    P::Message: Forge,
{
    /// A run at its beginning.
    pub(super) fn new(schedule: &Schedule, watched: Option<SeqNum>) -> Self {
        let mut simulation = Simulation::new(schedule);
        simulation.tell();
        let replica = |_| {
            let recorder = Recorder::new(P::PHASES.len());
            Seen { notebook: recorder.notebook(), recorder, standing: Standing::Unknown, glimpse: None }
        };
        let mut observed = Observed {
            replicas: schedule.committee.members().map(replica).collect(),
            simulation,
            watched,
            recent: VecDeque::new(),
            executed: SeqNum(0),
            progress: Vec::new(),
            due: Time(0),
            untold: Vec::new(),
        };
        observed.take_notes();
        observed.look_at_links();
        observed
    }

    /// A run that has come to a step, and has told nothing yet.
    pub(super) fn at_step(schedule: &Schedule, watched: Option<SeqNum>, step: u64) -> Self {
        let mut observed = Self::new(schedule, watched);
        while observed.step_number() < step && observed.step() {}
        observed
    }

    /// Lets the next event happen; false if there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some((next, _)) = self.simulation.upcoming() else { return false };
        self.pass(next);
        self.simulation.step();
        let (step, at, what) = (self.simulation.steps(), self.simulation.now(), self.simulation.take_line());
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(RecentStep { step, at, what });
        if let Some((to, from, message)) = self.simulation.heard()
            && let Some(heading) = message.heading()
        {
            self.replicas[to.index()].recorder.on_arrival::<P>(at, from, heading);
        }
        self.take_notes();
        for (from, to, message) in self.simulation.said() {
            // What the network loses is lost on the way.
            if let Some(heading) = message.heading() {
                self.replicas[from.index()].recorder.on_sent(at, heading, to, ReplicaSet::default());
            }
        }
        self.look_at_links();
        self.follow_progress();
        true
    }

    /// Time passes and nothing happens before this moment.
    pub(super) fn pass(&mut self, until: Time) {
        if until > self.due {
            self.look(self.due);
            self.due = Time(until.0 - until.0 % TELL.0).after(TELL);
        }
    }

    fn take_notes(&mut self) {
        let now = self.simulation.now();
        for (id, event) in self.simulation.notes() {
            let Seen { recorder, notebook, .. } = &mut self.replicas[id.index()];
            recorder.note(now, now, event.clone(), Some(notebook));
        }
    }

    fn follow_progress(&mut self) {
        let committee = self.simulation.schedule().committee;
        let executed = committee.members().filter_map(|id| Some(self.simulation.node(id)?.replica().status().executed));
        if let Some(newest) = executed.max().filter(|newest| *newest > self.executed) {
            self.executed = newest;
            self.progress.push(self.simulation.steps());
        }
    }

    fn look_at_links(&mut self) {
        for id in self.simulation.schedule().committee.members() {
            let standing = match (self.simulation.node(id), self.simulation.is_down(id)) {
                (None, _) => Standing::Crashed,
                (Some(_), true) => Standing::Stopped,
                (Some(_), false) => Standing::Running,
            };
            let before = std::mem::replace(&mut self.replicas[id.index()].standing, standing);
            if before != standing {
                self.change_link(id, before, standing);
            }
        }
    }

    fn change_link(&mut self, id: ReplicaId, before: Standing, standing: Standing) {
        let link = |event| FeedEvent::Link(id, event);
        // What it noted before it went is told before it goes.
        let now = self.simulation.now();
        self.untold.push(FeedEvent::Passing(now));
        if before == Standing::Running {
            let last = self.frame(id, now);
            self.untold.extend(last);
        }
        match standing {
            Standing::Running => self.untold.push(link(LinkEvent::Up(Box::new(self.welcome(id))))),
            Standing::Stopped => self.untold.push(link(LinkEvent::Down("stopped for a while".into()))),
            Standing::Crashed => {
                let (status, log_tail) = ("crashed, its memory is lost".to_string(), String::new());
                self.untold.push(link(LinkEvent::Down("crashed".into())));
                self.untold.push(FeedEvent::Process(id, ProcessEvent::Exited { status, log_tail }));
            }
            Standing::Unknown => {}
        }
    }

    fn welcome(&self, replica: ReplicaId) -> Welcome {
        let schedule = self.simulation.schedule();
        Welcome {
            replica,
            protocol: schedule.protocol,
            leader: P::LEADER.to_string(),
            phases: P::PHASES.iter().map(|phase| phase.to_string()).collect(),
            replicas: schedule.committee.size() as u8,
            checkpoint_interval_slots: schedule.settings.checkpoint_interval_slots,
            durability: "memory".to_string(),
            may_attack: true,
            pid: 0,
        }
    }

    /// What was not told yet of what has happened.
    pub(super) fn take_untold(&mut self) -> Vec<FeedEvent> {
        std::mem::take(&mut self.untold)
    }

    /// Looks at each replica as it is now.
    pub(super) fn look(&mut self, now: Time) {
        self.untold.push(FeedEvent::Passing(now));
        for id in self.simulation.schedule().committee.members() {
            if self.replicas[id.index()].standing == Standing::Running {
                let frame = self.frame(id, now);
                self.untold.extend(frame);
            }
        }
    }

    /// What a replica's console is told now. Of one that is gone, what it was last.
    fn frame(&mut self, id: ReplicaId, now: Time) -> Option<FeedEvent> {
        let Seen { recorder, notebook, glimpse, .. } = &mut self.replicas[id.index()];
        let mut votes = None;
        if let Some(node) = self.simulation.node(id) {
            let replica = node.replica();
            let mut counters = Counters::default();
            replica.count(&mut counters);
            recorder.count(&mut counters);
            votes = replica.votes(self.watched);
            *glimpse = Some(Glimpse {
                replica: id,
                at: now,
                status: replica.status(),
                stable_digest: replica.stable_digest(),
                // A screen shows stable states; bringing one up to date would change the run.
                executed_digest: None,
                counters,
                messages: self.simulation.messages(id).map(Traffic::to_vec).unwrap_or_default(),
                attack: node.active(),
                slots: replica.slots(),
            });
        }
        let frame = notebook.frame(glimpse.as_ref()?, votes);
        Some(FeedEvent::Link(id, LinkEvent::Message(ConsoleMessage::Frame(Box::new(frame)))))
    }

    /// A replica tells its books, if it runs. Its state is digested on the side: bringing its own tree up to date would
    /// change the run.
    pub(super) fn tell_ledger(&mut self, id: ReplicaId) {
        let now = self.simulation.now();
        let Some(node) = self.simulation.node(id).filter(|_| self.replicas[id.index()].standing == Standing::Running)
        else {
            return;
        };
        let app = node.replica().application();
        let leaves: Vec<Digest> = (0..app.leaf_count()).map(|index| leaf_digest(index, &app.leaf(index))).collect();
        let log = self.replicas[id.index()].recorder.log(now, now);
        let ledger = node.replica().ledger(MerkleTree::new(&leaves).root(), log);
        let told = LinkEvent::Message(ConsoleMessage::Ledger(Box::new(ledger)));
        self.untold.push(FeedEvent::Link(id, told));
    }

    /// A replica tells the messages of a course, if it runs.
    pub(super) fn tell_trace(&mut self, id: ReplicaId, course: Course) {
        let (now, seen) = (self.simulation.now(), &self.replicas[id.index()]);
        if seen.standing == Standing::Running {
            let trace = Box::new(seen.recorder.trace(id, now, now, course));
            self.untold.push(FeedEvent::Link(id, LinkEvent::Message(ConsoleMessage::Trace(trace))));
        }
    }

    /// Shows the votes of this slot from now on, or of the newest.
    pub(super) fn watch_slot(&mut self, slot: Option<SeqNum>) {
        self.watched = slot;
    }

    /// Which slot's votes are shown.
    pub(super) fn watched(&self) -> Option<SeqNum> {
        self.watched
    }

    /// When the next event happens, and what it is.
    pub(super) fn upcoming(&mut self) -> Option<(Time, String)> {
        self.simulation.upcoming()
    }

    /// How many events have happened.
    pub(super) fn step_number(&self) -> u64 {
        self.simulation.steps()
    }

    /// When the last one did.
    pub(super) fn now(&self) -> Time {
        self.simulation.now()
    }

    /// The last events, oldest first.
    pub(super) fn recent(&self) -> Vec<RecentStep> {
        self.recent.iter().cloned().collect()
    }

    /// The last step before the current one at which a slot was executed that nobody had executed; 0 if there is none.
    pub(super) fn last_progress(&self) -> u64 {
        let now = self.step_number();
        self.progress.iter().rev().copied().find(|step| *step < now).unwrap_or(0)
    }

    /// The newest slot that anyone has executed.
    pub(super) fn executed(&self) -> SeqNum {
        self.executed
    }

    /// What is set on a replica, in the attack language.
    pub(super) fn attack(&self, id: ReplicaId) -> String {
        self.simulation.node(id).map(|node| node.active()).unwrap_or_default()
    }

    /// How it ended, once it has.
    pub(super) fn end(&mut self) -> Option<End> {
        if let Some(violation) = self.simulation.violation() {
            return Some(End::Violation(violation.to_string()));
        }
        self.upcoming().is_none().then_some(End::Clean)
    }
}
