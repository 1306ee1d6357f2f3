//! A cluster, the links to its replicas and the load on it; and the screen on top of them.
//!
//! Everything asynchronous runs on background threads. The screen has the main thread and two bounded channels: events
//! come in, commands go out. It is never waited for: an event that does not fit is counted and lost, unless it tells
//! that a link or a process changed, which is kept until it fits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Role};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest};
use byztop_core::types::{ReplicaId, ReplicaSet};
use byztop_node::control::{self, LinkEvent};
use byztop_node::load::{Load, LoadReport, LoadSettings};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing_subscriber::EnvFilter;

use crate::cli::{AttachArgs, Rate, UpArgs};
use crate::launch::{LaunchOptions, Life, LocalCluster, Processes, Prospect};
use crate::stop::Stop;
use crate::tui::{self, Attention, Command, Feed, FeedEvent, Glyphs, ProcessEvent, Roster};
use crate::usage;

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

/// How often the load is reported.
const LOAD_REPORT: Duration = Duration::from_millis(250);

/// The load begins when every replica is connected, or after so long without the last ones.
const PATIENCE: Duration = Duration::from_secs(5);

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
        log_to_file(&session.cluster.directory().path().join("console.log"))?;
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

/// Logs to a file, never to the screen. `BYZTOP_LOG=debug` says more.
///
/// # Errors
///
/// If the file can not be written.
pub(crate) fn log_to_file(path: &Path) -> anyhow::Result<()> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.with_context(|| format!("{}: can not write the console's log", path.display()))?;
    let filter = EnvFilter::try_from_env("BYZTOP_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
    Ok(())
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
    fn open(
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
/// The screen comes first: keys, certificates and processes take longer than anybody should look at nothing.
///
/// # Errors
///
/// If the cluster can not be started or the terminal can not be used.
pub(crate) fn show(up: &UpArgs) -> anyhow::Result<()> {
    let stop = Stop::install().context("can not listen for signals")?;
    let (feed, wires) = wire(launch_options(up).prospect()?, up.record.clone());
    let mut notes = Vec::new();
    let shown = thread::scope(|scope| {
        let serve = || serve(up, wires, stop, &mut notes);
        let server = thread::Builder::new().name("cluster".to_string()).spawn_scoped(scope, serve);
        let server = server.context("can not start a thread")?;
        let shown = tui::run(feed, Glyphs::from_flag(up.ascii));
        // The screen has ended, so its commands have, and with them whoever took them.
        let served = server.join().ok().context("what runs the cluster has failed; this is a bug in byztop")?;
        shown.and(served)
    });
    // They are in the scroll-back, now that the screen has gone.
    notes.iter().for_each(|note| eprintln!("byztop: {note}"));
    shown
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
    let runtime = Background::start()?;
    let members = directory.config().committee().members().collect();
    let links = Links::open(&runtime, &directory, members, role, FRAME_MS);
    let (feed, wires) = wire(Prospect::of(&directory), args.record.clone());
    // No process is ours, so that none is ever heard of.
    let (_silent, lives) = mpsc::channel(1);
    let load = LoadState::Elsewhere;
    let driver = Driver { links, lives, processes: None, outbox: wires.outbox, load, directory };
    let driver = runtime.get().spawn(driver.run(wires.commands, stop));
    let shown = tui::run(feed, Glyphs::from_flag(args.ascii));
    // The screen has ended, so its commands have, and with them the driver.
    let driven = runtime.get().block_on(driver);
    shown?;
    driven.context("the links to the cluster have failed; this is a bug in byztop")?
}

/// The other ends of a screen's feed.
struct Wires {
    outbox: Outbox,
    commands: mpsc::Receiver<Command>,
}

/// A feed for the screen, and its other ends.
fn wire(prospect: Prospect, record: Option<PathBuf>) -> (Feed, Wires) {
    let Prospect { protocol, replicas, durability } = prospect;
    let (protocol, durability) = (protocol.to_string(), durability.to_string());
    let roster = Roster { protocol, replicas, durability, simulation: None };
    let (events, feed_events) = sync_channel(LINK_EVENTS);
    let (commands, command_queue) = mpsc::channel(COMMANDS);
    let dropped = Arc::new(AtomicU64::new(0));
    let outbox = Outbox::new(events, dropped.clone());
    let feed = Feed { roster, events: feed_events, commands, dropped, record };
    (feed, Wires { outbox, commands: command_queue })
}

/// Carries events to the screen and its commands away.
struct Driver {
    links: Links,
    lives: mpsc::Receiver<(ReplicaId, Life)>,
    processes: Option<Processes>,
    outbox: Outbox,
    load: LoadState,
    directory: Arc<ClusterDirectory>,
}

enum LoadState {
    /// Not every replica is connected yet.
    Waiting { connected: BTreeSet<ReplicaId>, settings: LoadSettings },
    /// Whoever started the cluster has one, or nobody.
    Elsewhere,
    /// It runs, at this rate and bundle.
    Running { load: Load, rate: Option<f64>, bundle: u32 },
}

impl Driver {
    /// Runs until the user leaves or a signal comes; the screen ends when its feed does.
    ///
    /// # Errors
    ///
    /// If the load can not be started.
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut stop: Stop) -> anyhow::Result<()> {
        let mut ticks = interval(LOAD_REPORT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(()),
                command = commands.recv() => match command {
                    None | Some(Command::Quit) => return Ok(()),
                    Some(Command::Send(replica, request)) => self.links.ask(replica, request),
                    Some(Command::Kill(replica)) => self.processes.iter().for_each(|ours| ours.kill(replica)),
                    Some(Command::Restart(replica)) => self.processes.iter().for_each(|ours| ours.restart(replica)),
                    Some(Command::SetRate(wanted)) => self.set_rate(wanted),
                    Some(Command::Listen(Attention::Live)) => self.links.pace(FRAME_MS),
                    Some(Command::Listen(Attention::Held)) => self.links.pace(FRAME_MS_WHILE_HELD),
                    // Real time passes by itself, and there are no test cases.
                    Some(Command::Simulate(_) | Command::Case(_)) => {}
                },
                Some((replica, life)) = self.lives.recv() => {
                    self.outbox.must_arrive(FeedEvent::Process(replica, process_event(life)));
                }
                Some((replica, event)) = self.links.next() => self.on_link(replica, event)?,
                _ = ticks.tick() => self.on_tick(),
                () = sleep_until(patience), if matches!(self.load, LoadState::Waiting { .. }) => self.start_load()?,
            }
        }
    }

    fn on_link(&mut self, replica: ReplicaId, event: LinkEvent) -> anyhow::Result<()> {
        if let (LoadState::Waiting { connected, .. }, LinkEvent::Up(_)) = (&mut self.load, &event) {
            connected.insert(replica);
            if connected.len() == self.directory.config().replicas.len() {
                self.start_load()?;
            }
        }
        let is_passing = matches!(
            event,
            LinkEvent::Rtt(_)
                | LinkEvent::Clock(_)
                | LinkEvent::Message(ConsoleMessage::Frame(_))
                | LinkEvent::Connecting
        );
        let event = FeedEvent::Link(replica, link_event(event));
        if is_passing {
            self.outbox.may_be_lost(event);
        } else {
            self.outbox.must_arrive(event);
        }
        Ok(())
    }

    fn on_tick(&mut self) {
        self.outbox.flush();
        if let LoadState::Running { load, rate, bundle } = &self.load {
            let accounts = self.directory.config().settings.accounts;
            let report = load_report(load.report(), *rate, *bundle, accounts);
            self.outbox.may_be_lost(FeedEvent::Load(Box::new(report)));
        }
    }

    fn start_load(&mut self) -> anyhow::Result<()> {
        if let LoadState::Waiting { settings, .. } = &self.load {
            let (rate, bundle) = (settings.rate, settings.bundle as u32);
            let load = Load::start(self.directory.clone(), settings.clone())?;
            self.load = LoadState::Running { load, rate, bundle };
        }
        Ok(())
    }

    fn set_rate(&mut self, wanted: Option<f64>) {
        match &mut self.load {
            LoadState::Waiting { settings, .. } => settings.rate = wanted,
            LoadState::Elsewhere => {}
            LoadState::Running { load, rate, .. } => {
                load.set_rate(wanted);
                *rate = wanted;
            }
        }
    }
}

/// The screen's end of the feed.
pub(crate) struct Outbox {
    events: SyncSender<FeedEvent>,
    kept: VecDeque<FeedEvent>,
    dropped: Arc<AtomicU64>,
}

impl Outbox {
    /// Past so many events that must arrive, the oldest are lost all the same: the screen is not reading.
    const MOST_KEPT: usize = 4096;

    /// Into a feed that counts what is lost.
    pub(crate) fn new(events: SyncSender<FeedEvent>, dropped: Arc<AtomicU64>) -> Outbox {
        Outbox { events, kept: VecDeque::new(), dropped }
    }

    fn may_be_lost(&mut self, event: FeedEvent) {
        self.flush();
        // What is kept is older, so nothing may overtake it.
        if !self.kept.is_empty() || self.events.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An event that is kept until there is room for it.
    pub(crate) fn must_arrive(&mut self, event: FeedEvent) {
        self.kept.push_back(event);
        if self.kept.len() > Self::MOST_KEPT {
            self.kept.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(event) = self.kept.pop_front() {
            // A screen that is gone needs nothing any more; its commands end the driver.
            if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
                self.kept.push_front(event);
                return;
            }
        }
    }
}

/// A link's event as the screen knows it.
pub(crate) fn link_event(event: LinkEvent) -> tui::LinkEvent {
    match event {
        LinkEvent::Connecting => tui::LinkEvent::Connecting,
        LinkEvent::Up(welcome) => tui::LinkEvent::Up(welcome),
        LinkEvent::Message(message) => tui::LinkEvent::Message(message),
        LinkEvent::Rtt(rtt) => tui::LinkEvent::Rtt(rtt),
        LinkEvent::Clock(offset) => tui::LinkEvent::Clock(offset),
        LinkEvent::Down(why) => tui::LinkEvent::Down(why),
    }
}

/// What happened to a process as the screen knows it.
pub(crate) fn process_event(life: Life) -> ProcessEvent {
    match life {
        Life::Started { pid } => ProcessEvent::Started { pid },
        Life::Killed => ProcessEvent::Killed,
        Life::NotStarted { why } => ProcessEvent::NotStarted { why },
        Life::Ended { how, log_tail } => {
            let last = log_tail.lines().last().unwrap_or_default().to_string();
            ProcessEvent::Exited { status: how, log_tail: last }
        }
    }
}

fn load_report(report: LoadReport, rate: Option<f64>, bundle: u32, accounts: u32) -> tui::LoadReport {
    let LoadReport { committed_ops, success, failed, latency, in_flight, busy, offered_ops, busiest, .. } = report;
    let busiest = busiest.into_iter().map(|(account, count)| (account.name(accounts).to_string(), count)).collect();
    tui::LoadReport { committed_ops, success, failed, offered_ops, in_flight, busy, busiest, latency, rate, bundle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_lost_when_the_screen_lags_but_changes_arrive_in_order() {
        let (events, screen) = sync_channel(1);
        let mut outbox = Outbox::new(events, Arc::default());
        let started = |pid| FeedEvent::Process(ReplicaId(0), ProcessEvent::Started { pid });
        let rtt = || FeedEvent::Link(ReplicaId(0), tui::LinkEvent::Connecting);
        outbox.may_be_lost(rtt());
        outbox.may_be_lost(rtt());
        outbox.must_arrive(started(1));
        outbox.may_be_lost(rtt());
        outbox.must_arrive(started(2));
        assert_eq!(outbox.dropped.load(Ordering::Relaxed), 2);
        let mut seen = Vec::new();
        while let Ok(event) = screen.try_recv() {
            if let FeedEvent::Process(_, ProcessEvent::Started { pid }) = event {
                seen.push(pid);
            }
            outbox.flush();
        }
        assert_eq!(seen, [1, 2]);
    }

    #[test]
    fn changes_are_bounded_too() {
        let (events, _screen) = sync_channel(1);
        let mut outbox = Outbox::new(events, Arc::default());
        for pid in 0..=Outbox::MOST_KEPT as u32 + 5 {
            outbox.must_arrive(FeedEvent::Process(ReplicaId(0), ProcessEvent::Started { pid }));
        }
        assert_eq!(outbox.kept.len(), Outbox::MOST_KEPT);
        assert_eq!(outbox.dropped.load(Ordering::Relaxed), 5);
    }
}
