//! The event log, newest at the bottom.

use byztop_core::types::Time;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::Style;

use super::super::model::{Entry, Kind, Model};
use super::super::panes::Zoom;
use super::super::text::cut;
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::{Canvas, wrap};

/// Columns of the time of day and of the kind.
const TIME: usize = 14;
const KIND: usize = 11;

/// What it is called: with a filter, what that is and how many entries pass it.
pub(super) fn title(model: &Model, ui: &Ui) -> String {
    if ui.filter.is_empty() {
        return "events".to_string();
    }
    format!("events  {}", ui.filter.told(passing(model, ui).count(), model.log.newest().count()))
}

/// The entries that pass the filter, the newest first.
fn passing<'a>(model: &'a Model, ui: &'a Ui) -> impl Iterator<Item = &'a Entry> {
    let size = model.replicas.len();
    let passes = move |entry: &&Entry| {
        ui.filter.is_empty() || ui.filter.matches(&format!("{} {}", entry.kind(size).word(), entry.text(size)))
    };
    model.log.newest().filter(passes)
}

pub(super) fn draw(model: &Model, ui: &Ui, is_boxed: bool, mut canvas: Canvas) {
    let theme = &ui.theme;
    // A filter is worth a line that says so.
    let least = if ui.filter.is_empty() { 4 } else { 2 };
    let top = if is_boxed || canvas.height() < least { 0 } else { 1 };
    if top > 0 {
        canvas.rule(0, &title(model, ui), ui.name_style(Zoom::Events), theme.faint);
    }
    let (height, size) = (canvas.height() - top, model.replicas.len());
    let width = canvas.width().saturating_sub(TIME + KIND + 1);
    // The newest entries that fit; where there is room, long ones are shown in full.
    let mut shown: Vec<(&Entry, Vec<String>)> = Vec::new();
    let mut left = height;
    for entry in passing(model, ui) {
        let text = entry.text(size);
        let lines = if ui.is_log_large || is_boxed { wrap(&text, width) } else { vec![cut(&text, width)] };
        if lines.len() > left {
            break;
        }
        left -= lines.len();
        shown.push((entry, lines));
    }
    let mut y = top;
    for (entry, lines) in shown.into_iter().rev() {
        canvas.put(1, y, &time_of_day(entry.at, &ui.zone), theme.dim);
        let (kind, style) = looks(entry.kind(size), theme);
        canvas.put(TIME, y, entry.kind(size).word(), kind);
        for line in lines {
            canvas.put(TIME + KIND, y, &cut(&line, width), style);
            y += 1;
        }
    }
}

/// How the kind and the text look.
fn looks(kind: Kind, theme: &Theme) -> (Style, Style) {
    match kind {
        Kind::Attack => (theme.attack, theme.text),
        Kind::Proof => (theme.bad, theme.text),
        Kind::View => (theme.leader, theme.text),
        Kind::State | Kind::Reject | Kind::Claim => (theme.warn, theme.text),
        Kind::Error => (theme.bad, theme.bad),
        Kind::Exit => (theme.bad, theme.text),
        Kind::Client => (theme.accent, theme.text),
        Kind::Case => (theme.title, theme.text),
        Kind::End => (theme.good, theme.text),
        Kind::Checkpoint | Kind::Link | Kind::Process | Kind::Noise | Kind::CatchUp => (theme.dim, theme.dim),
    }
}

/// `12:04:31.204` in the given zone.
pub(super) fn time_of_day(at: Time, zone: &TimeZone) -> String {
    let micros = i64::try_from(at.0).unwrap_or(i64::MAX);
    match Timestamp::from_microsecond(micros) {
        Ok(timestamp) => timestamp.to_zoned(zone.clone()).strftime("%H:%M:%S.%3f").to_string(),
        Err(_) => "??:??:??.???".to_string(),
    }
}
