//! A time axis that leaves out what is empty: where nothing happens for long, a break stands for it.

use byztop_core::types::{Micros, Time};

/// Columns of a break.
const BREAK: usize = 3;

/// No axis has more breaks.
const MOST_BREAKS: usize = 4;

/// Where moments stand on a line of some columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Axis {
    /// What is drawn to scale, in order.
    pieces: Vec<Piece>,
    width: usize,
}

/// A span that is drawn to scale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    from: Time,
    until: Time,
    /// Its first column and how many it has, in thousandths.
    x: u64,
    width: u64,
}

impl Axis {
    /// An axis for these moments; nothing if there are none.
    pub(super) fn of(mut moments: Vec<Time>, width: usize) -> Option<Axis> {
        moments.sort_unstable();
        let (first, last) = (*moments.first()?, *moments.last()?);
        let mut gaps: Vec<(Time, Time)> = moments.windows(2).map(|pair| (pair[0], pair[1])).collect();
        gaps.sort_by_key(|(from, until)| std::cmp::Reverse(until.since(*from)));
        let most = MOST_BREAKS.min(width / (4 * BREAK)).min(gaps.len());
        // The longest gaps are left out, as many of them as are longer each than all that would be drawn.
        let span = |(from, until): &(Time, Time)| until.since(*from).0;
        let is_worth_it = |count: &usize| {
            let rest = last.since(first).0 - gaps[..*count].iter().map(span).sum::<u64>();
            rest > 0 && span(&gaps[*count - 1]) > rest
        };
        let count = (1..=most).rev().find(is_worth_it).unwrap_or(0);
        let mut breaks = gaps[..count].to_vec();
        breaks.sort_unstable();
        let left_out: u64 = breaks.iter().map(|(from, until)| until.since(*from).0).sum();
        let to_scale = (last.since(first).0 - left_out).max(1);
        let columns = (width.saturating_sub(1).saturating_sub(breaks.len() * BREAK) as u64) * 1000;
        let (mut pieces, mut from, mut x) = (Vec::new(), first, 0);
        for (until, next) in breaks.into_iter().chain([(last, last)]) {
            let width = scaled(columns, until.since(from).0, to_scale);
            pieces.push(Piece { from, until, x, width });
            (from, x) = (next, x + width + BREAK as u64 * 1000);
        }
        Some(Axis { pieces, width })
    }

    /// When it begins and ends.
    pub(super) fn ends(&self) -> (Time, Time) {
        (
            self.pieces.first().map_or(Time(0), |piece| piece.from),
            self.pieces.last().map_or(Time(0), |piece| piece.until),
        )
    }

    /// The column of a moment, in thousandths. What lies before stands at the beginning, what lies after at the end, and
    /// what was left out in its break.
    pub(super) fn at(&self, moment: Time) -> u64 {
        let mut x = 0;
        for piece in &self.pieces {
            if moment < piece.from {
                return x;
            }
            if moment <= piece.until {
                let whole = piece.until.since(piece.from).0.max(1);
                return piece.x + scaled(piece.width, moment.since(piece.from).0, whole);
            }
            x = piece.x + piece.width + 1000;
        }
        (self.width.saturating_sub(1) as u64) * 1000
    }

    /// The column of a moment.
    pub(super) fn column(&self, moment: Time) -> usize {
        usize::try_from((self.at(moment) + 500) / 1000).unwrap_or(usize::MAX).min(self.width.saturating_sub(1))
    }

    /// The last moment that stands in a column, or before it.
    pub(super) fn moment(&self, column: usize) -> Time {
        let x = column as u64 * 1000 + 499;
        let piece = self.pieces.iter().rev().find(|piece| piece.x <= x).or(self.pieces.first());
        piece.map_or(Time(0), |piece| {
            let into = (x.saturating_sub(piece.x)).min(piece.width);
            Time(piece.from.0 + scaled(piece.until.since(piece.from).0, into, piece.width.max(1)))
        })
    }

    /// The middle column of each break, and how long it stands for.
    pub(super) fn breaks(&self) -> impl Iterator<Item = (usize, Micros)> {
        self.pieces.windows(2).map(|pair| {
            let column = (pair[0].x + pair[0].width) / 1000 + BREAK as u64 / 2 + 1;
            (usize::try_from(column).unwrap_or(usize::MAX), pair[1].from.since(pair[0].until))
        })
    }
}

/// So much of it as the part is of the whole. Times that somebody else told may be far apart.
pub(super) fn scaled(of: u64, part: u64, whole: u64) -> u64 {
    let scaled = u128::from(of) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis(moments: &[u64], width: usize) -> Axis {
        Axis::of(moments.iter().map(|at| Time(*at)).collect(), width).expect("there are moments")
    }

    #[test]
    fn short_gaps_are_drawn_to_scale() {
        let axis = axis(&[1000, 1250, 1500, 1750, 2000], 101);
        assert_eq!([1000, 1500, 1990, 2000, 9000].map(|at| axis.column(Time(at))), [0, 50, 99, 100, 100]);
        assert_eq!(axis.breaks().count(), 0);
        assert_eq!(axis.moment(50), Time(1504));
    }

    #[test]
    fn a_long_gap_is_a_break() {
        let axis = axis(&[0, 100, 200, 300, 500_300, 500_400, 500_500], 104);
        assert_eq!(axis.breaks().collect::<Vec<_>>(), [(62, Micros(500_000))]);
        assert_eq!([0, 300, 250_000, 500_300, 500_500].map(|at| axis.column(Time(at))), [0, 60, 61, 63, 103]);
    }

    #[test]
    fn one_moment_has_an_axis_and_none_has_none() {
        assert_eq!(axis(&[7], 50).column(Time(7)), 0);
        assert_eq!(Axis::of(Vec::new(), 50), None);
        assert_eq!(axis(&[7, 9], 0).column(Time(9)), 0);
    }

    proptest! {
        #[test]
        fn later_is_never_further_left(mut moments in prop::collection::vec(0u64..5_000_000, 1..40), width in 0usize..200) {
            let axis = axis(&moments, width);
            moments.sort_unstable();
            let columns: Vec<usize> = moments.iter().map(|at| axis.column(Time(*at))).collect();
            prop_assert!(columns.is_sorted(), "{columns:?}");
            prop_assert!(columns.iter().all(|column| *column < width.max(1)));
            prop_assert!((0..width).map(|column| axis.moment(column)).is_sorted());
        }
    }
}
