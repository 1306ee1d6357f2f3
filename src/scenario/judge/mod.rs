//! Judges what came of a set: what must never happen first, then clause by clause what should have come of it.

mod clauses;
mod safety;

use std::collections::BTreeMap;
use std::fmt;

use super::{Demand, Expectation, Found, Set, Standing};
use crate::committee::Committee;
use crate::types::{ReplicaId, SeqNum};

/// What is to be thought of a set's run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// In a word.
    pub ruling: Ruling,
    /// What must never happen and did.
    pub violations: Vec<String>,
    /// What was expected and is not so, as `expected: found`.
    pub missed: Vec<String>,
    /// Beyond the budget of f, what would have been a violation or missed: nobody promised that it holds.
    pub broke: Vec<String>,
    /// What is worth knowing and nobody's fault.
    pub notes: Vec<String>,
}

/// A verdict in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// What was expected holds, and nothing happened that must never happen.
    Pass,
    /// Something does not hold, and nobody may say that it need not.
    Fail,
    /// More replicas were Byzantine than the protocol bears: not a failure, whatever broke.
    BeyondBudget,
}

impl Ruling {
    /// As people read it.
    pub fn label(self) -> &'static str {
        match self {
            Ruling::Pass => "pass",
            Ruling::Fail => "fail",
            Ruling::BeyondBudget => "beyond budget: not a failure",
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl fmt::Display for Verdict {
    /// The ruling, and each reason on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ruling.label())?;
        let reasons =
            [("violation", &self.violations), ("missed", &self.missed), ("broke", &self.broke), ("note", &self.notes)];
        reasons
            .into_iter()
            .try_for_each(|(kind, lines)| lines.iter().try_for_each(|line| write!(f, "\n{kind}: {line}")))
    }
}

/// Judges what came of a set.
///
/// Safety is always judged: honest live replicas with the same last slot have the same state, nobody honest is proved
/// guilty, money is conserved. Then the clauses of the expectation. Balances and views are looked up at the honest live
/// replicas that have executed furthest; those behind them are noted. An honest live replica that did not report has
/// neither agreed nor said that it lags, which counts as missed. Beyond f nothing fails.
pub fn judge(set: &Set, committee: Committee, expectation: &Expectation, found: &Found) -> Verdict {
    let case = Case::new(set, found);
    let violations = safety::violations(&case);
    let mut missed = case.silent();
    if let Demand::Clauses(clauses) = &expectation.demand {
        missed.extend(clauses.iter().filter_map(|clause| clauses::missed(clause, &case)));
    }
    let mut notes = case.laggards();
    notes.extend(case.idle_liars());
    if set.is_beyond(committee) {
        let broke = [violations, missed].concat();
        return Verdict { ruling: Ruling::BeyondBudget, violations: Vec::new(), missed: Vec::new(), broke, notes };
    }
    let ruling = if violations.is_empty() && missed.is_empty() { Ruling::Pass } else { Ruling::Fail };
    Verdict { ruling, violations, missed, broke: Vec::new(), notes }
}

/// A set, what was found, and what both say about its honest live replicas.
struct Case<'a> {
    set: &'a Set,
    found: &'a Found,
    /// The honest live replicas that reported.
    honest: BTreeMap<ReplicaId, &'a Standing>,
    /// The last slot that one of them executed.
    furthest: SeqNum,
}

impl<'a> Case<'a> {
    fn new(set: &'a Set, found: &'a Found) -> Case<'a> {
        let standing = |node| found.replicas.get(&node).map(|standing| (node, standing));
        let honest: BTreeMap<ReplicaId, &Standing> = set.honest_live().iter().filter_map(standing).collect();
        let furthest = honest.values().map(|standing| standing.executed).max().unwrap_or_default();
        Case { set, found, honest, furthest }
    }

    /// The honest live replicas that have executed furthest.
    fn leading(&self) -> impl Iterator<Item = (ReplicaId, &'a Standing)> {
        self.honest.iter().map(|(node, standing)| (*node, *standing)).filter(|(_, one)| one.executed == self.furthest)
    }

    /// Who should have reported and did not.
    fn silent(&self) -> Vec<String> {
        let silent = self.set.honest_live().iter().filter(|node| !self.honest.contains_key(node));
        silent.map(|node| format!("a report of every honest live replica: {node} did not report")).collect()
    }

    /// Byzantine replicas that do nothing, so that nothing was tested with them.
    fn idle_liars(&self) -> Option<String> {
        let does_nothing = |node: &ReplicaId| self.set.attacks_of(*node).is_empty();
        let idle: Vec<String> = self.set.byzantine.iter().filter(does_nothing).map(|node| node.to_string()).collect();
        (!idle.is_empty()).then(|| {
            let (who, verb) = (idle.join(", "), if idle.len() == 1 { "is" } else { "are" });
            format!("{who} {verb} Byzantine in this set and did nothing: name an attack, or nothing is tested with it")
        })
    }

    /// Who is behind the others.
    fn laggards(&self) -> Vec<String> {
        let behind = self.honest.iter().filter(|(_, standing)| standing.executed < self.furthest);
        behind.map(|(node, one)| format!("{node} lags: slot {} of {}", one.executed, self.furthest)).collect()
    }
}

/// Says of each replica what there is to say, once: `n2 has A=10 (n3, n4 too); n5 has A=11`.
fn tell(said: impl IntoIterator<Item = (ReplicaId, String)>) -> String {
    let mut groups: Vec<(ReplicaId, String, Vec<String>)> = Vec::new();
    for (node, words) in said {
        match groups.iter_mut().find(|(_, known, _)| *known == words) {
            Some((_, _, others)) => others.push(node.to_string()),
            None => groups.push((node, words, Vec::new())),
        }
    }
    let one = |(first, words, others): &(ReplicaId, String, Vec<String>)| match others.as_slice() {
        [] => format!("{first} {words}"),
        others => format!("{first} {words} ({} too)", others.join(", ")),
    };
    groups.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
