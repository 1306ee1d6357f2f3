//! How attacks are set and ended, and processes killed and started: with a question first if that breaks what the protocol
//! promises, and so that it can be undone.

use byztop_core::attack::{Attack, Directive, Trigger};
use byztop_core::types::ReplicaId;

use super::super::Command;
use super::super::action::Injection;
use super::super::attacks::{Before, Change, Step, beyond_budget};
use super::super::chooser::Chooser;
use super::super::model::Model;
use super::super::ui::{Confirm, Overlay, Ui};
use super::{CASES_ARE_ALONE, PAST};

pub(super) fn on_attack(model: &mut Model, ui: &mut Ui, attack: Injection) -> Vec<Command> {
    let id = ui.selection();
    if let Some(change) = Change::end(model, id, attack) {
        return inject(model, ui, vec![change]);
    }
    let attack = match attack {
        Injection::Crash => Attack::Crash,
        Injection::Delay => Attack::Time(Attack::DEFAULT_DELAY),
        Injection::Sign => Attack::Sign,
        Injection::Dark | Injection::Equivocate => {
            match Change::heal(model, id).obstacle(model) {
                Some(why) => ui.complain(why),
                None => ui.overlay = Overlay::Chooser(Chooser::new(model, id, attack)),
            }
            return Vec::new();
        }
    };
    let directive = Directive { attacker: None, attack, trigger: Trigger::Always };
    inject(model, ui, vec![Change::set(model, id, vec![directive])])
}

/// Ends all attacks and starts again who was killed. Who died otherwise stays dead, so that somebody can look into it.
pub(super) fn heal_all(model: &mut Model, ui: &mut Ui) -> Vec<Command> {
    let ill = model.replicas.iter().filter(|replica| replica.is_up() || replica.was_killed());
    let changes: Vec<Change> = ill.map(|replica| Change::heal(model, replica.id)).collect();
    inject(model, ui, changes)
}

/// Carries a change out on all replicas where it can be.
pub(super) fn inject_all(
    model: &mut Model,
    ui: &mut Ui,
    change: impl Fn(ReplicaId) -> Change,
    or_else: &str,
) -> Vec<Command> {
    let all: Vec<(Change, Option<String>)> =
        model.committee.members().map(change).map(|change| (change.clone(), change.obstacle(model))).collect();
    let (can, can_not): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, obstacle)| obstacle.is_none());
    if !can.is_empty() {
        return inject(model, ui, can.into_iter().map(|(change, _)| change).collect());
    }
    // What stands in the way of the first stands in the way of all.
    let obstacle = can_not.into_iter().find_map(|(_, obstacle)| obstacle).filter(|_| !model.has_processes());
    ui.complain(obstacle.unwrap_or_else(|| or_else.to_string()));
    Vec::new()
}

/// Carries changes out, after a question if they go beyond the fault budget.
pub(super) fn inject(model: &mut Model, ui: &mut Ui, changes: Vec<Change>) -> Vec<Command> {
    if model.cases.is_some() {
        ui.complain(CASES_ARE_ALONE);
        return Vec::new();
    }
    if ui.is_replay() {
        ui.complain(PAST);
        return Vec::new();
    }
    if let Some(why) = changes.iter().find_map(|change| change.obstacle(model)) {
        ui.complain(why);
        return Vec::new();
    }
    match beyond_budget(model, &changes) {
        Some(question) => {
            ui.overlay = Overlay::Confirm(Confirm { question, changes });
            Vec::new()
        }
        None => carry_out(model, ui, changes),
    }
}

/// Brings back what held before the last change that was made here.
pub(super) fn undo(model: &mut Model, ui: &mut Ui) -> Vec<Command> {
    let Some(before) = ui.undo.pop() else {
        ui.complain("nothing to undo: no attack was set and no process killed from here");
        return Vec::new();
    };
    let changes: Vec<Change> = before.iter().flat_map(Before::changes).collect();
    let depth = ui.undo.len();
    let commands = inject(model, ui, changes);
    // What is undone is not done again by the next u.
    ui.undo.truncate(depth);
    commands
}

pub(super) fn carry_out(model: &mut Model, ui: &mut Ui, changes: Vec<Change>) -> Vec<Command> {
    ui.remember_before(changes.iter().map(|change| Before::of(model, change)).collect());
    let mut commands = Vec::new();
    let (mut told, mut killed, mut started) = (Vec::new(), Vec::new(), Vec::new());
    for Change { replica: id, step } in changes {
        let now = model.now;
        let replica = &mut model.replicas[id.index()];
        commands.push(match step {
            Step::Attacks { request, result } => {
                let attack = if result.is_empty() { "end every attack" } else { &result };
                told.push(format!("{id}: {attack}"));
                replica.expect(now, result);
                Command::Send(id, request)
            }
            Step::Kill => {
                killed.push(id.to_string());
                replica.expect_death(now);
                Command::Kill(id)
            }
            Step::Restart => {
                started.push(id.to_string());
                Command::Restart(id)
            }
        });
    }
    let list = |verb: &str, done: Vec<String>| match done.len() {
        0 => None,
        1..=3 => Some(format!("{verb} {}", done.join(" · "))),
        many => Some(format!("{verb} {many} replicas")),
    };
    let said: Vec<String> =
        [list("told", told), list("SIGKILL to", killed), list("starting", started)].into_iter().flatten().collect();
    ui.say(if said.is_empty() { "nobody is connected".to_string() } else { said.join("; ") });
    commands
}
