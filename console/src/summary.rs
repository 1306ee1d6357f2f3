//! What came of a run without a screen: one JSON document, or a table for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use byztop_certs::ClusterConfig;
use byztop_core::app::smallbank::Operation;
use byztop_core::telemetry::Counters;
use byztop_core::types::{Digest, ReplicaId, SeqNum, View};
use byztop_node::load::LoadReport;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Everything that `--json` prints.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Summary {
    protocol: String,
    replicas: usize,
    f: usize,
    duration_s: f64,
    committed_ops: u64,
    throughput_ops_s: f64,
    latency_ms: Latency,
    durability: String,
    success: u64,
    failed: u64,
    by_type: BTreeMap<&'static str, u64>,
    /// Operations that were due but could not be sent, because the cluster had not answered earlier ones.
    busy: u64,
    /// Operations that were sent and had no answer at the end.
    unanswered: u64,
    view_changes: u64,
    /// How many slots whoever executed most has executed.
    slots: u64,
    /// What replicas sent each other over the whole run, for each slot, by name.
    messages_per_slot: BTreeMap<String, f64>,
    checkpoint_interval: u64,
    replica_states: Vec<ReplicaState>,
}

/// End-to-end latencies in milliseconds; all 0 if nothing was committed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// Where a replica stood at the end; what it did not say is null.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct ReplicaState {
    pub(crate) name: String,
    pub(crate) view: Option<u64>,
    pub(crate) executed: Option<u64>,
    pub(crate) state_digest: Option<String>,
    /// Resident memory of its process.
    pub(crate) memory_bytes: Option<u64>,
    /// What its store takes on the disk.
    pub(crate) disk_bytes: Option<u64>,
    /// Commits of its store.
    pub(crate) commits: Option<u64>,
}

impl ReplicaState {
    /// A replica that has said nothing.
    pub(crate) fn unknown(replica: ReplicaId) -> ReplicaState {
        ReplicaState { name: replica.to_string(), ..ReplicaState::default() }
    }

    /// Where a replica says it is.
    pub(crate) fn known(replica: ReplicaId, view: View, executed: SeqNum, state: Option<Digest>) -> ReplicaState {
        ReplicaState {
            name: replica.to_string(),
            view: Some(view.0),
            executed: Some(executed.0),
            state_digest: state.map(|digest| digest.to_string()),
            ..ReplicaState::default()
        }
    }

    /// With what it takes from the machine.
    pub(crate) fn costing(self, counters: &Counters) -> ReplicaState {
        let Counters { memory_bytes, disk_bytes, commits, .. } = *counters;
        ReplicaState { memory_bytes: Some(memory_bytes), disk_bytes: Some(disk_bytes), commits: Some(commits), ..self }
    }
}

/// What replicas said in the end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct InTheEnd {
    /// Views that any of them entered after the first.
    pub(crate) view_changes: u64,
    /// Where each stood.
    pub(crate) states: Vec<ReplicaState>,
    /// What they had sent each other, by name.
    pub(crate) messages: BTreeMap<String, u64>,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Every replica has the same state after the same slot, and every operation was answered.
    Agreed,
    /// Something did not hold; one line each.
    Broken(Vec<String>),
}

impl Summary {
    /// Puts a run together. Throughput is what was committed while load was offered, over that time.
    pub(crate) fn of(
        config: &ClusterConfig,
        offered: (&LoadReport, Duration),
        drained: &LoadReport,
        replicas: InTheEnd,
    ) -> Summary {
        let InTheEnd { view_changes, states: replica_states, messages } = replicas;
        let slots = replica_states.iter().filter_map(|state| state.executed).max().unwrap_or_default();
        let per_slot = |(name, count)| (name, count as f64 / slots.max(1) as f64);
        let (until_stop, duration) = offered;
        let duration_s = duration.as_secs_f64();
        let count = |name| (name, drained.by_type.get(name).copied().unwrap_or_default());
        Summary {
            protocol: config.protocol.to_string(),
            replicas: config.committee().size(),
            f: config.committee().faulty(),
            duration_s,
            committed_ops: drained.committed_ops,
            throughput_ops_s: until_stop.committed_ops as f64 / duration_s.max(0.001),
            latency_ms: Latency::of(&drained.latency),
            durability: config.durability.to_string(),
            success: drained.success,
            failed: drained.failed,
            by_type: Operation::NAMES.into_iter().map(count).collect(),
            busy: drained.busy,
            unanswered: drained.in_flight,
            view_changes,
            slots,
            messages_per_slot: messages.into_iter().map(per_slot).collect(),
            checkpoint_interval: config.settings.checkpoint_interval_slots,
            replica_states,
        }
    }

    /// Whether all held.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut broken = Vec::new();
        if self.committed_ops == 0 {
            broken.push("nothing was committed".to_string());
        }
        if self.unanswered > 0 {
            broken.push(format!("{} operations had no answer at the end", grouped(self.unanswered)));
        }
        broken.extend(self.disagreement());
        if broken.is_empty() { Verdict::Agreed } else { Verdict::Broken(broken) }
    }

    /// Who stands apart from the state that most replicas have, if anyone does.
    fn disagreement(&self) -> Vec<String> {
        let mut groups: BTreeMap<(u64, &str), Vec<&str>> = BTreeMap::new();
        let mut broken = Vec::new();
        for ReplicaState { name, executed, state_digest, .. } in &self.replica_states {
            match (executed, state_digest) {
                (Some(executed), Some(digest)) => groups.entry((*executed, digest)).or_default().push(name),
                (Some(executed), None) => broken.push(format!("{name} was still at work, at slot {executed}")),
                (None, _) => broken.push(format!("{name} did not answer at the end")),
            }
        }
        if groups.len() > 1 {
            let state = |((executed, digest), names): (&(u64, &str), &Vec<&str>)| {
                format!("{} at slot {executed} with state {}…", names.join(","), digest.get(..8).unwrap_or(digest))
            };
            let states: Vec<String> = groups.iter().map(state).collect();
            broken.push(format!("replicas differ: {}", states.join("; ")));
        }
        broken
    }
}

impl Latency {
    /// Of nothing.
    pub(crate) fn none() -> Latency {
        Latency { mean: 0.0, p50: 0.0, p95: 0.0, p99: 0.0, p999: 0.0, max: 0.0 }
    }

    /// Of a histogram in microseconds.
    pub(crate) fn of(micros: &Histogram<u64>) -> Latency {
        let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1000.0;
        Latency {
            mean: if micros.is_empty() { 0.0 } else { micros.mean() / 1000.0 },
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: micros.max() as f64 / 1000.0,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { mean, p50, p95, p99, p999, max } = self.latency_ms;
        writeln!(
            f,
            "{}  n={} f={}  durability {}  checkpoint every {} slots  {:.1} s",
            self.protocol, self.replicas, self.f, self.durability, self.checkpoint_interval, self.duration_s
        )?;
        writeln!(f, "throughput    {} op/s", grouped(self.throughput_ops_s.round() as u64))?;
        writeln!(
            f,
            "latency ms    mean {mean:.2}  p50 {p50:.2}  p95 {p95:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {max:.2}"
        )?;
        writeln!(
            f,
            "operations    {} committed: {} carried out, {} rejected by the application",
            grouped(self.committed_ops),
            grouped(self.success),
            grouped(self.failed)
        )?;
        if self.busy + self.unanswered > 0 {
            let (busy, unanswered) = (grouped(self.busy), grouped(self.unanswered));
            writeln!(f, "              {busy} not sent for want of answers, {unanswered} without an answer")?;
        }
        for name in Operation::NAMES {
            let count = self.by_type.get(name).copied().unwrap_or_default();
            let share = 100.0 * count as f64 / (self.committed_ops.max(1)) as f64;
            writeln!(f, "  {name:<18}{:>12}  {share:5.1} %", grouped(count))?;
        }
        writeln!(f, "view changes  {}", self.view_changes)?;
        let sent: f64 = self.messages_per_slot.values().sum();
        writeln!(f, "slots         {}, and {sent:.1} messages between replicas for each", grouped(self.slots))?;
        for (name, count) in self.messages_per_slot.iter().filter(|(_, count)| **count >= 0.05) {
            writeln!(f, "  {name:<18}{count:>12.1}")?;
        }
        writeln!(f, "replicas      name   view    executed   state              memory MB   disk MB")?;
        for state in &self.replica_states {
            let number = |value: Option<u64>| value.map_or_else(|| "?".to_string(), grouped);
            let digest = state.state_digest.as_deref().map_or("?", |digest| digest.get(..16).unwrap_or(digest));
            let (view, executed) = (number(state.view), number(state.executed));
            let megabytes =
                |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| format!("{:.1}", bytes as f64 / 1e6));
            let (memory, disk) = (megabytes(state.memory_bytes), megabytes(state.disk_bytes));
            let place = format!("              {:<4}{view:>7}{executed:>12}   {digest:<16}", state.name);
            writeln!(f, "{}", format!("{place}{memory:>12}{disk:>10}").trim_end())?;
        }
        Ok(())
    }
}

/// A whole number with its digits in groups of three: `12 400`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(states: Vec<ReplicaState>) -> Summary {
        Summary {
            protocol: "pbft".into(),
            replicas: states.len(),
            f: 0,
            duration_s: 1.0,
            committed_ops: 100,
            throughput_ops_s: 100.0,
            latency_ms: Latency::of(&Histogram::new(3).unwrap()),
            durability: "memory".into(),
            success: 90,
            failed: 10,
            by_type: BTreeMap::new(),
            busy: 0,
            unanswered: 0,
            view_changes: 0,
            slots: 0,
            messages_per_slot: BTreeMap::new(),
            checkpoint_interval: 128,
            replica_states: states,
        }
    }

    fn at(replica: u8, executed: u64, digest: u8) -> ReplicaState {
        ReplicaState::known(ReplicaId(replica), View(0), SeqNum(executed), Some(Digest([digest; 32])))
    }

    fn broken(states: Vec<ReplicaState>) -> String {
        match summary(states).verdict() {
            Verdict::Agreed => String::new(),
            Verdict::Broken(lines) => lines.join("\n"),
        }
    }

    #[test]
    fn replicas_agree_when_slot_and_state_are_the_same() {
        assert_eq!(broken(vec![at(0, 5, 1), at(1, 5, 1)]), "");
    }

    #[test]
    fn whoever_stands_apart_is_named() {
        assert!(broken(vec![at(0, 5, 1), at(1, 5, 2)]).contains("n1 at slot 5 with state 01010101…; n2 at slot 5"));
        assert!(broken(vec![at(0, 5, 1), at(1, 4, 1)]).contains("replicas differ"));
        assert!(broken(vec![at(0, 5, 1), ReplicaState::unknown(ReplicaId(1))]).contains("n2 did not answer"));
        let at_work = ReplicaState::known(ReplicaId(1), View(0), SeqNum(4), None);
        assert!(broken(vec![at(0, 5, 1), at_work]).contains("n2 was still at work, at slot 4"));
    }

    #[test]
    fn a_run_that_commits_nothing_or_loses_answers_is_not_good() {
        let idle = Summary { committed_ops: 0, ..summary(vec![at(0, 0, 1)]) };
        assert_eq!(idle.verdict(), Verdict::Broken(vec!["nothing was committed".into()]));
        let lost = Summary { unanswered: 1200, ..summary(vec![at(0, 5, 1)]) };
        assert_eq!(lost.verdict(), Verdict::Broken(vec!["1 200 operations had no answer at the end".into()]));
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
