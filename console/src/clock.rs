//! The wall clock, in the one form in which everything is stamped.

use std::time::{SystemTime, UNIX_EPOCH};

use byztop_core::types::Time;

/// Microseconds of Unix time; replicas on this machine count the same.
pub(crate) fn unix_now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
