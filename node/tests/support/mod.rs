//! Replicas of a throw-away cluster, in this process and over real QUIC on loopback.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use byztop_certs::{ClusterDirectory, InitOptions, Ports, Role};
use byztop_core::protocol::Settings;
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest};
use byztop_core::types::ReplicaId;
use byztop_node::control::{LinkEvent, watch};
use byztop_node::run_replica;
use byztop_node::store::OldEpoch;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Nothing here takes so long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster whose replicas can be started and stopped one by one.
pub(crate) struct Cluster {
    pub(crate) directory: Arc<ClusterDirectory>,
    running: Vec<Option<Running>>,
    _folder: TempDir,
}

/// What stops a replica, and what it ends with.
type Running = (oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>);

impl Cluster {
    /// Makes a cluster; nothing runs yet.
    pub(crate) fn make(replicas: usize, attacks_allowed: bool) -> Cluster {
        Cluster::tuned(replicas, attacks_allowed, Settings { accounts: 1000, ..Settings::default() })
    }

    /// The same with settings.
    pub(crate) fn tuned(replicas: usize, attacks_allowed: bool, settings: Settings) -> Cluster {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = InitOptions {
            replicas,
            ports: Ports::Explicit(free_ports(replicas)),
            attacks_allowed,
            settings,
            ..InitOptions::default()
        };
        let directory = ClusterDirectory::create(folder.path(), &options).expect("a cluster");
        let running = (0..replicas).map(|_| None).collect();
        Cluster { directory: Arc::new(directory), running, _folder: folder }
    }

    /// Makes a cluster and starts all of it.
    pub(crate) fn start(replicas: usize, attacks_allowed: bool) -> Cluster {
        let mut cluster = Cluster::make(replicas, attacks_allowed);
        (0..replicas).for_each(|replica| cluster.run(ReplicaId(replica as u8)));
        cluster
    }

    /// Reads cluster.toml again, which has changed.
    pub(crate) fn reopen(&mut self) {
        let path = self.directory.path().to_path_buf();
        self.directory = Arc::new(ClusterDirectory::open(&path).expect("a cluster"));
    }

    /// Starts a replica.
    pub(crate) fn run(&mut self, replica: ReplicaId) {
        self.run_at(replica, self.directory.home(Role::Replica(replica)));
    }

    /// Starts a replica whose folder is elsewhere.
    pub(crate) fn run_at(&mut self, replica: ReplicaId, home: PathBuf) {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let ended = run_replica(&home, OldEpoch::Refuse, async { stopped.await.unwrap_or(()) }).await;
            ended.inspect_err(|error| eprintln!("{replica} has ended: {error:#}"))
        });
        self.running[replica.index()] = Some((stop, task));
    }

    /// Stops a replica and returns what it ended with.
    pub(crate) async fn stop(&mut self, replica: ReplicaId) -> anyhow::Result<()> {
        let (stop, task) = self.running[replica.index()].take().expect("it runs");
        drop(stop);
        tokio::time::timeout(PATIENCE, task).await.expect("it stops").expect("it does not panic")
    }

    /// Watches a replica as a console would.
    pub(crate) fn watch(&self, role: Role, replica: ReplicaId) -> Console {
        let (requests, incoming) = mpsc::channel(8);
        let (outgoing, events) = mpsc::channel(1024);
        tokio::spawn(watch(self.directory.clone(), role, replica, incoming, outgoing));
        Console { requests, events }
    }
}

/// A console of one replica.
pub(crate) struct Console {
    pub(crate) requests: mpsc::Sender<ConsoleRequest>,
    pub(crate) events: mpsc::Receiver<(ReplicaId, LinkEvent)>,
}

impl Console {
    pub(crate) async fn ask(&self, request: ConsoleRequest) {
        self.requests.send(request).await.expect("the link task runs");
    }

    /// Waits for the first event that `wanted` makes something of.
    pub(crate) async fn expect<T>(&mut self, what: &str, mut wanted: impl FnMut(LinkEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                let (_, event) = self.events.recv().await.expect("the link task runs");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    pub(crate) async fn expect_message<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(ConsoleMessage) -> Option<T>,
    ) -> T {
        let of_message = |event| match event {
            LinkEvent::Message(message) => wanted(message),
            _ => None,
        };
        self.expect(what, of_message).await
    }
}

/// Pairs of UDP ports that nobody has: below those that systems give away by themselves, so that a replica which is
/// started again finds its own still free, and each handed out once by this process.
fn free_ports(replicas: usize) -> Vec<(u16, u16)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    let start = std::process::id().wrapping_mul(97);
    let next_free = || {
        let candidates = (0..COUNT).map(|_| {
            let place = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
            u16::try_from(FIRST + place).expect("below 32 000")
        });
        candidates.into_iter().find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
    };
    (0..replicas).map(|_| (next_free(), next_free())).collect()
}
