//! What clients submit, and what they are told. Each customer is a client with a session of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use byztop_core::app::smallbank::{Account, decode_results, encode_operations};
use byztop_core::scenario::{Answer, Outcome, Set, Transaction};
use byztop_core::types::{Digest, Micros};
use byztop_node::client::{Client, ClientSession};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::bank;
use crate::cli::TransactionOrder;

/// What happens to a transaction of a set.
pub(super) enum Fate {
    /// A client has begun to submit it.
    Submitted,
    /// The client was told something or has waited long enough; and the digest by which batches name it.
    Answered(Answer, Option<Digest>),
}

/// The transactions of a set on their way. Dropping it gives up what is not answered.
pub(super) struct Submitter {
    /// The place of a transaction, and what happened to it.
    fates: mpsc::Receiver<(usize, Fate)>,
    /// Dropping the set ends the loops.
    _loops: JoinSet<()>,
}

impl Submitter {
    /// Begins to submit. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// If the client has no session for a customer.
    pub(super) fn start(
        client: &Client,
        set: &Set,
        order: TransactionOrder,
        patience: Duration,
    ) -> anyhow::Result<Submitter> {
        let transactions: Arc<[Transaction]> = set.transactions.clone().into();
        let (sender, fates) = mpsc::channel(transactions.len().max(1));
        let mut loops = JoinSet::new();
        for places in closed_loops(&transactions, order) {
            let mut sessions = BTreeMap::new();
            for place in &places {
                let customer = transactions[*place].customer();
                sessions.insert(customer, client.session(u16::try_from(customer.0)?)?);
            }
            let (transactions, sender) = (transactions.clone(), sender.clone());
            loops.spawn(one_by_one(transactions, places, sessions, patience, sender));
        }
        Ok(Submitter { fates, _loops: loops })
    }

    /// What happens next, and to the transaction at which place; `None` once each is answered.
    pub(super) async fn next(&mut self) -> Option<(usize, Fate)> {
        self.fates.recv().await
    }
}

/// The places of the transactions that wait for each other, for each loop of them.
fn closed_loops(transactions: &[Transaction], order: TransactionOrder) -> Vec<Vec<usize>> {
    match order {
        TransactionOrder::File => vec![(0..transactions.len()).collect()],
        TransactionOrder::Clients => {
            let mut by_customer: BTreeMap<Account, Vec<usize>> = BTreeMap::new();
            for (place, transaction) in transactions.iter().enumerate() {
                by_customer.entry(transaction.customer()).or_default().push(place);
            }
            by_customer.into_values().collect()
        }
    }
}

async fn one_by_one(
    transactions: Arc<[Transaction]>,
    places: Vec<usize>,
    mut sessions: BTreeMap<Account, ClientSession>,
    patience: Duration,
    fates: mpsc::Sender<(usize, Fate)>,
) {
    for place in places {
        let transaction = transactions[place];
        let session = sessions.get_mut(&transaction.customer()).expect("each customer of the loop has a session");
        if fates.send((place, Fate::Submitted)).await.is_err() {
            return;
        }
        let began = Instant::now();
        let outcome = timeout(patience, submit(session, transaction)).await.unwrap_or(Outcome::Timeout);
        let latency = Micros(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        let answered = Fate::Answered(Answer { outcome, latency }, session.last_digest());
        if fates.send((place, answered)).await.is_err() {
            return;
        }
    }
}

async fn submit(session: &mut ClientSession, transaction: Transaction) -> Outcome {
    let operation = transaction.operation();
    match session.submit(encode_operations(&[operation])).await {
        Ok(bytes) => match decode_results(&bytes).as_deref() {
            Some([result]) => bank::outcome(operation, *result),
            // f+1 replicas agree on it, so it is a result, though none of this bank.
            _ => Outcome::Failed(format!("{} bytes that are no result", bytes.len())),
        },
        Err(error) => {
            tracing::warn!("{transaction}: {error}");
            Outcome::Timeout
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_wait_for_all_or_for_themselves() {
        let transactions: Vec<Transaction> =
            ["(A, B, 1)", "(C)", "(A)", "(C, A, 2)"].iter().map(|text| text.parse().expect("it reads")).collect();
        assert_eq!(closed_loops(&transactions, TransactionOrder::File), [vec![0, 1, 2, 3]]);
        assert_eq!(closed_loops(&transactions, TransactionOrder::Clients), [vec![0, 2], vec![1, 3]]);
    }
}
