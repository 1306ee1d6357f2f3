//! Drawing: a pure function of what is known and what the user looks at.

mod canvas;
mod chooser;
mod confirm;
mod header;
mod help;
mod hints;
mod latency;
mod layout;
mod log;
mod palette;
mod phases;
mod replicas;
mod simulation;
mod votes;

use ratatui::Frame;
use ratatui::layout::Rect;

use self::canvas::Canvas;
pub(super) use self::help::lines as help_lines;
use self::layout::{Pane, Plan};
use super::model::Model;
use super::text::cut;
use super::ui::{Overlay, Ui};

/// The smallest screen that is of use.
const NEED: (u16, u16) = (60, 16);

/// Draws everything.
pub(super) fn view(model: &Model, ui: &Ui, frame: &mut Frame) {
    let area = frame.area();
    let canvas = Canvas::new(frame.buffer_mut(), area);
    if area.width < NEED.0 || area.height < NEED.1 {
        too_small(ui, canvas, area);
    } else {
        overview(ui.frozen.as_deref().unwrap_or(model), ui, canvas);
        let canvas = Canvas::new(frame.buffer_mut(), area);
        match &ui.overlay {
            Overlay::None => {}
            Overlay::Chooser(chooser) => chooser::draw(model, ui, chooser, canvas),
            Overlay::Confirm(confirm) => confirm::draw(ui, confirm, canvas),
            Overlay::Palette(line) => palette::draw(model, ui, line, canvas),
            Overlay::Help { search, scroll } => help::draw(ui, search, *scroll, canvas),
        }
    }
}

fn overview(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let plan = Plan::new(canvas.width(), canvas.height(), model, ui);
    let rows = plan.visible_rows(ui.selected, model.replicas.len());
    for pane in &plan.panes {
        let (x, y, width, height) = pane.place;
        let mut part = canvas.part(x, y, width, height);
        let inner = match (pane.is_boxed, pane.pane.title()) {
            (true, Some(title)) => part.boxed(title, ui.theme.title, ui.theme.faint),
            _ => part,
        };
        match pane.pane {
            Pane::Header => header::draw(model, ui, inner),
            Pane::Simulation => simulation::draw(model, ui, inner),
            Pane::Replicas => replicas::draw(model, ui, rows.clone(), inner),
            Pane::Phases => phases::draw(model, ui, rows.clone(), pane.is_boxed, inner),
            Pane::Votes => votes::draw(model, ui, pane.is_boxed, inner),
            Pane::Latency => latency::draw(model, ui, pane.is_boxed, inner),
            Pane::Steps => simulation::steps(model, ui, pane.is_boxed, inner),
            Pane::Log => log::draw(model, ui, pane.is_boxed, inner),
            Pane::Hints => hints::draw(model, ui, inner),
        }
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
