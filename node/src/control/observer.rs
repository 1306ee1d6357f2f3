//! What the core task tells the consoles: notes, latencies and counters, batched into frames.

use std::collections::BTreeMap;

use byztop_certs::Role;
use byztop_core::protocol::{Event, Message as _, Protocol, SlotPhase, SlotVotes, Status};
use byztop_core::rejection::Rejection;
use byztop_core::replica::PeerMessage;
use byztop_core::telemetry::{ConsoleMessage, Counters, Welcome};
use byztop_core::types::{Digest, Micros, ReplicaId, SeqNum, Time};
use tokio::sync::mpsc;

use super::latency::SlotTimes;
use super::rejections::RejectionLimiter;
use super::subscription::Subscription;
use super::usage::{Usage, usage};
use crate::clock::Clock;
use crate::transport::LinkId;

/// The replica at one moment: what all frames of that moment have in common.
pub(crate) struct Glimpse {
    pub(crate) at: Time,
    pub(crate) status: Status,
    pub(crate) stable_digest: Digest,
    pub(crate) executed_digest: Option<(SeqNum, Digest)>,
    pub(crate) counters: Counters,
    pub(crate) attack: String,
    pub(crate) slots: Vec<(SeqNum, SlotPhase)>,
}

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
    slots: SlotTimes,
    limiter: RejectionLimiter,
    rejected: u64,
    bad_signatures: u64,
    last_execution: Time,
    idle_digest: Option<(SeqNum, Digest)>,
    usage: (Time, Usage),
}

impl Observer {
    /// How many consoles may watch one replica.
    const MAX_CONSOLES: usize = 16;
    /// A replica that has executed nothing for so long is idle.
    const IDLE: Micros = Micros::from_millis(200);
    /// How old the figures of the system may be.
    const USAGE_AGE: Micros = Micros::from_millis(200);

    /// Nobody watches yet.
    pub(crate) fn new(clock: Clock, welcome: Welcome, attacks_allowed: bool) -> Observer {
        Observer {
            clock,
            slots: SlotTimes::new(welcome.phases.len()),
            welcome,
            attacks_allowed,
            consoles: BTreeMap::new(),
            limiter: RejectionLimiter::default(),
            rejected: 0,
            bad_signatures: 0,
            last_execution: Time(0),
            idle_digest: None,
            usage: (Time(0), usage()),
        }
    }

    /// A console has come: it is welcomed, or dropped if there are too many, which ends its connection.
    pub(crate) fn up(&mut self, id: LinkId, role: Role, queue: mpsc::Sender<ConsoleMessage>) {
        if self.consoles.len() == Self::MAX_CONSOLES {
            return tracing::warn!("{} consoles watch already; another {role} is sent away", Self::MAX_CONSOLES);
        }
        let mut console = Subscription::new(role, queue, self.slots.kinds());
        let may_attack = self.may_attack(role) == Permission::Granted;
        console.answer(ConsoleMessage::Welcome(Welcome { may_attack, ..self.welcome.clone() }));
        self.consoles.insert(id, console);
    }

    /// A console is gone.
    pub(crate) fn down(&mut self, id: LinkId) {
        self.consoles.remove(&id);
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
    pub(crate) fn answer(&mut self, id: LinkId, done: Result<String, String>) {
        if let Some(console) = self.consoles.get_mut(&id) {
            console.answer(match done {
                Ok(active) => ConsoleMessage::Done(active),
                Err(why) => ConsoleMessage::Refused(why),
            });
        }
    }

    /// A message has come; of a proposal it is remembered when.
    pub(crate) fn on_arrival<P: Protocol>(&mut self, arrived: Time, message: &PeerMessage<P::Message>) {
        if !self.consoles.is_empty()
            && let PeerMessage::Protocol(message) = message
            && P::PHASES.first() == Some(&message.name())
            && let Some((view, seq)) = message.slot()
        {
            self.slots.on_arrival(arrived, view, seq);
        }
    }

    /// The replica notes something.
    pub(crate) fn note(&mut self, now: Time, mut event: Event) {
        match &mut event {
            Event::Executed { .. } | Event::TransferDone { .. } => {
                (self.last_execution, self.idle_digest) = (now, None);
            }
            Event::Rejected { from, why, count } => {
                self.count_rejection(why);
                match self.limiter.admit(now, *from, why) {
                    Some(since_last) => *count = since_last,
                    None => return,
                }
            }
            _ => {}
        }
        if self.consoles.is_empty() {
            return;
        }
        match event {
            Event::PrePrepared { .. } | Event::Prepared { .. } | Event::Committed { .. } | Event::Executed { .. } => {
                if let Some(sample) = self.slots.on_event(now, &event) {
                    self.consoles.values_mut().for_each(|console| console.record(sample));
                }
            }
            event => {
                let at = self.clock.unix(now);
                self.consoles.values_mut().for_each(|console| console.note(at, event.clone()));
            }
        }
    }

    /// A message was refused before it reached the replica: from a peer, or from a client.
    pub(crate) fn refused(&mut self, now: Time, from: Option<ReplicaId>, why: Rejection) {
        match from {
            Some(from) => self.note(now, Event::Rejected { from, why, count: 1 }),
            None => {
                self.count_rejection(&why);
                tracing::debug!("a client's submission was refused: {why}");
            }
        }
    }

    fn count_rejection(&mut self, why: &Rejection) {
        self.rejected += 1;
        self.bad_signatures += u64::from(*why == Rejection::BadSignature);
    }

    /// What is counted on this side of the replica.
    pub(crate) fn counters(&mut self, now: Time) -> Counters {
        if now.since(self.usage.0) >= Self::USAGE_AGE {
            self.usage = (now, usage());
        }
        let Usage { cpu, memory_bytes } = self.usage.1;
        let (rejected, bad_signatures) = (self.rejected, self.bad_signatures);
        Counters { rejected, bad_signatures, cpu, memory_bytes, ..Counters::default() }
    }

    /// The state's digest while the replica is idle; it costs a Merkle update, so it is computed once per slot.
    pub(crate) fn executed_digest(
        &mut self,
        now: Time,
        executed: SeqNum,
        compute: impl FnOnce() -> (SeqNum, Digest),
    ) -> Option<(SeqNum, Digest)> {
        if now.since(self.last_execution) < Self::IDLE {
            return None;
        }
        if self.idle_digest.is_none_or(|(seq, _)| seq != executed) {
            self.idle_digest = Some(compute());
        }
        self.idle_digest
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
        for console in self.consoles.values_mut() {
            console.send_frame(now, self.welcome.replica, glimpse, &votes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::types::{ProtocolName, View};

    fn observer(attacks_allowed: bool) -> Observer {
        let welcome = Welcome {
            replica: ReplicaId(0),
            protocol: ProtocolName::Pbft,
            phases: ["pre-prepare", "prepare", "commit"].map(String::from).to_vec(),
            replicas: 4,
            checkpoint_interval_slots: 128,
            durability: "memory".to_string(),
            may_attack: false,
            pid: 1,
        };
        Observer::new(Clock::start(), welcome, attacks_allowed)
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
    fn refused_messages_are_counted_once_each_whoever_refuses_them() {
        let mut observer = observer(true);
        let from = ReplicaId(1);
        observer.refused(Time(1), Some(from), Rejection::BadSignature);
        observer.refused(Time(2), None, Rejection::NotCanonical);
        for at in 3..100 {
            observer.note(Time(at), Event::Rejected { from, why: Rejection::BadSignature, count: 1 });
        }
        let counters = observer.counters(Time(100));
        assert_eq!((counters.rejected, counters.bad_signatures), (99, 98));
    }

    #[test]
    fn the_state_is_digested_once_per_slot_and_only_while_idle() {
        let mut observer = observer(true);
        let executed = Event::Executed { seq: SeqNum(5), submissions: 1, operations: 1 };
        observer.note(Time(1_000_000), executed);
        let mut computed = 0;
        let mut ask = |observer: &mut Observer, at| {
            let compute = || {
                computed += 1;
                (SeqNum(5), Digest([computed; 32]))
            };
            observer.executed_digest(Time(at), SeqNum(5), compute)
        };
        assert_eq!(ask(&mut observer, 1_100_000), None);
        assert_eq!(ask(&mut observer, 1_300_000), Some((SeqNum(5), Digest([1; 32]))));
        assert_eq!(ask(&mut observer, 1_400_000), Some((SeqNum(5), Digest([1; 32]))), "from memory");
        observer.note(Time(1_500_000), Event::TransferDone { seq: SeqNum(5), leaves: 1, bytes: 1 });
        assert_eq!(ask(&mut observer, 1_800_000), Some((SeqNum(5), Digest([2; 32]))), "another state");
    }

    #[test]
    fn progress_of_single_slots_is_no_event() {
        let mut observer = observer(true);
        let (id, mut messages) = connect(&mut observer, Role::Observer);
        assert!(matches!(messages.try_recv(), Ok(ConsoleMessage::Welcome(_))));
        let (view, seq, digest) = (View(0), SeqNum(1), Digest::ZERO);
        observer.note(Time(10), Event::PrePrepared { view, seq, digest });
        observer.note(Time(25), Event::Prepared { view, seq });
        observer.note(Time(30), Event::Rejoined);
        observer.subscribe(Time(40), id, 100);
        let status =
            Status { view, asking_for: None, leader: ReplicaId(0), stable: seq, executed: seq, observing_until: None };
        let glimpse = Glimpse {
            at: Time(40),
            status,
            stable_digest: digest,
            executed_digest: None,
            counters: Counters::default(),
            attack: String::new(),
            slots: Vec::new(),
        };
        observer.send_frames(Time(40), &glimpse, |_| None);
        let Ok(ConsoleMessage::Frame(frame)) = messages.try_recv() else { panic!("a frame is due") };
        assert!(matches!(frame.events.as_slice(), [(_, Event::Rejoined)]), "{:?}", frame.events);
        assert_eq!(frame.latencies[1].buckets, [(Micros(15), 1)]);
    }
}
