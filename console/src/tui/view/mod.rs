//! Drawing: a pure function of what is known and what the user looks at.

mod ascii;
mod attacks;
mod axis;
mod canvas;
mod cases;
mod chooser;
mod confirm;
mod evidence;
mod header;
mod help;
mod hints;
mod latency;
mod layout;
mod ledger;
mod log;
mod messages;
mod page;
mod palette;
mod phases;
mod replicas;
mod simulation;
mod slots;
mod spacetime;
mod tabs;
mod toast;
mod votes;

use ratatui::Frame;
use ratatui::layout::Rect;

use self::canvas::Canvas;
pub(super) use self::help::entry_count as help_entries;
use self::layout::{Part, Plan};
pub(super) use self::messages::sheet as course_sheet;
use super::model::Model;
use super::panes::{Pane, Zoom};
use super::text::cut;
use super::theme::Glyphs;
use super::ui::{Overlay, Ui};

/// The smallest screen that is of use.
const NEED: (u16, u16) = (60, 16);

/// Draws everything. Gives back how far the pane can be scrolled.
pub(super) fn view(model: &Model, ui: &Ui, frame: &mut Frame) -> usize {
    let area = frame.area();
    let canvas = Canvas::new(frame.buffer_mut(), area);
    let mut furthest = 0;
    if area.width < NEED.0 || area.height < NEED.1 {
        too_small(ui, canvas, area);
    } else {
        let (shown, live) = (ui.shown(model), &model.courses);
        furthest = match ui.pane {
            Pane::Overview => {
                overview(shown, ui, canvas);
                0
            }
            Pane::Phases => within_tabs(shown, ui, canvas, |inner| slots::draw(shown, live, ui, inner)),
            Pane::Latency => within_tabs(shown, ui, canvas, |inner| {
                latency::pane(shown, ui, inner);
                0
            }),
            Pane::Messages => within_tabs(shown, ui, canvas, |inner| messages::draw(shown, live, ui, inner)),
            Pane::Attacks => within_tabs(shown, ui, canvas, |inner| attacks::draw(shown, ui, inner)),
            Pane::Evidence => within_tabs(shown, ui, canvas, |inner| evidence::draw(shown, ui, inner)),
            Pane::Ledger => within_tabs(shown, ui, canvas, |inner| ledger::draw(shown, ui, inner)),
            Pane::Cases => within_tabs(shown, ui, canvas, |inner| cases::draw(shown, ui, inner)),
        };
        let canvas = Canvas::new(frame.buffer_mut(), area);
        match &ui.overlay {
            Overlay::None | Overlay::Filter => {}
            Overlay::Chooser(chooser) => chooser::draw(model, ui, chooser, canvas),
            Overlay::Confirm(confirm) => confirm::draw(ui, confirm, canvas),
            Overlay::Palette(line) => palette::draw(model, ui, line, canvas),
            Overlay::Help { search, scroll } => help::draw(ui, search, *scroll, canvas),
        }
        toast::draw(ui, Canvas::new(frame.buffer_mut(), area));
    }
    if ui.glyphs == Glyphs::Ascii {
        ascii::translate(frame.buffer_mut());
    }
    furthest
}

/// A pane of its own, below header and tabs.
fn within_tabs(model: &Model, ui: &Ui, mut canvas: Canvas, draw: impl FnOnce(Canvas) -> usize) -> usize {
    let (width, height) = (canvas.width(), canvas.height());
    header::draw(model, ui, canvas.part(0, 0, width, 1));
    tabs::draw(model, ui, canvas.part(0, 1, width, 1));
    hints::draw(model, ui, canvas.part(0, height.saturating_sub(1), width, 1));
    draw(canvas.part(0, 2, width, height.saturating_sub(3)))
}

fn overview(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let plan = match ui.is_zoomed {
        true => Plan::zoomed(canvas.width(), canvas.height(), model, ui.zoom.into()),
        false => Plan::new(canvas.width(), canvas.height(), model, ui),
    };
    let rows = plan.visible_rows(ui.selected, model.replicas.len());
    for placed in &plan.panes {
        let (x, y, width, height) = placed.place;
        let mut part = canvas.part(x, y, width, height);
        let style = if placed.part == ui.zoom.into() { theme.open } else { theme.title };
        let inner = match title(placed.part, model, ui).filter(|_| placed.is_boxed) {
            Some(title) => part.boxed(&title, style, theme.faint),
            None => part,
        };
        // What is zoomed has its name above, as in a box.
        let is_titled = placed.is_boxed || ui.is_zoomed;
        match placed.part {
            Part::Header => header::draw(model, ui, inner),
            Part::Simulation => simulation::draw(model, ui, inner),
            Part::Names => names(model, ui, inner),
            Part::Replicas => replicas::draw(model, ui, rows.clone(), inner),
            Part::Phases => phases::draw(model, ui, rows.clone(), is_titled, inner),
            Part::Votes => votes::draw(model, ui, is_titled, inner),
            Part::Latency => latency::draw(model, ui, is_titled, inner),
            Part::Steps => simulation::steps(model, ui, is_titled, inner),
            Part::Log => log::draw(model, ui, is_titled, inner),
            Part::Hints => hints::draw(model, ui, inner),
        }
    }
}

fn title(part: Part, model: &Model, ui: &Ui) -> Option<String> {
    match part {
        Part::Log => Some(log::title(model, ui)),
        other => other.title().map(str::to_string),
    }
}

/// The parts of the overview, one of which is below.
fn names(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    canvas.rule(0, "", theme.faint, theme.faint);
    let mut x = 1;
    for zoom in Zoom::ALL {
        let style = if zoom == ui.zoom { theme.open } else { theme.dim };
        let name = title(zoom.into(), model, ui).unwrap_or_default();
        x = canvas.put(x, 0, " ", theme.faint);
        x = canvas.put(x, 0, &name, style);
        x = canvas.put(x, 0, " ", theme.faint) + 1;
    }
}

fn too_small(ui: &Ui, mut canvas: Canvas, area: Rect) {
    let need = format!("need {}×{}, have {}×{}", NEED.0, NEED.1, area.width, area.height);
    let need = cut(&need, canvas.width());
    let x = canvas.width().saturating_sub(need.chars().count()) / 2;
    let y = canvas.height().saturating_sub(1) / 2;
    canvas.put(x, y, &need, ui.theme.warn);
    if canvas.height() > 2 {
        let leave = "q quit";
        canvas.put(canvas.width().saturating_sub(leave.len()) / 2, y + 1, leave, ui.theme.dim);
    }
}
