//! Agreement and prefix order: honest replicas execute the same batch at each slot, and each replica slot after slot.

use std::collections::BTreeMap;

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::protocol::{Event, Protocol};
use crate::replica::Output;
use crate::types::SeqNum;

/// How far each seat has executed.
#[derive(Default)]
pub(super) struct Agreement {
    /// How often it had something to look at.
    looks: u64,
    executed: BTreeMap<usize, SeqNum>,
}

impl<P: Protocol> Checker<P> for Agreement
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest {
            return Ok(());
        }
        let executed = self.executed.entry(scene.seat).or_default();
        for output in scene.outputs {
            match output {
                Output::Executed(slot) => {
                    if slot.seq != executed.next() {
                        return Err(format!("{} executed slot {} after slot {executed}", scene.replica, slot.seq));
                    }
                    *executed = slot.seq;
                    self.looks += 1;
                    let first = scene.history.slot(slot.seq).expect("recorded before it is checked");
                    if slot.batch != first.batch {
                        return Err(format!(
                            "{} executed {} at slot {}, another honest replica {}",
                            scene.replica,
                            slot.batch.digest().short(),
                            slot.seq,
                            first.batch.digest().short()
                        ));
                    }
                }
                Output::Note(Event::TransferDone { seq, .. }) => *executed = *seq,
                _ => {}
            }
        }
        Ok(())
    }

    fn on_restart(&mut self, seat: usize, restart: Restart) {
        self.executed.insert(seat, restart.executed);
    }
}
