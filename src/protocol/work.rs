//! How much a replica does for what others send, counted and not timed.
//!
//! What each kind of message may cost, b being its length in bytes, L the window and n the size of the committee; every
//! signature in it is checked besides. `tests/work.rs` sends the worst of each counted kind, and the simulator holds every
//! message that reaches an honest replica against its length (`sim/check/work.rs`).
//!
//! | message | cost |
//! |---|---|
//! | PRE-PREPARE | b/32 digests hashed, looked up and indexed by the auditor, repetitions b/32 hashed |
//! | PREPARE, COMMIT, CHECKPOINT | n votes counted |
//! | VIEW-CHANGE | what it shows; at its primary also what a quorum shows, at most once in 50 ms for a peer and view |
//! | NEW-VIEW | what it shows; a look at all slots when it is entered, once in a view |
//! | STATUS, ASK | what the peer lacks: at most the log, once in half an `ask_timeout` or status interval |
//! | COMMITTED | b/32 digests hashed |
//! | FETCH-BATCHES, FETCH-BODIES | b/32 look-ups; answers of a mebibyte at most in 50 ms for a peer, each item once in a request |
//! | BATCHES | b/32 digests hashed; if one was asked for, a look at each of 2L slots |
//! | STATE-REQUEST | answers of 8 MiB at most in 50 ms for a peer, and one part more; each item once in a request |
//! | STATE-PART, BODIES, PROOF | b/32 digests hashed |
//!
//! A body that was waited for is looked up; the last one that a slot lacks makes the replica look at that slot's batch.

use std::ops::AddAssign;

/// Work, in units that do not depend on the machine. One unit is one digest that is looked up, compared, hashed or put into
/// an answer, one slot, row or statement that is visited, or 32 bytes that are copied.
///
/// It decides nothing: tests and the simulator read it, to hold what a message costs against how long it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Work(u64);

impl Work {
    /// How many bytes that are copied make one unit.
    pub const BYTES: usize = 32;

    /// Adds units.
    pub fn add(&mut self, units: usize) {
        self.0 += units as u64;
    }

    /// All units so far.
    pub fn units(self) -> u64 {
        self.0
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, more: Work) {
        self.0 += more.0;
    }
}
