//! One console, as the core task knows it: what it wants, what waits for its next frame, and what it has lost.

use byztop_certs::Role;
use byztop_core::protocol::SlotVotes;
use byztop_core::telemetry::{ConsoleMessage, Glimpse, Notebook};
use byztop_core::types::{Micros, SeqNum, Time};
use tokio::sync::mpsc;

/// How many messages wait for one console; answers to its requests may take the last of them, frames may not.
pub(crate) const QUEUE: usize = 16;
const RESERVED_FOR_ANSWERS: usize = 8;

/// A console that is connected.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Who watches.
    pub(crate) role: Role,
    /// What waits for its next frame.
    pub(crate) notebook: Notebook,
    /// Which slot's votes it wants; the newest until it names one.
    watched: Option<SeqNum>,
    queue: mpsc::Sender<ConsoleMessage>,
    /// When the next frame is due, and how far apart they are; nothing before it subscribes.
    due: Option<(Time, Micros)>,
}

impl Subscription {
    /// A console that gets no frames yet.
    pub(crate) fn new(role: Role, queue: mpsc::Sender<ConsoleMessage>, notebook: Notebook) -> Subscription {
        Subscription { role, notebook, watched: None, queue, due: None }
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

    /// Answers a request.
    pub(crate) fn answer(&mut self, message: ConsoleMessage) {
        if self.queue.try_send(message).is_err() {
            self.notebook.lose_one();
        }
    }

    /// Sends a frame if one is due. A console that does not keep up loses the frame; its events and latencies stay for
    /// the next one.
    pub(crate) fn send_frame(
        &mut self,
        now: Time,
        glimpse: &Glimpse,
        votes: impl FnOnce(Option<SeqNum>) -> Option<SlotVotes>,
    ) {
        let Some((_, interval)) = self.due.filter(|(at, _)| *at <= now) else { return };
        // At the next multiple of the interval by the wall clock: frames of different replicas then show one moment.
        let to_go = Micros(interval.0 - glimpse.at.0 % interval.0);
        self.due = Some((now.after(to_go), interval));
        if self.queue.capacity() <= RESERVED_FOR_ANSWERS {
            return self.notebook.lose_one();
        }
        let frame = self.notebook.frame(glimpse, votes(self.watched));
        self.answer(ConsoleMessage::Frame(Box::new(frame)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::protocol::{Event, Status};
    use byztop_core::telemetry::{Counters, Frame, Recorder};
    use byztop_core::types::{Digest, ReplicaId, View};

    const N1: ReplicaId = ReplicaId(0);

    /// How far the wall clock is ahead of the monotonic one: no multiple of an interval.
    const UNIX_ORIGIN: u64 = 1_000_007_000;

    fn glimpse(now: Time) -> Glimpse {
        let (view, zero) = (View(0), SeqNum(0));
        Glimpse {
            replica: N1,
            at: Time(UNIX_ORIGIN + now.0),
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

    fn console() -> (Subscription, mpsc::Receiver<ConsoleMessage>) {
        let (queue, messages) = mpsc::channel(QUEUE);
        (Subscription::new(Role::Observer, queue, Recorder::new(3).notebook()), messages)
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
        console.send_frame(Time(0), &glimpse(Time(0)), |_| None);
        assert!(messages.try_recv().is_err());
        console.subscribe(Time(0), 1);
        for (at, expected) in
            [(0, 1), (2_999, 0), (3_000, 1), (12_999, 0), (13_000, 1), (95_000, 1), (102_999, 0), (103_000, 1)]
        {
            console.send_frame(Time(at), &glimpse(Time(at)), |_| None);
            let sent = std::iter::from_fn(|| messages.try_recv().ok()).count();
            assert_eq!(sent, expected, "at {at}: every 10 ms of the wall clock, and no burst after a pause");
        }
    }

    #[test]
    fn a_slow_console_loses_frames_but_neither_events_nor_answers() {
        let (mut console, mut messages) = console();
        let mut recorder = Recorder::new(3);
        console.subscribe(Time(0), 10);
        for tick in 0..100 {
            let (view, seq) = (View(0), SeqNum(tick));
            recorder.note(Time(tick), Time(tick), Event::Healed, Some(&mut console.notebook));
            for (now, event) in
                [(7, Event::Prepared { view, seq }), (12, Event::Committed { view, seq, is_fast: false })]
            {
                recorder.note(Time(now), Time(now), event, Some(&mut console.notebook));
            }
            console.send_frame(Time(tick * 10_000), &glimpse(Time(tick * 10_000)), |_| None);
        }
        console.answer(ConsoleMessage::Done("crash".to_string()));
        let waiting: Vec<ConsoleMessage> = std::iter::from_fn(|| messages.try_recv().ok()).collect();
        assert_eq!(waiting.last(), Some(&ConsoleMessage::Done("crash".to_string())));
        let sent = waiting.len() as u64 - 1;
        assert_eq!(sent, (QUEUE - RESERVED_FOR_ANSWERS) as u64);
        console.send_frame(Time(1_000_000), &glimpse(Time(1_000_000)), |_| None);
        let frame = next_frame(&mut messages);
        assert_eq!(frame.dropped, 100 - sent);
        assert_eq!(frame.events.len() as u64, 100 - sent, "what the lost frames would have told");
        assert_eq!(frame.latencies[2].buckets, [(Micros(5), (100 - sent) as u32)]);
    }
}
