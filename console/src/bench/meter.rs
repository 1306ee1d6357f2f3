//! Reads what was counted so far: by the load, by each replica, by the operating system. Figures are differences of two
//! readings, so that nothing of the warm-up is in them.

use std::time::Duration;

use byztop_core::protocol::Event;
use byztop_core::telemetry::{Counters, Frame};
use byztop_core::types::{ReplicaId, Time};
use byztop_node::load::LoadReport;
use hdrhistogram::Histogram;
use nix::time::ClockId;
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::watch::Watch;

/// The most events that are kept of one run; what is looked for comes early.
const MAX_EVENTS: usize = 10_000;

/// What frames carry as steps, added up.
pub(super) struct Meter {
    /// Per replica and phase, in microseconds.
    phases: Vec<Vec<Histogram<u64>>>,
    /// What replicas noted that tells when an attack was set and found out.
    pub(super) events: Vec<(Time, ReplicaId, Event)>,
}

impl Meter {
    /// A minute: what takes longer counts as a minute, in frames as well.
    const LONGEST_US: u64 = 60_000_000;

    /// For so many replicas of a protocol with so many phases; execution is one more.
    pub(super) fn new(replicas: usize, phases: usize) -> Meter {
        let empty = || Histogram::new_with_bounds(1, Self::LONGEST_US, 3).expect("the bounds are in order");
        let of_one = || (0..=phases).map(|_| empty()).collect();
        Meter { phases: (0..replicas).map(|_| of_one()).collect(), events: Vec::new() }
    }

    /// Takes in what is in one frame and in no other.
    pub(super) fn fold(&mut self, frame: &Frame) {
        let Some(phases) = self.phases.get_mut(frame.replica.index()) else { return };
        for (histogram, latencies) in phases.iter_mut().zip(&frame.latencies) {
            for (value, count) in &latencies.buckets {
                histogram.saturating_record_n(value.0.max(1), u64::from(*count));
            }
        }
        let tells = |event: &Event| {
            matches!(event, Event::AttackSet { .. } | Event::Proved { .. } | Event::ViewChangeAsked { .. })
        };
        let told = frame.events.iter().filter(|(_, event)| tells(event));
        let room = MAX_EVENTS.saturating_sub(self.events.len());
        self.events.extend(told.take(room).map(|(at, event)| (*at, frame.replica, event.clone())));
    }

    /// What was counted until now.
    pub(super) fn read(&self, watch: &Watch, load: LoadReport) -> Reading {
        let of = |(place, phases): (usize, &Vec<Histogram<u64>>)| {
            let replica = ReplicaId(place as u8);
            let frame = watch.frame(replica)?;
            Some(ReplicaReading {
                cpu: cpu_of(watch.pid(replica)).unwrap_or(Duration::from_micros(frame.counters.cpu.0)),
                counters: frame.counters,
                executed: frame.status.executed.0,
                phases: phases.clone(),
            })
        };
        let replicas = self.phases.iter().enumerate().map(of).collect();
        Reading { at: Instant::now(), load, cpu: own_cpu(), replicas }
    }
}

/// What was counted until one moment.
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) load: LoadReport,
    /// Processor time of this process, in which the load runs.
    pub(super) cpu: Duration,
    /// Nothing of a replica that is not heard of.
    pub(super) replicas: Vec<Option<ReplicaReading>>,
}

/// What one replica had counted. Its counters are those of its newest frame, a moment before the reading; they are all
/// of one moment, so what one operation took follows from them exactly.
pub(super) struct ReplicaReading {
    /// Processor time of its process.
    pub(super) cpu: Duration,
    pub(super) counters: Counters,
    /// The last slot that it has executed.
    pub(super) executed: u64,
    /// Latencies by phase, in microseconds.
    pub(super) phases: Vec<Histogram<u64>>,
}

/// Processor time of all threads of this process.
pub(super) fn own_cpu() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID.now().map_or(Duration::ZERO, Duration::from)
}

/// Processor time of another process at this very moment. Elsewhere the one that a replica tells in its frames does.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn cpu_of(pid: Option<u32>) -> Option<Duration> {
    let pid = Pid::from_raw(i32::try_from(pid?).ok()?);
    Some(Duration::from(ClockId::pid_cpu_clock_id(pid).ok()?.now().ok()?))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn cpu_of(_pid: Option<u32>) -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_processor_time_of_any_process() {
        let before = own_cpu();
        let mut sum = 0u64;
        while own_cpu() < before + Duration::from_millis(2) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        if cfg!(target_os = "linux") {
            let by_pid = cpu_of(Some(std::process::id())).unwrap();
            assert!(by_pid >= before && by_pid <= own_cpu(), "{by_pid:?}");
            assert_eq!(cpu_of(None), None);
        }
    }
}
