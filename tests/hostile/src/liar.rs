//! A replica that lies to its consoles: numbers at the end of their range, texts that steer terminals, and as many frames as the
//! other side takes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Door, Role};
use byztop_core::protocol::{Event, SlotPhase, Status};
use byztop_core::telemetry::{ConsoleMessage, Counters, Frame, Ledger, PhaseLatencies, Welcome};
use byztop_core::types::{Digest, Micros, ReplicaId, SeqNum, Time, View};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, Incoming, ServerConfig};

use crate::flood::Tally;
use crate::member;

/// What steers a terminal that prints it as it is.
const STEERING: &str = "\u{1b}]0;taken\u{7}\u{1b}[2J\u{1b}[31m\r\nforged line";

/// Serves consoles as n1 until it is dropped, or for ever.
///
/// # Errors
///
/// If the keys of n1 can not be read, or its control port can not be bound.
pub(crate) async fn serve(directory: Arc<ClusterDirectory>, tally: Arc<Tally>) -> anyhow::Result<()> {
    let me = ReplicaId(0);
    let identity = directory.identity(Role::Replica(me))?;
    let tls = QuicServerConfig::try_from(identity.server_config(Door::Control)?).context("no QUIC cipher")?;
    let address = member::address(&directory, me, member::Door::Control)?;
    let endpoint = Endpoint::server(ServerConfig::with_crypto(Arc::new(tls)), address)?;
    let config = directory.config();
    let replicas = u8::try_from(config.replicas.len()).expect("at most 100 replicas");
    let welcome = ConsoleMessage::Welcome(Welcome {
        replica: me,
        protocol: config.protocol,
        leader: STEERING.into(),
        phases: vec![STEERING.into(); 3],
        replicas: u8::MAX,
        checkpoint_interval_slots: 0,
        durability: STEERING.into(),
        may_attack: true,
        pid: 1,
    });
    let welcome = member::frame(&welcome);
    let lies: Arc<Vec<Vec<u8>>> =
        Arc::new([0, 1 << 20, 1 << 47, 1 << 63, u64::MAX].iter().flat_map(|n| lies(*n, replicas)).collect());
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(lie(incoming, welcome.clone(), lies.clone(), tally.clone()));
    }
    Ok(())
}

async fn lie(incoming: Incoming, welcome: Vec<u8>, lies: Arc<Vec<Vec<u8>>>, tally: Arc<Tally>) -> anyhow::Result<()> {
    let connection = incoming.await?;
    let (mut sender, _requests) = connection.accept_bi().await?;
    sender.write_all(&welcome).await?;
    let ended = async {
        for lie in lies.iter().cycle() {
            sender.write_all(lie).await?;
            tally.sent(lie.len());
        }
        anyhow::Ok(())
    };
    let ended = ended.await;
    tally.ended.fetch_add(1, Ordering::Relaxed);
    ended
}

/// Frames and a ledger in which each number is this one.
fn lies(number: u64, replicas: u8) -> [Vec<u8>; 2] {
    let (seq, view) = (SeqNum(number), View(number));
    let status = Status {
        view,
        asking_for: Some(view),
        leader: ReplicaId(replicas - 1),
        stable: seq,
        executed: seq,
        observing_until: None,
        transfer: None,
    };
    let digest = Digest([1; 32]);
    let proved = |i: u8| Event::Proved { accused: ReplicaId(1), summary: format!("{i} {STEERING} {number}") };
    let slots: Vec<_> = (0..4096).map(|i| (SeqNum(number.saturating_sub(4095 - i)), SlotPhase::Prepared)).collect();
    let frame = Frame {
        replica: ReplicaId(0),
        at: Time(number),
        status,
        stable_digest: digest,
        executed_digest: Some((seq, digest)),
        counters: Counters { operations: number, messages_sent: number, cpu: Micros(number), ..Counters::default() },
        messages: vec![(STEERING.into(), number); 64],
        attack: STEERING.into(),
        slots: slots.clone(),
        fast: vec![seq; 512],
        votes: None,
        latencies: vec![PhaseLatencies { buckets: vec![(Micros(number), u32::MAX); 512] }; 4],
        events: (0..100).map(|i| (Time(number), proved(i))).collect(),
        dropped: number,
    };
    let ledger = Ledger {
        replica: ReplicaId(0),
        status,
        state_digest: digest,
        slots,
        log: Vec::new(),
        figures: vec![("customers".into(), i128::MAX), (STEERING.into(), i128::MIN)],
        leaf_count: u32::MAX,
        leaves: Vec::new(),
    };
    [ConsoleMessage::Frame(Box::new(frame)), ConsoleMessage::Ledger(Box::new(ledger))].map(|lie| member::frame(&lie))
}
