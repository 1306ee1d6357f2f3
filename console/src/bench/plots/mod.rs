//! The figures as drawings, each as SVG and as PNG.
//!
//! A drawing is a function over any backend, so that both come from the same strokes. `page` has what is around every
//! drawing: title, legend, and beneath it under what conditions it was measured. `axis` and `lines` draw curves, `bars`
//! draws costs; this file says which figures there are and where their values come from.

mod axis;
mod bars;
mod lines;
mod page;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::{BitMapBackend, DrawingBackend, IntoDrawingArea as _, SVGBackend};
use plotters::style::{FontStyle, register_font};
use serde_json::Value;

use self::axis::Axis;
use self::bars::{Bar, Bars};
use self::lines::{Line, Lines, Mark};
use self::page::{Canvas, Drawing, Page};
use super::document::{Document, at, number};

pub(super) use self::page::{GRID, INK, PAPER};
pub(super) use plotters::style::RGBColor as Colour;

/// The most curves or bars in one figure; what does not fit is in the tables.
const MOST: usize = 8;

/// How many times larger than the SVG a PNG is, in each direction.
const PNG_SCALE: u32 = 2;

/// One figure.
pub(super) struct Plot {
    /// Its file's name, without an ending.
    pub(super) name: &'static str,
    /// What it shows, in a sentence.
    pub(super) caption: String,
    /// The whole drawing as text.
    pub(super) svg: String,
    page: Page,
}

impl Plot {
    fn of(name: &'static str, page: Page) -> anyhow::Result<Plot> {
        let mut svg = String::new();
        let root = SVGBackend::with_string(&mut svg, page.size(1)).into_drawing_area();
        draw(&page, Canvas { root, scale: 1 })?;
        Ok(Plot { name, caption: page.caption.clone(), svg, page })
    }

    /// Writes the same drawing as PNG.
    ///
    /// # Errors
    ///
    /// If the file can not be written.
    pub(super) fn write_png(&self, path: &Path) -> anyhow::Result<()> {
        let root = BitMapBackend::new(path, self.page.size(PNG_SCALE)).into_drawing_area();
        draw(&self.page, Canvas { root, scale: PNG_SCALE }).map_err(|error| anyhow!("{}: {error}", path.display()))
    }
}

fn draw<B: DrawingBackend>(page: &Page, canvas: Canvas<B>) -> anyhow::Result<()> {
    page.draw(&canvas).map_err(|error| anyhow!("can not draw: {error}"))?;
    canvas.root.present().map_err(|error| anyhow!("can not write the drawing: {error}"))
}

/// Every figure that the runs give something for.
///
/// # Errors
///
/// If one can not be drawn.
pub(super) fn all(document: &Document) -> anyhow::Result<Vec<Plot>> {
    // The same letters on every machine: no font of the system is looked for.
    register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| anyhow!("the font that comes with byztop can not be read"))?;
    let runs: Vec<&Value> = document.medians().collect();
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let figures = [
        ("load", load(&runs)),
        ("latency", latency(&runs)),
        ("over-time", over_time(&runs)),
        ("cost", cost(&runs)),
        ("parts", parts(&runs)),
        ("growth", growth(&runs)),
    ];
    let conditions = page::conditions(&runs, &document.machine);
    let finished = figures.into_iter().filter_map(|(name, page)| Some((name, page?)));
    finished.map(|(name, page)| Plot::of(name, page.under(&conditions))).collect()
}

/// Latency against throughput: one curve per cluster, one point per load.
fn load(runs: &[&Value]) -> Option<Page> {
    let groups = grouped(runs, &["rate_ops_s", "clients"]);
    let mut lines = Vec::new();
    for (place, (_, members)) in groups.iter().take(MOST).enumerate() {
        for (path, is_dashed) in [("latency_ms.p50", false), ("latency_ms.p99", true)] {
            let mut points: Vec<(f64, f64)> = members
                .iter()
                .filter_map(|run| Some((number(run, "throughput_ops_s")?, number(run, path).filter(|ms| *ms > 0.0)?)))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            lines.push(Line { colour: place, is_dashed, has_markers: true, points });
        }
    }
    let (x, y) = ranges(&lines)?;
    let panel = Lines {
        title: "latency, ms: solid p50, dashed p99".to_string(),
        x: Axis::linear("throughput, operations per second", 0.0, x.1),
        y: Axis::logarithmic("", y.0, y.1),
        lines,
        marks: Vec::new(),
    };
    let caption = "Latency end to end against throughput. Each point is the median run of one load.";
    Some(Page::new("Throughput and latency", caption, legend(&groups), vec![Drawing::Lines(panel)]))
}

/// The distribution of latencies, towards its tail.
fn latency(runs: &[&Value]) -> Option<Page> {
    let groups = grouped(runs, &[]);
    let of = |(place, (_, members)): (usize, &Group<'_>)| {
        let pairs = members.first()?["latency_distribution_ms"].as_array()?;
        let point = |pair: &Value| {
            let (quantile, ms) = (pair[0].as_f64()?, pair[1].as_f64()?);
            (ms > 0.0).then(|| (-(1.0 - quantile).log10(), ms))
        };
        Some(Line {
            colour: place,
            is_dashed: false,
            has_markers: false,
            points: pairs.iter().filter_map(point).collect(),
        })
    };
    let lines: Vec<Line> = groups.iter().take(MOST).enumerate().filter_map(of).collect();
    let (x, y) = ranges(&lines)?;
    let panel = Lines {
        title: "latency, ms".to_string(),
        x: Axis::nines("share of submissions that were answered within", x.1),
        y: Axis::logarithmic("", y.0, y.1),
        lines,
        marks: Vec::new(),
    };
    let caption = "Distribution of the latency end to end; each step to the right is a tenth of the submissions left.";
    Some(Page::new("Distribution of latency", caption, legend(&groups), vec![Drawing::Lines(panel)]))
}

/// Throughput and the tail of latency over time, with the attacks on them.
fn over_time(runs: &[&Value]) -> Option<Page> {
    let groups = grouped(runs, &[]);
    let lines = |path: &str| -> Vec<Line> {
        let of = |(place, (_, members)): (usize, &Group<'_>)| {
            let points = members.first()?["series"].as_array()?;
            // Where nothing was answered there is a gap, not a line across it.
            let point = |step: &Value| Some((number(step, "t_s")?, number(step, path).unwrap_or(f64::NAN)));
            let points = points.iter().filter_map(point).collect();
            Some(Line { colour: place, is_dashed: false, has_markers: false, points })
        };
        groups.iter().take(MOST).enumerate().filter_map(of).collect()
    };
    let (rates, tails) = (lines("throughput_ops_s"), lines("p99_ms"));
    let (x, rate) = ranges(&rates)?;
    let marks = |has_labels: bool| -> Vec<Mark> {
        let attacks = at(runs[0], "attacks").as_array().into_iter().flatten();
        let mark = |attack: &Value| {
            let (who, what) = (attack["attacker"].as_str()?, attack["attack"].as_str()?);
            let label = if has_labels { format!("{who} {what}") } else { String::new() };
            Some(Mark { from: number(attack, "from_s")?, until: number(attack, "until_s"), label })
        };
        attacks.filter_map(mark).collect()
    };
    let seconds = || Axis::linear("seconds", 0.0, x.1);
    let mut drawings = vec![Drawing::Lines(Lines {
        title: "throughput, operations per second".to_string(),
        x: seconds(),
        y: Axis::linear("", 0.0, rate.1),
        lines: rates,
        marks: marks(true),
    })];
    if let Some((_, tail)) = ranges(&tails) {
        drawings.push(Drawing::Lines(Lines {
            title: "p99 of what was answered, ms".to_string(),
            x: seconds(),
            y: Axis::logarithmic("", tail.0, tail.1),
            lines: tails,
            marks: marks(false),
        }));
    }
    let caption = "Throughput and the 99th percentile of latency over time, in steps of a quarter of a second.";
    Some(Page::new("Over time", caption, legend(&groups), drawings))
}

/// What one operation costs, by who pays.
fn cost(runs: &[&Value]) -> Option<Page> {
    let cpu = bars(runs, &["cpu_replicas_us_per_op", "cpu_client_us_per_op"])?;
    let mut drawings = vec![Drawing::Bars(Bars { title: "processor time, µs per operation".to_string(), bars: cpu })];
    if let Some(bytes) = bars(runs, &["replica_bytes_per_op", "client_bytes_per_op"]) {
        drawings.push(Drawing::Bars(Bars { title: "on the wire, bytes per operation".to_string(), bars: bytes }));
    }
    let payers = ["replicas, and between them", "client, and between it and the replicas"];
    let caption = "What one operation costs: processor time as the operating system counts it, and bytes in frames.";
    Some(Page::new("Cost of an operation", caption, named(&payers), drawings))
}

/// What one operation costs, by what for.
fn parts(runs: &[&Value]) -> Option<Page> {
    let paths = ["crypto", "execution", "transport", "rest"].map(|part| format!("ceiling.parts_us_per_op.{part}"));
    let bars = bars(runs, &paths.each_ref().map(String::as_str))?;
    let drawings = vec![Drawing::Bars(Bars { title: "processor time, µs per operation".to_string(), bars })];
    let purposes = ["signatures", "execution", "links", "the rest"];
    let caption = "Where the processor time of an operation goes. Signatures, execution and links were measured by \
                   themselves, each at its best; the rest is ordering, bookkeeping, storage and telemetry, and what the \
                   others cost more when less comes together.";
    Some(Page::new("Where the time goes", caption, named(&purposes), drawings))
}

/// A bar for each configuration; nothing if there is nothing in any.
fn bars(runs: &[&Value], paths: &[&str]) -> Option<Vec<Bar>> {
    let of = |(label, members): &Group<'_>| {
        let part = |path: &&str| members.first().and_then(|run| number(run, path)).unwrap_or(0.0);
        Bar { label: label.clone(), parts: paths.iter().map(part).collect() }
    };
    let bars: Vec<Bar> = grouped(runs, &[]).iter().take(MOST).map(of).collect();
    bars.iter().any(|bar| bar.parts.iter().sum::<f64>() > 0.0).then_some(bars)
}

/// Names in the order of the colours.
fn named(names: &[&str]) -> Vec<(String, usize)> {
    names.iter().enumerate().map(|(place, name)| (name.to_string(), place)).collect()
}

/// How throughput and the cost of a slot change with the number of replicas.
fn growth(runs: &[&Value]) -> Option<Page> {
    let groups = grouped(runs, &["replicas", "f"]);
    let sizes: std::collections::BTreeSet<u64> = runs.iter().filter_map(|run| run["replicas"].as_u64()).collect();
    if sizes.len() < 2 {
        return None;
    }
    let panel = |path: &str, title: &str| -> Option<Drawing> {
        let line = |(place, (_, members)): (usize, &Group<'_>)| {
            let mut points: Vec<(f64, f64)> =
                members.iter().filter_map(|run| Some((number(run, "replicas")?, number(run, path)?))).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Line { colour: place, is_dashed: false, has_markers: true, points }
        };
        let lines: Vec<Line> = groups.iter().take(MOST).enumerate().map(line).collect();
        let (_, y) = ranges(&lines)?;
        let x = Axis::counts("replicas", &sizes);
        Some(Drawing::Lines(Lines {
            title: title.to_string(),
            x,
            y: Axis::linear("", 0.0, y.1),
            lines,
            marks: Vec::new(),
        }))
    };
    let drawings = [
        panel("throughput_ops_s", "throughput, operations per second"),
        panel("messages_per_slot", "messages between replicas per slot"),
        panel("cpu_us_per_slot", "processor time of all replicas per slot, µs"),
    ];
    let caption = "Throughput, messages per slot and processor time per slot as the cluster grows.";
    Some(Page::new("Growth with n", caption, legend(&groups), drawings.into_iter().flatten().collect()))
}

/// What sets runs apart from the others, in a few words, and the runs that share it.
type Group<'v> = (String, Vec<&'v Value>);

/// Runs that differ in nothing but `within`, in the order in which they come.
fn grouped<'v>(runs: &[&'v Value], within: &[&str]) -> Vec<Group<'v>> {
    let keys: Vec<&str> = page::SET.iter().map(|(path, _)| *path).filter(|path| !within.contains(path)).collect();
    let differs = |path: &str| runs.iter().any(|run| at(run, path) != at(runs[0], path));
    let told: Vec<&str> = keys.iter().copied().filter(|path| differs(path)).collect();
    let mut order: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Group<'v>> = Vec::new();
    for run in runs {
        let words: Vec<String> = told.iter().filter_map(|path| page::words(run, path)).collect();
        let label = if words.is_empty() { page::words(run, "protocol").unwrap_or_default() } else { words.join(", ") };
        let place = *order.entry(label.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(run),
            None => groups.push((label, vec![run])),
        }
    }
    groups
}

/// One entry per curve, and what was left out.
fn legend(groups: &[Group<'_>]) -> Vec<(String, usize)> {
    groups.iter().take(MOST).enumerate().map(|(place, (label, _))| (label.clone(), place)).collect()
}

/// The least and the largest value in each direction; `None` if there are no points.
fn ranges(lines: &[Line]) -> Option<((f64, f64), (f64, f64))> {
    let of = |pick: fn(&(f64, f64)) -> f64| {
        let values = || lines.iter().flat_map(|line| &line.points).map(pick).filter(|value| value.is_finite());
        Some((values().reduce(f64::min)?, values().reduce(f64::max)?))
    };
    Some((of(|point| point.0)?, of(|point| point.1)?))
}
