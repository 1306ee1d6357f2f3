//! State transfer: fetches what differs from a stable checkpoint, and nothing that does not prove itself (rule 28).
//!
//! One peer at a time is asked for the digests of all leaves; they must hash to the certificate's digest. Then the
//! leaves that differ are asked of all peers in turn; each must hash to its digest. A peer that lies or is silent costs a
//! pause, and the next one is asked.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Leaf, StatePart, StateRequest};
use super::state::State;
use crate::app::Application;
use crate::app::merkle::{self, MerkleTree};
use crate::protocol::CheckpointCertificate;
use crate::rejection::Rejection;
use crate::types::{Digest, ReplicaId, SeqNum};

/// A transfer that is under way.
pub(super) struct Transfer {
    target: CheckpointCertificate,
    others: Vec<ReplicaId>,
    /// Which of the others is asked for digests, counted on with each pause.
    turn: usize,
    leaf_count: usize,
    stage: Stage,
}

enum Stage {
    /// The digests that came so far, all from one peer.
    Digests(Vec<Digest>),
    /// All digests are known and certified; these leaves differ from ours.
    Leaves {
        digests: Vec<Digest>,
        missing: BTreeSet<u32>,
        fetched: BTreeMap<u32, Vec<u8>>,
        /// Requests that were not answered yet.
        outstanding: usize,
    },
}

/// A complete and certified set of leaves.
pub(super) struct Fetched {
    pub(super) target: CheckpointCertificate,
    pub(super) leaves: BTreeMap<u32, Vec<u8>>,
}

impl Transfer {
    pub(super) fn new(
        target: CheckpointCertificate,
        others: Vec<ReplicaId>,
        turn: usize,
        leaf_count: usize,
    ) -> Transfer {
        Transfer { target, others, turn, leaf_count, stage: Stage::Digests(Vec::new()) }
    }

    pub(super) fn target(&self) -> SeqNum {
        self.target.seq()
    }

    /// What to ask now, and whom.
    pub(super) fn requests(&mut self) -> Vec<(ReplicaId, StateRequest)> {
        let requests = self.wave();
        if let Stage::Leaves { outstanding, .. } = &mut self.stage {
            *outstanding = requests.len();
        }
        requests
    }

    fn wave(&self) -> Vec<(ReplicaId, StateRequest)> {
        let seq = self.target.seq();
        match &self.stage {
            Stage::Digests(so_far) => {
                let request = StateRequest::LeafDigests { seq, from: so_far.len() as u32 };
                self.source(0).map(|source| (source, request)).into_iter().collect()
            }
            Stage::Leaves { missing, .. } => {
                let missing: Vec<u32> = missing.iter().copied().collect();
                let chunks = missing.chunks(StatePart::MAX_LEAVES).take(self.others.len()).enumerate();
                let request = |leaves: &[u32]| StateRequest::Leaves { seq, leaves: leaves.to_vec() };
                chunks.filter_map(|(i, leaves)| Some((self.source(i)?, request(leaves)))).collect()
            }
        }
    }

    fn source(&self, offset: usize) -> Option<ReplicaId> {
        let index = (self.turn + offset).checked_rem(self.others.len())?;
        self.others.get(index).copied()
    }

    /// Nothing came for a while: the next peer's turn.
    pub(super) fn on_timeout(&mut self) {
        self.turn += 1;
        if let Stage::Digests(so_far) = &mut self.stage {
            so_far.clear();
        }
    }

    /// Takes in a part; true if everything is here or the next requests are due.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unsolicited`] for what was not asked of this peer, [`Rejection::WrongStatePart`] for what does not
    /// hash to the certificate.
    pub(super) fn on_part<A: Application>(
        &mut self,
        from: ReplicaId,
        part: StatePart,
        mine: &mut State<A>,
    ) -> Result<bool, Rejection> {
        match part {
            StatePart::LeafDigests { seq, from: first, digests } => {
                self.on_digests(from, seq, first, digests, mine.leaf_digests())
            }
            StatePart::Leaves { seq, leaves } if seq == self.target.seq() => self.on_leaves(leaves),
            StatePart::Leaves { .. } => Err(Rejection::Unsolicited),
        }
    }

    fn on_digests(
        &mut self,
        from: ReplicaId,
        seq: SeqNum,
        first: u32,
        digests: Vec<Digest>,
        mine: &[Digest],
    ) -> Result<bool, Rejection> {
        let is_source = self.source(0) == Some(from) && seq == self.target.seq();
        let Stage::Digests(so_far) = &mut self.stage else { return Err(Rejection::Unsolicited) };
        let fits = so_far.len() + digests.len() <= self.leaf_count && !digests.is_empty();
        if !is_source || first as usize != so_far.len() || !fits {
            return Err(Rejection::Unsolicited);
        }
        so_far.extend(digests);
        if so_far.len() < self.leaf_count {
            return Ok(true);
        }
        let digests = std::mem::take(so_far);
        let tree = MerkleTree::new(digests);
        if Digest::of("state", &[&seq.0.to_le_bytes(), &tree.root().0]) != self.target.digest() {
            self.turn += 1;
            return Err(Rejection::WrongStatePart);
        }
        let digests = tree.leaves().to_vec();
        let differs = |index: &usize| mine.get(*index) != digests.get(*index);
        let missing = (0..digests.len()).filter(differs).map(|index| index as u32).collect();
        self.stage = Stage::Leaves { digests, missing, fetched: BTreeMap::new(), outstanding: 0 };
        Ok(true)
    }

    fn on_leaves(&mut self, leaves: Vec<(u32, Leaf)>) -> Result<bool, Rejection> {
        let Stage::Leaves { digests, missing, fetched, outstanding } = &mut self.stage else {
            return Err(Rejection::Unsolicited);
        };
        *outstanding = outstanding.saturating_sub(1);
        for (index, Leaf(bytes)) in leaves {
            if !missing.contains(&index) {
                continue;
            }
            if merkle::leaf_digest(index as usize, &bytes) != digests[index as usize] {
                return Err(Rejection::WrongStatePart);
            }
            missing.remove(&index);
            fetched.insert(index, bytes);
        }
        Ok(missing.is_empty() || *outstanding == 0)
    }

    /// Everything that differed, once it is all here.
    pub(super) fn take_fetched(&mut self) -> Option<Fetched> {
        match &mut self.stage {
            Stage::Leaves { missing, fetched, .. } if missing.is_empty() => {
                Some(Fetched { target: self.target.clone(), leaves: std::mem::take(fetched) })
            }
            _ => None,
        }
    }
}

/// What a replica answers from a snapshot that it holds still; parts stay below one mebibyte.
pub(super) fn answer<A: Application>(snapshot: &State<A>, request: &StateRequest) -> Option<StatePart> {
    const MAX_PART_BYTES: usize = 1 << 20;
    match request {
        StateRequest::LeafDigests { seq, from } => {
            let digests: Vec<Digest> =
                snapshot.snapshot_digests().iter().skip(*from as usize).take(StatePart::MAX_DIGESTS).copied().collect();
            (!digests.is_empty()).then_some(StatePart::LeafDigests { seq: *seq, from: *from, digests })
        }
        StateRequest::Leaves { seq, leaves } => {
            let mut bytes = 0;
            let mut part = Vec::new();
            for index in leaves.iter().filter(|index| (**index as usize) < snapshot.snapshot_digests().len()) {
                let leaf = snapshot.leaf(*index as usize);
                bytes += leaf.len();
                if bytes > MAX_PART_BYTES && !part.is_empty() {
                    break;
                }
                part.push((*index, Leaf(leaf)));
            }
            (!part.is_empty()).then_some(StatePart::Leaves { seq: *seq, leaves: part })
        }
    }
}
