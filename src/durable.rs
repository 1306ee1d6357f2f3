//! What a replica keeps on its disk: rows of a few tables, written before what they are about is said.
//!
//! The core says what is to be written ([`Write`]) and reads it back after a restart ([`Image`]); where it is kept, and how
//! sure that is, is the driver's business: a store on a disk, or memory in a simulation. What is written together is on the
//! disk as a whole or not at all.
//!
//! Every value ends with a checksum over its table, its key and what comes before it, so that a bit that turned over
//! anywhere in a row is found when the row is read, whatever store lies below. It guards against worn disks, not against
//! whoever can write to them: those have the replica's key as well.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use thiserror::Error;

use crate::wire;

/// The tables of a replica's store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Table {
    /// One row: the view that the protocol is in, and the one that it asks for.
    View,
    /// By slot: what the replica said and knows of it.
    Slots,
    /// By digest: which submissions a slot orders.
    Batches,
    /// By digest: submissions that the slots name.
    Bodies,
    /// One row: the certificate of the stable checkpoint.
    Checkpoint,
    /// By index: the leaves of the state as of the stable checkpoint.
    Leaves,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 6] =
        [Table::View, Table::Slots, Table::Batches, Table::Bodies, Table::Checkpoint, Table::Leaves];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Table::View => "view",
            Table::Slots => "slots",
            Table::Batches => "batches",
            Table::Bodies => "bodies",
            Table::Checkpoint => "checkpoint",
            Table::Leaves => "leaves",
        }
    }
}

/// One row is put or deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// In which table.
    pub table: Table,
    /// Which row; numbers are big-endian, so that rows are in order.
    pub key: Vec<u8>,
    /// What it holds from now on; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

impl Write {
    /// A row that holds a value, and its checksum.
    pub fn put(table: Table, key: &[u8], value: &impl Serialize) -> Write {
        let mut value = wire::encode(value);
        value.extend(checksum(table, key, &value));
        Write { table, key: key.to_vec(), value: Some(value) }
    }

    /// No such row any more.
    pub fn delete(table: Table, key: &[u8]) -> Write {
        Write { table, key: key.to_vec(), value: None }
    }
}

/// What a store holds that does not read as what was written.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("the row {key} of table {} is damaged: {why}", table.name())]
pub struct Damaged {
    /// In which table.
    pub table: Table,
    /// Which row, in hexadecimal.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// Everything that a replica's disk holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Image {
    /// Carries writes out, in their order.
    pub fn apply(&mut self, writes: impl IntoIterator<Item = Write>) {
        for Write { table, key, value } in writes {
            let rows = self.tables.entry(table).or_default();
            match value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.tables.values().all(BTreeMap::is_empty)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.tables.values().map(BTreeMap::len).sum()
    }

    /// Every row as it is kept: table, key, and value with its checksum.
    pub fn raw_rows(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        let rows = self.tables.iter();
        rows.flat_map(|(table, rows)| rows.iter().map(|(key, value)| (*table, &key[..], &value[..])))
    }

    /// The rows of a table, by key.
    ///
    /// # Errors
    ///
    /// [`Damaged`] for the first that is not what was written.
    pub fn rows<T: DeserializeOwned + Serialize>(&self, table: Table) -> Result<Vec<(&[u8], T)>, Damaged> {
        let rows = self.tables.get(&table).into_iter().flatten();
        rows.map(|(key, value)| Ok((&key[..], decode(table, key, value)?))).collect()
    }

    /// The only row of a table that has one at most; its key is empty.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if it is not what was written, or not the only one.
    pub fn row<T: DeserializeOwned + Serialize>(&self, table: Table) -> Result<Option<T>, Damaged> {
        let mut rows = self.rows(table)?;
        let row = rows.pop();
        match rows.first() {
            Some((key, _)) => Err(damaged(table, key, "the table has one row at most")),
            None => Ok(row.map(|(_, value)| value)),
        }
    }
}

fn decode<T: DeserializeOwned + Serialize>(table: Table, key: &[u8], value: &[u8]) -> Result<T, Damaged> {
    let (value, sum) = value.split_last_chunk().ok_or_else(|| damaged(table, key, "it is too short"))?;
    if *sum != checksum(table, key, value) {
        return Err(damaged(table, key, "its checksum is another one"));
    }
    wire::decode(value, value.len()).map_err(|why| damaged(table, key, why))
}

/// Of 64 bits, so that one in 2⁶⁴ damages stays unseen; the key of the hash is no secret.
fn checksum(table: Table, key: &[u8], value: &[u8]) -> [u8; 8] {
    let mut hasher = SipHasher13::new();
    for part in [table.name().as_bytes(), key, value] {
        hasher.write_u64(part.len() as u64);
        hasher.write(part);
    }
    hasher.finish().to_le_bytes()
}

/// Says that a row is not what was written.
pub fn damaged(table: Table, key: &[u8], why: impl ToString) -> Damaged {
    Damaged { table, key: key.iter().map(|byte| format!("{byte:02x}")).collect(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let mut image = Image::default();
        let put = |table, key: &[u8], value: u32| Write::put(table, key, &vec![value; 3]);
        image.apply([put(Table::View, &[], 7), put(Table::Slots, &[0, 1], 300), put(Table::Slots, &[0, 3], 300)]);
        image
    }

    fn is_whole(image: &Image) -> bool {
        Table::ALL.iter().all(|table| image.rows::<Vec<u32>>(*table).is_ok())
    }

    #[test]
    fn rule_29_a_bit_that_turned_over_is_found_wherever_it_is() {
        let whole = image();
        assert!(is_whole(&whole));
        for (table, key, value) in whole.raw_rows() {
            for bit in 0..8 * (key.len() + value.len()) {
                let (mut key_now, mut value_now) = (key.to_vec(), value.to_vec());
                let byte = bit / 8;
                let place = key_now.get_mut(byte).unwrap_or_else(|| &mut value_now[byte - key.len()]);
                *place ^= 1 << (bit % 8);
                let mut rotten = whole.clone();
                rotten.apply([Write::delete(table, key), Write { table, key: key_now, value: Some(value_now) }]);
                assert!(!is_whole(&rotten), "bit {bit} of {} {key:?}", table.name());
            }
        }
    }

    #[test]
    fn rule_29_a_row_counts_in_its_table_and_under_its_key_only() {
        let whole = image();
        let slot = whole.raw_rows().find(|(table, ..)| *table == Table::Slots).map(|(_, _, value)| value.to_vec());
        for (table, key) in [(Table::Slots, vec![0, 3]), (Table::Batches, vec![0, 1]), (Table::View, vec![])] {
            let mut image = whole.clone();
            image.apply([Write { table, key, value: slot.clone() }]);
            assert!(!is_whole(&image), "{}", table.name());
        }
    }

    #[test]
    fn what_was_read_from_a_store_row_by_row_is_the_same_image() {
        let whole = image();
        let mut read = Image::default();
        let rows = whole.raw_rows();
        read.apply(rows.map(|(table, key, value)| Write { table, key: key.to_vec(), value: Some(value.to_vec()) }));
        assert_eq!(read, whole);
    }
}
