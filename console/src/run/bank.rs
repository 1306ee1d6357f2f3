//! The bank of every set: what replicas hold of it, and what a single one would have answered. Clients who were told
//! something else were told what is not so.

use byztop_core::app::Application as _;
use byztop_core::app::smallbank::{Account, Operation, OperationResult, SmallBank};
use byztop_core::scenario::{
    ACCOUNTS, Answer, Balances, Found, INITIAL_CHECKING, INITIAL_SAVINGS, Outcome, Set, Standing,
};
use byztop_core::telemetry::Ledger;
use byztop_core::types::SeqNum;

use crate::cli::TransactionOrder;

/// A bank as every set begins with one.
pub(super) fn bank() -> SmallBank {
    SmallBank::new(ACCOUNTS, INITIAL_CHECKING, INITIAL_SAVINGS)
}

/// What each customer of a bank owns, A first.
pub(super) fn balances(bank: &SmallBank) -> [Balances; ACCOUNTS as usize] {
    std::array::from_fn(|place| {
        let (checking, savings) = bank.balances(Account(place as u32)).expect("there are ten customers");
        Balances { checking, savings }
    })
}

/// Where a replica stands, with the balances that its leaves hold; `None` if they are not those of such a bank.
pub(super) fn standing(ledger: &Ledger) -> Option<Standing> {
    let mut bank = bank();
    let is_whole = ledger.leaves.len() == bank.leaf_count();
    let is_bank = is_whole && ledger.leaves.iter().all(|leaf| bank.install_leaf(leaf.index as usize, &leaf.bytes));
    if !is_bank {
        tracing::warn!("{} says something that is no bank of ten customers", ledger.replica);
        return None;
    }
    Some(Standing {
        executed: ledger.status.executed,
        state_digest: ledger.state_digest,
        view: ledger.status.view,
        balances: balances(&bank),
    })
}

/// What came of an operation, in words: `20`, `ok`, `insufficient funds`.
pub(super) fn outcome(operation: Operation, result: OperationResult) -> Outcome {
    match result {
        // All others give a number that says nothing.
        OperationResult::Ok(sum) if matches!(operation, Operation::Balance { .. }) => {
            Outcome::Committed(sum.to_string())
        }
        OperationResult::Ok(_) => Outcome::Committed("ok".to_string()),
        OperationResult::Rejected(reason) => Outcome::Failed(reason.to_string()),
    }
}

/// What clients were told, and what honest replicas hold, that one bank which executes one transaction after the other
/// would have said and held otherwise. Nothing is known of it once a transaction has no result, as it may have been
/// executed all the same, and nothing at all where clients do not wait for each other.
pub(super) fn contradictions(set: &Set, order: TransactionOrder, found: &Found) -> Vec<String> {
    if order == TransactionOrder::Clients {
        return Vec::new();
    }
    let mut bank = bank();
    let mut contradictions = Vec::new();
    for (place, transaction) in set.transactions.iter().enumerate() {
        let told = found.transactions.get(place).map(|Answer { outcome, .. }| outcome);
        let Some(told @ (Outcome::Committed(_) | Outcome::Failed(_))) = told else { return contradictions };
        let due = outcome(transaction.operation(), bank.apply(transaction.operation()));
        if *told != due {
            let (told, due) = (told.text().unwrap_or_default(), due.text().unwrap_or_default());
            contradictions.push(format!(
                "the client of transaction {} {transaction} was told `{told}`, but one after the other gives `{due}`",
                place + 1
            ));
        }
    }
    let honest = set.honest_live();
    let standings = || found.replicas.iter().filter(|(node, _)| honest.contains(**node));
    let furthest = standings().map(|(_, standing)| standing.executed).max().unwrap_or_default();
    let leading = standings().filter(|(_, standing)| standing.executed == furthest && furthest > SeqNum(0));
    let differ = leading.filter(|(_, standing)| standing.balances != balances(&bank));
    contradictions.extend(differ.map(|(node, standing)| {
        format!("after slot {} {node} holds other balances than one after the other gives", standing.executed)
    }));
    contradictions
}

#[cfg(test)]
mod tests {
    use byztop_core::protocol::Status;
    use byztop_core::scenario::read;
    use byztop_core::types::{Digest, Micros, ReplicaId, View};

    use super::*;

    fn set() -> Set {
        let text = "1,\"(A, B, 4)\",\"[n1, n2, n3, n4]\",[],[]\n,\"(A, C, 7)\",,,\n,(B),,,\n";
        read("cases.csv", text.as_bytes(), None).expect("a set").sets.remove(0)
    }

    /// A run in which everybody was told what is so.
    fn good() -> Found {
        let outcomes = [
            Outcome::Committed("ok".into()),
            Outcome::Failed("insufficient funds".into()),
            Outcome::Committed("14".into()),
        ];
        let answer = |outcome| Answer { outcome, latency: Micros(0) };
        let mut bank = bank();
        for transaction in &set().transactions {
            bank.apply(transaction.operation());
        }
        let standing =
            Standing { executed: SeqNum(3), state_digest: Digest::ZERO, view: View(0), balances: balances(&bank) };
        let replicas = [(ReplicaId(0), standing)].into();
        Found { transactions: outcomes.map(answer).to_vec(), replicas, ..Found::default() }
    }

    #[track_caller]
    fn check(differ: impl FnOnce(&mut Found), expected: &[&str]) {
        let mut found = good();
        differ(&mut found);
        let contradictions = contradictions(&set(), TransactionOrder::File, &found);
        assert_eq!(contradictions, expected);
    }

    #[test]
    fn what_one_bank_would_have_said_is_right() {
        check(|_| {}, &[]);
    }

    #[test]
    fn another_result_or_balance_is_named() {
        check(
            |found| found.transactions[2].outcome = Outcome::Committed("15".into()),
            &["the client of transaction 3 (B) was told `15`, but one after the other gives `14`"],
        );
        check(
            |found| found.replicas.get_mut(&ReplicaId(0)).expect("n1").balances[1].checking = 18,
            &["after slot 3 n1 holds other balances than one after the other gives"],
        );
    }

    #[test]
    fn nothing_is_known_behind_a_transaction_without_a_result() {
        check(
            |found| {
                found.transactions[0].outcome = Outcome::Timeout;
                found.transactions[2].outcome = Outcome::Committed("10".into());
            },
            &[],
        );
        check(|found| found.transactions.clear(), &[]);
    }

    #[test]
    fn balances_come_back_out_of_leaves_and_garbage_is_no_report() {
        let mut bank = bank();
        bank.apply(Operation::SendPayment { from: Account(0), to: Account(1), amount: 3 });
        let status = Status {
            view: View(1),
            asking_for: None,
            leader: ReplicaId(0),
            stable: SeqNum(0),
            executed: SeqNum(3),
            observing_until: None,
            transfer: None,
        };
        let mut ledger = Ledger {
            replica: ReplicaId(0),
            status,
            state_digest: Digest::ZERO,
            slots: Vec::new(),
            log: Vec::new(),
            figures: Vec::new(),
            leaf_count: bank.leaf_count() as u32,
            leaves: Ledger::first_leaves(bank.leaf_count(), |index| bank.leaf(index)),
        };
        let Standing { executed, view, balances, .. } = standing(&ledger).expect("it is a bank");
        assert_eq!((executed, view), (SeqNum(3), View(1)));
        assert_eq!([0, 1, 2].map(|place| balances[place].checking), [7, 13, 10]);
        ledger.leaves[0].bytes.pop();
        assert_eq!(standing(&ledger), None);
    }
}
