//! Attacks: who does what now, and what came of everything that was done.

use byztop_core::attack::{Directive, Trigger, parse};
use byztop_core::types::{Micros, Time};
use ratatui::style::Style;

use super::super::model::{Model, Replica};
use super::super::panes::Pane;
use super::super::text::{age, clean, cut, span};
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::{Canvas, wrap};
use super::log::time_of_day;
use super::page::Page;
use crate::books::Deed;

/// The attacks with a column and a key of their own: their names in the language, and the keys.
const COLUMNS: [(&str, &str); 5] = [("crash", "c"), ("time", "d"), ("dark", "k"), ("equivocation", "e"), ("sign", "s")];

/// Columns of a replica's name and its process.
const NAME: usize = 14;

/// Columns before what is told of a step of an attack.
const STEP: usize = 27;

/// How wide an attack's column is at most.
const WIDEST: usize = 24;

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    // Few replicas are all shown; of many, as many as leave room for what came of attacks.
    let rows = model.replicas.len().min((height / 2).saturating_sub(2).max(1));
    matrix(model, ui, rows, canvas.part(0, 0, width, rows + 2));
    let below = canvas.part(0, rows + 3, width, height.saturating_sub(rows + 3));
    consequences(model, ui, width).draw(ui.scroll(Pane::Attacks), &ui.theme, below)
}

/// A row for each replica, a column for each attack that has a key; the last one has all others.
fn matrix(model: &Model, ui: &Ui, rows: usize, mut canvas: Canvas) {
    let theme = &ui.theme;
    budget(model, theme, &mut canvas);
    let column = (canvas.width().saturating_sub(NAME) / (COLUMNS.len() + 1)).clamp(6, WIDEST);
    let at = |place: usize| NAME + place * column;
    for (place, (name, key)) in COLUMNS.iter().enumerate() {
        let after = canvas.put(at(place), 1, key, theme.key);
        canvas.put(after + 1, 1, &cut(name, column.saturating_sub(3)), theme.dim);
    }
    canvas.put(at(COLUMNS.len()), 1, "others", theme.dim);
    let first = (ui.selected + 1).saturating_sub(rows).min(model.replicas.len().saturating_sub(rows));
    let leader = model.reign().map(|reign| reign.leader);
    for (row, replica) in model.replicas.iter().enumerate().skip(first).take(rows) {
        let y = 2 + row - first;
        let mark = if row == ui.selected { '▸' } else { ' ' };
        canvas.put_char(0, y, mark, theme.accent);
        let is_leader = leader == Some(replica.id);
        let star = if is_leader { '★' } else { ' ' };
        canvas.put_char(1, y, star, theme.leader);
        let style = match replica.is_faulty() {
            true => theme.attack,
            false if is_leader => theme.leader,
            false => theme.text,
        };
        canvas.put(3, y, &replica.id.to_string(), style);
        if let Some((word, style)) = standing(replica, theme) {
            canvas.put(8, y, word, style);
        }
        let (own, others) = cells(model, replica);
        for (place, cell) in own.iter().enumerate() {
            match cell {
                Some(text) => canvas.put(at(place), y, &cut(text, column.saturating_sub(1)), theme.attack),
                None => canvas.put(at(place), y, "·", theme.faint),
            };
        }
        let room = canvas.width().saturating_sub(at(COLUMNS.len()));
        canvas.put(at(COLUMNS.len()), y, &cut(&others, room), theme.attack);
        if row == ui.selected {
            canvas.tint_row(y, theme.selected);
        }
    }
}

/// How many replicas are faulty, and how many the protocol bears.
fn budget(model: &Model, theme: &Theme, canvas: &mut Canvas) {
    let (faults, bears) = (model.faulty().len(), model.committee.faulty());
    let style = match faults {
        0 => theme.good,
        some if some <= bears => theme.warn,
        _ => theme.bad,
    };
    let mut x = canvas.put(1, 0, "attacks", theme.title) + 2;
    x = canvas.put(x, 0, "fault budget ", theme.dim);
    for place in 0..faults.max(bears) {
        let (c, style) = if place < faults { ('■', style) } else { ('□', theme.faint) };
        canvas.put_char(x, 0, c, style);
        x += 1;
        if place + 1 == bears && faults > bears {
            x = canvas.put(x, 0, "┃", theme.text);
        }
    }
    let told = match faults {
        more if more > bears => format!(" {faults} of {bears}: beyond what the protocol bears, nothing is promised"),
        _ => format!(" {faults} of {bears}"),
    };
    canvas.put(x, 0, &told, style);
}

/// What is to be known of it beside its attacks.
fn standing(replica: &Replica, theme: &Theme) -> Option<(&'static str, Style)> {
    if replica.is_dead() {
        Some(("dead", theme.bad))
    } else if !replica.is_up() {
        Some(("?", theme.unknown))
    } else if replica.is_out() {
        Some(("out", theme.warn))
    } else {
        None
    }
}

/// What it does, by column; and the rest in the attack language.
fn cells(model: &Model, replica: &Replica) -> ([Option<String>; COLUMNS.len()], String) {
    let active = parse(replica.attack().unwrap_or_default()).unwrap_or_default();
    let of = |name: &str| active.iter().find(|directive| directive.attack.name() == name);
    let own = COLUMNS.map(|(name, _)| of(name).map(|directive| clean(&cell(model, replica, directive))));
    let is_other = |directive: &&Directive| COLUMNS.iter().all(|(name, _)| *name != directive.attack.name());
    let others: Vec<Directive> = active.iter().filter(is_other).cloned().collect();
    (own, clean(&Directive::join(&others)))
}

/// What an attack takes and when it holds; of one for a while how long that still is.
fn cell(model: &Model, replica: &Replica, directive: &Directive) -> String {
    let attack = directive.attack.to_string();
    let parameters = attack.trim_start_matches(directive.attack.name()).trim_matches(['(', ')']);
    let when = match directive.trigger {
        Trigger::Always => String::new(),
        Trigger::During { from, until } => {
            let text = directive.to_string();
            let set = model.deeds.newest().find(|deed| deed.attacker == replica.id && deed.attack == text);
            match set.map(|deed| model.now.since(model.correct(deed.attacker, deed.at))) {
                None => directive.trigger.to_string(),
                Some(since) if since < from => format!("in {}", age(Micros(from.0 - since.0))),
                Some(since) if since < until => format!("for {}", age(Micros(until.0 - since.0))),
                Some(_) => "over".to_string(),
            }
        }
        other => other.to_string(),
    };
    match (parameters, when.as_str()) {
        ("", "") => "on".to_string(),
        ("", when) => when.to_string(),
        (parameters, "") => parameters.to_string(),
        (parameters, when) => format!("{parameters} {when}"),
    }
}

/// Each attack with what came of it, the newest first.
fn consequences(model: &Model, ui: &Ui, width: usize) -> Page {
    let theme = &ui.theme;
    let mut page = Page::default();
    page.heading("what came of them", "newest first, times since each was set", theme);
    let mut is_empty = true;
    for deed in model.deeds.newest() {
        is_empty = false;
        card(deed, ui, width, &mut page);
    }
    if is_empty {
        page.line(
            "nobody has attacked while this console looked: choose a replica, press a key of the columns",
            theme.dim,
        );
    }
    page
}

fn card(deed: &Deed, ui: &Ui, width: usize, page: &mut Page) {
    let theme = &ui.theme;
    let ended = match deed.ended {
        Some(at) => format!("  ended after {}", span(at.since(deed.at))),
        None => "  still on".to_string(),
    };
    page.pieces(vec![
        (format!("{}  ", time_of_day(deed.at, &ui.zone)), theme.dim),
        (format!("{} {}", deed.attacker, clean(&deed.attack)), theme.attack),
        (ended, theme.dim),
    ]);
    let mut step = |what: &str, told: Option<(Time, String)>, style: Style| {
        let Some((at, text)) = told else {
            return page.pieces(vec![(format!("  {what:<15}"), theme.dim), (format!("{:>8}", "·"), theme.faint)]);
        };
        for (place, text) in wrap(&clean(&text), width.saturating_sub(STEP + 2)).into_iter().enumerate() {
            match place {
                0 => page.pieces(vec![
                    (format!("  {what:<15}"), theme.dim),
                    (format!("{:>8}  ", after(deed.at, at)), theme.text),
                    (text, style),
                ]),
                _ => page.continued(vec![(" ".repeat(STEP), style), (text, style)]),
            }
        }
    };
    step("first message", deed.message.clone(), theme.attack);
    step("first sign", deed.affected.clone(), theme.text);
    step("detected", deed.detected.clone(), theme.warn);
    let deposed = deed.deposed.map(|(at, view, primary)| (at, format!("view {view} begins, primary {primary}")));
    step("view change", deposed, theme.leader);
    let recovered = deed.recovered.map(|(at, seq)| (at, format!("slot {seq} is executed")));
    step("recovered", recovered, theme.good);
}

fn after(began: Time, at: Time) -> String {
    match at.since(began) {
        Micros(0) => "0 ms".to_string(),
        later => format!("+{}", span(later)),
    }
}
