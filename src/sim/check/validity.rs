//! Validity: only what a client signed, or the null request, is ever executed.

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::replica::Output;

#[derive(Default)]
pub(super) struct Validity {
    /// How often it had something to look at.
    looks: u64,
}

impl<P: Protocol> Checker<P> for Validity
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "validity"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        let executed = scene.outputs.iter().filter_map(|output| match output {
            Output::Executed(slot) if scene.is_honest => Some(slot),
            _ => None,
        });
        for slot in executed {
            self.looks += slot.batch.submissions.len() as u64;
            if let Some(made_up) = slot.batch.submissions.iter().find(|digest| !scene.history.is_signed(digest)) {
                let (replica, seq, made_up) = (scene.replica, slot.seq, made_up.short());
                return Err(format!("{replica} executed slot {seq} with submission {made_up}, which no client signed"));
            }
        }
        Ok(())
    }
}
