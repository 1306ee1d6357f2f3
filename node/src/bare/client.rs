//! In the place of the load: keeps a number of submissions under way and counts what was answered by all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::types::ClientId;
use quinn::Connection;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{MAX_BYTES, QUEUE, Traffic, empty_frame};
use crate::transport::dial::{self, Backoff, Dialler};
use crate::transport::endpoint::{self, Streams};
use crate::transport::frame::FrameReader;
use crate::transport::outbox::{self, Outbox};

/// How long processes may take to be there.
const CONNECT: Duration = Duration::from_secs(15);

/// What was carried.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Carried {
    /// Submissions that every process has answered.
    pub submissions: u64,
    /// In which time.
    pub within: Duration,
}

/// Offers `under_way` submissions at once, first for `warmup`, then for `duration`, and counts those of the latter.
///
/// # Errors
///
/// If a process does not answer, or stops doing so.
pub async fn drive(
    directory: Arc<ClusterDirectory>,
    traffic: Traffic,
    under_way: u16,
    warmup: Duration,
    duration: Duration,
) -> anyhow::Result<Carried> {
    let (heard, mut answers) = mpsc::channel(1024);
    // Dropping the set ends the links.
    let mut links = JoinSet::new();
    let mut outboxes: Vec<Outbox> = Vec::new();
    let dialler = Dialler::new()?;
    let identity = directory.identity(Role::Client(ClientId(0)))?;
    let deadline = Instant::now() + CONNECT;
    for replica in directory.config().committee().members() {
        let entry = directory.config().replica(replica).context("a member is in the roster")?;
        let mut backoff = Backoff::new();
        let connection = loop {
            let config = endpoint::client_config(&identity, replica, Streams::OneWay(1))?;
            match dial::dial(&dialler, config, &entry.address).await {
                Ok(connection) => break connection,
                Err(why) if Instant::now() > deadline => bail!("can not reach {replica}: {why}"),
                Err(_) => tokio::time::sleep(backoff.next()).await,
            }
        };
        let (outbox, outlet) = outbox::outbox(QUEUE);
        let stream = connection.open_uni().await?;
        links.spawn(async move {
            if let Err(end) = outlet.pump(stream).await {
                tracing::debug!("lost {replica}: {end}");
            }
        });
        links.spawn(listen(connection, replica.index(), heard.clone()));
        outboxes.push(outbox);
    }
    let submission = empty_frame(traffic.submission_bytes);
    let mut answered = vec![0u64; outboxes.len()];
    let (mut sent, mut begin) = (0u64, None);
    let started = Instant::now();
    let carried = loop {
        let by_all = answered.iter().copied().min().unwrap_or_default();
        let now = Instant::now();
        if begin.is_none() && now >= started + warmup {
            begin = Some((now, by_all));
        }
        if let Some((at, before)) = begin.filter(|(at, _)| now >= *at + duration) {
            break Carried { submissions: by_all - before, within: now - at };
        }
        // Far fewer are under way than a queue holds.
        while sent < by_all + u64::from(under_way) && outboxes.iter().all(|outbox| outbox.offer(submission.clone())) {
            sent += 1;
        }
        let answer = timeout_at(now + CONNECT, answers.recv()).await.context("nothing is answered any more")?;
        let (place, count): (usize, u64) = answer.context("every link has ended")?;
        answered[place] += count;
    };
    dialler.close(b"").await;
    Ok(carried)
}

/// Counts the answers of one process.
async fn listen(connection: Connection, place: usize, heard: mpsc::Sender<(usize, u64)>) {
    let Ok(stream) = connection.accept_uni().await else { return };
    let mut frames = FrameReader::new(stream, MAX_BYTES);
    while let Ok(Some(_)) = frames.next().await {
        if heard.send((place, 1)).await.is_err() {
            return;
        }
    }
}
