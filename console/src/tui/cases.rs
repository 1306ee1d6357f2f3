//! Test cases as the screen is told of them.

use std::fmt;

use byztop_core::scenario::{Answer, Expectation, Found, Outcome, Set, Transaction, Verdict};

/// The sets of a file, before any of them has run.
#[derive(Clone, Debug)]
pub(crate) struct CaseList {
    /// The file's name.
    pub(crate) file: String,
    /// Its sets in their order, and what is expected of each.
    pub(crate) sets: Vec<(Set, Expectation)>,
}

/// Something happened to a test case.
#[derive(Clone, Debug)]
pub(crate) enum CaseEvent {
    /// These can be run.
    Listed(Box<CaseList>),
    /// A fresh cluster is started for one of them.
    Began {
        /// Its place in the list.
        place: usize,
    },
    /// A client of the set that runs has submitted something.
    Submitted(Transaction),
    /// It was told what came of that, or has waited long enough.
    Answered(Transaction, Answer),
    /// The set was judged.
    Judged {
        /// Its place in the list.
        place: usize,
        /// What was found.
        found: Box<Found>,
        /// What is to be thought of it.
        verdict: Verdict,
    },
    /// The set could not be run to its end.
    Broken {
        /// Its place in the list.
        place: usize,
        /// Why not, for people.
        why: String,
    },
}

/// What whoever watches wants to see run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CaseWish {
    /// The set at this place.
    One(usize),
    /// Every set from this place on, one after the other.
    From(usize),
    /// Nothing more once the set that runs is judged.
    Stop,
}

/// What a client was told, in a few words: `ok`, `12`, `failed: insufficient funds`, `no result after 2 000 ms`.
pub(crate) struct Told<'a>(pub(crate) &'a Answer);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = super::text::span(self.0.latency);
        match &self.0.outcome {
            Outcome::Committed(result) => write!(f, "committed after {after}: {result}"),
            Outcome::Failed(reason) => write!(f, "refused by the bank after {after}: {reason}"),
            Outcome::Timeout => write!(f, "no result after {after}"),
        }
    }
}
