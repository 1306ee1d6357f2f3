//! The names of the panes, with the keys that open them.

use super::super::model::Model;
use super::super::ui::{Pane, Ui};
use super::canvas::Canvas;

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    for x in 0..canvas.width() {
        canvas.put_char(x, 0, '─', theme.faint);
    }
    let mut x = 1;
    for pane in Pane::ALL {
        if pane == Pane::Cases && model.cases.is_none() {
            continue;
        }
        let style = if pane == ui.pane { theme.title } else { theme.dim };
        let after = canvas.put(x, 0, " ", theme.faint);
        let after = canvas.put(after, 0, &pane.key().to_string(), theme.key);
        let after = canvas.put(after, 0, " ", theme.faint);
        let after = canvas.put(after, 0, pane.title(), style);
        x = canvas.put(after, 0, " ", theme.faint) + 1;
    }
}
