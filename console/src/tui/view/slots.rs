//! The pane of phases: slots by replica, the votes of one of them, when each phase of it ended where, and when each vote
//! came; on a tall screen the diagram of its messages, too.

use byztop_core::telemetry::{Course, LogEntry};
use byztop_core::types::{Micros, ReplicaId, Time};

use super::super::model::Model;
use super::super::panes::Pane;
use super::super::text::{grouped, millis};
use super::super::ui::Ui;
use super::axis::scaled;
use super::canvas::Canvas;
use super::page::Page;
use super::{messages, phases, votes};
use crate::books::{Courses, Sheet};

/// Columns of a replica's name, and of the numbers at the right end.
const NAME: usize = 6;
const NUMBERS: usize = 41;

/// Lines of the votes: a heading, two phases and what is said below them.
const VOTES: usize = 6;

pub(super) fn draw(model: &Model, live: &Courses, ui: &Ui, mut canvas: Canvas) -> usize {
    let theme = &ui.theme;
    let (width, height) = (canvas.width(), canvas.height());
    let replicas = model.replicas.len();
    let rows = replicas.min((height / 3).max(4));
    let first = (ui.selected + 1).saturating_sub(rows).min(replicas - rows);
    let shown = first..first + rows;
    phases::draw_zoomed(model, ui, shown.clone(), false, ui.slots_per_column, canvas.part(0, 0, width, rows + 1));
    let mut y = rows + 2;
    if ui.slots_per_column > 1 {
        let told = format!("{} slots a column, as far as the least of them", grouped(ui.slots_per_column));
        canvas.put(1, rows + 1, &told, theme.dim);
    }
    if height >= y + VOTES + rows + 2 {
        canvas.rule(y, "votes", theme.title, theme.faint);
        votes::draw(model, ui, true, canvas.part(0, y + 1, width, VOTES));
        y += VOTES + 1;
    }
    let Some(sheet) = messages::sheet(model, live, ui) else {
        canvas.rule(y, "times", theme.title, theme.faint);
        canvas.put(1, y + 1, "the replicas are being asked how it went", theme.dim);
        return 0;
    };
    times(model, ui, sheet, shown, canvas.part(0, y, width, height.saturating_sub(y)));
    y += rows + 3;
    let mut rest = canvas.part(0, y, width, height.saturating_sub(y));
    if rest.height() >= messages::fits(replicas) {
        return messages::of_sheet(model, ui, sheet, "messages", rest);
    }
    let mut page = Page::default();
    messages::arrivals(model, ui, sheet, width.saturating_sub(2), &mut page);
    page.draw(ui.scroll(Pane::Phases), theme, rest.part(0, 0, width, height))
}

/// A line for each replica: which phase of the slot it was in when, from the first that accepted the proposal to the last
/// that executed it.
fn times(model: &Model, ui: &Ui, sheet: &Sheet, rows: std::ops::Range<usize>, mut canvas: Canvas) {
    let theme = &ui.theme;
    let Course::Slot(seq) = sheet.course else { return };
    let entries: Vec<Option<LogEntry>> = rows.clone().map(|row| entry(model, sheet, model.replicas[row].id)).collect();
    let known = || entries.iter().flatten();
    let began = known().filter_map(|entry| entry.pre_prepared).min();
    let ended = known().filter_map(|entry| entry.executed.or(entry.committed)).max();
    let proposal = known().find_map(|entry| entry.proposal);
    canvas.rule(0, &messages::title(Some(sheet.course), proposal), theme.title, theme.faint);
    let (Some(began), Some(ended)) = (began, ended.or(began)) else {
        canvas.put(1, 1, "no replica has it in its log any more: the newest few hundred are kept", theme.dim);
        return;
    };
    let width = canvas.width().saturating_sub(NAME + NUMBERS + 2);
    let total = Micros(ended.since(began).0.max(1));
    canvas.put(NAME, 1, "0", theme.dim);
    canvas.put_right(NAME + width, 1, &format!("{} ms", millis(total)), theme.dim);
    let end = canvas.width().saturating_sub(1);
    for (place, title) in ["pre-prep.", "prepared", "committed", "executed"].iter().enumerate() {
        canvas.put_right(end.saturating_sub((3 - place) * 10), 1, title, theme.dim);
    }
    for (y, (row, entry)) in rows.zip(&entries).enumerate() {
        let (y, id) = (y + 2, model.replicas[row].id);
        if row == ui.selected {
            canvas.put(0, y, "▸", theme.key);
        }
        canvas.put(1, y, &id.to_string(), if row == ui.selected { theme.key } else { theme.text });
        let Some(entry) = entry else {
            let executed = model.replicas[row].known(model.now).map(|frame| frame.status.executed);
            let why = match executed {
                Some(executed) if executed < seq => format!("not there yet: at slot {executed}"),
                Some(_) => "not in its log".to_string(),
                None => "?".to_string(),
            };
            canvas.put(NAME, y, &why, theme.unknown);
            continue;
        };
        let steps = [entry.pre_prepared, entry.prepared, entry.committed, entry.executed];
        for x in 0..width {
            let at = Time(began.0.saturating_add(scaled(total.0, x as u64, width.max(1) as u64)));
            // The newest phase that had ended by then.
            let phase = steps.iter().rposition(|step| step.is_some_and(|step| step <= at));
            let (glyph, style) = match phase {
                None => ('·', theme.phases[0]),
                Some(phase) => (phases::GLYPHS[phase + 1], theme.phases[phase + 1]),
            };
            canvas.put_char(NAME + x, y, glyph, style);
        }
        for (place, step) in steps.iter().enumerate() {
            let text = step.map_or("-".to_string(), |step| millis(step.since(began)));
            canvas.put_right(end.saturating_sub((3 - place) * 10), y, &text, theme.text);
        }
    }
}

/// How the slot went at a replica, by the console's clock.
fn entry(model: &Model, sheet: &Sheet, id: ReplicaId) -> Option<LogEntry> {
    let entry = *sheet.entry(id)?;
    let correct = |at: Option<Time>| at.map(|at| model.correct(id, at));
    Some(LogEntry {
        pre_prepared: correct(entry.pre_prepared),
        prepared: correct(entry.prepared),
        committed: correct(entry.committed),
        executed: correct(entry.executed),
        ..entry
    })
}
