//! A cluster, the links to its replicas and the load on it; and the screen on top of them.
//!
//! Everything asynchronous runs on background threads. The screen has the main thread and two bounded channels: events
//! come in, commands go out. It is never waited for: an event that does not fit is counted and lost, unless it tells
//! that a link or a process changed, which is kept until it fits.

mod driver;
mod outbox;
mod translate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::{ReplicaId, ReplicaSet};
use byztop_node::control::{self, LinkEvent};
use byztop_node::load::{Load, LoadSettings};
use driver::{Driver, LoadState};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub(crate) use self::outbox::Outbox;
pub(crate) use self::translate::{link_event, load_report, process_event};
use crate::cli::{AttachArgs, Rate, UpArgs};
use crate::launch::{LaunchOptions, Life, LocalCluster, Prospect};
use crate::stop::Stop;
use crate::tui::{self, Command, Feed, Glyphs, Roster};
use crate::{complain, log, usage};

/// How many link events wait for whoever folds them.
const LINK_EVENTS: usize = 1024;

/// How many requests wait for one link.
const LINK_REQUESTS: usize = 16;

/// How many commands of the screen wait: one per replica of the largest cluster, and then some.
const COMMANDS: usize = 128;

/// How many reports on processes wait; a cluster of a hundred starts and dies within it.
const LIVES: usize = 512;

/// How often replicas send frames to the screen, and how often while that is held still. Most of what an idle console
/// costs is taking frames from the network; nothing that happens is missing from fewer of them. The screen doubts what
/// it knows after 700 ms.
const FRAME_MS: u32 = 100;
const FRAME_MS_WHILE_HELD: u32 = 500;

/// How long background tasks may take to end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// What `up` starts: processes, links, and what the load is to be.
pub(crate) struct Session {
    pub(crate) links: Links,
    pub(crate) lives: mpsc::Receiver<(ReplicaId, Life)>,
    pub(crate) load_settings: LoadSettings,
    // Dropped in this order: links and load end before the replicas do.
    pub(crate) runtime: Background,
    pub(crate) cluster: LocalCluster,
}

impl Session {
    /// Starts the cluster and begins to connect to it in a role.
    ///
    /// # Errors
    ///
    /// As [`LocalCluster::start`].
    pub(crate) fn start(up: &UpArgs, role: Role, frame_ms: u32) -> anyhow::Result<Session> {
        let session = Session::open(&launch_options(up), load_settings(up), role, frame_ms)?;
        log::to_file(&session.cluster.directory().path().join("console.log"))?;
        Ok(session)
    }

    /// The same for a cluster and a load that nobody typed in this form.
    ///
    /// # Errors
    ///
    /// As [`LocalCluster::start`].
    pub(crate) fn open(
        options: &LaunchOptions,
        load_settings: LoadSettings,
        role: Role,
        frame_ms: u32,
    ) -> anyhow::Result<Session> {
        let (cluster, lives) = launch(options)?;
        let runtime = Background::start()?;
        let links = Links::open(&runtime, cluster.directory(), cluster.live(), role, frame_ms);
        Ok(Session { links, lives, load_settings, runtime, cluster })
    }
}

/// Starts a cluster; what happens to its processes comes out of the channel.
///
/// # Errors
///
/// As [`LocalCluster::start`].
pub(crate) fn launch(options: &LaunchOptions) -> anyhow::Result<(LocalCluster, mpsc::Receiver<(ReplicaId, Life)>)> {
    let (sender, lives) = mpsc::channel(LIVES);
    Ok((LocalCluster::start(options, sender)?, lives))
}

fn launch_options(up: &UpArgs) -> LaunchOptions {
    LaunchOptions {
        replicas: up.replicas,
        protocol: up.protocol,
        durability: up.durability,
        dir: up.dir.clone(),
        new_epoch: up.new_epoch,
        ..LaunchOptions::default()
    }
}

fn load_settings(up: &UpArgs) -> LoadSettings {
    let (rate, sessions) = (up.rate.per_second(), sessions(up.rate));
    LoadSettings { rate, bundle: usize::from(up.bundle), sessions, ..LoadSettings::default() }
}

/// How many sessions a load has unless told.
pub(crate) fn sessions(rate: Rate) -> u16 {
    // An open loop must not run out of sessions when the cluster stalls for a moment; a closed loop is as large as its
    // sessions, and more than a few batches of them only wait longer.
    match rate {
        Rate::PerSecond(_) => Load::MAX_SESSIONS,
        Rate::Max => 256,
    }
}

/// The threads of everything asynchronous. Dropping it gives tasks a moment to end and then leaves them.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// If the system gives no threads.
    pub(crate) fn start() -> anyhow::Result<Background> {
        let runtime = byztop_node::runtime(byztop_node::WORKER_THREADS).context("can not start background threads")?;
        Ok(Background(Some(runtime)))
    }

    pub(crate) fn get(&self) -> &Runtime {
        self.0.as_ref().expect("the runtime is taken when it is dropped")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(SHUTDOWN);
        }
    }
}

/// One link to each replica that was started.
pub(crate) struct Links {
    requests: BTreeMap<ReplicaId, mpsc::Sender<ConsoleRequest>>,
    events: mpsc::Receiver<(ReplicaId, LinkEvent)>,
    frame_ms: u32,
}

impl Links {
    /// Opens them, and asks each for frames so far apart as soon as it is up.
    pub(crate) fn open(
        runtime: &Background,
        directory: &Arc<ClusterDirectory>,
        live: ReplicaSet,
        role: Role,
        frame_ms: u32,
    ) -> Links {
        let (sender, events) = mpsc::channel(LINK_EVENTS);
        let open = |replica| {
            let (requests, receiver) = mpsc::channel(LINK_REQUESTS);
            runtime.get().spawn(control::watch(directory.clone(), role, replica, receiver, sender.clone()));
            (replica, requests)
        };
        let requests = live.iter().map(open).collect();
        Links { requests, events, frame_ms }
    }

    /// The next event. A link that comes up is asked for frames at once.
    pub(crate) async fn next(&mut self) -> Option<(ReplicaId, LinkEvent)> {
        let (replica, event) = self.events.recv().await?;
        if matches!(event, LinkEvent::Up(_)) {
            self.ask(replica, ConsoleRequest::Subscribe { interval_ms: self.frame_ms });
        }
        Some((replica, event))
    }

    /// From now on frames come so far apart, the first of them at once.
    fn pace(&mut self, frame_ms: u32) {
        self.frame_ms = frame_ms;
        for replica in self.requests.keys() {
            self.ask(*replica, ConsoleRequest::Subscribe { interval_ms: frame_ms });
        }
    }

    /// Sends a request if the link has room for it.
    pub(crate) fn ask(&self, replica: ReplicaId, request: ConsoleRequest) {
        let Some(link) = self.requests.get(&replica) else { return };
        if let Err(error) = link.try_send(request) {
            tracing::warn!("a request to {replica} is lost: {error}");
        }
    }
}

/// Starts a cluster and shows it until the user leaves.
///
/// # Errors
///
/// If the cluster can not be started or the terminal can not be used.
pub(crate) fn show(up: &UpArgs) -> anyhow::Result<()> {
    let stop = Stop::install().context("can not listen for signals")?;
    let (feed, wires) = wire(launch_options(up).prospect()?, up.record.clone());
    let mut notes = Vec::new();
    let shown = beside_screen(feed, Glyphs::from_flag(up.ascii), || serve(up, wires, stop, &mut notes));
    // They are in the scroll-back, now that the screen has gone.
    notes.iter().for_each(|note| complain(note));
    shown
}

/// Shows a cluster that somebody else has started, until the user leaves. It goes on.
///
/// # Errors
///
/// If there is no cluster in the folder, or not the keys of the role; if the terminal can not be used.
pub(crate) fn attach(args: &AttachArgs) -> anyhow::Result<()> {
    let directory = Arc::new(ClusterDirectory::open(&args.dir).map_err(|error| usage(error.to_string()))?);
    let role = if args.observe { Role::Observer } else { Role::Operator };
    // Said before the screen is taken, rather than once for each link.
    directory.identity(role).map_err(|error| usage(error.to_string()))?;
    let stop = Stop::install().context("can not listen for signals")?;
    let (feed, wires) = wire(Prospect::of(&directory), args.record.clone());
    beside_screen(feed, Glyphs::from_flag(args.ascii), || follow(directory, role, wires, stop))
}

/// Shows a feed until the user leaves, and runs what speaks into it on a thread of its own.
///
/// The screen comes first: keys, certificates, processes and links take longer than anybody should look at nothing.
fn beside_screen(feed: Feed, glyphs: Glyphs, serve: impl FnOnce() -> anyhow::Result<()> + Send) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let server = thread::Builder::new().name("cluster".to_string()).spawn_scoped(scope, serve);
        let server = server.context("can not start a thread")?;
        let shown = tui::run(feed, glyphs);
        // The screen has ended, so its commands have, and with them whoever took them.
        let served = server.join().ok().context("what speaks to the cluster has failed; this is a bug in byztop")?;
        shown.and(served)
    })
}

/// Runs a cluster for a screen until that has ended; tells what the user should know about how it was started.
fn serve(up: &UpArgs, wires: Wires, stop: Stop, notes: &mut Vec<String>) -> anyhow::Result<()> {
    let session = Session::start(up, Role::Operator, FRAME_MS)?;
    notes.extend_from_slice(session.cluster.notes());
    // Named in this order, the cluster is dropped last, whatever happens on the way.
    let Session { cluster, runtime, links, lives, load_settings } = session;
    let load = LoadState::Waiting { connected: BTreeSet::new(), settings: load_settings };
    let (processes, directory) = (Some(cluster.processes()), cluster.directory().clone());
    let driver = Driver { links, lives, processes, outbox: wires.outbox, load, directory };
    runtime.get().block_on(driver.run(wires.commands, stop))
}

/// Follows a cluster that runs elsewhere for a screen until that has ended.
fn follow(directory: Arc<ClusterDirectory>, role: Role, wires: Wires, stop: Stop) -> anyhow::Result<()> {
    let runtime = Background::start()?;
    let members = directory.config().committee().members().collect();
    let links = Links::open(&runtime, &directory, members, role, FRAME_MS);
    // No process is ours, so that none is ever heard of.
    let (_silent, lives) = mpsc::channel(1);
    let load = LoadState::Elsewhere;
    let driver = Driver { links, lives, processes: None, outbox: wires.outbox, load, directory };
    runtime.get().block_on(driver.run(wires.commands, stop))
}

/// The other ends of a screen's feed.
struct Wires {
    outbox: Outbox,
    commands: mpsc::Receiver<Command>,
}

/// What is known of a cluster before anything is connected.
pub(crate) fn roster_of(directory: &ClusterDirectory) -> Roster {
    roster(Prospect::of(directory))
}

fn roster(Prospect { protocol, replicas, durability }: Prospect) -> Roster {
    let (protocol, durability) = (protocol.to_string(), durability.to_string());
    Roster { protocol, replicas, durability, simulation: None }
}

/// A feed for the screen, and its other ends.
fn wire(prospect: Prospect, record: Option<PathBuf>) -> (Feed, Wires) {
    let roster = roster(prospect);
    let (events, feed_events) = sync_channel(LINK_EVENTS);
    let (commands, command_queue) = mpsc::channel(COMMANDS);
    let dropped = Arc::new(AtomicU64::new(0));
    let outbox = Outbox::new(events, dropped.clone());
    let feed = Feed { roster, events: feed_events, commands, dropped, record };
    (feed, Wires { outbox, commands: command_queue })
}
