//! A space-time diagram (Lamport, 1978): a line for each replica, time to the right, messages as slanted lines in between.
//!
//! The lines of messages are braille dots, two by four in a cell, and stay clear of the replicas' own lines.

use byztop_core::types::Time;
use ratatui::style::Style;

use super::axis::Axis;
use super::canvas::Canvas;

/// Dots of a cell, by column and row, as they stand in U+2800 to U+28FF.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// How far a line has come that ends on its way, in thousandths.
const MIDWAY: u64 = 450;

/// The place of the diagram, and how many rows one replica is below the other.
pub(super) struct Plane<'a> {
    pub axis: &'a Axis,
    pub rows_apart: usize,
}

/// The messages' lines: dots and style of each cell. What matters more covers what matters less.
pub(super) struct Lines {
    width: usize,
    cells: Vec<(u8, Style, u8)>,
}

/// A message's line: when and at whose row it begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slant {
    pub from: (Time, usize),
    pub to: (Time, usize),
}

impl Lines {
    /// No line yet, on so many cells.
    pub(super) fn new(width: usize, height: usize) -> Lines {
        Lines { width, cells: vec![(0, Style::new(), 0); width * height] }
    }

    /// Draws a line.
    pub(super) fn draw(&mut self, plane: &Plane<'_>, slant: Slant, style: Style, weight: u8) {
        self.draw_until(plane, slant, 1000, style, weight);
    }

    /// Draws a line that does not get there; gives the cell where it ends.
    pub(super) fn draw_broken(&mut self, plane: &Plane<'_>, slant: Slant, style: Style, weight: u8) -> (usize, usize) {
        self.draw_until(plane, slant, MIDWAY, style, weight)
    }

    fn draw_until(
        &mut self,
        plane: &Plane<'_>,
        slant: Slant,
        per_mille: u64,
        style: Style,
        weight: u8,
    ) -> (usize, usize) {
        // In thousandths of a cell; a replica's own line runs through the middle of its row.
        let x = |at: Time| plane.axis.at(at) + 500;
        let y = |row: usize| (row * plane.rows_apart) as u64 * 1000 + 500;
        let ((x0, y0), (x1, y1)) = ((x(slant.from.0), y(slant.from.1)), (x(slant.to.0), y(slant.to.1)));
        let steps = (x0.abs_diff(x1) / 500).max(y0.abs_diff(y1) / 250).max(1);
        let between = |a: u64, b: u64, step: u64| (a * (steps - step) + b * step) / steps;
        let mut end = (x0, y0);
        for step in 0..=steps * per_mille / 1000 {
            end = (between(x0, x1, step), between(y0, y1, step));
            self.dot(end.0 / 500, end.1 / 250, style, weight);
        }
        ((end.0 / 1000) as usize, (end.1 / 1000) as usize)
    }

    /// Sets the dot in this half of a column and this quarter of a row.
    fn dot(&mut self, x: u64, y: u64, style: Style, weight: u8) {
        let (column, row) = ((x / 2) as usize, (y / 4) as usize);
        if column >= self.width {
            return;
        }
        let Some((dots, look, known)) = self.cells.get_mut(row * self.width + column) else { return };
        let dot = DOTS[(x % 2) as usize][(y % 4) as usize];
        match weight.cmp(known) {
            std::cmp::Ordering::Greater => (*dots, *look, *known) = (dot, style, weight),
            std::cmp::Ordering::Equal => (*dots, *look) = (*dots | dot, style),
            std::cmp::Ordering::Less => {}
        }
    }

    /// Puts the lines on the screen, but for the rows of replicas.
    pub(super) fn put(&self, plane: &Plane<'_>, canvas: &mut Canvas) {
        for (place, (dots, style, _)) in self.cells.iter().enumerate().filter(|(_, (dots, ..))| *dots != 0) {
            let (x, y) = (place % self.width, place / self.width);
            if !y.is_multiple_of(plane.rows_apart) {
                let glyph = char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' ');
                canvas.put_char(x, y, glyph, *style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    #[test]
    fn lines_run_between_the_rows_and_the_heavier_one_is_seen() {
        let axis = Axis::of(vec![Time(0), Time(500), Time(1000)], 9).expect("there are moments");
        let plane = Plane { axis: &axis, rows_apart: 3 };
        let mut lines = Lines::new(9, 7);
        let slant =
            |from: (u64, usize), to: (u64, usize)| Slant { from: (Time(from.0), from.1), to: (Time(to.0), to.1) };
        lines.draw(&plane, slant((0, 0), (1000, 2)), Style::new(), 1);
        let end = lines.draw_broken(&plane, slant((0, 2), (1000, 0)), Style::new(), 2);
        assert_eq!(end, (3, 4), "not half way");
        let area = Rect::new(0, 0, 9, 7);
        let mut buffer = Buffer::empty(area);
        lines.put(&plane, &mut Canvas::new(&mut buffer, area));
        let drawn: Vec<String> = (0..7).map(|y| (0..9).map(|x| buffer[(x, y)].symbol()).collect()).collect();
        assert_eq!(drawn, ["         ", " ⠱⡀      ", "  ⠘⢄     ", "         ", "  ⢀⠜ ⠱⡀  ", " ⢠⠊   ⠘⢄ ", "         "]);
    }

    #[test]
    fn what_lies_outside_is_cut() {
        let axis = Axis::of(vec![Time(0), Time(9)], 40).expect("there are moments");
        let plane = Plane { axis: &axis, rows_apart: 2 };
        let mut lines = Lines::new(3, 2);
        lines.draw(&plane, Slant { from: (Time(0), 0), to: (Time(9), 9) }, Style::new(), 1);
        assert!(lines.cells.iter().any(|(dots, ..)| *dots != 0));
    }
}
