//! What honest replicas have executed, and what that must have given: an account of its own, naive on purpose.

use std::collections::BTreeMap;

use crate::app::smallbank::{Operation, OperationResult, RejectReason, decode_operations};
use crate::protocol::{Batch, Settings};
use crate::replica::{ExecutedSlot, Submission};
use crate::types::{Digest, SeqNum, Session, Timestamp};

/// Where a submission ran: slot, and place in it.
pub(super) type Position = (SeqNum, usize);

/// One slot as the first honest replica executed it.
pub(super) struct Slot {
    pub(super) batch: Batch,
    /// What must run of it, going by sessions and timestamps alone.
    pub(super) runs: Vec<Digest>,
    /// All the money there must be after it.
    pub(super) total: i128,
}

/// What a submission gave when it ran.
pub(super) struct Outcome {
    pub(super) submission: Digest,
    pub(super) result: Vec<u8>,
    pub(super) position: Position,
}

/// The one history that all honest replicas share.
pub(in crate::sim) struct History {
    signed: BTreeMap<Digest, Submission>,
    slots: Vec<Slot>,
    newest: BTreeMap<Session, Timestamp>,
    outcomes: BTreeMap<(Session, Timestamp), Outcome>,
    bank: NaiveBank,
}

impl History {
    pub(super) fn new(settings: &Settings) -> History {
        let bank = NaiveBank::new(settings);
        History { signed: BTreeMap::new(), slots: Vec::new(), newest: BTreeMap::new(), outcomes: BTreeMap::new(), bank }
    }

    pub(super) fn on_signed(&mut self, digest: Digest, submission: &Submission) {
        self.signed.entry(digest).or_insert_with(|| submission.clone());
    }

    /// Whether a client signed the submission of this digest.
    pub(super) fn is_signed(&self, digest: &Digest) -> bool {
        self.signed.contains_key(digest)
    }

    /// The last slot that it holds.
    pub(super) fn executed(&self) -> SeqNum {
        SeqNum(self.slots.len() as u64)
    }

    pub(super) fn slot(&self, seq: SeqNum) -> Option<&Slot> {
        self.slots.get(usize::try_from(seq.0.checked_sub(1)?).ok()?)
    }

    pub(super) fn outcome(&self, session: Session, timestamp: Timestamp) -> Option<&Outcome> {
        self.outcomes.get(&(session, timestamp))
    }

    /// An honest replica executed a slot. The first to do so makes history.
    ///
    /// # Errors
    ///
    /// If nobody honest has executed the slot before it.
    pub(super) fn record(&mut self, executed: &ExecutedSlot) -> Result<(), String> {
        let next = SeqNum(self.slots.len() as u64 + 1);
        if executed.seq > next {
            return Err(format!("slot {} was executed, and nobody has executed slot {next}", executed.seq));
        }
        if executed.seq < next {
            return Ok(());
        }
        let mut runs = Vec::new();
        for digest in &executed.batch.submissions {
            let Some(Submission { session, timestamp, operations }) = self.signed.get(digest) else { continue };
            if self.newest.get(session).is_some_and(|newest| newest >= timestamp) {
                continue;
            }
            self.newest.insert(*session, *timestamp);
            let result = self.bank.run(operations);
            let position = (executed.seq, runs.len());
            self.outcomes.insert((*session, *timestamp), Outcome { submission: *digest, result, position });
            runs.push(*digest);
        }
        self.slots.push(Slot { batch: executed.batch.clone(), runs, total: self.bank.total() });
        Ok(())
    }
}

/// SmallBank without leaves, snapshots or checked arithmetic: two numbers per customer, wide enough for any sum.
struct NaiveBank {
    /// (checking, savings).
    balances: Vec<(i128, i128)>,
}

/// What fits a balance.
const RANGE: std::ops::RangeInclusive<i128> = i64::MIN as i128..=i64::MAX as i128;

impl NaiveBank {
    fn new(settings: &Settings) -> NaiveBank {
        let each = (i128::from(settings.initial_checking), i128::from(settings.initial_savings));
        NaiveBank { balances: vec![each; settings.accounts as usize] }
    }

    fn total(&self) -> i128 {
        self.balances.iter().map(|(checking, savings)| checking + savings).sum()
    }

    fn run(&mut self, operations: &[u8]) -> Vec<u8> {
        let results = decode_operations(operations).flatten().map(|operation| match self.apply(operation) {
            Ok(number) => OperationResult::Ok(number),
            Err(reason) => OperationResult::Rejected(reason),
        });
        results.flat_map(OperationResult::encode).collect()
    }

    fn apply(&mut self, operation: Operation) -> Result<i64, RejectReason> {
        match operation {
            Operation::Balance { account } => {
                let (checking, savings) = self.get(account.0)?;
                i64::try_from(checking + savings).map_err(|_| RejectReason::Overflow)
            }
            Operation::DepositChecking { account, amount } => {
                let (checking, savings) = self.get(account.0)?;
                self.put(account.0, (checking + not_negative(amount)?, savings))
            }
            Operation::TransactSavings { account, amount } => {
                let (checking, savings) = self.get(account.0)?;
                let savings = savings + i128::from(amount);
                if savings < 0 {
                    return Err(RejectReason::InsufficientFunds);
                }
                self.put(account.0, (checking, savings))
            }
            Operation::Amalgamate { from, to } => {
                let to = to.unwrap_or(from);
                let (checking, savings) = self.get(from.0)?;
                let (receiver, kept) = if from == to { (0, 0) } else { self.get(to.0)? };
                let moved = (receiver + checking + savings, kept);
                if !RANGE.contains(&moved.0) {
                    return Err(RejectReason::Overflow);
                }
                self.balances[from.0 as usize] = (0, 0);
                self.put(to.0, moved)
            }
            Operation::WriteCheck { account, amount } => {
                let (checking, savings) = self.get(account.0)?;
                let amount = not_negative(amount)?;
                let penalty = i128::from(checking + savings < amount);
                self.put(account.0, (checking - amount - penalty, savings))
            }
            Operation::SendPayment { from, to, amount } => {
                let ((payer, kept), (payee, saved)) = (self.get(from.0)?, self.get(to.0)?);
                let amount = not_negative(amount)?;
                if payer < amount {
                    return Err(RejectReason::InsufficientFunds);
                }
                if from == to {
                    return Ok(0);
                }
                self.put(to.0, (payee + amount, saved))?;
                self.put(from.0, (payer - amount, kept))
            }
        }
    }

    fn get(&self, account: u32) -> Result<(i128, i128), RejectReason> {
        self.balances.get(account as usize).copied().ok_or(RejectReason::UnknownAccount)
    }

    fn put(&mut self, account: u32, (checking, savings): (i128, i128)) -> Result<i64, RejectReason> {
        if !RANGE.contains(&checking) || !RANGE.contains(&savings) {
            return Err(RejectReason::Overflow);
        }
        self.balances[account as usize] = (checking, savings);
        Ok(0)
    }
}

fn not_negative(amount: i64) -> Result<i128, RejectReason> {
    if amount < 0 { Err(RejectReason::NegativeAmount) } else { Ok(i128::from(amount)) }
}
