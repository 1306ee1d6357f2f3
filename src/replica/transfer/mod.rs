//! State transfer: fetches what differs from a stable checkpoint, and nothing that does not prove itself (rule 28).
//!
//! The certificate proves the node at the top of the Merkle tree, and each node its children: what differs from ours is
//! followed down to the leaves, and each node and leaf is checked when it comes, whoever brings it. Castro & Liskov
//! ("Proactive recovery in a Byzantine-fault-tolerant system", OSDI '00, §5.3) descend a tree of partitions like that and
//! fetch it from one replica at a time; here each peer has its own piece ([`sources`]).
//!
//! All peers are asked for the top. Whoever has it holds that state still for us (`Checkpoints::fetch`).

mod sources;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use self::sources::Sources;
use super::message::{Leaf, StatePart, StateRequest};
use super::state::{self, State};
use crate::app::Application;
use crate::app::merkle::{self, Children, FAN_OUT, MerkleTree};
use crate::committee::Committee;
use crate::protocol::{CheckpointCertificate, TransferProgress};
use crate::rejection::Rejection;
use crate::types::{Digest, Micros, ReplicaId, SeqNum, Time};

/// A transfer that is under way.
///
/// Bounds: at most the whole state and its Merkle tree, twice while it follows the others to a newer checkpoint.
pub(super) struct Transfer {
    target: CheckpointCertificate,
    top: Place,
    sources: Sources,
    /// What is missing, and the digest that it must have. Each of it is open or in the piece of a peer.
    wanted: BTreeMap<Place, Digest>,
    /// What of it nobody is asked for.
    open: BTreeSet<Place>,
    /// Leaves of the target that differ from ours.
    leaves: BTreeMap<u32, Vec<u8>>,
    /// Nodes of this target or an earlier one.
    nodes: BTreeMap<Place, Children>,
    /// Leaves of an earlier target.
    earlier: BTreeMap<u32, Vec<u8>>,
}

/// A place in the Merkle tree. The higher ones come first, so that it is known early what is missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    level: Reverse<u8>,
    index: u32,
}

/// What stands at a place.
enum Content {
    Node(Box<Children>),
    Leaf(Vec<u8>),
}

/// A complete and certified set of leaves.
pub(super) struct Fetched {
    pub(super) target: CheckpointCertificate,
    pub(super) leaves: BTreeMap<u32, Vec<u8>>,
}

impl Place {
    fn new(level: u8, index: u32) -> Place {
        Place { level: Reverse(level), index }
    }

    fn digest_in(self, tree: &MerkleTree) -> Option<Digest> {
        tree.digest(usize::from(self.level.0), self.index as usize)
    }

    /// The children of the node at this place, as far as they exist in such a tree.
    fn children(self, children: &Children, tree: &MerkleTree) -> impl Iterator<Item = (Place, Digest)> {
        let level = self.level.0 - 1;
        let first = self.index as usize * FAN_OUT;
        let count = tree.level_len(usize::from(level)).saturating_sub(first);
        let place = move |child: usize| Place::new(level, (first + child) as u32);
        children.iter().take(count).enumerate().map(move |(child, digest)| (place(child), *digest))
    }
}

impl Transfer {
    pub(super) fn new(
        target: CheckpointCertificate,
        peers: impl IntoIterator<Item = ReplicaId>,
        mine: &MerkleTree,
    ) -> Transfer {
        let mut transfer = Transfer {
            target,
            top: Place::new(mine.top_level() as u8, 0),
            sources: Sources::new(peers),
            wanted: BTreeMap::new(),
            open: BTreeSet::new(),
            leaves: BTreeMap::new(),
            nodes: BTreeMap::new(),
            earlier: BTreeMap::new(),
        };
        transfer.want_top();
        transfer
    }

    pub(super) fn target(&self) -> SeqNum {
        self.target.seq()
    }

    /// How far it has come. It is known what differs once all nodes above are here.
    pub(super) fn progress(&self) -> TransferProgress {
        let is_known = self.wanted.first_key_value().is_none_or(|(place, _)| place.level.0 == 0);
        TransferProgress {
            target: self.target.seq(),
            wanted_leaves: is_known.then(|| (self.leaves.len() + self.wanted.len()) as u32),
            fetched_leaves: self.leaves.len() as u32,
            fetched_bytes: self.leaves.values().map(|leaf| leaf.len() as u64).sum(),
            sources: self.sources.asked() as u8,
        }
    }

    /// Goes for a newer checkpoint. What was fetched stays, as far as the new certificate proves it too.
    pub(super) fn follow(&mut self, target: CheckpointCertificate) {
        self.target = target;
        self.earlier.append(&mut self.leaves);
        self.sources.start_over();
        self.wanted.clear();
        self.open.clear();
        self.want_top();
    }

    fn want_top(&mut self) {
        self.wanted.insert(self.top, self.target.digest());
        self.open.insert(self.top);
    }

    /// What to ask now, and whom.
    pub(super) fn requests(&mut self, now: Time) -> Vec<(ReplicaId, StateRequest)> {
        let mut requests = Vec::new();
        while let Some(peer) = self.sources.idle() {
            let piece = self.next_piece();
            let Some(Place { level: Reverse(level), .. }) = piece.first() else { break };
            let indices = piece.iter().map(|place| place.index).collect();
            let seq = self.target.seq();
            requests.push(match *level {
                0 => (peer, StateRequest::Leaves { seq, leaves: indices }),
                level => (peer, StateRequest::Nodes { seq, level, nodes: indices }),
            });
            self.sources.ask(peer, piece, now);
        }
        requests
    }

    /// What the next peer is asked for, all of one level. The top stays open: everyone is asked for it.
    fn next_piece(&mut self) -> BTreeSet<Place> {
        let Some(first) = self.open.first().copied() else { return BTreeSet::new() };
        if first == self.top {
            return BTreeSet::from([first]);
        }
        let limit = if first.level.0 == 0 { StatePart::MAX_LEAVES } else { StatePart::MAX_NODES };
        let of_one_level = self.open.iter().take_while(|place| place.level == first.level);
        let piece: BTreeSet<Place> = of_one_level.take(limit).copied().collect();
        for place in &piece {
            self.open.remove(place);
        }
        piece
    }

    /// When somebody will have been waited for too long.
    pub(super) fn timeout(&self, now: Time, patience: Micros) -> Time {
        self.sources.waits_since().unwrap_or(now).after(patience)
    }

    /// Time has passed: what was asked of silent peers is asked of others.
    pub(super) fn on_timeout(&mut self, now: Time, patience: Micros) {
        let given_up = self.sources.expire(now, patience);
        self.reopen(given_up);
    }

    /// A peer that was asked has a newer state only: what it was asked for is asked of others.
    ///
    /// # Errors
    ///
    /// [`Rejection::Unsolicited`] if it was asked for nothing, or the state is not newer.
    pub(super) fn on_newer(&mut self, from: ReplicaId, newer: SeqNum) -> Result<(), Rejection> {
        if newer <= self.target.seq() {
            return Err(Rejection::Unsolicited);
        }
        let given_up = self.sources.on_newer(from).ok_or(Rejection::Unsolicited)?;
        self.reopen(given_up);
        Ok(())
    }

    /// Whether nobody has shown that it has the target, while so many have a newer one only that one of them is honest.
    pub(super) fn is_outrun(&self, committee: Committee) -> bool {
        self.wanted.contains_key(&self.top) && self.sources.ahead() >= committee.weak_quorum()
    }

    /// Whether nobody is left who could be asked.
    pub(super) fn is_exhausted(&self) -> bool {
        self.sources.is_exhausted()
    }

    /// Asks those again who were silent.
    pub(super) fn start_over(&mut self) {
        self.sources.start_over();
    }

    fn reopen(&mut self, piece: BTreeSet<Place>) {
        self.open.extend(piece.into_iter().filter(|place| self.wanted.contains_key(place)));
    }

    /// Takes in what a part brings; the next requests may be due, whether it was refused or not.
    ///
    /// # Errors
    ///
    /// [`Rejection::WrongStatePart`] for what does not hash to the certificate: the peer is set aside.
    /// [`Rejection::Unsolicited`] for a part that brings nothing, unless others have brought all that this peer was asked
    /// for.
    pub(super) fn on_part(&mut self, from: ReplicaId, part: StatePart, mine: &MerkleTree) -> Result<(), Rejection> {
        let (seq, contents): (SeqNum, Vec<(Place, Content)>) = match part {
            StatePart::Nodes { level: 0, .. } | StatePart::Newer(_) => return Err(Rejection::Unsolicited),
            StatePart::Nodes { seq, level, nodes } => {
                let node = |(index, children)| (Place::new(level, index), Content::Node(Box::new(children)));
                (seq, nodes.into_iter().map(node).collect())
            }
            StatePart::Leaves { seq, leaves } => {
                let leaf = |(index, Leaf(bytes))| (Place::new(0, index), Content::Leaf(bytes));
                (seq, leaves.into_iter().map(leaf).collect())
            }
        };
        if seq != self.target.seq() || self.sources.is_liar(from) {
            return Err(Rejection::Unsolicited);
        }
        let mut is_news = false;
        for (place, content) in contents {
            let Some(digest) = self.wanted.get(&place) else { continue };
            if self.digest_at(place, &content, mine) != *digest {
                let given_up = self.sources.set_aside(from);
                self.reopen(given_up);
                return Err(Rejection::WrongStatePart);
            }
            self.take_in(place, content, mine);
            is_news = true;
        }
        let is_superseded = |piece: &BTreeSet<Place>| piece.iter().all(|place| !self.wanted.contains_key(place));
        if !is_news && !self.sources.piece(from).is_some_and(is_superseded) {
            return Err(Rejection::Unsolicited);
        }
        let unanswered = self.sources.on_answer(from);
        self.reopen(unanswered);
        Ok(())
    }

    /// Takes in what was proved, and wants what it leads to.
    fn take_in(&mut self, place: Place, content: Content, mine: &MerkleTree) {
        self.wanted.remove(&place);
        self.open.remove(&place);
        match content {
            Content::Leaf(bytes) => drop(self.leaves.insert(place.index, bytes)),
            Content::Node(children) => {
                self.nodes.insert(place, *children);
                self.want(place.children(&children, mine).collect(), mine);
            }
        }
    }

    /// The digest of what is said to stand at a place, as whatever wants it names it: the top by the state's digest.
    fn digest_at(&self, place: Place, content: &Content, mine: &MerkleTree) -> Digest {
        match content {
            Content::Leaf(bytes) => merkle::leaf_digest(place.index as usize, bytes),
            Content::Node(children) if place == self.top => {
                let root = merkle::root_digest(mine.len(), merkle::node_digest(children));
                state::digest_of(self.target.seq(), root)
            }
            Content::Node(children) => merkle::node_digest(children),
        }
    }

    /// Wants what differs from ours and was not fetched before.
    fn want(&mut self, mut places: Vec<(Place, Digest)>, mine: &MerkleTree) {
        while let Some((place, digest)) = places.pop() {
            let is_known = |children: &&Children| merkle::node_digest(children) == digest;
            if place.digest_in(mine) == Some(digest) {
                continue;
            } else if let Some(children) = self.nodes.get(&place).filter(is_known) {
                places.extend(place.children(children, mine));
            } else if let Some(bytes) = self.take_earlier(place, digest) {
                self.leaves.insert(place.index, bytes);
            } else {
                self.wanted.insert(place, digest);
                self.open.insert(place);
            }
        }
    }

    /// A leaf that was fetched for an earlier target and is the same in this one.
    fn take_earlier(&mut self, place: Place, digest: Digest) -> Option<Vec<u8>> {
        let bytes = self.earlier.get(&place.index).filter(|_| place.level.0 == 0)?;
        (merkle::leaf_digest(place.index as usize, bytes) == digest).then(|| self.earlier.remove(&place.index))?
    }

    /// Everything that differed, once it is all here.
    pub(super) fn take_fetched(&mut self) -> Option<Fetched> {
        let is_complete = self.wanted.is_empty();
        is_complete.then(|| Fetched { target: self.target.clone(), leaves: std::mem::take(&mut self.leaves) })
    }
}

/// What a replica answers from a snapshot that it holds still; parts stay below one mebibyte, unless one leaf does not.
pub(super) fn answer<A: Application>(snapshot: &State<A>, request: &StateRequest) -> Option<StatePart> {
    const MAX_PART_BYTES: usize = 1 << 20;
    let tree = snapshot.snapshot_tree();
    match request {
        StateRequest::Nodes { seq, level, nodes } => {
            let children = |index: &u32| Some((*index, tree.children(usize::from(*level), *index as usize)?));
            let distinct: BTreeSet<u32> = nodes.iter().copied().collect();
            let nodes: Vec<(u32, Children)> = distinct.iter().filter_map(children).collect();
            (!nodes.is_empty()).then_some(StatePart::Nodes { seq: *seq, level: *level, nodes })
        }
        StateRequest::Leaves { seq, leaves } => {
            let mut bytes = 0;
            let mut part = Vec::new();
            let distinct: BTreeSet<u32> = leaves.iter().copied().collect();
            for index in distinct.into_iter().filter(|index| (*index as usize) < tree.len()) {
                let leaf = snapshot.leaf(index as usize);
                bytes += leaf.len();
                if bytes > MAX_PART_BYTES && !part.is_empty() {
                    break;
                }
                part.push((index, Leaf(leaf)));
            }
            (!part.is_empty()).then_some(StatePart::Leaves { seq: *seq, leaves: part })
        }
    }
}

#[cfg(test)]
mod tests;
