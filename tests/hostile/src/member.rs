//! A connection to a replica as one identity of the cluster.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::types::ReplicaId;
use byztop_core::wire;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, SendStream, TransportConfig, VarInt};

/// How long a connection may take to be made.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Which of a replica's doors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// For replicas and clients.
    Protocol,
    /// For operators and observers.
    Control,
}

/// How many streams the other side may open: none, so that it never gets to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manners {
    /// As byztop.
    Good,
    /// The other side may open no stream.
    NoStreams,
}

/// Connects as `role` to one replica.
pub(crate) async fn connect(
    directory: &ClusterDirectory,
    role: Role,
    target: ReplicaId,
    door: Door,
    manners: Manners,
) -> anyhow::Result<Connection> {
    let identity = directory.identity(role)?;
    let tls = QuicClientConfig::try_from(identity.client_config(target)?).context("no QUIC cipher")?;
    let mut config = ClientConfig::new(Arc::new(tls));
    let mut transport = TransportConfig::default();
    let streams = if manners == Manners::Good { 3u32 } else { 0 };
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(streams))
        .keep_alive_interval(Some(Duration::from_millis(500)))
        .send_window(64 << 20);
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client(SocketAddr::from(([0, 0, 0, 0], 0)))?;
    let address = address(directory, target, door)?;
    let connecting = endpoint.connect_with(config, address, "replica.byztop")?;
    match tokio::time::timeout(TIMEOUT, connecting).await {
        Ok(connection) => connection.with_context(|| format!("{target} does not let in {role}")),
        Err(_) => bail!("{target} does not answer"),
    }
}

pub(crate) fn address(directory: &ClusterDirectory, target: ReplicaId, door: Door) -> anyhow::Result<SocketAddr> {
    let entry = directory.config().replica(target).with_context(|| format!("{target} is not in the roster"))?;
    let address = match door {
        Door::Protocol => &entry.address,
        Door::Control => &entry.control,
    };
    let ip = address.host().parse().with_context(|| format!("{} is no IP address", address.host()))?;
    Ok(SocketAddr::new(ip, address.port()))
}

/// The first bytes of the three streams between replicas: votes, proposals, bodies.
pub(crate) const LANES: [u8; 3] = [b'v', b'p', b'b'];

/// A replica's link: its three streams, and whatever comes is read and forgotten.
pub(crate) async fn link(connection: &Connection) -> anyhow::Result<[SendStream; 3]> {
    let reader = connection.clone();
    tokio::spawn(async move {
        while let Ok(stream) = reader.accept_uni().await {
            tokio::spawn(drain(stream));
        }
    });
    let mut lanes = Vec::with_capacity(LANES.len());
    for first in LANES {
        let mut stream = connection.open_uni().await?;
        stream.write_all(&[first]).await?;
        lanes.push(stream);
    }
    Ok(lanes.try_into().expect("one per lane"))
}

async fn drain(mut stream: quinn::RecvStream) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(Some(_)) = stream.read(&mut buffer).await {}
}

/// A value as a frame: its length and its bytes.
pub(crate) fn frame<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let body = wire::encode(value);
    let length = u32::try_from(body.len()).expect("a message is far below 4 GiB");
    [length.to_le_bytes().as_slice(), &body].concat()
}
