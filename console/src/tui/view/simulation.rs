//! What is simulated, and where in it the screen is: a line below the header, and the last events while time stands still.

use ratatui::style::Style;

use super::super::model::Model;
use super::super::simulated::{End, SimulatedTime};
use super::super::text::{cut, grouped, seconds, span};
use super::super::theme::Theme;
use super::super::ui::Ui;
use super::canvas::Canvas;

/// From this width on there is room for more than where and what.
const ROOMY: usize = 100;

/// The line below the header: which run, where, how fast, and what comes next or how it ended.
pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let Some(simulation) = &model.simulation else { return };
    let is_roomy = canvas.width() >= ROOMY;
    let mut x = 1;
    let mut put = |text: &str, style: Style| x = canvas.put(x, 0, text, style);
    put(&simulation.name, theme.accent);
    if simulation.is_altered {
        put(" altered", theme.warn);
    }
    put("  step ", theme.dim);
    put(&grouped(simulation.step), theme.text);
    if is_roomy || simulation.end.is_none() {
        put(if is_roomy { "  at " } else { "  " }, theme.dim);
        put(&seconds(simulation.now), theme.text);
    }
    put("  ", theme.dim);
    if simulation.end.is_none() {
        let (mark, word, style) =
            if simulation.is_paused { ("‖", " paused", theme.warn) } else { ("▶", " runs", theme.good) };
        put(mark, style);
        put(if is_roomy { word } else { "" }, style);
        put(&format!(" {}  ", simulation.speed.label()), theme.dim);
    }
    for (text, style) in outlook(simulation, is_roomy, theme) {
        x = canvas.put(x, 0, &cut(&text, canvas.width().saturating_sub(x + 1)), style);
    }
}

/// What comes next, or how it ended.
fn outlook(simulation: &SimulatedTime, is_roomy: bool, theme: &Theme) -> Vec<(String, Style)> {
    match (&simulation.end, &simulation.next) {
        (Some(End::Clean), _) => vec![(format!("end of {}: clean", simulation.name), theme.good)],
        (Some(End::Violation(what)), _) => vec![("VIOLATION ".into(), theme.bad), (what.clone(), theme.text)],
        (None, Some((at, what))) => {
            let wait = at.since(simulation.now);
            let lead = if is_roomy { format!("next in {}: ", span(wait)) } else { "next ".to_string() };
            vec![(lead, theme.dim), (what.clone(), theme.text)]
        }
        (None, None) => Vec::new(),
    }
}

/// The last events, the newest at the bottom.
pub(super) fn steps(model: &Model, ui: &Ui, is_boxed: bool, mut canvas: Canvas) {
    let theme = &ui.theme;
    let Some(simulation) = &model.simulation else { return };
    let top = usize::from(!is_boxed && canvas.height() > 2);
    if top > 0 {
        canvas.rule(0, "steps", theme.title, theme.faint);
    }
    let height = canvas.height().saturating_sub(top);
    let shown = &simulation.recent[simulation.recent.len().saturating_sub(height)..];
    for (y, step) in shown.iter().enumerate() {
        let is_last = y + 1 == shown.len();
        let (number, text) = if is_last { (theme.key, theme.text) } else { (theme.dim, theme.dim) };
        let x = canvas.put(1, top + y, &format!("{:>9}  ", grouped(step.step)), number);
        let x = canvas.put(x, top + y, &format!("{:>12}  ", seconds(step.at)), theme.dim);
        canvas.put(x, top + y, &cut(&step.what, canvas.width().saturating_sub(x + 1)), text);
    }
}
