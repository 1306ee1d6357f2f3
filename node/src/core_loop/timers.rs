//! The replica's timers: at most one of each kind, and the earliest of them.

use std::collections::BTreeMap;

use byztop_core::protocol::Timer;
use byztop_core::types::Time;

/// When each timer that is set runs out.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Sets a timer, or moves it.
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.at.insert(timer, at);
    }

    /// Forgets a timer.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.at.remove(&timer);
    }

    /// When the next one runs out; the end of time if none is set.
    pub(crate) fn next(&self) -> Time {
        self.at.values().min().copied().unwrap_or(Time(u64::MAX))
    }

    /// Takes the earliest timer that has run out by `now`.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Timer> {
        let (timer, at) = self.at.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at))?;
        if at > now {
            return None;
        }
        self.at.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_run_out_once_in_the_order_of_time() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), Time(u64::MAX));
        timers.set(Timer::Request, Time(30));
        timers.set(Timer::Status, Time(20));
        timers.set(Timer::Request, Time(10));
        timers.set(Timer::Ask, Time(15));
        timers.cancel(Timer::Ask);
        assert_eq!(timers.next(), Time(10));
        assert_eq!(timers.take_due(Time(9)), None);
        assert_eq!(timers.take_due(Time(25)), Some(Timer::Request));
        assert_eq!(timers.take_due(Time(25)), Some(Timer::Status));
        assert_eq!(timers.take_due(Time(25)), None);
    }
}
