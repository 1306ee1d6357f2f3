//! What is around every drawing: its title, its legend, and under what conditions it was measured.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Rectangle, Text};
use plotters::prelude::DrawingBackend;
use plotters::style::{Color as _, IntoFont as _, RGBColor, TextStyle};
use serde_json::Value;

use super::bars::Bars;
use super::lines::Lines;
use crate::bench::document::{at, number};

/// What is written and what axes are drawn in.
pub(in crate::bench) const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);
/// Lines behind the curves.
pub(in crate::bench) const GRID: RGBColor = RGBColor(0xdd, 0xe1, 0xe6);
/// What is drawn on.
pub(in crate::bench) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// Spans of attack.
pub(super) const ATTACK: RGBColor = RGBColor(0xb4, 0x23, 0x18);

/// Colours that are told apart in print and by most eyes (Okabe and Ito), on light and on dark.
const COLOURS: [RGBColor; super::MOST] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x8c, 0x6d, 0x31),
    RGBColor(0x7f, 0x7f, 0x7f),
];

/// Sizes of letters, in pixels.
pub(super) const SMALL: u32 = 14;
const LARGE: u32 = 20;
const FINE: u32 = 12;

const WIDTH: u32 = 760;
const MARGIN: u32 = 14;
const LEGEND_ROW: u32 = 20;
const FINE_ROW: u32 = 16;
/// How many letters of the conditions fit beside each other, in wide letters too: an SVG is shown in those of its reader.
const FINE_LETTERS: usize = 104;

/// What was chosen and tells configurations apart: where it is in a run's document, and how it is written.
pub(super) const SET: [(&str, &str); 8] = [
    ("protocol", "{}"),
    ("replicas", "n={}"),
    ("f", "f={}"),
    ("bundle", "bundle {}"),
    ("durability", "durability {}"),
    ("rate_ops_s", "{} op/s offered"),
    ("clients", "{} clients"),
    ("accounts", "{} accounts"),
];

/// What followed from that.
const FOUND: [(&str, &str); 2] = [("op_bytes", "{} B per operation"), ("mean_batch_ops", "mean batch {} operations")];

/// An area of a drawing, in pixels.
pub(super) type Area<B> = DrawingArea<B, Shift>;

/// What a backend can fail with.
pub(super) type Fault<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// What is drawn on, and how many times larger than life.
pub(super) struct Canvas<B: DrawingBackend> {
    pub(super) root: Area<B>,
    pub(super) scale: u32,
}

/// A panel.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Drawing {
    Lines(Lines),
    Bars(Bars),
}

/// A whole figure.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Page {
    title: String,
    pub(super) caption: String,
    /// Words, and the place of the colour that they explain.
    legend: Vec<(String, usize)>,
    panels: Vec<Drawing>,
    conditions: Vec<String>,
}

impl Page {
    /// A figure without its conditions.
    pub(super) fn new(title: &str, caption: &str, legend: Vec<(String, usize)>, panels: Vec<Drawing>) -> Page {
        Page { title: title.to_string(), caption: caption.to_string(), legend, panels, conditions: Vec::new() }
    }

    /// With them.
    pub(super) fn under(self, conditions: &str) -> Page {
        Page { conditions: wrapped(conditions, FINE_LETTERS), ..self }
    }

    /// How large it is, so many times larger than life.
    pub(super) fn size(&self, scale: u32) -> (u32, u32) {
        let panels: u32 = self.panels.iter().map(height).sum();
        (WIDTH * scale, (self.head() + panels + self.conditions.len() as u32 * FINE_ROW + 2 * MARGIN) * scale)
    }

    fn head(&self) -> u32 {
        MARGIN + 30 + self.legend.len() as u32 * LEGEND_ROW + 6
    }

    /// Draws everything.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> Result<(), Fault<B>> {
        let Canvas { root, scale } = canvas;
        let k = |pixels: u32| (pixels * scale) as i32;
        root.fill(&PAPER)?;
        root.draw(&Text::new(self.title.clone(), (k(MARGIN), k(MARGIN)), style(LARGE, INK, *scale)))?;
        for (row, (words, place)) in self.legend.iter().enumerate() {
            let top = MARGIN + 32 + row as u32 * LEGEND_ROW;
            let swatch = [(k(MARGIN), k(top + 4)), (k(MARGIN + 22), k(top + 8))];
            root.draw(&Rectangle::new(swatch, colour(*place).filled()))?;
            root.draw(&Text::new(words.clone(), (k(MARGIN + 30), k(top)), style(SMALL, INK, *scale)))?;
        }
        let (_, mut rest) = root.split_vertically(k(self.head()));
        for panel in &self.panels {
            let (area, below) = rest.split_vertically(k(height(panel)));
            match panel {
                Drawing::Lines(lines) => lines.draw(&area, *scale)?,
                Drawing::Bars(bars) => bars.draw(&area, *scale)?,
            }
            rest = below;
        }
        for (row, words) in self.conditions.iter().enumerate() {
            let at = (k(MARGIN), k(MARGIN + row as u32 * FINE_ROW));
            rest.draw(&Text::new(words.clone(), at, style(FINE, INK, *scale)))?;
        }
        Ok(())
    }
}

fn height(panel: &Drawing) -> u32 {
    match panel {
        Drawing::Lines(_) => Lines::HEIGHT,
        Drawing::Bars(bars) => bars.height(),
    }
}

/// Letters of a size and a colour.
pub(super) fn style(size: u32, colour: RGBColor, scale: u32) -> TextStyle<'static> {
    ("sans-serif", size * scale).into_font().color(&colour)
}

/// The colour of a place; past the last one they begin again.
pub(super) fn colour(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

/// One value of a run in words; `None` if it has none.
pub(super) fn words(run: &Value, path: &str) -> Option<String> {
    let (_, form) = SET.iter().chain(&FOUND).find(|(key, _)| *key == path)?;
    let value = match at(run, path) {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        Value::Number(number) => {
            let number = number.as_f64()?;
            if number >= 100.0 { format!("{number:.0}") } else { format!("{number:.1}") }
        }
        _ => return None,
    };
    Some(form.replace("{}", value.trim_end_matches(".0")))
}

/// Under what conditions it was measured: what all runs share, what differs as a range, and the machine.
pub(super) fn conditions(runs: &[&Value], machine: &Value) -> String {
    let of = |(path, form): &(&str, &str)| {
        let numbers: Vec<f64> = runs.iter().filter_map(|run| number(run, path)).collect();
        let low = numbers.iter().copied().reduce(f64::min);
        let high = numbers.iter().copied().reduce(f64::max);
        match (low, high) {
            (Some(low), Some(high)) if low < high => {
                let short = |value: f64| if value >= 20.0 { format!("{value:.0}") } else { format!("{value:.1}") };
                let range = format!("{} to {}", short(low).trim_end_matches(".0"), short(high).trim_end_matches(".0"));
                Some(form.replace("{}", &range))
            }
            _ => {
                let mut told: Vec<String> = runs.iter().filter_map(|run| words(run, path)).collect();
                told.dedup();
                (!told.is_empty()).then(|| told.join(" and "))
            }
        }
    };
    let load: Vec<String> = SET.iter().chain(&FOUND).filter_map(of).collect();
    let word = |name: &str| machine[name].as_str().unwrap_or("unknown").to_string();
    let cores = format!("{} cores", machine["cores"]);
    let build = format!("byztop {} ({}), commit {}", word("byztop"), word("build"), word("commit"));
    let here = [word("authentication"), word("transport"), word("placement"), word("cpu"), cores, build];
    [load, here.to_vec()].concat().join("; ")
}

/// Cut at spaces into lines of so many letters at most; a longer word has a line of its own.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_name_what_is_shared_and_what_differs() {
        let run = |replicas: u64, batch: f64| json!({ "protocol": "pbft", "replicas": replicas, "bundle": 8, "mean_batch_ops": batch, "rate_ops_s": null });
        let machine = json!({ "cpu": "Some CPU", "cores": 2, "commit": "abc" });
        let (a, b) = (run(4, 12.0), run(7, 90.4));
        let text = conditions(&[&a, &b], &machine);
        for part in ["pbft; n=4 to 7; bundle 8", "mean batch 12 to 90 operations", "Some CPU; 2 cores", "commit abc"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("offered"), "nothing is said of what there is not");
    }

    #[test]
    fn lines_are_cut_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 4), ["unbreakable"]);
    }
}
