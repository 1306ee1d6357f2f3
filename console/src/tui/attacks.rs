//! Changes to what is set on replicas and to their processes: what brings them about, and what will hold then.

use byztop_core::attack::{Directive, parse};
use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::ReplicaId;

use super::action::Injection;
use super::model::{Model, Process};

/// What is to become of one replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub replica: ReplicaId,
    pub step: Step,
}

/// What is done for a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Other attacks are set on it.
    Attacks {
        /// What brings it about.
        request: ConsoleRequest,
        /// What will hold afterwards, in the attack language.
        result: String,
    },
    /// Its process is killed.
    Kill,
    /// Its process is started again.
    Restart,
}

/// What held before a change, so that it can be brought back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Before {
    /// These attacks were set on it.
    Attacks(ReplicaId, String),
    /// Its process ran.
    Alive(ReplicaId),
    /// It was dead.
    Dead(ReplicaId),
}

impl Before {
    /// What holds now and will not after a change.
    pub(super) fn of(model: &Model, change: &Change) -> Before {
        let id = change.replica;
        match change.step {
            Step::Attacks { .. } => {
                let attack = model.replicas[id.index()].attack().unwrap_or_default();
                Before::Attacks(id, attack.to_string())
            }
            Step::Kill => Before::Alive(id),
            Step::Restart => Before::Dead(id),
        }
    }

    /// The changes that bring it back: attacks are ended and set anew, since they can not be set in place of others.
    pub(super) fn changes(&self) -> Vec<Change> {
        match self {
            Before::Alive(id) => vec![Change::restart(*id)],
            Before::Dead(id) => vec![Change::kill(*id)],
            Before::Attacks(id, attack) => {
                let step = |request, result: &str| Change {
                    replica: *id,
                    step: Step::Attacks { request, result: result.to_string() },
                };
                let ended = step(ConsoleRequest::Heal, attack);
                let set = (!attack.is_empty()).then(|| step(ConsoleRequest::Attack(attack.clone()), attack));
                std::iter::once(ended).chain(set).collect()
            }
        }
    }
}

impl Change {
    /// Sets attacks, which name no attacker, in addition to those that hold; one of the same name is replaced.
    pub(super) fn set(model: &Model, replica: ReplicaId, added: Vec<Directive>) -> Change {
        let request = ConsoleRequest::Attack(Directive::join(&added));
        let mut all = current(model, replica);
        all.retain(|old| added.iter().all(|new| new.attack.name() != old.attack.name()));
        all.extend(added);
        Change { replica, step: Step::Attacks { request, result: Directive::join(&all) } }
    }

    /// Ends every attack, and undoes a kill.
    pub(super) fn heal(model: &Model, replica: ReplicaId) -> Change {
        if model.replicas[replica.index()].was_killed() {
            return Change::restart(replica);
        }
        Change { replica, step: Step::Attacks { request: ConsoleRequest::Heal, result: String::new() } }
    }

    /// Kills its process.
    pub(super) fn kill(replica: ReplicaId) -> Change {
        Change { replica, step: Step::Kill }
    }

    /// Starts its process again.
    pub(super) fn restart(replica: ReplicaId) -> Change {
        Change { replica, step: Step::Restart }
    }

    /// Ends one attack, or gives `None` if it is not set.
    pub(super) fn end(model: &Model, replica: ReplicaId, attack: Injection) -> Option<Change> {
        let mut rest = current(model, replica);
        let before = rest.len();
        rest.retain(|directive| directive.attack.name() != attack.name());
        if rest.len() == before {
            return None;
        }
        let request = ConsoleRequest::End(attack.name().to_string());
        Some(Change { replica, step: Step::Attacks { request, result: Directive::join(&rest) } })
    }

    /// Why it can not be done from here, if so.
    pub(super) fn obstacle(&self, model: &Model) -> Option<String> {
        let id = self.replica;
        let replica = &model.replicas[id.index()];
        if model.simulation.is_some() && matches!(self.step, Step::Kill | Step::Restart) {
            return Some(format!("{id} is simulated and has no process; c silences it, H ends that"));
        }
        let why = match (&self.step, &replica.process) {
            (Step::Kill | Step::Restart, Process::Unknown) => {
                format!("{id} was not started here: its process can be neither killed nor restarted")
            }
            (Step::Restart, _) if replica.is_dead() => return None,
            (Step::Restart, Process::Starting(_)) => format!("{id} is starting already"),
            (Step::Restart, _) => format!("{id} runs; K kills it, and R then restarts it"),
            (_, _) if replica.is_dead() => format!("{id} is dead; R restarts it"),
            (Step::Kill, _) => return None,
            (Step::Attacks { .. }, Process::Starting(_)) => format!("{id} is starting and not connected yet"),
            (Step::Attacks { .. }, _) if !replica.is_up() => format!("{id} is not connected"),
            (Step::Attacks { .. }, _) if replica.may_attack => return None,
            (Step::Attacks { .. }, _) => {
                format!("{id} takes no attacks from here: it was not started for that, or this is no operator")
            }
        };
        Some(why)
    }
}

/// What the changes would break, if more replicas than f, and more than now, were then faulty.
pub(super) fn beyond_budget(model: &Model, changes: &[Change]) -> Option<String> {
    let now = model.faulty();
    let change_of = |id: ReplicaId| changes.iter().rev().find(|change| change.replica == id);
    let is_faulty = |id: &ReplicaId| match change_of(*id).map(|change| &change.step) {
        Some(Step::Attacks { result, .. }) => !result.is_empty() || model.replicas[id.index()].is_out(),
        // Whoever restarts takes no part for a while.
        Some(Step::Kill | Step::Restart) => true,
        None => now.contains(id),
    };
    let is_down = |id: &ReplicaId| match change_of(*id).map(|change| &change.step) {
        Some(Step::Attacks { .. }) => false,
        Some(Step::Kill | Step::Restart) => true,
        None => model.replicas[id.index()].is_out(),
    };
    let then: Vec<ReplicaId> = model.committee.members().filter(is_faulty).collect();
    let f = model.committee.faulty();
    if then.len() <= f || then.iter().all(|id| now.contains(id)) {
        return None;
    }
    let (down, byzantine): (Vec<ReplicaId>, Vec<ReplicaId>) = then.iter().partition(|id| is_down(id));
    let who = match (byzantine.as_slice(), down.as_slice()) {
        (byzantine, []) => format!("{} would be Byzantine", names(byzantine)),
        ([], down) => format!("{} would be down", names(down)),
        (byzantine, down) => format!("{} would be Byzantine and {} down", names(byzantine), names(down)),
    };
    let has_quorum = model.committee.size() - then.len() >= model.committee.quorum();
    let breaks = match (byzantine.is_empty(), has_quorum) {
        (false, false) => "no quorum of honest replicas, progress may stop, replicas may diverge",
        (false, true) => "replicas may diverge",
        // What lost its log must see others decide before it votes, and there is nobody left to decide.
        (true, false) if model.durability == "memory" => {
            "no quorum, nothing is decided any more; durability is memory, so those that restart have lost what they \
             signed and may wait for ever"
        }
        (true, false) => "no quorum, nothing is decided until enough of them are back",
        (true, true) => "no further replica may fail",
    };
    Some(format!("{who}, f = {f}: {breaks}"))
}

fn names(replicas: &[ReplicaId]) -> String {
    replicas.iter().map(ReplicaId::to_string).collect::<Vec<_>>().join(", ")
}

/// The name of the first attack in a text; empty if there is none.
pub(super) fn first_name(text: &str) -> &str {
    text.split(['(', '@', ' ', ';']).next().unwrap_or_default()
}

fn current(model: &Model, replica: ReplicaId) -> Vec<Directive> {
    let text = model.replicas.get(replica.index()).and_then(|replica| replica.attack()).unwrap_or_default();
    parse(text).unwrap_or_default()
}
