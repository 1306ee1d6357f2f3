//! A cluster on this machine: its directory, its ports and its processes, from start to end.
//!
//! Each replica is this same program, run as `byztop node DIR/nX`. It ends when its standard input closes, and this
//! process holds the other end: however this process ends, its replicas end too. A replica that dies is reported and
//! left dead until somebody wants it back.

mod process;
mod ward;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use byztop_certs::{ClusterDirectory, Durability, InitOptions};
use byztop_core::committee::Committee;
use byztop_core::protocol::Settings;
use byztop_core::types::{ProtocolName, ReplicaId, ReplicaSet};
use byztop_node::bare::Traffic;
use tempfile::TempDir;
use tokio::sync::mpsc;
use ward::{Keeper, Ward};

pub(crate) use self::process::Life;
pub(crate) use self::ward::Processes;
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
    /// Whether a cluster that is there begins a new epoch without what was stored in an earlier one.
    pub(crate) new_epoch: bool,
    /// How a cluster that is made is tuned, if that was said: otherwise with the defaults, as far as a cluster of its size
    /// can have them. One that is there already keeps its own settings.
    pub(crate) settings: Option<Settings>,
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
    /// Makes or opens the directory and starts its replicas, or those of them that are to run. What happens to them is
    /// reported to `lives`; reports that do not fit are lost, so the channel should hold a few per replica.
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
        let to_run = |replica: &ReplicaId| options.live.is_none_or(|live| live.contains(*replica));
        let live: ReplicaSet = directory.config().committee().members().filter(to_run).collect();
        let keeper = Keeper::of(Ward::start(program, directory.clone(), options, live, lives)?)?;
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
        self.keeper.processes()
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

/// The default settings, with a window that so many replicas can have.
pub(crate) fn default_settings(replicas: usize) -> Settings {
    match Committee::new(replicas) {
        Some(committee) => Settings::default().fitted_to(committee),
        None => Settings::default(),
    }
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
        settings: options.settings.clone().unwrap_or_else(|| default_settings(replicas)),
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
