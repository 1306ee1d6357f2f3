//! A page of styled lines, longer than the screen.

use ratatui::style::Style;

use super::super::theme::Theme;
use super::canvas::Canvas;

/// A line in pieces.
pub(super) type Line = Vec<(String, Style)>;

/// Lines that are shown from one of them on.
#[derive(Default)]
pub(super) struct Page {
    lines: Vec<Line>,
}

impl Page {
    /// A heading, with a line of distance to what is above.
    pub(super) fn heading(&mut self, title: &str, explanation: &str, theme: &Theme) {
        if !self.lines.is_empty() {
            self.lines.push(Line::new());
        }
        self.lines.push(vec![(title.to_string(), theme.title), (format!("  {explanation}"), theme.dim)]);
    }

    /// A line in one style.
    pub(super) fn line(&mut self, text: impl Into<String>, style: Style) {
        self.lines.push(vec![(text.into(), style)]);
    }

    /// A line in pieces.
    pub(super) fn pieces(&mut self, pieces: Line) {
        self.lines.push(pieces);
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Draws what fits from a line on; says at the right end how much there is if that is not all.
    pub(super) fn draw(&self, from: usize, theme: &Theme, mut canvas: Canvas) {
        let height = canvas.height();
        let from = from.min(self.len().saturating_sub(height));
        for (y, line) in self.lines.iter().skip(from).take(height).enumerate() {
            let mut x = 1;
            for (text, style) in line {
                x = canvas.put(x, y, text, *style);
            }
        }
        if self.len() > height {
            let place = format!(" {}–{} of {} ", from + 1, from + height, self.len());
            canvas.put_right(canvas.width(), 0, &place, theme.dim);
        }
    }
}
