//! What a replica's state says, for consoles that must know it and not only its digest: the books of a small application.

use serde::{Deserialize, Serialize};

use crate::protocol::{SlotPhase, Status};
use crate::types::{Digest, ReplicaId, SeqNum, Time, View};
use crate::wire;

/// The most slots in a ledger.
pub const MAX_LEDGER_SLOTS: usize = 512;

/// The most numbers that sum up the state in a ledger.
pub const MAX_LEDGER_FIGURES: usize = 16;

/// The most leaves in a ledger.
pub const MAX_LEDGER_LEAVES: usize = 64;

/// The most bytes that all leaves of a ledger have together: with everything else they fit into one message.
pub const MAX_LEDGER_BYTES: usize = 512 << 10;

/// A replica's state at one moment. Made on request only, since it costs a Merkle update and a copy of the leaves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// Whose.
    pub replica: ReplicaId,
    /// Where the protocol stands. The state is that after `status.executed`.
    pub status: Status,
    /// The state's digest there.
    pub state_digest: Digest,
    /// Unexecuted slots and how far each is, ascending.
    #[serde(deserialize_with = "wire::at_most::<_, _, 4096>")]
    pub slots: Vec<(SeqNum, SlotPhase)>,
    /// How the last slots went, ascending: the newest of those that it has executed, and those that are under way.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_LEDGER_SLOTS>")]
    pub log: Vec<LogEntry>,
    /// What the whole state amounts to, in the application's words.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_LEDGER_FIGURES>")]
    pub figures: Vec<(String, i128)>,
    /// How many leaves the application has; those that are missing here did not fit.
    pub leaf_count: u32,
    /// The first leaves of the application, in its own encoding, which nothing here knows.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_LEDGER_LEAVES>")]
    pub leaves: Vec<LedgerLeaf>,
}

/// How a slot went at a replica, as far as it went through its phases there while a console was connected: what a replica
/// learns by a certificate or with a whole state has no times. Times are microseconds of Unix time by its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogEntry {
    /// Which slot.
    pub seq: SeqNum,
    /// The newest proposal that it has accepted: in which view, and the batch's digest.
    pub proposal: Option<(View, Digest)>,
    /// When it accepted that.
    pub pre_prepared: Option<Time>,
    /// When a quorum had prepared it.
    pub prepared: Option<Time>,
    /// When it was decided.
    pub committed: Option<Time>,
    /// When it was executed.
    pub executed: Option<Time>,
    /// How many submissions ran, duplicates not counted.
    pub submissions: u32,
}

/// A leaf of the application.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerLeaf {
    /// Its place among the application's leaves, counted from 0.
    pub index: u32,
    /// Its canonical bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

impl Ledger {
    /// The first of so many leaves, as far as they fit: at most [`MAX_LEDGER_LEAVES`] of [`MAX_LEDGER_BYTES`] together.
    pub fn first_leaves(leaf_count: usize, leaf: impl Fn(usize) -> Vec<u8>) -> Vec<LedgerLeaf> {
        let mut room_bytes = MAX_LEDGER_BYTES;
        let mut leaves = Vec::new();
        for index in 0..leaf_count.min(MAX_LEDGER_LEAVES) {
            let bytes = leaf(index);
            let Some(rest) = room_bytes.checked_sub(bytes.len()) else { break };
            room_bytes = rest;
            leaves.push(LedgerLeaf { index: index as u32, bytes });
        }
        leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(leaf_count: usize, leaf_bytes: usize) -> (usize, usize) {
        let leaves = Ledger::first_leaves(leaf_count, |index| vec![index as u8; leaf_bytes]);
        assert!(leaves.iter().enumerate().all(|(place, leaf)| leaf.index as usize == place));
        (leaves.len(), leaves.iter().map(|leaf| leaf.bytes.len()).sum())
    }

    #[test]
    fn leaves_are_taken_from_the_first_as_far_as_they_fit() {
        assert_eq!(lengths(0, 640), (0, 0));
        assert_eq!(lengths(3, 640), (3, 1920));
        assert_eq!(lengths(MAX_LEDGER_LEAVES + 1, 640), (MAX_LEDGER_LEAVES, MAX_LEDGER_LEAVES * 640));
        assert_eq!(lengths(MAX_LEDGER_LEAVES, 64 << 10), (8, MAX_LEDGER_BYTES));
        assert_eq!(lengths(1, MAX_LEDGER_BYTES + 1), (0, 0));
    }
}
