//! Rule 29: whoever starts again with its log has executed what it had executed and told.

use std::collections::BTreeMap;

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::protocol::Protocol;
use crate::replica::Output;
use crate::types::SeqNum;

/// How far each seat had come, and who has just started again.
#[derive(Default)]
pub(super) struct Remembering {
    /// How often it had something to look at.
    looks: u64,
    executed: BTreeMap<usize, SeqNum>,
    starting: Option<usize>,
}

impl<P: Protocol> Checker<P> for Remembering
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "starts again where it was"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        let before = self.executed.entry(scene.seat).or_default();
        let is_starting = self.starting.take_if(|seat| *seat == scene.seat).is_some();
        let now = scene.node.replica().status().executed;
        self.looks += u64::from(is_starting && scene.is_honest && *before > SeqNum(0));
        if is_starting && scene.is_honest && now < *before {
            return Err(format!("{} had executed {before}, and starts again at {now}", scene.replica));
        }
        for output in scene.outputs {
            if let Output::Executed(slot) = output {
                *before = slot.seq.max(*before);
            }
        }
        Ok(())
    }

    fn on_restart(&mut self, seat: usize, restart: Restart) {
        if restart.has_lost_log {
            self.executed.remove(&seat);
        }
        self.starting = Some(seat);
    }
}
