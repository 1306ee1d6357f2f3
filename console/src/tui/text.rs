//! Numbers, times and foreign text as people read them.

use byztop_core::types::{Micros, Time};
use unicode_width::UnicodeWidthChar;

/// The longest text from the network that is kept, in characters.
const MAX_CHARS: usize = 400;

/// Text from outside without what could steer a terminal or shift a column: control characters become spaces,
/// anything not exactly one cell wide becomes `?`.
pub(super) fn clean(text: &str) -> String {
    let keep = |c: char| match c {
        c if c.is_control() => ' ',
        c if c.width() == Some(1) => c,
        _ => '?',
    };
    let kept: String = text.chars().take(MAX_CHARS).map(keep).collect();
    kept.trim_end().to_string()
}

/// `12400` as `12 400`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A count in at most four characters, for tables that are read for their order of magnitude.
pub(super) fn short_count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{}k", number / 1000),
        1_000_000..1_000_000_000 => format!("{}M", number / 1_000_000),
        _ => format!("{}G", (number / 1_000_000_000).min(999)),
    }
}

/// A latency as milliseconds without unit, to about two significant digits.
pub(super) fn millis(latency: Micros) -> String {
    match latency.0 {
        0..5 => "<0.01".to_string(),
        5..995 => format!("{:.2}", latency.0 as f64 / 1000.0),
        995..99_950 => format!("{:.1}", latency.0 as f64 / 1000.0),
        _ => grouped((latency.0 + 500) / 1000),
    }
}

/// How long something took: `18 ms`, `1.6 s`, `3 min`.
pub(super) fn span(span: Micros) -> String {
    match span.0 {
        0..1000 => format!("{} µs", span.0),
        1000..1_000_000 => format!("{} ms", span.0 / 1000),
        1_000_000..60_000_000 => format!("{:.1} s", span.0 as f64 / 1e6),
        _ => format!("{} min", span.0 / 60_000_000),
    }
}

/// A moment of a simulation, to the microsecond: `12.204 315 s`.
pub(crate) fn seconds(at: Time) -> String {
    let micros = at.0 % 1_000_000;
    format!("{}.{:03} {:03} s", grouped(at.0 / 1_000_000), micros / 1000, micros % 1000)
}

/// How long something has lasted by now, in whole units so that it changes rarely: `0s`, `12s`, `3m`, `2h`.
pub(super) fn age(span: Micros) -> String {
    match span.0 / 1_000_000 {
        seconds @ 0..100 => format!("{seconds}s"),
        seconds @ 100..6000 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3600),
    }
}

/// The text cut to so many characters, with `…` where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        out.push('…');
    }
    out
}

/// Eight heights of one cell, after the empty one.
pub(super) const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The bar for a value between 0 and `max`; anything above 0 shows.
pub(super) fn bar(value: f64, max: f64) -> char {
    if value <= 0.0 || max <= 0.0 {
        return BARS[0];
    }
    BARS[((value / max * 8.0).round() as usize).clamp(1, 8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_can_not_steer_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\u{7}\n"), "a [2Jb");
        assert_eq!(clean("漢\u{200b}\u{9b}x"), "?? x");
        assert_eq!(clean(&"y".repeat(5000)).len(), MAX_CHARS);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 12_400, 1_234_567].map(grouped).join(", "), "0, 999, 1 000, 12 400, 1 234 567");
        assert_eq!([7, 9999, 12_345, 5_000_000].map(short_count).join(", "), "7, 9999, 12k, 5M");
        let times = [3, 40, 420, 3_100, 14_000, 99_949, 99_950, 1_200_000].map(|us| millis(Micros(us)));
        assert_eq!(times.join(", "), "<0.01, 0.04, 0.42, 3.1, 14.0, 99.9, 100, 1 200");
        assert_eq!(
            [900, 18_400, 1_649_000, 200_000_000].map(|us| span(Micros(us))).join(", "),
            "900 µs, 18 ms, 1.6 s, 3 min"
        );
    }

    #[test]
    fn moments_of_a_simulation_are_exact() {
        assert_eq!(
            [0, 12_204_315, 3_600_000_007].map(|us| seconds(Time(us))).join(", "),
            "0.000 000 s, 12.204 315 s, 3 600.000 007 s"
        );
    }

    #[test]
    fn cuts_show_that_something_is_missing() {
        assert_eq!([cut("abcd", 4), cut("abcd", 3), cut("abcd", 1), cut("abcd", 0)], ["abcd", "ab…", "…", ""]);
    }

    #[test]
    fn bars_show_anything_above_nothing() {
        assert_eq!(
            [bar(0.0, 5.0), bar(0.001, 5.0), bar(5.0, 5.0), bar(9.0, 5.0), bar(1.0, 0.0)],
            [' ', '▁', '█', '█', ' ']
        );
    }
}
