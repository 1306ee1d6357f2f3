//! What the screen is told of a simulated cluster, and what it may ask of it: time that can be held still, stepped
//! through and turned back.

use byztop_core::types::{Micros, Time};

/// The most steps that [`SimulatedTime::recent`] tells.
pub(crate) const MAX_RECENT: usize = 16;

/// Where a simulation stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SimulatedTime {
    /// What runs, as a user names it: `seed 7`, or the file of a scenario.
    pub(crate) name: String,
    /// Whether the user has changed it, so that it is not any more what its name says.
    pub(crate) is_altered: bool,
    /// Virtual time since the beginning.
    pub(crate) now: Time,
    /// How many events were handled.
    pub(crate) step: u64,
    /// Whether virtual time stands still.
    pub(crate) is_paused: bool,
    /// How fast virtual time passes while it does.
    pub(crate) speed: Speed,
    /// The event that comes next: when, and what, in a line; none once the run is over.
    pub(crate) next: Option<(Time, String)>,
    /// The last events, oldest first, while time stands still; at most [`MAX_RECENT`].
    pub(crate) recent: Vec<RecentStep>,
    /// How it ended, once it has.
    pub(crate) end: Option<End>,
}

impl SimulatedTime {
    /// Before the first event.
    pub(crate) fn at_the_beginning_of(name: &str) -> SimulatedTime {
        SimulatedTime {
            name: name.to_string(),
            is_altered: false,
            now: Time(0),
            step: 0,
            is_paused: false,
            speed: Speed::REAL,
            next: None,
            recent: Vec::new(),
            end: None,
        }
    }
}

/// An event that was handled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RecentStep {
    /// Which, from 1.
    pub(crate) step: u64,
    /// When, in virtual time.
    pub(crate) at: Time,
    /// Who handled what, and what it did.
    pub(crate) what: String,
}

/// How a simulated run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Everything held.
    Clean,
    /// Something did not hold: what, in a line.
    Violation(String),
}

/// What the screen wants of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Simulate {
    /// Hold time still, or let it pass again.
    PauseOrGoOn,
    /// One event forward, or until another slot is executed.
    Forward(Stride),
    /// The same, backward.
    Back(Stride),
    /// Let time pass faster.
    Faster,
    /// Let time pass slower.
    Slower,
}

/// How far a step goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stride {
    /// One event.
    Event,
    /// To where the cluster has executed one slot more, or less.
    Slot,
}

/// How fast virtual time passes, in steps of about three times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Speed(usize);

impl Speed {
    /// As fast as real time.
    pub(crate) const REAL: Speed = Speed(6);

    /// Thousandths of real time, and how people read it. At the slowest, a message is seconds on its way.
    const ALL: [(u64, &'static str); 11] = [
        (1, "0.001×"),
        (3, "0.003×"),
        (10, "0.01×"),
        (30, "0.03×"),
        (100, "0.1×"),
        (300, "0.3×"),
        (1000, "1×"),
        (3000, "3×"),
        (10_000, "10×"),
        (30_000, "30×"),
        (100_000, "100×"),
    ];

    /// The next faster one, if there is one.
    pub(crate) fn faster(self) -> Speed {
        Speed((self.0 + 1).min(Self::ALL.len() - 1))
    }

    /// The next slower one, if there is one.
    pub(crate) fn slower(self) -> Speed {
        Speed(self.0.saturating_sub(1))
    }

    /// How much virtual time passes in so much real time.
    pub(crate) fn of(self, real: Micros) -> Micros {
        Micros(real.0.saturating_mul(Self::ALL[self.0].0) / 1000)
    }

    /// As people read it.
    pub(crate) fn label(self) -> &'static str {
        Self::ALL[self.0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_grow_and_have_ends() {
        let second = Micros::from_millis(1000);
        assert_eq!((Speed::REAL.of(second), Speed::REAL.label()), (second, "1×"));
        let mut speed = Speed::REAL;
        for _ in 0..Speed::ALL.len() {
            assert!(speed.faster() == speed || speed.faster().of(second) > speed.of(second));
            speed = speed.faster();
        }
        assert_eq!(speed.label(), "100×");
        (0..2 * Speed::ALL.len()).for_each(|_| speed = speed.slower());
        assert_eq!(speed.of(second), Micros::from_millis(1));
    }
}
