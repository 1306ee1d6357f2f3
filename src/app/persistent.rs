//! A persistent vector: clones share what neither has written since.
//!
//! Its items lie in blocks that are shared until one of them is written, as the leaves of a persistent tree are (Driscoll,
//! Sarnak, Sleator & Tarjan, "Making data structures persistent", 1989). There is one level of blocks and no more: a
//! clone costs a pointer for every [`BLOCK`] items, and a write after it one block.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// How many items a block holds.
pub const BLOCK: usize = 16;

/// Items in shared blocks. Their number is fixed when it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersistentVec<T> {
    /// The last block is filled up.
    blocks: Vec<Arc<[T; BLOCK]>>,
    len: usize,
}

impl<T: Clone> PersistentVec<T> {
    /// These items; `padding` fills up the last block.
    pub fn new(items: &[T], padding: &T) -> PersistentVec<T> {
        let item = |index: usize| items.get(index).unwrap_or(padding).clone();
        let block = |block: usize| Arc::new(std::array::from_fn(|place| item(block * BLOCK + place)));
        PersistentVec { blocks: (0..items.len().div_ceil(BLOCK)).map(block).collect(), len: items.len() }
    }

    /// `len` times the same item, in one block that all share.
    pub fn filled(item: &T, len: usize) -> PersistentVec<T> {
        let block = Arc::new(std::array::from_fn(|_| item.clone()));
        PersistentVec { blocks: vec![block; len.div_ceil(BLOCK)], len }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An item; `None` if there are not so many.
    pub fn get(&self, index: usize) -> Option<&T> {
        (index < self.len).then(|| &self.blocks[index / BLOCK][index % BLOCK])
    }

    /// All items, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flat_map(|block| block.iter()).take(self.len)
    }

    /// The items from `index * BLOCK` on, filled up; `None` if there are none.
    pub fn block(&self, index: usize) -> Option<&[T; BLOCK]> {
        self.blocks.get(index).map(|block| &**block)
    }
}

impl<T: Clone> Index<usize> for PersistentVec<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        assert!(index < self.len, "item {index} of {}", self.len);
        &self.blocks[index / BLOCK][index % BLOCK]
    }
}

impl<T: Clone> IndexMut<usize> for PersistentVec<T> {
    /// Copies the block first if a clone shares it.
    fn index_mut(&mut self, index: usize) -> &mut T {
        assert!(index < self.len, "item {index} of {}", self.len);
        &mut Arc::make_mut(&mut self.blocks[index / BLOCK])[index % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_vector_and_its_clones_hold_still(
            start in proptest::collection::vec(any::<u8>(), 1..70),
            writes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        ) {
            let mut plain = start.clone();
            let mut items = PersistentVec::new(&start, &0);
            let snapshot = items.clone();
            for (at, value) in writes {
                let index = at.index(plain.len());
                plain[index] = value;
                items[index] = value;
            }
            prop_assert_eq!(items.iter().copied().collect::<Vec<_>>(), plain.clone());
            prop_assert_eq!(items, PersistentVec::new(&plain, &0));
            prop_assert_eq!(snapshot.iter().copied().collect::<Vec<_>>(), start);
        }
    }

    #[test]
    fn a_write_copies_its_block_alone() {
        let mut items = PersistentVec::filled(&7, 3 * BLOCK + 1);
        let snapshot = items.clone();
        items[BLOCK] = 8;
        let is_shared: Vec<bool> =
            items.blocks.iter().zip(&snapshot.blocks).map(|(mine, theirs)| Arc::ptr_eq(mine, theirs)).collect();
        assert_eq!(is_shared, [true, false, true, true]);
        assert_eq!((items.len(), items.get(3 * BLOCK), items.get(3 * BLOCK + 1)), (3 * BLOCK + 1, Some(&7), None));
    }

    #[test]
    #[should_panic(expected = "item 3 of 3")]
    fn what_fills_up_the_last_block_can_not_be_written() {
        PersistentVec::filled(&7, 3)[3] = 8;
    }
}
