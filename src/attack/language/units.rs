//! Spans of time and probabilities, as people write them.

use std::fmt;

use super::Attack;
use crate::types::Micros;

/// A span, written in the largest unit in which it is a whole number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Duration(pub(super) Micros);

/// Suffixes and their length in microseconds, the largest first.
const UNITS: [(&str, u64); 4] = [("m", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1)];

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span_us = self.0.0;
        let is_whole = |length_us: u64| span_us.is_multiple_of(length_us) && span_us >= length_us;
        let (suffix, length_us) = UNITS.into_iter().find(|(_, length)| is_whole(*length)).unwrap_or(("s", 1_000_000));
        write!(f, "{}{suffix}", span_us / length_us)
    }
}

/// Reads `500ms`, `1.5s` or `2m`; at most [`Attack::MAX_SPAN`].
///
/// # Errors
///
/// What is wrong with the text.
pub(super) fn parse_duration(text: &str) -> Result<Micros, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!("`{text}` is no duration; write for example 500ms, 10s or 2m"));
    }
    let Some((_, length_us)) = UNITS.into_iter().find(|(unit, _)| *unit == suffix) else {
        return Err(format!("`{text}` needs a unit: write {number}ms, {number}s or {number}m"));
    };
    let span_us =
        parse_decimal(number, length_us).ok_or_else(|| format!("`{text}` can not be counted in microseconds"))?;
    if span_us > Attack::MAX_SPAN.0 {
        return Err(format!("`{text}` is longer than a day"));
    }
    Ok(Micros(span_us))
}

/// A probability in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PerMille(pub(super) u16);

impl fmt::Display for PerMille {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Reads a probability, `0.001` to `1`, in thousandths.
///
/// # Errors
///
/// What is wrong with the text.
pub(super) fn parse_per_mille(text: &str) -> Result<u16, String> {
    match parse_decimal(text, 1000) {
        Some(per_mille @ 1..=1000) => Ok(per_mille as u16),
        _ => Err(format!("`{text}` is no probability; write 0.001 to 1, in steps of 0.001")),
    }
}

/// `text × scale` for a decimal number such as `12` or `0.25`; `None` if it is none, too large, or not whole.
fn parse_decimal(text: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || text.ends_with('.') || !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let tenths = 10u64.pow(fraction.len() as u32);
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()?.checked_mul(scale)? };
    let product = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if part.is_multiple_of(tenths) { product.checked_add(part / tenths) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, span_us) in
            [("500ms", 500_000), ("10s", 10_000_000), ("2m", 120_000_000), ("1.5s", 1_500_000), ("0s", 0), ("7us", 7)]
        {
            assert_eq!(parse_duration(text), Ok(Micros(span_us)), "{text}");
        }
        assert_eq!(parse_duration("1440m"), Ok(Attack::MAX_SPAN));
        for bad in ["", "s", "10", "10h", "-1s", "1.s", ".5s", "1..s", "0.5us", "1441m", "99999999999999999999s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_written_in_the_largest_whole_unit() {
        for text in ["0s", "1us", "1500us", "500ms", "1500ms", "10s", "90s", "1m", "1440m"] {
            assert_eq!(Duration(parse_duration(text).expect("a duration")).to_string(), text);
        }
    }

    #[test]
    fn probabilities_are_thousandths() {
        for (text, per_mille) in [("0.1", 100), ("1", 1000), ("0.001", 1), ("0.25", 250)] {
            assert_eq!(parse_per_mille(text), Ok(per_mille));
            assert_eq!(PerMille(per_mille).to_string(), text);
        }
        assert_eq!(parse_per_mille("1.000"), Ok(1000));
        for bad in ["0", "0.0", "1.001", "0.0001", "10%", "-0.1", ".1", "", "p"] {
            assert!(parse_per_mille(bad).is_err(), "{bad}");
        }
    }
}
