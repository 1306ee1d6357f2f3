//! Zipf's law, exactly: rank k of n has probability k^−α / Σ i^−α.
//!
//! The sums are tabled once and a draw is a binary search: no approximation, unlike the usual rejection and Gray et al.
//! generators, at eight bytes a rank.

use rand::{Rng, RngExt};

/// A distribution over ranks.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// Entry `k` is the probability of a rank of at most `k`; ascending, the last one is 1.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// Ranks 0 to `ranks` − 1 with probability ∝ (rank + 1)^−`alpha`; `alpha` 0 makes all alike.
    ///
    /// # Panics
    ///
    /// If there are no ranks, or `alpha` is negative or not finite.
    pub fn new(ranks: u32, alpha: f64) -> Zipf {
        assert!(ranks > 0, "a distribution over nothing");
        assert!(alpha >= 0.0 && alpha.is_finite(), "alpha {alpha}");
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = (1..=ranks)
            .map(|rank| {
                sum += f64::from(rank).powf(-alpha);
                sum
            })
            .collect();
        cumulative.iter_mut().for_each(|entry| *entry /= sum);
        Zipf { cumulative }
    }

    /// How many ranks there are.
    pub fn len(&self) -> u32 {
        self.cumulative.len() as u32
    }

    /// Never: there is at least one rank.
    pub fn is_empty(&self) -> bool {
        self.cumulative.is_empty()
    }

    /// The probability of one of the `ranks` most popular; 1 beyond all of them.
    pub fn share_of_top(&self, ranks: u32) -> f64 {
        match ranks.min(self.len()) {
            0 => 0.0,
            ranks => self.cumulative[ranks as usize - 1],
        }
    }

    /// Draws a rank, counted from 0.
    pub fn sample(&self, rng: &mut impl Rng) -> u32 {
        let point: f64 = rng.random();
        let rank = self.cumulative.partition_point(|entry| *entry <= point);
        // The last entry is 1 and a point is below 1, so that a rank is always found.
        rank as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn shares_are_those_of_the_law() {
        for (ranks, first, top_tenth) in [(100, 0.155_600, 50.12), (1000, 0.095_025, 61.07), (10_000, 0.063_739, 67.08)]
        {
            let zipf = Zipf::new(ranks, 0.9);
            assert!((zipf.share_of_top(1) - first).abs() < 5e-7, "{ranks}: {}", zipf.share_of_top(1));
            let share = 100.0 * zipf.share_of_top(ranks / 10);
            assert!((share - top_tenth).abs() < 0.005, "{ranks}: {share} %");
            assert!(zipf.cumulative.is_sorted());
            assert_eq!(zipf.share_of_top(ranks), 1.0);
        }
    }

    #[test]
    fn draws_follow_the_shares() {
        let zipf = Zipf::new(100, 0.9);
        let mut rng = ChaCha8Rng::seed_from_u64(42);
        let draws = 100_000;
        let mut counts = [0u32; 100];
        (0..draws).for_each(|_| counts[zipf.sample(&mut rng) as usize] += 1);
        for rank in 0..100u32 {
            let expected = zipf.share_of_top(rank + 1) - zipf.share_of_top(rank);
            let share = f64::from(counts[rank as usize]) / f64::from(draws);
            let deviation = (expected * (1.0 - expected) / f64::from(draws)).sqrt();
            assert!((share - expected).abs() < 5.0 * deviation, "rank {rank}: {share} for {expected}");
        }
    }

    #[test]
    fn the_ends_of_the_range_have_ranks() {
        assert_eq!(Zipf::new(1, 0.9).share_of_top(1), 1.0);
        let uniform = Zipf::new(4, 0.0);
        assert_eq!([0, 1, 2, 9].map(|ranks| uniform.share_of_top(ranks)), [0.0, 0.25, 0.5, 1.0]);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert!((0..1000).all(|_| Zipf::new(3, 5.0).sample(&mut rng) < 3));
    }
}
