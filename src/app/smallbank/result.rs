//! What came of each operation, and its canonical bytes: what clients compare and replicas cache.

use std::fmt;

use super::operation::MAX_OPERATIONS;
use super::varint::{put_signed, take_signed};

/// What came of one operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationResult {
    /// It was done: the sum of both balances for a balance, 0 for all others.
    Ok(i64),
    /// It was refused and changed nothing.
    Rejected(RejectReason),
}

/// Why an operation was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RejectReason {
    /// The bank has no such customer.
    UnknownAccount = 1,
    /// The amount must not be negative.
    NegativeAmount = 2,
    /// The account does not hold so much.
    InsufficientFunds = 3,
    /// A balance, or the sum of two, would leave the range of 64 bits.
    Overflow = 4,
    /// The submission's bytes are no operations; none was executed, and this is its only result.
    Malformed = 5,
}

impl RejectReason {
    const ALL: [RejectReason; 5] = [
        RejectReason::UnknownAccount,
        RejectReason::NegativeAmount,
        RejectReason::InsufficientFunds,
        RejectReason::Overflow,
        RejectReason::Malformed,
    ];
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RejectReason::UnknownAccount => "unknown account",
            RejectReason::NegativeAmount => "negative amount",
            RejectReason::InsufficientFunds => "insufficient funds",
            RejectReason::Overflow => "overflow",
            RejectReason::Malformed => "malformed",
        })
    }
}

/// The tag of a result that holds a number; reasons have the tags above it.
const OK: u8 = 0;

impl OperationResult {
    /// Whether the operation was done.
    pub fn is_ok(self) -> bool {
        matches!(self, OperationResult::Ok(_))
    }

    /// Appends the result: 2 bytes for most, 11 at most.
    pub fn encode_into(self, bytes: &mut Vec<u8>) {
        match self {
            OperationResult::Ok(number) => {
                bytes.push(OK);
                put_signed(bytes, number);
            }
            OperationResult::Rejected(reason) => bytes.push(reason as u8),
        }
    }

    /// The result's bytes, by themselves.
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    fn take(bytes: &mut &[u8]) -> Option<OperationResult> {
        let (tag, rest) = bytes.split_first()?;
        *bytes = rest;
        if *tag == OK {
            return take_signed(bytes).map(OperationResult::Ok);
        }
        RejectReason::ALL.into_iter().find(|reason| *reason as u8 == *tag).map(OperationResult::Rejected)
    }
}

/// The results of a submission, one for each operation, in order; a single [`RejectReason::Malformed`] if it was none.
/// `None` if the bytes are no results, or more than [`MAX_OPERATIONS`].
pub fn decode_results(mut bytes: &[u8]) -> Option<Vec<OperationResult>> {
    let mut results = Vec::new();
    while !bytes.is_empty() {
        if results.len() == MAX_OPERATIONS {
            return None;
        }
        results.push(OperationResult::take(&mut bytes)?);
    }
    Some(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_decodes_encodes_back_to_itself(bytes in proptest::collection::vec(0u8..9, 0..60)) {
            if let Some(results) = decode_results(&bytes) {
                prop_assert_eq!(results.into_iter().flat_map(OperationResult::encode).collect::<Vec<u8>>(), bytes);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_results(&bytes);
        }
    }

    #[test]
    fn results_survive_their_encoding() {
        let mut results: Vec<OperationResult> = [0, 1, -1, i64::MAX, i64::MIN].map(OperationResult::Ok).to_vec();
        results.extend(RejectReason::ALL.map(OperationResult::Rejected));
        let bytes: Vec<u8> = results.iter().flat_map(|result| result.encode()).collect();
        assert_eq!(decode_results(&bytes), Some(results));
    }

    #[test]
    fn garbage_and_too_many_are_refused() {
        assert_eq!(decode_results(&[6]), None);
        assert_eq!(decode_results(&[OK]), None);
        assert_eq!(decode_results(&[3; MAX_OPERATIONS]).map(|results| results.len()), Some(MAX_OPERATIONS));
        assert_eq!(decode_results(&[3; MAX_OPERATIONS + 1]), None);
    }
}
