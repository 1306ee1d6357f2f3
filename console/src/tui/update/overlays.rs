//! What an action does while something lies over the screen: it goes there, and the overlay stays unless that ends it.

use super::super::Command;
use super::super::action::{Action, Motion};
use super::super::attacks::Change;
use super::super::chooser::Chooser;
use super::super::filter::Filter;
use super::super::history::Travel;
use super::super::model::Model;
use super::super::palette::{self, Line, Order, Whom};
use super::super::text::grouped;
use super::super::ui::{Confirm, Overlay, Ui};
use super::injections::{carry_out, inject, inject_all};
use super::{PAGE, PAST, change_filter, leave, move_on, on_screen, watch};

pub(super) fn on_chooser(model: &mut Model, ui: &mut Ui, mut chooser: Chooser, action: Action) -> Vec<Command> {
    match action {
        Action::Quit => return leave(ui),
        Action::Cancel => return Vec::new(),
        Action::Suspend => ui.wants_suspend = true,
        Action::Move(motion) => chooser.move_mark(motion),
        Action::Toggle => chooser.toggle(),
        Action::SwitchForm => chooser.switch_form(),
        Action::Accept => match chooser.directive() {
            Some(chosen) => return inject(model, ui, vec![Change::set(model, chooser.attacker, vec![chosen])]),
            None => ui.complain("choose at least one victim with space"),
        },
        _ => {}
    }
    ui.overlay = Overlay::Chooser(chooser);
    Vec::new()
}

pub(super) fn on_confirm(model: &mut Model, ui: &mut Ui, confirm: Confirm, action: Action) -> Vec<Command> {
    match action {
        Action::Quit => return leave(ui),
        Action::Cancel => return Vec::new(),
        Action::Accept => return carry_out(model, ui, confirm.changes),
        Action::Suspend => ui.wants_suspend = true,
        _ => {}
    }
    ui.overlay = Overlay::Confirm(confirm);
    Vec::new()
}

pub(super) fn on_help(ui: &mut Ui, mut search: String, mut scroll: usize, action: Action) -> Vec<Command> {
    match action {
        Action::Quit => return leave(ui),
        Action::Cancel => return Vec::new(),
        Action::Suspend => ui.wants_suspend = true,
        Action::Move(motion) => {
            scroll = motion.apply(scroll, usize::from(u16::MAX), PAGE).min(super::super::view::help_entries(&search))
        }
        Action::Type(c) if search.chars().count() < 40 => {
            search.push(c);
            scroll = 0;
        }
        Action::Erase if search.pop().is_none() => return Vec::new(),
        Action::EraseAll => search.clear(),
        _ => {}
    }
    ui.overlay = Overlay::Help { search, scroll };
    Vec::new()
}

pub(super) fn on_filter(model: &Model, ui: &mut Ui, action: Action) -> Vec<Command> {
    match action {
        Action::Quit => return leave(ui),
        Action::Accept => return Vec::new(),
        Action::Cancel => {
            change_filter(ui, |filter| *filter = Filter::default());
            return Vec::new();
        }
        Action::Suspend => ui.wants_suspend = true,
        Action::Move(motion) => move_on(model, ui, motion),
        Action::Type(c) => change_filter(ui, |filter| filter.type_char(c)),
        Action::Erase if ui.filter.text().is_empty() => return Vec::new(),
        Action::Erase => change_filter(ui, Filter::erase),
        Action::EraseAll => change_filter(ui, |filter| *filter = Filter::default()),
        _ => {}
    }
    ui.overlay = Overlay::Filter;
    Vec::new()
}

pub(super) fn on_palette(model: &mut Model, ui: &mut Ui, mut line: Line, action: Action) -> Vec<Command> {
    match action {
        Action::Quit => return leave(ui),
        Action::Cancel => return Vec::new(),
        Action::Suspend => ui.wants_suspend = true,
        Action::Type(c) => line.type_char(c),
        Action::Erase => {
            line.mistake = None;
            if line.text.pop().is_none() {
                return Vec::new();
            }
        }
        Action::EraseAll => line = Line::default(),
        Action::Complete => line.complete(model.committee),
        Action::Move(Motion::Up) => line.recall(&ui.history, line.back + 1),
        Action::Move(Motion::Down) => line.recall(&ui.history, line.back.saturating_sub(1)),
        Action::Accept if line.text.trim().is_empty() => return Vec::new(),
        Action::Accept => match palette::parse(&line.text, model.committee, ui.selection()) {
            Ok(order) => {
                ui.remember(line.text.trim());
                return obey(model, ui, order);
            }
            Err(mistake) => line.mistake = Some(mistake),
        },
        _ => {}
    }
    ui.overlay = Overlay::Palette(line);
    Vec::new()
}

fn obey(model: &mut Model, ui: &mut Ui, order: Order) -> Vec<Command> {
    match order {
        Order::Do(action) => on_screen(model, ui, action),
        Order::Attack(attacks) => {
            let changes = attacks.into_iter().map(|(id, attacks)| Change::set(model, id, attacks)).collect();
            inject(model, ui, changes)
        }
        Order::Preset(preset) => {
            let attacks = preset.attacks(model);
            let changes = attacks.into_iter().map(|(id, attacks)| Change::set(model, id, attacks)).collect();
            inject(model, ui, changes)
        }
        Order::Heal(id) => inject(model, ui, vec![Change::heal(model, id)]),
        Order::Kill(Whom::One(id)) => inject(model, ui, vec![Change::kill(id)]),
        Order::Kill(Whom::All) => inject_all(model, ui, Change::kill, "nobody is left to kill"),
        Order::Restart(Whom::One(id)) => inject(model, ui, vec![Change::restart(id)]),
        Order::Restart(Whom::All) => inject_all(model, ui, Change::restart, "nobody is dead"),
        Order::Goto(slot) => watch(model, ui, Some(slot)),
        Order::Seek(_) if model.simulation.is_some() => {
            ui.complain("a simulation is stepped through with [ ] { }");
            Vec::new()
        }
        Order::Seek(micros) => {
            ui.travel = Some(Travel::By(micros));
            Vec::new()
        }
        Order::Rate(_) if ui.is_replay() => {
            ui.complain(PAST);
            Vec::new()
        }
        Order::Rate(_) if model.simulation.is_some() => {
            ui.complain("a simulation has no rate: its scenario says who submits what, and when");
            Vec::new()
        }
        Order::Rate(rate) => {
            let rate_text = rate.map_or("as much as possible".into(), |rate| format!("{} op/s", grouped(rate as u64)));
            ui.say(format!("load: {rate_text}"));
            vec![Command::SetRate(rate)]
        }
    }
}
