//! Latencies of the last seconds.

use std::collections::VecDeque;

use byztop_core::types::{Micros, Time};
use hdrhistogram::Histogram;

/// How far back "recent" goes.
pub(in crate::tui) const WINDOW_S: u64 = 10;

/// The longest latency that is told apart from longer ones.
const MAX_US: u64 = 60_000_000;

/// Latencies of the last [`WINDOW_S`] seconds. Memory is bounded by the number of slices.
#[derive(Clone, Debug)]
pub(in crate::tui) struct Recent {
    /// The seconds that have something, oldest first.
    slices: VecDeque<(u64, Histogram<u64>)>,
    /// The sum of the slices.
    total: Histogram<u64>,
}

/// What the table says about latencies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tui) struct Summary {
    pub p50: Micros,
    pub p95: Micros,
    pub p99: Micros,
    pub p999: Micros,
    pub count: u64,
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_max(MAX_US, 2).expect("two digits and a minute are within what a histogram can hold")
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { slices: VecDeque::new(), total: empty() }
    }
}

impl Recent {
    /// Takes in `count` equal latencies.
    pub(in crate::tui) fn record(&mut self, now: Time, value: Micros, count: u64) {
        let value = value.0.clamp(1, MAX_US);
        self.slice(now).saturating_record_n(value, count);
        self.total.saturating_record_n(value, count);
    }

    /// Takes in what a cumulative histogram holds beyond an earlier state of itself.
    pub(in crate::tui) fn record_growth(&mut self, now: Time, before: Option<&Histogram<u64>>, after: &Histogram<u64>) {
        let before = before.filter(|before| before.len() <= after.len());
        for bucket in after.iter_recorded() {
            let value = bucket.value_iterated_to();
            // Beyond its largest value a histogram counts that one's bucket.
            let known = before.filter(|before| value <= before.max()).map_or(0, |before| before.count_at(value));
            let growth = bucket.count_at_value().saturating_sub(known);
            if growth > 0 {
                self.record(now, Micros(value), growth);
            }
        }
    }

    /// Forgets what is too old by now.
    pub(in crate::tui) fn advance(&mut self, now: Time) {
        let oldest = (now.0 / 1_000_000 + 1).saturating_sub(WINDOW_S);
        while self.slices.front().is_some_and(|(second, _)| *second < oldest) {
            self.slices.pop_front();
            // Summed anew rather than subtracted: exact whatever was saturated, and once a second is cheap.
            self.total = self.slices.iter().fold(empty(), |mut total, (_, slice)| {
                total.add(slice).expect("all slices have the same bounds");
                total
            });
        }
    }

    /// Percentiles, or `None` if nothing was recorded lately.
    pub(in crate::tui) fn summary(&self) -> Option<Summary> {
        let at = |quantile| Micros(self.total.value_at_quantile(quantile));
        let count = self.total.len();
        (count > 0).then(|| Summary { p50: at(0.50), p95: at(0.95), p99: at(0.99), p999: at(0.999), count })
    }

    /// The longest latency, or `None` if nothing was recorded lately.
    pub(in crate::tui) fn longest(&self) -> Option<Micros> {
        (!self.total.is_empty()).then(|| Micros(self.total.max()))
    }

    /// Counts in columns of equal width on a logarithmic axis from `low` to `high`; what lies outside is in the
    /// outermost ones.
    pub(in crate::tui) fn columns(&self, low: Micros, high: Micros, columns: usize) -> Vec<u64> {
        let mut counts = vec![0u64; columns];
        let (start, end) = ((low.0.max(1) as f64).ln(), (high.0.max(2) as f64).ln());
        for bucket in self.total.iter_recorded() {
            let place = ((bucket.value_iterated_to().max(1) as f64).ln() - start) / (end - start).max(f64::EPSILON);
            let column = ((place * columns as f64).max(0.0) as usize).min(columns.saturating_sub(1));
            if let Some(count) = counts.get_mut(column) {
                *count = count.saturating_add(bucket.count_at_value());
            }
        }
        counts
    }

    fn slice(&mut self, now: Time) -> &mut Histogram<u64> {
        let second = now.0 / 1_000_000;
        if self.slices.back().is_none_or(|(newest, _)| *newest < second) {
            self.slices.push_back((second, empty()));
        }
        &mut self.slices.back_mut().expect("one was just pushed").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: u64) -> Time {
        Time(s * 1_000_000)
    }

    #[test]
    fn forgets_what_is_older_than_the_window() {
        let mut recent = Recent::default();
        recent.record(second(100), Micros(1000), 3);
        recent.record(second(105), Micros(2000), 1);
        recent.advance(second(109));
        assert_eq!(recent.summary().map(|s| s.count), Some(4));
        recent.advance(second(110));
        assert_eq!(recent.summary().map(|s| s.count), Some(1));
        recent.advance(second(200));
        assert_eq!((recent.summary(), recent.slices.len()), (None, 0));
    }

    #[test]
    fn counts_only_what_a_cumulative_histogram_gained() {
        let mut recent = Recent::default();
        let mut cumulative = Histogram::<u64>::new(3).unwrap();
        cumulative.record_n(1500, 10).unwrap();
        let before = cumulative.clone();
        cumulative.record_n(1500, 2).unwrap();
        cumulative.record(9000).unwrap();
        recent.record_growth(second(1), Some(&before), &cumulative);
        assert_eq!(recent.summary().map(|s| s.count), Some(3));
    }

    #[test]
    fn columns_are_logarithmic_and_keep_outliers() {
        let mut recent = Recent::default();
        for value in [1, 15, 150, 1500, 15_000, 50_000_000] {
            recent.record(second(1), Micros(value), 1);
        }
        assert_eq!(recent.columns(Micros(10), Micros(100_000), 4), [2, 1, 1, 2]);
        assert!(recent.columns(Micros(10), Micros(100_000), 0).is_empty());
    }
}
