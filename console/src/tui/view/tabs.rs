//! The names of the panes, with the keys that open them.

use super::super::model::Model;
use super::super::ui::{Pane, Ui};
use super::canvas::Canvas;

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    for x in 0..canvas.width() {
        canvas.put_char(x, 0, '─', theme.faint);
    }
    let panes = || Pane::ALL.into_iter().filter(|pane| *pane != Pane::Cases || model.cases.is_some());
    // Where not all names have room, the key must do for those that are not open.
    let are_named = panes().map(|pane| pane.title().len() + 5).sum::<usize>() <= canvas.width();
    let mut x = 1;
    for pane in panes() {
        let is_open = pane == ui.pane;
        let after = canvas.put(x, 0, " ", theme.faint);
        let mut after = canvas.put(after, 0, &pane.key().to_string(), theme.key);
        if are_named || is_open {
            after = canvas.put(after, 0, " ", theme.faint);
            after = canvas.put(after, 0, pane.title(), if is_open { theme.title } else { theme.dim });
        }
        x = canvas.put(after, 0, " ", theme.faint) + 1;
    }
}
