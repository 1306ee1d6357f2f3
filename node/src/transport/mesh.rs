//! Who dials whom, and who comes in: the links of one replica, made and made again.

use std::net::SocketAddr;
use std::sync::Arc;

use byztop_certs::{ClusterConfig, Identity, Role};
use byztop_core::protocol::Message;
use byztop_core::types::ReplicaId;
use quinn::{Connection, Endpoint};
use tokio::task::JoinSet;

use super::admission::{Handshake, Handshakes, NoPlace, Places};
use super::dial::{self, Backoff, DialError};
use super::endpoint::{self, Streams};
use super::link::{self, Shared};
use super::{client_door, close};

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
        let (handshakes, places) = (Handshakes::default(), Places::default());
        while let Some(incoming) = self.endpoint.accept().await {
            while tasks.try_join_next().is_some() {}
            let from = incoming.remote_address();
            if let Some(handshake) = handshakes.admit(incoming) {
                let (mesh, places) = (self.clone(), places.clone());
                tasks.spawn(async move {
                    if let Some((connection, role)) = mesh.welcome(handshake, from).await {
                        mesh.serve(connection, role, &places).await;
                    }
                });
            }
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
    async fn welcome(&self, handshake: Handshake, from: SocketAddr) -> Option<(Connection, Role)> {
        let connection = match handshake.finish().await {
            Ok(connection) => connection,
            Err(why) => {
                tracing::debug!("{} turned {from} away: {why}", self.me);
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
    async fn serve(self, connection: Connection, role: Role, places: &Places) {
        let has_business = match role {
            Role::Replica(peer) => peer < self.me,
            Role::Client(_) => true,
            Role::Operator | Role::Observer => false,
        };
        if !has_business {
            connection.close(close::WRONG_SIDE, format!("{} does not let in {role}", self.me).as_bytes());
            return tracing::warn!("{} does not let in {role}", self.me);
        }
        let _place = match places.take(role, &connection) {
            Ok(place) => place,
            Err(NoPlace { why, is_news }) => {
                connection.close(close::TOO_MANY, why.as_bytes());
                if is_news {
                    tracing::warn!("{} does not let in {role} from {}: {why}", self.me, connection.remote_address());
                }
                return;
            }
        };
        let end = match role {
            Role::Replica(peer) => {
                tracing::info!("{} is linked to {peer}", self.me);
                endpoint::trust_with_windows(&connection);
                link::run(connection, peer, self.shared).await
            }
            Role::Client(client) => client_door::run(connection, client, self.shared).await,
            Role::Operator | Role::Observer => return,
        };
        tracing::info!("{} lost {role}: {end}", self.me);
    }
}
