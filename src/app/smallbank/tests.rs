//! Each operation with its edges, and what must hold whatever is executed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::RejectReason::{InsufficientFunds, Malformed, NegativeAmount, Overflow, UnknownAccount};
use super::*;
use crate::app::MAX_LEAF_BYTES;
use crate::app::merkle::{MerkleTree, leaf_digest};

const A: Account = Account(0);
const B: Account = Account(1);
const NOBODY: Account = Account(10);

/// Ten customers with checking 10 and savings 0, as in the test cases.
fn bank() -> SmallBank {
    SmallBank::new(10, 10, 0)
}

/// A bank in which A and B own these (checking, savings).
fn bank_with(a: (i64, i64), b: (i64, i64)) -> SmallBank {
    let mut bank = bank();
    bank.tables.put(A, Balances { checking: a.0, savings: a.1 });
    bank.tables.put(B, Balances { checking: b.0, savings: b.1 });
    bank
}

/// Executes one operation and compares the result and what A and B own after it.
fn check(mut bank: SmallBank, operation: Operation, expect: Result<i64, RejectReason>, after: [(i64, i64); 2]) {
    bank.take_dirty();
    let (before, total) = (bank.clone(), bank.total());
    let result = bank.apply(operation);
    assert_eq!(result, expect.map_or_else(OperationResult::Rejected, OperationResult::Ok), "{operation:?}");
    assert_eq!([bank.balances(A), bank.balances(B)], after.map(Some), "{operation:?}");
    assert_eq!(bank.total() - total, bank.money_delta() - before.money_delta(), "{operation:?}");
    if !result.is_ok() {
        assert!(bank.take_dirty().is_empty(), "{operation:?}");
        assert_eq!(leaves(&bank), leaves(&before), "{operation:?}");
    }
}

fn leaves(bank: &SmallBank) -> Vec<Vec<u8>> {
    (0..bank.leaf_count()).map(|index| bank.leaf(index)).collect()
}

#[test]
fn balance_is_savings_and_checking() {
    let balance = |account| Operation::Balance { account };
    check(bank_with((7, 5), (0, 0)), balance(A), Ok(12), [(7, 5), (0, 0)]);
    check(bank_with((-7, 5), (0, 0)), balance(A), Ok(-2), [(-7, 5), (0, 0)]);
    check(bank_with((1, i64::MAX), (0, 0)), balance(A), Err(Overflow), [(1, i64::MAX), (0, 0)]);
    check(bank(), balance(NOBODY), Err(UnknownAccount), [(10, 0), (10, 0)]);
}

#[test]
fn deposit_checking_pays_in() {
    let deposit = |account, amount| Operation::DepositChecking { account, amount };
    check(bank(), deposit(A, 5), Ok(0), [(15, 0), (10, 0)]);
    check(bank(), deposit(A, 0), Ok(0), [(10, 0), (10, 0)]);
    check(bank(), deposit(A, -1), Err(NegativeAmount), [(10, 0), (10, 0)]);
    check(bank(), deposit(A, i64::MAX), Err(Overflow), [(10, 0), (10, 0)]);
    check(bank(), deposit(NOBODY, 5), Err(UnknownAccount), [(10, 0), (10, 0)]);
}

#[test]
fn transact_savings_never_leaves_savings_negative() {
    let transact = |account, amount| Operation::TransactSavings { account, amount };
    check(bank_with((0, 5), (0, 0)), transact(A, 3), Ok(0), [(0, 8), (0, 0)]);
    check(bank_with((0, 5), (0, 0)), transact(A, -5), Ok(0), [(0, 0), (0, 0)]);
    check(bank_with((99, 5), (0, 0)), transact(A, -6), Err(InsufficientFunds), [(99, 5), (0, 0)]);
    check(bank_with((0, 5), (0, 0)), transact(A, i64::MAX), Err(Overflow), [(0, 5), (0, 0)]);
    check(bank_with((0, 5), (0, 0)), transact(A, i64::MIN), Err(InsufficientFunds), [(0, 5), (0, 0)]);
    check(bank(), transact(NOBODY, 1), Err(UnknownAccount), [(10, 0), (10, 0)]);
}

#[test]
fn amalgamate_moves_everything_to_the_others_checking() {
    let amalgamate = |from, to| Operation::Amalgamate { from, to: Some(to) };
    check(bank_with((3, 4), (10, 20)), amalgamate(A, B), Ok(0), [(0, 0), (17, 20)]);
    check(bank_with((-9, 4), (10, 20)), amalgamate(A, B), Ok(0), [(0, 0), (5, 20)]);
    check(bank_with((3, 4), (i64::MAX, 0)), amalgamate(A, B), Err(Overflow), [(3, 4), (i64::MAX, 0)]);
    check(bank_with((1, i64::MAX), (0, 0)), amalgamate(A, B), Err(Overflow), [(1, i64::MAX), (0, 0)]);
    check(bank(), amalgamate(A, NOBODY), Err(UnknownAccount), [(10, 0), (10, 0)]);
    check(bank(), amalgamate(NOBODY, A), Err(UnknownAccount), [(10, 0), (10, 0)]);
}

#[test]
fn amalgamate_with_one_account_moves_its_savings_to_its_checking() {
    for to in [None, Some(A)] {
        let amalgamate = Operation::Amalgamate { from: A, to };
        check(bank_with((3, 4), (1, 1)), amalgamate, Ok(0), [(7, 0), (1, 1)]);
        check(bank_with((i64::MAX, 1), (1, 1)), amalgamate, Err(Overflow), [(i64::MAX, 1), (1, 1)]);
    }
    check(bank(), Operation::Amalgamate { from: NOBODY, to: None }, Err(UnknownAccount), [(10, 0), (10, 0)]);
}

#[test]
fn write_check_takes_a_penalty_for_an_overdraft() {
    let write = |account, amount| Operation::WriteCheck { account, amount };
    check(bank_with((3, 4), (0, 0)), write(A, 7), Ok(0), [(-4, 4), (0, 0)]);
    check(bank_with((3, 4), (0, 0)), write(A, 8), Ok(0), [(-6, 4), (0, 0)]);
    check(bank_with((3, 4), (0, 0)), write(A, 0), Ok(0), [(3, 4), (0, 0)]);
    check(bank_with((-5, 4), (0, 0)), write(A, 0), Ok(0), [(-6, 4), (0, 0)]);
    check(bank_with((3, 4), (0, 0)), write(A, -1), Err(NegativeAmount), [(3, 4), (0, 0)]);
    check(bank_with((3, 4), (0, 0)), write(A, i64::MAX), Err(Overflow), [(3, 4), (0, 0)]);
    check(bank_with((i64::MIN, 0), (0, 0)), write(A, 1), Err(Overflow), [(i64::MIN, 0), (0, 0)]);
    check(bank(), write(NOBODY, 1), Err(UnknownAccount), [(10, 0), (10, 0)]);
}

#[test]
fn send_payment_is_rejected_if_checking_is_short() {
    let send = |from, to, amount| Operation::SendPayment { from, to, amount };
    check(bank(), send(A, B, 10), Ok(0), [(0, 0), (20, 0)]);
    check(bank_with((10, 90), (0, 0)), send(A, B, 11), Err(InsufficientFunds), [(10, 90), (0, 0)]);
    check(bank_with((-1, 90), (0, 0)), send(A, B, 0), Err(InsufficientFunds), [(-1, 90), (0, 0)]);
    check(bank(), send(A, B, -1), Err(NegativeAmount), [(10, 0), (10, 0)]);
    check(bank_with((10, 0), (i64::MAX, 0)), send(A, B, 1), Err(Overflow), [(10, 0), (i64::MAX, 0)]);
    check(bank(), send(A, NOBODY, 1), Err(UnknownAccount), [(10, 0), (10, 0)]);
    check(bank(), send(NOBODY, A, 1), Err(UnknownAccount), [(10, 0), (10, 0)]);
}

#[test]
fn a_payment_to_oneself_changes_nothing() {
    check(bank(), Operation::SendPayment { from: A, to: A, amount: 10 }, Ok(0), [(10, 0), (10, 0)]);
    let short = Operation::SendPayment { from: A, to: A, amount: 11 };
    check(bank(), short, Err(InsufficientFunds), [(10, 0), (10, 0)]);
    let mut bank = bank_with((i64::MAX, 0), (0, 0));
    assert!(bank.apply(Operation::SendPayment { from: A, to: A, amount: i64::MAX }).is_ok());
}

#[test]
fn malformed_bytes_execute_nothing_and_say_so() {
    let mut bank = bank();
    let deposit = Operation::DepositChecking { account: A, amount: 5 };
    let cut = encode_operations(&[deposit, deposit]);
    for bytes in [&cut[..cut.len() - 1], &[], &[0xff; 100]] {
        let outcome = bank.execute(bytes);
        assert!(!bank.is_well_formed(bytes));
        assert_eq!((outcome.operations, outcome.failed), (0, 0));
        assert_eq!(decode_results(&outcome.result), Some(vec![OperationResult::Rejected(Malformed)]));
    }
    assert_eq!(bank.balances(A), Some((10, 0)));
}

#[test]
fn an_outcome_counts_operations_and_failures() {
    let operations = [
        Operation::SendPayment { from: A, to: B, amount: 10 },
        Operation::SendPayment { from: A, to: B, amount: 1 },
        Operation::Balance { account: B },
    ];
    let outcome = bank().execute(&encode_operations(&operations));
    assert_eq!((outcome.operations, outcome.failed), (3, 1));
    let results = vec![OperationResult::Ok(0), OperationResult::Rejected(InsufficientFunds), OperationResult::Ok(20)];
    assert_eq!(decode_results(&outcome.result), Some(results));
}

#[test]
fn a_leaf_is_within_its_bound() {
    assert!(SmallBank::new(SmallBank::MAX_ACCOUNTS, 1, 1).leaf(0).len() <= MAX_LEAF_BYTES);
}

fn digests(bank: &SmallBank) -> Vec<crate::types::Digest> {
    leaves(bank).iter().enumerate().map(|(i, bytes)| leaf_digest(i, bytes)).collect()
}

/// The root of a bank's state, from scratch.
fn root(bank: &SmallBank) -> crate::types::Digest {
    MerkleTree::new(&digests(bank)).root()
}

proptest! {
    #[test]
    fn money_is_conserved(operations in proptest::collection::vec(any_operation(12), 0..300)) {
        let mut bank = SmallBank::new(10, 10, 5);
        let initial = bank.total();
        for operation in operations {
            let (before, delta) = (leaves(&bank), bank.money_delta());
            let result = bank.apply(operation);
            prop_assert_eq!(bank.total(), initial + bank.money_delta());
            let figures: BTreeMap<_, _> = bank.figures().into_iter().collect();
            prop_assert_eq!((figures["money"], figures["at first"]), (bank.total(), initial));
            let is_transfer = matches!(
                operation,
                Operation::Balance { .. } | Operation::Amalgamate { .. } | Operation::SendPayment { .. }
            );
            prop_assert!(!is_transfer || bank.money_delta() == delta);
            prop_assert!(result.is_ok() || leaves(&bank) == before);
            prop_assert!((0..10).all(|account| bank.balances(Account(account)).is_some_and(|(_, savings)| savings >= 0)));
        }
    }

    #[test]
    fn dirty_leaves_bring_the_root_up_to_date_and_a_snapshot_holds_still(
        rounds in proptest::collection::vec(proptest::collection::vec(any_operation(100), 1..20), 1..6),
    ) {
        let mut bank = SmallBank::new(100, 10, 5);
        let mut tree = MerkleTree::new(&digests(&bank));
        for operations in rounds {
            let (snapshot, held) = (bank.clone(), tree.root());
            let outcome = bank.execute(&encode_operations(&operations));
            prop_assert_eq!(outcome.operations as usize, operations.len());
            let dirty = bank.take_dirty();
            tree.set_all(dirty.iter().map(|index| (*index, leaf_digest(*index, &bank.leaf(*index)))));
            prop_assert_eq!(tree.root(), root(&bank));
            prop_assert_eq!(held, root(&snapshot));
        }
    }

    #[test]
    fn differing_leaves_bring_another_bank_up_to_date(
        operations in proptest::collection::vec(any_operation(100), 1..40),
    ) {
        let mut ahead = SmallBank::new(100, 10, 5);
        let mut behind = ahead.clone();
        let initial = ahead.total();
        ahead.execute(&encode_operations(&operations));
        for index in ahead.take_dirty() {
            prop_assert!(behind.install_leaf(index, &ahead.leaf(index)));
        }
        prop_assert_eq!(root(&behind), root(&ahead));
        prop_assert_eq!(behind.total(), initial + behind.money_delta());
        prop_assert!(!behind.install_leaf(behind.leaf_count(), &ahead.leaf(0)));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), index in 0usize..6) {
        let mut bank = SmallBank::new(100, 10, 5);
        prop_assert_eq!(bank.execute(&bytes).operations > 0, bank.is_well_formed(&bytes));
        bank.install_leaf(index, &bytes);
    }
}
