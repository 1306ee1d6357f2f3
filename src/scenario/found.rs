//! What whoever ran a set found: the judge's other half of the input.

use std::collections::BTreeMap;
use std::fmt;

use super::ACCOUNTS;
use crate::types::{Digest, Micros, ReplicaId, SeqNum, View};

/// What came of a set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// What came of each transaction, in the set's order; those that are missing at the end got no result.
    pub transactions: Vec<Answer>,
    /// Where each replica that reported stood in the end.
    pub replicas: BTreeMap<ReplicaId, Standing>,
    /// Whom the replicas accuse. The same may be said by several.
    pub evidence: Vec<Accusation>,
    /// What must never happen and was seen to: a sentence each.
    pub violations: Vec<String>,
}

/// What a client got for a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What it was told.
    pub outcome: Outcome,
    /// How long that took, or how long it waited in vain.
    pub latency: Micros,
}

/// What a client was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was done; with the result as text.
    Committed(String),
    /// It was ordered, and the bank refused it; with the reason as text.
    Failed(String),
    /// Nothing, within the time that the runner allows.
    Timeout,
}

impl Outcome {
    /// `committed`, `failed` or `timeout`.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Committed(_) => "committed",
            Outcome::Failed(_) => "failed",
            Outcome::Timeout => "timeout",
        }
    }

    /// The result or the reason; `None` without either.
    pub fn text(&self) -> Option<&str> {
        match self {
            Outcome::Committed(text) | Outcome::Failed(text) => Some(text),
            Outcome::Timeout => None,
        }
    }
}

/// Where a replica stood in the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The last slot that it executed.
    pub executed: SeqNum,
    /// The digest of its state after that slot.
    pub state_digest: Digest,
    /// Its view.
    pub view: View,
    /// What each customer owns, A first.
    pub balances: [Balances; ACCOUNTS as usize],
}

/// What a customer owns, in whole units of money.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Balances {
    /// In the checking account.
    pub checking: i64,
    /// In the savings account.
    pub savings: i64,
}

/// What is held against a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accusation {
    /// Who did it.
    pub accused: ReplicaId,
    /// Which rule was broken, in words.
    pub rule: String,
    /// How certain that is.
    pub certainty: Certainty,
}

/// How certain it is that a replica broke a rule; the least certain comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Certainty {
    /// One replica saw it.
    Suspected,
    /// So many saw it that one of them is honest.
    Attested,
    /// Signed bytes show it to anyone.
    Proof,
}

impl Certainty {
    /// All of them, the least certain first.
    pub const ALL: [Certainty; 3] = [Certainty::Suspected, Certainty::Attested, Certainty::Proof];

    /// `suspected`, `attested` or `proof`.
    pub fn label(self) -> &'static str {
        match self {
            Certainty::Suspected => "suspected",
            Certainty::Attested => "attested",
            Certainty::Proof => "proof",
        }
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_the_most_certain() {
        assert!(Certainty::ALL.is_sorted() && Certainty::Proof > Certainty::Attested);
        assert_eq!(Certainty::ALL.map(Certainty::label), ["suspected", "attested", "proof"]);
    }

    #[test]
    fn outcomes_have_labels() {
        let outcomes =
            [Outcome::Committed("10".into()), Outcome::Failed("insufficient funds".into()), Outcome::Timeout];
        assert_eq!(outcomes.each_ref().map(Outcome::label), ["committed", "failed", "timeout"]);
        assert_eq!(outcomes.each_ref().map(Outcome::text), [Some("10"), Some("insufficient funds"), None]);
    }
}
