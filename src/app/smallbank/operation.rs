//! The six operations and their canonical bytes.
//!
//! A submission's operations stand one after the other, without a count: a tag byte, each account as an unsigned
//! LEB128 number, the amount as a zigzag LEB128 number. Numbers are as short as they can be, so that two byte strings
//! never mean the same operations. Four to seven bytes an operation are usual, 21 the most.

use super::Account;
use super::varint::{put_signed, put_unsigned, take_signed, take_unsigned};

/// The most operations in one submission.
pub const MAX_OPERATIONS: usize = 1024;

/// What a customer asks for. Amounts are whole units of money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The sum of both balances.
    Balance {
        /// Whose.
        account: Account,
    },
    /// Pays in to checking.
    DepositChecking {
        /// Whose.
        account: Account,
        /// How much; not negative.
        amount: i64,
    },
    /// Pays in to savings, or out if the amount is negative.
    TransactSavings {
        /// Whose.
        account: Account,
        /// How much.
        amount: i64,
    },
    /// Moves all money of one customer to the checking account of another, or its savings to its own checking.
    Amalgamate {
        /// Whose.
        from: Account,
        /// Who gets it; nobody else, if none is named.
        to: Option<Account>,
    },
    /// Pays out of checking, with a penalty of 1 for an overdraft.
    WriteCheck {
        /// Whose.
        account: Account,
        /// How much; not negative.
        amount: i64,
    },
    /// Moves money between checking accounts.
    SendPayment {
        /// Who pays.
        from: Account,
        /// Who is paid.
        to: Account,
        /// How much; not negative.
        amount: i64,
    },
}

impl Operation {
    /// The names of all operations, in the order in which figures list them.
    pub const NAMES: [&'static str; 6] =
        ["balance", "deposit_checking", "transact_savings", "amalgamate", "write_check", "send_payment"];

    /// The operation's place in [`Operation::NAMES`].
    pub fn index(&self) -> usize {
        match self {
            Operation::Balance { .. } => 0,
            Operation::DepositChecking { .. } => 1,
            Operation::TransactSavings { .. } => 2,
            Operation::Amalgamate { .. } => 3,
            Operation::WriteCheck { .. } => 4,
            Operation::SendPayment { .. } => 5,
        }
    }

    /// Its name, as figures are keyed by it.
    pub fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }

    fn encode_into(&self, bytes: &mut Vec<u8>) {
        let mut put = |tag: Tag, accounts: &[Account], amount: Option<i64>| {
            bytes.push(tag as u8);
            accounts.iter().for_each(|account| put_unsigned(bytes, u64::from(account.0)));
            if let Some(amount) = amount {
                put_signed(bytes, amount);
            }
        };
        match *self {
            Operation::Balance { account } => put(Tag::Balance, &[account], None),
            Operation::DepositChecking { account, amount } => put(Tag::DepositChecking, &[account], Some(amount)),
            Operation::TransactSavings { account, amount } => put(Tag::TransactSavings, &[account], Some(amount)),
            Operation::Amalgamate { from, to: None } => put(Tag::AmalgamateOwn, &[from], None),
            Operation::Amalgamate { from, to: Some(to) } => put(Tag::Amalgamate, &[from, to], None),
            Operation::WriteCheck { account, amount } => put(Tag::WriteCheck, &[account], Some(amount)),
            Operation::SendPayment { from, to, amount } => put(Tag::SendPayment, &[from, to], Some(amount)),
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Operation> {
        let (tag, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(match Tag::from_byte(*tag)? {
            Tag::Balance => Operation::Balance { account: take_account(bytes)? },
            Tag::DepositChecking => {
                Operation::DepositChecking { account: take_account(bytes)?, amount: take_signed(bytes)? }
            }
            Tag::TransactSavings => {
                Operation::TransactSavings { account: take_account(bytes)?, amount: take_signed(bytes)? }
            }
            Tag::AmalgamateOwn => Operation::Amalgamate { from: take_account(bytes)?, to: None },
            Tag::Amalgamate => Operation::Amalgamate { from: take_account(bytes)?, to: Some(take_account(bytes)?) },
            Tag::WriteCheck => Operation::WriteCheck { account: take_account(bytes)?, amount: take_signed(bytes)? },
            Tag::SendPayment => Operation::SendPayment {
                from: take_account(bytes)?,
                to: take_account(bytes)?,
                amount: take_signed(bytes)?,
            },
        })
    }
}

/// The first byte of an encoded operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Tag {
    Balance = 1,
    DepositChecking = 2,
    TransactSavings = 3,
    Amalgamate = 4,
    WriteCheck = 5,
    SendPayment = 6,
    AmalgamateOwn = 7,
}

impl Tag {
    const ALL: [Tag; 7] = [
        Tag::Balance,
        Tag::DepositChecking,
        Tag::TransactSavings,
        Tag::Amalgamate,
        Tag::WriteCheck,
        Tag::SendPayment,
        Tag::AmalgamateOwn,
    ];

    fn from_byte(byte: u8) -> Option<Tag> {
        Self::ALL.into_iter().find(|tag| *tag as u8 == byte)
    }
}

fn take_account(bytes: &mut &[u8]) -> Option<Account> {
    take_unsigned(bytes)?.try_into().ok().map(Account)
}

/// The bytes of a submission. Replicas refuse those of no operation and of more than [`MAX_OPERATIONS`].
pub fn encode_operations(operations: &[Operation]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(operations.len() * 8);
    operations.iter().for_each(|operation| operation.encode_into(&mut bytes));
    bytes
}

/// Reads a submission's operations one by one, without allocating. Ends after the first [`Malformed`].
pub fn decode_operations(bytes: &[u8]) -> Operations<'_> {
    Operations { rest: bytes, read: 0, has_ended: false }
}

/// How many operations the bytes hold; `None` unless all of them are canonical and there are 1 to [`MAX_OPERATIONS`].
pub fn count_operations(bytes: &[u8]) -> Option<usize> {
    decode_operations(bytes).try_fold(0, |count, operation| operation.ok().map(|_| count + 1))
}

/// Bytes that are no operations, or too many of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// The operations of a submission, as they are read.
#[derive(Clone, Debug)]
pub struct Operations<'a> {
    rest: &'a [u8],
    /// At most [`MAX_OPERATIONS`].
    read: usize,
    has_ended: bool,
}

impl Iterator for Operations<'_> {
    type Item = Result<Operation, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended || (self.rest.is_empty() && self.read > 0) {
            return None;
        }
        let operation = if self.read < MAX_OPERATIONS { Operation::take(&mut self.rest) } else { None };
        self.read += 1;
        self.has_ended = operation.is_none();
        Some(operation.ok_or(Malformed))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Operations on accounts below `accounts`, with amounts of every size.
    pub(crate) fn any_operation(accounts: u32) -> impl Strategy<Value = Operation> {
        let account = move || (0..accounts).prop_map(Account);
        let amount = || prop_oneof![8 => -20i64..200, 1 => any::<i64>(), 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
        prop_oneof![
            account().prop_map(|account| Operation::Balance { account }),
            (account(), amount()).prop_map(|(account, amount)| Operation::DepositChecking { account, amount }),
            (account(), amount()).prop_map(|(account, amount)| Operation::TransactSavings { account, amount }),
            (account(), proptest::option::of(account())).prop_map(|(from, to)| Operation::Amalgamate { from, to }),
            (account(), amount()).prop_map(|(account, amount)| Operation::WriteCheck { account, amount }),
            (account(), account(), amount()).prop_map(|(from, to, amount)| Operation::SendPayment { from, to, amount }),
        ]
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Operation>, Malformed> {
        decode_operations(bytes).collect()
    }

    proptest! {
        #[test]
        fn operations_survive_their_encoding(
            operations in proptest::collection::vec(any_operation(u32::MAX), 1..20),
        ) {
            let bytes = encode_operations(&operations);
            prop_assert_eq!(count_operations(&bytes), Some(operations.len()));
            prop_assert_eq!(decode(&bytes), Ok(operations));
        }

        #[test]
        fn what_decodes_encodes_back_to_itself(bytes in proptest::collection::vec(0u8..12, 0..40)) {
            if let Ok(operations) = decode(&bytes) {
                prop_assert_eq!(encode_operations(&operations), bytes);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let is_well_formed = count_operations(&bytes).is_some();
            prop_assert_eq!(decode(&bytes).is_ok(), is_well_formed);
        }
    }

    #[test]
    fn a_submission_has_one_to_1024_operations() {
        let operations = vec![Operation::Balance { account: Account(7) }; MAX_OPERATIONS + 1];
        assert_eq!(count_operations(&encode_operations(&operations[1..])), Some(MAX_OPERATIONS));
        assert_eq!(count_operations(&encode_operations(&operations)), None);
        assert_eq!(count_operations(&[]), None);
    }

    #[test]
    fn the_longest_submission_fits_the_wire() {
        let longest = Operation::SendPayment { from: Account(u32::MAX), to: Account(u32::MAX), amount: i64::MIN };
        let bytes = encode_operations(&vec![longest; MAX_OPERATIONS]);
        assert_eq!(bytes.len(), 21 * MAX_OPERATIONS);
        assert!(bytes.len() < crate::wire::MAX_SUBMISSION_BYTES);
    }

    #[test]
    fn only_the_shortest_spelling_is_canonical() {
        assert_eq!(decode(&[1, 5]), Ok(vec![Operation::Balance { account: Account(5) }]));
        for bad in [&[1, 0x85, 0x00][..], &[1], &[0, 5], &[8, 5], &[1, 0x80], &[1, 0xff, 0xff, 0xff, 0xff, 0x1f]] {
            assert_eq!(decode(bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn reading_ends_after_what_is_malformed() {
        assert_eq!(decode_operations(&[1, 5, 99, 1, 5]).count(), 2);
    }

    #[test]
    fn names_follow_the_order_of_the_table() {
        let operations = [&[1u8, 1][..], &[2, 1, 1], &[3, 1, 1], &[4, 1, 1], &[5, 1, 1], &[6, 1, 1, 1]];
        for (index, bytes) in operations.into_iter().enumerate() {
            let operation = decode(bytes).expect("one operation")[0];
            assert_eq!((operation.index(), operation.name()), (index, Operation::NAMES[index]));
        }
    }
}
