//! What the user is told, above the last line so that keys and time bar stay.

use super::super::text::cut;
use super::super::ui::{Overlay, Ui};
use super::canvas::Canvas;

pub(super) fn draw(ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let Some(toast) = &ui.toast else { return };
    // The command line has a line of its own there.
    let above = if matches!(ui.overlay, Overlay::Palette(_)) { 3 } else { 2 };
    let style = if toast.is_error { theme.toast_error } else { theme.toast };
    let text = format!(" {} ", cut(&toast.text, canvas.width().saturating_sub(2)));
    let (end, y) = (canvas.width(), canvas.height().saturating_sub(above));
    canvas.put_right(end, y, &text, style);
}
