//! Test cases: the sets of a file, what came of each, and of the selected one everything.

use byztop_core::attack::Directive;
use byztop_core::scenario::{Outcome, Ruling};
use ratatui::style::Style;

use super::super::Told;
use super::super::model::{Case, CaseProgress, Cases, Model};
use super::super::panes::Pane;
use super::super::text::cut;
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::{Canvas, wrap};
use super::log;
use super::page::Page;
use crate::books::ranges;

/// From this width on, list and set stand side by side.
const WIDE: usize = 110;

/// The least height of the events below.
const EVENTS: usize = 6;

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) -> usize {
    let Some(cases) = &model.cases else { return 0 };
    let (width, height) = (canvas.width(), canvas.height());
    let events = if height >= 3 * EVENTS { (height / 3).max(EVENTS) } else { 0 };
    let top = height - events;
    let furthest = if width >= WIDE {
        let half = width * 2 / 5;
        list(cases, ui, canvas.part(0, 0, half, top));
        detail(cases, ui, canvas.part(half, 0, width - half, top))
    } else {
        let rows = (cases.sets.len() + 1).min(top / 2);
        list(cases, ui, canvas.part(0, 0, width, rows));
        detail(cases, ui, canvas.part(0, rows, width, top - rows))
    };
    if events > 0 {
        log::draw(model, ui, false, canvas.part(0, top, width, events));
    }
    furthest
}

fn list(cases: &Cases, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let count = |ruling| cases.count(ruling);
    let name = cases.file.rsplit('/').next().unwrap_or_default();
    let mut x = canvas.put(1, 0, &cut(name, width / 2), theme.title) + 2;
    for (number, word, style) in [
        (cases.sets.len(), "sets", theme.dim),
        (count(Ruling::Pass), "passed", theme.good),
        (count(Ruling::Fail), "failed", theme.bad),
        (count(Ruling::BeyondBudget), "beyond", theme.warn),
    ] {
        if number > 0 {
            x = canvas.put(x, 0, &format!("{number} {word}"), style) + 2;
        }
    }
    let rows = height.saturating_sub(1);
    let selected = ui.case.min(cases.sets.len().saturating_sub(1));
    let first = (selected + 1).saturating_sub(rows).min(cases.sets.len().saturating_sub(rows));
    for (place, case) in cases.sets.iter().enumerate().skip(first).take(rows) {
        let y = 1 + place - first;
        let (glyph, word, style) = progress(case, theme);
        canvas.put_char(1, y, glyph, style);
        canvas.put_right(7, y, &case.set.number.to_string(), theme.text);
        let after = canvas.put(9, y, &format!("{word:<8}"), style);
        let about = if case.set.note.is_empty() { attack_of(case) } else { case.set.note.clone() };
        canvas.put(after, y, &cut(&about, width.saturating_sub(after + 1)), theme.text);
        if place == selected {
            canvas.tint_row(y, theme.selected);
        }
    }
}

fn attack_of(case: &Case) -> String {
    if case.set.attack.is_empty() { "nobody attacks".to_string() } else { Directive::join(&case.set.attack) }
}

fn progress(case: &Case, theme: &Theme) -> (char, String, Style) {
    let (submitted, of) = (case.answers.len(), case.set.transactions.len());
    match &case.progress {
        CaseProgress::Waiting => ('·', String::new(), theme.faint),
        CaseProgress::Running => ('▶', format!("{submitted}/{of}"), theme.accent),
        CaseProgress::Judged(_, verdict) => match verdict.ruling {
            Ruling::Pass => ('✓', "pass".to_string(), theme.good),
            Ruling::Fail => ('✗', "FAIL".to_string(), theme.bad),
            Ruling::BeyondBudget => ('!', "beyond".to_string(), theme.warn),
        },
        CaseProgress::Broken(_) => ('✗', "broken".to_string(), theme.bad),
    }
}

fn detail(cases: &Cases, ui: &Ui, canvas: Canvas) -> usize {
    let theme = &ui.theme;
    let Some(case) = cases.sets.get(ui.case.min(cases.sets.len().saturating_sub(1))) else { return 0 };
    let room = canvas.width().saturating_sub(14);
    let set = &case.set;
    let mut page = Page::default();
    let told = |page: &mut Page, label: &str, text: &str, style: Style| {
        for (line, part) in wrap(text, room).into_iter().enumerate() {
            let label = if line == 0 { label } else { "" };
            page.pieces(vec![(format!("{label:<11}"), theme.dim), (part, style)]);
        }
    };
    let is_current = cases.sets.get(cases.current.unwrap_or(usize::MAX)).is_some_and(|on| on.set.number == set.number);
    let on_screen = if is_current { "its cluster is on the other panes" } else { "Enter runs it" };
    page.heading(&format!("set {}", set.number), on_screen, theme);
    if !set.note.is_empty() {
        told(&mut page, "shows", &set.note, theme.text);
    }
    told(&mut page, "live", &ranges(set.live), theme.text);
    let attacked = if set.byzantine.is_empty() { theme.text } else { theme.attack };
    told(&mut page, "byzantine", &ranges(set.byzantine), attacked);
    told(&mut page, "attack", &attack_of(case), attacked);
    told(&mut page, "expected", &case.expectation.to_string(), theme.text);
    match &case.progress {
        CaseProgress::Waiting => told(&mut page, "verdict", "not run yet", theme.dim),
        CaseProgress::Running => told(&mut page, "verdict", "running", theme.accent),
        CaseProgress::Broken(why) => told(&mut page, "verdict", &format!("not run to its end: {why}"), theme.bad),
        CaseProgress::Judged(found, verdict) => {
            let (_, _, style) = progress(case, theme);
            told(&mut page, "verdict", verdict.ruling.label(), style);
            for (label, lines, style) in [
                ("violation", &verdict.violations, theme.bad),
                ("missed", &verdict.missed, theme.bad),
                ("broke", &verdict.broke, theme.warn),
                ("note", &verdict.notes, theme.dim),
            ] {
                lines.iter().for_each(|line| told(&mut page, label, line, style));
            }
            for one in &found.evidence {
                let text = format!("{} against {}: {}", one.certainty, one.accused, one.rule);
                told(&mut page, "evidence", &text, theme.warn);
            }
        }
    }
    page.heading("transactions", "", theme);
    for (place, transaction) in set.transactions.iter().enumerate() {
        // Clients that go at once are answered in any order.
        let answer = match &case.progress {
            CaseProgress::Judged(found, _) => found.transactions.get(place),
            _ => {
                case.answers.iter().filter(|(answered, _)| answered == transaction).nth(nth(set, place)).map(|(_, a)| a)
            }
        };
        let (text, style) = match answer {
            None if place < case.submitted => ("on its way".to_string(), theme.accent),
            None => ("·".to_string(), theme.faint),
            Some(answer) => (
                Told(answer).to_string(),
                match answer.outcome {
                    Outcome::Committed(_) => theme.good,
                    Outcome::Failed(_) => theme.warn,
                    Outcome::Timeout => theme.bad,
                },
            ),
        };
        page.pieces(vec![
            (format!("{:>3} ", place + 1), theme.dim),
            (format!("{:<22} ", transaction.to_string()), theme.text),
            (text, style),
        ]);
    }
    page.draw(ui.scroll(Pane::Cases), theme, canvas)
}

/// How many equal transactions stand before the one at a place.
fn nth(set: &byztop_core::scenario::Set, place: usize) -> usize {
    set.transactions[..place].iter().filter(|earlier| **earlier == set.transactions[place]).count()
}
