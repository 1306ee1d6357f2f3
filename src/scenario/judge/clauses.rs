//! What was expected, compared with what was found.

use super::safety::held;
use super::{Case, tell};
use crate::scenario::{BalanceIs, Certainty, Clause, Comparison, Holding, Outcome};
use crate::types::{ReplicaId, View};

/// The most transactions that a reason lists.
const MAX_LISTED: usize = 5;

/// Why a clause does not hold, as `expected: found`; `None` if it holds.
pub(super) fn missed(clause: &Clause, case: &Case<'_>) -> Option<String> {
    let found = match clause {
        Clause::Commits => commits(case),
        Clause::Stalls => stalls(case),
        Clause::Failed(count) => failed(*count, case),
        Clause::Balances(alternatives) => balances(alternatives, case),
        Clause::View(comparison, view) => views(*comparison, *view, case),
        Clause::Evidence(certainty, accused) => evidence(*certainty, *accused, case),
    };
    found.map(|found| format!("{clause}: {found}"))
}

/// What came of the transaction at this place, counted from 0.
fn outcome<'a>(case: &Case<'a>, index: usize) -> &'a Outcome {
    case.found.transactions.get(index).map_or(&Outcome::Timeout, |answer| &answer.outcome)
}

/// The places of the transactions of which something is so, counted from 0.
fn places(case: &Case<'_>, is_so: impl Fn(&Outcome) -> bool) -> Vec<usize> {
    (0..case.set.transactions.len()).filter(|index| is_so(outcome(case, *index))).collect()
}

/// Transactions by their places in the set, counted from 1: `1 (A, B, 1), 3 (C)`.
fn list(case: &Case<'_>, places: &[usize]) -> String {
    let listed = places.iter().take(MAX_LISTED);
    let texts: Vec<String> = listed.map(|index| format!("{} {}", index + 1, case.set.transactions[*index])).collect();
    let more = match places.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", texts.join(", "))
}

fn commits(case: &Case<'_>) -> Option<String> {
    let places = places(case, |outcome| *outcome == Outcome::Timeout);
    let (count, of) = (places.len(), case.set.transactions.len());
    (count > 0).then(|| format!("{count} of {of} transactions got no result: {}", list(case, &places)))
}

fn stalls(case: &Case<'_>) -> Option<String> {
    let places = places(case, |outcome| *outcome != Outcome::Timeout);
    let (count, of) = (places.len(), case.set.transactions.len());
    (count > 0).then(|| format!("{count} of {of} transactions got a result: {}", list(case, &places)))
}

fn failed(wanted: u64, case: &Case<'_>) -> Option<String> {
    let places = places(case, |outcome| matches!(outcome, Outcome::Failed(_)));
    if u64::try_from(places.len()) == Ok(wanted) {
        return None;
    }
    Some(match places.len() {
        0 => "no transaction failed".to_string(),
        count => format!("{count} of {} transactions failed: {}", case.set.transactions.len(), list(case, &places)),
    })
}

fn balances(alternatives: &[Vec<BalanceIs>], case: &Case<'_>) -> Option<String> {
    if case.leading().next().is_none() {
        return Some(NOBODY.to_string());
    }
    let holds = |alternative: &Vec<BalanceIs>| {
        alternative.iter().all(|balance| {
            case.leading().all(|(_, standing)| balance.holding.of(&standing.balances) == Some(balance.amount))
        })
    };
    if alternatives.iter().any(holds) {
        return None;
    }
    let mut holdings: Vec<Holding> = Vec::new();
    for balance in alternatives.iter().flatten() {
        if !holdings.contains(&balance.holding) {
            holdings.push(balance.holding);
        }
    }
    Some(tell(case.leading().map(|(node, standing)| {
        let held: Vec<String> = holdings.iter().map(|holding| held(*holding, &standing.balances)).collect();
        (node, format!("has {}", held.join(", ")))
    })))
}

fn views(comparison: Comparison, wanted: View, case: &Case<'_>) -> Option<String> {
    if case.leading().next().is_none() {
        return Some(NOBODY.to_string());
    }
    let wrong = case.leading().filter(|(_, standing)| !comparison.holds(standing.view, wanted));
    let said = tell(wrong.map(|(node, standing)| (node, format!("is in view {}", standing.view))));
    (!said.is_empty()).then_some(said)
}

fn evidence(wanted: Certainty, accused: ReplicaId, case: &Case<'_>) -> Option<String> {
    let against = case.found.evidence.iter().filter(|accusation| accusation.accused == accused);
    match against.max_by_key(|accusation| accusation.certainty) {
        Some(strongest) if strongest.certainty >= wanted => None,
        Some(weaker) => {
            let (certainty, rule) = (weaker.certainty, &weaker.rule);
            Some(format!("of what is held against {accused} the most certain is {certainty}: {rule}"))
        }
        None => Some(format!("nothing is held against {accused}")),
    }
}

/// What is found where nobody can be asked.
const NOBODY: &str = "no honest live replica reported";
