//! The last line: keys that do something now, or what the user is told.

use byztop_core::types::ReplicaId;

use super::super::action::{Action, Injection};
use super::super::attacks::Change;
use super::super::keys::{BINDINGS, Binding};
use super::super::model::{Cases, Model, Replica};
use super::super::text::cut;
use super::super::ui::{Context, Overlay, Pane, Ui};
use super::canvas::Canvas;

/// The keys at the right end of the line, which stay when others have no room.
const LAST: [&str; 2] = ["?", "q"];

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    if let Some(toast) = &ui.toast {
        let style = if toast.is_error { theme.bad } else { theme.accent };
        let text = cut(&toast.text, canvas.width().saturating_sub(2));
        canvas.put(1, 0, &text, style);
        return;
    }
    let context = ui.context();
    // Those of the pane come first, and hide what does not act on anything there.
    let of_pane = context.ladder();
    let hints = || {
        let of = |context: Context| BINDINGS.iter().filter(move |b| b.context == context && !b.hint.is_empty());
        of_pane.iter().copied().flat_map(of).filter(|b| ui.pane == Pane::Overview || !acts_on_replica(&b.action))
    };
    let is_last = |label: &str| of_pane.contains(&Context::Screen) && LAST.contains(&label);
    let width = |label: &str, hint: &str| label.chars().count() + 1 + hint.chars().count();
    let last: usize = hints().filter(|b| is_last(b.label)).map(|b| width(b.label, b.hint) + 2).sum();
    let mut end = canvas.width().saturating_sub(last.saturating_sub(1));
    let mut x = 1;
    for binding in hints() {
        let Some(hint) = hint_now(model, ui, binding) else { continue };
        let needed = width(binding.label, hint);
        let at = if is_last(binding.label) { &mut end } else { &mut x };
        if !is_last(binding.label) && *at + needed + last > canvas.width() {
            continue;
        }
        let after = canvas.put(*at, 0, binding.label, theme.key);
        *at = canvas.put(after + 1, 0, hint, theme.dim) + 2;
    }
}

/// The hint says what the key does now; nothing if it does nothing.
fn hint_now(model: &Model, ui: &Ui, binding: &Binding) -> Option<&'static str> {
    match (&ui.overlay, binding.label) {
        (Overlay::None, "space") if model.simulation.is_some() => {
            let is_paused = model.simulation.as_ref().is_some_and(|simulation| simulation.is_paused);
            Some(if is_paused { "go on" } else { "pause" })
        }
        (Overlay::None, "space") if ui.frozen.is_some() => Some("go on"),
        (Overlay::Chooser(chooser), "m") if chooser.attack != Injection::Equivocate => None,
        (Overlay::None, _) if !acts_on(model, ui.selection(), &binding.action) => None,
        _ => Some(binding.hint),
    }
}

/// Whether it is something that is done to the selected replica, which only the overview shows.
fn acts_on_replica(action: &Action) -> bool {
    matches!(action, Action::Kill | Action::Restart | Action::Attack(_) | Action::Heal | Action::HealAll)
}

/// Whether a key can do anything to the selected replica as it is.
fn acts_on(model: &Model, selected: ReplicaId, action: &Action) -> bool {
    let Some(replica) = model.replicas.get(selected.index()) else { return true };
    if model.cases.is_some() && acts_on_replica(action) {
        return false;
    }
    match action {
        Action::Simulate(_) => model.simulation.is_some(),
        Action::Kill => Change::kill(selected).obstacle(model).is_none(),
        Action::Restart => Change::restart(selected).obstacle(model).is_none(),
        Action::Attack(_) => !replica.is_dead(),
        Action::Heal => is_ill(replica),
        Action::HealAll => model.replicas.iter().any(is_ill),
        Action::StopCases => model.cases.as_ref().is_some_and(Cases::is_running),
        Action::RunCase | Action::RunCases => model.cases.as_ref().is_some_and(|cases| !cases.is_running()),
        _ => true,
    }
}

/// Whether healing does anything to it.
fn is_ill(replica: &Replica) -> bool {
    replica.was_killed() || !replica.is_dead() && replica.attack().is_some_and(|attack| !attack.is_empty())
}
