//! Every queue is within its bound.

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::{Protocol, QueueLevel};

#[derive(Default)]
pub(super) struct Bounds {
    /// How often it had something to look at.
    looks: u64,
}

impl<P: Protocol> Checker<P> for Bounds
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "bounded queues"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        self.looks += 1;
        let mut over = None;
        scene.node.replica().queues(&mut |level: QueueLevel| {
            if level.len > level.bound {
                over = Some(level);
            }
        });
        match over {
            None => Ok(()),
            Some(QueueLevel { name, len, bound }) => {
                Err(format!("{} holds {len} {name}, and {bound} are the most", scene.replica))
            }
        }
    }
}
