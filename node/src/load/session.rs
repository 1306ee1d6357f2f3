//! One session of a load: submits what it is given and says what came of it.

use byztop_core::app::smallbank::{Operation, OperationResult, decode_results, encode_operations};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::client::ClientSession;

/// What a session is to submit.
pub(super) struct Job {
    /// When it was meant to leave.
    pub(super) intended: Instant,
    /// What it asks for.
    pub(super) operations: Vec<Operation>,
}

/// What came of it.
pub(super) struct Done {
    /// Which session is idle again.
    pub(super) session: usize,
    /// What it was given.
    pub(super) job: Job,
    /// One result per operation; `None` if it was given up.
    pub(super) results: Option<Vec<OperationResult>>,
    /// When it was answered.
    pub(super) at: Instant,
}

/// Serves jobs, one at a time, until there are no more.
pub(super) async fn run(
    session: usize,
    mut client: ClientSession,
    mut jobs: mpsc::Receiver<Job>,
    done: mpsc::Sender<Done>,
) {
    while let Some(job) = jobs.recv().await {
        let results = match client.submit(encode_operations(&job.operations)).await {
            Ok(bytes) => decode_results(&bytes).filter(|results| results.len() == job.operations.len()),
            Err(error) => {
                tracing::debug!("session {session}: {error}");
                None
            }
        };
        if done.send(Done { session, job, results, at: Instant::now() }).await.is_err() {
            return;
        }
    }
}
