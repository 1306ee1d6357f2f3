//! In the place of a replica: answers, and sends the others what a replica would.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use byztop_certs::{ClusterConfig, ClusterDirectory, Door, Identity, Role};
use byztop_core::types::ReplicaId;
use quinn::{Connection, Endpoint, Incoming};
use tokio::task::JoinSet;

use super::{MAX_BYTES, QUEUE, Traffic, empty_frame};
use crate::transport::close;
use crate::transport::dial::{self, Backoff, DialError, Dialler};
use crate::transport::endpoint::{self, Streams};
use crate::transport::frame::FrameReader;
use crate::transport::link::LinkEnd;
use crate::transport::outbox::{self, Outbox};

/// How long a queue that is full, or a peer that is not there yet, is waited for.
const PAUSE: Duration = Duration::from_millis(1);

/// Serves at the address of a cluster directory's replica until `until`.
///
/// # Errors
///
/// If the directory or the address can not be used.
pub async fn run_bare(home: &Path, traffic: Traffic, until: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (directory, me) = ClusterDirectory::of_home(home)?;
    let identity = Arc::new(directory.identity(Role::Replica(me))?);
    let endpoint = endpoint::listen(&directory, &identity, me, Door::Protocol).await?;
    let config = directory.config().clone();
    let dialler = Dialler::at(endpoint.clone())?;
    let peers = Mutex::new(config.replicas.iter().map(|_| None).collect());
    let bare = Arc::new(Bare { me, config, identity, endpoint: endpoint.clone(), dialler, traffic, peers });
    tokio::select! {
        () = bare.run() => {}
        () = until => {}
    }
    endpoint.close(close::STOPPING, b"");
    Ok(())
}

struct Bare {
    me: ReplicaId,
    config: Arc<ClusterConfig>,
    identity: Arc<Identity>,
    endpoint: Endpoint,
    dialler: Dialler,
    traffic: Traffic,
    /// What goes to each of the others, once it is linked. Held for an offer only.
    peers: Mutex<Vec<Option<Outbox>>>,
}

impl Bare {
    /// As between replicas, the one with the smaller id dials.
    async fn run(self: Arc<Self>) {
        // Dropping the set ends every connection's task.
        let mut tasks = JoinSet::new();
        for peer in self.config.committee().members().filter(|peer| *peer > self.me) {
            tasks.spawn(self.clone().keep_dialling(peer));
        }
        while let Some(incoming) = self.endpoint.accept().await {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(self.clone().welcome(incoming));
        }
    }

    async fn keep_dialling(self: Arc<Self>, peer: ReplicaId) {
        let mut backoff = Backoff::new();
        let Some(entry) = self.config.replica(peer) else { return };
        loop {
            let Ok(config) = endpoint::client_config(&self.identity, peer, Streams::OneWay(3)) else { return };
            match dial::dial(&self.dialler, config, &entry.address).await {
                Ok(connection) => self.report(peer, self.link(&connection, peer).await),
                Err(DialError::Stopping) => return,
                Err(DialError::Failed(reason)) => tracing::debug!("{} can not reach {peer}: {reason}", self.me),
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn welcome(self: Arc<Self>, incoming: Incoming) {
        let Ok(connection) = incoming.await else { return };
        match endpoint::role_of(&connection, &self.config) {
            Ok(Role::Replica(peer)) => self.report(peer, self.link(&connection, peer).await),
            Ok(Role::Client(_)) => self.report("the client", self.serve(&connection).await),
            Ok(_) | Err(_) => connection.close(close::WRONG_SIDE, b"replicas and clients only"),
        }
    }

    fn report(&self, whom: impl std::fmt::Display, end: Result<(), LinkEnd>) {
        if let Err(end) = end {
            tracing::debug!("{} lost {whom}: {end}", self.me);
        }
    }

    /// Sends what is offered, and takes in what comes.
    async fn link(&self, connection: &Connection, peer: ReplicaId) -> Result<(), LinkEnd> {
        let (outbox, outlet) = outbox::outbox(QUEUE);
        let stream = connection.open_uni().await?;
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)[peer.index()] = Some(outbox);
        let read = async {
            let mut frames = FrameReader::new(connection.accept_uni().await?, MAX_BYTES);
            while frames.next().await?.is_some() {}
            Ok(())
        };
        tokio::select! {
            ended = outlet.pump(stream) => Ok(ended?),
            ended = read => ended,
        }
    }

    /// Answers each submission, and tells the others.
    async fn serve(&self, connection: &Connection) -> Result<(), LinkEnd> {
        let (outbox, outlet) = outbox::outbox(QUEUE);
        let stream = connection.open_uni().await?;
        let answer = async {
            let mut frames = FrameReader::new(connection.accept_uni().await?, MAX_BYTES);
            let (reply, message) = (empty_frame(self.traffic.reply_bytes), empty_frame(self.traffic.message_bytes));
            let mut others = self.config.committee().members().filter(|peer| *peer != self.me).collect::<Vec<_>>();
            let mut owed = 0.0;
            while frames.next().await?.is_some() {
                owed += if others.is_empty() { 0.0 } else { self.traffic.messages };
                while owed >= 1.0 {
                    owed -= 1.0;
                    self.tell(others[0], &message).await;
                    others.rotate_left(1);
                }
                while !outbox.offer(reply.clone()) {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Ok(())
        };
        tokio::select! {
            ended = outlet.pump(stream) => Ok(ended?),
            ended = answer => ended,
        }
    }

    /// Waits for room: here nothing may be lost, or less would be carried than is counted.
    async fn tell(&self, peer: ReplicaId, message: &Bytes) {
        let offer = || {
            let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
            peers[peer.index()].as_ref().is_some_and(|outbox| outbox.offer(message.clone()))
        };
        while !offer() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
