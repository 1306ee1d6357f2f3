//! A real cluster under load while up to f of its replicas at a time are killed and started again, attacked, started with a
//! clock that has jumped, or with an old copy of their folder; now and then all links are slow, or all are killed at once.
//! For a minute, or for as many as `BYZTOP_SOAK_MINUTES` says.
//!
//! Clocks jump where Debian's package `faketime` is installed.
//!
//! `cargo test --release -p byztop --test soak -- --ignored --nocapture`

mod troubles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use byztop_certs::{ClusterDirectory, Role};
use byztop_core::committee::Committee;
use byztop_core::protocol::Event;
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Frame};
use byztop_core::types::{ReplicaId, SeqNum};
use byztop_node::control::{LinkEvent, watch};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::sync::mpsc;

use self::troubles::RESTORED;

const BYZTOP: &str = env!("CARGO_BIN_EXE_byztop");
const REPLICAS: usize = 7;
const RATE: u64 = 1000;
/// A replica that lags by more slots than that has not come back yet.
const BACK_WITHIN_SLOTS: u64 = 64;

/// A cluster that has executed nothing for so long is looked at.
const STANDS_STILL: Duration = Duration::from_secs(3);

/// How long a replica is left in peace at the end, so that all can settle.
const CALM: Duration = Duration::from_secs(15);

/// What is wrong with a replica, until when.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Trouble {
    Dead(Instant),
    Attacked(Instant),
    ComingBack,
}

/// What is known of a replica.
#[derive(Default)]
struct Known {
    pid: Option<u32>,
    frame: Option<Box<Frame>>,
    trouble: Option<Trouble>,
    /// Started again by this test.
    child: Option<Child>,
    /// How far it had come when it was killed: it comes back no earlier.
    floor: Option<SeqNum>,
}

struct Soak {
    home: PathBuf,
    dice: ChaCha8Rng,
    requests: Vec<mpsc::Sender<ConsoleRequest>>,
    events: mpsc::Receiver<(ReplicaId, LinkEvent)>,
    replicas: Vec<Known>,
    accused: BTreeMap<ReplicaId, String>,
    /// Who came back without what it had executed, which somebody may have been told.
    forgetful: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
    progress: Progress,
    /// Until when all links are slow.
    slow: Option<Instant>,
    /// A copy of the restored replica's folder, as it was once.
    copy: PathBuf,
}

/// How far the cluster has come, and when it last got on.
struct Progress {
    executed: u64,
    since: Instant,
    is_told: bool,
    longest: Duration,
    /// The same while links were slow, or had been just before.
    longest_when_slow: Duration,
}

#[test]
#[ignore = "a minute long, or as long as BYZTOP_SOAK_MINUTES says"]
fn kills_and_attacks_within_the_budget_harm_nobody() {
    let minutes = std::env::var("BYZTOP_SOAK_MINUTES").map_or(1, |text| text.parse().expect("a number of minutes"));
    let protocol = std::env::var("BYZTOP_SOAK_PROTOCOL").unwrap_or_else(|_| "pbft".to_string());
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join("c");
    let duration = Duration::from_secs(60 * minutes);
    let (out, err) = (scratch.path().join("out"), scratch.path().join("err"));
    let mut up = Command::new(BYZTOP)
        .args(["up", "--headless", "--json", "--durability", "os", "--protocol", &protocol, "--dir"])
        .arg(&home)
        .args(["--duration", &format!("{}s", duration.as_secs()), "--rate", &RATE.to_string()])
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let runtime = byztop_node::runtime(byztop_node::WORKER_THREADS).unwrap();
    let soak = runtime.block_on(async {
        let mut soak = Soak::begin(home.clone(), scratch.path().join("copy")).await;
        soak.trouble_until(Instant::now() + duration.saturating_sub(CALM)).await;
        soak.calm().await;
        soak
    });
    let status = up.wait().unwrap();
    let (out, err) = (std::fs::read_to_string(&out).unwrap(), std::fs::read_to_string(&err).unwrap());
    assert!(status.success(), "{status}: {err}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    let money = money(&home);
    println!("{minutes} minutes of {protocol}, {REPLICAS} replicas, {RATE} op/s offered: {:?}", soak.counts);
    let Progress { longest, longest_when_slow, .. } = soak.progress;
    println!("longest without progress: {:.1} s", longest.as_secs_f64());
    println!("longest without progress on slow links: {:.1} s", longest_when_slow.as_secs_f64());
    println!("accused: {:?}", soak.accused.keys().collect::<Vec<_>>());
    println!("money in each store: {money:?}");
    println!("{}", serde_json::to_string_pretty(&summary).unwrap());
    let innocent: Vec<_> = soak.accused.iter().filter(|(accused, _)| accused.index() > RESTORED).collect();
    assert!(soak.forgetful.is_empty(), "{:?}", soak.forgetful);
    assert!(innocent.is_empty(), "accused without having been attacked: {innocent:?}");
    assert!(summary["committed_ops"].as_u64().unwrap() >= RATE * duration.as_secs() / 2, "{out}");
    for state in summary["replica_states"].as_array().unwrap() {
        assert!(state["memory_bytes"].as_u64().unwrap() < 200 << 20, "{state}");
        assert!(state["disk_bytes"].as_u64().unwrap() < 160 << 20, "{state}");
    }
}

impl Progress {
    fn begin() -> Progress {
        Progress {
            executed: 0,
            since: Instant::now(),
            is_told: false,
            longest: Duration::ZERO,
            longest_when_slow: Duration::ZERO,
        }
    }
}

/// What the accounts of each store hold, with the checkpoint that they are of: the same where that is the same.
fn money(home: &Path) -> BTreeMap<u64, BTreeSet<String>> {
    let mut by_checkpoint: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for replica in 1..=REPLICAS {
        let mut command = Command::new(BYZTOP);
        let output =
            command.arg("inspect").arg(home.join(format!("n{replica}"))).args(["checkpoint", "--json"]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let money = document["money"].as_str().unwrap().to_string();
        by_checkpoint.entry(document["stable_checkpoint"].as_u64().unwrap()).or_default().insert(money);
    }
    assert!(by_checkpoint.values().all(|sums| sums.len() == 1), "{by_checkpoint:?}");
    by_checkpoint
}

impl Soak {
    async fn begin(home: PathBuf, copy: PathBuf) -> Soak {
        let directory = loop {
            match ClusterDirectory::open(&home) {
                Ok(directory) => break Arc::new(directory),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let (sender, events) = mpsc::channel(1024);
        let mut requests = Vec::new();
        for replica in Committee::new(REPLICAS).unwrap().members() {
            let (request, receiver) = mpsc::channel(16);
            tokio::spawn(watch(directory.clone(), Role::Operator, replica, receiver, sender.clone()));
            request.send(ConsoleRequest::Subscribe { interval_ms: 200 }).await.unwrap();
            requests.push(request);
        }
        let replicas = (0..REPLICAS).map(|_| Known::default()).collect();
        let mut soak = Soak {
            home,
            dice: ChaCha8Rng::seed_from_u64(7),
            requests,
            events,
            replicas,
            accused: BTreeMap::new(),
            forgetful: Vec::new(),
            counts: BTreeMap::new(),
            progress: Progress::begin(),
            slow: None,
            copy,
        };
        while soak.replicas.iter().any(|known| known.frame.is_none()) {
            soak.listen(Duration::from_millis(100)).await;
        }
        soak
    }

    /// Takes in what comes for a while.
    async fn listen(&mut self, time: Duration) {
        let deadline = tokio::time::Instant::now() + time;
        while let Ok(Some((replica, event))) = tokio::time::timeout_at(deadline, self.events.recv()).await {
            let known = &mut self.replicas[replica.index()];
            match event {
                LinkEvent::Up(welcome) => known.pid = Some(welcome.pid),
                LinkEvent::Down(_) => known.frame = None,
                LinkEvent::Message(ConsoleMessage::Frame(frame)) => {
                    for (_, event) in &frame.events {
                        if let Event::Proved { accused, summary } = event {
                            self.accused.insert(*accused, summary.clone());
                        }
                    }
                    if let Some(floor) = known.floor.take_if(|_| known.pid.is_some())
                        && frame.status.executed < floor
                    {
                        self.forgetful.push(format!("{replica}: {} after {floor}", frame.status.executed));
                    }
                    known.frame = Some(frame);
                }
                LinkEvent::Message(_) | LinkEvent::Connecting | LinkEvent::Rtt(_) | LinkEvent::Clock(_) => {}
            }
        }
    }

    async fn trouble_until(&mut self, end: Instant) {
        let faulty = Committee::new(REPLICAS).unwrap().faulty();
        while Instant::now() < end {
            self.listen(Duration::from_millis(500)).await;
            self.move_on().await;
            self.watch_progress();
            let fine: Vec<usize> = (0..REPLICAS).filter(|i| self.replicas[*i].trouble.is_none()).collect();
            if self.slow.is_some() {
                self.end_slow_links().await;
            } else if fine.len() == REPLICAS && self.dice.random_bool(0.02) {
                (0..REPLICAS).for_each(|replica| self.kill(replica));
                *self.counts.entry("all killed at once").or_default() += 1;
            } else if fine.len() == REPLICAS && self.dice.random_bool(0.02) {
                self.slow_links().await;
            } else if REPLICAS - fine.len() < faulty && self.dice.random_bool(0.4) {
                let replica = fine[self.dice.random_range(0..fine.len())];
                self.begin_trouble(replica).await;
            }
        }
    }

    /// Tells what everyone does while the cluster stands still.
    fn watch_progress(&mut self) {
        let executed = self.replicas.iter().filter_map(|known| known.frame.as_ref()).map(|f| f.status.executed.0).max();
        let executed = executed.unwrap_or_default();
        let progress = &mut self.progress;
        let stood = progress.since.elapsed();
        if executed > progress.executed {
            if progress.is_told {
                println!("went on after {:.1} s at s{executed}", stood.as_secs_f64());
            }
            let longest = match self.slow.is_some() {
                true => &mut progress.longest_when_slow,
                false => &mut progress.longest,
            };
            *longest = stood.max(*longest);
            (progress.executed, progress.since, progress.is_told) = (executed, Instant::now(), false);
        } else if stood > STANDS_STILL && !progress.is_told {
            progress.is_told = true;
            println!("stands still at s{executed}{}", if self.slow.is_some() { ", on slow links" } else { "" });
            for (index, known) in self.replicas.iter().enumerate() {
                let status = known.frame.as_ref().map(|frame| &frame.status);
                println!("  n{} {:?} {status:?}", index + 1, known.trouble);
            }
        }
    }
}

impl Drop for Soak {
    /// Ends the replicas that this test has started.
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().filter_map(|known| known.child.as_mut()) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
