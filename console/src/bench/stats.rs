//! Minimum, median and maximum over repeats; differences of histograms.

use hdrhistogram::{Counter, Histogram};
use serde_json::{Map, Value, json};

/// What `after` counted that `before` had not: both are of one histogram, which only grows.
pub(super) fn since<C: Counter>(after: &Histogram<C>, before: &Histogram<C>) -> Histogram<C> {
    let mut difference = after.clone();
    // What was counted before is part of what was counted after, so nothing can be missing.
    difference.subtract(before).expect("a histogram only grows");
    difference
}

/// The place of the median of some values: the lower one of the two in the middle. `None` if there are none.
pub(super) fn median_place(values: &[f64]) -> Option<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    places.get(values.len().checked_sub(1)? / 2).copied()
}

/// The least, the median and the largest of some values; of an even number of them the median is the mean of the two in
/// the middle. `None` if there are none.
pub(super) fn spread(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    Some([first, median, last])
}

/// Documents of one shape as one document of that shape with `{min, median, max}` in the place of each number. What is
/// a number in some of them only is spread over those; everything else is left out.
pub(super) fn spread_of(documents: &[Value]) -> Option<Value> {
    let numbers: Vec<f64> = documents.iter().filter_map(Value::as_f64).collect();
    if let Some([min, median, max]) = spread(&numbers) {
        return Some(json!({ "min": min, "median": median, "max": max }));
    }
    let objects: Vec<&Map<String, Value>> = documents.iter().filter_map(Value::as_object).collect();
    let mut spread = Map::new();
    for name in objects.iter().flat_map(|object| object.keys()) {
        if !spread.contains_key(name) {
            let values: Vec<Value> = objects.iter().filter_map(|object| object.get(name)).cloned().collect();
            spread.extend(spread_of(&values).map(|value| (name.clone(), value)));
        }
    }
    (!spread.is_empty()).then_some(Value::Object(spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some([1.0, 2.0, 3.0]));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some([1.0, 2.5, 4.0]));
        assert_eq!(spread(&[7.0]), Some([7.0; 3]));
        assert_eq!(spread(&[]), None);
        assert_eq!(median_place(&[30.0, 10.0, 20.0]), Some(2));
        assert_eq!(median_place(&[30.0, 10.0, 20.0, 40.0]), Some(2), "the lower of the two in the middle");
        assert_eq!(median_place(&[]), None);
    }

    #[test]
    fn documents_are_spread_number_by_number() {
        let documents = [
            json!({ "rate": 10, "latency": { "p50": 1.0, "p99": null }, "name": "a" }),
            json!({ "rate": 30, "latency": { "p50": 3.0, "p99": 8.0 }, "name": "a" }),
            json!({ "rate": 20, "latency": { "p50": 2.0 }, "name": "a" }),
        ];
        let expected = json!({
            "rate": { "min": 10.0, "median": 20.0, "max": 30.0 },
            "latency": {
                "p50": { "min": 1.0, "median": 2.0, "max": 3.0 },
                "p99": { "min": 8.0, "median": 8.0, "max": 8.0 },
            },
        });
        assert_eq!(spread_of(&documents), Some(expected));
        assert_eq!(spread_of(&[]), None);
    }

    #[test]
    fn a_difference_of_histograms_is_what_was_counted_between() {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3).unwrap();
        histogram.record_n(1_000_000, 5).unwrap();
        let before = histogram.clone();
        histogram.record_n(200, 10).unwrap();
        let between = since(&histogram, &before);
        assert_eq!((between.len(), between.value_at_quantile(1.0)), (10, 200), "the warm-up's maximum is gone");
        assert_eq!((between.min(), between.max()), (200, 200));
        assert!(since(&histogram, &histogram).is_empty());
    }
}
