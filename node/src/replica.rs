//! One replica as a process: its identity, its doors, and the task that drives it.

use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use byztop_certs::{ClusterDirectory, Door, Durability, Role};
use byztop_core::app::Application;
use byztop_core::app::smallbank::SmallBank;
use byztop_core::attack::{Byzantine, Forge};
use byztop_core::crypto::Author;
use byztop_core::protocol::{Protocol, Status};
use byztop_core::replica::Replica;
use byztop_core::telemetry::Welcome;
use byztop_core::types::ReplicaId;
use quinn::Endpoint;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::clock::{Clock, chance};
use crate::control::door::ControlDoor;
use crate::control::observer::Observer;
use crate::core_loop::{Core, input};
use crate::standing::Standing;
use crate::store::{Found, Label, OldEpoch, Store, StoreError};
use crate::transport::dial::Dialler;
use crate::transport::link::Shared;
use crate::transport::mesh::Mesh;
use crate::transport::trust::Trust;
use crate::transport::{Chatter, checks, close, endpoint};

/// The file in a replica's folder that says in which epoch it has run. Without its store its log is gone then.
const STARTED: &str = "started";

/// The longest that it is.
const MAX_MARK_BYTES: u64 = 4096;

/// The folder of its store in a replica's folder.
pub const STORE: &str = "store";

/// How long peers are given to hear that this replica stops.
const FAREWELL: Duration = Duration::from_millis(500);

/// Runs the replica whose folder is `home`, DIR/nX, until `until` is ready.
///
/// A replica that has run before goes on from what its store holds; one of an earlier epoch is dealt with as `old` says. Without one it has lost its log: it watches until a
/// checkpoint beyond anything that it can have voted for is stable (rule 29).
///
/// # Errors
///
/// If the folder is none of a replica, a key or certificate can not be used, an address is taken, or the store is not
/// what this replica wrote or fails.
pub async fn run_replica(home: &Path, old: OldEpoch, until: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (directory, me) = ClusterDirectory::of_home(home)?;
    let settings = &directory.config().settings;
    // The one place of this crate that chooses a protocol and an application.
    let app = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
    byztop_core::with_protocol!(directory.config().protocol, P => run::<P, SmallBank>(directory, me, app, old, until).await)
}

async fn run<P: Protocol, A: Application>(
    directory: ClusterDirectory,
    me: ReplicaId,
    app: A,
    old: OldEpoch,
    until: impl Future<Output = ()>,
) -> anyhow::Result<()>
where
    P::Message: Forge,
{
    let config = directory.config().clone();
    let identity = Arc::new(directory.identity(Role::Replica(me))?);
    let signer = directory.signer(Author::Replica(me))?;
    let protocol_door = endpoint::listen(&directory, &identity, me, Door::Protocol).await?;
    let control_door = endpoint::listen(&directory, &identity, me, Door::Control).await?;
    // Both addresses are ours from here on, so no other process of this replica runs.
    let Waking { replica, store, has_lost_log } = wake::<P, A>(&directory, me, app, old)?;
    let clock = Clock::start();
    let byzantine = Byzantine::new(me, config.committee(), replica, signer, chance());
    let welcome = Welcome {
        replica: me,
        protocol: P::NAME,
        leader: P::LEADER.to_string(),
        phases: P::PHASES.iter().map(ToString::to_string).collect(),
        replicas: u8::try_from(config.replicas.len()).context("a cluster has at most 100 replicas")?,
        checkpoint_interval_slots: config.settings.checkpoint_interval_slots,
        durability: config.durability.to_string(),
        may_attack: false,
        pid: std::process::id(),
    };
    let standing = Standing::new(me, config.committee(), config.parts(), Instant::now());
    let observer = Observer::new(clock, welcome, config.attacks_allowed, standing.clone());
    let core = Core::new(byzantine, clock, config.replicas.len(), observer, store);
    let (handle, inputs) = input::channels();

    let control = ControlDoor {
        me,
        config: config.clone(),
        endpoint: control_door.clone(),
        core: handle.consoles.clone(),
        clock,
        chatter: Chatter::default(),
    };
    let verifier = Arc::new(config.verifier());
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    let (checks, checkers) = checks::checks(threads, &verifier, &handle.peers);
    let clients = config.clients.iter().map(|_| Trust::default()).collect();
    let shared = Shared { verifier, checks, core: handle, clients, clock, standing: standing.clone() };
    let (endpoint, chatter) = (protocol_door.clone(), Chatter::default());
    let dialler = Dialler::at(endpoint.clone())?;
    let mesh = Mesh { me, config: config.clone(), identity, endpoint, dialler, shared, chatter };
    let (stop, stopped) = oneshot::channel();
    let core = tokio::spawn(core.run(inputs, has_lost_log, async {
        // Dropping the sender stops the replica as well.
        stopped.await.unwrap_or(())
    }));
    // Dropping the set, or this future, ends whoever serves the doors.
    let mut doors = JoinSet::new();
    doors.spawn(mesh.run());
    checkers.into_iter().for_each(|checker| drop(doors.spawn(checker.run())));
    doors.spawn(control.run());
    doors.spawn(standing.watch());
    tracing::info!("{me} is up at {} and {}", config.replicas[me.index()].address, config.replicas[me.index()].control);

    tokio::pin!(core);
    let ended = tokio::select! {
        () = until => {
            drop::<oneshot::Sender<()>>(stop);
            (&mut core).await
        }
        ended = &mut core => ended,
    };
    farewell(&[protocol_door, control_door]).await;
    doors.shutdown().await;
    let stopped = ended.with_context(|| format!("{me} has failed; this is a bug in byztop"))?;
    stopped.with_context(|| format!("{me} stops"))
}

/// A replica as it starts.
struct Waking<P: Protocol, A: Application> {
    replica: Replica<P, A>,
    store: Option<Store>,
    /// Whether it may have said what it does not know of any more.
    has_lost_log: bool,
}

/// A replica as its disk remembers it, or a new one.
fn wake<P: Protocol, A: Application>(
    directory: &ClusterDirectory,
    me: ReplicaId,
    app: A,
    old: OldEpoch,
) -> anyhow::Result<Waking<P, A>> {
    let config = directory.config();
    let (home, committee, settings) = (directory.home(Role::Replica(me)), config.committee(), &config.settings);
    let path = home.join(STORE);
    if config.durability == Durability::Memory {
        // What it says now would not be in the store, which would be believed later.
        ensure!(
            !path.exists(),
            "{}: durability is `memory`, but this replica has a store; remove it, or set durability back",
            path.display()
        );
        let has_lost_log = mark_started(&home, config.epoch)?;
        return Ok(Waking { replica: Replica::new(me, committee, settings, app), store: None, has_lost_log });
    }
    let mut store = Store::open(&path, &Label::new(config, me), config.durability, old)?;
    let has_started = mark_started(&home, config.epoch)?;
    let image = store.image()?;
    let replica = Replica::restore(me, committee, settings, app, &image)
        .map_err(|damaged| StoreError::damaged(&path, damaged))?;
    let Status { view, executed, .. } = replica.status();
    let has_lost_log = match store.found() {
        Found::Everything => false,
        Found::Nothing => has_started,
        Found::AllButTheEnd | Found::Unwitnessed => true,
    };
    if !has_lost_log {
        store.begin()?;
    }
    match (store.found(), has_lost_log) {
        (Found::Nothing, false) => tracing::info!("{me} begins with an empty store"),
        (Found::Nothing, true) => tracing::warn!("{me} has run before, but its store is gone: it has lost its log"),
        (Found::Unwitnessed, _) => {
            tracing::warn!(
                "{me}'s store has no file `commits`, so that nothing tells whether its end is there: {me} goes on as one that has \
                 lost its log's end"
            );
        }
        (Found::AllButTheEnd, _) => {
            tracing::warn!("{me}'s store ends before what it wrote last: it has lost its log's end")
        }
        (Found::Everything, _) => {
            tracing::info!("{me} goes on in view {view} from slot {executed}, with {} rows in its store", image.len());
        }
    }
    Ok(Waking { replica, store: Some(store), has_lost_log })
}

/// Tells everyone connected that this replica stops.
async fn farewell(doors: &[Endpoint]) {
    for door in doors {
        door.close(close::STOPPING, b"the replica stops");
    }
    let all_idle = async {
        for door in doors {
            door.wait_idle().await;
        }
    };
    if tokio::time::timeout(FAREWELL, all_idle).await.is_err() {
        tracing::debug!("some peers may not have heard that this replica stops");
    }
}

/// Writes the marker before anything can be signed, and says whether the replica ran before in this epoch: what it
/// signed in an earlier one means nothing any more.
fn mark_started(home: &Path, epoch: u64) -> anyhow::Result<bool> {
    let path = home.join(STARTED);
    let mark = format!("This replica has run in epoch {epoch}. Without its store it has lost its log.\n");
    if byztop_certs::read_text(&path, MAX_MARK_BYTES).is_ok_and(|found| found == mark) {
        return Ok(true);
    }
    let write = || {
        let mut file = std::fs::File::create(&path)?;
        file.write_all(mark.as_bytes())?;
        file.sync_all()?;
        // The name must be as durable as the file.
        std::fs::File::open(home)?.sync_all()
    };
    write().with_context(|| format!("can not write {}", path.display()))?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_start_of_an_epoch_knows_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let starts: Vec<bool> = [1, 1, 2, 2].map(|epoch| mark_started(home.path(), epoch).unwrap()).to_vec();
        assert_eq!(starts, [false, true, false, true]);
    }
}
