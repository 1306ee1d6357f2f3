//! A cluster on this machine: its directory, its ports and its processes, from start to end.
//!
//! Each replica is this same program, run as `byztop node DIR/nX`. It ends when its standard input closes, and this
//! process holds the other end: however this process ends, its replicas end too. A replica that dies is reported and
//! left dead until somebody wants it back.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Durability, InitOptions, Role};
use byztop_core::protocol::Settings;
use byztop_core::types::{ProtocolName, ReplicaId, ReplicaSet};
use byztop_node::bare::Traffic;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::ports::{self, Reservation};
use crate::usage;

/// What to start.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaunchOptions {
    /// How many replicas, if that was said.
    pub(crate) replicas: Option<u8>,
    /// Which protocol, if that was said.
    pub(crate) protocol: Option<ProtocolName>,
    /// What survives, if that was said.
    pub(crate) durability: Option<Durability>,
    /// Where, instead of a temporary folder.
    pub(crate) dir: Option<PathBuf>,
    /// How a cluster that is made is tuned. One that is there already keeps its own settings.
    pub(crate) settings: Settings,
    /// How many clients a cluster that is made has; one unless this says otherwise.
    pub(crate) clients: Option<u16>,
    /// Which members run; all of them unless this names some. The others are in the roster and silent.
    pub(crate) live: Option<ReplicaSet>,
    /// No replicas, but their links with so much traffic on them.
    pub(crate) bare: Option<Traffic>,
}

impl LaunchOptions {
    /// What they lead to; nothing is made yet.
    ///
    /// # Errors
    ///
    /// If they contradict the directory, or a port of an existing cluster is taken.
    pub(crate) fn prospect(&self) -> anyhow::Result<Prospect> {
        match &self.dir {
            Some(dir) if is_there(dir) => {
                let directory = ClusterDirectory::open(dir)?;
                check_same(&directory, self)?;
                Ok(Prospect::of(&directory))
            }
            _ => Ok(Prospect::of_new(self)),
        }
    }
}

/// What is known of a cluster before it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prospect {
    /// How many replicas there are.
    pub(crate) replicas: usize,
    /// Which protocol they run.
    pub(crate) protocol: ProtocolName,
    /// What survives.
    pub(crate) durability: Durability,
}

impl Prospect {
    /// Of a cluster that is there.
    pub(crate) fn of(directory: &ClusterDirectory) -> Prospect {
        let config = directory.config();
        Prospect { replicas: config.replicas.len(), protocol: config.protocol, durability: config.durability }
    }

    /// Of one that is to be made.
    fn of_new(options: &LaunchOptions) -> Prospect {
        let defaults = InitOptions::default();
        Prospect {
            replicas: options.replicas.map_or(defaults.replicas, usize::from),
            protocol: options.protocol.unwrap_or(defaults.protocol),
            // Thrown away in the end: it must survive what is done to its processes, not a power cut.
            durability: options.durability.unwrap_or(Durability::Os),
        }
    }
}

/// What happened to a replica's process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// It runs.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It was killed by [`Processes::kill`].
    Killed,
    /// It has ended by itself, or somebody else has ended it.
    Ended {
        /// How, in words.
        how: String,
        /// The last lines of its log.
        log_tail: String,
    },
    /// It was to be started again, and could not be.
    NotStarted {
        /// Why not, in words.
        why: String,
    },
}

/// How often processes are looked after.
const LOOK: Duration = Duration::from_millis(100);

/// How long replicas may take to end by themselves once their standard input is closed.
const GRACE: Duration = Duration::from_millis(2500);

/// How many orders wait for whoever looks after the processes: one per replica of the largest cluster, and then some.
const ORDERS: usize = 128;

/// How much of a log is shown when its replica dies.
const TAIL_LINES: usize = 5;

/// A running local cluster. Dropping it ends every replica, then removes what is temporary.
pub(crate) struct LocalCluster {
    directory: Arc<ClusterDirectory>,
    live: ReplicaSet,
    notes: Vec<String>,
    // Dropped in this order: the keeper ends the replicas before their ports and folder go.
    keeper: Keeper,
    _ports: Option<Reservation>,
    _scratch: Option<TempDir>,
}

impl LocalCluster {
    /// Makes or opens the directory and starts its replicas, or those of them that are to run. What happens to them is reported to `lives`; reports that
    /// do not fit are lost, so the channel should hold a few per replica.
    ///
    /// # Errors
    ///
    /// If the options contradict the directory, a port of an existing cluster is taken, or a process can not start.
    pub(crate) fn start(
        options: &LaunchOptions,
        lives: mpsc::Sender<(ReplicaId, Life)>,
    ) -> anyhow::Result<LocalCluster> {
        let Ground { directory, ports, scratch } = Ground::find(options)?;
        let notes = ports.iter().filter_map(|ports| ports.note.clone()).collect();
        let program = std::env::current_exe().context("can not find this program's own file")?;
        let directory = Arc::new(directory);
        let bare = options.bare;
        let mut ward = Ward { program, directory: directory.clone(), bare, processes: Vec::new(), lives };
        let to_run = |replica: &ReplicaId| options.live.is_none_or(|live| live.contains(*replica));
        let live: ReplicaSet = directory.config().committee().members().filter(to_run).collect();
        for replica in live.iter() {
            ward.processes.push(Process::start(&ward.program, &directory, replica, bare)?);
        }
        for process in &ward.processes {
            ward.report(process.replica, Life::Started { pid: process.child.id() });
        }
        let keeper = Keeper::of(ward)?;
        Ok(LocalCluster { directory, live, notes, keeper, _ports: ports, _scratch: scratch })
    }

    /// The cluster's directory.
    pub(crate) fn directory(&self) -> &Arc<ClusterDirectory> {
        &self.directory
    }

    /// The members that were started.
    pub(crate) fn live(&self) -> ReplicaSet {
        self.live
    }

    /// A way to kill replicas and to start them again.
    pub(crate) fn processes(&self) -> Processes {
        Processes { orders: self.keeper.orders.clone() }
    }

    /// What the user should know about how it was started.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Where a cluster lives, before anything runs.
struct Ground {
    directory: ClusterDirectory,
    ports: Option<Reservation>,
    scratch: Option<TempDir>,
}

impl Ground {
    fn find(options: &LaunchOptions) -> anyhow::Result<Ground> {
        match &options.dir {
            Some(dir) if is_there(dir) => {
                let mut directory = ClusterDirectory::open(dir)?;
                check_same(&directory, options)?;
                // With durability `memory` what its replicas knew is gone, so they begin together and anew.
                if directory.config().durability == Durability::Memory {
                    directory.begin_epoch()?;
                }
                Ok(Ground { directory, ports: None, scratch: None })
            }
            Some(dir) => {
                let (directory, ports) = make(dir, options)?;
                Ok(Ground { directory, ports: Some(ports), scratch: None })
            }
            None => {
                let scratch = tempfile::Builder::new().prefix("byztop-").tempdir();
                let scratch =
                    scratch.context("can not make a temporary folder for the cluster; --dir names another")?;
                let (directory, ports) = make(scratch.path(), options)?;
                Ok(Ground { directory, ports: Some(ports), scratch: Some(scratch) })
            }
        }
    }
}

/// Whether there is a cluster in a folder already, or the path is that of its `cluster.toml`.
fn is_there(dir: &Path) -> bool {
    dir.is_file() || dir.join("cluster.toml").exists()
}

/// A fresh cluster for this machine, where the operator may attack.
fn make(dir: &Path, options: &LaunchOptions) -> anyhow::Result<(ClusterDirectory, Reservation)> {
    let Prospect { replicas, protocol, durability } = Prospect::of_new(options);
    let defaults = InitOptions::default();
    let ports = ports::reserve(replicas).context("can not find free ports")?;
    let init = InitOptions {
        replicas,
        ports: ports.ports.clone(),
        protocol,
        durability,
        attacks_allowed: true,
        settings: options.settings.clone(),
        clients: options.clients.unwrap_or(defaults.clients),
        ..defaults
    };
    Ok((ClusterDirectory::create(dir, &init)?, ports))
}

/// An existing cluster is started as it is; options that say otherwise are refused rather than ignored.
fn check_same(directory: &ClusterDirectory, options: &LaunchOptions) -> anyhow::Result<()> {
    let (config, file) = (directory.config(), directory.path().join("cluster.toml"));
    let differs = |found: String, asked: String| {
        Err(usage(format!("{}: this cluster has {found}, but {asked} was asked for", file.display())))
    };
    if let Some(replicas) = options.replicas.filter(|n| usize::from(*n) != config.replicas.len()) {
        return differs(format!("{} replicas", config.replicas.len()), format!("--replicas {replicas}"));
    }
    if let Some(protocol) = options.protocol.filter(|p| *p != config.protocol) {
        return differs(format!("protocol {}", config.protocol), format!("--protocol {protocol}"));
    }
    if let Some(durability) = options.durability.filter(|d| *d != config.durability) {
        return differs(format!("durability {}", config.durability), format!("--durability {durability}"));
    }
    if let Some((name, port)) = ports::taken_in(config) {
        let file = file.display();
        return Err(usage(format!("port {port} of {name} is taken; is the cluster of {file} running already?")));
    }
    Ok(())
}

/// One replica's process and the pipe that keeps it alive.
struct Process {
    replica: ReplicaId,
    child: Child,
    // `Some` as long as the replica is to live.
    pipe: Option<ChildStdin>,
    log: PathBuf,
    /// Whether it was killed from here.
    was_killed: bool,
    has_ended: bool,
}

impl Process {
    fn start(
        program: &Path,
        directory: &ClusterDirectory,
        replica: ReplicaId,
        bare: Option<Traffic>,
    ) -> anyhow::Result<Process> {
        let home = directory.home(Role::Replica(replica));
        let log = home.join("log");
        let output = open_log(&log).with_context(|| format!("{}: can not write {replica}'s log", log.display()))?;
        let errors = output.try_clone().with_context(|| format!("{}: can not write {replica}'s log", log.display()))?;
        let threads = byztop_node::threads_for(directory.config().replicas.len());
        let mut child = Command::new(program)
            .args(["node", "--until-stdin-closes", "--threads", &threads.to_string()])
            .args(bare.into_iter().flat_map(|traffic| ["--bare".to_string(), traffic.to_string()]))
            .arg(&home)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // A group of its own: Ctrl-C reaches the console alone, which then ends its replicas in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("can not start {replica} as {}", program.display()))?;
        let pipe = child.stdin.take();
        Ok(Process { replica, child, pipe, log, was_killed: false, has_ended: false })
    }

    /// Whether the process has ended since the last look, and how.
    fn look(&mut self) -> Option<Life> {
        if self.has_ended {
            return None;
        }
        let how = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => in_words(status),
            Err(error) => format!("lost: {error}"),
        };
        self.has_ended = true;
        if self.was_killed {
            return Some(Life::Killed);
        }
        Some(Life::Ended { how, log_tail: tail(&self.log).unwrap_or_default() })
    }

    /// Ends it at once, as a power cut would: it can neither save nor say anything.
    fn kill(&mut self) {
        if self.is_running() {
            self.was_killed = true;
            // As when it is dropped: there may be nothing left to kill.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }

    fn is_running(&mut self) -> bool {
        self.look();
        !self.has_ended
    }
}

impl Drop for Process {
    /// Whatever way a cluster comes to its end, no process of it stays.
    fn drop(&mut self) {
        drop(self.pipe.take());
        if self.is_running() {
            // It may end by itself in this instant; then there is nothing to kill, and waiting reaps it.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended by itself".to_string(),
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => {
            let name = nix::sys::signal::Signal::try_from(signal).map_or("?", nix::sys::signal::Signal::as_str);
            format!("was killed by signal {signal} ({name})")
        }
        (None, None) => "ended".to_string(),
    }
}

/// The last few lines of a log, of which no more than a few kilobytes are read.
fn tail(log: &Path) -> io::Result<String> {
    const MOST: u64 = 4096;
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
}

/// Kills replicas of a local cluster and starts them again. What came of it is reported as their [`Life`].
#[derive(Clone)]
pub(crate) struct Processes {
    orders: SyncSender<Order>,
}

impl Processes {
    /// Kills a replica's process, as `kill -9` does. Nothing happens if it is dead.
    pub(crate) fn kill(&self, replica: ReplicaId) {
        self.order(Order::Kill(replica));
    }

    /// Starts a dead replica again, in its folder and at its ports. Nothing happens if it runs.
    pub(crate) fn restart(&self, replica: ReplicaId) {
        self.order(Order::Restart(replica));
    }

    fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::warn!("nobody looks after the processes: {error}");
        }
    }
}

/// What is to be done with the processes.
#[derive(Clone, Copy, Debug)]
enum Order {
    Kill(ReplicaId),
    Restart(ReplicaId),
    /// End all of them, and the thread that looks after them.
    End,
}

/// The processes, in the hands of the thread that looks after them.
struct Ward {
    program: PathBuf,
    directory: Arc<ClusterDirectory>,
    bare: Option<Traffic>,
    /// One per replica that was started, in roster order.
    processes: Vec<Process>,
    lives: mpsc::Sender<(ReplicaId, Life)>,
}

impl Ward {
    fn keep(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(LOOK) {
                Ok(Order::Kill(replica)) => self.process(replica).into_iter().for_each(Process::kill),
                Ok(Order::Restart(replica)) => self.restart(replica),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
        }
        end_gently(&mut self.processes);
    }

    fn look(&mut self) {
        let ended = |process: &mut Process| process.look().map(|life| (process.replica, life));
        let lives: Vec<(ReplicaId, Life)> = self.processes.iter_mut().filter_map(ended).collect();
        lives.into_iter().for_each(|(replica, life)| self.report(replica, life));
    }

    /// A replica's process; `None` if it was never to run.
    fn process(&mut self, replica: ReplicaId) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.replica == replica)
    }

    fn restart(&mut self, replica: ReplicaId) {
        // Whoever is found dead only now is reported first.
        self.look();
        if !self.process(replica).is_some_and(|process| process.has_ended) {
            return tracing::info!("{replica} runs already, or is not to run");
        }
        match Process::start(&self.program, &self.directory, replica, self.bare) {
            Ok(process) => {
                let pid = process.child.id();
                if let Some(dead) = self.process(replica) {
                    *dead = process;
                }
                self.report(replica, Life::Started { pid });
            }
            Err(error) => self.report(replica, Life::NotStarted { why: format!("{error:#}") }),
        }
    }

    fn report(&self, replica: ReplicaId, life: Life) {
        if let Err(error) = self.lives.try_send((replica, life)) {
            tracing::warn!("nobody hears of {replica}: {error}");
        }
    }
}

/// Looks after the processes on a thread of its own, and ends them all when it is dropped.
struct Keeper {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    fn of(ward: Ward) -> anyhow::Result<Keeper> {
        let (orders, queue) = sync_channel(ORDERS);
        let thread = thread::Builder::new().name("processes".to_string()).spawn(move || ward.keep(&queue));
        Ok(Keeper { orders, thread: Some(thread.context("can not start a thread")?) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The thread takes one order after the other, so there will be room; if it is gone there is nobody to tell.
        self.orders.send(Order::End).ok();
        if let Some(thread) = self.thread.take() {
            // If it panicked, its pipes are closed all the same and the replicas end.
            thread.join().ok();
        }
    }
}

/// Closes all pipes and waits a little. Who is still there afterwards is killed as it is dropped.
fn end_gently(processes: &mut [Process]) {
    for process in &mut *processes {
        drop(process.pipe.take());
    }
    let deadline = Instant::now() + GRACE;
    while processes.iter_mut().any(Process::is_running) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines_and_bounded() {
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        let text: String = (0..10_000).map(|line| format!("line {line}\n\n")).collect();
        std::fs::write(&log, text).unwrap();
        assert_eq!(tail(&log).unwrap(), "line 9995\nline 9996\nline 9997\nline 9998\nline 9999");
    }
}
