//! What demands are read, what is written, and how it is complained.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, canonical: &str) {
    let demand: Demand = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(demand.to_string(), canonical, "{text}");
    assert_eq!(canonical.parse(), Ok(demand), "{text}");
}

#[track_caller]
fn check_error(text: &str, column: usize, part: &str) {
    let error = text.parse::<Demand>().expect_err(text);
    assert!(error.message.contains(part), "{text}: {error} lacks `{part}`");
    assert_eq!(error.column, column, "{text}: {error}");
}

#[test]
fn demands_are_read_in_all_their_forms() {
    check("commits", "commits");
    check("commits; A=9; E=14; view=0", "commits; A=9; E=14; view=0");
    check(" Stalls ; ", "stalls");
    check("view>=1; proof(n1)", "view>=1; proof(n1)");
    check("VIEW <= 3; view = 2;attested( S7 );suspected(4)", "view<=3; view=2; attested(n7); suspected(n4)");
    check("failed( 2 )", "failed(2)");
    check("a = -9 ; j.Savings = 3", "A=-9; J.savings=3");
    check("A=9,B=11 or A=10, B=10; commits", "A=9, B=11 or A=10, B=10; commits");
    check("A=1 OR A=2 or A.savings=1,A=3", "A=1 or A=2 or A.savings=1, A=3");
    check("beyond", "beyond");
    check("BEYOND;", "beyond");
    check("reports", "reports");
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    check_error("", 1, "expected a clause: commits");
    check_error("comits", 1, "found `comits`");
    check_error("commits; ; A=9", 10, "expected a clause");
    check_error("commits A=9", 9, "expected `;` before the next clause, or the end, found `A`");
    check_error("commits, A=9", 8, "found `,`");
    check_error("A", 2, "expected `A=9` or `A.savings=3`, found the end");
    check_error("K=9", 1, "found `K`");
    check_error("A=9, K=3", 6, "expected a customer, A to J");
    check_error("A=nine", 3, "expected an amount");
    check_error("A=9 or", 7, "expected a balance");
    check_error("A=9 or commits", 8, "expected a customer");
    check_error("A=9,", 5, "expected a balance");
    check_error("A.checking=9", 3, "checking is written without a name");
    check_error("A=9, A=10", 6, "`A` is in the list twice");
    check_error("view>1", 5, "expected `view=0`, `view>=1` or `view<=1`, found `>`");
    check_error("view==1", 6, "expected a view");
    check_error("view=-1", 6, "whole number");
    check_error("failed", 7, "`failed(1)`");
    check_error("failed(x)", 8, "whole number");
    check_error("proof", 6, "expected `proof(n1)`, found the end");
    check_error("proof(x1)", 7, "expected a node");
    check_error("proof(n1", 9, "expected `proof(n1)`");
}

#[test]
fn what_can_not_be_together_is_refused() {
    check_error("commits; stalls", 10, "can not both be so");
    check_error("stalls; A=9; commits", 14, "can not both be so");
    check_error("A=9; A=9", 6, "`A=9` is said twice");
    check_error("commits; beyond", 10, "`beyond` stands by itself");
    check_error("beyond; commits", 9, "`beyond` stands by itself, found `commits`");
    check_error("reports; A=9", 10, "`reports` stands by itself");
}

#[test]
fn demands_are_of_bounded_length() {
    let clauses = |count: usize| (0..count).map(|k| format!("failed({k})")).collect::<Vec<_>>().join(";");
    assert!(clauses(Demand::MAX_CLAUSES).parse::<Demand>().is_ok());
    let more = clauses(Demand::MAX_CLAUSES + 1);
    check_error(&more, more.rfind('f').unwrap() + 1, "more than 64 clauses");
    let alternatives = |count: usize| vec!["A=9"; count].join(" or ");
    assert!(alternatives(Demand::MAX_CLAUSES).parse::<Demand>().is_ok());
    let more = alternatives(Demand::MAX_CLAUSES + 1);
    check_error(&more, more.rfind('A').unwrap() + 1, "more than 64 alternatives");
}

#[test]
fn comparisons_are_what_they_say() {
    for (comparison, held) in [
        (Comparison::Equal, [false, true, false]),
        (Comparison::AtLeast, [false, true, true]),
        (Comparison::AtMost, [true, true, false]),
    ] {
        assert_eq!([0, 1, 2].map(|view| comparison.holds(View(view), View(1))), held, "{comparison:?}");
    }
}

fn any_balances() -> impl Strategy<Value = Vec<BalanceIs>> {
    let holding = (0..ACCOUNTS, prop_oneof![Just(Table::Checking), Just(Table::Savings)])
        .prop_map(|(account, table)| Holding { account: Account(account), table });
    let balances = proptest::collection::btree_map(holding, any::<i64>(), 1..5);
    balances.prop_map(|all| all.into_iter().map(|(holding, amount)| BalanceIs { holding, amount }).collect())
}

fn any_clause() -> impl Strategy<Value = Clause> {
    let comparison = proptest::sample::select(Comparison::ALL.to_vec());
    let certainty = proptest::sample::select(Certainty::ALL.to_vec());
    prop_oneof![
        Just(Clause::Commits),
        any::<u64>().prop_map(Clause::Failed),
        proptest::collection::vec(any_balances(), 1..4).prop_map(Clause::Balances),
        (comparison, any::<u64>()).prop_map(|(comparison, view)| Clause::View(comparison, View(view))),
        (certainty, 0u8..128).prop_map(|(certainty, node)| Clause::Evidence(certainty, ReplicaId(node))),
    ]
}

fn any_demand() -> impl Strategy<Value = Demand> {
    let clauses = proptest::collection::vec(any_clause(), 1..6).prop_map(|all| {
        let mut clauses: Vec<Clause> = Vec::new();
        all.into_iter().for_each(|clause| {
            if !clauses.contains(&clause) {
                clauses.push(clause)
            }
        });
        Demand::Clauses(clauses)
    });
    prop_oneof![1 => Just(Demand::Beyond), 1 => Just(Demand::Reports), 8 => clauses]
}

/// Texts out of the language's own pieces, which get further than random ones.
fn any_jumble() -> impl Strategy<Value = String> {
    const PIECES: [&str; 20] = [
        "commits",
        "stalls",
        "beyond",
        "A",
        "J",
        "K",
        ".savings",
        "=",
        ">=",
        "<=",
        "9",
        "-",
        ",",
        " or ",
        ";",
        "view",
        "(",
        ")",
        "proof(n1)",
        "é",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_itself(demand in any_demand()) {
        prop_assert_eq!(demand.to_string().parse(), Ok(demand));
    }

    #[test]
    fn no_text_panics(text in prop_oneof!["\\PC*", any_jumble()]) {
        match text.parse::<Demand>() {
            Ok(demand) => prop_assert_eq!(demand.to_string().parse(), Ok(demand)),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
        }
    }
}
