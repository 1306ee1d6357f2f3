//! What a client sends that no client should: refused, counted, and survived.

mod support;

use std::sync::Arc;

use byztop_certs::Role;
use byztop_core::app::smallbank::{Account, Operation, encode_operations};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest};
use byztop_core::types::{ClientId, ReplicaId};
use byztop_node::client::Client;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint};
use support::{Cluster, PATIENCE};

const N1: ReplicaId = ReplicaId(0);

/// Dials n1 as the client, by hand.
async fn dial(cluster: &Cluster) -> (Endpoint, Connection) {
    let identity = cluster.directory.identity(Role::Client(ClientId(0))).expect("the client");
    let tls = QuicClientConfig::try_from(identity.client_config(N1).expect("a configuration")).expect("QUIC's ciphers");
    let config = quinn::ClientConfig::new(Arc::new(tls));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
    let address = cluster.directory.config().replicas[0].address.resolve().expect("an address");
    let connection = endpoint.connect_with(config, address, "n1").expect("dialling").await.expect("n1 answers");
    (endpoint, connection)
}

/// A frame with this body.
fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

async fn expect_rejections(cluster: &Cluster, count: u64) {
    let mut console = cluster.watch(Role::Observer, N1);
    console.ask(ConsoleRequest::Subscribe { interval_ms: 10 }).await;
    let rejected = |message| match message {
        ConsoleMessage::Frame(frame) if frame.counters.rejected >= count => Some(()),
        _ => None,
    };
    console.expect_message("a counted rejection", rejected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_too_long_ends_the_connection() {
    let cluster = Cluster::start(1, false);
    let (_endpoint, connection) = dial(&cluster).await;
    let mut stream = connection.open_uni().await.expect("a stream");
    stream.write_all(&u32::MAX.to_le_bytes()).await.expect("n1 reads");
    let end = tokio::time::timeout(PATIENCE, connection.closed()).await.expect("n1 hangs up");
    match end {
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason).into_owned();
            assert!(reason.contains("4294967295 bytes"), "{reason}");
        }
        other => panic!("{other}"),
    }
    expect_rejections(&cluster, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_counted_and_the_replica_goes_on() {
    let cluster = Cluster::start(1, false);
    let (_endpoint, connection) = dial(&cluster).await;
    let mut stream = connection.open_uni().await.expect("a stream");
    for body in [&[][..], &[0xff; 40], b"balance of alice"] {
        stream.write_all(&frame(body)).await.expect("n1 reads");
    }
    expect_rejections(&cluster, 3).await;
    assert!(connection.close_reason().is_none(), "garbage within frames does not end the connection");

    let client = Client::start(&cluster.directory, ClientId(0)).expect("a client");
    let mut session = client.session(0).expect("a session");
    let answer = session.submit(encode_operations(&[Operation::Balance { account: Account(0) }]));
    let result = tokio::time::timeout(PATIENCE, answer).await.expect("it is answered").expect("nobody gives it up");
    assert!(!result.is_empty());
}
