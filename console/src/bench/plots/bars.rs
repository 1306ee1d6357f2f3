//! Horizontal bars of several parts.

use plotters::element::{Rectangle, Text};
use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::page::{Area, Fault, INK, SMALL, colour, style};

/// One bar.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Bar {
    pub(super) label: String,
    /// Its parts, each in the colour of its place.
    pub(super) parts: Vec<f64>,
}

/// A panel of bars.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Bars {
    /// What is counted.
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

impl Bars {
    const ROW: u32 = 44;
    const TOP: u32 = 30;
    /// What is kept free for the sum at a bar's end.
    const RIGHT: u32 = 110;
    const LEFT: u32 = 14;

    /// How high the panel is.
    pub(super) fn height(&self) -> u32 {
        Self::TOP + self.bars.len() as u32 * Self::ROW + 10
    }

    /// Draws it.
    pub(super) fn draw<B: DrawingBackend>(&self, area: &Area<B>, scale: u32) -> Result<(), Fault<B>> {
        let k = |pixels: u32| (pixels * scale) as i32;
        let text = style(SMALL, INK, scale);
        area.draw(&Text::new(self.title.clone(), (k(Self::LEFT), k(4)), text.clone()))?;
        let longest = self.bars.iter().map(|bar| bar.parts.iter().sum::<f64>()).fold(1e-9, f64::max);
        let (width, _) = area.dim_in_pixel();
        let room = f64::from(width as i32 - k(Self::LEFT + Self::RIGHT));
        for (row, bar) in self.bars.iter().enumerate() {
            let top = k(Self::TOP + row as u32 * Self::ROW);
            area.draw(&Text::new(bar.label.clone(), (k(Self::LEFT), top), text.clone()))?;
            let (upper, lower) = (top + k(17), top + k(33));
            let mut left = k(Self::LEFT);
            for (place, part) in bar.parts.iter().enumerate() {
                let right = left + (part / longest * room) as i32;
                area.draw(&Rectangle::new([(left, upper), (right, lower)], colour(place).filled()))?;
                left = right;
            }
            let sum = |part: &f64| if *part < 10.0 { format!("{part:.1}") } else { format!("{part:.0}") };
            let words = bar.parts.iter().map(sum).collect::<Vec<_>>().join(" + ");
            let beside = text.clone().pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(words, (left + k(8), (upper + lower) / 2), beside))?;
        }
        Ok(())
    }
}
