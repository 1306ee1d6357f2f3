//! The last line: keys that do something now, or where in time the screen is.

use super::super::Simulate;
use super::super::action::{Action, Injection};
use super::super::attacks::Change;
use super::super::history::Bar;
use super::super::keys::{BINDINGS, Binding};
use super::super::model::{Cases, Model, Replica};
use super::super::panes::{Context, Pane};
use super::super::text::span;
use super::super::ui::{Overlay, Ui};
use super::canvas::Canvas;
use super::log::time_of_day;

/// The keys at the right end of the line, which stay when others have no room.
const LAST: [&str; 2] = ["?", "q"];

pub(super) fn draw(model: &Model, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let context = ui.context();
    if let (Some(frozen), Overlay::None) = (&ui.frozen, &ui.overlay) {
        return time_bar(&frozen.bar, ui, canvas);
    }
    let has_replicas = matches!(ui.pane, Pane::Overview | Pane::Messages | Pane::Attacks);
    // Those of the pane come first, and hide what does not act on anything there.
    let of_pane = context.ladder();
    let hints = || {
        let of = |context: Context| BINDINGS.iter().filter(move |b| b.context == context && !b.hint.is_empty());
        of_pane.iter().copied().flat_map(of).filter(|b| has_replicas || !acts_on_replica(&b.action))
    };
    let is_last = |label: &str| of_pane.contains(&Context::Screen) && LAST.contains(&label);
    // What is typed comes before the keys.
    let mut x = 1;
    if matches!(ui.overlay, Overlay::Filter) {
        let after = canvas.put(0, 0, "/", theme.key);
        let after = canvas.put(after, 0, ui.filter.text(), theme.text);
        canvas.put(after, 0, " ", theme.cursor);
        x = after + 3;
    }
    let width = |label: &str, hint: &str| label.chars().count() + 1 + hint.chars().count();
    let last: usize = hints().filter(|b| is_last(b.label)).map(|b| width(b.label, b.hint) + 2).sum();
    let mut end = canvas.width().saturating_sub(last.saturating_sub(1));
    for binding in hints() {
        let Some(hint) = hint_now(model, ui, binding) else { continue };
        let needed = width(binding.label, hint);
        let at = if is_last(binding.label) { &mut end } else { &mut x };
        if !is_last(binding.label) && *at + needed + last >= canvas.width() {
            continue;
        }
        let after = canvas.put(*at, 0, binding.label, theme.key);
        *at = canvas.put(after + 1, 0, hint, theme.dim) + 2;
    }
}

/// Where in time the screen is: the moment, how far it is from the end, a bar, and the keys that lead elsewhere.
fn time_bar(bar: &Bar, ui: &Ui, mut canvas: Canvas) {
    let theme = &ui.theme;
    let mark = if bar.pace.is_some() { '▶' } else { '‖' };
    let pace = bar.pace.map_or(String::new(), |pace| format!(" {}", pace.label()));
    let back = bar.until.since(bar.at);
    let mut x = canvas.put(1, 0, &format!("{mark}{pace} {}", time_of_day(bar.at, &ui.zone)), theme.warn) + 2;
    x = canvas.put(x, 0, &format!("−{} of {}", span(back), span(bar.until.since(bar.from))), theme.text) + 2;
    let space = match (bar.is_recording, bar.pace) {
        (true, Some(_)) => "pause",
        (true, None) => "play",
        (false, _) => "live",
    };
    let keys = [("space", space), ("[ ]", "slot"), ("{ }", "event"), ("Home End", "ends"), ("q", "quit")];
    let width = |(key, hint): &(&str, &str)| key.chars().count() + hint.chars().count() + 3;
    // The bar gives way to the keys, and the last keys to the width.
    let room = canvas.width().saturating_sub(x);
    let shown = (0..=keys.len()).rev().find(|count| keys.iter().take(*count).map(width).sum::<usize>() + 10 <= room);
    let keys = &keys[..shown.unwrap_or(0)];
    let end = canvas.width().saturating_sub(keys.iter().map(width).sum::<usize>());
    let length = end.saturating_sub(x + 1).min(60);
    if length > 2 {
        let place = usize::try_from(bar.entry * (length as u64 - 1) / bar.entries.max(1)).unwrap_or(0);
        for at in 0..length {
            let (c, style) = if at == place { ('●', theme.accent) } else { ('─', theme.faint) };
            canvas.put_char(x + at, 0, c, style);
        }
    }
    let mut x = end;
    for (key, hint) in keys {
        let after = canvas.put(x, 0, key, theme.key);
        x = canvas.put(after + 1, 0, hint, theme.dim) + 2;
    }
}

/// The hint says what the key does now; nothing if it does nothing.
fn hint_now(model: &Model, ui: &Ui, binding: &Binding) -> Option<&'static str> {
    match (&ui.overlay, binding.label) {
        (Overlay::None, "space") if model.simulation.is_some() => {
            let is_paused = model.simulation.as_ref().is_some_and(|simulation| simulation.is_paused);
            Some(if is_paused { "go on" } else { "pause" })
        }
        (Overlay::None, "z") if ui.is_zoomed => Some("back"),
        (Overlay::Chooser(chooser), "m") if chooser.attack != Injection::Equivocate => None,
        (Overlay::None, _) if !acts_on(model, ui, &binding.action) => None,
        _ => Some(binding.hint),
    }
}

/// Whether it is something that is done to the selected replica, which not every pane shows.
fn acts_on_replica(action: &Action) -> bool {
    matches!(action, Action::Kill | Action::Restart | Action::Attack(_) | Action::Heal | Action::HealAll)
}

/// Whether a key can do anything to the selected replica as it is.
fn acts_on(model: &Model, ui: &Ui, action: &Action) -> bool {
    let selected = ui.selection();
    let Some(replica) = model.replicas.get(selected.index()) else { return true };
    if model.cases.is_some() && acts_on_replica(action) {
        return false;
    }
    match action {
        Action::Simulate(Simulate::Faster | Simulate::Slower | Simulate::Forward(_)) => model.simulation.is_some(),
        Action::Undo => !ui.undo.is_empty(),
        Action::Filter => ui.has_filter(),
        Action::Part(_) => ui.is_zoomed,
        Action::Record => model.simulation.is_none(),
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
