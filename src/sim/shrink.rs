//! Makes a failing schedule small: what can be left out without mending the failure is left out.
//!
//! Delta debugging (Zeller & Hildebrandt, TSE 28(2), 2002) over the actions, then over weather, requests and the number
//! of events. Links decide by seed, link and count, so most of a run stays as it was when an action goes.

use super::schedule::{Action, ClientFaults, Keys, Schedule, Weather};
use super::{Report, run};

/// The smallest schedule found within `runs` runs that breaks the same invariant as `schedule` does, which it does.
pub fn shrink(schedule: &Schedule, runs: usize) -> Schedule {
    let Some(violation) = run(schedule).violation else { return schedule.clone() };
    let mut search = Search { best: schedule.clone(), invariant: violation.invariant, runs };
    search.try_out(|schedule| schedule.keys = Keys::Tags);
    search.try_out(|schedule| schedule.min_events = 0);
    search.try_out(|schedule| schedule.clients = ClientFaults::default());
    search.try_out(|schedule| schedule.drift_per_mille = 0);
    while search.drop_actions() && search.runs > 0 {}
    search.simplify_weather();
    search.best
}

struct Search {
    best: Schedule,
    invariant: &'static str,
    /// How many more runs may be spent.
    runs: usize,
}

impl Search {
    /// Keeps a change if the failure stays.
    fn try_out(&mut self, change: impl FnOnce(&mut Schedule)) -> bool {
        if self.runs == 0 {
            return false;
        }
        let mut changed = self.best.clone();
        change(&mut changed);
        if changed == self.best {
            return false;
        }
        self.runs -= 1;
        let Report { violation, .. } = run(&changed);
        let is_still_broken = violation.is_some_and(|violation| violation.invariant == self.invariant);
        if is_still_broken {
            self.best = changed;
        }
        is_still_broken
    }

    /// Leaves out runs of actions, long ones first; true if any could go.
    fn drop_actions(&mut self) -> bool {
        let mut has_dropped = false;
        let mut length = self.best.actions.len().div_ceil(2);
        while length > 0 {
            let mut start = 0;
            while start < self.best.actions.len() {
                let end = (start + length).min(self.best.actions.len());
                let is_gone = self.try_out(|schedule| {
                    let mut index = 0;
                    // Without the calm there is no liveness to break.
                    schedule.actions.retain(|(_, action)| {
                        let is_dropped = (start..end).contains(&index) && *action != Action::Calm;
                        index += 1;
                        !is_dropped
                    });
                });
                has_dropped |= is_gone;
                if !is_gone {
                    start = end;
                }
            }
            length /= 2;
        }
        has_dropped
    }

    fn simplify_weather(&mut self) {
        for index in 0..self.best.actions.len() {
            for fair in [
                |weather: &mut Weather| *weather = Weather::FAIR,
                |weather: &mut Weather| weather.loss_per_mille = 0,
                |weather: &mut Weather| weather.duplicate_per_mille = 0,
                |weather: &mut Weather| weather.replay_per_mille = 0,
                |weather: &mut Weather| weather.slow_per_mille = 0,
            ] {
                self.try_out(|schedule| {
                    if let Some((_, Action::Weather(weather))) = schedule.actions.get_mut(index) {
                        fair(weather);
                    }
                });
            }
        }
    }
}
