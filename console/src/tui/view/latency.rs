//! Latencies of the last seconds, per phase and for the client, on one logarithmic axis; as a pane of their own with a
//! baseline and a map of the last minutes.

use byztop_core::types::Micros;
use ratatui::style::Style;

use super::super::model::{HEAT_HIGH, HEAT_LOW, HEAT_S, Model, Recent, Summary};
use super::super::panes::Zoom;
use super::super::text::{BARS, cut, millis, short_count};
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::Canvas;

const LABEL: usize = 13;

/// A column of numbers.
const NUMBER: usize = 8;

/// The columns of the table, and from which width of the pane on each is there.
const COLUMNS: [(&str, usize); 5] = [("p50", 0), ("p95", 90), ("p99", 0), ("p99.9", 76), ("n", 84)];

/// The axis shows at least this.
const LOW: Micros = Micros(10);
const HIGH: Micros = Micros(100_000);

struct Row<'a> {
    name: &'a str,
    recent: Option<&'a Recent>,
    style: Style,
}

/// The part of the overview.
pub(super) fn draw(model: &Model, ui: &Ui, is_boxed: bool, canvas: Canvas) {
    draw_rows(model, ui, &rows(model, &ui.theme), is_boxed, canvas);
}

/// The pane: everything beside its baseline, and one row of it over time.
pub(super) fn pane(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let (width, height) = (canvas.width(), canvas.height());
    let now = rows(model, &ui.theme);
    let compared = compared(model, ui);
    // The map has what the histograms leave: at most three lines each.
    let lines = ((height * 3 / 5).saturating_sub(1) / compared.len().max(1)).clamp(1, 3);
    let top = (compared.len() * lines + 1).min(height);
    draw_rows(model, ui, &compared, true, canvas.part(0, 0, width, top));
    if let Some(row) = now.get(ui.heat_row.min(now.len().saturating_sub(1))) {
        heat_map(model, ui, row, canvas.part(0, top, width, height - top));
    }
}

/// Each row, and below it what it is compared with, if anything.
fn compared<'a>(model: &'a Model, ui: &'a Ui) -> Vec<Row<'a>> {
    let now = rows(model, &ui.theme);
    let Some(baseline) = &ui.baseline else { return now };
    let phases = now.len() - usize::from(model.simulation.is_none());
    let then = |place: usize| if place < phases { baseline.phases.get(place) } else { baseline.client.as_ref() };
    let pair = |(place, row)| [row, Row { name: "  baseline", recent: then(place), style: ui.theme.dim }];
    now.into_iter().enumerate().flat_map(pair).collect()
}

/// A row's latencies over the last minutes: time goes down, latency to the right, the brighter the more there were.
fn heat_map(model: &Model, ui: &Ui, row: &Row, mut canvas: Canvas) {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let theme = &ui.theme;
    let (width, height) = (canvas.width().saturating_sub(LABEL + 1), canvas.height().saturating_sub(2));
    if height == 0 || width == 0 {
        return;
    }
    let title = format!("{} over time", row.name);
    canvas.rule(0, &title, theme.title, theme.faint);
    axis(HEAT_LOW, HEAT_HIGH, theme, &mut canvas.part(LABEL, 1, width, 1));
    let Some(recent) = row.recent else { return };
    let now = model.now.0 / 1_000_000;
    let per_line = HEAT_S.div_ceil(height as u64).max(1);
    let lines: Vec<(u64, Vec<u64>)> = (0..height as u64)
        .map(|line| (height as u64 - line) * per_line)
        .filter(|ago| *ago < HEAT_S + per_line)
        .map(|ago| (ago, recent.heat((now + 1).saturating_sub(ago), (now + 1 + per_line).saturating_sub(ago), width)))
        .collect();
    let hottest = lines.iter().flat_map(|(_, counts)| counts).copied().max().unwrap_or(0).max(1) as f64;
    for (y, (ago, counts)) in lines.iter().enumerate() {
        if y % 3 == 0 || y + 1 == lines.len() {
            canvas.put(1, 2 + y, &format!("−{} s", ago - 1), theme.dim);
        }
        for (x, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            // Rare ones are what one looks for: shades go by the logarithm.
            let shade = ((*count as f64).ln_1p() / hottest.ln_1p() * 4.0).ceil() as usize;
            canvas.put_char(LABEL + x, 2 + y, SHADES[shade.clamp(1, 4)], row.style);
        }
    }
}

fn draw_rows(model: &Model, ui: &Ui, rows: &[Row], is_boxed: bool, mut canvas: Canvas) {
    let theme = &ui.theme;
    if canvas.height() <= rows.len() {
        return brief(model, ui, canvas);
    }
    let columns: Vec<usize> = (0..COLUMNS.len()).filter(|i| canvas.width() >= COLUMNS[*i].1).collect();
    let table = columns.len() * NUMBER;
    let width = canvas.width().saturating_sub(LABEL + table + 2);
    let (low, high) = bounds(rows);
    if !is_boxed {
        canvas.put(1, 0, "latency", ui.name_style(Zoom::Latency));
    } else {
        canvas.put(1, 0, "last 10 s", theme.dim);
    }
    axis(low, high, theme, &mut canvas.part(LABEL, 0, width, 1));
    for (i, column) in columns.iter().enumerate() {
        canvas.put_right(LABEL + width + (i + 1) * NUMBER, 0, COLUMNS[*column].0, theme.dim);
    }
    canvas.put(LABEL + width + 2, 0, "ms", theme.dim);
    let height = ((canvas.height() - 1) / rows.len()).clamp(1, 8);
    // Tall bars keep off the row above.
    let gap = usize::from(height > 2);
    for (i, row) in rows.iter().enumerate() {
        let (top, base) = (1 + i * height + gap, i * height + height);
        canvas.put(1, base, &cut(row.name, LABEL - 2), theme.text);
        let counts = row.recent.map_or(Vec::new(), |recent| recent.columns(low, high, width));
        histogram(&counts, row.style, theme, &mut canvas.part(LABEL, top, width, height - gap));
        let summary = row.recent.and_then(Recent::summary);
        numbers(summary, &columns, theme, &mut canvas.part(LABEL + width, base, table, 1));
    }
}

fn rows<'a>(model: &'a Model, theme: &Theme) -> Vec<Row<'a>> {
    // Until a replica has named them, there is room for three phases.
    let unnamed = if model.phases.is_empty() { ["?"; 3].as_slice() } else { &[] };
    let names = model.phases.iter().map(String::as_str).chain(unnamed.iter().copied()).chain(["execution"]);
    let phases = names.enumerate().map(|(i, name)| Row { name, recent: model.latencies.get(i), style: theme.bars });
    let client = model.load.as_ref().map(|load| &load.latency);
    // Nobody measures for the clients of a simulation.
    let client = model.simulation.is_none().then_some(Row { name: "client", recent: client, style: theme.client });
    phases.chain(client).collect()
}

/// Whole decades up to the longest of what is shown; what is shorter than the axis is in its first column.
fn bounds(rows: &[Row]) -> (Micros, Micros) {
    let longest = rows.iter().filter_map(|row| row.recent.and_then(Recent::longest)).max().unwrap_or(HIGH).max(HIGH);
    (LOW, Micros(10u64.saturating_pow((longest.0 - 1).ilog10() + 1)))
}

fn axis(low: Micros, high: Micros, theme: &Theme, canvas: &mut Canvas) {
    let (first, last) = (low.0.ilog10(), high.0.ilog10());
    let decades = (last - first).max(1) as usize;
    // Where labels would touch, every second decade has one.
    let step = if canvas.width() / decades >= 7 { 1 } else { 2 };
    for exponent in (first..=last).step_by(step) {
        let text = match exponent {
            0..3 => format!("{}µs", 10u64.pow(exponent)),
            3..6 => format!("{}ms", 10u64.pow(exponent - 3)),
            _ => format!("{}s", 10u64.pow(exponent - 6)),
        };
        let x = (exponent - first) as usize * canvas.width() / decades;
        if exponent == last {
            let end = canvas.width();
            canvas.put_right(end, 0, &text, theme.dim);
        } else {
            canvas.put(x, 0, &text, theme.dim);
        }
    }
}

/// Bars of counts, scaled to their own highest; what is there at all shows.
fn histogram(counts: &[u64], style: Style, theme: &Theme, canvas: &mut Canvas) {
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let height = canvas.height();
    for (x, count) in counts.iter().enumerate() {
        let eighths = (*count as f64 / highest as f64 * (height * 8) as f64).round() as usize;
        let eighths = if *count > 0 { eighths.max(1) } else { 0 };
        for y in 0..height {
            let above = (height - 1 - y) * 8;
            match eighths.saturating_sub(above).min(8) {
                0 if y + 1 == height => canvas.put_char(x, y, '·', theme.faint),
                0 => {}
                part => canvas.put_char(x, y, BARS[part], style),
            }
        }
    }
}

fn numbers(summary: Option<Summary>, columns: &[usize], theme: &Theme, canvas: &mut Canvas) {
    let texts = match summary {
        Some(s) => [millis(s.p50), millis(s.p95), millis(s.p99), millis(s.p999), short_count(s.count)],
        None => ["?"; 5].map(str::to_string),
    };
    let style = |i: usize| match (summary, i) {
        (None, _) => theme.unknown,
        (Some(_), 4) => theme.dim,
        (Some(_), _) => theme.text,
    };
    for (i, column) in columns.iter().enumerate() {
        canvas.put_right((i + 1) * NUMBER, 0, &texts[*column], style(*column));
    }
}

/// Everything in one line: the client's histogram and its percentiles, or the last phase's in a simulation.
fn brief(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let recent = match model.simulation {
        Some(_) => model.latencies.get(model.phases.len().saturating_sub(1)),
        None => model.load.as_ref().map(|load| &load.latency),
    };
    let summary = recent.and_then(Recent::summary);
    canvas.put(1, 0, "latency", ui.name_style(Zoom::Latency));
    let text = |value: Option<Micros>| value.map_or("?".to_string(), millis);
    let numbers = [
        ("p50", summary.map(|s| s.p50)),
        ("p95", summary.map(|s| s.p95)),
        ("p99", summary.map(|s| s.p99)),
        ("p99.9", summary.map(|s| s.p999)),
    ];
    let mut x = 10;
    for (name, value) in numbers {
        x = canvas.put(x, 0, name, theme.dim) + 1;
        x = canvas.put(x, 0, &text(value), if value.is_some() { theme.text } else { theme.unknown }) + 2;
    }
    x = canvas.put(x - 1, 0, "ms", theme.dim) + 2;
    let width = canvas.width().saturating_sub(x + 13);
    if width >= 12 {
        let client = Row { name: "", recent, style: theme.client };
        let (low, high) = bounds(&[client]);
        let counts = recent.map_or(Vec::new(), |recent| recent.columns(low, high, width));
        let x = canvas.put(x, 0, "10µs ", theme.dim);
        histogram(&counts, theme.client, theme, &mut canvas.part(x, 0, width, 1));
        let end = canvas.width();
        let high =
            if high.0 >= 1_000_000 { format!("{}s", high.0 / 1_000_000) } else { format!("{}ms", high.0 / 1000) };
        canvas.put_right(end, 0, &format!("{high} "), theme.dim);
    }
}
