//! A Merkle tree over a fixed row of leaf digests: the state's digest, brought up to date at the cost of what changed.
//!
//! A node is the digest of sixteen, so that a tree over 32 000 leaves has four levels above them: whoever compares two
//! states asks for few nodes, and seldom. Each level is filled up with [`Digest::ZERO`]. Leaves, inner nodes and the root
//! are hashed under different labels, a leaf's digest covers its index, and the root covers the number of leaves and with
//! it the number of levels, so that no row of leaves can pass for another one, padding included (compare RFC 6962, §2.1,
//! which separates leaves from nodes for the same reason). No additive or XOR hash: those can be forged.
//!
//! A clone is a snapshot: it shares every node that neither has written since.

use super::persistent::{BLOCK, PersistentVec};
use crate::types::Digest;

/// How many children a node has.
pub const FAN_OUT: usize = BLOCK;

/// The digests of a node's children, filled up with [`Digest::ZERO`].
pub type Children = [Digest; FAN_OUT];

/// The digest of a leaf's bytes at its place: the same bytes elsewhere in the row have another digest.
pub fn leaf_digest(index: usize, bytes: &[u8]) -> Digest {
    Digest::of("merkle-leaf", &[&(index as u64).to_le_bytes(), bytes])
}

/// The digest of an inner node.
pub fn node_digest(children: &Children) -> Digest {
    Digest::of("merkle-node", &children.each_ref().map(|child| &child.0[..]))
}

/// The root over `count` leaves, of the one node at the top.
pub fn root_digest(count: usize, top: Digest) -> Digest {
    Digest::of("merkle-root", &[&(count as u64).to_le_bytes(), &top.0])
}

/// Digests of leaves under one root. The number of leaves is fixed when it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MerkleTree {
    /// The leaves, and level by level what is above them; the last level, never the first one, has one node.
    levels: Vec<PersistentVec<Digest>>,
}

impl MerkleTree {
    /// A tree over these leaves; their number stays. An empty row is allowed and has a root of its own.
    pub fn new(leaves: &[Digest]) -> MerkleTree {
        let mut levels = vec![PersistentVec::new(leaves, &Digest::ZERO)];
        while levels.len() == 1 || levels[levels.len() - 1].len() > 1 {
            let below = &levels[levels.len() - 1];
            let above: Vec<Digest> =
                (0..below.len().div_ceil(FAN_OUT).max(1)).map(|node| node_digest(&children_in(below, node))).collect();
            levels.push(PersistentVec::new(&above, &Digest::ZERO));
        }
        MerkleTree { levels }
    }

    /// Replaces several digests, hashing each node above them once: what a checkpoint wants.
    ///
    /// # Panics
    ///
    /// If one of the leaves does not exist.
    pub fn set_all(&mut self, leaves: impl IntoIterator<Item = (usize, Digest)>) {
        let mut touched = Vec::new();
        for (index, leaf) in leaves {
            assert!(index < self.len(), "leaf {index} of {}", self.len());
            self.levels[0][index] = leaf;
            touched.push(index);
        }
        touched.sort_unstable();
        for level in 1..self.levels.len() {
            touched.iter_mut().for_each(|node| *node /= FAN_OUT);
            touched.dedup();
            for node in &touched {
                self.levels[level][*node] = node_digest(&children_in(&self.levels[level - 1], *node));
            }
        }
    }

    /// The digest of the whole row, its length included. O(1).
    pub fn root(&self) -> Digest {
        root_digest(self.len(), self.levels[self.top_level()][0])
    }

    /// The level of the one node at the top; leaves are on level 0.
    pub fn top_level(&self) -> usize {
        self.levels.len() - 1
    }

    /// How many nodes a level has; 0 if there is no such level.
    pub fn level_len(&self, level: usize) -> usize {
        self.levels.get(level).map_or(0, PersistentVec::len)
    }

    /// A node's digest, or a leaf's on level 0; `None` if there is no such node.
    pub fn digest(&self, level: usize, index: usize) -> Option<Digest> {
        self.levels.get(level)?.get(index).copied()
    }

    /// The digests of a node's children; `None` for a leaf and if there is no such node.
    pub fn children(&self, level: usize, index: usize) -> Option<Children> {
        let below = self.levels.get(level.checked_sub(1)?)?;
        (index < self.level_len(level)).then(|| children_in(below, index))
    }

    /// The leaves whose digests are not those of `other`, ascending. The cost follows what differs.
    ///
    /// # Panics
    ///
    /// Unless both have the same number of leaves.
    pub fn differing(&self, other: &MerkleTree) -> Vec<usize> {
        assert_eq!(self.len(), other.len(), "rows of different lengths are not compared");
        let differs = |level: usize, index: &usize| self.digest(level, *index) != other.digest(level, *index);
        let mut differing: Vec<usize> = (0..1).filter(|top| differs(self.top_level(), top)).collect();
        for level in (0..self.top_level()).rev() {
            let children = differing.iter().flat_map(|node| node * FAN_OUT..(node + 1) * FAN_OUT);
            differing = children.filter(|child| differs(level, child)).collect();
        }
        differing
    }

    /// The digests of all leaves, in order.
    pub fn leaves(&self) -> impl Iterator<Item = Digest> {
        self.levels[0].iter().copied()
    }

    /// How many leaves there are.
    pub fn len(&self) -> usize {
        self.levels[0].len()
    }

    /// Whether there are no leaves.
    pub fn is_empty(&self) -> bool {
        self.levels[0].is_empty()
    }
}

/// The children of a node above a level.
fn children_in(below: &PersistentVec<Digest>, node: usize) -> Children {
    below.block(node).copied().unwrap_or([Digest::ZERO; FAN_OUT])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, written down without any sharing of work.
    fn naive_root(leaves: &[Digest]) -> Digest {
        let mut row = leaves.to_vec();
        loop {
            row.resize(row.len().next_multiple_of(16).max(16), Digest::ZERO);
            let parts = |node: &[Digest]| node.iter().map(|child| child.0.to_vec()).collect::<Vec<_>>();
            let digest =
                |parts: Vec<Vec<u8>>| Digest::of("merkle-node", &parts.iter().map(|p| &p[..]).collect::<Vec<_>>());
            row = row.chunks(16).map(|node| digest(parts(node))).collect();
            if let [top] = row[..] {
                return Digest::of("merkle-root", &[&(leaves.len() as u64).to_le_bytes(), &top.0]);
            }
        }
    }

    fn leaf(number: u16) -> Digest {
        leaf_digest(0, &number.to_le_bytes())
    }

    proptest! {
        #[test]
        fn updates_give_the_root_of_a_new_tree(
            start in proptest::collection::vec(any::<u16>(), 1..600),
            writes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u16>()), 0..40),
            is_one_by_one in any::<bool>(),
        ) {
            let mut row: Vec<Digest> = start.iter().map(|n| leaf(*n)).collect();
            let mut tree = MerkleTree::new(&row);
            let before = tree.clone();
            prop_assert_eq!(tree.root(), naive_root(&row));
            let writes: Vec<(usize, Digest)> = writes.iter().map(|(at, n)| (at.index(row.len()), leaf(*n))).collect();
            for (index, digest) in &writes {
                row[*index] = *digest;
                if is_one_by_one {
                    tree.set_all([(*index, *digest)]);
                    prop_assert_eq!(tree.root(), naive_root(&row));
                }
            }
            if !is_one_by_one {
                tree.set_all(writes);
            }
            prop_assert_eq!(tree.root(), naive_root(&row));
            prop_assert_eq!(tree.leaves().collect::<Vec<_>>(), row.clone());
            let differing: Vec<usize> =
                (0..row.len()).filter(|index| before.digest(0, *index) != Some(row[*index])).collect();
            prop_assert_eq!(tree.differing(&before), differing);
            prop_assert_eq!(tree, MerkleTree::new(&row));
        }
    }

    #[test]
    fn every_node_is_the_digest_of_its_children() {
        let tree = MerkleTree::new(&(0..600).map(leaf).collect::<Vec<_>>());
        assert_eq!((0..=4).map(|level| tree.level_len(level)).collect::<Vec<_>>(), [600, 38, 3, 1, 0]);
        for level in 1..=tree.top_level() {
            for index in 0..tree.level_len(level) {
                assert_eq!(
                    tree.children(level, index).map(|children| node_digest(&children)),
                    tree.digest(level, index)
                );
            }
        }
        assert_eq!((tree.children(0, 0), tree.children(1, 38), tree.children(4, 0)), (None, None, None));
    }

    #[test]
    fn the_number_of_leaves_is_part_of_the_root() {
        let rows = [vec![], vec![Digest::ZERO], vec![leaf(1)], vec![leaf(1), Digest::ZERO], vec![leaf(1); 3]];
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                assert_eq!(MerkleTree::new(a).root() == MerkleTree::new(b).root(), i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn an_inner_node_does_not_pass_for_a_leaf() {
        let row: Vec<Digest> = (0..17).map(leaf).collect();
        let tree = MerkleTree::new(&row);
        let inner: Vec<Digest> = (0..2).filter_map(|index| tree.digest(1, index)).collect();
        assert_ne!(tree.root(), MerkleTree::new(&inner).root());
        let children = tree.children(1, 0).expect("it is there");
        let spelled: Vec<u8> = children.iter().flat_map(|child| child.0).collect();
        assert_ne!(leaf_digest(0, &spelled), node_digest(&children));
    }

    #[test]
    fn a_leaf_is_bound_to_its_place() {
        assert_ne!(leaf_digest(0, b"x"), leaf_digest(1, b"x"));
    }

    #[test]
    #[should_panic(expected = "leaf 3 of 3")]
    fn padding_can_not_be_written() {
        MerkleTree::new(&[leaf(1); 3]).set_all([(3, leaf(2))]);
    }
}
