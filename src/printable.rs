//! Text that somebody else chose, so that it can be printed: it steers no terminal and begins no line of its own.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The same text with everything escaped that could steer a terminal or turn the direction of writing, such as `\u{1b}`. Line
/// breaks and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| steers(c) && !matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escaped(text, |c| steers(c) && !matches!(c, '\n' | '\t')))
}

/// The same on one line, line breaks escaped too, and cut after so many characters.
pub fn one_line(text: &str, most_chars: usize) -> String {
    match text.char_indices().nth(most_chars) {
        Some((end, _)) => escaped(&text[..end], steers) + "…",
        None => escaped(text, steers),
    }
}

fn escaped(text: &str, is_to_be: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_to_be(c) {
            // Writing to a string does not fail.
            write!(out, "{}", c.escape_default()).ok();
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and those that turn the direction of what follows (Unicode TR 36, 2.10).
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_escaped_and_what_is_read_stays() {
        assert!(matches!(printable("n1 lost n2:\n\tgrün ≠ 漢"), Cow::Borrowed(_)));
        assert_eq!(printable("\u{1b}]0;x\u{7}\u{9b}31m\r\u{202e}\n"), "\\u{1b}]0;x\\u{7}\\u{9b}31m\\r\\u{202e}\n");
    }

    #[test]
    fn a_line_is_one_line_and_not_longer_than_it_may_be() {
        assert_eq!(one_line("gone\n2026 INFO forged", 100), "gone\\n2026 INFO forged");
        assert_eq!(one_line("äöü", 2), "äö…");
        assert_eq!(one_line("äöü", 3), "äöü");
    }
}
