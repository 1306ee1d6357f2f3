//! One console, as the core task knows it: what it wants, what waits for its next frame, and what it has lost.

use std::collections::VecDeque;

use byztop_certs::Role;
use byztop_core::protocol::{Event, SlotVotes};
use byztop_core::telemetry::{ConsoleMessage, Frame, MAX_FRAME_EVENTS};
use byztop_core::types::{Micros, ReplicaId, SeqNum, Time};
use tokio::sync::mpsc;

use super::latency::{Latencies, Sample};
use super::observer::Glimpse;

/// How many messages wait for one console; answers to its requests may take the last of them, frames may not.
pub(crate) const QUEUE: usize = 16;
const RESERVED_FOR_ANSWERS: usize = 8;

/// A console that is connected.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Who watches.
    pub(crate) role: Role,
    /// Which slot's votes it wants; the newest until it names one.
    watched: Option<SeqNum>,
    queue: mpsc::Sender<ConsoleMessage>,
    /// When the next frame is due, and how far apart they are; nothing before it subscribes.
    due: Option<(Time, Micros)>,
    events: VecDeque<(Time, Event)>,
    latencies: Latencies,
    dropped: u64,
}

impl Subscription {
    /// A console that gets no frames yet.
    pub(crate) fn new(role: Role, queue: mpsc::Sender<ConsoleMessage>, latency_kinds: usize) -> Subscription {
        Subscription {
            role,
            watched: None,
            queue,
            due: None,
            events: VecDeque::new(),
            latencies: Latencies::new(latency_kinds),
            dropped: 0,
        }
    }

    /// Frames from now on, so far apart; 10 ms at least and 10 s at most.
    pub(crate) fn subscribe(&mut self, now: Time, interval_ms: u32) {
        self.due = Some((now, Micros::from_millis(u64::from(interval_ms.clamp(10, 10_000)))));
    }

    /// Which slot's votes come with each frame.
    pub(crate) fn watch_slot(&mut self, seq: Option<SeqNum>) {
        self.watched = seq;
    }

    /// When the next frame is due; the end of time if none is.
    pub(crate) fn next_frame(&self) -> Time {
        self.due.map_or(Time(u64::MAX), |(at, _)| at)
    }

    /// Keeps an event for the next frame; the oldest makes room.
    pub(crate) fn note(&mut self, at: Time, event: Event) {
        if self.events.len() == MAX_FRAME_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back((at, event));
    }

    /// Counts a latency for the next frame.
    pub(crate) fn record(&mut self, sample: Sample) {
        self.latencies.record(sample);
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, message: ConsoleMessage) {
        if self.queue.try_send(message).is_err() {
            self.dropped += 1;
        }
    }

    /// Sends a frame if one is due. A console that does not keep up loses the frame; its events and latencies stay for
    /// the next one.
    pub(crate) fn send_frame(
        &mut self,
        now: Time,
        replica: ReplicaId,
        glimpse: &Glimpse,
        votes: impl FnOnce(Option<SeqNum>) -> Option<SlotVotes>,
    ) {
        let Some((_, interval)) = self.due.filter(|(at, _)| *at <= now) else { return };
        // At the next multiple of the interval by the wall clock: frames of different replicas then show one moment.
        let to_go = Micros(interval.0 - glimpse.at.0 % interval.0);
        self.due = Some((now.after(to_go), interval));
        if self.queue.capacity() <= RESERVED_FOR_ANSWERS {
            self.dropped += 1;
            return;
        }
        let frame = Frame {
            replica,
            at: glimpse.at,
            status: glimpse.status,
            stable_digest: glimpse.stable_digest,
            executed_digest: glimpse.executed_digest,
            counters: glimpse.counters,
            attack: glimpse.attack.clone(),
            slots: glimpse.slots.clone(),
            votes: votes(self.watched),
            latencies: self.latencies.take(),
            events: self.events.drain(..).collect(),
            dropped: self.dropped,
        };
        self.answer(ConsoleMessage::Frame(Box::new(frame)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::protocol::Status;
    use byztop_core::telemetry::Counters;
    use byztop_core::types::{Digest, View};

    const N1: ReplicaId = ReplicaId(0);

    /// How far the wall clock is ahead of the monotonic one: no multiple of an interval.
    const UNIX_ORIGIN: u64 = 1_000_007_000;

    fn glimpse(now: Time) -> Glimpse {
        let (view, zero) = (View(0), SeqNum(0));
        Glimpse {
            at: Time(UNIX_ORIGIN + now.0),
            status: Status { view, asking_for: None, leader: N1, stable: zero, executed: zero, observing_until: None },
            stable_digest: Digest::ZERO,
            executed_digest: None,
            counters: Counters::default(),
            attack: String::new(),
            slots: Vec::new(),
        }
    }

    fn console() -> (Subscription, mpsc::Receiver<ConsoleMessage>) {
        let (queue, messages) = mpsc::channel(QUEUE);
        (Subscription::new(Role::Observer, queue, 4), messages)
    }

    fn next_frame(messages: &mut mpsc::Receiver<ConsoleMessage>) -> Frame {
        loop {
            match messages.try_recv().expect("a frame waits") {
                ConsoleMessage::Frame(frame) => return *frame,
                _ => continue,
            }
        }
    }

    #[test]
    fn frames_come_at_their_interval_and_only_to_who_subscribed() {
        let (mut console, mut messages) = console();
        console.send_frame(Time(0), N1, &glimpse(Time(0)), |_| None);
        assert!(messages.try_recv().is_err());
        console.subscribe(Time(0), 1);
        for (at, expected) in
            [(0, 1), (2_999, 0), (3_000, 1), (12_999, 0), (13_000, 1), (95_000, 1), (102_999, 0), (103_000, 1)]
        {
            console.send_frame(Time(at), N1, &glimpse(Time(at)), |_| None);
            let sent = std::iter::from_fn(|| messages.try_recv().ok()).count();
            assert_eq!(sent, expected, "at {at}: every 10 ms of the wall clock, and no burst after a pause");
        }
    }

    #[test]
    fn a_slow_console_loses_frames_but_neither_events_nor_answers() {
        let (mut console, mut messages) = console();
        console.subscribe(Time(0), 10);
        for tick in 0..100 {
            console.note(Time(tick), Event::Healed);
            console.record((0, Micros(5)));
            console.send_frame(Time(tick * 10_000), N1, &glimpse(Time(tick * 10_000)), |_| None);
        }
        console.answer(ConsoleMessage::Done("crash".to_string()));
        let waiting: Vec<ConsoleMessage> = std::iter::from_fn(|| messages.try_recv().ok()).collect();
        assert_eq!(waiting.last(), Some(&ConsoleMessage::Done("crash".to_string())));
        let sent = waiting.len() as u64 - 1;
        assert_eq!(sent, (QUEUE - RESERVED_FOR_ANSWERS) as u64);
        console.send_frame(Time(1_000_000), N1, &glimpse(Time(1_000_000)), |_| None);
        let frame = next_frame(&mut messages);
        assert_eq!(frame.dropped, 100 - sent);
        assert_eq!(frame.events.len() as u64, 100 - sent, "what the lost frames would have told");
        assert_eq!(frame.latencies[0].buckets, [(Micros(5), (100 - sent) as u32)]);
    }

    #[test]
    fn too_many_events_push_out_the_oldest_and_are_counted() {
        let (mut console, mut messages) = console();
        for at in 0..MAX_FRAME_EVENTS as u64 + 3 {
            console.note(Time(at), Event::Rejoined);
        }
        console.subscribe(Time(0), 10);
        console.send_frame(Time(0), N1, &glimpse(Time(0)), |_| None);
        let frame = next_frame(&mut messages);
        assert_eq!((frame.events.len(), frame.dropped), (MAX_FRAME_EVENTS, 3));
        assert_eq!(frame.events[0].0, Time(3));
    }
}
