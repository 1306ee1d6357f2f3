//! How another one's clock differs from one's own, from questions and answers over a link.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::types::{Micros, Time};

/// How far a clock is ahead of one's own.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ClockOffset {
    /// In microseconds; negative if it is behind.
    pub ahead_us: i64,
    /// By how much that may be wrong: the answer came from some moment between question and answer.
    pub error: Micros,
}

impl ClockOffset {
    /// A time of that clock by one's own. A difference that may be an error of measurement alone is taken for none, so
    /// that clocks which agree are not made to disagree.
    pub fn correct(self, time: Time) -> Time {
        if self.ahead_us.unsigned_abs() <= self.error.0 {
            return time;
        }
        Time(time.0.saturating_add_signed(self.ahead_us.saturating_neg()))
    }
}

/// The last measurements of one clock. The one with the shortest way there and back counts (Cristian, 1989).
#[derive(Clone, Debug, Default)]
pub struct ClockOffsets {
    /// Oldest first; at most [`ClockOffsets::WINDOW`].
    last: VecDeque<ClockOffset>,
}

impl ClockOffsets {
    /// How many measurements are compared.
    const WINDOW: usize = 8;

    /// Takes an answer in: asked and answered by one's own clock, in between `at` by the other. Gives what counts now.
    pub fn take(&mut self, asked: Time, at: Time, answered: Time) -> ClockOffset {
        let way = answered.since(asked).0;
        let middle = asked.0.saturating_add(way / 2);
        let signed = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let measured = ClockOffset { ahead_us: signed(at.0) - signed(middle), error: Micros(way.div_ceil(2)) };
        if self.last.len() == Self::WINDOW {
            self.last.pop_front();
        }
        self.last.push_back(measured);
        self.last.iter().rev().copied().min_by_key(|offset| offset.error).unwrap_or(measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_quickest_of_the_last_answers_counts_until_it_is_old() {
        let mut offsets = ClockOffsets::default();
        let slow = offsets.take(Time(1000), Time(1900), Time(2000));
        assert_eq!(slow, ClockOffset { ahead_us: 400, error: Micros(500) });
        let quick = offsets.take(Time(3000), Time(3060), Time(3100));
        assert_eq!(quick, ClockOffset { ahead_us: 10, error: Micros(50) });
        for _ in 1..ClockOffsets::WINDOW {
            assert_eq!(offsets.take(Time(4000), Time(4500), Time(5000)), quick);
        }
        assert_eq!(offsets.take(Time(4000), Time(4500), Time(5000)).error, Micros(500));
    }

    #[test]
    fn a_difference_within_the_error_is_none() {
        let within = ClockOffset { ahead_us: -300, error: Micros(300) };
        let beyond = ClockOffset { ahead_us: -301, error: Micros(300) };
        assert_eq!((within.correct(Time(1000)), beyond.correct(Time(1000))), (Time(1000), Time(1301)));
        assert_eq!(ClockOffset { ahead_us: 5000, error: Micros(0) }.correct(Time(7)), Time(0));
    }

    proptest! {
        #[test]
        fn the_true_offset_lies_within_the_error(
            there in 0u64..10_000, back in 0u64..10_000, ahead in -1_000_000i64..1_000_000,
        ) {
            let asked = Time(50_000_000);
            let at = Time((asked.0 + there).saturating_add_signed(ahead));
            let offset = ClockOffsets::default().take(asked, at, Time(asked.0 + there + back));
            prop_assert!((offset.ahead_us - ahead).unsigned_abs() <= offset.error.0, "{:?}", offset);
        }
    }
}
