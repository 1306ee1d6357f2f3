//! What `--json` prints: one document, whose keys are the same whatever came of the sets.

use std::collections::BTreeMap;

use byztop_core::app::smallbank::Account;
use byztop_core::attack::Directive;
use byztop_core::committee::Committee;
use byztop_core::scenario::{ACCOUNTS, Balances, Holding, Standing, Table, Verdict};
use byztop_core::types::{ReplicaId, ReplicaSet, View};
use serde::Serialize;

use super::has_passed;
use super::set::SetRun;
use crate::books::{NewView, SlotStatus};
use crate::cli::RunArgs;

/// All sets of a file.
#[derive(Serialize)]
pub(super) struct Document {
    file: String,
    protocol: String,
    verdict: &'static str,
    sets: Vec<SetDocument>,
}

/// One set. Replicas are named `n1`, accounts `A` for checking and `A.savings`.
#[derive(Serialize)]
struct SetDocument {
    set: u32,
    live: Vec<String>,
    byzantine: Vec<String>,
    attack: String,
    /// Whether the file has no word on what Byzantine replicas do, so that it is assumed.
    attack_is_assumed: bool,
    expected: String,
    verdict: &'static str,
    violations: Vec<String>,
    transactions: Vec<TransactionDocument>,
    balances: BTreeMap<String, BTreeMap<String, i64>>,
    state_digest: BTreeMap<String, String>,
    executed: BTreeMap<String, u64>,
    views: BTreeMap<String, u64>,
    new_views: Vec<NewViewDocument>,
    status: BTreeMap<u64, BTreeMap<String, &'static str>>,
    evidence: Vec<EvidenceDocument>,
}

#[derive(Serialize)]
struct TransactionDocument {
    text: String,
    outcome: &'static str,
    result: Option<String>,
    latency_ms: f64,
}

/// A view that has begun, and the view changes that its primary has shown for it.
#[derive(Serialize)]
struct NewViewDocument {
    view: u64,
    primary: String,
    repeated: u32,
    nulls: u32,
    entered_by: Vec<String>,
    view_changes: Vec<ViewChangeDocument>,
}

#[derive(Serialize)]
struct ViewChangeDocument {
    node: String,
    /// Its stable checkpoint, and of how many slots above that it had something to show.
    stable: u64,
    slots: u32,
    /// Why it had asked, by its own account.
    why: Option<String>,
}

#[derive(Serialize)]
struct EvidenceDocument {
    accused: String,
    rule: String,
    label: &'static str,
}

impl Document {
    /// What came of the sets that were run.
    pub(super) fn of(args: &RunArgs, runs: &[SetRun<'_>]) -> Document {
        Document {
            file: args.file.display().to_string(),
            protocol: args.protocol.to_string(),
            verdict: label(runs.iter().all(has_passed)),
            sets: runs.iter().map(SetDocument::of).collect(),
        }
    }
}

fn label(has_passed: bool) -> &'static str {
    if has_passed { "pass" } else { "fail" }
}

impl SetDocument {
    fn of(run: &SetRun<'_>) -> SetDocument {
        let SetRun { set, committee, expectation, found, verdict, ledgers, views, .. } = run;
        let transactions = set.transactions.iter().zip(&found.transactions).map(|(transaction, answer)| {
            let (outcome, latency_ms) = (&answer.outcome, answer.latency.0 as f64 / 1000.0);
            let result = outcome.text().map(ToString::to_string);
            TransactionDocument { text: transaction.to_string(), outcome: outcome.label(), result, latency_ms }
        });
        let row = |row: BTreeMap<ReplicaId, SlotStatus>| {
            row.into_iter().map(|(node, status)| (node.to_string(), status.label())).collect()
        };
        let entered = views.iter().filter(|(_, view)| !view.entered.is_empty());
        let evidence = found.evidence.iter().map(|one| EvidenceDocument {
            accused: one.accused.to_string(),
            rule: one.rule.clone(),
            label: one.certainty.label(),
        });
        SetDocument {
            set: set.number,
            live: names(set.live),
            byzantine: names(set.byzantine),
            attack: Directive::join(&set.attack),
            attack_is_assumed: set.is_assumed,
            expected: expectation.to_string(),
            verdict: label(has_passed(run)),
            violations: violations(verdict),
            transactions: transactions.collect(),
            balances: of_each(run, |standing| named(&standing.balances)),
            state_digest: of_each(run, |standing| standing.state_digest.to_string()),
            executed: of_each(run, |standing| standing.executed.0),
            views: of_each(run, |standing| standing.view.0),
            new_views: entered.map(|(view, seen)| NewViewDocument::of(*view, seen, *committee)).collect(),
            status: ledgers.slots().into_iter().map(|(seq, statuses)| (seq.0, row(statuses))).collect(),
            evidence: evidence.collect(),
        }
    }
}

impl NewViewDocument {
    fn of(view: View, seen: &NewView, committee: Committee) -> NewViewDocument {
        let shown = seen.shown.iter().map(|shown| ViewChangeDocument {
            node: shown.replica.to_string(),
            stable: shown.stable.0,
            slots: shown.slots,
            why: seen.asked.get(&shown.replica).map(ToString::to_string),
        });
        NewViewDocument {
            view: view.0,
            primary: committee.primary(view).to_string(),
            repeated: seen.repeated,
            nulls: seen.nulls,
            entered_by: names(seen.entered),
            view_changes: shown.collect(),
        }
    }
}

/// Why a set did not pass: what must never happen, and what was expected otherwise.
fn violations(verdict: &Verdict) -> Vec<String> {
    let missed = verdict.missed.iter().map(|missed| format!("expected {missed}"));
    verdict.violations.iter().cloned().chain(missed).collect()
}

fn names(replicas: ReplicaSet) -> Vec<String> {
    replicas.iter().map(|replica| replica.to_string()).collect()
}

/// Something of each replica that has reported, by its name.
fn of_each<T>(run: &SetRun<'_>, of: impl Fn(&Standing) -> T) -> BTreeMap<String, T> {
    run.found.replicas.iter().map(|(node, standing)| (node.to_string(), of(standing))).collect()
}

/// Balances by account, as `Expect` has them.
fn named(balances: &[Balances; ACCOUNTS as usize]) -> BTreeMap<String, i64> {
    let holdings = (0..ACCOUNTS)
        .map(Account)
        .flat_map(|account| [Table::Checking, Table::Savings].map(|table| Holding { account, table }));
    holdings.filter_map(|holding| Some((holding.to_string(), holding.of(balances)?))).collect()
}
