//! The pane of phases: slots by replica, the votes of one of them, and when each phase of it ended where.

use byztop_core::telemetry::LogEntry;
use byztop_core::types::{Digest, Micros, ReplicaId, SeqNum, Time};

use super::super::model::Model;
use super::super::text::{grouped, millis};
use super::super::ui::Ui;
use super::canvas::Canvas;
use super::{phases, votes};

/// Columns of a replica's name, and of the numbers at the right end.
const NAME: usize = 6;
const NUMBERS: usize = 40;

/// Lines of the votes: a heading, two phases and what is said below them.
const VOTES: usize = 6;

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
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
    times(model, ui, shown, canvas.part(0, y, width, height.saturating_sub(y)));
}

/// A line for each replica: which phase of the slot it was in when, from the first that accepted the proposal to the last
/// that executed it.
fn times(model: &Model, ui: &Ui, rows: std::ops::Range<usize>, mut canvas: Canvas) {
    let theme = &ui.theme;
    let entry_of = |id: ReplicaId, seq: SeqNum| entry(model, id, seq);
    let Some(seq) = ui.watched.or_else(|| newest_decided(model)) else {
        canvas.rule(0, "times", theme.title, theme.faint);
        canvas.put(1, 1, "the replicas are being asked for their logs", theme.dim);
        return;
    };
    let entries: Vec<Option<LogEntry>> = rows.clone().map(|row| entry_of(model.replicas[row].id, seq)).collect();
    let known = || entries.iter().flatten();
    let began = known().filter_map(|entry| entry.pre_prepared).min();
    let ended = known().filter_map(|entry| entry.executed.or(entry.committed)).max();
    let proposal = known().find_map(|entry| entry.proposal);
    let of = match proposal {
        Some((view, Digest::ZERO)) => format!(" in view {view}, the null request"),
        Some((view, digest)) => format!(" in view {view}, batch {}", digest.short()),
        None => String::new(),
    };
    canvas.rule(0, &format!("slot {}{of}", grouped(seq.0)), theme.title, theme.faint);
    let (Some(began), Some(ended)) = (began, ended.or(began)) else {
        canvas.put(1, 1, "no replica has it in its log any more: the newest few hundred are kept", theme.dim);
        return;
    };
    let width = canvas.width().saturating_sub(NAME + NUMBERS + 2);
    let total = Micros(ended.since(began).0.max(1));
    canvas.put(NAME, 1, "0", theme.dim);
    canvas.put_right(NAME + width, 1, &format!("{} ms", millis(total)), theme.dim);
    let end = canvas.width();
    for (place, title) in ["pre-prep.", "prepared", "committed", "executed"].iter().enumerate() {
        canvas.put_right(end.saturating_sub((3 - place) * 10), 1, title, theme.dim);
    }
    for (y, (row, entry)) in rows.zip(&entries).enumerate() {
        let (y, id) = (y + 2, model.replicas[row].id);
        canvas.put(1, y, &id.to_string(), if row == ui.selected { theme.key } else { theme.text });
        let Some(entry) = entry else {
            let executed = model.ledgers.of(id).map(|ledger| ledger.status.executed);
            let why = match executed {
                Some(executed) if executed < seq => format!("not there yet: at slot {}", grouped(executed.0)),
                Some(_) => "not in its log".to_string(),
                None => "?".to_string(),
            };
            canvas.put(NAME, y, &why, theme.unknown);
            continue;
        };
        let steps = [entry.pre_prepared, entry.prepared, entry.committed, entry.executed];
        for x in 0..width {
            let at = Time(began.0 + total.0 * x as u64 / width.max(1) as u64);
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

fn entry(model: &Model, id: ReplicaId, seq: SeqNum) -> Option<LogEntry> {
    let ledger = model.ledgers.of(id).filter(|_| model.replicas[id.index()].known(model.now).is_some())?;
    ledger.log.iter().find(|entry| entry.seq == seq).copied()
}

/// The newest slot that a quorum has executed, or everybody whose log is known if those are fewer.
fn newest_decided(model: &Model) -> Option<SeqNum> {
    let newest = |log: &[LogEntry]| log.iter().filter(|entry| entry.executed.is_some()).map(|entry| entry.seq).max();
    let mut executed: Vec<SeqNum> = model.ledgers.all().filter_map(|(_, ledger)| newest(&ledger.log)).collect();
    executed.sort_unstable_by(|a, b| b.cmp(a));
    let enough = model.committee.quorum().min(executed.len());
    executed.get(enough.checked_sub(1)?).copied()
}
