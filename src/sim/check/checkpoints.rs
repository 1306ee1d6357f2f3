//! Equal checkpoints at equal slots: honest replicas sign one state digest per slot, and only that becomes stable, and
//! only once a quorum has signed it.

use std::collections::BTreeMap;

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::committee::Committee;
use crate::crypto::Signed;
use crate::protocol::{Checkpoint, Event, Protocol};
use crate::replica::{Output, PeerMessage};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum};

/// What replicas said about the state after each slot.
pub(super) struct Checkpoints {
    /// How often it had something to look at.
    looks: u64,
    committee: Committee,
    /// Those who may have signed it and told nobody but in a certificate: liars, and whoever ended before that left.
    unheard: ReplicaSet,
    /// The digest that the first honest replica gave for each slot.
    digests: BTreeMap<SeqNum, Digest>,
    /// Who has signed which.
    signers: BTreeMap<(SeqNum, Digest), ReplicaSet>,
}

impl Checkpoints {
    pub(super) fn new(committee: Committee, unheard: ReplicaSet) -> Checkpoints {
        Checkpoints { looks: 0, committee, unheard, digests: BTreeMap::new(), signers: BTreeMap::new() }
    }

    /// Rule 27: stable is what a quorum has.
    fn check_quorum(&self, replica: ReplicaId, seq: SeqNum, digest: Digest) -> Result<(), String> {
        let told = self.signers.get(&(seq, digest)).copied().unwrap_or_default();
        let signers: ReplicaSet = told.iter().chain(self.unheard.iter()).collect();
        if signers.len() < self.committee.quorum() {
            return Err(format!("{replica} takes the state after slot {seq} for stable, which only {told} signed"));
        }
        Ok(())
    }
}

impl<P: Protocol> Checker<P> for Checkpoints
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "equal checkpoints"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        for parcel in scene.said {
            if let PeerMessage::Checkpoint(Signed { body: Checkpoint { seq, digest, replica }, .. }) = parcel.message()
            {
                self.signers.entry((*seq, *digest)).or_default().insert(*replica);
            }
        }
        if !scene.is_honest {
            return Ok(());
        }
        for output in scene.outputs {
            let (seq, digest) = match output {
                Output::Send(_, PeerMessage::Checkpoint(signed)) => (signed.body.seq, signed.body.digest),
                Output::Note(Event::CheckpointStable { seq, digest }) => {
                    self.looks += 1;
                    self.check_quorum(scene.replica, *seq, *digest)?;
                    (*seq, *digest)
                }
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
