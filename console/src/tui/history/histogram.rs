//! Histograms of latencies as they are remembered: the values that occurred, and how often.

use hdrhistogram::Histogram;
use serde::de::Error as _;
use serde::{Deserializer, Serialize, Serializer};

/// The most different values: more than any histogram of three digits has within an hour.
const MAX_VALUES: usize = 1 << 16;

/// Writes a histogram.
pub(in crate::tui) fn serialize<S: Serializer>(histogram: &Histogram<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let values: Vec<(u64, u64)> =
        histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect();
    values.serialize(serializer)
}

/// Reads one, with three significant digits.
pub(in crate::tui) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
    let values: Vec<(u64, u64)> = byztop_core::wire::at_most::<_, _, MAX_VALUES>(deserializer)?;
    let mut histogram = Histogram::new_with_bounds(1, HIGHEST_US, 3).map_err(D::Error::custom)?;
    for (value, count) in values {
        histogram.record_n(value.min(HIGHEST_US), count).map_err(D::Error::custom)?;
    }
    Ok(histogram)
}

/// Ten minutes: what takes longer counts as ten minutes.
const HIGHEST_US: u64 = 600_000_000;
