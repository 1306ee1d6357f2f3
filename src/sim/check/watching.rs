//! Rule 29: whoever has lost its log, or the end of it, says nothing that counts while it watches.

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::{Protocol, Recipients};
use crate::replica::Output;

/// What counts, said to whomever.
const VOTES: [&str; 4] = ["pre-prepare", "prepare", "commit", "view-change"];

#[derive(Default)]
pub(super) struct Watching {
    /// How often it had something to look at.
    looks: u64,
}

impl<P: Protocol> Checker<P> for Watching
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "no vote while watching"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        let is_watching = scene.node.replica().status().observing_until.is_some();
        if !scene.is_honest || !is_watching {
            return Ok(());
        }
        for output in scene.outputs {
            self.looks += 1;
            let Output::Send(to, message) = output else { continue };
            let name = message.name();
            // A view begins for all; for one it is told again, by whomever.
            if VOTES.contains(&name) || name == "new-view" && *to == Recipients::All {
                return Err(format!("{} sends a {name}, having lost its log, and watches", scene.replica));
            }
        }
        Ok(())
    }
}
