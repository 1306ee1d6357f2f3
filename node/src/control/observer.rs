//! The consoles of a replica as the core task knows them: who may do what, and when each gets its next frame.

use std::collections::BTreeMap;
use std::time::Instant;

use byztop_certs::Role;
use byztop_core::protocol::{Event, Message, Protocol, Recipients, SlotVotes};
use byztop_core::rejection::Rejection;
use byztop_core::replica::PeerMessage;
use byztop_core::telemetry::{
    ConsoleMessage, Counters, Course, Glimpse, Heading, LogEntry, MAX_TROUBLES, Recorder, Trouble, Welcome,
};
use byztop_core::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum, Time};
use tokio::sync::mpsc;

use super::progress::ProgressLog;
use super::subscription::Subscription;
use super::usage::{Usage, usage};
use crate::clock::Clock;
use crate::standing::Standing;
use crate::transport::LinkId;

/// Whether a console may set attacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Permission {
    /// It may.
    Granted,
    /// It may not, for this reason.
    Denied(String),
}

/// All consoles of a replica, and what is counted for them.
pub(crate) struct Observer {
    clock: Clock,
    /// What every console is told first; `may_attack` is each one's own.
    welcome: Welcome,
    attacks_allowed: bool,
    consoles: BTreeMap<LinkId, Subscription>,
    recorder: Recorder,
    progress: ProgressLog,
    usage: (Time, Usage),
    standing: Standing,
    /// When it was last looked at what is wrong, and what that was.
    troubles: (Time, Vec<Trouble>),
}

impl Observer {
    /// How many consoles may watch one replica.
    const MAX_CONSOLES: usize = 16;
    /// How old the figures of the system may be.
    const USAGE_AGE: Micros = Micros::from_millis(200);
    /// How old what was last told of troubles may be.
    const TROUBLES_AGE: Micros = Micros::from_millis(500);

    /// Nobody watches yet.
    pub(crate) fn new(clock: Clock, welcome: Welcome, attacks_allowed: bool, standing: Standing) -> Observer {
        Observer {
            clock,
            recorder: Recorder::new(welcome.phases.len()),
            progress: ProgressLog::default(),
            welcome,
            attacks_allowed,
            consoles: BTreeMap::new(),
            usage: (Time(0), usage()),
            standing,
            troubles: (Time(0), Vec::new()),
        }
    }

    /// Whose consoles these are.
    pub(crate) fn replica(&self) -> ReplicaId {
        self.welcome.replica
    }

    /// A console has come: it is welcomed, or dropped if there are too many, which ends its connection.
    pub(crate) fn up(&mut self, id: LinkId, role: Role, queue: mpsc::Sender<ConsoleMessage>) {
        if self.consoles.len() == Self::MAX_CONSOLES {
            return tracing::warn!("{} consoles watch already; another {role} is sent away", Self::MAX_CONSOLES);
        }
        let mut console = Subscription::new(role, queue, self.recorder.notebook());
        let may_attack = self.may_attack(role) == Permission::Granted;
        console.answer(ConsoleMessage::Welcome(Welcome { may_attack, ..self.welcome.clone() }));
        if !self.troubles.1.is_empty() {
            console.answer(ConsoleMessage::Troubles(self.troubles.1.clone()));
        }
        self.consoles.insert(id, console);
    }

    /// A console is gone.
    pub(crate) fn down(&mut self, id: LinkId) {
        self.consoles.remove(&id);
        if self.consoles.is_empty() {
            self.recorder.rest();
        }
    }

    /// A console wants frames.
    pub(crate) fn subscribe(&mut self, now: Time, id: LinkId, interval_ms: u32) {
        if let Some(console) = self.consoles.get_mut(&id) {
            console.subscribe(now, interval_ms);
        }
    }

    /// A console wants the votes of a slot.
    pub(crate) fn watch_slot(&mut self, id: LinkId, seq: Option<SeqNum>) {
        if let Some(console) = self.consoles.get_mut(&id) {
            console.watch_slot(seq);
        }
    }

    /// Whether a console may set attacks.
    pub(crate) fn permission(&self, id: LinkId) -> Permission {
        match self.consoles.get(&id) {
            Some(console) => self.may_attack(console.role),
            None => Permission::Denied("this console is gone".to_string()),
        }
    }

    fn may_attack(&self, role: Role) -> Permission {
        if role != Role::Operator {
            return Permission::Denied(format!("only an operator may inject attacks, this is an {role}"));
        }
        if !self.attacks_allowed {
            let text = "this cluster does not allow attacks: cluster.toml has attacks_allowed = false";
            return Permission::Denied(text.to_string());
        }
        Permission::Granted
    }

    /// Tells a console what came of its request.
    pub(crate) fn answer(&mut self, id: LinkId, message: ConsoleMessage) {
        if let Some(console) = self.consoles.get_mut(&id) {
            console.answer(message);
        }
    }

    /// A message has come; the replica handles it next.
    pub(crate) fn on_arrival<P: Protocol>(
        &mut self,
        arrived: Time,
        from: ReplicaId,
        message: &PeerMessage<P::Message>,
    ) {
        let Some(heading) = message.heading() else { return };
        self.progress.hear(arrived, self.welcome.replica, from, heading);
        if !self.consoles.is_empty() {
            self.recorder.on_arrival::<P>(arrived, from, heading);
        }
    }

    /// A message has come that the replica does not get to see.
    pub(crate) fn on_refused(&mut self, arrived: Time, from: ReplicaId, heading: Heading, why: &Rejection) {
        if !self.consoles.is_empty() {
            self.recorder.on_refused(arrived, from, heading, why);
        }
    }

    /// A message was to leave, and is on its way to those that it reached.
    pub(crate) fn on_sent<M: Message>(
        &mut self,
        now: Time,
        to: Recipients,
        message: &PeerMessage<M>,
        reached: ReplicaSet,
    ) {
        let Some(heading) = message.heading().filter(|_| !self.consoles.is_empty()) else { return };
        let me = self.welcome.replica;
        let meant: ReplicaSet = match to {
            Recipients::All => (0..self.welcome.replicas).map(ReplicaId).filter(|peer| *peer != me).collect(),
            Recipients::One(peer) => [peer].into_iter().collect(),
        };
        let unsent = meant.iter().filter(|peer| !reached.contains(*peer)).collect();
        self.recorder.on_sent(now, heading, reached, unsent);
    }

    /// Tells a console the messages of a course.
    pub(crate) fn tell_trace(&mut self, now: Time, id: LinkId, course: Course) {
        let trace = self.recorder.trace(self.welcome.replica, now, self.clock.unix(now), course);
        self.answer(id, ConsoleMessage::Trace(Box::new(trace)));
    }

    /// The replica notes something.
    pub(crate) fn note(&mut self, now: Time, event: Event) {
        self.progress.note(now, self.welcome.replica, &event);
        let notebooks = self.consoles.values_mut().map(|console| &mut console.notebook);
        self.recorder.note(now, self.clock.unix(now), event, notebooks);
    }

    /// A message was refused before it reached the replica: from a peer, or from a client.
    pub(crate) fn refused(&mut self, now: Time, from: Option<ReplicaId>, why: Rejection) {
        match from {
            Some(from) => self.note(now, Event::Rejected { from, why, count: 1 }),
            None => {
                self.recorder.refused(&why);
                tracing::debug!("a client's submission was refused: {why}");
            }
        }
    }

    /// What is counted on this side of the replica.
    pub(crate) fn counters(&mut self, now: Time) -> Counters {
        if now.since(self.usage.0) >= Self::USAGE_AGE {
            self.usage = (now, usage());
        }
        let Usage { cpu, memory_bytes } = self.usage.1;
        let mut counters = Counters { cpu, memory_bytes, ..Counters::default() };
        self.recorder.count(&mut counters);
        counters
    }

    /// How the last slots went.
    pub(crate) fn log(&self, now: Time) -> Vec<LogEntry> {
        self.recorder.log(now, self.clock.unix(now))
    }

    /// The state's digest while the replica is idle.
    pub(crate) fn executed_digest(
        &mut self,
        now: Time,
        executed: SeqNum,
        compute: impl FnOnce() -> (SeqNum, Digest),
    ) -> Option<(SeqNum, Digest)> {
        self.recorder.executed_digest(now, executed, compute)
    }

    /// Tells consoles what is wrong whenever that has changed.
    fn look_for_troubles(&mut self, now: Time) {
        if now.since(self.troubles.0) < Self::TROUBLES_AGE {
            return;
        }
        let mut troubles = self.standing.troubles(Instant::now());
        troubles.truncate(MAX_TROUBLES);
        if troubles != self.troubles.1 {
            for console in self.consoles.values_mut() {
                console.answer(ConsoleMessage::Troubles(troubles.clone()));
            }
        }
        self.troubles = (now, troubles);
    }

    /// When the next frame is due; the end of time if nobody has subscribed.
    pub(crate) fn next_frame(&self) -> Time {
        self.consoles.values().map(Subscription::next_frame).min().unwrap_or(Time(u64::MAX))
    }

    /// Sends the frames that are due.
    pub(crate) fn send_frames(
        &mut self,
        now: Time,
        glimpse: &Glimpse,
        votes: impl Fn(Option<SeqNum>) -> Option<SlotVotes>,
    ) {
        self.progress.look(glimpse.replica, &glimpse.status);
        self.look_for_troubles(now);
        for console in self.consoles.values_mut() {
            console.send_frame(now, glimpse, &votes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::committee::Committee;
    use byztop_core::protocol::Status;
    use byztop_core::types::{ProtocolName, View};

    fn observer(attacks_allowed: bool) -> Observer {
        let welcome = Welcome {
            replica: ReplicaId(0),
            protocol: ProtocolName::Pbft,
            leader: "primary".into(),
            phases: ["pre-prepare", "prepare", "commit"].map(String::from).to_vec(),
            replicas: 4,
            checkpoint_interval_slots: 128,
            durability: "memory".to_string(),
            may_attack: false,
            pid: 1,
        };
        let committee = Committee::new(4).expect("four are a committee");
        let standing = Standing::new(ReplicaId(0), committee, Vec::new(), Instant::now());
        Observer::new(Clock::start(), welcome, attacks_allowed, standing)
    }

    fn connect(observer: &mut Observer, role: Role) -> (LinkId, mpsc::Receiver<ConsoleMessage>) {
        let (id, (queue, messages)) = (LinkId::fresh(), mpsc::channel(super::super::subscription::QUEUE));
        observer.up(id, role, queue);
        (id, messages)
    }

    #[test]
    fn only_operators_of_clusters_that_allow_it_may_attack() {
        for (role, attacks_allowed) in [(Role::Operator, false), (Role::Observer, true), (Role::Operator, true)] {
            let mut observer = observer(attacks_allowed);
            let (id, mut messages) = connect(&mut observer, role);
            let expected = role == Role::Operator && attacks_allowed;
            assert_eq!(observer.permission(id) == Permission::Granted, expected);
            match messages.try_recv() {
                Ok(ConsoleMessage::Welcome(welcome)) => assert_eq!(welcome.may_attack, expected),
                other => panic!("{other:?}"),
            }
            observer.down(id);
            assert_ne!(observer.permission(id), Permission::Granted, "it is gone");
        }
    }

    #[test]
    fn a_console_too_many_is_sent_away() {
        let mut observer = observer(true);
        let mut consoles: Vec<_> =
            (0..=Observer::MAX_CONSOLES).map(|_| connect(&mut observer, Role::Observer)).collect();
        assert_eq!(observer.consoles.len(), Observer::MAX_CONSOLES);
        let (_, last) = consoles.last_mut().expect("the one too many");
        assert_eq!(last.try_recv(), Err(mpsc::error::TryRecvError::Disconnected), "its queue is dropped");
    }

    #[test]
    fn whatever_is_refused_is_counted_whoever_sent_it() {
        let mut observer = observer(true);
        observer.refused(Time(1), Some(ReplicaId(1)), Rejection::BadSignature);
        observer.refused(Time(2), None, Rejection::NotCanonical);
        let counters = observer.counters(Time(100));
        assert_eq!((counters.rejected, counters.bad_signatures), (2, 1));
    }

    #[test]
    fn each_console_gets_what_happened_since_it_came() {
        let mut observer = observer(true);
        let (early, mut to_early) = connect(&mut observer, Role::Observer);
        observer.note(Time(10), Event::Rejoined);
        let (late, mut to_late) = connect(&mut observer, Role::Observer);
        observer.note(Time(30), Event::Healed);
        observer.subscribe(Time(40), early, 100);
        observer.subscribe(Time(40), late, 100);
        let (view, zero, leader) = (View(0), SeqNum(0), ReplicaId(0));
        let glimpse = Glimpse {
            replica: leader,
            at: Time(40),
            status: Status {
                view,
                asking_for: None,
                leader,
                stable: zero,
                executed: zero,
                observing_until: None,
                transfer: None,
            },
            stable_digest: Digest::ZERO,
            executed_digest: None,
            counters: Counters::default(),
            messages: Vec::new(),
            attack: String::new(),
            slots: Vec::new(),
        };
        observer.send_frames(Time(40), &glimpse, |_| None);
        let at = |now| observer.clock.unix(Time(now));
        let events = |messages: &mut mpsc::Receiver<ConsoleMessage>| {
            assert!(matches!(messages.try_recv(), Ok(ConsoleMessage::Welcome(_))));
            match messages.try_recv() {
                Ok(ConsoleMessage::Frame(frame)) => frame.events,
                other => panic!("a frame is due: {other:?}"),
            }
        };
        assert_eq!(events(&mut to_early), [(at(10), Event::Rejoined), (at(30), Event::Healed)]);
        assert_eq!(events(&mut to_late), [(at(30), Event::Healed)]);
    }
}
