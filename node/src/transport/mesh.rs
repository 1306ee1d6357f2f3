//! Who dials whom, and who comes in: the links of one replica, made and made again.

use std::sync::Arc;

use byztop_certs::{ClusterConfig, Identity, Role};
use byztop_core::protocol::Message;
use byztop_core::types::ReplicaId;
use quinn::{Connection, Endpoint, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::dial::{self, Backoff, DialError};
use super::endpoint::{self, Streams};
use super::link::{self, Shared};
use super::{client_door, close};

/// How many handshakes may be under way at the protocol door. When half of them are, whoever comes must first prove that
/// it receives at the address that it writes from, so that forged addresses keep nobody out.
const MAX_HANDSHAKES: usize = 128;

/// How many connections of clients are served. Those of replicas have no limit but their number: each newer one of a
/// replica ends the one before.
const MAX_CLIENTS: usize = 128;

/// The mesh of one replica.
pub(crate) struct Mesh<M> {
    /// Which replica.
    pub(crate) me: ReplicaId,
    /// The roster.
    pub(crate) config: Arc<ClusterConfig>,
    /// Who this replica is to others.
    pub(crate) identity: Arc<Identity>,
    /// Its protocol door.
    pub(crate) endpoint: Endpoint,
    /// What its links share.
    pub(crate) shared: Shared<M>,
}

impl<M> Clone for Mesh<M> {
    fn clone(&self) -> Self {
        Mesh {
            me: self.me,
            config: self.config.clone(),
            identity: self.identity.clone(),
            endpoint: self.endpoint.clone(),
            shared: self.shared.clone(),
        }
    }
}

impl<M: Message> Mesh<M> {
    /// Dials the replicas with larger ids and lets in the others and the clients, until the endpoint is closed.
    pub(crate) async fn run(self) {
        // Dropping the set ends every connection's task.
        let mut tasks = JoinSet::new();
        for peer in self.config.committee().members().filter(|peer| *peer > self.me) {
            tasks.spawn(self.clone().keep_dialling(peer));
        }
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
        while let Some(incoming) = self.endpoint.accept().await {
            while tasks.try_join_next().is_some() {}
            if handshakes.available_permits() < MAX_HANDSHAKES / 2 && incoming.may_retry() {
                if let Err(error) = incoming.retry() {
                    tracing::debug!("{}: {error}", self.me);
                }
                continue;
            }
            let Ok(handshake) = handshakes.clone().try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            let (mesh, clients) = (self.clone(), clients.clone());
            tasks.spawn(async move {
                if let Some((connection, role)) = mesh.welcome(incoming, handshake).await {
                    mesh.serve(connection, role, &clients).await;
                }
            });
        }
    }

    /// Keeps a link to `peer` up.
    async fn keep_dialling(self, peer: ReplicaId) {
        let mut backoff = Backoff::new();
        let entry = self.config.replica(peer).expect("the peer is in the roster");
        loop {
            let config = match endpoint::client_config(&self.identity, peer, Streams::OneWay(3)) {
                Ok(config) => config,
                Err(error) => return tracing::error!("{} can not dial {peer}: {error:#}", self.me),
            };
            match dial::dial(&self.endpoint, config, &entry.address).await {
                Ok(connection) => {
                    backoff.reset();
                    tracing::info!("{} is linked to {peer}", self.me);
                    let end = link::run(connection, peer, self.shared.clone()).await;
                    tracing::info!("{} lost {peer}: {end}", self.me);
                }
                Err(DialError::Stopping) => return,
                Err(DialError::Failed(reason)) => tracing::debug!("{} can not reach {peer}: {reason}", self.me),
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// Sees who came in.
    async fn welcome(&self, incoming: Incoming, _handshake: OwnedSemaphorePermit) -> Option<(Connection, Role)> {
        let from = incoming.remote_address();
        let connection = match incoming.await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::debug!("{} turned {from} away: {}", self.me, dial::explain(&error));
                return None;
            }
        };
        match endpoint::role_of(&connection, &self.config) {
            Ok(role) => Some((connection, role)),
            Err(error) => {
                connection.close(close::WRONG_SIDE, error.to_string().as_bytes());
                tracing::warn!("{} does not let in {from}: {error:#}", self.me);
                None
            }
        }
    }

    /// Serves a replica that dials, or a client.
    async fn serve(self, connection: Connection, role: Role, clients: &Semaphore) {
        let end = match role {
            Role::Replica(peer) if peer < self.me => {
                tracing::info!("{} is linked to {peer}", self.me);
                link::run(connection, peer, self.shared).await
            }
            Role::Client(client) => {
                let Ok(_place) = clients.try_acquire() else {
                    return connection.close(close::TOO_MANY, b"too many clients are connected");
                };
                client_door::run(connection, client, self.shared).await
            }
            role => {
                connection.close(close::WRONG_SIDE, format!("{} does not let in {role}", self.me).as_bytes());
                return tracing::warn!("{} does not let in {role}", self.me);
            }
        };
        tracing::info!("{} lost {role}: {end}", self.me);
    }
}
