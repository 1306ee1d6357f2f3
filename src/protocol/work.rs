//! How much a replica does for what others send, counted and not timed.

use std::ops::AddAssign;

/// Work, in units that do not depend on the machine. One unit is one digest that is looked up, compared, hashed or put into
/// an answer, one slot, row or statement that is visited, or 32 bytes that are copied.
///
/// It decides nothing: tests and the simulator read it, to hold what a message costs against how long it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Work(u64);

impl Work {
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
