//! What lines must contain to be shown.

/// The longest filter, in characters.
const MAX_CHARS: usize = 60;

/// Words that a line must contain, all of them, in any order and in small letters or capitals; without any, all lines do.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Filter {
    text: String,
}

impl Filter {
    /// What was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it lets everything pass.
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether a line passes.
    pub(super) fn matches(&self, line: &str) -> bool {
        let line = line.to_lowercase();
        self.text.to_lowercase().split_whitespace().all(|word| line.contains(word))
    }

    /// What it is and how many pass it, for the title of what is filtered.
    pub(super) fn told(&self, passing: usize, all: usize) -> String {
        format!("/{}  {passing} of {all}", self.text.trim())
    }

    /// Appends a character.
    pub(super) fn type_char(&mut self, c: char) {
        if self.text.chars().count() < MAX_CHARS && !c.is_control() {
            self.text.push(c);
        }
    }

    /// Drops the last character, if there is one.
    pub(super) fn erase(&mut self) {
        self.text.truncate(self.text.char_indices().next_back().map_or(0, |(at, _)| at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        let mut filter = Filter::default();
        text.chars().for_each(|c| filter.type_char(c));
        filter
    }

    #[test]
    fn a_line_passes_if_it_contains_every_word() {
        for (text, line, passes) in [
            ("", "anything", true),
            ("  ", "anything", true),
            ("n3 View", "view 1 is asked for by n3", true),
            ("N3  view", "n3 is deaf", false),
            ("ew 1", "view 1", true),
        ] {
            assert_eq!(filter(text).matches(line), passes, "{text:?} in {line:?}");
        }
    }

    #[test]
    fn it_is_bounded_and_says_how_many_pass() {
        assert_eq!(filter(&"x".repeat(500)).text().len(), MAX_CHARS);
        assert_eq!(filter(" a b ").told(1, 3), "/a b  1 of 3");
    }
}
