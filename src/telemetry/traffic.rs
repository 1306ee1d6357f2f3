//! How many messages were sent, by what they are called.

use std::collections::BTreeMap;

/// Messages sent to other replicas, by name; a broadcast counts once for each of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    by_name: BTreeMap<&'static str, u64>,
}

impl Traffic {
    /// So many copies of a message were sent.
    pub fn add(&mut self, name: &'static str, copies: u64) {
        if copies > 0 {
            *self.by_name.entry(name).or_default() += copies;
        }
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Traffic) {
        other.iter().for_each(|(name, copies)| self.add(name, copies));
    }

    /// How many of one name there were.
    pub fn of(&self, name: &str) -> u64 {
        self.by_name.get(name).copied().unwrap_or_default()
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.by_name.values().sum()
    }

    /// Each name that was sent and how often, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.by_name.iter().map(|(name, copies)| (*name, *copies))
    }

    /// The same for a frame.
    pub fn to_vec(&self) -> Vec<(String, u64)> {
        self.iter().map(|(name, copies)| (name.to_string(), copies)).collect()
    }
}
