//! The window of slots that a replica takes part in (Castro & Liskov, OSDI '99, §4.2 and §4.3).

use crate::types::SeqNum;

/// h and L: slots with h < seq ≤ h+L are accepted (rule 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watermarks {
    low: SeqNum,
    window_slots: u64,
}

impl Watermarks {
    /// The window at the beginning of time.
    pub fn new(window_slots: u64) -> Watermarks {
        Watermarks { low: SeqNum(0), window_slots }
    }

    /// h, the last stable checkpoint.
    pub fn low(&self) -> SeqNum {
        self.low
    }

    /// H = h+L, the last slot that is accepted.
    pub fn high(&self) -> SeqNum {
        self.low.plus(self.window_slots)
    }

    /// Whether the slot lies between the watermarks.
    pub fn contain(&self, seq: SeqNum) -> bool {
        self.low < seq && seq <= self.high()
    }

    /// Moves the window up to a stable checkpoint; it never moves down.
    pub fn advance(&mut self, stable: SeqNum) {
        self.low = self.low.max(stable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_6_the_window_is_open_below_and_closed_above() {
        let mut watermarks = Watermarks::new(6);
        watermarks.advance(SeqNum(3));
        watermarks.advance(SeqNum(0));
        let inside = |seq| watermarks.contain(SeqNum(seq));
        assert_eq!([3, 4, 9, 10, u64::MAX].map(inside), [false, true, true, false, false]);
    }

    #[test]
    fn a_window_at_the_end_of_all_numbers_does_not_wrap() {
        let mut watermarks = Watermarks::new(6);
        watermarks.advance(SeqNum(u64::MAX - 1));
        assert!(watermarks.contain(SeqNum(u64::MAX)));
        assert!(!watermarks.contain(SeqNum(0)));
    }
}
