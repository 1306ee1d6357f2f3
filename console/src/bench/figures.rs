//! The figures of one span of time: what lies between two readings.

use std::collections::BTreeMap;
use std::time::Duration;

use byztop_core::app::smallbank::Operation;
use byztop_node::client::ClientTraffic;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::meter::{Reading, ReplicaReading};
use super::stats::since;
use crate::summary::Latency;

/// What was measured. What could not be is null.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) duration_s: f64,
    pub(super) committed_ops: u64,
    pub(super) throughput_ops_s: f64,
    /// From when a submission was meant to leave until f+1 replicas agreed on its results.
    pub(super) latency_ms: Latency,
    /// On all replicas together, by phase.
    pub(super) phase_latency_ms: BTreeMap<String, Latency>,
    pub(super) success: u64,
    /// Rejected by the application.
    pub(super) failed: u64,
    pub(super) by_type: BTreeMap<&'static str, u64>,
    /// Of all replicas and the client.
    pub(super) cpu_us_per_op: Option<f64>,
    pub(super) cpu_replicas_us_per_op: Option<f64>,
    pub(super) cpu_client_us_per_op: Option<f64>,
    /// Resident at the end of the span; the mean of all replicas.
    pub(super) rss_mb_per_replica: Option<f64>,
    /// Between replicas, and between them and the client.
    pub(super) bytes_per_op: Option<f64>,
    pub(super) messages_per_op: Option<f64>,
    /// Of those, what went between replicas alone.
    pub(super) replica_bytes_per_op: Option<f64>,
    pub(super) replica_messages_per_op: Option<f64>,
    /// And what went between the client and the replicas.
    pub(super) client_bytes_per_op: Option<f64>,
    pub(super) client_messages_per_op: Option<f64>,
    /// The mean length of what a client sends to one replica, and of what it is answered.
    pub(super) submission_bytes: Option<f64>,
    pub(super) reply_bytes: Option<f64>,
    /// Between replicas.
    pub(super) messages_per_slot: Option<f64>,
    pub(super) mean_batch_ops: Option<f64>,
    /// Of all replicas.
    pub(super) cpu_us_per_slot: Option<f64>,
    pub(super) slots: u64,
    /// Views that whoever entered most has entered.
    pub(super) view_changes: u64,
    /// Submissions that were sent again for want of answers.
    pub(super) retransmissions: u64,
}

/// The time between two readings of one run.
pub(super) struct Span<'r> {
    pub(super) from: &'r Reading,
    pub(super) to: &'r Reading,
    /// What the protocol calls its phases.
    pub(super) phases: &'r [&'r str],
}

impl Span<'_> {
    /// The latencies of what was answered within.
    pub(super) fn latencies(&self) -> Histogram<u64> {
        since(&self.to.load.latency, &self.from.load.latency)
    }

    /// Works all figures out.
    pub(super) fn figures(&self) -> Figures {
        let (from, to) = (&self.from.load, &self.to.load);
        let duration_s = (self.to.at - self.from.at).as_secs_f64();
        let committed_ops = to.committed_ops - from.committed_ops;
        let per_op = |amount: f64| (committed_ops > 0).then(|| amount / committed_ops as f64);
        let by_type = |name| (name, to.by_type[name] - from.by_type[name]);
        let cpu_us = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e6;
        let replicas_cpu: f64 = self.replicas().map(|(before, after)| cpu_us(before.cpu, after.cpu)).sum();
        let client_cpu = cpu_us(self.from.cpu, self.to.cpu);
        let memory: Vec<f64> =
            self.to.replicas.iter().flatten().map(|one| one.counters.memory_bytes as f64 / 1e6).collect();
        let Sent { operations, slots, messages, bytes } = self.sent();
        let per_executed = |amount: u64| (operations > 0).then(|| amount as f64 / operations as f64);
        let (after, before) = (&to.traffic, &from.traffic);
        let messages_of = |traffic: &ClientTraffic| traffic.messages_sent + traffic.messages_received;
        let bytes_of = |traffic: &ClientTraffic| traffic.bytes_sent + traffic.bytes_received;
        let client_messages = messages_of(after) - messages_of(before);
        let client_bytes = bytes_of(after) - bytes_of(before);
        let with_clients = |replicas: Option<f64>, client: u64| Some(replicas? + per_op(client as f64)?);
        Figures {
            duration_s,
            committed_ops,
            throughput_ops_s: committed_ops as f64 / duration_s.max(0.001),
            latency_ms: Latency::of(&self.latencies()),
            phase_latency_ms: self.phase_latencies(),
            success: to.success - from.success,
            failed: to.failed - from.failed,
            by_type: Operation::NAMES.into_iter().map(by_type).collect(),
            cpu_us_per_op: per_op(replicas_cpu + client_cpu),
            cpu_replicas_us_per_op: per_op(replicas_cpu),
            cpu_client_us_per_op: per_op(client_cpu),
            rss_mb_per_replica: (!memory.is_empty()).then(|| memory.iter().sum::<f64>() / memory.len() as f64),
            bytes_per_op: with_clients(per_executed(bytes), client_bytes),
            messages_per_op: with_clients(per_executed(messages), client_messages),
            replica_bytes_per_op: per_executed(bytes),
            replica_messages_per_op: per_executed(messages),
            client_bytes_per_op: per_op(client_bytes as f64),
            client_messages_per_op: per_op(client_messages as f64),
            submission_bytes: mean(after.bytes_sent - before.bytes_sent, after.messages_sent - before.messages_sent),
            reply_bytes: mean(
                after.bytes_received - before.bytes_received,
                after.messages_received - before.messages_received,
            ),
            messages_per_slot: (slots > 0).then(|| messages as f64 / slots as f64),
            mean_batch_ops: (slots > 0).then(|| operations as f64 / slots as f64),
            cpu_us_per_slot: (slots > 0).then(|| replicas_cpu / slots as f64),
            slots,
            view_changes: self
                .replicas()
                .map(|(before, after)| after.counters.view_changes.saturating_sub(before.counters.view_changes))
                .max()
                .unwrap_or_default(),
            retransmissions: to.retransmissions - from.retransmissions,
        }
    }

    /// Both readings of each replica that was heard of at both times.
    fn replicas(&self) -> impl Iterator<Item = (&ReplicaReading, &ReplicaReading)> {
        let pairs = self.from.replicas.iter().zip(&self.to.replicas);
        pairs.filter_map(|(before, after)| before.as_ref().zip(after.as_ref()))
    }

    /// What replicas executed, as the one that executed most did, and what all of them sent meanwhile.
    fn sent(&self) -> Sent {
        let mut sum = Sent::default();
        for (before, after) in self.replicas() {
            let (old, new) = (&before.counters, &after.counters);
            sum.messages += new.messages_sent.saturating_sub(old.messages_sent);
            sum.bytes += new.bytes_sent.saturating_sub(old.bytes_sent);
            let operations = new.operations.saturating_sub(old.operations);
            if operations > sum.operations {
                (sum.operations, sum.slots) = (operations, after.executed.saturating_sub(before.executed));
            }
        }
        sum
    }

    fn phase_latencies(&self) -> BTreeMap<String, Latency> {
        let names = self.phases.iter().copied().chain(["execution"]);
        let of = |(place, name): (usize, &str)| {
            let mut all: Option<Histogram<u64>> = None;
            for (before, after) in self.replicas() {
                let one = since(&after.phases[place], &before.phases[place]);
                match &mut all {
                    // All are of the same bounds.
                    Some(all) => all.add(&one).expect("histograms of one kind"),
                    None => all = Some(one),
                }
            }
            (name.to_string(), all.as_ref().map_or_else(Latency::none, Latency::of))
        };
        names.enumerate().map(of).collect()
    }
}

fn mean(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

#[derive(Default)]
struct Sent {
    operations: u64,
    slots: u64,
    messages: u64,
    bytes: u64,
}

/// Values of a histogram at the quantiles that a plot of its tail wants: ten steps for each further nine.
pub(super) fn distribution_ms(micros: &Histogram<u64>) -> Vec<(f64, f64)> {
    const NINES: u32 = 4;
    if micros.is_empty() {
        return Vec::new();
    }
    let steps = (0..NINES)
        .flat_map(|nines| (0..9).map(move |step| 1.0 - 0.1f64.powi(nines as i32) * (1.0 - f64::from(step) / 10.0)));
    // Beyond what so many values can tell, nothing is drawn.
    let told = steps.filter(|quantile| (1.0 - quantile) * micros.len() as f64 >= 1.0);
    told.map(|quantile| (quantile, micros.value_at_quantile(quantile) as f64 / 1000.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::telemetry::Counters;
    use byztop_node::load::LoadReport;
    use tokio::time::Instant;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        histogram
    }

    fn reading(at: Instant, committed_ops: u64, latencies: &[u64], replicas: Vec<Option<ReplicaReading>>) -> Reading {
        let mut load = LoadReport { committed_ops, success: committed_ops, ..LoadReport::default() };
        latencies.iter().for_each(|value| load.latency.record(*value).unwrap());
        load.traffic.bytes_sent = committed_ops * 10;
        Reading { at, load, cpu: Duration::from_micros(committed_ops), replicas }
    }

    fn replica(operations: u64, executed: u64, messages_sent: u64) -> Option<ReplicaReading> {
        let counters = Counters {
            operations,
            messages_sent,
            bytes_sent: messages_sent * 100,
            memory_bytes: 20_000_000,
            ..Counters::default()
        };
        let phases = vec![histogram(&vec![1000; executed as usize]); 2];
        Some(ReplicaReading { cpu: Duration::from_micros(operations * 2), counters, executed, phases })
    }

    #[test]
    fn figures_are_of_what_lies_between() {
        let now = Instant::now();
        let from = reading(now, 100, &[900_000], vec![replica(100, 10, 50), replica(90, 9, 50), None]);
        let later = now + Duration::from_secs(2);
        let to = reading(
            later,
            500,
            &[900_000, 2000, 2000, 4000],
            vec![replica(500, 50, 450), replica(480, 48, 450), replica(1, 1, 1)],
        );
        let figures = Span { from: &from, to: &to, phases: &["only"] }.figures();
        assert_eq!((figures.committed_ops, figures.throughput_ops_s, figures.slots), (400, 200.0, 40));
        assert!((figures.latency_ms.max - 4.0).abs() < 0.01, "the warm-up's slowest is not in it");
        assert_eq!((figures.mean_batch_ops, figures.messages_per_slot), (Some(10.0), Some(20.0)));
        assert_eq!((figures.replica_messages_per_op, figures.bytes_per_op), (Some(2.0), Some(210.0)));
        // Two replicas of 2 µs per operation, of which one lacks ten, and 1 µs of the client.
        assert_eq!(figures.cpu_us_per_op, Some((800.0 + 780.0 + 400.0) / 400.0));
        assert_eq!(figures.phase_latency_ms.keys().collect::<Vec<_>>(), ["execution", "only"]);
        assert!((figures.phase_latency_ms["only"].p50 - 1.0).abs() < 0.01);
    }

    #[test]
    fn nothing_committed_has_no_figures_per_operation() {
        let now = Instant::now();
        let (from, to) = (reading(now, 7, &[], vec![None]), reading(now, 7, &[], vec![None]));
        let figures = Span { from: &from, to: &to, phases: &[] }.figures();
        assert_eq!((figures.cpu_us_per_op, figures.bytes_per_op, figures.mean_batch_ops), (None, None, None));
        assert_eq!(figures.rss_mb_per_replica, None);
    }

    #[test]
    fn a_distribution_tells_no_more_than_was_measured() {
        let values: Vec<u64> = (1..=1000).map(|value| value * 1000).collect();
        let points = distribution_ms(&histogram(&values));
        assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        let (last, _) = points[points.len() - 1];
        assert!((0.99..=0.999).contains(&last), "{last}: of a thousand values the last nine is the third");
        assert!(distribution_ms(&histogram(&[])).is_empty());
    }
}
