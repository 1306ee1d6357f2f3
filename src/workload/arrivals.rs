//! When requests come in an open loop: a Poisson process, whatever the system's answer time.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::types::Micros;

/// Exponential gaps between requests, the same for the same seed and rates.
#[derive(Clone, Debug)]
pub struct Arrivals {
    rng: ChaCha8Rng,
    /// What rounding down has left over, in microseconds; below 1. Without it a high rate would come out too high.
    carry_us: f64,
}

impl Arrivals {
    /// A process at its beginning.
    pub fn new(seed: u64) -> Arrivals {
        Arrivals { rng: ChaCha8Rng::seed_from_u64(seed), carry_us: 0.0 }
    }

    /// How long after the one before the next request comes, at a rate that may change from call to call. The longest
    /// span there is for a rate that is not above 0.
    pub fn next_gap(&mut self, rate_per_s: f64) -> Micros {
        if rate_per_s.is_nan() || rate_per_s <= 0.0 {
            return Micros(u64::MAX);
        }
        let point: f64 = self.rng.random();
        // A point is below 1, so that the logarithm is finite; a rate just above 0 may still ask for too long a gap.
        let gap_us = (-(1.0 - point).ln() * 1e6 / rate_per_s + self.carry_us).min(1e18);
        self.carry_us = gap_us.fract();
        Micros(gap_us as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(seed: u64, rate_per_s: f64, count: usize) -> Vec<f64> {
        let mut arrivals = Arrivals::new(seed);
        (0..count).map(|_| arrivals.next_gap(rate_per_s).0 as f64).collect()
    }

    #[test]
    fn gaps_are_exponential_at_every_rate() {
        for rate_per_s in [1.0, 2000.0, 100_000.0, 1_000_000.0] {
            let gaps = gaps(9, rate_per_s, 50_000);
            let mean_us = gaps.iter().sum::<f64>() / gaps.len() as f64;
            assert!((mean_us * rate_per_s / 1e6 - 1.0).abs() < 0.025, "mean {mean_us} µs at {rate_per_s}/s");
        }
        // Of an exponential distribution, e⁻¹ lies above the mean.
        let late = gaps(9, 2000.0, 50_000).into_iter().filter(|gap_us| *gap_us > 500.0).count() as f64 / 50_000.0;
        assert!((late - (-1f64).exp()).abs() < 0.011, "{late}");
    }

    #[test]
    fn a_seed_names_one_process() {
        assert_eq!(gaps(1, 100.0, 50), gaps(1, 100.0, 50));
        assert_ne!(gaps(1, 100.0, 50), gaps(2, 100.0, 50));
    }

    #[test]
    fn nothing_comes_at_no_rate() {
        let mut arrivals = Arrivals::new(0);
        for rate_per_s in [0.0, -1.0, f64::NAN] {
            assert_eq!(arrivals.next_gap(rate_per_s), Micros(u64::MAX));
        }
        assert_eq!(arrivals.next_gap(f64::INFINITY), Micros(0));
        (0..10).for_each(|_| assert!(arrivals.next_gap(1e-320) <= Micros(1_000_000_000_000_000_000)));
        assert!(arrivals.next_gap(1000.0) < Micros::from_millis(1000));
    }
}
