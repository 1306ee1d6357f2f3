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
        let Some((at, interval)) = self.due.filter(|(at, _)| *at <= now) else { return };
        // In step with the first frame, unless the core was held up for longer than a frame.
        self.due = Some((at.after(interval).max(now.after(Micros(interval.0 / 2))), interval));
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
