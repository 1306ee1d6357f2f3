//! Axes: a range in drawing coordinates, and ticks with their words.

use std::collections::BTreeSet;
use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// One axis. What is drawn along it is taken through [`Axis::place`] first.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Ascending, within the range.
    pub(super) ticks: Vec<(f64, String)>,
    is_log: bool,
}

impl Axis {
    /// Equal steps, up to a round number.
    pub(super) fn linear(title: &str, low: f64, high: f64) -> Axis {
        let step = round_step((high - low).max(1e-9) / 5.0);
        let high = (high / step).ceil().max(1.0) * step;
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let count = ((high - low) / step).round() as usize;
        let tick = |place: usize| {
            let value = low + place as f64 * step;
            (value, spaced(&format!("{value:.decimals$}")))
        };
        Axis { title: title.to_string(), low, high, ticks: (0..=count).map(tick).collect(), is_log: false }
    }

    /// Equal factors; both ends are above 0.
    pub(super) fn logarithmic(title: &str, low: f64, high: f64) -> Axis {
        let steps = [1.0, 2.0, 5.0];
        let low = low.max(1e-6);
        let all = (-6..10).flat_map(|power| steps.map(|step| step * 10f64.powi(power)));
        let all: Vec<f64> = all.collect();
        let first = all.iter().rposition(|value| *value <= low).unwrap_or(0);
        let last = all.iter().position(|value| *value >= high && *value > all[first]).unwrap_or(all.len() - 1);
        // Beyond three decades only the powers of ten are named.
        let is_named = |value: f64| last - first <= 9 || (value.log10() - value.log10().round()).abs() < 1e-9;
        let ticks = all[first..=last].iter().filter(|value| is_named(**value));
        let ticks = ticks.map(|value| (value.log10(), spaced(&format!("{value}")))).collect();
        let (low, high) = (all[first].log10(), all[last].log10());
        Axis { title: title.to_string(), low, high, ticks, is_log: true }
    }

    /// Shares of a whole, by how many nines they have: 0 is at 0, 90 % at 1, 99 % at 2. Points are given like that.
    pub(super) fn nines(title: &str, high: f64) -> Axis {
        let high = high.ceil().max(1.0);
        let named = [(0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
        let ticks = named.into_iter().map(|(share, name)| (-(1.0f64 - share).log10(), name.to_string()));
        let ticks = ticks.filter(|(place, _)| *place <= high + 1e-9).collect();
        Axis { title: title.to_string(), low: 0.0, high, ticks, is_log: false }
    }

    /// A few whole numbers, each of them named.
    pub(super) fn counts(title: &str, counts: &BTreeSet<u64>) -> Axis {
        let (least, most) = (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(1));
        let margin = (most - least).max(1) as f64 * 0.06;
        let ticks = counts.iter().map(|count| (*count as f64, count.to_string())).collect();
        Axis { title: title.to_string(), low: least as f64 - margin, high: most as f64 + margin, ticks, is_log: false }
    }

    /// Where a value is drawn.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = if self.is_log { value.max(1e-9).log10() } else { value };
        place.clamp(self.low, self.high)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        first + ((value - self.low) / (self.high - self.low) * f64::from(last - first)).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, _most: H) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|tick| tick.0 == *value).map_or_else(String::new, |tick| tick.1.clone())
    }
}

impl From<Axis> for Range<f64> {
    fn from(axis: Axis) -> Range<f64> {
        axis.range()
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step * 0.999).unwrap_or(10.0);
    factor * power
}

/// With a narrow space between groups of three digits.
fn spaced(number: &str) -> String {
    match (number.parse::<u64>(), number.len()) {
        (Ok(whole), 5..) => crate::summary::grouped(whole),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::linear("", 0.0, 23_871.0);
        assert_eq!(axis.high, 25_000.0);
        assert_eq!(axis.ticks.iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>()[..3], ["0", "5000", "10 000"]);
        let small = Axis::linear("", 0.0, 0.31);
        assert_eq!(small.ticks.last().map(|tick| tick.1.as_str()), Some("0.4"));
        let log = Axis::logarithmic("", 1.7, 380.0);
        assert_eq!(log.ticks.first().map(|tick| tick.1.as_str()), Some("1"));
        assert_eq!(log.ticks.last().map(|tick| tick.1.as_str()), Some("500"));
        assert!(log.place(0.0) == log.low && log.place(1e9) == log.high);
        for high in [0.0, 1e-3, 1.0, 7.0, 1e7] {
            let axis = Axis::linear("", 0.0, high);
            assert!(axis.high >= high && (2..=8).contains(&axis.ticks.len()), "{high}: {axis:?}");
        }
        let one = Axis::logarithmic("", 5.0, 5.0);
        assert!(one.low < one.high, "a single value still has a range: {one:?}");
    }
}
