//! The books that are kept of what replicas tell, whoever reads them: the screen, or the report on a test case.
//!
//! [`Ledgers`] has what each replica said last of its state and its slots, [`Views`] what was said of views, [`Evidence`]
//! what replicas hold against each other, [`Deeds`] what came of each attack, [`Courses`] the messages of single slots and
//! view changes. All are folds over what comes from the
//! replicas and know neither links nor screens.

mod courses;
mod deeds;
mod evidence;
mod ledgers;
mod views;

use byztop_core::app::Application as _;
use byztop_core::app::smallbank::{Account, SmallBank};
use byztop_core::telemetry::Ledger;
use byztop_core::types::{ReplicaId, ReplicaSet};

pub(crate) use self::courses::{Courses, End, Journey, Sheet, main_digests};
pub(crate) use self::deeds::{Deed, Deeds};
pub(crate) use self::evidence::{Accused, Evidence};
pub(crate) use self::ledgers::{Ledgers, LogLine, SlotStatus, Span};
pub(crate) use self::views::{NewView, Views};

/// What the first customers of a ledger's bank own, checking and savings; at most so many, and only as far as the ledger
/// has them. Nothing if it is of no bank.
pub(crate) fn first_balances(ledger: &Ledger, most: u32) -> Vec<(Account, i64, i64)> {
    let customers = ledger.figures.iter().find(|(name, _)| name == "customers").map(|(_, count)| *count);
    let customers = customers.and_then(|count| u32::try_from(count).ok());
    let Some(customers) = customers.filter(|count| (1..=SmallBank::MAX_ACCOUNTS).contains(count)) else {
        return Vec::new();
    };
    let mut bank = SmallBank::new(customers, 0, 0);
    let known = ledger.leaves.iter().take_while(|leaf| bank.install_leaf(leaf.index as usize, &leaf.bytes)).count();
    let known = u32::try_from(known * byztop_core::app::smallbank::ACCOUNTS_PER_LEAF).unwrap_or(u32::MAX);
    let accounts = (0..customers.min(known).min(most)).map(Account);
    accounts
        .filter_map(|account| bank.balances(account).map(|(checking, savings)| (account, checking, savings)))
        .collect()
}

/// Consecutive replicas in short: `n1-n4,n6`; a dash for none.
pub(crate) fn ranges(replicas: ReplicaSet) -> String {
    let mut runs: Vec<(ReplicaId, ReplicaId)> = Vec::new();
    for replica in replicas.iter() {
        match runs.last_mut() {
            Some((_, last)) if last.0 + 1 == replica.0 => *last = replica,
            _ => runs.push((replica, replica)),
        }
    }
    let text = |(first, last): &(ReplicaId, ReplicaId)| match last.0 - first.0 {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    if runs.is_empty() { "-".to_string() } else { runs.iter().map(text).collect::<Vec<_>>().join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_replicas_are_told_in_short() {
        for (members, expected) in [
            (&[][..], "-"),
            (&[2], "n3"),
            (&[0, 1], "n1,n2"),
            (&[0, 1, 2, 4], "n1-n3,n5"),
            (&[0, 2, 3, 4, 5], "n1,n3-n6"),
        ] {
            assert_eq!(ranges(members.iter().copied().map(ReplicaId).collect()), expected);
        }
    }
}
