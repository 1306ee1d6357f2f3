//! What reaches the core task, and through which bounded channels.

use byztop_certs::Role;
use byztop_core::crypto::{Signed, Verified};
use byztop_core::rejection::Rejection;
use byztop_core::replica::{PeerMessage, Submission};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Heading};
use byztop_core::types::{ClientId, ReplicaId, Time};
use tokio::sync::mpsc;

use super::outbound::PeerLink;
use crate::transport::LinkId;
use crate::transport::outbox::Outbox;

/// From the links to other replicas.
#[derive(Debug)]
pub(crate) enum PeerInput<M> {
    /// A message that was verified.
    Message {
        /// The TLS peer.
        from: ReplicaId,
        /// When its last byte had come, before it was verified.
        arrived: Time,
        /// What it says.
        message: Box<Verified<PeerMessage<M>>>,
    },
    /// A message that was not.
    Refused {
        /// The TLS peer.
        from: ReplicaId,
        /// When its last byte had come.
        arrived: Time,
        /// What it claims to be, as far as it can be read.
        heading: Option<Heading>,
        /// What is wrong with it.
        why: Rejection,
    },
    /// A link is ready for sending.
    Up(ReplicaId, PeerLink),
    /// A link is gone.
    Down(ReplicaId, LinkId),
}

/// From the connections of clients.
#[derive(Debug)]
pub(crate) enum ClientInput {
    /// A submission that was verified.
    Submission(Box<Verified<Signed<Submission>>>),
    /// A submission that was not.
    Refused(Rejection),
    /// A client waits for replies here.
    Up(ClientId, LinkId, Outbox),
    /// The connection is gone.
    Down(ClientId, LinkId),
}

/// From the control port.
#[derive(Debug)]
pub(crate) enum ConsoleInput {
    /// A console has come.
    Up(LinkId, Role, mpsc::Sender<ConsoleMessage>),
    /// It asks for something.
    Request(LinkId, ConsoleRequest),
    /// It is gone.
    Down(LinkId),
}

/// The sending ends of the core task's channels. A full one makes the sender wait: what a peer sends too fast stays in
/// its own stream, and floods of clients never stand before votes.
pub(crate) struct CoreHandle<M> {
    /// Of replicas.
    pub(crate) peers: mpsc::Sender<PeerInput<M>>,
    /// Of clients.
    pub(crate) clients: mpsc::Sender<ClientInput>,
    /// Of consoles.
    pub(crate) consoles: mpsc::Sender<ConsoleInput>,
}

impl<M> Clone for CoreHandle<M> {
    fn clone(&self) -> Self {
        CoreHandle { peers: self.peers.clone(), clients: self.clients.clone(), consoles: self.consoles.clone() }
    }
}

/// The receiving ends.
pub(crate) struct CoreInputs<M> {
    /// Of replicas.
    pub(crate) peers: mpsc::Receiver<PeerInput<M>>,
    /// Of clients.
    pub(crate) clients: mpsc::Receiver<ClientInput>,
    /// Of consoles.
    pub(crate) consoles: mpsc::Receiver<ConsoleInput>,
}

/// The core task's channels, empty.
pub(crate) fn channels<M>() -> (CoreHandle<M>, CoreInputs<M>) {
    let (peers, from_peers) = mpsc::channel(2048);
    let (clients, from_clients) = mpsc::channel(512);
    let (consoles, from_consoles) = mpsc::channel(64);
    let inputs = CoreInputs { peers: from_peers, clients: from_clients, consoles: from_consoles };
    (CoreHandle { peers, clients, consoles }, inputs)
}
