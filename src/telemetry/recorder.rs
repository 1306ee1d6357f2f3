//! From what a replica notes to the frames that consoles get.
//!
//! A [`Recorder`] belongs to a replica: it counts, measures and sums up what would flood a screen. A [`Notebook`] belongs
//! to one console of it: it holds what the console's next frame will tell.

use std::collections::{BTreeSet, VecDeque};

use super::latency::{Latencies, Sample, SlotTimes};
use super::rejections::RejectionLimiter;
use super::trace::Passages;
use super::{Counters, Course, Fate, Frame, Heading, LogEntry, MAX_FRAME_EVENTS, MAX_FRAME_FAST, Trace};
use crate::protocol::{Event, Protocol, SlotPhase, SlotVotes, Status, Tampering, Topic};
use crate::rejection::Rejection;
use crate::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum, Time};

/// A replica at one moment: what all frames of that moment have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glimpse {
    /// Whose.
    pub replica: ReplicaId,
    /// When, by the clock that frames go by.
    pub at: Time,
    /// Where the protocol stands.
    pub status: Status,
    /// The state's digest at the last stable checkpoint.
    pub stable_digest: Digest,
    /// The slot and digest of the state at its last executed slot, if [`Recorder::executed_digest`] gave one.
    pub executed_digest: Option<(SeqNum, Digest)>,
    /// What was counted so far.
    pub counters: Counters,
    /// What it has sent to others, by name.
    pub messages: Vec<(String, u64)>,
    /// What is set on it, in the attack language.
    pub attack: String,
    /// Unexecuted slots and how far each is, ascending.
    pub slots: Vec<(SeqNum, SlotPhase)>,
}

/// What is counted and measured of one replica, for all of its consoles.
#[derive(Debug)]
pub struct Recorder {
    slots: SlotTimes,
    limiter: RejectionLimiter,
    rejected: u64,
    bad_signatures: u64,
    last_execution: Time,
    idle_digest: Option<(SeqNum, Digest)>,
    passages: Passages,
    /// The attacks of which something was seen since one was set.
    at_work: BTreeSet<String>,
}

impl Recorder {
    /// A replica that has executed nothing for so long is idle.
    const IDLE: Micros = Micros::from_millis(200);

    /// Nothing has happened yet, under a protocol of so many phases.
    pub fn new(phases: usize) -> Recorder {
        Recorder {
            slots: SlotTimes::new(phases),
            limiter: RejectionLimiter::default(),
            rejected: 0,
            bad_signatures: 0,
            last_execution: Time(0),
            idle_digest: None,
            passages: Passages::default(),
            at_work: BTreeSet::new(),
        }
    }

    /// An empty notebook for one more console.
    pub fn notebook(&self) -> Notebook {
        Notebook {
            events: VecDeque::new(),
            fast: VecDeque::new(),
            latencies: Latencies::new(self.slots.kinds()),
            dropped: 0,
        }
    }

    /// A message of a peer has come; the replica handles it next.
    pub fn on_arrival<P: Protocol>(&mut self, arrived: Time, from: ReplicaId, heading: Heading) {
        self.passages.keep(arrived, heading, Fate::Came { from });
        if P::PHASES.first() == Some(&heading.name)
            && let Topic::Slot { view, seq, .. } = heading.topic
        {
            self.slots.on_arrival(arrived, view, seq);
        }
    }

    /// A message of a peer has come and does not reach the replica.
    pub fn on_refused(&mut self, arrived: Time, from: ReplicaId, heading: Heading, why: &Rejection) {
        self.passages.keep(arrived, heading, Fate::Refused { from, why: why.clone() });
    }

    /// A message leaves to some, and could not leave to others.
    pub fn on_sent(&mut self, now: Time, heading: Heading, to: ReplicaSet, unsent: ReplicaSet) {
        for (hearers, fate) in [(to, Fate::Left { to }), (unsent, Fate::Unsent { to: unsent })] {
            if !hearers.is_empty() {
                self.passages.keep(now, heading, fate);
            }
        }
    }

    /// Nobody looks any more: what only consoles want to know goes.
    pub fn rest(&mut self) {
        self.passages.forget();
    }

    /// What passed of a course, with its times by the clock that frames go by: its `at` is the other one's `now`.
    pub fn trace(&self, replica: ReplicaId, now: Time, at: Time, course: Course) -> Trace {
        // A message may be held back until later than now.
        let by_clock = |time: Time| Time((at.0 + time.0).saturating_sub(now.0));
        let (since, passages) = self.passages.of(course, by_clock);
        let entry = match course {
            Course::Slot(seq) => self.log(now, at).into_iter().find(|entry| entry.seq == seq),
            Course::View(_) => None,
        };
        Trace { replica, course, since, entry, passages }
    }

    /// The replica notes something: `now` by the clock that it runs by, `at` by the one that frames go by. It is counted
    /// even if nobody keeps a notebook.
    pub fn note<'n>(
        &mut self,
        now: Time,
        at: Time,
        mut event: Event,
        notebooks: impl IntoIterator<Item = &'n mut Notebook>,
    ) {
        match &mut event {
            Event::Executed { .. } | Event::TransferDone { .. } => {
                (self.last_execution, self.idle_digest) = (now, None);
            }
            Event::Rejected { from, why, count } => {
                self.refused(why);
                self.passages.refuse_last(*from, why);
                match self.limiter.admit(now, *from, why) {
                    Some(since_last) => *count = since_last,
                    None => return,
                }
            }
            Event::AttackSet { .. } => self.at_work.clear(),
            _ => {}
        }
        let mut notebooks = notebooks.into_iter().peekable();
        if notebooks.peek().is_none() {
            return;
        }
        let decided_fast = match &event {
            Event::Committed { seq, is_fast: true, .. } => Some(*seq),
            _ => None,
        };
        match event {
            Event::Tampered { ref message, topic, hearers: to, how, ref by } => {
                let fate = match how {
                    Tampering::HeldBack(until) => Some(Fate::HeldBack { to, until, by: by.clone() }),
                    Tampering::Withheld => Some(Fate::Withheld { to, by: by.clone() }),
                    // What leaves instead says so itself.
                    Tampering::Altered => None,
                };
                if let Some(fate) = fate {
                    self.passages.tamper(now, message, topic, fate);
                }
                // Of each attack, the first that it does is told; all of it would flood a screen.
                if self.at_work.insert(by.clone()) {
                    notebooks.for_each(|notebook| notebook.note(at, event.clone()));
                }
            }
            Event::PrePrepared { .. } | Event::Prepared { .. } | Event::Committed { .. } | Event::Executed { .. } => {
                let sample = self.slots.on_event(now, &event);
                for notebook in notebooks {
                    sample.into_iter().for_each(|sample| notebook.record(sample));
                    decided_fast.into_iter().for_each(|seq| notebook.note_fast(seq));
                }
            }
            event => notebooks.for_each(|notebook| notebook.note(at, event.clone())),
        }
    }

    /// Something was refused of which no peer is told to consoles, such as a client's submission.
    pub fn refused(&mut self, why: &Rejection) {
        self.rejected += 1;
        self.bad_signatures += u64::from(*why == Rejection::BadSignature);
    }

    /// How the last slots went, ascending, with their times by the clock that frames go by: its `at` is the other one's
    /// `now`.
    pub fn log(&self, now: Time, at: Time) -> Vec<LogEntry> {
        self.slots.log(|time| Time(at.0.saturating_sub(now.since(time).0)))
    }

    /// Fills in the counters that are kept here.
    pub fn count(&self, counters: &mut Counters) {
        (counters.rejected, counters.bad_signatures) = (self.rejected, self.bad_signatures);
    }

    /// The state's digest while the replica is idle; it costs a Merkle update, so it is computed once per slot.
    pub fn executed_digest(
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
}

/// What waits for one console's next frame, and what the console has lost.
#[derive(Debug)]
pub struct Notebook {
    /// At most [`MAX_FRAME_EVENTS`].
    events: VecDeque<(Time, Event)>,
    /// Slots of the fast path, at most [`MAX_FRAME_FAST`].
    fast: VecDeque<SeqNum>,
    latencies: Latencies,
    dropped: u64,
}

impl Notebook {
    /// Keeps an event for the next frame; the oldest makes room.
    fn note(&mut self, at: Time, event: Event) {
        if self.events.len() == MAX_FRAME_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back((at, event));
    }

    /// Keeps a slot of the fast path for the next frame; the oldest makes room.
    fn note_fast(&mut self, seq: SeqNum) {
        if self.fast.len() == MAX_FRAME_FAST {
            self.fast.pop_front();
        }
        self.fast.push_back(seq);
    }

    /// Counts a latency for the next frame.
    fn record(&mut self, sample: Sample) {
        self.latencies.record(sample);
    }

    /// A frame or an answer did not reach the console.
    pub fn lose_one(&mut self) {
        self.dropped += 1;
    }

    /// The next frame: what was noted leaves with it.
    pub fn frame(&mut self, glimpse: &Glimpse, votes: Option<SlotVotes>) -> Frame {
        Frame {
            replica: glimpse.replica,
            at: glimpse.at,
            status: glimpse.status,
            stable_digest: glimpse.stable_digest,
            executed_digest: glimpse.executed_digest,
            counters: glimpse.counters,
            messages: glimpse.messages.clone(),
            attack: glimpse.attack.clone(),
            slots: glimpse.slots.clone(),
            fast: self.fast.drain(..).collect(),
            votes,
            latencies: self.latencies.take(),
            events: self.events.drain(..).collect(),
            dropped: self.dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::View;

    const N1: ReplicaId = ReplicaId(0);

    fn glimpse(at: Time) -> Glimpse {
        let (view, zero) = (View(0), SeqNum(0));
        Glimpse {
            replica: N1,
            at,
            status: Status {
                view,
                asking_for: None,
                leader: N1,
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
        }
    }

    #[test]
    fn refused_messages_are_counted_once_each_whether_anybody_looks_or_not() {
        let mut recorder = Recorder::new(3);
        let mut notebook = recorder.notebook();
        let why = Rejection::BadSignature;
        for at in 0..98 {
            let event = Event::Rejected { from: ReplicaId(1), why: why.clone(), count: 1 };
            recorder.note(Time(at), Time(at), event, Some(&mut notebook).filter(|_| at >= 50));
        }
        recorder.refused(&Rejection::NotCanonical);
        let mut counters = Counters::default();
        recorder.count(&mut counters);
        assert_eq!((counters.rejected, counters.bad_signatures), (99, 98));
        assert!(notebook.frame(&glimpse(Time(98)), None).events.is_empty(), "two a second, and those were earlier");
    }

    #[test]
    fn the_state_is_digested_once_per_slot_and_only_while_idle() {
        let mut recorder = Recorder::new(3);
        let executed = Event::Executed { seq: SeqNum(5), submissions: 1, operations: 1 };
        recorder.note(Time(1_000_000), Time(0), executed, None);
        let mut computed = 0;
        let mut ask = |recorder: &mut Recorder, at| {
            let compute = || {
                computed += 1;
                (SeqNum(5), Digest([computed; 32]))
            };
            recorder.executed_digest(Time(at), SeqNum(5), compute)
        };
        assert_eq!(ask(&mut recorder, 1_100_000), None);
        assert_eq!(ask(&mut recorder, 1_300_000), Some((SeqNum(5), Digest([1; 32]))));
        assert_eq!(ask(&mut recorder, 1_400_000), Some((SeqNum(5), Digest([1; 32]))), "from memory");
        recorder.note(Time(1_500_000), Time(0), Event::TransferDone { seq: SeqNum(5), leaves: 1, bytes: 1 }, None);
        assert_eq!(ask(&mut recorder, 1_800_000), Some((SeqNum(5), Digest([2; 32]))), "another state");
    }

    #[test]
    fn progress_of_single_slots_is_a_latency_and_no_event() {
        let mut recorder = Recorder::new(3);
        let mut notebook = recorder.notebook();
        let (view, seq, digest) = (View(0), SeqNum(1), Digest::ZERO);
        let ahead = |now: u64| Time(1_000_000 + now);
        for (now, event) in
            [(10, Event::PrePrepared { view, seq, digest }), (25, Event::Prepared { view, seq }), (30, Event::Rejoined)]
        {
            recorder.note(Time(now), ahead(now), event, Some(&mut notebook));
        }
        let frame = notebook.frame(&glimpse(ahead(40)), None);
        assert_eq!(frame.events, [(ahead(30), Event::Rejoined)], "by the clock of the frames");
        assert_eq!(frame.latencies[1].buckets, [(Micros(15), 1)]);
        let next = notebook.frame(&glimpse(ahead(50)), None);
        assert!(next.events.is_empty() && next.latencies[1].buckets.is_empty(), "told once");
    }

    #[test]
    fn of_each_attack_the_first_that_it_does_is_told_and_all_of_it_kept_for_who_asks() {
        let mut recorder = Recorder::new(3);
        let mut notebook = recorder.notebook();
        let topic = Topic::Slot { view: View(0), seq: SeqNum(1), digest: Digest::ZERO };
        let tampered = |how| {
            let hearers = ReplicaSet::from_iter([ReplicaId(1)]);
            Event::Tampered { message: "commit".into(), topic, hearers, how, by: "dark".into() }
        };
        let set = Event::AttackSet { attack: "dark(n2)".into() };
        for event in [
            set.clone(),
            tampered(Tampering::Withheld),
            tampered(Tampering::Altered),
            tampered(Tampering::Withheld),
            set.clone(),
            tampered(Tampering::HeldBack(Time(9))),
        ] {
            recorder.note(Time(5), Time(5), event, Some(&mut notebook));
        }
        let told: Vec<Event> =
            notebook.frame(&glimpse(Time(6)), None).events.into_iter().map(|(_, event)| event).collect();
        let (first, again) = (tampered(Tampering::Withheld), tampered(Tampering::HeldBack(Time(9))));
        assert_eq!(told, [set.clone(), first, set, again]);
        let kept = recorder.trace(N1, Time(6), Time(6), Course::Slot(SeqNum(1))).passages;
        assert_eq!(kept.len(), 3, "what leaves instead says so itself: {kept:?}");
        recorder.rest();
        assert!(recorder.trace(N1, Time(6), Time(6), Course::Slot(SeqNum(1))).passages.is_empty());
    }

    #[test]
    fn too_many_events_push_out_the_oldest_and_are_counted() {
        let mut notebook = Recorder::new(3).notebook();
        for at in 0..MAX_FRAME_EVENTS as u64 + 3 {
            notebook.note(Time(at), Event::Rejoined);
        }
        notebook.lose_one();
        let frame = notebook.frame(&glimpse(Time(0)), None);
        assert_eq!((frame.events.len(), frame.dropped), (MAX_FRAME_EVENTS, 4));
        assert_eq!(frame.events[0].0, Time(3));
    }
}
