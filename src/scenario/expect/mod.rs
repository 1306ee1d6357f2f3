//! What a test case says should come of it, and how that is written.
//!
//! ```text
//! demand   = "beyond" | "reports" | clause { ";" clause }
//! clause   = "commits" | "stalls" | "failed(" count ")" | balances { "or" balances }
//!          | "view" ( "=" | ">=" | "<=" ) view | ( "proof" | "attested" | "suspected" ) "(" node ")"
//! balances = balance { "," balance }
//! balance  = customer [ ".savings" ] "=" amount
//! ```

mod parser;

use std::fmt;

use super::ACCOUNTS;
use super::found::{Balances, Certainty};
use crate::app::smallbank::Account;
use crate::types::{ReplicaId, View};

/// What should come of a set. Written by [`Display`](fmt::Display), it reads back as itself.
///
/// ```
/// use byztop_core::scenario::Demand;
///
/// let demand: Demand = "Commits; a=9,b=11 OR a=10,b=10; view >= 1; proof(S1)".parse().unwrap();
/// assert_eq!(demand.to_string(), "commits; A=9, B=11 or A=10, B=10; view>=1; proof(n1)");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Demand {
    /// More than f replicas are Byzantine: nothing can be asked of the others.
    Beyond,
    /// Only safety is judged, and what happened is reported.
    Reports,
    /// All of these hold, and safety does; 1 to [`Demand::MAX_CLAUSES`], each once.
    Clauses(Vec<Clause>),
}

impl Demand {
    /// The most clauses of a demand, and the most alternatives in a clause.
    pub const MAX_CLAUSES: usize = 64;
}

/// One thing that should be so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clause {
    /// Every transaction gets a result, whether it was committed or failed.
    Commits,
    /// No transaction gets a result.
    Stalls,
    /// Exactly so many transactions failed.
    Failed(u64),
    /// All balances of one of these lists are so: an ordering race has several legal outcomes. No list is empty.
    Balances(Vec<Vec<BalanceIs>>),
    /// Honest live replicas end in such a view.
    View(Comparison, View),
    /// The evidence against this replica is at least so certain.
    Evidence(Certainty, ReplicaId),
}

/// Which of a customer's accounts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Table {
    /// Written without a name: `A=9`.
    Checking,
    /// Written `A.savings=3`.
    Savings,
}

/// An account of a customer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Holding {
    /// Whose.
    pub account: Account,
    /// Which.
    pub table: Table,
}

impl Holding {
    /// What is in it; `None` if the bank has no such customer.
    pub fn of(self, balances: &[Balances; ACCOUNTS as usize]) -> Option<i64> {
        let owned = balances.get(usize::try_from(self.account.0).ok()?)?;
        Some(match self.table {
            Table::Checking => owned.checking,
            Table::Savings => owned.savings,
        })
    }
}

/// How much an account should hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BalanceIs {
    /// Which account.
    pub holding: Holding,
    /// How much, in whole units of money.
    pub amount: i64,
}

/// How a number stands to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
}

impl Comparison {
    const ALL: [Comparison; 3] = [Comparison::AtLeast, Comparison::AtMost, Comparison::Equal];

    /// Whether `found` stands so to `wanted`.
    pub fn holds(self, found: View, wanted: View) -> bool {
        match self {
            Comparison::Equal => found == wanted,
            Comparison::AtLeast => found >= wanted,
            Comparison::AtMost => found <= wanted,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::AtLeast => ">=",
            Comparison::AtMost => "<=",
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Demand::Beyond => f.write_str("beyond"),
            Demand::Reports => f.write_str("reports"),
            Demand::Clauses(clauses) => f.write_str(&joined(clauses, "; ")),
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clause::Commits => f.write_str("commits"),
            Clause::Stalls => f.write_str("stalls"),
            Clause::Failed(count) => write!(f, "failed({count})"),
            Clause::Balances(alternatives) => {
                let lists: Vec<String> = alternatives.iter().map(|balances| joined(balances, ", ")).collect();
                f.write_str(&lists.join(" or "))
            }
            Clause::View(comparison, view) => write!(f, "view{}{view}", comparison.sign()),
            Clause::Evidence(certainty, accused) => write!(f, "{certainty}({accused})"),
        }
    }
}

impl fmt::Display for BalanceIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.holding, self.amount)
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.account.name(ACCOUNTS);
        match self.table {
            Table::Checking => write!(f, "{name}"),
            Table::Savings => write!(f, "{name}.savings"),
        }
    }
}

/// Items written one after the other.
fn joined<T: fmt::Display>(items: &[T], between: &str) -> String {
    let texts: Vec<String> = items.iter().map(T::to_string).collect();
    texts.join(between)
}

#[cfg(test)]
mod tests;
