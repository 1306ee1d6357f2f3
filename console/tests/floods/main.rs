//! A cluster of four real replicas that one of its members attacks over the wire: the others go on answering, stay small and
//! let operators in.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use byztop_certs::{ClusterDirectory, Durability, InitOptions, Ports, Role};
use byztop_core::attack::junk::Junk;
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest};
use byztop_core::types::ReplicaId;
use byztop_hostile::flood::{self, Kind, Tally};
use byztop_node::control::{LinkEvent, watch};
use byztop_node::load::{Load, LoadSettings};
use tokio::sync::mpsc;

const BYZTOP: &str = env!("CARGO_BIN_EXE_byztop");

/// Names another program to run as replicas, such as one of before a change.
const OTHER: &str = "BYZTOP_OTHER";

/// What a replica may take, whatever one member does.
const MOST_MEMORY_BYTES: u64 = 256 << 20;

/// So many operations must be answered while the attack goes on.
const ANSWERED: u64 = 500;

/// If it takes longer than that something is wrong with the test.
const HANGS: Duration = Duration::from_secs(60);

/// The replicas of a cluster, as processes.
struct Cluster {
    directory: Arc<ClusterDirectory>,
    replicas: Vec<(ReplicaId, Child)>,
}

impl Cluster {
    /// All replicas run but the attacker, if it is one.
    fn start(home: &Path, attacker: impl Fn(&ClusterDirectory) -> Role) -> Cluster {
        let options = InitOptions {
            replicas: 4,
            clients: 2,
            durability: Durability::Os,
            ports: free_ports(4),
            ..InitOptions::default()
        };
        let directory = Arc::new(ClusterDirectory::create(home, &options).unwrap());
        let attacker = attacker(&directory);
        let members = directory.config().committee().members().filter(|id| Role::Replica(*id) != attacker);
        let replicas = members.map(|id| {
            let mut command = Command::new(std::env::var_os(OTHER).unwrap_or_else(|| BYZTOP.into()));
            command.arg("node").arg(directory.home(Role::Replica(id)));
            (id, command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        });
        Cluster { replicas: replicas.collect(), directory }
    }

    /// How many bytes of memory the largest replica has.
    fn memory_bytes(&self) -> u64 {
        let of = |child: &Child| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
            let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
            kilobytes << 10
        };
        self.replicas.iter().map(|(_, child)| of(child)).max().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, child) in &mut self.replicas {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Ports that the system gives, for so many replicas. They are free when they are taken.
fn free_ports(replicas: usize) -> Ports {
    let sockets: Vec<UdpSocket> = (0..2 * replicas).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
    Ports::Explicit(sockets.chunks(2).map(|pair| (port(&pair[0]), port(&pair[1]))).collect())
}

/// Waits until so many operations more are answered.
async fn answered(load: &Load, more: u64, what: &str) {
    let (before, began) = (load.report().committed_ops, Instant::now());
    while load.report().committed_ops < before + more {
        assert!(began.elapsed() < HANGS, "{what}: {} of {more} answered", load.report().committed_ops - before);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An operator sees a frame of a replica.
async fn operator_gets_in(directory: &Arc<ClusterDirectory>, replica: ReplicaId) {
    let (request, requests) = mpsc::channel(4);
    let (sender, mut events) = mpsc::channel(64);
    let console = tokio::spawn(watch(directory.clone(), Role::Operator, replica, requests, sender));
    request.send(ConsoleRequest::Subscribe { interval_ms: 100 }).await.unwrap();
    let frame = async {
        while let Some((_, event)) = events.recv().await {
            if matches!(event, LinkEvent::Message(ConsoleMessage::Frame(_))) {
                return;
            }
        }
    };
    tokio::time::timeout(HANGS, frame).await.expect("the operator gets in");
    console.abort();
}

/// Attacks a cluster under load and sees what it does to the others.
fn withstands(kind: Kind, is_enough: impl Fn(&Tally) -> bool) {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&scratch.path().join("c"), |directory| kind.role(directory));
    // The attack has a thread of its own, as on another machine.
    let tally = Arc::new(Tally::default());
    let attack = byztop_node::runtime(1).unwrap();
    byztop_node::runtime(1).unwrap().block_on(async {
        let settings = LoadSettings { rate: Some(400.0), ..LoadSettings::default() };
        let load = Load::start(cluster.directory.clone(), settings).unwrap();
        answered(&load, ANSWERED, "before the attack").await;
        attack.spawn(flood::run(cluster.directory.clone(), kind, tally.clone()));
        let began = Instant::now();
        while !is_enough(&tally) {
            assert!(began.elapsed() < HANGS, "the attack does not get on: {tally:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        answered(&load, ANSWERED, "during the attack").await;
        operator_gets_in(&cluster.directory, ReplicaId(2)).await;
    });
    attack.shutdown_background();
    let memory = cluster.memory_bytes();
    println!("{kind}: {tally:?}, {} MB", memory >> 20);
    assert!(memory < MOST_MEMORY_BYTES, "{kind}: {} MB", memory >> 20);
}

/// So many frames or connections.
fn sent(count: u64) -> impl Fn(&Tally) -> bool {
    move |tally| tally.sent.load(Ordering::Relaxed) >= count
}

#[test]
fn new_views_full_of_junk_stop_nobody() {
    withstands(Kind::Junk(Junk::NewView), sent(6));
}

#[test]
fn view_changes_full_of_junk_that_are_made_up_for_each_time_stop_nobody() {
    withstands(Kind::Junk(Junk::ViewChange), sent(20));
}

#[test]
fn proofs_full_of_junk_stop_nobody() {
    withstands(Kind::Junk(Junk::Proof), sent(6));
}

#[test]
fn bodies_that_nobody_signed_stop_nobody() {
    withstands(Kind::Junk(Junk::Bodies), sent(6));
}

#[test]
fn submissions_that_nobody_signed_stop_nobody() {
    withstands(Kind::Submissions, sent(20));
}

#[test]
fn requests_for_much_stop_nobody() {
    withstands(Kind::Junk(Junk::Fetch), sent(50));
    withstands(Kind::Junk(Junk::State), sent(50));
}

/// Every connection was tried: it was let in, or turned away.
fn all_tried(tally: &Tally) -> bool {
    tally.ended.load(Ordering::Relaxed) >= 3 * (flood::CONNECTIONS - 16)
}

#[test]
fn links_that_nobody_reads_are_few_and_small() {
    withstands(Kind::ReplicaMemory, all_tried);
}

#[test]
fn client_connections_that_nobody_reads_are_few_and_small() {
    withstands(Kind::ClientMemory, all_tried);
}

#[test]
fn the_consoles_of_one_observer_keep_no_operator_out() {
    withstands(Kind::Consoles, sent(30));
}

/// What clients get beside a flood, or beside none.
struct Rate {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    memory: u64,
}

/// For how long it is measured.
const MEASURED: Duration = Duration::from_secs(10);

/// A load of 1 000 operations a second, one to a submission, while such a flood lasts, if one does. The attacker does not run as
/// a replica either way.
fn rate_beside(kind: Kind, is_attacked: bool) -> Rate {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&scratch.path().join("c"), |directory| kind.role(directory));
    let attack = byztop_node::runtime(1).unwrap();
    let (before, after) = byztop_node::runtime(1).unwrap().block_on(async {
        let settings = LoadSettings { rate: Some(1000.0), bundle: 1, ..LoadSettings::default() };
        let load = Load::start(cluster.directory.clone(), settings).unwrap();
        answered(&load, 2000, "before it is measured").await;
        if is_attacked {
            attack.spawn(flood::run(cluster.directory.clone(), kind, Arc::new(Tally::default())));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let before = load.report();
        tokio::time::sleep(MEASURED).await;
        (before, load.report())
    });
    attack.shutdown_background();
    let mut latency = after.latency.clone();
    latency.subtract(&before.latency).unwrap();
    let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
    Rate {
        per_second: (after.committed_ops - before.committed_ops) as f64 / MEASURED.as_secs_f64(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        memory: cluster.memory_bytes() >> 20,
    }
}

/// Names the floods to measure, with commas between them.
const ONLY: &str = "BYZTOP_FLOODS";

/// The figures of docs/security.md. `BYZTOP_OTHER=PROGRAM` measures the replicas of another program, `BYZTOP_FLOODS=fetch,state`
/// these floods alone.
#[test]
#[ignore = "measures: half a minute for each kind"]
fn rates() {
    println!("| flood | op/s alone | beside it | p50 ms | p99 ms | memory MB |");
    println!("|---|---|---|---|---|---|");
    let only = std::env::var(ONLY).unwrap_or_default();
    let is_wanted = |name: &str| only.is_empty() || only.split(',').any(|wanted| wanted == name);
    for kind in Kind::all().filter(|kind| *kind != Kind::Lies && is_wanted(kind.name())) {
        let (alone, beside) = (rate_beside(kind, false), rate_beside(kind, true));
        println!(
            "| {kind} | {:.0} | {:.0} | {:.1} → {:.1} | {:.1} → {:.1} | {} → {} |",
            alone.per_second,
            beside.per_second,
            alone.p50_ms,
            beside.p50_ms,
            alone.p99_ms,
            beside.p99_ms,
            alone.memory,
            beside.memory
        );
    }
}
