//! What clients ask for and when: operation mixes, Zipf access, arrival processes. All from a named seed.
//!
//! Ranks are scattered over the accounts: the most popular customer is account 0, the others follow in steps of about
//! 0.618 of the number of accounts. Were they laid side by side, a single leaf of the state would take most writes and
//! a checkpoint would seem cheaper than it is. The order depends on the number of accounts alone, so that all clients
//! of a cluster agree on who is popular.

mod arrivals;
mod mix;
mod zipf;

pub use arrivals::Arrivals;
pub use mix::Mix;
pub use zipf::Zipf;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::app::smallbank::{Account, Operation};

/// An endless row of SmallBank operations, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Workload {
    rng: ChaCha8Rng,
    mix: Mix,
    zipf: Zipf,
    /// What a rank is multiplied by, modulo the number of accounts; without a common divisor with it.
    stride: u64,
}

impl Workload {
    /// The exponent that figures are given for, unless they say otherwise.
    pub const DEFAULT_ALPHA: f64 = 0.9;

    /// The largest payment, deposit, check or change of savings, in whole units of money.
    pub const MAX_AMOUNT: i64 = 100;

    /// The most taken from savings at once. Deposits and savings together bring in, on average, what checks take out
    /// under the default mix: a long run neither dries up nor swells.
    pub const MAX_WITHDRAWAL: i64 = 33;

    /// Operations on `accounts` customers, who are drawn with probability ∝ rank^−`alpha`.
    ///
    /// # Panics
    ///
    /// If there are no accounts, or `alpha` is negative or not finite.
    pub fn new(seed: u64, accounts: u32, mix: Mix, alpha: f64) -> Workload {
        let zipf = Zipf::new(accounts, alpha);
        Workload { rng: ChaCha8Rng::seed_from_u64(seed), mix, zipf, stride: stride(accounts) }
    }

    /// The next operation. Two accounts of one operation differ, if there are two.
    pub fn next_operation(&mut self) -> Operation {
        let account = self.next_account();
        let deposit = |rng: &mut ChaCha8Rng| rng.random_range(1..=Self::MAX_AMOUNT);
        match self.mix.choose(&mut self.rng) {
            0 => Operation::Balance { account },
            1 => Operation::DepositChecking { account, amount: deposit(&mut self.rng) },
            2 => Operation::TransactSavings {
                account,
                amount: self.rng.random_range(-Self::MAX_WITHDRAWAL..=Self::MAX_AMOUNT),
            },
            3 => Operation::Amalgamate { from: account, to: Some(self.next_other(account)) },
            4 => Operation::WriteCheck { account, amount: deposit(&mut self.rng) },
            _ => Operation::SendPayment { from: account, to: self.next_other(account), amount: deposit(&mut self.rng) },
        }
    }

    /// The customer of a rank; rank 0 is the most popular one.
    pub fn account_of_rank(&self, rank: u32) -> Account {
        Account((u64::from(rank) * self.stride % u64::from(self.zipf.len())) as u32)
    }

    fn next_account(&mut self) -> Account {
        let rank = self.zipf.sample(&mut self.rng);
        self.account_of_rank(rank)
    }

    /// An account that is not `account`: drawn anew while it is the same, but not without end.
    fn next_other(&mut self, account: Account) -> Account {
        const ATTEMPTS: usize = 16;
        let drawn = (0..ATTEMPTS).map(|_| self.next_account()).find(|other| *other != account);
        drawn.unwrap_or(Account((account.0 + 1) % self.zipf.len()))
    }
}

/// The smallest number from 0.618 `accounts` on that has no common divisor with it: each rank gets its own account.
fn stride(accounts: u32) -> u64 {
    let accounts = u64::from(accounts);
    (accounts * 618 / 1000..).find(|stride| greatest_common_divisor(*stride, accounts) == 1).unwrap_or(1)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn operations(seed: u64, mix: Mix, count: usize) -> Vec<Operation> {
        let mut workload = Workload::new(seed, 1000, mix, Workload::DEFAULT_ALPHA);
        (0..count).map(|_| workload.next_operation()).collect()
    }

    #[test]
    fn a_seed_names_one_row_of_operations() {
        assert_eq!(operations(7, Mix::DEFAULT, 500), operations(7, Mix::DEFAULT, 500));
        assert_ne!(operations(7, Mix::DEFAULT, 500), operations(8, Mix::DEFAULT, 500));
    }

    #[test]
    fn operations_come_in_the_proportions_of_the_mix() {
        for mix in [Mix::DEFAULT, Mix::BENCHBASE] {
            let mut counts = [0u32; 6];
            let total = 60_000;
            operations(1, mix, total).iter().for_each(|operation| counts[operation.index()] += 1);
            for (index, count) in counts.into_iter().enumerate() {
                let share = f64::from(count) / total as f64;
                let expected = mix.share(index);
                // Five standard deviations of a binomial share at this number of draws are 0.009.
                assert!((share - expected).abs() < 0.009, "{}: {share} for {expected}", Operation::NAMES[index]);
            }
        }
    }

    #[test]
    fn each_rank_has_its_own_account() {
        for accounts in [1u32, 2, 3, 10, 26, 100, 618, 1000, 4096] {
            let workload = Workload::new(0, accounts, Mix::DEFAULT, 0.9);
            let distinct: BTreeSet<Account> = (0..accounts).map(|rank| workload.account_of_rank(rank)).collect();
            assert_eq!(distinct.len(), accounts as usize);
            assert_eq!(workload.account_of_rank(0), Account(0));
        }
    }

    #[test]
    fn popular_accounts_are_in_different_leaves() {
        let workload = Workload::new(0, 10_000, Mix::DEFAULT, 0.9);
        let leaves: BTreeSet<u32> = (0..10).map(|rank| workload.account_of_rank(rank).0 / 32).collect();
        assert_eq!(leaves.len(), 10);
    }

    #[test]
    fn an_operation_on_two_accounts_names_two() {
        for accounts in [2, 10] {
            let mut workload = Workload::new(3, accounts, Mix::DEFAULT, 3.0);
            for _ in 0..2000 {
                match workload.next_operation() {
                    Operation::SendPayment { from, to, .. } | Operation::Amalgamate { from, to: Some(to) } => {
                        assert_ne!(from, to);
                        assert!(from.0.max(to.0) < accounts);
                    }
                    _ => {}
                }
            }
        }
        let mut lonely = Workload::new(3, 1, Mix::DEFAULT, 0.9);
        (0..100).for_each(|_| {
            lonely.next_operation();
        });
    }

    #[test]
    fn the_default_mix_neither_dries_up_nor_swells() {
        let flow: i64 = operations(5, Mix::DEFAULT, 100_000)
            .into_iter()
            .map(|operation| match operation {
                Operation::DepositChecking { amount, .. } | Operation::TransactSavings { amount, .. } => amount,
                Operation::WriteCheck { amount, .. } => -amount,
                _ => 0,
            })
            .sum();
        assert!(flow.abs() < 100_000, "{flow} units in 100 000 operations");
    }
}
