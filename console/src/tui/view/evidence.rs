//! Evidence: what replicas hold against each other, the most certain first.

use byztop_core::evidence::INNOCENT_EXPLANATIONS;
use byztop_core::scenario::Certainty;

use super::super::model::Model;
use super::super::panes::Pane;
use super::super::text::{clean, grouped};
use super::super::ui::Ui;
use super::canvas::{Canvas, wrap};
use super::log::time_of_day;
use super::page::Page;
use crate::books::ranges;

/// Columns of the time, and of what stands before the rule.
const TIME: usize = 14;
const RULE: usize = TIME + 17;

pub(super) fn draw(model: &Model, ui: &Ui, canvas: Canvas) -> usize {
    page(model, ui, canvas.width()).draw(ui.scroll(Pane::Evidence), &ui.theme, canvas)
}

fn page(model: &Model, ui: &Ui, width: usize) -> Page {
    let theme = &ui.theme;
    let mut page = Page::default();
    let all = model.evidence.told();
    for (certainty, style, title, meaning) in [
        (Certainty::Proof, theme.bad, "proofs", "two signed statements that exclude each other convince anybody"),
        (Certainty::Attested, theme.warn, "attested", "so many saw it that one of them is honest"),
        (
            Certainty::Suspected,
            theme.dim,
            "suspected",
            "fewer saw it: the cause may be a bad link, or who tells it may lie",
        ),
    ] {
        page.heading(title, meaning, theme);
        let mut is_empty = true;
        for one in all.iter().filter(|one| one.certainty == certainty) {
            is_empty = false;
            let often =
                if one.count > one.by.len() as u64 { format!(", {} times", grouped(one.count)) } else { String::new() };
            let text = format!("{}; held by {}{often}", clean(&one.rule), ranges(one.by));
            for (line, part) in wrap(&text, width.saturating_sub(RULE + 1)).into_iter().enumerate() {
                if line > 0 {
                    page.continued(vec![(" ".repeat(RULE - 1), theme.text), (part, theme.text)]);
                    continue;
                }
                page.pieces(vec![
                    (format!("{:<TIME$}", time_of_day(one.first, &ui.zone)), theme.dim),
                    (format!("{:<10}", certainty.label()), style),
                    (format!("{:<6}", one.accused.to_string()), theme.accent),
                    (part, theme.text),
                ]);
            }
        }
        if is_empty {
            page.columns("none", theme.faint);
        } else if certainty == Certainty::Proof {
            let causes = format!("if nobody made it lie: {}", INNOCENT_EXPLANATIONS.join(", "));
            wrap(&causes, width).into_iter().for_each(|line| page.columns(line, theme.dim));
        }
    }
    page.filter(&ui.filter);
    page
}
