//! SmallBank: customers with a savings and a checking account, and six operations on them.
//!
//! Source: Cahill, Röhm & Fekete, "Serializable isolation for snapshot databases", TODS 34(4), 2009, §5.1. Money is
//! whole and arithmetic is checked: an operation that names an unknown customer, gives a negative amount where none may
//! be, or would leave the range of 64 bits anywhere on its way is rejected and changes nothing. BenchBase's Amalgamate,
//! WriteCheck and TransactSavings differ from the paper by slips; they are not followed.

mod account;
mod operation;
mod result;
mod tables;
mod varint;

pub use account::{Account, Name};
pub use operation::{
    MAX_OPERATIONS, Malformed, Operation, Operations, count_operations, decode_operations, encode_operations,
};
pub use result::{OperationResult, RejectReason, decode_results};
pub use tables::ACCOUNTS_PER_LEAF;

use self::tables::{Balances, Tables};
use super::{Application, Outcome};

#[cfg(test)]
pub(crate) use operation::tests::any_operation;

/// A bank. `Clone` takes a snapshot that shares what neither has written since.
#[derive(Clone)]
pub struct SmallBank {
    tables: Tables,
    /// Accepted deposits minus accepted withdrawals. Not part of the replicated state: what other replicas' leaves
    /// bring along is added on installation.
    money_delta: i128,
}

impl SmallBank {
    /// The most customers of a bank.
    pub const MAX_ACCOUNTS: u32 = 1_000_000;

    /// A bank of `accounts` customers who own the same, in whole units of money.
    ///
    /// # Panics
    ///
    /// Unless 1 ≤ `accounts` ≤ [`SmallBank::MAX_ACCOUNTS`] and `initial_savings` is not negative.
    pub fn new(accounts: u32, initial_checking: i64, initial_savings: i64) -> SmallBank {
        assert!((1..=Self::MAX_ACCOUNTS).contains(&accounts), "a bank of {accounts} customers");
        assert!(initial_savings >= 0, "savings are never negative");
        let balances = Balances { savings: initial_savings, checking: initial_checking };
        SmallBank { tables: Tables::new(accounts, balances), money_delta: 0 }
    }

    /// How many customers there are.
    pub fn accounts(&self) -> u32 {
        self.tables.accounts()
    }

    /// A customer's checking and savings, in this order; `None` if there is no such customer.
    pub fn balances(&self, account: Account) -> Option<(i64, i64)> {
        self.tables.get(account).map(|balances| (balances.checking, balances.savings))
    }

    /// All the money in the bank.
    pub fn total(&self) -> i128 {
        self.tables.total()
    }

    /// By how much accepted deposits exceed accepted withdrawals, penalties included, counted operation by operation.
    /// Money is conserved if [`SmallBank::total`] has grown by just that since the beginning.
    pub fn money_delta(&self) -> i128 {
        self.money_delta
    }

    /// Executes one operation.
    pub fn apply(&mut self, operation: Operation) -> OperationResult {
        let done = match operation {
            Operation::Balance { account } => self.balance(account),
            Operation::DepositChecking { account, amount } => self.deposit_checking(account, amount),
            Operation::TransactSavings { account, amount } => self.transact_savings(account, amount),
            Operation::Amalgamate { from, to } => self.amalgamate(from, to.unwrap_or(from)),
            Operation::WriteCheck { account, amount } => self.write_check(account, amount),
            Operation::SendPayment { from, to, amount } => self.send_payment(from, to, amount),
        };
        match done {
            Ok(number) => OperationResult::Ok(number),
            Err(reason) => OperationResult::Rejected(reason),
        }
    }

    /// Bal(N): savings + checking.
    fn balance(&self, account: Account) -> Result<i64, RejectReason> {
        wealth(self.owned(account)?)
    }

    /// DC(N, V): checking += V, V ≥ 0.
    fn deposit_checking(&mut self, account: Account, amount: i64) -> Result<i64, RejectReason> {
        let owned = self.owned(account)?;
        not_negative(amount)?;
        let checking = owned.checking.checked_add(amount).ok_or(RejectReason::Overflow)?;
        self.tables.put(account, Balances { checking, ..owned });
        self.money_delta += i128::from(amount);
        Ok(0)
    }

    /// TS(N, V): savings += V, unless savings would be negative.
    fn transact_savings(&mut self, account: Account, amount: i64) -> Result<i64, RejectReason> {
        let owned = self.owned(account)?;
        let savings = owned.savings.checked_add(amount).ok_or(RejectReason::Overflow)?;
        if savings < 0 {
            return Err(RejectReason::InsufficientFunds);
        }
        self.tables.put(account, Balances { savings, ..owned });
        self.money_delta += i128::from(amount);
        Ok(0)
    }

    /// Amg(N1, N2): all of N1's savings and checking to N2's checking. With N1 = N2 that leaves N1's savings in its own
    /// checking, which is what the form with one account means.
    fn amalgamate(&mut self, from: Account, to: Account) -> Result<i64, RejectReason> {
        let moved = wealth(self.owned(from)?)?;
        let receiver = if from == to { Balances { savings: 0, checking: 0 } } else { self.owned(to)? };
        let checking = receiver.checking.checked_add(moved).ok_or(RejectReason::Overflow)?;
        self.tables.put(from, Balances { savings: 0, checking: 0 });
        self.tables.put(to, Balances { checking, ..receiver });
        Ok(0)
    }

    /// WC(N, V): checking −= V, or −= V+1 if savings + checking < V; V ≥ 0.
    fn write_check(&mut self, account: Account, amount: i64) -> Result<i64, RejectReason> {
        let owned = self.owned(account)?;
        not_negative(amount)?;
        let penalty = i64::from(wealth(owned)? < amount);
        let withdrawn = amount.checked_add(penalty).ok_or(RejectReason::Overflow)?;
        let checking = owned.checking.checked_sub(withdrawn).ok_or(RejectReason::Overflow)?;
        self.tables.put(account, Balances { checking, ..owned });
        self.money_delta -= i128::from(withdrawn);
        Ok(0)
    }

    /// SP(N1, N2, V): V from N1's checking to N2's, unless it is short; V ≥ 0. To oneself it changes nothing, but is
    /// rejected all the same if checking is short.
    fn send_payment(&mut self, from: Account, to: Account, amount: i64) -> Result<i64, RejectReason> {
        let (payer, payee) = (self.owned(from)?, self.owned(to)?);
        not_negative(amount)?;
        if payer.checking < amount {
            return Err(RejectReason::InsufficientFunds);
        }
        if from != to {
            let paid = payer.checking.checked_sub(amount).ok_or(RejectReason::Overflow)?;
            let received = payee.checking.checked_add(amount).ok_or(RejectReason::Overflow)?;
            self.tables.put(from, Balances { checking: paid, ..payer });
            self.tables.put(to, Balances { checking: received, ..payee });
        }
        Ok(0)
    }

    fn owned(&self, account: Account) -> Result<Balances, RejectReason> {
        self.tables.get(account).ok_or(RejectReason::UnknownAccount)
    }
}

fn wealth(owned: Balances) -> Result<i64, RejectReason> {
    owned.savings.checked_add(owned.checking).ok_or(RejectReason::Overflow)
}

fn not_negative(amount: i64) -> Result<(), RejectReason> {
    if amount < 0 { Err(RejectReason::NegativeAmount) } else { Ok(()) }
}

impl Application for SmallBank {
    fn execute(&mut self, operations: &[u8]) -> Outcome {
        let Some(count) = count_operations(operations) else {
            let result = OperationResult::Rejected(RejectReason::Malformed).encode();
            return Outcome { result, operations: 0, failed: 0 };
        };
        let mut outcome = Outcome { result: Vec::with_capacity(2 * count), operations: count as u32, failed: 0 };
        for operation in decode_operations(operations).flatten() {
            let result = self.apply(operation);
            outcome.failed += u32::from(!result.is_ok());
            result.encode_into(&mut outcome.result);
        }
        outcome
    }

    fn is_well_formed(&self, operations: &[u8]) -> bool {
        count_operations(operations).is_some()
    }

    fn leaf_count(&self) -> usize {
        self.tables.leaf_count()
    }

    fn leaf(&self, index: usize) -> Vec<u8> {
        self.tables.encode_leaf(index)
    }

    fn take_dirty(&mut self) -> Vec<usize> {
        self.tables.take_dirty()
    }

    fn figures(&self) -> Vec<(&'static str, i128)> {
        let (checking, savings) = self.tables.totals();
        let (customers, money) = (i128::from(self.accounts()), checking + savings);
        // What there was before the first operation: the same for ever, or money came out of nothing.
        let endowment = money - self.money_delta;
        vec![
            ("customers", customers),
            ("checking", checking),
            ("savings", savings),
            ("money", money),
            ("paid in less out", self.money_delta),
            ("at first", endowment),
        ]
    }

    fn install_leaf(&mut self, index: usize, bytes: &[u8]) -> bool {
        if index >= self.leaf_count() {
            return false;
        }
        let before = self.tables.leaf_total(index);
        let is_installed = self.tables.install_leaf(index, bytes);
        self.money_delta += self.tables.leaf_total(index) - before;
        is_installed
    }
}

#[cfg(test)]
mod tests;
