//! Who dials whom, and who comes in: the links of one replica, made and made again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use byztop_certs::{ClusterConfig, Identity, Role};
use byztop_core::protocol::Message;
use byztop_core::types::ReplicaId;
use quinn::{Connection, Endpoint};
use tokio::task::JoinSet;

use super::admission::{Handshake, Handshakes, NoPlace, Places};
use super::dial::{self, Backoff, DialError, Dialler};
use super::endpoint::{self, Streams};
use super::link::{self, Shared};
use super::{Chatter, client_door, close};

/// What is told of an identity that two processes have.
const TWICE: &str = "links up twice: two processes seem to have its keys, and one of them must end";

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
    /// From where it dials.
    pub(crate) dialler: Dialler,
    /// What its links share.
    pub(crate) shared: Shared<M>,
    /// Who may still be written about.
    pub(crate) chatter: Chatter,
}

impl<M> Clone for Mesh<M> {
    fn clone(&self) -> Self {
        Mesh {
            me: self.me,
            config: self.config.clone(),
            identity: self.identity.clone(),
            endpoint: self.endpoint.clone(),
            dialler: self.dialler.clone(),
            shared: self.shared.clone(),
            chatter: self.chatter.clone(),
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
            let config = match endpoint::client_config(&self.identity, peer, Streams::OneWay(link::STREAMS)) {
                Ok(config) => config,
                Err(error) => return tracing::error!("{} can not dial {peer}: {error:#}", self.me),
            };
            match dial::dial(&self.dialler, config, &entry.address).await {
                Ok(connection) => {
                    backoff.reset();
                    self.tell(Role::Replica(peer), || format!("is linked to {peer}"));
                    let _hang_up = endpoint::hang_up_on_expiry(&connection, Role::Replica(peer));
                    let end = link::run(connection, peer, self.shared.clone()).await;
                    self.tell(Role::Replica(peer), || format!("lost {peer}: {end}"));
                    self.shared.standing.explain(peer, &format!("it was lost: {end}"));
                }
                Err(DialError::Stopping) => return,
                Err(DialError::Failed(reason)) => {
                    tracing::debug!("{} can not reach {peer}: {reason}", self.me);
                    self.shared.standing.explain(peer, &reason);
                }
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
            return self.tell(role, || format!("does not let in {role}"));
        }
        let _place = match places.take(role, &connection) {
            Ok(place) => place,
            Err(NoPlace { why, is_news }) => {
                connection.close(close::TOO_MANY, why.as_bytes());
                if let Role::Replica(_) = role {
                    self.shared.standing.misbehaves(Instant::now(), role, TWICE);
                }
                if is_news {
                    tracing::warn!("{} does not let in {role} from {}: {why}", self.me, connection.remote_address());
                }
                return;
            }
        };
        let _hang_up = endpoint::hang_up_on_expiry(&connection, role);
        let end = match role {
            Role::Replica(peer) => {
                self.tell(role, || format!("is linked to {peer}"));
                endpoint::trust_with_windows(&connection);
                link::run(connection, peer, self.shared.clone()).await
            }
            Role::Client(client) => client_door::run(connection, client, self.shared.clone()).await,
            Role::Operator | Role::Observer => return,
        };
        self.tell(role, || format!("lost {role}: {end}"));
        if let Role::Replica(peer) = role {
            self.shared.standing.explain(peer, &format!("it dials, and was lost: {end}"));
        }
    }

    /// A line about an identity that comes or goes.
    fn tell(&self, role: Role, what: impl FnOnce() -> String) {
        self.chatter.tell(Instant::now(), role, || format!("{} {}", self.me, what()));
    }
}
