//! QUIC endpoints, tuned for many small messages between machines that are close to each other.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use byztop_certs::{ClusterConfig, ClusterDirectory, Door, Identity, Role, peer_role};
use byztop_core::types::{Digest, ReplicaId};
use quinn::congestion::CubicConfig;
use quinn::crypto::HmacKey;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::rustls::pki_types::CertificateDer;
use quinn::{
    AckFrequencyConfig, ClientConfig, Connection, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};

use super::{close, link};
use crate::clock;

/// After so long a silence a connection is dead.
const IDLE_TIMEOUT_MS: u32 = 3_000;
/// So often an idle connection says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// What one stream, and what all streams of a connection may have under way.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 24 << 20;
/// What all streams of a connection may have under way that somebody else dialled, until it is known to be a replica's.
const STRANGERS_WINDOW_BYTES: u32 = 256 << 10;
/// What may be under way before the path is known: a large batch. The default is ten packets.
const INITIAL_WINDOW_BYTES: u64 = 128 << 10;
/// What the system is asked to buffer per socket: a burst of all peers must fit, or it is lost.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// How often and how far apart an address that is taken is tried.
const BIND_ATTEMPTS: u32 = 20;
const BIND_PAUSE: Duration = Duration::from_millis(25);
/// The longest file with a TLS key.
const MAX_KEY_BYTES: u64 = 64 << 10;
/// How many handshakes may be under way.
const MAX_INCOMING: usize = 256;

/// Which streams a peer may open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Streams {
    /// So many in one direction: between replicas, and from clients.
    OneWay(u32),
    /// One in both directions: from consoles.
    Dialogue,
}

/// Listens at one of a replica's doors.
///
/// # Errors
///
/// If the address can not be had, or the replica's identity can not be read.
pub(crate) async fn listen(
    directory: &ClusterDirectory,
    identity: &Identity,
    me: ReplicaId,
    door: Door,
) -> anyhow::Result<Endpoint> {
    let entry = directory.config().replica(me).context("this replica is in the roster")?;
    let (address, streams) = match door {
        Door::Protocol => (&entry.address, Streams::OneWay(link::STREAMS)),
        Door::Control => (&entry.control, Streams::Dialogue),
    };
    let resolved = resolve(address.host(), address.port()).await?;
    let socket = match patient_socket(resolved).await {
        Ok(socket) => socket,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bail!("{me} can not listen on {address}: the port is in use; does this replica run already?")
        }
        Err(error) => return Err(error).with_context(|| format!("{me} can not listen on {address}")),
    };
    let tls =
        QuicServerConfig::try_from(identity.server_config(door)?).context("no QUIC cipher in the TLS settings")?;
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    let mut transport = transport(streams);
    transport.receive_window(VarInt::from_u32(STRANGERS_WINDOW_BYTES));
    server.transport_config(Arc::new(transport)).max_incoming(MAX_INCOMING).migration(false);
    let reset_key = ResetKey::of(directory, Role::Replica(me), door)?;
    Endpoint::new(endpoint_config(reset_key), Some(server), socket, Arc::new(TokioRuntime))
        .with_context(|| format!("{me} can not listen on {address}"))
}

/// An endpoint that only dials: for clients and consoles.
///
/// # Errors
///
/// If the system gives no socket.
pub(crate) fn dialler() -> anyhow::Result<Endpoint> {
    // Of both families where the system has both.
    let socket = socket(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
        .or_else(|_| socket(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))
        .context("can not open a UDP socket")?;
    Endpoint::new(endpoint_config(ResetKey(Digest([0; 32]))), None, socket, Arc::new(TokioRuntime))
        .context("can not open a QUIC endpoint")
}

/// How `identity` dials one replica: the handshake fails unless that very replica answers.
///
/// # Errors
///
/// If the identity's key and certificate do not belong together.
pub(crate) fn client_config(identity: &Identity, replica: ReplicaId, streams: Streams) -> anyhow::Result<ClientConfig> {
    let tls =
        QuicClientConfig::try_from(identity.client_config(replica)?).context("no QUIC cipher in the TLS settings")?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport(streams)));
    Ok(config)
}

/// Lets a replica that dialled have as much under way as one that was dialled.
pub(crate) fn trust_with_windows(connection: &Connection) {
    connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
}

/// Who came in, after the handshake.
///
/// # Errors
///
/// If the peer is not of this cluster, which its handshake should have told before.
pub(crate) fn role_of(connection: &Connection, config: &ClusterConfig) -> anyhow::Result<Role> {
    let chain =
        connection.peer_identity().and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    Ok(peer_role(&chain.context("the peer showed no certificate")?, config)?)
}

/// Hangs up on a peer when its certificate expires, unless this is dropped before.
pub(crate) fn hang_up_on_expiry(connection: &Connection, who: Role) -> HangUp {
    let connection = connection.clone();
    HangUp(tokio::spawn(async move {
        let chain = connection.peer_identity().and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
        let Some(expiry) = chain.and_then(|chain| byztop_certs::expiry(&chain)) else { return };
        loop {
            let left = Duration::from_secs(expiry + 1).saturating_sub(Duration::from_micros(clock::unix_micros()));
            if left.is_zero() {
                break;
            }
            // The clock may be set meanwhile.
            tokio::time::sleep(left.min(Duration::from_secs(60))).await;
        }
        tracing::warn!("the certificate of {who} has expired: it is hung up on");
        connection.close(close::WRONG_SIDE, b"the certificate has expired");
    }))
}

/// Ends with what it watches.
pub(crate) struct HangUp(tokio::task::JoinHandle<()>);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first address of a host. A name may take the resolver a while.
///
/// # Errors
///
/// If it has none.
pub(crate) async fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    Ok(resolve_all(host, port).await?[0])
}

/// All addresses of a host, at least one.
///
/// # Errors
///
/// If it has none.
pub(crate) async fn resolve_all(host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((host, port)).await.with_context(|| format!("can not find the host {host}"))?;
    let found: Vec<SocketAddr> = found.collect();
    anyhow::ensure!(!found.is_empty(), "the host {host} has no address");
    Ok(found)
}

/// A socket at an address that a replica before us may just be leaving.
async fn patient_socket(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let mut left = BIND_ATTEMPTS;
    loop {
        match socket(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && left > 1 => left -= 1,
            done => return done,
        }
        tokio::time::sleep(BIND_PAUSE).await;
    }
}

fn socket(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
    // The system may grant less, and a smaller buffer only loses more packets.
    let granted = socket
        .set_recv_buffer_size(SOCKET_BUFFER_BYTES)
        .and_then(|()| socket.set_send_buffer_size(SOCKET_BUFFER_BYTES));
    if let Err(error) = granted {
        tracing::debug!("socket buffers stay as they are: {error}");
    }
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn transport(streams: Streams) -> TransportConfig {
    let mut config = TransportConfig::default();
    let (one_way, dialogues) = match streams {
        Streams::OneWay(count) => (count, 0),
        Streams::Dialogue => (0, 1),
    };
    // An acknowledgement per ten packets instead of per two: on a short path they cost more than they tell.
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(10)).max_ack_delay(Some(Duration::from_millis(5)));
    let mut congestion = CubicConfig::default();
    congestion.initial_window(INITIAL_WINDOW_BYTES);
    config
        .max_concurrent_uni_streams(VarInt::from_u32(one_way))
        .max_concurrent_bidi_streams(VarInt::from_u32(dialogues))
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        // A first packet that meets a peer still starting is repeated after three of these.
        .initial_rtt(Duration::from_millis(20))
        .ack_frequency_config(Some(acks))
        .congestion_controller_factory(Arc::new(congestion))
        .datagram_receive_buffer_size(None);
    config
}

fn endpoint_config(reset_key: ResetKey) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(|| Box::new(RandomIds));
    config
}

/// Random connection ids of eight bytes. quinn's own kind tells its ids from others'; here those of a process that is
/// gone must look valid, or its successor does not answer them with a reset.
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&clock::chance().to_le_bytes())
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Derives stateless reset tokens. It follows from the replica's TLS key, so that a replica that was killed and started
/// again can tell its peers at once that their connections are gone (RFC 9000, §10.3).
#[derive(Clone)]
struct ResetKey(Digest);

impl fmt::Debug for ResetKey {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetKey")
    }
}

impl ResetKey {
    fn of(directory: &ClusterDirectory, role: Role, door: Door) -> anyhow::Result<ResetKey> {
        let path = directory.home(role).join("tls.key");
        let key = byztop_certs::read_file(&path, MAX_KEY_BYTES)
            .with_context(|| format!("can not read {}", path.display()))?;
        let door: &[u8] = match door {
            Door::Protocol => b"protocol",
            Door::Control => b"control",
        };
        Ok(ResetKey(Digest::of("quic-reset-key", &[door, &key])))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&Digest::of("quic-reset", &[&self.0.0, data]).0);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), quinn::crypto::CryptoError> {
        let mut expected = [0; 32];
        self.sign(data, &mut expected);
        if signature == expected { Ok(()) } else { Err(quinn::crypto::CryptoError) }
    }
}
