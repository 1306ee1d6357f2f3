//! A whole cluster in one thread: the replicas that a node drives, under virtual time, one seed and an adversary.
//!
//! A [`Schedule`] says what befalls the cluster; [`Schedule::of_seed`] draws one. A [`Simulation`] lets it happen event by
//! event, and after each event every invariant is looked at (`check`, one file each). When one does not hold, the run
//! ends with a [`Violation`], and [`shrink()`] looks for a smaller schedule that breaks it too.
//!
//! | read | for |
//! |---|---|
//! | `schedule`, `text` | what can befall a cluster, and how it is written |
//! | `swarm`, `extras`, `wear` | how a seed draws its own mix of that |
//! | `simulation`, `seat`, `disk`, `network`, `parcel`, `queue` | how it happens |
//! | `clients` | who asks, honestly or not |
//! | `check` | what must hold |
//! | `shrink` | how a failing schedule becomes a small one |
//!
//! *Architecture invariants.* No clock, thread or hash order: the same schedule gives the same run, down to the digest
//! of its trace. The replicas are the very ones that nodes run, attack layer included. Which protocol runs is known to
//! [`run`] alone.

mod check;
mod clients;
mod coverage;
mod disk;
mod extras;
mod key_ring;
mod network;
mod parcel;
mod queue;
mod schedule;
mod seat;
mod shrink;
mod simulation;
mod swarm;
mod text;
mod wear;

pub use coverage::Coverage;
pub use schedule::{Action, ClientFaults, Durability, Ending, EvilDeed, Keys, Schedule, Weather};
pub use shrink::shrink;
pub use simulation::Simulation;
pub use text::ScheduleError;

use std::collections::BTreeMap;

use crate::telemetry::Traffic;
use crate::types::Time;

/// What a run has shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The schedule's seed.
    pub seed: u64,
    /// How many events happened.
    pub events: u64,
    /// What does not hold; the run ended there.
    pub violation: Option<Violation>,
    /// The rare paths that were taken.
    pub coverage: Coverage,
    /// How often each invariant had something to look at.
    pub exercised: BTreeMap<&'static str, u64>,
    /// What replicas have sent to each other.
    pub messages: Traffic,
    /// The highest slot that an honest replica has executed.
    pub slots: u64,
    /// A digest over all events: equal for equal runs.
    pub trace_digest: u128,
}

/// An invariant that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Its name.
    pub invariant: &'static str,
    /// After how many events.
    pub step: u64,
    /// At what virtual time since the start.
    pub at: Time,
    /// What was seen.
    pub what: String,
    /// Whether more than f replicas were Byzantine or amnesiac: then it is no failure of the protocol.
    pub is_beyond_budget: bool,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Violation { invariant, step, what, .. } = self;
        write!(f, "{invariant} broken at step {step}, {} ms: {what}", self.at.0 / 1000)?;
        if self.is_beyond_budget {
            f.write_str(" (beyond budget: more than f replicas are faulty, so this is no failure)")?;
        }
        Ok(())
    }
}

/// Runs a schedule to its end.
pub fn run(schedule: &Schedule) -> Report {
    with_protocol!(schedule.protocol, P => run_with::<P>(schedule))
}

fn run_with<P: crate::protocol::Protocol>(schedule: &Schedule) -> Report
where
    P::Message: crate::attack::Forge,
{
    let mut simulation = Simulation::<P>::new(schedule);
    while simulation.step() {}
    simulation.report()
}
