//! A replica's disk: what was written, what a power cut leaves of it, and what worn cells make of it.

use std::collections::VecDeque;

use super::schedule::{Action, Durability};
use crate::durable::{Image, Write};

/// The disk of one replica. What is written together is on it as a whole or not at all.
pub(super) struct Disk {
    durability: Durability,
    /// What outlives a power cut.
    synced: Image,
    /// The transactions that the operating system may not have synced yet, oldest first; [`Action::MAX_LOST`] and one that
    /// can be torn at most.
    unsynced: VecDeque<Vec<Write>>,
    /// Whether a bit of it has turned over.
    is_rotten: bool,
}

impl Disk {
    pub(super) fn new(durability: Durability) -> Disk {
        Disk { durability, synced: Image::default(), unsynced: VecDeque::new(), is_rotten: false }
    }

    /// Writes a transaction.
    pub(super) fn commit(&mut self, writes: Vec<Write>) {
        self.unsynced.push_back(writes);
        let kept = match self.durability {
            Durability::Sync => 0,
            Durability::Os => usize::from(Action::MAX_LOST) + 1,
        };
        let synced = self.unsynced.len().saturating_sub(kept);
        self.synced.apply(self.unsynced.drain(..synced).flatten());
    }

    /// What a process reads that starts now.
    pub(super) fn image(&self) -> Image {
        let mut image = self.synced.clone();
        image.apply(self.unsynced.iter().flatten().cloned());
        image
    }

    /// The power fails: so many of the transactions written last are gone. Says how many there were to lose.
    pub(super) fn cut_power(&mut self, lost: usize) -> usize {
        let lost = lost.min(self.unsynced.len());
        self.unsynced.truncate(self.unsynced.len() - lost);
        self.synced.apply(self.unsynced.drain(..).flatten());
        lost
    }

    /// A bit turns over: `draw` says which bit of which row. There is none on an empty disk.
    pub(super) fn rot(&mut self, draw: u64) {
        // A second bit could be the first one, turned back.
        if self.is_rotten {
            return;
        }
        let mut image = self.image();
        let rows = image.len() as u64;
        let Some((table, key, value)) =
            rows.checked_sub(1).and_then(|last| image.raw_rows().nth((draw % (last + 1)) as usize))
        else {
            return;
        };
        let old = Write::delete(table, key);
        let (mut key, mut value) = (key.to_vec(), value.to_vec());
        let bit = (draw / rows) as usize % (8 * (key.len() + value.len()));
        let mask = 1 << (bit % 8);
        match (bit / 8).checked_sub(key.len()) {
            None => key[bit / 8] ^= mask,
            Some(byte) => value[byte] ^= mask,
        }
        image.apply([old, Write { table, key, value: Some(value) }]);
        self.synced = image;
        self.unsynced.clear();
        self.is_rotten = true;
    }

    pub(super) fn is_rotten(&self) -> bool {
        self.is_rotten
    }

    /// Nothing is left on it.
    pub(super) fn wipe(&mut self) {
        *self = Disk::new(self.durability);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Table;

    fn disk(durability: Durability) -> Disk {
        let mut disk = Disk::new(durability);
        (0..100_u8).for_each(|number| disk.commit(vec![Write::put(Table::Slots, &[number], &number)]));
        disk
    }

    #[test]
    fn a_power_cut_loses_a_suffix_of_what_was_not_synced() {
        let mut synced = disk(Durability::Sync);
        assert_eq!((synced.cut_power(10), synced.image().len()), (0, 100));
        let mut handed_over = disk(Durability::Os);
        assert_eq!((handed_over.image().len(), handed_over.cut_power(10), handed_over.image().len()), (100, 10, 90));
        let last = handed_over.image().rows::<u8>(Table::Slots).unwrap().pop().map(|(_, number)| number);
        assert_eq!(last, Some(89), "what was written first is kept");
        assert_eq!(handed_over.cut_power(10), 0, "what outlived one power cut outlives the next");
        assert_eq!(disk(Durability::Os).cut_power(1000), 65, "what is older was synced");
    }

    #[test]
    fn a_bit_that_turned_over_is_on_the_disk_until_it_is_wiped() {
        for draw in 0..2000 {
            let mut disk = disk(Durability::Os);
            disk.rot(draw * 7919);
            assert!(disk.is_rotten() && disk.image().rows::<u8>(Table::Slots).is_err(), "{draw}");
            disk.wipe();
            assert!(!disk.is_rotten() && disk.image().is_empty());
        }
        let mut empty = Disk::new(Durability::Os);
        empty.rot(5);
        assert!(!empty.is_rotten(), "there is nothing to rot");
    }
}
