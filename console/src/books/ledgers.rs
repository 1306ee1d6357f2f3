//! What each replica said last of its state, and how its slots went.

use std::collections::{BTreeMap, BTreeSet};

use byztop_core::committee::Committee;
use byztop_core::protocol::SlotPhase;
use byztop_core::telemetry::{Ledger, LogEntry};
use byztop_core::types::{Digest, ReplicaId, ReplicaSet, SeqNum, Time, View};

/// The last word of each replica on its state, and the log that comes of all words until then.
#[derive(Clone, Debug)]
pub(crate) struct Ledgers {
    committee: Committee,
    last: BTreeMap<ReplicaId, Ledger>,
    logs: BTreeMap<ReplicaId, BTreeMap<SeqNum, LogEntry>>,
}

/// How far a replica is with a slot, as the lab writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SlotStatus {
    /// It knows of no proposal.
    Nothing,
    /// The proposal is accepted.
    PrePrepared,
    /// A quorum has prepared it.
    Prepared,
    /// A quorum has committed it.
    Committed,
    /// It is executed.
    Executed,
}

impl SlotStatus {
    /// `X`, `PP`, `P`, `C` or `E`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            SlotStatus::Nothing => "X",
            SlotStatus::PrePrepared => "PP",
            SlotStatus::Prepared => "P",
            SlotStatus::Committed => "C",
            SlotStatus::Executed => "E",
        }
    }
}

/// From the first replica to the last one.
pub(crate) type Span = Option<(Time, Time)>;

/// A proposal in the log, and when those replicas were how far with it that have accepted it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogLine {
    /// The slot.
    pub(crate) seq: SeqNum,
    /// In which view, and the batch's digest; not known of what was decided without the replica's own vote.
    pub(crate) proposal: Option<(View, Digest)>,
    /// Who has it in the log.
    pub(crate) replicas: ReplicaSet,
    /// When it was accepted, prepared, committed and executed.
    pub(crate) times: [Span; 4],
    /// How many submissions ran with it.
    pub(crate) submissions: u32,
}

impl Ledgers {
    /// The most slots of the log, and of those executed whose status is told.
    pub(crate) const MAX_SLOTS: usize = 2000;

    /// So far beyond what the cluster has executed a slot may be: more than any window has.
    const MOST_AHEAD: u64 = 1 << 16;

    /// Nobody has told anything.
    pub(crate) fn new(committee: Committee) -> Ledgers {
        Ledgers { committee, last: BTreeMap::new(), logs: BTreeMap::new() }
    }

    /// A replica has told its state.
    pub(crate) fn insert(&mut self, ledger: Ledger) {
        let log = self.logs.entry(ledger.replica).or_default();
        log.extend(ledger.log.iter().map(|entry| (entry.seq, *entry)));
        while log.len() > Self::MAX_SLOTS {
            log.pop_first();
        }
        self.last.insert(ledger.replica, ledger);
    }

    /// The newest slot that f+1 replicas say they have executed.
    fn executed(&self) -> SeqNum {
        self.committee.credible(self.last.values().map(|ledger| ledger.status.executed)).unwrap_or_default()
    }

    /// What a replica said last.
    pub(crate) fn of(&self, replica: ReplicaId) -> Option<&Ledger> {
        self.last.get(&replica)
    }

    /// What each of those said last that said something.
    pub(crate) fn all(&self) -> impl Iterator<Item = (ReplicaId, &Ledger)> {
        self.last.iter().map(|(replica, ledger)| (*replica, ledger))
    }

    /// The slot and the view in which all of these are; `None` as long as one is missing, they differ, or one of them
    /// asks for another view.
    pub(crate) fn common_place(&self, of: ReplicaSet) -> Option<(SeqNum, View)> {
        let places: Option<BTreeSet<(SeqNum, View)>> = of
            .iter()
            .map(|replica| self.of(replica).map(|ledger| ledger.status))
            .map(|status| status.filter(|status| status.asking_for.is_none()))
            .map(|status| status.map(|status| (status.executed, status.view)))
            .collect();
        places.filter(|places| places.len() == 1)?.into_iter().next()
    }

    /// How far each replica is with each slot that one of them has begun; the last [`Ledgers::MAX_SLOTS`] of those
    /// executed.
    pub(crate) fn slots(&self) -> BTreeMap<SeqNum, BTreeMap<ReplicaId, SlotStatus>> {
        let executed = self.executed();
        let first = SeqNum(executed.0.saturating_sub(Self::MAX_SLOTS as u64));
        let mut slots: BTreeSet<SeqNum> = first.until(executed).collect();
        let ahead = executed.next()..=executed.plus(Self::MOST_AHEAD);
        let furthest = self.last.values().map(|ledger| ledger.status.executed).filter(|seq| ahead.contains(seq)).max();
        slots.extend(furthest.into_iter().flat_map(|last| executed.until(last)));
        let begun = self.last.values().flat_map(|ledger| &ledger.slots).filter(|(seq, _)| ahead.contains(seq));
        slots.extend(begun.filter(|(_, phase)| *phase != SlotPhase::Empty).map(|(seq, _)| *seq));
        while slots.len() > 2 * Self::MAX_SLOTS {
            slots.pop_last();
        }
        let row = |seq| self.last.iter().map(|(replica, ledger)| (*replica, status(ledger, seq))).collect();
        slots.into_iter().map(|seq| (seq, row(seq))).collect()
    }

    /// The log in order of slots: a line for each proposal that replicas have accepted for one, and one for those who
    /// know of none. Of a slot that was proposed again in a later view, each replica keeps the later.
    pub(crate) fn log(&self) -> Vec<LogLine> {
        let last = self.executed().plus(Self::MOST_AHEAD);
        let mut slots: BTreeMap<SeqNum, Vec<(&ReplicaId, &LogEntry)>> = BTreeMap::new();
        for (replica, log) in &self.logs {
            log.range(..=last).for_each(|(seq, entry)| slots.entry(*seq).or_default().push((replica, entry)));
        }
        while slots.len() > Self::MAX_SLOTS {
            slots.pop_first();
        }
        let mut lines: Vec<LogLine> = Vec::new();
        for (seq, entries) in &slots {
            for (replica, entry) in entries {
                let of_slot = lines.iter_mut().rev().take_while(|line| line.seq == *seq);
                let line = match of_slot.into_iter().find(|line| line.proposal == entry.proposal) {
                    Some(line) => line,
                    None => {
                        lines.push(LogLine {
                            seq: *seq,
                            proposal: entry.proposal,
                            replicas: ReplicaSet::default(),
                            times: [None; 4],
                            submissions: 0,
                        });
                        lines.last_mut().expect("it was pushed")
                    }
                };
                line.replicas.insert(**replica);
                line.submissions = line.submissions.max(entry.submissions);
                let times = [entry.pre_prepared, entry.prepared, entry.committed, entry.executed];
                for (span, time) in line.times.iter_mut().zip(times) {
                    *span = widened(*span, time);
                }
            }
        }
        lines
    }
}

fn widened(span: Span, time: Option<Time>) -> Span {
    let Some(time) = time else { return span };
    Some(span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))))
}

fn status(ledger: &Ledger, seq: SeqNum) -> SlotStatus {
    if seq <= ledger.status.executed {
        return SlotStatus::Executed;
    }
    match ledger.slots.iter().find(|(slot, _)| *slot == seq).map(|(_, phase)| phase) {
        None | Some(SlotPhase::Empty) => SlotStatus::Nothing,
        Some(SlotPhase::PrePrepared) => SlotStatus::PrePrepared,
        Some(SlotPhase::Prepared) => SlotStatus::Prepared,
        Some(SlotPhase::Committed) => SlotStatus::Committed,
        Some(SlotPhase::Executed) => SlotStatus::Executed,
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::protocol::Status;

    use super::*;

    /// What a replica says that has executed so many slots in a view, with some slots under way.
    fn ledger(replica: u8, executed: u64, view: u64, slots: &[(u64, SlotPhase)]) -> Ledger {
        let status = Status {
            view: View(view),
            asking_for: None,
            leader: ReplicaId(0),
            stable: SeqNum(0),
            executed: SeqNum(executed),
            observing_until: None,
            transfer: None,
        };
        Ledger {
            replica: ReplicaId(replica),
            status,
            state_digest: Digest::ZERO,
            slots: slots.iter().map(|(seq, phase)| (SeqNum(*seq), *phase)).collect(),
            log: Vec::new(),
            figures: Vec::new(),
            leaf_count: 0,
            leaves: Vec::new(),
        }
    }

    fn entry(seq: u64, view: u64, accepted: u64, executed: Option<u64>) -> LogEntry {
        LogEntry {
            seq: SeqNum(seq),
            proposal: Some((View(view), Digest([seq as u8; 32]))),
            pre_prepared: Some(Time(accepted)),
            prepared: None,
            committed: None,
            executed: executed.map(Time),
            submissions: u32::from(executed.is_some()),
        }
    }

    fn both() -> ReplicaSet {
        [ReplicaId(0), ReplicaId(1)].into_iter().collect()
    }

    #[test]
    fn replicas_are_at_one_place_when_slot_and_view_are_the_same_and_nobody_wants_another() {
        let mut ledgers = Ledgers::new(Committee::new(4).expect("four are a committee"));
        ledgers.insert(ledger(0, 3, 1, &[]));
        assert_eq!(ledgers.common_place(both()), None, "one has not answered");
        for (other, expected) in [
            (ledger(1, 2, 1, &[]), None),
            (ledger(1, 3, 0, &[]), None),
            (ledger(1, 3, 1, &[]), Some((SeqNum(3), View(1)))),
        ] {
            ledgers.insert(other);
            assert_eq!(ledgers.common_place(both()), expected);
        }
        let mut complaining = ledger(1, 3, 1, &[]);
        complaining.status.asking_for = Some(View(2));
        ledgers.insert(complaining);
        assert_eq!(ledgers.common_place(both()), None);
    }

    #[test]
    fn every_begun_slot_has_a_status_at_each_replica() {
        let mut ledgers = Ledgers::new(Committee::new(4).expect("four are a committee"));
        ledgers.insert(ledger(0, 2, 0, &[(3, SlotPhase::Committed), (4, SlotPhase::PrePrepared)]));
        ledgers.insert(ledger(1, 1, 0, &[(2, SlotPhase::Prepared), (5, SlotPhase::Empty)]));
        let rows: Vec<(u64, Vec<&str>)> = ledgers
            .slots()
            .into_iter()
            .map(|(seq, row)| (seq.0, row.into_values().map(SlotStatus::label).collect()))
            .collect();
        assert_eq!(
            rows,
            [(1, vec!["E", "E"]), (2, vec!["E", "P"]), (3, vec!["C", "X"]), (4, vec!["PP", "X"])],
            "votes alone begin no slot"
        );
    }

    #[test]
    fn a_line_of_the_log_has_all_who_accepted_the_proposal_and_the_span_of_their_times() {
        let mut ledgers = Ledgers::new(Committee::new(4).expect("four are a committee"));
        for (replica, entries) in [
            (0, vec![entry(1, 0, 10, Some(30)), entry(2, 0, 40, None)]),
            (1, vec![entry(1, 0, 12, Some(25)), entry(2, 1, 90, Some(99))]),
        ] {
            ledgers.insert(Ledger { log: entries, ..ledger(replica, 1, 0, &[]) });
        }
        let log = ledgers.log();
        let brief = |line: &LogLine| (line.seq.0, line.proposal.map(|(view, _)| view.0), line.replicas.to_string());
        assert_eq!(
            log.iter().map(brief).collect::<Vec<_>>(),
            [(1, Some(0), "n1,n2".to_string()), (2, Some(0), "n1".to_string()), (2, Some(1), "n2".to_string())]
        );
        assert_eq!(log[0].times, [Some((Time(10), Time(12))), None, None, Some((Time(25), Time(30)))]);
        ledgers.insert(Ledger { log: vec![entry(2, 1, 95, Some(97))], ..ledger(0, 2, 1, &[]) });
        assert_eq!(ledgers.log()[1].replicas, both(), "what was said before of slot 2 is replaced, of slot 1 kept");
        assert_eq!(ledgers.log().len(), 2);
    }

    #[test]
    fn the_log_is_bounded() {
        let mut ledgers = Ledgers::new(Committee::new(4).expect("four are a committee"));
        let most = Ledgers::MAX_SLOTS as u64;
        let log = (1..=most + 5).map(|seq| entry(seq, 0, seq, None)).collect();
        ledgers.insert(Ledger { log, ..ledger(0, most + 5, 0, &[]) });
        assert_eq!((ledgers.log().len(), ledgers.log()[0].seq), (Ledgers::MAX_SLOTS, SeqNum(6)));
        assert_eq!(ledgers.slots().len(), Ledgers::MAX_SLOTS);
    }
}
