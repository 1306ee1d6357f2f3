//! Nobody asks for another view while nobody is faulty, the network is good and everything is settled: a request reaches the
//! primary in time, whichever backups it came to (rule 24).

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::{Event, Protocol};
use crate::replica::Output;

/// Whether the cluster has settled.
#[derive(Default)]
pub(super) struct Deposing {
    /// How often it had something to look at.
    looks: u64,
    is_settled: bool,
}

impl<P: Protocol> Checker<P> for Deposing
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "no honest primary deposed"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !self.is_settled {
            return Ok(());
        }
        self.looks += 1;
        let asked = scene.outputs.iter().find_map(|output| match output {
            Output::Note(Event::ViewChangeAsked { view, why }) => Some((view, why)),
            _ => None,
        });
        match asked {
            Some((view, why)) => {
                Err(format!("{} asks for view {view} of a cluster without faults: {why}", scene.replica))
            }
            None => Ok(()),
        }
    }

    fn on_settled(&mut self) {
        self.is_settled = true;
    }
}
