//! The rare paths that a run took: a sweep that never took one has proved nothing about it.

use std::collections::BTreeMap;

use crate::protocol::{Event, Protocol};

/// How often each rare path was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage { counts: Self::NAMES.iter().map(|name| (*name, 0)).collect() }
    }
}

impl Coverage {
    /// Nothing taken yet of what a protocol has, and of what befalls disks if anything does.
    pub(super) fn of<P: Protocol>(has_disks: bool) -> Coverage {
        let mut coverage = Coverage::default();
        if has_disks {
            coverage.counts.extend(Self::OF_DISKS.map(|name| (name, 0)));
        }
        if P::HAS_COLLECTOR {
            coverage.counts.extend([(Self::FAST, 0), (Self::SLOW, 0)]);
        }
        coverage
    }

    /// Slots that were decided without a third phase, and with it: counted where there are both.
    const FAST: &str = "decided_fast";
    const SLOW: &str = "decided_slowly";

    /// What befell processes with disks, and those that came back with what they remembered.
    pub(super) const BIT_ROT: &str = "bit_rot";
    pub(super) const DISK_FULL: &str = "disk_full";
    pub(super) const GROUP_LOST: &str = "group_commit_lost";
    pub(super) const KILLED: &str = "killed";
    pub(super) const LOG_END_LOST: &str = "log_end_lost";
    pub(super) const POWER_CUT: &str = "power_cut";
    pub(super) const RESTORED: &str = "restored";
    pub(super) const TORN_WRITE: &str = "torn_write";

    /// Every path that is counted where something befalls a disk.
    const OF_DISKS: [&'static str; 8] = [
        Self::BIT_ROT,
        Self::DISK_FULL,
        Self::GROUP_LOST,
        Self::KILLED,
        Self::LOG_END_LOST,
        Self::POWER_CUT,
        Self::RESTORED,
        Self::TORN_WRITE,
    ];

    /// Every path that is counted under whatever protocol.
    pub const NAMES: [&'static str; 21] = [
        "amnesia",
        "attack",
        "busy",
        "checkpoint_stable",
        "client_message_lost",
        "crash_recovery",
        "equivocation_proved",
        "evil_client",
        "freeze",
        "message_duplicated",
        "message_lost",
        "message_replayed",
        "new_view_with_null_request",
        "partition_healed",
        "prepared_carried_over",
        "primary_passed_over",
        "real_keys",
        "state_transfer",
        "state_transfer_under_attack",
        "twins",
        "view_change",
    ];

    /// Counts a path once more.
    ///
    /// # Panics
    ///
    /// If it is none of the protocol's: what is counted is also there when the count is 0.
    pub(super) fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.get_mut(name).expect("a path that was named at first") += count;
    }

    pub(super) fn note(&mut self, event: &Event, is_under_attack: bool) {
        match event {
            Event::ViewEntered { forced, nulls, .. } => {
                self.add("view_change", 1);
                self.add("new_view_with_null_request", u64::from(*nulls > 0));
                self.add("prepared_carried_over", u64::from(forced > nulls));
            }
            Event::TransferDone { .. } => {
                self.add("state_transfer", 1);
                self.add("state_transfer_under_attack", u64::from(is_under_attack));
            }
            Event::Committed { is_fast, .. } if self.counts.contains_key(Self::FAST) => {
                self.add(if *is_fast { Self::FAST } else { Self::SLOW }, 1);
            }
            Event::CheckpointStable { .. } => self.add("checkpoint_stable", 1),
            Event::Proved { .. } => self.add("equivocation_proved", 1),
            Event::Rejoined => self.add("crash_recovery", 1),
            _ => {}
        }
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Coverage) {
        other.counts.iter().for_each(|(name, count)| *self.counts.entry(name).or_default() += count);
    }

    /// Each path and how often it was taken, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counts.iter().map(|(name, count)| (*name, *count))
    }
}
