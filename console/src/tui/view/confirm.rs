//! The question before something that breaks what the protocol promises.

use super::super::ui::{Confirm, Ui};
use super::canvas::{Canvas, wrap};

pub(super) fn draw(ui: &Ui, confirm: &Confirm, mut canvas: Canvas) {
    let theme = &ui.theme;
    let width = canvas.width().saturating_sub(4).min(66);
    let lines = wrap(&confirm.question, width.saturating_sub(4));
    let height = lines.len() + 4;
    let (x, y) = ((canvas.width() - width) / 2, canvas.height().saturating_sub(height) / 2);
    let mut part = canvas.part(x, y, width, height);
    part.clear();
    let mut inner = part.boxed("beyond the fault budget", theme.bad, theme.bad);
    for (y, line) in lines.iter().enumerate() {
        inner.put(1, y, line, theme.text);
    }
    let y = lines.len() + 1;
    let x = inner.put(1, y, "Enter", theme.key);
    let x = inner.put(x + 1, y, "do it all the same", theme.dim);
    let x = inner.put(x + 2, y, "Esc", theme.key);
    inner.put(x + 1, y, "back", theme.dim);
}
