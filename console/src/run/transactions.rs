//! What clients submit, and what they are told. Each customer is a client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use byztop_certs::ClusterDirectory;
use byztop_core::app::smallbank::{Account, decode_results, encode_operations};
use byztop_core::scenario::{Answer, Outcome, Set, Transaction};
use byztop_core::types::{ClientId, Digest, Micros, View};
use byztop_node::client::{Addressees, Client, ClientSession};
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

/// The clients of a set: each customer that asks for something is one, with keys and links of its own.
pub(super) struct Clients {
    by_customer: BTreeMap<Account, Client>,
}

impl Clients {
    /// Starts them and begins to link them up. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// If a client's keys can not be used, or the system gives no socket.
    pub(super) fn start(directory: &ClusterDirectory, set: &Set, addressees: Addressees) -> anyhow::Result<Clients> {
        let customers: BTreeMap<Account, ClientId> =
            set.transactions.iter().map(|transaction| (transaction.customer(), transaction.client())).collect();
        let start = |(customer, id)| Ok((customer, Client::start_for(directory, id, addressees)?));
        Ok(Clients { by_customer: customers.into_iter().map(start).collect::<anyhow::Result<_>>()? })
    }

    /// Whether each of them is linked to so many replicas.
    pub(super) fn are_linked(&self, replicas: u64) -> bool {
        self.by_customer.values().all(|client| client.counts().links >= replicas)
    }

    /// Tells them in which view the cluster is.
    pub(super) fn believe(&self, view: View) {
        self.by_customer.values().for_each(|client| client.believe(view));
    }
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
    /// If a client has no session.
    pub(super) fn start(
        clients: &Clients,
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
                sessions.insert(customer, clients.by_customer[&customer].session(0)?);
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
