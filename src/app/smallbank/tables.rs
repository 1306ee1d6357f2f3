//! The tables customers, savings and checking, cut into leaves of 32 customers that are shared until written.

use std::sync::Arc;

use super::Account;
use crate::app::persistent::PersistentVec;

/// How many customers a leaf holds; the last one may hold fewer.
pub const ACCOUNTS_PER_LEAF: usize = 32;

/// Bytes of one customer in a leaf: its number (4), savings (8) and checking (8), little endian.
const ROW_BYTES: usize = 20;

/// What a customer owns. Savings are never negative unless they began so; checking may be overdrawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Balances {
    pub(super) savings: i64,
    pub(super) checking: i64,
}

/// The rows of consecutive customers. A leaf does not know its place, so that those of a new bank can be one.
#[derive(Clone, Copy)]
struct Leaf {
    savings: [i64; ACCOUNTS_PER_LEAF],
    checking: [i64; ACCOUNTS_PER_LEAF],
}

impl Leaf {
    fn of(balances: Balances) -> Leaf {
        Leaf { savings: [balances.savings; ACCOUNTS_PER_LEAF], checking: [balances.checking; ACCOUNTS_PER_LEAF] }
    }

    fn get(&self, row: usize) -> Balances {
        Balances { savings: self.savings[row], checking: self.checking[row] }
    }

    fn put(&mut self, row: usize, balances: Balances) {
        self.savings[row] = balances.savings;
        self.checking[row] = balances.checking;
    }
}

/// All rows. A clone shares every leaf until one of the two writes to it.
#[derive(Clone)]
pub(super) struct Tables {
    /// How many customers there are; they are 0, 1, 2, ….
    accounts: u32,
    leaves: PersistentVec<Arc<Leaf>>,
    /// One bit per leaf: written since the last [`Tables::take_dirty`].
    dirty: Vec<u64>,
}

impl Tables {
    /// A table in which every customer owns the same. None of it counts as written.
    pub(super) fn new(accounts: u32, balances: Balances) -> Tables {
        let leaves = (accounts as usize).div_ceil(ACCOUNTS_PER_LEAF);
        let alike = Arc::new(Leaf::of(balances));
        Tables {
            accounts,
            leaves: PersistentVec::filled(&alike, leaves),
            dirty: vec![0; leaves.div_ceil(u64::BITS as usize)],
        }
    }

    pub(super) fn accounts(&self) -> u32 {
        self.accounts
    }

    pub(super) fn leaf_count(&self) -> usize {
        self.leaves.len()
    }

    /// What a customer owns; `None` if there is no such customer.
    pub(super) fn get(&self, account: Account) -> Option<Balances> {
        let (leaf, row) = self.place(account)?;
        Some(self.leaves[leaf].get(row))
    }

    /// Sets what a customer owns.
    ///
    /// # Panics
    ///
    /// If there is no such customer.
    pub(super) fn put(&mut self, account: Account, balances: Balances) {
        let (leaf, row) = self.place(account).expect("only customers that were read are written");
        Arc::make_mut(&mut self.leaves[leaf]).put(row, balances);
        self.mark_dirty(leaf);
    }

    /// The sum of all that customers own.
    pub(super) fn total(&self) -> i128 {
        (0..self.leaf_count()).map(|index| self.leaf_total(index)).sum()
    }

    /// The sums of all checking and of all savings.
    pub(super) fn totals(&self) -> (i128, i128) {
        let rows =
            (0..self.leaf_count()).flat_map(|index| self.rows(index).map(move |row| self.leaves[index].get(row)));
        rows.fold((0, 0), |(checking, savings), owned| {
            (checking + i128::from(owned.checking), savings + i128::from(owned.savings))
        })
    }

    /// The sum of all that the customers of a leaf own.
    pub(super) fn leaf_total(&self, index: usize) -> i128 {
        self.rows(index).map(|row| total_of(self.leaves[index].get(row))).sum()
    }

    /// The leaf's bytes: for each customer its number, savings and checking.
    pub(super) fn encode_leaf(&self, index: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ACCOUNTS_PER_LEAF * ROW_BYTES);
        for row in self.rows(index) {
            let balances = self.leaves[index].get(row);
            bytes.extend(customer_at(index, row).to_le_bytes());
            bytes.extend(balances.savings.to_le_bytes());
            bytes.extend(balances.checking.to_le_bytes());
        }
        bytes
    }

    /// Replaces a leaf by bytes of [`Tables::encode_leaf`] of the same customers; false, and nothing changed, if they
    /// are none. Only one byte string stands for given balances: every field has a fixed length and place.
    pub(super) fn install_leaf(&mut self, index: usize, bytes: &[u8]) -> bool {
        if index >= self.leaf_count() || bytes.len() != self.rows(index).len() * ROW_BYTES {
            return false;
        }
        let mut leaf = *self.leaves[index];
        for (row, fields) in bytes.chunks_exact(ROW_BYTES).enumerate() {
            let (customer, balances) = fields.split_at(4);
            if *customer != customer_at(index, row).to_le_bytes() {
                return false;
            }
            let (savings, checking) = balances.split_at(8);
            leaf.put(row, Balances { savings: read_i64(savings), checking: read_i64(checking) });
        }
        self.leaves[index] = Arc::new(leaf);
        self.mark_dirty(index);
        true
    }

    /// The leaves written since the last call, ascending.
    pub(super) fn take_dirty(&mut self) -> Vec<usize> {
        let mut written = Vec::new();
        for (word, bits) in self.dirty.iter_mut().enumerate() {
            let mut rest = std::mem::take(bits);
            while rest != 0 {
                written.push(word * u64::BITS as usize + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
        written
    }

    fn place(&self, account: Account) -> Option<(usize, usize)> {
        let index = account.0 as usize;
        (account.0 < self.accounts).then_some((index / ACCOUNTS_PER_LEAF, index % ACCOUNTS_PER_LEAF))
    }

    fn mark_dirty(&mut self, leaf: usize) {
        self.dirty[leaf / u64::BITS as usize] |= 1 << (leaf % u64::BITS as usize);
    }

    /// The rows of a leaf that have a customer.
    fn rows(&self, index: usize) -> std::ops::Range<usize> {
        0..(self.accounts as usize - index * ACCOUNTS_PER_LEAF).min(ACCOUNTS_PER_LEAF)
    }
}

fn customer_at(leaf: usize, row: usize) -> u32 {
    (leaf * ACCOUNTS_PER_LEAF + row) as u32
}

fn total_of(balances: Balances) -> i128 {
    i128::from(balances.savings) + i128::from(balances.checking)
}

fn read_i64(bytes: &[u8]) -> i64 {
    i64::from_le_bytes(bytes.try_into().expect("fields have eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Balances = Balances { savings: 1, checking: 10 };

    #[test]
    fn a_clone_shares_what_neither_has_written() {
        let mut tables = Tables::new(100, NEW);
        let snapshot = tables.clone();
        tables.put(Account(40), Balances { savings: 5, checking: -3 });
        assert_eq!(snapshot.get(Account(40)), Some(NEW));
        let is_shared: Vec<bool> =
            (0..4).map(|index| Arc::ptr_eq(&tables.leaves[index], &snapshot.leaves[index])).collect();
        assert_eq!(is_shared, [true, false, true, true]);
    }

    #[test]
    fn written_leaves_are_named_once_and_in_order() {
        let mut tables = Tables::new(32 * 200, NEW);
        assert!(tables.take_dirty().is_empty());
        for account in [32 * 199 + 31, 0, 32 * 64, 31, 32 * 63] {
            tables.put(Account(account), NEW);
        }
        assert_eq!(tables.take_dirty(), [0, 63, 64, 199]);
        assert!(tables.take_dirty().is_empty());
    }

    #[test]
    fn a_short_last_leaf_holds_its_customers_only() {
        let tables = Tables::new(33, NEW);
        assert_eq!(tables.leaf_count(), 2);
        assert_eq!(tables.encode_leaf(0).len(), 32 * ROW_BYTES);
        assert_eq!(
            tables.encode_leaf(1),
            [&32u32.to_le_bytes()[..], &1i64.to_le_bytes(), &10i64.to_le_bytes()].concat()
        );
        assert_eq!(tables.get(Account(33)), None);
        assert_eq!(tables.total(), 33 * 11);
    }

    #[test]
    fn a_leaf_travels_and_counts_as_written() {
        let mut source = Tables::new(70, NEW);
        source.put(Account(65), Balances { savings: i64::MAX, checking: i64::MIN });
        let mut target = Tables::new(70, NEW);
        assert!(target.install_leaf(2, &source.encode_leaf(2)));
        assert_eq!(target.encode_leaf(2), source.encode_leaf(2));
        assert_eq!(target.take_dirty(), [2]);
    }

    #[test]
    fn what_is_no_such_leaf_is_refused_and_changes_nothing() {
        let source = Tables::new(70, Balances { savings: 7, checking: 7 });
        let mut target = Tables::new(70, NEW);
        let (first, last) = (source.encode_leaf(0), source.encode_leaf(2));
        let mut misnamed = first.clone();
        misnamed[31 * ROW_BYTES] ^= 1;
        let longer = [first.as_slice(), &[0]].concat();
        let attempts: [(usize, &[u8]); 8] = [
            (0, &misnamed),
            (0, &longer),
            (0, &first[1..]),
            (0, &[]),
            (1, &first),
            (2, &first),
            (0, &last),
            (3, &last),
        ];
        for (index, bytes) in attempts {
            assert!(!target.install_leaf(index, bytes), "leaf {index}, {} bytes", bytes.len());
        }
        assert!(target.take_dirty().is_empty());
        assert_eq!(target.total(), 70 * 11);
    }
}
