//! The parameters that all replicas of a cluster share. They stand in cluster.toml.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Batch;
use crate::committee::Committee;
use crate::types::Micros;
use crate::wire;

/// Parameters of a cluster, with the defaults of cluster.toml.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// K: a checkpoint is taken every so many slots.
    pub checkpoint_interval_slots: u64,
    /// L: how far beyond the last stable checkpoint slots are accepted; at least 2K.
    pub window_slots: u64,
    /// How many slots the primary keeps in flight. With one, all that comes meanwhile goes into the next batch: where
    /// processors are the bottleneck nothing is faster. Where messages travel for long, more slots fill the wait.
    pub depth_slots: u64,
    /// The most submissions in one slot.
    pub batch_submissions: usize,
    /// How long a pending request may wait at first before its primary is suspected; doubles with each view that serves no
    /// request.
    pub request_timeout_ms: u64,
    /// How long the answers to a question for commit certificates are waited for.
    pub ask_timeout_ms: u64,
    /// How long a view change may take at first; doubles likewise.
    pub view_change_timeout_ms: u64,
    /// Where the doubling ends.
    pub max_timeout_ms: u64,
    /// How often a replica tells the others where it stands.
    pub status_interval_ms: u64,
    /// How long a backup waits for a body to come by itself before it fetches it.
    pub body_wait_ms: u64,
    /// How long a collector waits for the votes of all once it has a quorum: longer than the votes of healthy replicas lie
    /// apart, and much shorter than a slot may take. 0 means that it never waits. Protocols without one ignore it.
    pub fast_path_wait_ms: u64,
    /// How many submissions wait in a replica's pool before it answers *busy*.
    pub pool_submissions: usize,
    /// How many SmallBank accounts there are.
    pub accounts: u32,
    /// What is in each checking account at first.
    pub initial_checking: i64,
    /// What is in each savings account at first.
    pub initial_savings: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            checkpoint_interval_slots: 128,
            window_slots: 256,
            depth_slots: 1,
            batch_submissions: 256,
            request_timeout_ms: 1500,
            ask_timeout_ms: 100,
            view_change_timeout_ms: 1000,
            max_timeout_ms: 30_000,
            status_interval_ms: 100,
            body_wait_ms: 10,
            fast_path_wait_ms: 20,
            pool_submissions: 8192,
            accounts: 10_000,
            initial_checking: 10_000,
            initial_savings: 10_000,
        }
    }
}

/// A parameter outside its bounds.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{parameter} is {found}, but must be {expected}")]
pub struct SettingsError {
    /// Its name in cluster.toml.
    pub parameter: &'static str,
    /// What it is.
    pub found: i128,
    /// What it may be.
    pub expected: String,
}

impl Settings {
    /// The largest window: bounds every log, queue and certificate that grows with it.
    pub const MAX_WINDOW_SLOTS: u64 = 4096;

    /// Checks every parameter against its bounds, in a committee: what replicas send to each other must fit into
    /// [`wire::MAX_MESSAGE_BYTES`].
    ///
    /// The longest message is a NEW-VIEW with a quorum of view changes that show a full window. The others are far below
    /// the bound, whatever the settings are: an answer with what was decided has 128 slots at most.
    ///
    /// # Errors
    ///
    /// The first that lies outside.
    pub fn check(&self, committee: Committee) -> Result<(), SettingsError> {
        let in_range = |parameter, found: u64, least: u64, most: u64| {
            if (least..=most).contains(&found) {
                return Ok(());
            }
            Err(SettingsError { parameter, found: found.into(), expected: format!("from {least} to {most}") })
        };
        let k = self.checkpoint_interval_slots;
        in_range("checkpoint_interval_slots", k, 1, Self::MAX_WINDOW_SLOTS / 2)?;
        in_range("window_slots", self.window_slots, 2 * k, Self::MAX_WINDOW_SLOTS)?;
        in_range("depth_slots", self.depth_slots, 1, self.window_slots)?;
        in_range("batch_submissions", self.batch_submissions as u64, 1, Batch::MAX_SUBMISSIONS as u64)?;
        in_range("request_timeout_ms", self.request_timeout_ms, 10, 3_600_000)?;
        in_range("ask_timeout_ms", self.ask_timeout_ms, 1, self.request_timeout_ms)?;
        in_range("view_change_timeout_ms", self.view_change_timeout_ms, 10, self.max_timeout_ms)?;
        in_range("max_timeout_ms", self.max_timeout_ms, 10, 3_600_000)?;
        in_range("status_interval_ms", self.status_interval_ms, 1, 60_000)?;
        in_range("body_wait_ms", self.body_wait_ms, 0, self.request_timeout_ms)?;
        in_range("fast_path_wait_ms", self.fast_path_wait_ms, 0, self.request_timeout_ms)?;
        in_range("pool_submissions", self.pool_submissions as u64, 1, 1 << 20)?;
        in_range("accounts", u64::from(self.accounts), 1, 1_000_000)?;
        let balance = |parameter, found: i64| {
            let is_in_range = (0..=1 << 40).contains(&found);
            let expected = || format!("from 0 to {}", 1u64 << 40);
            if is_in_range {
                Ok(())
            } else {
                Err(SettingsError { parameter, found: found.into(), expected: expected() })
            }
        };
        balance("initial_checking", self.initial_checking)?;
        balance("initial_savings", self.initial_savings)?;
        let (widest, n) = (Self::widest_window(committee), committee.size());
        if self.window_slots > widest {
            let found = self.window_slots.into();
            let most = wire::MAX_MESSAGE_BYTES;
            let expected =
                format!("at most {widest} with {n} replicas, or a NEW-VIEW can be longer than a message, {most} bytes");
            return Err(SettingsError { parameter: "window_slots", found, expected });
        }
        Ok(())
    }

    /// The same settings with a window that a committee can have: if theirs is too wide, the widest one that is even, with
    /// a checkpoint interval of at most half of it.
    pub fn fitted_to(self, committee: Committee) -> Settings {
        let widest = Self::widest_window(committee);
        if self.window_slots <= widest {
            return self;
        }
        let half = widest / 2;
        let checkpoint_interval_slots = self.checkpoint_interval_slots.min(half);
        let depth_slots = self.depth_slots.min(2 * half);
        Settings { checkpoint_interval_slots, window_slots: 2 * half, depth_slots, ..self }
    }

    /// The widest window with which a committee's largest NEW-VIEW fits into a message; at least 2.
    pub fn widest_window(committee: Committee) -> u64 {
        let sizes = NewViewBytes::of(committee);
        let room = (wire::MAX_MESSAGE_BYTES - sizes.fixed) / sizes.per_slot;
        (room as u64).min(Self::MAX_WINDOW_SLOTS)
    }

    /// How long a NEW-VIEW of a committee can be at most with this window, of whatever protocol: a quorum of view changes,
    /// each with a full window of certificates and votes, and as many entries of O.
    pub fn max_new_view_bytes(&self, committee: Committee) -> usize {
        let sizes = NewViewBytes::of(committee);
        sizes.fixed + sizes.per_slot * self.window_slots as usize
    }

    /// [`Settings::request_timeout_ms`] as a span.
    pub fn request_timeout(&self) -> Micros {
        Micros::from_millis(self.request_timeout_ms)
    }

    /// [`Settings::fast_path_wait_ms`] as a span.
    pub fn fast_path_wait(&self) -> Micros {
        Micros::from_millis(self.fast_path_wait_ms)
    }

    /// [`Settings::status_interval_ms`] as a span.
    pub fn status_interval(&self) -> Micros {
        Micros::from_millis(self.status_interval_ms)
    }
}

/// How long a NEW-VIEW is at most.
struct NewViewBytes {
    fixed: usize,
    per_slot: usize,
}

impl NewViewBytes {
    fn of(committee: Committee) -> NewViewBytes {
        /// The longest encoding of a view, a slot or a length.
        const NUMBER: usize = 10;
        const DIGEST: usize = 32;
        const SIGNATURE: usize = 64;
        /// A discriminant, a replica, or whether something is there.
        const TAG: usize = 1;
        let (n, q) = (committee.size(), committee.quorum());
        // A certificate needs a quorum, and may have the signatures of all.
        let certificate = TAG + 2 * NUMBER + DIGEST + NUMBER + n * (TAG + SIGNATURE);
        let prepared = 2 * TAG + SIGNATURE + certificate;
        let voted = 3 * TAG + 2 * NUMBER + DIGEST + 2 * SIGNATURE;
        let view_change = 2 * NUMBER + TAG + certificate + SIGNATURE;
        let entry_of_o = NUMBER + DIGEST + SIGNATURE;
        let frame = 3 * TAG + 3 * NUMBER + SIGNATURE;
        NewViewBytes { fixed: frame + q * view_change, per_slot: q * (prepared + voted) + entry_of_o }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(replicas: usize) -> Committee {
        Committee::new(replicas).unwrap()
    }

    #[test]
    fn defaults_hold_and_a_window_below_two_intervals_does_not() {
        assert_eq!(Settings::default().check(of(7)), Ok(()));
        let narrow = Settings { window_slots: 255, ..Settings::default() };
        assert_eq!(narrow.check(of(7)).unwrap_err().parameter, "window_slots");
    }

    #[test]
    fn a_window_whose_new_view_can_not_be_sent_is_refused_and_one_that_fits_is_told() {
        let refused = Settings::default().check(of(100)).unwrap_err();
        let widest = Settings::widest_window(of(100));
        assert_eq!(refused.parameter, "window_slots");
        assert!(refused.to_string().contains(&format!("at most {widest} with 100 replicas")), "{refused}");
        for n in 1..=Committee::MAX_REPLICAS {
            let fitted = Settings::default().fitted_to(of(n));
            assert_eq!(fitted.check(of(n)), Ok(()), "n={n}");
            assert!(fitted.max_new_view_bytes(of(n)) <= wire::MAX_MESSAGE_BYTES, "n={n}");
            let interval = Settings::widest_window(of(n)) / 2;
            let wide = Settings { window_slots: Settings::widest_window(of(n)), ..Settings::default() };
            let wide = Settings { checkpoint_interval_slots: interval, ..wide };
            assert_eq!(wide.check(of(n)), Ok(()), "n={n}");
            let wider = Settings { window_slots: wide.window_slots + 1, ..wide };
            assert!(wider.check(of(n)).is_err(), "n={n}");
        }
        assert_eq!(Settings::default().fitted_to(of(7)), Settings::default());
    }
}
