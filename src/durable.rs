//! What a replica keeps on its disk: rows of a few tables, written before what they are about is said.
//!
//! The core says what is to be written ([`Write`]) and reads it back after a restart ([`Image`]); where it is kept, and how
//! sure that is, is the driver's business: a store on a disk, or memory in a simulation. What is written together is on the
//! disk as a whole or not at all.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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
    /// A row that holds a value.
    pub fn put(table: Table, key: &[u8], value: &impl Serialize) -> Write {
        Write { table, key: key.to_vec(), value: Some(wire::encode(value)) }
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

    /// The rows of a table, by key.
    ///
    /// # Errors
    ///
    /// [`Damaged`] for the first that does not decode.
    pub fn rows<T: DeserializeOwned + Serialize>(&self, table: Table) -> Result<Vec<(&[u8], T)>, Damaged> {
        let rows = self.tables.get(&table).into_iter().flatten();
        rows.map(|(key, value)| Ok((&key[..], decode(table, key, value)?))).collect()
    }

    /// The only row of a table that has one at most.
    ///
    /// # Errors
    ///
    /// [`Damaged`] if it does not decode.
    pub fn row<T: DeserializeOwned + Serialize>(&self, table: Table) -> Result<Option<T>, Damaged> {
        let row = self.tables.get(&table).and_then(BTreeMap::first_key_value);
        row.map(|(key, value)| decode(table, key, value)).transpose()
    }
}

fn decode<T: DeserializeOwned + Serialize>(table: Table, key: &[u8], value: &[u8]) -> Result<T, Damaged> {
    wire::decode(value, value.len()).map_err(|why| damaged(table, key, why))
}

/// Says that a row is not what was written.
pub fn damaged(table: Table, key: &[u8], why: impl ToString) -> Damaged {
    Damaged { table, key: key.iter().map(|byte| format!("{byte:02x}")).collect(), why: why.to_string() }
}
