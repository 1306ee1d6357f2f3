//! A part of the screen to write on. Whatever does not fit is cut; nothing panics, however small the part is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A part of the screen, with coordinates of its own.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Canvas<'a> {
    /// The part of the buffer that lies in the area.
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect) -> Canvas<'a> {
        let area = area.intersection(buffer.area);
        Canvas { buffer, area }
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    pub(super) fn height(&self) -> usize {
        usize::from(self.area.height)
    }

    /// The part that begins at a place and is at most so large.
    pub(super) fn part(&mut self, x: usize, y: usize, width: usize, height: usize) -> Canvas<'_> {
        let short = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        let part = Rect {
            x: self.area.x.saturating_add(short(x)),
            y: self.area.y.saturating_add(short(y)),
            width: short(width).min(self.area.width.saturating_sub(short(x))),
            height: short(height).min(self.area.height.saturating_sub(short(y))),
        };
        Canvas { area: part.intersection(self.area), buffer: self.buffer }
    }

    /// Writes at a place and gives the column after it.
    pub(super) fn put(&mut self, x: usize, y: usize, text: &str, style: Style) -> usize {
        let mut at = x;
        for c in text.chars() {
            self.put_char(at, y, c, style);
            at += 1;
        }
        at
    }

    /// Writes so that the last character stands before the column.
    pub(super) fn put_right(&mut self, end: usize, y: usize, text: &str, style: Style) {
        self.put(end.saturating_sub(text.chars().count()), y, text, style);
    }

    /// Writes one character. Nothing of what was there before stays, not even what the style says nothing about.
    pub(super) fn put_char(&mut self, x: usize, y: usize, c: char, style: Style) {
        if x < self.width() && y < self.height() {
            let place = (self.area.x + x as u16, self.area.y + y as u16);
            if let Some(cell) = self.buffer.cell_mut(place) {
                cell.reset();
                cell.set_char(c).set_style(style);
            }
        }
    }

    /// Lays a style over a row.
    pub(super) fn tint_row(&mut self, y: usize, style: Style) {
        let row = self.part(0, y, self.width(), 1).area;
        self.buffer.set_style(row, style);
    }

    /// Empties the part.
    pub(super) fn clear(&mut self) {
        for y in 0..self.height() {
            for x in 0..self.width() {
                let place = (self.area.x + x as u16, self.area.y + y as u16);
                if let Some(cell) = self.buffer.cell_mut(place) {
                    cell.reset();
                }
            }
        }
    }

    /// Draws a rule with a title in it.
    pub(super) fn rule(&mut self, y: usize, title: &str, title_style: Style, style: Style) {
        for x in 0..self.width() {
            self.put_char(x, y, '─', style);
        }
        self.put(1, y, &format!(" {title} "), title_style);
    }

    /// Draws a border with a title and gives what is within.
    pub(super) fn boxed(&mut self, title: &str, title_style: Style, style: Style) -> Canvas<'_> {
        let (right, bottom) = (self.width().saturating_sub(1), self.height().saturating_sub(1));
        for x in 0..=right {
            self.put_char(x, 0, '─', style);
            self.put_char(x, bottom, '─', style);
        }
        for y in 0..=bottom {
            self.put_char(0, y, '│', style);
            self.put_char(right, y, '│', style);
        }
        for (x, y, corner) in [(0, 0, '┌'), (right, 0, '┐'), (0, bottom, '└'), (right, bottom, '┘')] {
            self.put_char(x, y, corner, style);
        }
        self.put(2, 0, &format!(" {title} "), title_style);
        self.part(1, 1, self.width().saturating_sub(2), self.height().saturating_sub(2))
    }
}

/// Breaks a text between words into lines of at most so many characters.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_string());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use ratatui::style::Modifier;

    use super::*;

    #[test]
    fn a_title_over_a_dim_rule_is_not_dim() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        let (dim, bold) = (Style::new().add_modifier(Modifier::DIM), Style::new().add_modifier(Modifier::BOLD));
        Canvas::new(&mut buffer, Rect::new(0, 0, 10, 1)).rule(0, "title", bold, dim);
        assert_eq!(buffer[(0, 0)].modifier, Modifier::DIM);
        assert_eq!((buffer[(2, 0)].symbol(), buffer[(2, 0)].modifier), ("t", Modifier::BOLD));
    }
}
