//! How the load is getting on.

use std::collections::VecDeque;

use byztop_core::types::{Micros, Time};

use super::latency::Recent;
use super::replica::per_second;
use crate::tui::LoadReport;

/// Rates are means over about so long.
const RATE_WINDOW: Micros = Micros::from_millis(1000);

/// Without a report for so long, the load's rate is not known.
const STALE_AFTER: Micros = Micros::from_millis(3000);

/// The most reports that are remembered.
const MAX_HISTORY: usize = 64;

/// The load's last report and its recent past.
#[derive(Clone, Default, Debug)]
pub(in crate::tui) struct Load {
    /// The last report; there is one as soon as the load is known.
    pub report: Option<Box<LoadReport>>,
    /// Recent end-to-end latencies.
    pub latency: Recent,
    /// When reports came and how many operations were committed, oldest first; about [`RATE_WINDOW`].
    history: VecDeque<(Time, u64)>,
}

impl Load {
    /// Takes in a report.
    pub(in crate::tui) fn take(&mut self, now: Time, report: Box<LoadReport>) {
        let before = self.report.as_ref().map(|before| &before.latency);
        // What was measured before the console looked says nothing about the last seconds.
        if before.is_some() || report.latency.len() == report.committed_ops {
            self.latency.record_growth(now, before, &report.latency);
        }
        if self.history.back().is_some_and(|(_, committed)| *committed > report.committed_ops) {
            self.history.clear();
        }
        self.history.push_back((now, report.committed_ops));
        while self.history.len() > MAX_HISTORY
            || self.history.get(1).is_some_and(|(at, _)| now.since(*at) >= RATE_WINDOW)
        {
            self.history.pop_front();
        }
        self.report = Some(report);
    }

    /// Operations committed per second, once two reports are known.
    pub(in crate::tui) fn ops_per_second(&self, now: Time) -> Option<u64> {
        let ((first, before), (last, after)) = (self.history.front()?, self.history.back()?);
        let span = last.since(*first);
        (span.0 > 0 && now.since(*last) < STALE_AFTER).then(|| per_second(after.saturating_sub(*before), span))
    }
}
