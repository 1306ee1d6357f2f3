//! How often a peer may ask for what is much longer than its question: bodies, batches, parts of the state.
//!
//! The core paces what it answers. Taking in what it does not answer costs as well, so that who asks more often than anybody
//! honest has reason to waits, and what it sends stays where it is: on its own side of the link.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What each request costs the peer: five hundred a second. Honest replicas ask one thing at a time, or every 50 ms.
const EACH: Duration = Duration::from_millis(2);
/// So many requests may come at once after a pause.
const AT_ONCE: u32 = 64;

/// What one peer has asked for lately. It outlives its connections.
#[derive(Debug, Default)]
pub(crate) struct Appetite(Mutex<Option<Instant>>);

impl Appetite {
    /// It has asked so many times more. How long it waits before more is taken from it: until it has paid for all but
    /// [`AT_ONCE`] of its requests.
    pub(crate) fn ask(&self, now: Instant, requests: usize) -> Duration {
        let mut paid_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        let due = paid_at.map_or(now, |at| at.max(now)) + EACH.saturating_mul(requests);
        *paid_at = Some(due);
        due.saturating_duration_since(now + EACH * AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_now_and_then_never_waits() {
        let (appetite, mut now) = (Appetite::default(), Instant::now());
        for _ in 0..1000 {
            assert_eq!(appetite.ask(now, 25), Duration::ZERO);
            now += Duration::from_millis(50);
        }
        assert_eq!(appetite.ask(now, AT_ONCE as usize), Duration::ZERO);
    }

    #[test]
    fn who_asks_all_the_time_is_heard_five_hundred_times_a_second() {
        let (appetite, began) = (Appetite::default(), Instant::now());
        let (mut asked, mut now) = (0, began);
        while now < began + Duration::from_secs(10) {
            now += appetite.ask(now, 16).max(Duration::from_micros(10));
            asked += 16;
        }
        assert!((5000..5000 + 2 * AT_ONCE).contains(&asked), "{asked} in ten seconds");
    }

    #[test]
    fn what_was_not_asked_costs_nothing() {
        let (appetite, now) = (Appetite::default(), Instant::now());
        appetite.ask(now, AT_ONCE as usize);
        assert_eq!(appetite.ask(now, 0), Duration::ZERO);
        assert_eq!(appetite.ask(now, 1), EACH);
    }
}
