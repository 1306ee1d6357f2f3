//! A page of styled lines, longer than the screen.

use ratatui::style::Style;

use super::super::filter::Filter;
use super::super::theme::Theme;
use super::canvas::Canvas;

/// A line in pieces.
pub(super) type Line = Vec<(String, Style)>;

/// What becomes of a line when lines are filtered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// It stays: what is below it could not be read without it.
    Heading,
    /// It stays if it, or what continues it, passes.
    Entry,
    /// It goes along with the one before.
    Continuation,
}

/// Lines that are shown from one of them on.
#[derive(Default)]
pub(super) struct Page {
    lines: Vec<(Role, Line)>,
    /// The filter and how many passed it, if there was one.
    filtered: Option<String>,
}

impl Page {
    /// A heading, with a line of distance to what is above.
    pub(super) fn heading(&mut self, title: &str, explanation: &str, theme: &Theme) {
        if !self.lines.is_empty() {
            self.lines.push((Role::Heading, Line::new()));
        }
        let pieces = vec![(title.to_string(), theme.title), (format!("  {explanation}"), theme.dim)];
        self.lines.push((Role::Heading, pieces));
    }

    /// The names of columns.
    pub(super) fn columns(&mut self, names: impl Into<String>, style: Style) {
        self.lines.push((Role::Heading, vec![(names.into(), style)]));
    }

    /// A line in one style.
    pub(super) fn line(&mut self, text: impl Into<String>, style: Style) {
        self.lines.push((Role::Entry, vec![(text.into(), style)]));
    }

    /// A line in pieces.
    pub(super) fn pieces(&mut self, pieces: Line) {
        self.lines.push((Role::Entry, pieces));
    }

    /// A line that belongs to the one before.
    pub(super) fn continued(&mut self, pieces: Line) {
        self.lines.push((Role::Continuation, pieces));
    }

    /// Leaves only what passes a filter, and the headings.
    pub(super) fn filter(&mut self, filter: &Filter) {
        if filter.is_empty() {
            return;
        }
        let (mut passing, mut all) = (0, 0);
        let mut left = Vec::new();
        let mut lines = std::mem::take(&mut self.lines).into_iter().peekable();
        while let Some(first) = lines.next() {
            let is_heading = first.0 == Role::Heading;
            let mut entry = vec![first];
            while let Some(more) = lines.next_if(|(role, _)| *role == Role::Continuation) {
                entry.push(more);
            }
            let text: Vec<&str> = entry.iter().flat_map(|(_, line)| line).map(|(piece, _)| piece.as_str()).collect();
            let passes = is_heading || filter.matches(&text.join(" "));
            all += usize::from(!is_heading);
            passing += usize::from(passes && !is_heading);
            if passes {
                left.append(&mut entry);
            }
        }
        (self.lines, self.filtered) = (left, Some(filter.told(passing, all)));
    }

    /// Draws what fits from a line on; says at the right end how much there is if that is not all. Gives back from which
    /// line on it can be drawn at most.
    pub(super) fn draw(&self, from: usize, theme: &Theme, mut canvas: Canvas) -> usize {
        let height = canvas.height();
        let furthest = self.lines.len().saturating_sub(height);
        let from = from.min(furthest);
        for (y, (_, line)) in self.lines.iter().skip(from).take(height).enumerate() {
            let mut x = 1;
            for (text, style) in line {
                x = canvas.put(x, y, text, *style);
            }
        }
        let mut end = canvas.width();
        if furthest > 0 {
            let place = format!(" {}–{} of {} ", from + 1, from + height, self.lines.len());
            canvas.put_right(end, 0, &place, theme.dim);
            end = end.saturating_sub(place.chars().count());
        }
        if let Some(filtered) = &self.filtered {
            canvas.put_right(end, 0, &format!(" {filtered} "), theme.title);
        }
        furthest
    }
}
