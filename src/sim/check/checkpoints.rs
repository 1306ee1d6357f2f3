//! Equal checkpoints at equal slots: honest replicas sign one state digest per slot, and only that becomes stable.

use std::collections::BTreeMap;

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::protocol::{Event, Protocol};
use crate::replica::{Output, PeerMessage};
use crate::types::{Digest, SeqNum};

/// The digest that the first honest replica gave for each slot.
#[derive(Default)]
pub(super) struct Checkpoints {
    digests: BTreeMap<SeqNum, Digest>,
}

impl<P: Protocol> Checker<P> for Checkpoints
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "equal checkpoints"
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest {
            return Ok(());
        }
        for output in scene.outputs {
            let (seq, digest) = match output {
                Output::Send(_, PeerMessage::Checkpoint(signed)) => (signed.body.seq, signed.body.digest),
                Output::Note(Event::CheckpointStable { seq, digest }) => (*seq, *digest),
                Output::Note(Event::Diverged { seq, .. }) => {
                    return Err(format!("{} has another state after slot {seq} than a quorum", scene.replica));
                }
                _ => continue,
            };
            let first = *self.digests.entry(seq).or_insert(digest);
            if first != digest {
                let (replica, mine, first) = (scene.replica, digest.short(), first.short());
                return Err(format!("{replica} has state {mine} after slot {seq}, another honest replica {first}"));
            }
        }
        Ok(())
    }
}
