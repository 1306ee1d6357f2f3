//! The choice of victims, over the middle of the screen.

use super::super::action::Injection;
use super::super::chooser::Chooser;
use super::super::model::Model;
use super::super::ui::Ui;
use super::canvas::Canvas;

pub(super) fn draw(model: &Model, ui: &Ui, chooser: &Chooser, mut canvas: Canvas) {
    let theme = &ui.theme;
    let what = match (chooser.attack, chooser.is_by_digest) {
        (Injection::Equivocate, false) => "tells these, as primary, another number for each batch:",
        (Injection::Equivocate, true) => "tells these, as primary, another batch for each number:",
        _ => "sends nothing to these:",
    };
    let rows = chooser.candidates.len().min(canvas.height().saturating_sub(8)).max(1);
    let width = canvas.width().saturating_sub(4).min(62);
    let height = rows + 6;
    let (x, y) = ((canvas.width() - width) / 2, canvas.height().saturating_sub(height) / 2);
    let mut part = canvas.part(x, y, width, height);
    part.clear();
    let title = format!("{} {}", chooser.attacker, chooser.attack.name());
    let mut inner = part.boxed(&title, theme.title, theme.overlay);
    inner.put(1, 0, what, theme.dim);
    let leader = model.reign().map(|reign| reign.leader);
    let first = (chooser.cursor + 1).saturating_sub(rows);
    for (y, (id, is_chosen)) in chooser.candidates.iter().enumerate().skip(first).take(rows) {
        let (row, is_marked) = (y - first + 1, y == chooser.cursor);
        if is_marked {
            inner.put(1, row, "▸", theme.key);
        }
        let (mark, style) = if *is_chosen { ("[x]", theme.attack) } else { ("[ ]", theme.dim) };
        let x = inner.put(3, row, mark, style) + 1;
        let x = inner.put(x, row, &format!("{id:<4}"), theme.text);
        if leader == Some(*id) {
            inner.put(x, row, "★ primary", theme.leader);
        } else if let Some(attack) = model.replicas[id.index()].attack() {
            inner.put(x, row, attack, theme.attack);
        }
        if is_marked {
            inner.tint_row(row, theme.selected);
        }
    }
    let preview =
        chooser.directive().map_or("nobody is chosen".to_string(), |chosen| format!("{} {chosen}", chooser.attacker));
    inner.put(1, rows + 2, &preview, theme.accent);
    let mut x = 1;
    let form = if chooser.attack == Injection::Equivocate { "form" } else { "" };
    for (key, hint) in [("Enter", "attack"), ("space", "choose"), ("m", form), ("Esc", "back")] {
        if !hint.is_empty() {
            x = inner.put(x, rows + 3, key, theme.key) + 1;
            x = inner.put(x, rows + 3, hint, theme.dim) + 2;
        }
    }
}
