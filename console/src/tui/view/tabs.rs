//! The names of the panes, with the keys that open them.

use super::super::model::Model;
use super::super::panes::Pane;
use super::super::ui::Ui;
use super::canvas::Canvas;

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let panes = || Pane::ALL.into_iter().filter(|pane| *pane != Pane::Cases || model.cases.is_some());
    // Where not all names have room with a rule between them, they stand close; where they have none at all, the key must
    // do for those that are not open.
    let needed = |around: usize| panes().map(|pane| pane.title().len() + around).sum::<usize>() <= canvas.width();
    let (has_rule, are_named) = (needed(5) || !needed(3), needed(3));
    if has_rule {
        for x in 0..canvas.width() {
            canvas.put_char(x, 0, '─', theme.faint);
        }
    }
    let mut x = 1;
    for pane in panes() {
        let is_open = pane == ui.pane;
        if has_rule {
            x = canvas.put(x, 0, " ", theme.faint);
        }
        x = canvas.put(x, 0, &pane.key().to_string(), theme.key);
        if are_named || is_open {
            x = canvas.put(x, 0, " ", theme.faint);
            x = canvas.put(x, 0, pane.title(), if is_open { theme.open } else { theme.dim });
        }
        x = canvas.put(x, 0, " ", theme.faint) + usize::from(has_rule);
    }
}
