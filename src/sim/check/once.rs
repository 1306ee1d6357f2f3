//! At most once: of what a slot orders, just those submissions run whose session has run nothing as new (rule 23).

use std::collections::BTreeSet;

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::replica::Output;
use crate::types::Digest;

/// What each seat has run.
#[derive(Default)]
pub(super) struct Once {
    /// How often it had something to look at.
    looks: u64,
    ran: BTreeSet<(usize, Digest)>,
}

impl<P: Protocol> Checker<P> for Once
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "at most once"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        for output in scene.outputs {
            let Output::Executed(slot) = output else { continue };
            if !scene.is_honest {
                continue;
            }
            let (replica, seq) = (scene.replica, slot.seq);
            self.looks += slot.ran.len() as u64;
            if let Some(again) = slot.ran.iter().find(|digest| !self.ran.insert((scene.seat, **digest))) {
                return Err(format!("{replica} ran submission {} again, at slot {seq}", again.short()));
            }
            let due = &scene.history.slot(seq).expect("recorded before it is checked").runs;
            if slot.ran != *due {
                return Err(format!("{replica} ran {:?} of slot {seq}, and {due:?} should have run", slot.ran));
            }
        }
        Ok(())
    }

    fn on_restart(&mut self, seat: usize, _: Restart) {
        self.ran.retain(|(other, _)| *other != seat);
    }
}
