//! The driver's clock: monotonic for the protocol, Unix time for people. Wall clocks never touch safety (rule 30).

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use byztop_core::types::Time;

/// Counts microseconds since it was made, and knows when that was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    unix_origin_us: u64,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Clock {
        Clock { origin: Instant::now(), unix_origin_us: unix_micros() }
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Time {
        Time(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// A time of this clock as microseconds of Unix time.
    pub(crate) fn unix(&self, time: Time) -> Time {
        Time(self.unix_origin_us.saturating_add(time.0))
    }

    /// A time of this clock as the runtime's timers want it.
    pub(crate) fn instant(&self, time: Time) -> tokio::time::Instant {
        // A century is as good as never and far from the end of the type.
        let span = std::time::Duration::from_micros(time.0.min(100 * 365 * 86_400_000_000));
        tokio::time::Instant::from_std(self.origin + span)
    }
}

/// Microseconds of Unix time by the wall clock.
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A number that nobody can foretell, for jitter and for the seeds of attacks. Not for keys.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(0u8)
}
