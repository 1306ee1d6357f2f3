//! What some seeds have besides: networks that stay slow after the calm, windows and batches up to the defaults, clocks
//! that drift. Each is drawn from dice of its own, so that the rest of a seed's fate does not depend on it.

use super::network::Dice;
use super::schedule::{Action, Schedule, Weather};
use crate::types::{Micros, Time};

/// Clusters larger than this have a fast network after the calm: a slow one takes many status reports.
const MOST_REPLICAS_OF_SLOW: usize = 7;

/// The fastest and slowest clock are this far from the true time, in thousandths.
const MOST_DRIFT_PER_MILLE: u64 = 30;

/// A run with settings as large as the defaults has so many events, in which there are checkpoints.
const EVENTS_OF_LARGE: u64 = 15_000;

impl Schedule {
    /// The same with what its seed has besides.
    pub(super) fn with_extras(mut self) -> Schedule {
        self.stay_slow(&mut Dice::new([self.seed, 10, 0, 0]));
        self.grow(&mut Dice::new([self.seed, 11, 0, 0]));
        let mut dice = Dice::new([self.seed, 12, 0, 0]);
        self.drift_per_mille = if dice.per_mille(200) { dice.between(1, MOST_DRIFT_PER_MILLE) as u16 } else { 0 };
        self
    }

    /// Rule 18: messages take up to four times a request's timeout for good. The longest timeout leaves room for a request
    /// in a view that begins late: a slot takes three messages, and one more slot may be before it.
    fn stay_slow(&mut self, dice: &mut Dice) {
        if self.committee.size() > MOST_REPLICAS_OF_SLOW || !dice.per_mille(60) {
            return;
        }
        let most_ms = dice.between(1, 4 * self.settings.request_timeout_ms);
        let most = Micros::from_millis(most_ms);
        let least = if dice.per_mille(500) { most } else { Micros(dice.between(250, most.0)) };
        self.settings.max_timeout_ms = self.settings.max_timeout_ms.max(16 * most_ms);
        self.settings.status_interval_ms = self.settings.status_interval_ms.max(most_ms / 2);
        let calm = self.actions.iter().find(|(_, action)| *action == Action::Calm).map(|(at, _)| *at);
        if let Some(calm) = calm {
            self.actions.push((Time(calm.0 + 1), Action::Weather(Weather { least, most, ..Weather::FAIR })));
        }
    }

    /// Checkpoint interval, window, batch and depth up to what clusters have by default.
    fn grow(&mut self, dice: &mut Dice) {
        if !dice.per_mille(15) {
            return;
        }
        let interval = dice.pick(&[16, 32, 64, 128]);
        self.settings.checkpoint_interval_slots = interval;
        self.settings.window_slots = 2 * interval;
        self.settings.batch_submissions = dice.between(8, 256) as usize;
        self.settings.depth_slots = dice.between(1, 16);
        self.min_events = EVENTS_OF_LARGE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ProtocolName;

    #[test]
    fn every_kind_occurs_and_is_written_and_read() {
        let (mut slow, mut large, mut drifting) = (0, 0, 0);
        for seed in 0..1000 {
            let schedule = Schedule::of_seed(ProtocolName::Pbft, seed);
            slow += u64::from(schedule.slowest_after_calm() > Weather::FAIR.most);
            large += u64::from(schedule.settings.window_slots >= 32);
            drifting += u64::from(schedule.drift_per_mille > 0);
            assert_eq!(Schedule::parse(&schedule.to_string()).as_ref(), Ok(&schedule), "seed {seed}");
        }
        assert!(slow >= 20 && large >= 5 && drifting >= 100, "{slow} slow, {large} large, {drifting} drifting");
    }
}
