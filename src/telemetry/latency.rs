//! How long each phase of a slot takes on this replica, and how the last slots went, from what the protocol notes.
//!
//! The first phase (pre-prepare) is counted from the moment that the proposal's last byte was here until it was accepted:
//! the check of its signatures, the queue in front of the replica, and the wait for bodies are in it. The primary gets no
//! proposal from anybody and has no first phase. Each later phase is counted from the end of the one before; execution
//! from the commit until the slot was executed, waiting for its turn included.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;

use super::{LogEntry, MAX_LEDGER_SLOTS, PhaseLatencies};
use crate::protocol::Event;
use crate::types::{Digest, Micros, SeqNum, Time, View};

/// Where each unexecuted slot was when. Holds the newest slots of a window, older ones are forgotten, and a few of those
/// that were executed last.
#[derive(Debug)]
pub(super) struct SlotTimes {
    phases: usize,
    slots: BTreeMap<SeqNum, Slot>,
    executed: VecDeque<LogEntry>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The newest view of which a proposal arrived, and when.
    arrived: Option<(View, Time)>,
    /// The newest proposal that was accepted.
    proposal: Option<(View, Digest)>,
    /// When each phase ended, of the newest view.
    accepted: Option<Time>,
    prepared: Option<Time>,
    committed: Option<Time>,
}

/// A phase's place in [`Frame::latencies`](super::Frame::latencies), and how long it took.
pub(super) type Sample = (usize, Micros);

impl SlotTimes {
    const MAX_SLOTS: usize = 4096;
    const MAX_EXECUTED: usize = MAX_LEDGER_SLOTS / 2;

    /// For a protocol with so many phases.
    pub(super) fn new(phases: usize) -> SlotTimes {
        SlotTimes { phases, slots: BTreeMap::new(), executed: VecDeque::new() }
    }

    /// How many latencies there are: one per phase, and execution.
    pub(super) fn kinds(&self) -> usize {
        self.phases + 1
    }

    /// A proposal has come. Of two for one view, the first counts.
    pub(super) fn on_arrival(&mut self, arrived: Time, view: View, seq: SeqNum) {
        let slot = self.slots.entry(seq).or_default();
        if slot.arrived.is_none_or(|(seen, _)| seen < view) {
            slot.arrived = Some((view, arrived));
        }
        while self.slots.len() > Self::MAX_SLOTS {
            self.slots.pop_first();
        }
    }

    /// Takes note of a slot's progress; the phase that ended with it, if its beginning is known. An event of another
    /// kind is `None`.
    pub(super) fn on_event(&mut self, now: Time, event: &Event) -> Option<Sample> {
        let commit = self.phases.checked_sub(1)?;
        let sample = match *event {
            Event::PrePrepared { view, seq, digest } => {
                let slot = self.slots.entry(seq).or_default();
                let arrived = slot.arrived.filter(|(seen, _)| *seen == view).map(|(_, at)| at);
                let proposal = Some((view, digest));
                *slot = Slot { arrived: slot.arrived, proposal, accepted: Some(now), ..Slot::default() };
                (0, arrived)
            }
            Event::Prepared { seq, .. } => {
                let slot = self.slots.entry(seq).or_default();
                slot.prepared = Some(now);
                (1, slot.accepted)
            }
            Event::Committed { seq, .. } => {
                let slot = self.slots.entry(seq).or_default();
                slot.committed = Some(now);
                (commit, slot.prepared.or(slot.accepted))
            }
            Event::Executed { seq, submissions, .. } => {
                let slot = self.slots.remove(&seq).unwrap_or_default();
                if self.executed.len() == Self::MAX_EXECUTED {
                    self.executed.pop_front();
                }
                self.executed.push_back(LogEntry { executed: Some(now), submissions, ..slot.entry(seq) });
                let committed = slot.committed;
                // Whatever lies below is executed or was skipped by a state transfer.
                self.slots = self.slots.split_off(&seq);
                (self.phases, committed)
            }
            _ => return None,
        };
        while self.slots.len() > Self::MAX_SLOTS {
            self.slots.pop_first();
        }
        let (kind, since) = sample;
        since.map(|since| (kind, now.since(since)))
    }

    /// How the last slots went, ascending, with their times by another clock; at most [`MAX_LEDGER_SLOTS`].
    pub(super) fn log(&self, by_clock: impl Fn(Time) -> Time) -> Vec<LogEntry> {
        let is_begun = |(_, slot): &(&SeqNum, &Slot)| slot.accepted.or(slot.committed).is_some();
        let under_way = self.slots.iter().filter(is_begun).map(|(seq, slot)| slot.entry(*seq));
        let log = self.executed.iter().copied().chain(under_way).take(MAX_LEDGER_SLOTS);
        let read = |time: Option<Time>| time.map(&by_clock);
        log.map(|entry| LogEntry {
            pre_prepared: read(entry.pre_prepared),
            prepared: read(entry.prepared),
            committed: read(entry.committed),
            executed: read(entry.executed),
            ..entry
        })
        .collect()
    }
}

impl Slot {
    fn entry(&self, seq: SeqNum) -> LogEntry {
        LogEntry {
            seq,
            proposal: self.proposal,
            pre_prepared: self.accepted,
            prepared: self.prepared,
            committed: self.committed,
            executed: None,
            submissions: 0,
        }
    }
}

/// One console's latencies since its last frame.
#[derive(Debug)]
pub(super) struct Latencies {
    histograms: Vec<Histogram<u32>>,
}

impl Latencies {
    /// A minute: what takes longer counts as a minute.
    const LONGEST_US: u64 = 60_000_000;
    const SIGNIFICANT_DIGITS: u8 = 3;
    /// As many as [`PhaseLatencies`] holds.
    const MAX_BUCKETS: usize = 8192;

    /// Empty, for so many kinds.
    pub(super) fn new(kinds: usize) -> Latencies {
        let histogram = || {
            Histogram::new_with_bounds(1, Self::LONGEST_US, Self::SIGNIFICANT_DIGITS).expect("the bounds are in order")
        };
        Latencies { histograms: (0..kinds).map(|_| histogram()).collect() }
    }

    /// Counts one.
    pub(super) fn record(&mut self, (kind, took): Sample) {
        if let Some(histogram) = self.histograms.get_mut(kind) {
            histogram.saturating_record(took.0.max(1));
        }
    }

    /// What was counted since the last time.
    pub(super) fn take(&mut self) -> Vec<PhaseLatencies> {
        self.histograms
            .iter_mut()
            .map(|histogram| {
                let recorded = histogram.iter_recorded().take(Self::MAX_BUCKETS);
                let buckets =
                    recorded.map(|bucket| (Micros(bucket.value_iterated_to()), bucket.count_at_value())).collect();
                if !histogram.is_empty() {
                    histogram.reset();
                }
                PhaseLatencies { buckets }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEQ: SeqNum = SeqNum(7);

    fn pre_prepared(view: u64) -> Event {
        Event::PrePrepared { view: View(view), seq: SEQ, digest: Digest::ZERO }
    }

    fn executed(seq: SeqNum) -> Event {
        Event::Executed { seq, submissions: 1, operations: 1 }
    }

    #[test]
    fn each_phase_is_counted_from_the_end_of_the_one_before() {
        let mut times = SlotTimes::new(3);
        times.on_arrival(Time(100), View(0), SEQ);
        let view = View(0);
        let steps = [
            (130, pre_prepared(0), Some((0, Micros(30)))),
            (150, Event::Prepared { view, seq: SEQ }, Some((1, Micros(20)))),
            (190, Event::Committed { view, seq: SEQ, is_fast: false }, Some((2, Micros(40)))),
            (191, executed(SEQ), Some((3, Micros(1)))),
        ];
        for (at, event, expected) in steps {
            assert_eq!(times.on_event(Time(at), &event), expected, "{event:?}");
        }
        assert!(times.slots.is_empty());
    }

    #[test]
    fn the_primary_has_no_first_phase_and_a_new_view_starts_again() {
        let mut times = SlotTimes::new(3);
        assert_eq!(times.on_event(Time(10), &pre_prepared(0)), None, "nothing arrived");
        times.on_arrival(Time(20), View(1), SEQ);
        times.on_arrival(Time(25), View(1), SEQ);
        assert_eq!(times.on_event(Time(30), &pre_prepared(1)), Some((0, Micros(10))), "the first of view 1");
        let committed = Event::Committed { view: View(1), seq: SEQ, is_fast: false };
        assert_eq!(times.on_event(Time(90), &committed), Some((2, Micros(60))), "certified without our own prepare");
    }

    #[test]
    fn the_log_has_what_was_executed_last_and_what_is_under_way() {
        let mut times = SlotTimes::new(3);
        let count = SlotTimes::MAX_EXECUTED as u64;
        for seq in 1..=count + 1 {
            let (view, digest) = (View(2), Digest([seq as u8; 32]));
            times.on_event(Time(10 * seq), &Event::PrePrepared { view, seq: SeqNum(seq), digest });
            times.on_event(Time(10 * seq + 5), &executed(SeqNum(seq)));
        }
        times.on_event(Time(9000), &Event::PrePrepared { view: View(3), seq: SeqNum(900), digest: Digest::ZERO });
        times.on_arrival(Time(9001), View(3), SeqNum(901));
        let log = times.log(|at| Time(at.0 + 1));
        assert_eq!(log.len(), SlotTimes::MAX_EXECUTED + 1, "what has only arrived is not begun");
        let LogEntry { seq, proposal, pre_prepared, prepared, executed, submissions, .. } = log[0];
        assert_eq!((seq, proposal), (SeqNum(2), Some((View(2), Digest([2; 32])))));
        assert_eq!((pre_prepared, prepared, executed, submissions), (Some(Time(21)), None, Some(Time(26)), 1));
        assert_eq!(log.last().map(|entry| (entry.seq, entry.executed)), Some((SeqNum(900), None)));
    }

    #[test]
    fn slots_are_bounded_and_forgotten_once_executed() {
        let mut times = SlotTimes::new(3);
        for seq in 0..3 * SlotTimes::MAX_SLOTS as u64 {
            times.on_arrival(Time(seq), View(0), SeqNum(seq));
        }
        assert_eq!(times.slots.len(), SlotTimes::MAX_SLOTS);
        times.on_event(Time(0), &executed(SeqNum(u64::MAX)));
        assert!(times.slots.is_empty());
    }

    #[test]
    fn frames_carry_each_sample_once() {
        let mut latencies = Latencies::new(2);
        latencies.record((0, Micros(0)));
        latencies.record((1, Micros(500)));
        latencies.record((1, Micros(500)));
        latencies.record((1, Micros(u64::MAX)));
        let taken = latencies.take();
        assert_eq!(taken[0].buckets, [(Micros(1), 1)]);
        assert_eq!(taken[1].buckets[0], (Micros(500), 2));
        assert_eq!(taken[1].buckets.len(), 2, "a minute at most");
        assert!(latencies.take().iter().all(|phase| phase.buckets.is_empty()));
    }
}
