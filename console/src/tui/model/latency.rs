//! Latencies of the last seconds.

use std::collections::VecDeque;

use byztop_core::types::{Micros, Time};
use hdrhistogram::Histogram;

/// How far back "recent" goes.
pub(in crate::tui) const WINDOW_S: u64 = 10;

/// The longest latency that is told apart from longer ones.
const MAX_US: u64 = 60_000_000;

/// How far back a heat map goes, in seconds, and how many columns it has between [`HEAT_LOW`] and [`HEAT_HIGH`].
pub(in crate::tui) const HEAT_S: u64 = 120;
const HEAT_COLUMNS: usize = 72;
pub(in crate::tui) const HEAT_LOW: Micros = Micros(10);
pub(in crate::tui) const HEAT_HIGH: Micros = Micros(10_000_000);

/// Latencies of the last [`WINDOW_S`] seconds. Memory is bounded by the number of slices.
#[derive(Clone, Debug)]
pub(in crate::tui) struct Recent {
    /// The seconds that have something, oldest first.
    slices: VecDeque<(u64, Histogram<u32>)>,
    /// The sum of the slices.
    total: Histogram<u32>,
    /// The last [`HEAT_S`] seconds in coarse columns, oldest first.
    heat: VecDeque<(u64, [u32; HEAT_COLUMNS])>,
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

fn empty() -> Histogram<u32> {
    Histogram::new_with_max(MAX_US, 2).expect("two digits and a minute are within what a histogram can hold")
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { slices: VecDeque::new(), total: empty(), heat: VecDeque::new() }
    }
}

impl Recent {
    /// Takes in `count` equal latencies.
    pub(in crate::tui) fn record(&mut self, now: Time, value: Micros, count: u64) {
        let value = value.0.clamp(1, MAX_US);
        self.warm(now, value, count);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
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
        let coldest = (now.0 / 1_000_000 + 1).saturating_sub(HEAT_S);
        while self.heat.front().is_some_and(|(second, _)| *second < coldest) {
            self.heat.pop_front();
        }
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
                *count = count.saturating_add(u64::from(bucket.count_at_value()));
            }
        }
        counts
    }

    fn warm(&mut self, now: Time, value: u64, count: u64) {
        let second = now.0 / 1_000_000;
        if self.heat.back().is_none_or(|(newest, _)| *newest < second) {
            self.heat.push_back((second, [0; HEAT_COLUMNS]));
        }
        let (low, high) = ((HEAT_LOW.0 as f64).ln(), (HEAT_HIGH.0 as f64).ln());
        let place = ((value as f64).ln() - low) / (high - low) * HEAT_COLUMNS as f64;
        let column = (place.max(0.0) as usize).min(HEAT_COLUMNS - 1);
        if let Some((_, row)) = self.heat.back_mut() {
            row[column] = row[column].saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// How many latencies there were in the seconds from `from` on and before `until`, in so many columns of equal width
    /// on a logarithmic axis from [`HEAT_LOW`] to [`HEAT_HIGH`].
    pub(in crate::tui) fn heat(&self, from: u64, until: u64, columns: usize) -> Vec<u64> {
        let mut sums = vec![0u64; columns];
        for (_, row) in self.heat.iter().filter(|(second, _)| (from..until).contains(second)) {
            for (x, sum) in sums.iter_mut().enumerate() {
                // Where there are more columns than are kept, neighbours show the same.
                let (first, after) = (x * HEAT_COLUMNS / columns, ((x + 1) * HEAT_COLUMNS).div_ceil(columns));
                let kept = if columns > HEAT_COLUMNS { first..first + 1 } else { first..after };
                *sum += row[kept].iter().map(|count| u64::from(*count)).sum::<u64>();
            }
        }
        sums
    }

    fn slice(&mut self, now: Time) -> &mut Histogram<u32> {
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
    fn heat_is_kept_by_the_second_and_forgotten_in_the_end() {
        let mut recent = Recent::default();
        recent.record(second(100), Micros(1), 2);
        recent.record(second(101), Micros(9_999_999), 3);
        assert_eq!(recent.heat(100, 102, 6), [2, 0, 0, 0, 0, 3]);
        assert_eq!(recent.heat(101, 102, 6), [0, 0, 0, 0, 0, 3]);
        assert_eq!(recent.heat(100, 102, 144)[..3], [2, 2, 0], "more columns than there are");
        recent.advance(second(220));
        assert_eq!(recent.heat(0, 1000, 6), [0, 0, 0, 0, 0, 3]);
        recent.advance(second(500));
        assert_eq!(recent.heat(0, 1000, 6), [0; 6]);
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
