//! Curves over two axes, with spans of time marked behind them.

use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::prelude::DrawingBackend;
use plotters::series::DashedLineSeries;
use plotters::style::{Color as _, RGBColor, ShapeStyle};

use super::axis::Axis;
use super::page::{ATTACK, Area, Fault, GRID, INK, SMALL, colour, style};

/// One curve.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Line {
    /// The place of its colour.
    pub(super) colour: usize,
    pub(super) is_dashed: bool,
    pub(super) has_markers: bool,
    /// A value that is no number interrupts it.
    pub(super) points: Vec<(f64, f64)>,
}

/// A span that something happened in.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Mark {
    pub(super) from: f64,
    /// Until the end, if it is not said.
    pub(super) until: Option<f64>,
    pub(super) label: String,
}

/// A panel of curves.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Lines {
    /// What the vertical axis counts.
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    pub(super) marks: Vec<Mark>,
}

impl Lines {
    /// How high a panel is.
    pub(super) const HEIGHT: u32 = 300;

    /// Draws it.
    pub(super) fn draw<B: DrawingBackend>(&self, area: &Area<B>, scale: u32) -> Result<(), Fault<B>> {
        let k = |pixels: u32| pixels * scale;
        area.draw(&Text::new(self.title.clone(), (k(14) as i32, k(4) as i32), style(SMALL, INK, scale)))?;
        let mut chart = ChartBuilder::on(area)
            .margin_top(k(26))
            .margin_right(k(28))
            .x_label_area_size(k(44))
            .y_label_area_size(k(64))
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        let line = |colour: RGBColor| ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: scale };
        chart
            .configure_mesh()
            .bold_line_style(line(GRID))
            .light_line_style(GRID.mix(0.0))
            .axis_style(line(INK))
            .set_all_tick_mark_size(k(4))
            .x_desc(self.x.title.clone())
            .label_style(style(SMALL, INK, scale))
            .axis_desc_style(style(SMALL, INK, scale))
            .draw()?;
        for (place, mark) in self.marks.iter().enumerate() {
            let (from, until) = (self.x.place(mark.from), self.x.place(mark.until.unwrap_or(f64::MAX)));
            let band = [(from, self.y.low), (until, self.y.high)];
            chart.draw_series([Rectangle::new(band, ATTACK.mix(0.10).filled())])?;
            let edge = |x: f64| PathElement::new([(x, self.y.low), (x, self.y.high)], line(ATTACK));
            chart.draw_series([edge(from)].into_iter().chain(mark.until.map(|_| edge(until))))?;
            let (left, _) = chart.backend_coord(&(from, self.y.high));
            let (corner, _) = area.get_pixel_range();
            let top = (k(28) + place as u32 * k(16)) as i32;
            let at = (left - corner.start + k(5) as i32, top);
            area.draw(&Text::new(mark.label.clone(), at, style(SMALL, ATTACK, scale)))?;
        }
        for curve in &self.lines {
            let stroke = ShapeStyle { color: colour(curve.colour).to_rgba(), filled: false, stroke_width: k(2) };
            for piece in curve.points.split(|(_, y)| !y.is_finite()) {
                let points: Vec<(f64, f64)> = piece.iter().map(|(x, y)| (self.x.place(*x), self.y.place(*y))).collect();
                if curve.is_dashed {
                    chart.draw_series(DashedLineSeries::new(points.clone(), k(6), k(4), stroke))?;
                } else {
                    chart.draw_series([PathElement::new(points.clone(), stroke)])?;
                }
                // A point that stands alone makes no line.
                if curve.has_markers || points.len() == 1 {
                    let radius = if curve.has_markers { k(4) } else { k(2) };
                    let marker = |point| Circle::new(point, radius, colour(curve.colour).filled());
                    chart.draw_series(points.into_iter().map(marker))?;
                }
            }
        }
        Ok(())
    }
}
