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
use crate::protocol::{CheckpointCertificate, TransferProgress};
use crate::rejection::Rejection;
use crate::types::{Digest, ReplicaId, SeqNum};

/// A transfer that is under way.
pub(super) struct Transfer {
    target: CheckpointCertificate,
    others: Vec<ReplicaId>,
    /// Which of the others is asked for digests, counted on with each pause.
    turn: usize,
    /// How often nothing came.
    timeouts: usize,
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
        /// Who was asked and has not answered yet.
        outstanding: BTreeSet<ReplicaId>,
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
        Transfer { target, others, turn, timeouts: 0, leaf_count, stage: Stage::Digests(Vec::new()) }
    }

    pub(super) fn target(&self) -> SeqNum {
        self.target.seq()
    }

    /// How far it has come.
    pub(super) fn progress(&self) -> TransferProgress {
        let begun = TransferProgress {
            target: self.target(),
            wanted_leaves: None,
            fetched_leaves: 0,
            fetched_bytes: 0,
            sources: 1,
        };
        match &self.stage {
            Stage::Digests(_) => begun,
            Stage::Leaves { missing, fetched, outstanding, .. } => TransferProgress {
                wanted_leaves: Some((missing.len() + fetched.len()) as u32),
                fetched_leaves: fetched.len() as u32,
                fetched_bytes: fetched.values().map(|leaf| leaf.len() as u64).sum(),
                sources: outstanding.len() as u8,
                ..begun
            },
        }
    }

    /// Goes for a newer checkpoint; how long the way was is not forgotten.
    pub(super) fn follow(&mut self, target: CheckpointCertificate) {
        self.target = target;
        self.stage = Stage::Digests(Vec::new());
    }

    /// What to ask now, and whom.
    pub(super) fn requests(&mut self) -> Vec<(ReplicaId, StateRequest)> {
        let requests = self.wave();
        if let Stage::Leaves { outstanding, .. } = &mut self.stage {
            *outstanding = requests.iter().map(|(peer, _)| *peer).collect();
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

    /// Whether every peer has had its turn, and the next one has it again.
    pub(super) fn has_asked_everyone(&self) -> bool {
        self.timeouts >= self.others.len()
    }

    /// Nothing came for a while: the next peer's turn.
    pub(super) fn on_timeout(&mut self) {
        self.turn += 1;
        self.timeouts += 1;
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
            StatePart::Leaves { seq, leaves } if seq == self.target.seq() => self.on_leaves(from, leaves),
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
        // A full part each time: a source that hands out one digest at a time would hold the transfer up.
        let fits = digests.len() == (self.leaf_count - so_far.len()).min(StatePart::MAX_DIGESTS);
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
        self.stage = Stage::Leaves { digests, missing, fetched: BTreeMap::new(), outstanding: BTreeSet::new() };
        Ok(true)
    }

    /// An answer brings at least one leaf that is missing; whoever brings none is not asked again before its turn.
    fn on_leaves(&mut self, from: ReplicaId, leaves: Vec<(u32, Leaf)>) -> Result<bool, Rejection> {
        let Stage::Leaves { digests, missing, fetched, outstanding } = &mut self.stage else {
            return Err(Rejection::Unsolicited);
        };
        let before = missing.len();
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
        if missing.len() == before {
            return Err(Rejection::Unsolicited);
        }
        let is_answer = outstanding.remove(&from);
        Ok(missing.is_empty() || is_answer && outstanding.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::smallbank::SmallBank;

    const SEQ: SeqNum = SeqNum(8);

    fn state(accounts_own: i64) -> State<SmallBank> {
        let mut state = State::new(SmallBank::new(2000, accounts_own, 1));
        state.executed = SEQ;
        state
    }

    /// A transfer that knows all digests and has asked for leaves; every application leaf differs.
    fn asking(theirs: &mut State<SmallBank>, mine: &mut State<SmallBank>) -> Transfer {
        let target = CheckpointCertificate::new(SEQ, theirs.digest(), Vec::new());
        let others = vec![ReplicaId(1), ReplicaId(2), ReplicaId(3)];
        let mut transfer = Transfer::new(target, others, 0, mine.leaf_digests().len());
        let (source, request) = transfer.requests().remove(0);
        let digests = answer(theirs, &request).unwrap();
        assert_eq!(transfer.on_part(source, digests, mine), Ok(true));
        transfer
    }

    #[test]
    fn rule_28_an_answer_that_brings_nothing_is_none() {
        let (mut theirs, mut mine) = (state(5), state(6));
        let mut transfer = asking(&mut theirs, &mut mine);
        let asked: Vec<ReplicaId> = transfer.requests().into_iter().map(|(peer, _)| peer).collect();
        for peer in asked {
            let nothing = StatePart::Leaves { seq: SEQ, leaves: Vec::new() };
            let again = transfer.on_part(peer, nothing, &mut mine);
            assert_eq!(again, Err(Rejection::Unsolicited), "else {peer} is asked again at once, and for ever");
        }
    }

    #[test]
    fn rule_28_digests_come_in_full_parts() {
        let (mut theirs, mut mine) = (state(5), state(6));
        let target = CheckpointCertificate::new(SEQ, theirs.digest(), Vec::new());
        let mut transfer = Transfer::new(target, vec![ReplicaId(1)], 0, mine.leaf_digests().len());
        let (source, request) = transfer.requests().remove(0);
        let Some(StatePart::LeafDigests { seq, from, mut digests }) = answer(&theirs, &request) else { panic!() };
        digests.truncate(1);
        let drop = StatePart::LeafDigests { seq, from, digests };
        assert_eq!(
            transfer.on_part(source, drop, &mut mine),
            Err(Rejection::Unsolicited),
            "one at a time takes for ever"
        );
    }

    #[test]
    fn rule_28_leaves_come_from_all_peers_and_only_those_who_were_asked_end_a_wave() {
        let (mut theirs, mut mine) = (state(5), state(6));
        let mut transfer = asking(&mut theirs, &mut mine);
        let wanted = transfer.progress().wanted_leaves.expect("the digests are here");
        while transfer.take_fetched().is_none() {
            let requests = transfer.requests();
            let count = requests.len();
            for (i, (peer, request)) in requests.into_iter().enumerate() {
                let part = answer(&theirs, &request).unwrap();
                let is_last = i + 1 == count;
                assert_eq!(transfer.progress().sources as usize, count - i);
                let before = transfer.progress();
                assert_eq!(transfer.on_part(peer, part.clone(), &mut mine), Ok(is_last));
                let after = transfer.progress();
                assert!(after.fetched_leaves > before.fetched_leaves && after.fetched_bytes > before.fetched_bytes);
                assert_eq!(after.wanted_leaves, Some(wanted), "what is wanted does not change");
                assert!(is_last || transfer.on_part(peer, part, &mut mine).is_err(), "a repetition ends nothing");
            }
        }
    }
}
