//! A Merkle tree over a fixed row of leaf digests: the state's digest, brought up to date at the cost of what changed.
//!
//! The tree is perfect: the row is padded with [`Digest::ZERO`] to the next power of two. Leaves, inner nodes and the
//! root are hashed under different labels, a leaf's digest covers its index, and the root covers the number of leaves,
//! so that no row of leaves can pass for another one, padding included (compare RFC 6962, §2.1, which separates leaves
//! from nodes for the same reason). No additive or XOR hash: those can be forged.

use crate::types::Digest;

/// The digest of a leaf's bytes at its place: the same bytes elsewhere in the row have another digest.
pub fn leaf_digest(index: usize, bytes: &[u8]) -> Digest {
    Digest::of("merkle-leaf", &[&(index as u64).to_le_bytes(), bytes])
}

/// Digests of leaves under one root. The number of leaves is fixed when it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MerkleTree {
    /// Node `i` has the children `2i` and `2i+1`; node 1 is the top, node 0 is unused, leaves start at `width`.
    nodes: Vec<Digest>,
    /// How many leaves there are; at most `width`.
    count: usize,
    /// The padded number of leaves: a power of two.
    width: usize,
}

impl MerkleTree {
    /// A tree over these leaves; their number stays. An empty row is allowed and has a root of its own.
    pub fn new(leaves: Vec<Digest>) -> MerkleTree {
        let count = leaves.len();
        let width = count.next_power_of_two();
        let mut nodes = vec![Digest::ZERO; width];
        nodes.extend(leaves);
        nodes.resize(2 * width, Digest::ZERO);
        for index in (1..width).rev() {
            nodes[index] = inner_digest(&nodes[2 * index], &nodes[2 * index + 1]);
        }
        MerkleTree { nodes, count, width }
    }

    /// Replaces a leaf's digest, in O(log n).
    ///
    /// # Panics
    ///
    /// If there is no such leaf.
    pub fn set(&mut self, index: usize, leaf: Digest) {
        self.set_all([(index, leaf)]);
    }

    /// Replaces several digests, hashing each inner node above them once: what a checkpoint wants.
    ///
    /// # Panics
    ///
    /// If one of the leaves does not exist.
    pub fn set_all(&mut self, leaves: impl IntoIterator<Item = (usize, Digest)>) {
        let mut touched = Vec::new();
        for (index, leaf) in leaves {
            assert!(index < self.count, "leaf {index} of {}", self.count);
            self.nodes[self.width + index] = leaf;
            touched.push(self.width + index);
        }
        touched.sort_unstable();
        while touched.first().is_some_and(|node| *node > 1) {
            // All are on one level, so that halving keeps them sorted.
            touched.iter_mut().for_each(|node| *node /= 2);
            touched.dedup();
            for node in &touched {
                self.nodes[*node] = inner_digest(&self.nodes[2 * node], &self.nodes[2 * node + 1]);
            }
        }
    }

    /// The digest of the whole row, its length included. O(1).
    pub fn root(&self) -> Digest {
        Digest::of("merkle-root", &[&(self.count as u64).to_le_bytes(), &self.nodes[1].0])
    }

    /// A leaf's digest.
    ///
    /// # Panics
    ///
    /// If there is no such leaf.
    pub fn leaf(&self, index: usize) -> Digest {
        self.leaves()[index]
    }

    /// The digests of all leaves, in order.
    pub fn leaves(&self) -> &[Digest] {
        &self.nodes[self.width..self.width + self.count]
    }

    /// How many leaves there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no leaves.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn inner_digest(left: &Digest, right: &Digest) -> Digest {
    Digest::of("merkle-node", &[&left.0, &right.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, written down without any sharing of work.
    fn naive_root(leaves: &[Digest]) -> Digest {
        fn top(row: &[Digest]) -> Digest {
            match row {
                [one] => *one,
                _ => {
                    let (left, right) = row.split_at(row.len() / 2);
                    Digest::of("merkle-node", &[&top(left).0, &top(right).0])
                }
            }
        }
        let mut row = leaves.to_vec();
        row.resize(leaves.len().next_power_of_two(), Digest::ZERO);
        Digest::of("merkle-root", &[&(leaves.len() as u64).to_le_bytes(), &top(&row).0])
    }

    fn leaf(number: u8) -> Digest {
        leaf_digest(0, &[number])
    }

    proptest! {
        #[test]
        fn updates_give_the_root_of_a_new_tree(
            start in proptest::collection::vec(any::<u8>(), 1..70),
            writes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
            is_one_by_one in any::<bool>(),
        ) {
            let mut row: Vec<Digest> = start.iter().map(|n| leaf(*n)).collect();
            let mut tree = MerkleTree::new(row.clone());
            prop_assert_eq!(tree.root(), naive_root(&row));
            let writes: Vec<(usize, Digest)> = writes.iter().map(|(at, n)| (at.index(row.len()), leaf(*n))).collect();
            for (index, digest) in &writes {
                row[*index] = *digest;
                if is_one_by_one {
                    tree.set(*index, *digest);
                    prop_assert_eq!(tree.root(), naive_root(&row));
                }
            }
            if !is_one_by_one {
                tree.set_all(writes);
            }
            prop_assert_eq!(tree.root(), naive_root(&row));
            prop_assert_eq!(tree.leaves(), row.as_slice());
            prop_assert_eq!(tree, MerkleTree::new(row));
        }
    }

    #[test]
    fn the_number_of_leaves_is_part_of_the_root() {
        let rows = [vec![], vec![Digest::ZERO], vec![leaf(1)], vec![leaf(1), Digest::ZERO], vec![leaf(1); 3]];
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                assert_eq!(MerkleTree::new(a.clone()).root() == MerkleTree::new(b.clone()).root(), i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn an_inner_node_does_not_pass_for_a_leaf() {
        let pair = MerkleTree::new(vec![leaf(1), leaf(2)]);
        let one = MerkleTree::new(vec![inner_digest(&leaf(1), &leaf(2))]);
        assert_ne!(pair.root(), one.root());
        let spelled: Vec<u8> = [leaf(1).0, leaf(2).0].concat();
        assert_ne!(leaf_digest(0, &spelled), inner_digest(&leaf(1), &leaf(2)));
    }

    #[test]
    fn a_leaf_is_bound_to_its_place() {
        assert_ne!(leaf_digest(0, b"x"), leaf_digest(1, b"x"));
    }

    #[test]
    #[should_panic(expected = "leaf 3 of 3")]
    fn padding_can_not_be_written() {
        MerkleTree::new(vec![leaf(1); 3]).set(3, leaf(2));
    }
}
