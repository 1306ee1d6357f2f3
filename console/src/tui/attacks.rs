//! Changes to what is set on replicas, as texts in the attack language and the requests that bring them about.

use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::ReplicaId;

use super::action::Injection;
use super::model::Model;

/// What is to become of the attacks on one replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub replica: ReplicaId,
    /// To be sent in this order.
    pub requests: Vec<ConsoleRequest>,
    /// What will hold afterwards, in the attack language.
    pub result: String,
}

impl Change {
    /// Sets attacks in addition to those that hold; one of the same name is replaced.
    pub(super) fn set(model: &Model, replica: ReplicaId, text: &str) -> Change {
        let added: Vec<&str> = parts(text).collect();
        let kept = parts(current(model, replica)).filter(|old| !added.iter().any(|new| name(new) == name(old)));
        let result = kept.chain(added.iter().copied()).collect::<Vec<_>>().join("; ");
        Change { replica, requests: vec![ConsoleRequest::Attack(added.join("; "))], result }
    }

    /// Ends every attack.
    pub(super) fn heal(replica: ReplicaId) -> Change {
        Change { replica, requests: vec![ConsoleRequest::Heal], result: String::new() }
    }

    /// Ends one attack, or gives `None` if it is not set. There is no request for just that: what remains is set anew.
    pub(super) fn end(model: &Model, replica: ReplicaId, attack: Injection) -> Option<Change> {
        let now = current(model, replica);
        if !parts(now).any(|part| name(part) == attack.name()) {
            return None;
        }
        let result = parts(now).filter(|part| name(part) != attack.name()).collect::<Vec<_>>().join("; ");
        let mut change = Change::heal(replica);
        if !result.is_empty() {
            change.requests.push(ConsoleRequest::Attack(result.clone()));
        }
        Some(Change { result, ..change })
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
    let stops = if honest < model.committee.quorum() {
        "no quorum of honest replicas, progress may stop, replicas may diverge"
    } else {
        "replicas may diverge"
    };
    Some(format!("{} would be Byzantine, f = {f}: {stops}", names.join(", ")))
}

/// The attacks in a text, without what surrounds them.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}

/// The name of one attack.
pub(super) fn name(part: &str) -> &str {
    part.split(['(', '@', ' ']).next().unwrap_or_default()
}

fn current(model: &Model, replica: ReplicaId) -> &str {
    model.replicas.get(replica.index()).and_then(|replica| replica.attack()).unwrap_or_default()
}
