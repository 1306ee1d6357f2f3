//! How long a primary may take: doubled with each view that serves nobody (Castro & Liskov, OSDI '99, §4.5.2).
//!
//! The paper doubles the timer with each view change until a request executes that had not executed before, and starts
//! from the beginning then. On a network that is slow for good that beginning is too short again, and the views go round.
//! So the doubling is taken back only as far as the request that executed was quick: on a slow network a timeout that
//! serves stays, and on a fast one the first request that executes restores the shortest.
//!
//! *Bounds.* No timeout exceeds [`Settings::max_timeout_ms`], or its own setting if that is longer. A Byzantine primary
//! lengthens the timeouts by one doubling for each view that it leads and wastes, and no further than that bound.

use crate::protocol::Settings;
use crate::types::Micros;

/// A request was served in good time if so many times its wait fit into its timeout: the next one may have to wait for the
/// slot before its own, the first ones of a view had votes from before it, and messages take differently long.
const MARGIN: u64 = 4;

/// The timeouts of one replica, for requests and for view changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Backoff {
    request: Micros,
    view_change: Micros,
    longest: Micros,
    doublings: u32,
    /// Whether a request was served in good time since the last view was given up.
    has_served: bool,
}

impl Backoff {
    /// The shortest timeouts.
    pub(super) fn new(settings: &Settings) -> Backoff {
        Backoff {
            request: settings.request_timeout(),
            view_change: Micros::from_millis(settings.view_change_timeout_ms),
            longest: Micros::from_millis(settings.max_timeout_ms),
            doublings: 0,
            has_served: true,
        }
    }

    /// How long a pending request may wait.
    pub(super) fn request_timeout(&self) -> Micros {
        self.doubled(self.request, self.doublings)
    }

    /// How long a view change may take once a quorum asks for it.
    pub(super) fn view_change_timeout(&self) -> Micros {
        self.doubled(self.view_change, self.doublings)
    }

    /// A view is given up, be it one that has begun or one that was asked for in vain. The first one after a request was
    /// served is the primary's fault as far as anybody can tell; from the second on the timeouts may be.
    pub(super) fn on_view_failed(&mut self) {
        let may_grow = self.request_timeout() < self.longest || self.view_change_timeout() < self.longest;
        if !std::mem::take(&mut self.has_served) && may_grow {
            self.doublings += 1;
        }
    }

    /// A request executed that had not executed before, after it had waited so long under the current primary.
    pub(super) fn on_request_executed(&mut self, waited: Micros) {
        let needed = Micros(waited.0.saturating_mul(MARGIN));
        while self.doublings > 0 && needed <= self.doubled(self.request, self.doublings - 1) {
            self.doublings -= 1;
        }
        self.has_served |= needed <= self.request_timeout();
    }

    fn doubled(&self, timeout: Micros, doublings: u32) -> Micros {
        let doubled = timeout.0.saturating_mul(1 << doublings.min(20));
        Micros(doubled.min(self.longest.0).max(timeout.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        let settings = Settings { request_timeout_ms: 1500, max_timeout_ms: 30_000, ..Settings::default() };
        Backoff::new(&settings)
    }

    fn request_ms(backoff: &Backoff) -> u64 {
        backoff.request_timeout().as_millis()
    }

    #[test]
    fn rule_18_timeouts_double_from_the_second_failed_view_on_up_to_the_cap() {
        let mut backoff = backoff();
        let timeouts: Vec<u64> = std::iter::repeat_with(|| {
            backoff.on_view_failed();
            request_ms(&backoff)
        })
        .take(8)
        .collect();
        assert_eq!(timeouts, [1500, 3000, 6000, 12_000, 24_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn rule_18_what_a_slow_network_needs_stays_and_a_quick_request_restores_the_shortest() {
        let mut backoff = backoff();
        (0..4).for_each(|_| backoff.on_view_failed());
        backoff.on_request_executed(Micros::from_millis(2000));
        assert_eq!(request_ms(&backoff), 12_000, "four times two seconds do not fit into six");
        backoff.on_request_executed(Micros::from_millis(1400));
        assert_eq!(request_ms(&backoff), 6000);
        backoff.on_request_executed(Micros::from_millis(3));
        assert_eq!(request_ms(&backoff), 1500);
        backoff.on_view_failed();
        assert_eq!(request_ms(&backoff), 1500, "the primary was at fault, not the timeout");
    }

    #[test]
    fn rule_18_a_request_that_was_barely_in_time_does_not_stop_the_doubling() {
        let mut backoff = backoff();
        backoff.on_view_failed();
        backoff.on_request_executed(Micros::from_millis(400));
        backoff.on_view_failed();
        assert_eq!(request_ms(&backoff), 3000);
    }

    #[test]
    fn a_timeout_that_is_longer_than_the_cap_stays_what_it_is() {
        let settings = Settings { request_timeout_ms: 60_000, max_timeout_ms: 2000, ..Settings::default() };
        let mut backoff = Backoff::new(&settings);
        (0..100).for_each(|_| backoff.on_view_failed());
        assert_eq!(request_ms(&backoff), 60_000);
        assert_eq!(backoff.view_change_timeout(), Micros::from_millis(2000));
    }
}
