//! How often each operation comes.

use rand::{Rng, RngExt};

/// Weights of the six operations, in the order of [`crate::app::smallbank::Operation::NAMES`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix {
    /// Not all zero.
    weights: [u16; 6],
}

impl Mix {
    /// Checks are most frequent. Per cent.
    pub const DEFAULT: Mix = Mix { weights: [15, 15, 15, 15, 25, 15] };

    /// BenchBase's mix: payments are most frequent. Per cent.
    pub const BENCHBASE: Mix = Mix { weights: [15, 15, 15, 15, 15, 25] };

    /// The mixes that have a name, and their names.
    pub const NAMED: [(&'static str, Mix); 2] = [("default", Self::DEFAULT), ("benchbase", Self::BENCHBASE)];

    /// A mix by weights, in the order of the operations' names; `None` if all are 0.
    pub fn new(weights: [u16; 6]) -> Option<Mix> {
        weights.iter().any(|weight| *weight > 0).then_some(Mix { weights })
    }

    /// A mix by its name; `None` if none is called so.
    pub fn parse(name: &str) -> Option<Mix> {
        Self::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, mix)| mix)
    }

    /// The share of an operation, by its index; 0 to 1.
    pub fn share(&self, index: usize) -> f64 {
        f64::from(self.weights[index]) / f64::from(self.total())
    }

    /// Draws an operation's index.
    pub(super) fn choose(&self, rng: &mut impl Rng) -> usize {
        let mut point = rng.random_range(0..self.total());
        for (index, weight) in self.weights.into_iter().enumerate() {
            match point.checked_sub(u32::from(weight)) {
                Some(rest) => point = rest,
                None => return index,
            }
        }
        unreachable!("the point lies below the sum of the weights")
    }

    fn total(&self) -> u32 {
        self.weights.into_iter().map(u32::from).sum()
    }
}

impl Default for Mix {
    fn default() -> Mix {
        Mix::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn named_mixes_are_those_of_the_paper_and_of_benchbase() {
        assert_eq!(Mix::parse("default"), Some(Mix::DEFAULT));
        assert_eq!(Mix::parse("benchbase").map(|mix| (mix.share(4), mix.share(5))), Some((0.15, 0.25)));
        assert_eq!((Mix::DEFAULT.share(4), Mix::DEFAULT.share(5)), (0.25, 0.15));
        assert_eq!(Mix::parse("Default"), None);
        assert!(Mix::NAMED.iter().all(|(_, mix)| mix.total() == 100));
    }

    #[test]
    fn a_mix_of_one_operation_gives_nothing_else() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for only in 0..6 {
            let mut weights = [0; 6];
            weights[only] = 3;
            let mix = Mix::new(weights).expect("a weight is above 0");
            assert!((0..50).all(|_| mix.choose(&mut rng) == only));
        }
        assert_eq!(Mix::new([0; 6]), None);
    }
}
