//! What must never happen, whatever was expected.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, tell};
use crate::app::smallbank::Account;
use crate::scenario::{ACCOUNTS, Balances, Certainty, Holding, INITIAL_CHECKING, INITIAL_SAVINGS, Standing, Table};
use crate::types::{ReplicaId, SeqNum};

/// Everything that happened and must never happen.
pub(super) fn violations(case: &Case<'_>) -> Vec<String> {
    let mut violations = case.found.violations.clone();
    violations.extend(disagreements(case));
    violations.extend(false_accusations(case));
    violations.extend(money(case));
    violations
}

/// Honest replicas that have executed the same slots have the same state.
fn disagreements(case: &Case<'_>) -> Vec<String> {
    let mut by_slot: BTreeMap<SeqNum, Vec<(ReplicaId, &Standing)>> = BTreeMap::new();
    for (node, standing) in &case.honest {
        by_slot.entry(standing.executed).or_default().push((*node, *standing));
    }
    let mut violations = Vec::new();
    for (slot, standings) in by_slot {
        let mut compare = |say: &dyn Fn(&Standing) -> String| {
            let said: Vec<(ReplicaId, String)> = standings.iter().map(|(node, one)| (*node, say(one))).collect();
            if said.iter().any(|(_, words)| *words != said[0].1) {
                violations.push(format!("after slot {slot} {}", tell(said)));
            }
        };
        compare(&|standing| format!("has the state {}", standing.state_digest));
        for account in (0..ACCOUNTS).map(Account) {
            for table in [Table::Checking, Table::Savings] {
                let holding = Holding { account, table };
                compare(&|standing| format!("has {}", held(holding, &standing.balances)));
            }
        }
    }
    violations
}

/// What an account holds, as a clause has it.
pub(super) fn held(holding: Holding, balances: &[Balances; ACCOUNTS as usize]) -> String {
    match holding.of(balances) {
        Some(amount) => format!("{holding}={amount}"),
        None => format!("no {holding}"),
    }
}

/// No evidence convicts an honest replica, be it live or not.
fn false_accusations(case: &Case<'_>) -> Vec<String> {
    let proofs = case.found.evidence.iter().filter(|accusation| accusation.certainty == Certainty::Proof);
    let honest = proofs.filter(|accusation| !case.set.byzantine.contains(accusation.accused));
    // Several replicas may hold the same proof.
    let said: BTreeSet<String> =
        honest.map(|one| format!("a proof accuses {}, which is honest: {}", one.accused, one.rule)).collect();
    said.into_iter().collect()
}

/// What neither pays in nor out leaves the bank with what it had.
fn money(case: &Case<'_>) -> Vec<String> {
    if !case.set.transactions.iter().all(|transaction| transaction.keeps_the_total()) {
        return Vec::new();
    }
    let initial = i128::from(ACCOUNTS) * (i128::from(INITIAL_CHECKING) + i128::from(INITIAL_SAVINGS));
    let each = |owned: &Balances| i128::from(owned.checking) + i128::from(owned.savings);
    let totals = case.honest.iter().map(|(node, standing)| (*node, standing.balances.iter().map(each).sum::<i128>()));
    let wrong: Vec<(ReplicaId, String)> =
        totals.filter(|(_, total)| *total != initial).map(|(node, total)| (node, format!("holds {total}"))).collect();
    match wrong.is_empty() {
        true => Vec::new(),
        false => vec![format!("of the {initial} that the bank held at first {}", tell(wrong))],
    }
}
