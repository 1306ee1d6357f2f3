//! Honest replicas understand each other: nothing that one says is refused by another, but for coming too early or late.

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::{Event, Protocol};
use crate::rejection::Rejection;
use crate::replica::Output;
use crate::types::{ReplicaId, ReplicaSet};

pub(super) struct Refusals {
    pub(super) byzantine: ReplicaSet,
    /// How often it had something to look at.
    pub(super) looks: u64,
}

impl Refusals {
    /// Looks at a refusal, in the replica or at its door.
    pub(super) fn judge(&mut self, by: ReplicaId, from: ReplicaId, why: &Rejection) -> Result<(), String> {
        self.looks += 1;
        // Whoever was cut off for long is told of slots that it can not place yet.
        let is_early = matches!(why, Rejection::OutsideWatermarks(_)) || why.is_a_matter_of_time();
        if is_early || self.byzantine.contains(by) || self.byzantine.contains(from) {
            return Ok(());
        }
        Err(format!("{by} refuses what {from} says, who is honest: {why}"))
    }
}

impl<P: Protocol> Checker<P> for Refusals
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "no honest message refused"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        scene.outputs.iter().try_for_each(|output| match output {
            Output::Note(Event::Rejected { from, why, .. }) => self.judge(scene.replica, *from, why),
            _ => Ok(()),
        })
    }

    fn on_refused(&mut self, by: ReplicaId, from: ReplicaId, why: &Rejection) -> Result<(), String> {
        self.judge(by, from, why)
    }
}
