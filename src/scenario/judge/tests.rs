//! Runs that were not run: what is found is written down, and the verdict is compared line by line.

use super::*;
use crate::scenario::tests::{committee, set};
use crate::scenario::{Accusation, Answer, Balances, Certainty, INITIAL_CHECKING, INITIAL_SAVINGS, Outcome};
use crate::types::{Digest, Micros, View};

const ALL: &str = "[n1, n2, n3, n4]";

/// A set of two transactions, `(A, B, 1)` and `(C)`, and a run of it in which all went well.
fn good(byzantine: &str, expect: &str) -> (Set, Found) {
    // Whoever is Byzantine does something, and nothing that matters here.
    let attack = if byzantine == "[]" { "[]" } else { "[time]" };
    let set = set(ALL, byzantine, attack, expect);
    let answer = |outcome| Answer { outcome, latency: Micros::from_millis(5) };
    let transactions = vec![answer(Outcome::Committed("ok".into())), answer(Outcome::Committed("10".into()))];
    let replicas = set.live.iter().map(|node| (node, standing(2))).collect();
    (set, Found { transactions, replicas, evidence: Vec::new(), violations: Vec::new() })
}

/// A replica that has executed so many slots of the set above.
fn standing(executed: u64) -> Standing {
    let initial = Balances { checking: INITIAL_CHECKING, savings: INITIAL_SAVINGS };
    let mut balances = [initial; 10];
    if executed > 0 {
        balances[0].checking -= 1;
        balances[1].checking += 1;
    }
    let state_digest = Digest::of("test", &[&[u8::from(executed > 0)]]);
    Standing { executed: SeqNum(executed), state_digest, view: View(0), balances }
}

fn replica(found: &mut Found, number: u8) -> &mut Standing {
    found.replicas.get_mut(&ReplicaId(number - 1)).expect("it reported")
}

/// Judges a run that differs from a good one, and compares the verdict.
#[track_caller]
fn check(byzantine: &str, expect: &str, differ: impl FnOnce(&mut Found), expected: &[&str]) {
    let (set, mut found) = good(byzantine, expect);
    differ(&mut found);
    let committee = committee(4);
    let verdict = judge(&set, committee, &set.expectation(committee), &found).to_string();
    assert_eq!(verdict.lines().collect::<Vec<_>>(), expected);
}

fn accuse(found: &mut Found, number: u8, certainty: Certainty) {
    let accusation = Accusation { accused: ReplicaId(number - 1), rule: "two votes for one slot".into(), certainty };
    found.evidence.push(accusation);
}

#[test]
fn a_run_as_expected_passes() {
    check("[]", "", |_| {}, &["pass"]);
    check("[]", "commits; A=9, B=11; C=10; A.savings=0; view=0; view<=1; failed(0)", |_| {}, &["pass"]);
    check("[]", "A=10, B=10 or A=9, B=11", |_| {}, &["pass"]);
    check("[n1]", "reports", |_| {}, &["pass"]);
}

#[test]
fn every_transaction_gets_a_result() {
    let time_out = |found: &mut Found| found.transactions[1].outcome = Outcome::Timeout;
    check("[]", "commits", time_out, &["fail", "missed: commits: 1 of 2 transactions got no result: 2 (C)"]);
    let none = |found: &mut Found| found.transactions.clear();
    let both = "missed: commits: 2 of 2 transactions got no result: 1 (A, B, 1), 2 (C)";
    check("[]", "commits", none, &["fail", both]);
    check("[]", "stalls; failed(0)", none, &["pass"]);
    let refused = |found: &mut Found| found.transactions[0].outcome = Outcome::Failed("insufficient funds".into());
    check("[]", "commits; failed(1)", refused, &["pass"]);
}

#[test]
fn a_stalled_set_gives_no_result_at_all() {
    let one = |found: &mut Found| found.transactions[1].outcome = Outcome::Timeout;
    check("[]", "stalls", one, &["fail", "missed: stalls: 1 of 2 transactions got a result: 1 (A, B, 1)"]);
}

#[test]
fn failures_are_counted() {
    let refused = |found: &mut Found| found.transactions[0].outcome = Outcome::Failed("insufficient funds".into());
    check("[]", "failed(2)", refused, &["fail", "missed: failed(2): 1 of 2 transactions failed: 1 (A, B, 1)"]);
    check("[]", "failed(1)", |_| {}, &["fail", "missed: failed(1): no transaction failed"]);
}

#[test]
fn long_lists_of_transactions_are_cut() {
    let (mut set, found) = good("[]", "commits");
    set.transactions = vec![set.transactions[0]; 9];
    let verdict = judge(&set, committee(4), &set.expectation(committee(4)), &found);
    let listed: Vec<String> = (3..8).map(|place| format!("{place} (A, B, 1)")).collect();
    assert_eq!(
        verdict.missed,
        [format!("commits: 7 of 9 transactions got no result: {} and 2 more", listed.join(", "))]
    );
}

#[test]
fn balances_are_looked_up_at_honest_live_replicas() {
    let wrong = "missed: A=8: n1 has A=9 (n2, n3, n4 too)";
    check("[]", "A=8", |_| {}, &["fail", wrong]);
    let some = "missed: A=8, B=11 or A=9, B=12: n2 has A=9, B=11 (n3, n4 too)";
    check("[n1]", "A=8, B=11 or A=9, B=12", |found| replica(found, 1).balances[0].checking = 8, &["fail", some]);
    check("[n1]", "A=9", |found| replica(found, 1).balances[0].checking = 8, &["pass"]);
    let savings = "missed: A.savings=1: n1 has A.savings=0 (n2, n3, n4 too)";
    check("[]", "A.savings=1", |_| {}, &["fail", savings]);
}

#[test]
fn who_lags_is_noted_and_not_asked() {
    let lag = |found: &mut Found| *replica(found, 4) = standing(0);
    check("[]", "A=9; view=0", lag, &["pass", "note: n4 lags: slot 0 of 2"]);
    let view = |found: &mut Found| {
        lag(found);
        replica(found, 4).view = View(7);
    };
    check("[]", "view=0", view, &["pass", "note: n4 lags: slot 0 of 2"]);
}

#[test]
fn views_are_compared() {
    let enter = |found: &mut Found| (1..=3).for_each(|number| replica(found, number).view = View(1));
    check("[]", "view>=1", enter, &["fail", "missed: view>=1: n4 is in view 0"]);
    check("[]", "view=0", enter, &["fail", "missed: view=0: n1 is in view 1 (n2, n3 too)"]);
    check("[n4]", "view>=1", enter, &["pass"]);
}

#[test]
fn evidence_is_at_least_as_certain_as_expected() {
    let nothing = "missed: proof(n1): nothing is held against n1";
    check("[n1]", "proof(n1)", |_| {}, &["fail", nothing]);
    let suspect = |found: &mut Found| accuse(found, 1, Certainty::Suspected);
    let weak = "of what is held against n1 the most certain is suspected: two votes for one slot";
    check("[n1]", "proof(n1)", suspect, &["fail", &format!("missed: proof(n1): {weak}")]);
    check("[n1]", "attested(n1)", suspect, &["fail", &format!("missed: attested(n1): {weak}")]);
    check("[n1]", "suspected(n1)", suspect, &["pass"]);
    let prove = |found: &mut Found| {
        accuse(found, 1, Certainty::Proof);
        accuse(found, 1, Certainty::Suspected);
    };
    check("[n1]", "proof(n1); attested(n1); suspected(n1)", prove, &["pass"]);
}

#[test]
fn honest_replicas_agree_whatever_was_expected() {
    let fork = |found: &mut Found| {
        replica(found, 3).state_digest = Digest::ZERO;
        replica(found, 3).balances = standing(0).balances;
    };
    let digest = standing(2).state_digest;
    let state =
        format!("violation: after slot 2 n1 has the state {digest} (n2, n4 too); n3 has the state {}", Digest::ZERO);
    let accounts = [
        "violation: after slot 2 n1 has A=9 (n2, n4 too); n3 has A=10",
        "violation: after slot 2 n1 has B=11 (n2, n4 too); n3 has B=10",
    ];
    check("[]", "reports", fork, &["fail", &state, accounts[0], accounts[1]]);
    check("[n3]", "reports", fork, &["pass"]);
}

#[test]
fn nobody_honest_is_proved_guilty() {
    let accuse_twice = |found: &mut Found| (0..2).for_each(|_| accuse(found, 2, Certainty::Proof));
    let violation = "violation: a proof accuses n2, which is honest: two votes for one slot";
    check("[n1]", "commits", accuse_twice, &["fail", violation]);
    check("[n2]", "commits", accuse_twice, &["pass"]);
    check("[n1]", "commits", |found| accuse(found, 2, Certainty::Suspected), &["pass"]);
}

#[test]
fn money_neither_appears_nor_vanishes() {
    let mint = |found: &mut Found| (2..=4).for_each(|number| replica(found, number).balances[9].checking += 1);
    check(
        "[n1]",
        "commits",
        mint,
        &["fail", "violation: of the 100 that the bank held at first n2 holds 101 (n3, n4 too)"],
    );
    let (mut set, mut found) = good("[n1]", "commits");
    mint(&mut found);
    set.transactions[1] = "DEPOSIT_CHECKING(J, 1)".parse().expect("a transaction");
    assert_eq!(judge(&set, committee(4), &set.expectation(committee(4)), &found).ruling, Ruling::Pass);
}

#[test]
fn what_the_runner_saw_counts() {
    let saw = |found: &mut Found| found.violations.push("n3 ended by itself".into());
    check("[]", "commits", saw, &["fail", "violation: n3 ended by itself"]);
    check("[]", "reports", saw, &["fail", "violation: n3 ended by itself"]);
}

#[test]
fn every_honest_live_replica_reports() {
    let leave = |found: &mut Found| found.replicas.retain(|node, _| *node != ReplicaId(2));
    let missed = "missed: a report of every honest live replica: n3 did not report";
    check("[]", "commits", leave, &["fail", missed]);
    check("[n3]", "commits", leave, &["pass"]);
    let (set, mut found) = good("[]", "A=9; view=0");
    found.replicas.clear();
    let verdict = judge(&set, committee(4), &set.expectation(committee(4)), &found);
    let nobody = "no honest live replica reported";
    assert_eq!(verdict.missed[4..], [format!("A=9: {nobody}"), format!("view=0: {nobody}")]);
}

#[test]
fn beyond_f_nothing_fails() {
    let fork = |found: &mut Found| {
        replica(found, 4).balances[0].checking = 8;
        replica(found, 4).balances[1].checking = 12;
        found.transactions[0].outcome = Outcome::Timeout;
        found.violations.push("a client was told what is not so".into());
    };
    let broke = [
        "broke: a client was told what is not so",
        "broke: after slot 2 n3 has A=9; n4 has A=8",
        "broke: after slot 2 n3 has B=11; n4 has B=12",
    ];
    let label = "beyond budget: not a failure";
    check("[n1, n2]", "beyond", fork, &[label, broke[0], broke[1], broke[2]]);
    check("[n1, n2]", "", fork, &[label, broke[0], broke[1], broke[2]]);
    let missed = "broke: commits: 1 of 2 transactions got no result: 1 (A, B, 1)";
    check("[n1, n2]", "commits", fork, &[label, broke[0], broke[1], broke[2], missed]);
    check("[n1, n2]", "beyond", |_| {}, &[label]);
}

#[test]
fn who_is_byzantine_and_does_nothing_is_not_passed_over() {
    let (_, found) = good("[]", "");
    let set = set(ALL, "[n4]", "[]", "reports");
    let committee = committee(4);
    let verdict = judge(&set, committee, &set.expectation(committee), &found).to_string();
    let note = "note: n4 is Byzantine in this set and did nothing: name an attack, or nothing is tested with it";
    assert_eq!(verdict.lines().collect::<Vec<_>>(), ["pass", note]);
}
