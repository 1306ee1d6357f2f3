//! Which accounts a load asks for most.

use byztop_core::app::smallbank::{Account, Operation};

/// Counts operations by account and knows the most popular ones at any time.
#[derive(Debug)]
pub(super) struct Busiest {
    counts: Vec<u32>,
    /// Most first; at most [`Busiest::MAX`].
    top: Vec<(Account, u64)>,
}

impl Busiest {
    const MAX: usize = 8;

    /// Nothing was asked for yet of so many accounts.
    pub(super) fn new(accounts: u32) -> Busiest {
        Busiest { counts: vec![0; accounts as usize], top: Vec::new() }
    }

    /// Counts an operation for each account that it names.
    pub(super) fn count(&mut self, operation: &Operation) {
        let (one, other) = match *operation {
            Operation::Balance { account }
            | Operation::DepositChecking { account, .. }
            | Operation::TransactSavings { account, .. }
            | Operation::WriteCheck { account, .. } => (account, None),
            Operation::Amalgamate { from, to } => (from, to.filter(|to| *to != from)),
            Operation::SendPayment { from, to, .. } => (from, Some(to).filter(|to| *to != from)),
        };
        std::iter::once(one).chain(other).for_each(|account| self.count_account(account));
    }

    fn count_account(&mut self, account: Account) {
        let Some(count) = self.counts.get_mut(account.0 as usize) else { return };
        *count = count.saturating_add(1);
        let count = u64::from(*count);
        let place = match self.top.iter().position(|(known, _)| *known == account) {
            Some(place) => {
                self.top[place].1 = count;
                place
            }
            None if self.top.len() < Self::MAX => {
                self.top.push((account, count));
                self.top.len() - 1
            }
            None if self.top[Self::MAX - 1].1 < count => {
                self.top[Self::MAX - 1] = (account, count);
                Self::MAX - 1
            }
            None => return,
        };
        // Counts grow by one, so whoever rises passes those with one less.
        let higher = self.top[..place].iter().rev().take_while(|(_, other)| *other < count).count();
        self.top[place - higher..=place].rotate_right(1);
    }

    /// The accounts that were asked for most, and how often, most first.
    pub(super) fn top(&self) -> &[(Account, u64)] {
        &self.top
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_operation_counts_for_each_account_that_it_names() {
        let mut busiest = Busiest::new(3);
        let (a, b) = (Account(0), Account(1));
        busiest.count(&Operation::SendPayment { from: a, to: b, amount: 1 });
        busiest.count(&Operation::Amalgamate { from: b, to: Some(b) });
        busiest.count(&Operation::Amalgamate { from: b, to: None });
        busiest.count(&Operation::Balance { account: Account(99) });
        assert_eq!(busiest.top(), [(b, 3), (a, 1)]);
    }

    proptest! {
        #[test]
        fn the_top_is_that_of_a_full_count(accounts in prop::collection::vec(0u32..20, 0..400)) {
            let mut busiest = Busiest::new(20);
            accounts.iter().for_each(|account| busiest.count_account(Account(*account)));
            let mut counts: Vec<u64> =
                (0..20).map(|wanted| accounts.iter().filter(|account| **account == wanted).count() as u64).collect();
            for (account, count) in busiest.top() {
                prop_assert_eq!(counts[account.0 as usize], *count);
            }
            counts.retain(|count| *count > 0);
            counts.sort_unstable_by(|a, b| b.cmp(a));
            counts.truncate(Busiest::MAX);
            let top: Vec<u64> = busiest.top().iter().map(|(_, count)| *count).collect();
            prop_assert_eq!(top, counts);
        }
    }
}
