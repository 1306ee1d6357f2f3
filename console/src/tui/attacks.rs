//! Changes to what is set on replicas: the requests that bring them about, and what will hold then.

use byztop_core::attack::{Directive, parse};
use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::ReplicaId;

use super::action::Injection;
use super::model::Model;

/// What is to become of the attacks on one replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub replica: ReplicaId,
    /// What brings it about.
    pub request: ConsoleRequest,
    /// What will hold afterwards, in the attack language.
    pub result: String,
}

impl Change {
    /// Sets attacks, which name no attacker, in addition to those that hold; one of the same name is replaced.
    pub(super) fn set(model: &Model, replica: ReplicaId, added: Vec<Directive>) -> Change {
        let request = ConsoleRequest::Attack(Directive::join(&added));
        let mut all = current(model, replica);
        all.retain(|old| added.iter().all(|new| new.attack.name() != old.attack.name()));
        all.extend(added);
        Change { replica, request, result: Directive::join(&all) }
    }

    /// Ends every attack.
    pub(super) fn heal(replica: ReplicaId) -> Change {
        Change { replica, request: ConsoleRequest::Heal, result: String::new() }
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
        Some(Change { replica, request, result: Directive::join(&rest) })
    }
}

/// What the changes would break, if they attack more replicas than f and more than now.
pub(super) fn beyond_budget(model: &Model, changes: &[Change]) -> Option<String> {
    let now = model.faulty();
    let change_of = |id: ReplicaId| changes.iter().rev().find(|change| change.replica == id);
    let is_faulty = |id: &ReplicaId| match change_of(*id) {
        Some(change) if !change.result.is_empty() => true,
        Some(_) => model.replicas[id.index()].is_dead(),
        None => now.contains(id),
    };
    let then: Vec<ReplicaId> = model.committee.members().filter(is_faulty).collect();
    let f = model.committee.faulty();
    if then.len() <= f || then.iter().all(|id| now.contains(id)) {
        return None;
    }
    let names: Vec<String> = then.iter().map(ReplicaId::to_string).collect();
    let honest = model.committee.size() - then.len();
    let breaks = if honest < model.committee.quorum() {
        "no quorum of honest replicas, progress may stop, replicas may diverge"
    } else {
        "replicas may diverge"
    };
    Some(format!("{} would be Byzantine, f = {f}: {breaks}", names.join(", ")))
}

/// The name of the first attack in a text; empty if there is none.
pub(super) fn first_name(text: &str) -> &str {
    text.split(['(', '@', ' ', ';']).next().unwrap_or_default()
}

fn current(model: &Model, replica: ReplicaId) -> Vec<Directive> {
    let text = model.replicas.get(replica.index()).and_then(|replica| replica.attack()).unwrap_or_default();
    parse(text).unwrap_or_default()
}
