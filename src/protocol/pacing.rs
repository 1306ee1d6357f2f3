//! What a peer may draw from a replica within a time: small requests have large answers, and cost nothing to make.

use crate::types::{Micros, Time};

/// How much one peer has drawn since its current pause began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pacing {
    began_at: Option<Time>,
    drawn: usize,
}

impl Pacing {
    /// How much it may draw still, of `most` units within each `pause`.
    pub(crate) fn room(&mut self, now: Time, pause: Micros, most: usize) -> usize {
        if self.began_at.is_none_or(|at| now.since(at) >= pause) {
            *self = Pacing { began_at: Some(now), drawn: 0 };
        }
        most.saturating_sub(self.drawn)
    }

    /// It has drawn so much.
    pub(crate) fn draw(&mut self, units: usize) {
        self.drawn += units;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_counts_until_the_pause_is_over() {
        let (mut pacing, pause) = (Pacing::default(), Micros(100));
        assert_eq!(pacing.room(Time(5), pause, 10), 10);
        pacing.draw(7);
        assert_eq!(pacing.room(Time(104), pause, 10), 3);
        pacing.draw(7);
        assert_eq!(pacing.room(Time(104), pause, 10), 0);
        assert_eq!(pacing.room(Time(105), pause, 10), 10);
    }
}
