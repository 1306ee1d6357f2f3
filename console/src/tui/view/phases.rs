//! The newest slots on each replica; the height of a cell is its phase, so that no colour is needed.

use std::ops::Range;

use byztop_core::protocol::SlotPhase;
use byztop_core::types::SeqNum;
use ratatui::style::Style;

use super::super::attacks;
use super::super::model::{Model, Replica, SlotsThen};
use super::super::panes::Zoom;
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::Canvas;

/// Columns for the replicas' names and attacks.
const LABEL: usize = 11;

/// Columns for the legend, where there is room for one.
const LEGEND: usize = 17;
const WIDTH_WITH_LEGEND: usize = 76;

/// How many slots of a column are looked at: what is not executed is among the newest.
const MOST_LOOKED_AT: usize = 512;

/// The glyphs by phase, in order.
pub(super) const GLYPHS: [char; 5] = ['·', '▂', '▅', '▇', '█'];

/// A slot that needed one phase less.
const FAST: char = '▓';

/// The part of the overview: a column for each slot.
pub(super) fn draw(model: &Model, ui: &Ui, rows: Range<usize>, is_boxed: bool, canvas: Canvas) {
    draw_zoomed(model, ui, rows, is_boxed, 1, canvas);
}

/// The same with so many slots in a column, which is as far as the least of them.
pub(super) fn draw_zoomed(
    model: &Model,
    ui: &Ui,
    rows: Range<usize>,
    is_boxed: bool,
    per_column: u64,
    mut canvas: Canvas,
) {
    let theme = &ui.theme;
    let legend = if canvas.width() >= WIDTH_WITH_LEGEND { LEGEND } else { 0 };
    let width = canvas.width().saturating_sub(LABEL + legend + 1);
    let moment = model.slots_at_one_moment();
    let newest = model.newest_slot_of(&moment).unwrap_or_default();
    // Columns keep their slots while new ones come: they begin at multiples.
    let columns_shown = (width as u64).saturating_mul(per_column);
    let first = match per_column {
        1 => SeqNum((newest.0 + 1).saturating_sub(columns_shown).max(1)),
        many => SeqNum((newest.0 + many).saturating_sub(columns_shown) / many * many),
    };
    if !is_boxed {
        canvas.put(1, 0, "phases", ui.name_style(Zoom::Phases));
    }
    if newest > SeqNum(0) {
        axis(ui, first, newest, per_column, &mut canvas.part(LABEL, 0, width, 1));
    }
    for (y, row) in rows.clone().enumerate().map(|(y, row)| (y + 1, row)) {
        let replica = &model.replicas[row];
        label(model, replica, row == ui.selected, theme, &mut canvas.part(0, y, LABEL, 1));
        for x in 0..width {
            let slot = first.plus(x as u64 * per_column);
            let (glyph, style) = match moment[row] {
                None => ('?', theme.unknown),
                Some(_) if slot > newest => (' ', theme.faint),
                Some(slots) => {
                    let last = slot.plus(per_column - 1).min(newest);
                    let least = (slot.0.max(1)..=last.0).rev().take(MOST_LOOKED_AT).map(SeqNum);
                    let least = least.min_by_key(|slot| rank(slots.phase(*slot))).unwrap_or(slot);
                    cell(replica, slots, least, theme)
                }
            };
            canvas.put_char(LABEL + x, y, glyph, style);
        }
    }
    let x = canvas.width().saturating_sub(legend);
    let has_fast = model.replicas.iter().any(Replica::has_fast_slots);
    draw_legend(theme, has_fast, &mut canvas.part(x, 0, legend, rows.len() + 1));
}

fn cell(replica: &Replica, slots: &SlotsThen, slot: SeqNum, theme: &Theme) -> (char, Style) {
    if replica.bad_signatures.contains(&slot) {
        return ('x', theme.bad);
    }
    if replica.has_conflict(slot) {
        return ('≠', theme.bad);
    }
    let phase = rank(slots.phase(slot));
    if phase >= 3 && replica.is_fast(slot) {
        return (FAST, theme.fast);
    }
    (GLYPHS[phase], theme.phases[phase])
}

/// How many phases a slot has behind it.
fn rank(phase: SlotPhase) -> usize {
    match phase {
        SlotPhase::Empty => 0,
        SlotPhase::PrePrepared => 1,
        SlotPhase::Prepared => 2,
        SlotPhase::Committed => 3,
        SlotPhase::Executed => 4,
    }
}

fn label(model: &Model, replica: &Replica, is_selected: bool, theme: &Theme, canvas: &mut Canvas) {
    let leads = model.reign().is_some_and(|reign| reign.leader == replica.id);
    let style = if replica.known(model.now).is_some() { theme.text } else { theme.dim };
    if is_selected {
        canvas.put(0, 0, "▸", theme.key);
    }
    let x = canvas.put(1, 0, &replica.id.to_string(), style) + 1;
    let attack = replica.attack().map(attacks::first_name).filter(|name| !name.is_empty());
    match attack {
        _ if replica.is_dead() => drop(canvas.put(x, 0, "dead", theme.bad)),
        Some(attack) => drop(canvas.part(x, 0, LABEL - x - 1, 1).put(0, 0, short(attack), theme.attack)),
        None if leads => drop(canvas.put(x, 0, "★", theme.leader)),
        None => {}
    }
}

/// An attack's name in at most six characters.
fn short(attack: &str) -> &str {
    match attack {
        "equivocation" => "equiv",
        other => other,
    }
}

/// Slot numbers above the columns that they name, as many as have room.
fn axis(ui: &Ui, first: SeqNum, newest: SeqNum, per_column: u64, canvas: &mut Canvas) {
    let room = newest.to_string().len() as u64 + 2;
    let step = [10, 20, 50, 100].into_iter().find(|step| *step >= room).unwrap_or(200) * per_column;
    let mut slot = first.0.div_ceil(step) * step;
    while slot <= newest.0 {
        let x = ((slot - first.0) / per_column) as usize;
        let text = slot.to_string();
        if x + text.len() <= canvas.width() {
            canvas.put(x, 0, &text, ui.theme.dim);
        }
        slot += step;
    }
    if let Some(watched) = ui.watched.filter(|slot| (first..=newest).contains(slot)) {
        canvas.put(((watched.0 - first.0) / per_column) as usize, 0, "▼", ui.theme.key);
    }
}

fn draw_legend(theme: &Theme, has_fast: bool, canvas: &mut Canvas) {
    let mut entries = vec![
        (GLYPHS[4], "executed", theme.phases[4]),
        (GLYPHS[3], "committed", theme.phases[3]),
        (GLYPHS[2], "prepared", theme.phases[2]),
        (GLYPHS[1], "pre-prepared", theme.phases[1]),
        (GLYPHS[0], "none", theme.phases[0]),
        ('≠', "conflict", theme.bad),
        ('x', "bad signature", theme.bad),
        ('?', "no data", theme.unknown),
    ];
    if has_fast {
        // In the place of what explains itself.
        entries.retain(|(_, text, _)| *text != "none");
        entries.insert(1, (FAST, "fast path", theme.fast));
    }
    for (y, (glyph, text, style)) in entries.into_iter().enumerate() {
        canvas.put_char(1, y, glyph, style);
        canvas.put(3, y, text, theme.dim);
    }
}
