//! Who dials whom, and who comes in: the links of one replica, made and made again.

use std::sync::Arc;

use byztop_certs::{ClusterConfig, Identity, Role};
use byztop_core::protocol::Message;
use byztop_core::types::ReplicaId;
use quinn::{Endpoint, Incoming};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::dial::{self, Backoff, DialError};
use super::endpoint::{self, Streams};
use super::link::{self, Shared};
use super::{client_door, close};

/// How many connections may be open or in handshake at the protocol door.
const MAX_CONNECTIONS: usize = 512;

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
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        while let Some(incoming) = self.endpoint.accept().await {
            while tasks.try_join_next().is_some() {}
            let Ok(place) = room.clone().try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            let mesh = self.clone();
            tasks.spawn(async move {
                mesh.welcome(incoming).await;
                drop(place);
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

    /// Sees who came in, and serves them.
    async fn welcome(self, incoming: Incoming) {
        let from = incoming.remote_address();
        let connection = match incoming.await {
            Ok(connection) => connection,
            Err(error) => return tracing::debug!("{} turned {from} away: {}", self.me, dial::explain(&error)),
        };
        let end = match endpoint::role_of(&connection, &self.config) {
            Ok(Role::Replica(peer)) if peer < self.me => {
                tracing::info!("{} is linked to {peer}", self.me);
                link::run(connection, peer, self.shared).await
            }
            Ok(Role::Client(client)) => client_door::run(connection, client, self.shared).await,
            Ok(role) => {
                connection.close(close::WRONG_SIDE, format!("{} does not let in {role}", self.me).as_bytes());
                return tracing::warn!("{} does not let in {role} from {from}", self.me);
            }
            Err(error) => {
                connection.close(close::WRONG_SIDE, error.to_string().as_bytes());
                return tracing::warn!("{} does not let in {from}: {error:#}", self.me);
            }
        };
        tracing::info!("{} lost {from}: {end}", self.me);
    }
}
