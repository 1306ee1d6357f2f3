//! The first line: how it goes, in one look. What matters least goes first when room is short.

use ratatui::style::Style;

use super::super::model::Model;
use super::super::text::{grouped, millis};
use super::super::ui::Ui;
use super::canvas::Canvas;

/// A piece of the line; pieces of weight 9 always stay.
struct Piece {
    weight: u8,
    spans: Vec<(String, Style)>,
}

impl Piece {
    fn width(&self) -> usize {
        self.spans.iter().map(|(text, _)| text.chars().count()).sum()
    }
}

/// From here on a view is told by being far off.
const FAR_VIEW: u64 = 1_000_000;

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let mut pieces = pieces(model, ui);
    let fits = |pieces: &[Piece]| pieces.iter().map(|piece| piece.width() + 2).sum::<usize>() <= canvas.width() + 1;
    while !fits(&pieces) {
        let lightest = (0..pieces.len()).filter(|i| pieces[*i].weight < 9).min_by_key(|i| pieces[*i].weight);
        match lightest {
            Some(lightest) => drop(pieces.remove(lightest)),
            None => break,
        }
    }
    let mut x = 1;
    for piece in pieces {
        for (text, style) in piece.spans {
            x = canvas.put(x, 0, &text, style);
        }
        x += 2;
    }
}

fn pieces(model: &Model, ui: &Ui) -> Vec<Piece> {
    let theme = &ui.theme;
    let mut pieces = Vec::new();
    let mut add = |weight: u8, spans: &[(&str, Style)]| {
        let spans = spans.iter().map(|(text, style)| (text.to_string(), *style)).collect();
        pieces.push(Piece { weight, spans });
    };
    add(3, &[("byztop", theme.accent)]);
    add(6, &[(&model.protocol, theme.text)]);
    let (n, f) = (model.committee.size(), model.committee.faulty());
    add(5, &[(&format!("n={n} f={f}"), theme.dim)]);
    match model.reign() {
        Some(reign) => {
            let (view, leader) = (reign.view.to_string(), format!(" ★{}", reign.leader));
            let leader_style = if model.silence().is_some() { theme.bad } else { theme.leader };
            let mut spans = vec![("view ", theme.dim), (view.as_str(), theme.text), (leader.as_str(), leader_style)];
            let asked = reign.asked.map(|(asked, by)| match asked.0 {
                // Nobody honest gets there; all the digits would leave no room for the rest.
                FAR_VIEW.. => format!(" → far off by {by}"),
                _ => format!(" → {asked} by {by}"),
            });
            if let Some(asked) = &asked {
                spans.push((asked, theme.warn));
            }
            add(9, &spans);
        }
        None => add(9, &[("view ", theme.dim), ("?", theme.unknown)]),
    }
    let slot = model.newest_executed().map(|slot| slot.to_string());
    add(4, &[("slot ", theme.dim), value(slot.as_deref(), theme.text, theme.unknown)]);
    let ops = model.ops_per_second();
    let ops_style = if ops == Some(0) { theme.bad } else { theme.accent };
    let ops = ops.map(grouped);
    add(9, &[value(ops.as_deref(), ops_style, theme.unknown), (" op/s", theme.dim)]);
    let load = model.load.as_ref();
    let summary = load.and_then(|load| load.latency.summary());
    let p50 = summary.map(|summary| millis(summary.p50));
    let p99 = summary.map(|summary| millis(summary.p99));
    if load.is_some() {
        add(5, &[("p50 ", theme.dim), value(p50.as_deref(), theme.text, theme.unknown)]);
        add(7, &[("p99 ", theme.dim), value(p99.as_deref(), theme.text, theme.unknown), (" ms", theme.dim)]);
    }
    let faults = model.faulty().len();
    let faults_style = match faults {
        0 => theme.text,
        some if some <= f => theme.warn,
        _ => theme.bad,
    };
    add(9, &[("faults ", theme.dim), (&format!("{faults}/{f}"), faults_style)]);
    let (live, live_style) = live(model, ui, n);
    add(9, &[(&live, live_style)]);
    let troubles = model.troubles();
    if let Some((first, _)) = troubles.first() {
        // The log says which.
        let style = if first.is_vital() { theme.bad } else { theme.warn };
        add(8, &[(&format!("! {} wrong", troubles.len()), style)]);
    }
    if ui.is_recording {
        add(8, &[("● REC", theme.bad)]);
    }
    add(2, &[(&model.durability, theme.dim)]);
    if let Some(report) = load.and_then(|load| load.report.as_ref()) {
        let rate = report.rate.map_or("max".to_string(), |rate| grouped(rate as u64));
        add(2, &[("offers ", theme.dim), (&rate, theme.text), (&format!(" op/s by {}", report.bundle), theme.dim)]);
        add(1, &[("in flight ", theme.dim), (&grouped(report.in_flight), theme.text)]);
        let failed = report.failed * 1000 / (report.success + report.failed).max(1);
        add(1, &[("declined ", theme.dim), (&format!("{}.{}%", failed / 10, failed % 10), theme.text)]);
        let unsent = report.offered_ops.saturating_sub(report.committed_ops + report.in_flight);
        // A bundle or two wait between two looks at any load; half a second's worth is a backlog.
        let is_backlog = report.rate.is_some_and(|rate| unsent as f64 > rate / 2.0);
        if is_backlog {
            add(1, &[("unsent ", theme.dim), (&grouped(unsent), theme.warn)]);
        }
        if report.busy > 0 {
            add(1, &[("busy ", theme.dim), (&grouped(report.busy), theme.warn)]);
        }
    }
    let dropped = model.dropped();
    if dropped > 0 {
        add(7, &[("dropped ", theme.dim), (&grouped(dropped), theme.warn)]);
    }
    pieces
}

fn live(model: &Model, ui: &Ui, n: usize) -> (String, Style) {
    let live = model.live();
    let theme = &ui.theme;
    if let Some(simulation) = &model.simulation {
        let mark = if simulation.is_paused { '‖' } else { '▶' };
        return (format!("{mark} SIM {live}/{n}"), if live == n { theme.accent } else { theme.warn });
    }
    match ui.frozen.as_ref().map(|frozen| &frozen.bar) {
        Some(bar) if bar.is_recording && bar.pace.is_some() => return (format!("▶ REPLAY {live}/{n}"), theme.accent),
        Some(bar) if bar.is_recording => return (format!("‖ REPLAY {live}/{n}"), theme.warn),
        Some(_) => return (format!("‖ FROZEN {live}/{n}"), theme.warn),
        None => {}
    }
    match live {
        all if all == n => (format!("● LIVE {live}/{n}"), theme.good),
        0 => (format!("○ LIVE 0/{n}"), theme.bad),
        _ => (format!("◐ LIVE {live}/{n}"), theme.warn),
    }
}

fn value(value: Option<&str>, style: Style, unknown: Style) -> (&str, Style) {
    value.map_or(("?", unknown), |value| (value, style))
}
