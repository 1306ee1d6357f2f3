//! Liveness: once the network has healed, every honest request is answered and every honest replica has caught up, within
//! a stated bound.

use crate::sim::schedule::Schedule;
use crate::types::{Micros, Time};

/// When the requests that are open must have been answered.
pub(in crate::sim) struct Deadline {
    bound: Micros,
    due: Time,
}

impl Deadline {
    /// What the invariant is called in reports.
    pub(in crate::sim) const NAME: &'static str = "liveness";

    /// From now on all must be settled within the bound: twenty of the longest view changes, the time that messages take one
    /// hundred times, and twenty seconds, of virtual time.
    pub(in crate::sim) fn new(now: Time, schedule: &Schedule) -> Deadline {
        let timeouts = Micros::from_millis(20 * schedule.settings.max_timeout_ms + 20_000);
        let bound = Micros(timeouts.0 + 100 * schedule.slowest_after_calm().0);
        Deadline { bound, due: now.after(bound) }
    }

    /// All is settled; what comes next has the same time again.
    pub(in crate::sim) fn extend(&mut self, now: Time) {
        self.due = now.after(self.bound);
    }

    /// Whether it is too late.
    pub(in crate::sim) fn has_passed(&self, now: Time) -> bool {
        now > self.due
    }

    /// How long was allowed.
    pub(in crate::sim) fn bound(&self) -> Micros {
        self.bound
    }
}
