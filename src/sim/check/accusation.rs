//! No honest replica is ever accused.

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::{Event, Protocol};
use crate::replica::Output;
use crate::types::ReplicaSet;

pub(super) struct Accusation {
    pub(super) byzantine: ReplicaSet,
    /// How often it had something to look at.
    pub(super) looks: u64,
}

impl<P: Protocol> Checker<P> for Accusation
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "no false accusation"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        for output in scene.outputs {
            self.looks += u64::from(matches!(output, Output::Note(Event::Proved { .. })));
            if let Output::Note(Event::Proved { accused, summary }) = output
                && !self.byzantine.contains(*accused)
            {
                return Err(format!("{} accuses {accused}, who is honest: {summary}", scene.replica));
            }
        }
        Ok(())
    }
}
