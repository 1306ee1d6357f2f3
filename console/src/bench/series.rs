//! Throughput and latency over time, in short steps.

use std::time::Duration;

use byztop_node::load::LoadReport;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::meter::Reading;
use super::stats::since;

/// One step.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Point {
    /// When it ended, in seconds after the begin of what is measured.
    pub(super) t_s: f64,
    pub(super) throughput_ops_s: f64,
    /// Of what was answered in this step; null if nothing was.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// Steps as they are measured.
pub(super) struct Series {
    begin: Instant,
    step: Duration,
    last: (Instant, u64, Histogram<u64>),
    points: Vec<Point>,
}

impl Series {
    const STEP: Duration = Duration::from_millis(250);
    /// Long runs have longer steps instead of more.
    const MAX_POINTS: u32 = 2400;

    /// Begins where `reading` was taken.
    pub(super) fn new(reading: &Reading, duration: Duration) -> Series {
        let last = (reading.at, reading.load.committed_ops, reading.load.latency.clone());
        Series { begin: reading.at, step: Self::STEP.max(duration / Self::MAX_POINTS), last, points: Vec::new() }
    }

    /// How long a step is meant to be.
    pub(super) fn step(&self) -> Duration {
        self.step
    }

    /// Ends a step.
    pub(super) fn add(&mut self, now: Instant, report: &LoadReport) -> Point {
        let (before, committed, latency) = &self.last;
        let took_s = (now - *before).as_secs_f64().max(0.001);
        let within = since(&report.latency, latency);
        let at = |quantile| (!within.is_empty()).then(|| within.value_at_quantile(quantile) as f64 / 1000.0);
        let point = Point {
            t_s: (now - self.begin).as_secs_f64(),
            throughput_ops_s: (report.committed_ops - committed) as f64 / took_s,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        };
        self.last = (now, report.committed_ops, report.latency.clone());
        if self.points.len() < 2 * Self::MAX_POINTS as usize {
            self.points.push(point);
        }
        point
    }

    /// All steps.
    pub(super) fn points(self) -> Vec<Point> {
        self.points
    }
}
