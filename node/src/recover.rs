//! The way on after more than f replicas have lost their logs: each of them watches until a checkpoint is stable that they can not
//! make any more (rule 29). A new epoch begins, in which nothing that was said before counts, from the highest checkpoint that
//! the folders prove.
//!
//! A checkpoint is proved by its certificate, which a quorum has signed, and by the leaves of the state, which hash to what it says.
//! What was decided after it is lost: that is why somebody has to ask for this.

use std::fmt;

use anyhow::{Context as _, bail, ensure};
use byztop_certs::{ClusterConfig, ClusterDirectory, Durability, Role};
use byztop_core::app::smallbank::SmallBank;
use byztop_core::durable::{Image, Table, Write};
use byztop_core::protocol::{CheckpointCertificate, Protocol};
use byztop_core::replica::Replica;
use byztop_core::types::{Digest, ReplicaId, SeqNum};

use crate::replica::STORE;
use crate::store::{Found, Label, OldEpoch, Store, StoreError};

/// What a replica's folder holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// Whose it is.
    pub replica: ReplicaId,
    /// What was found in it, or why nothing of it can be used.
    pub held: Result<Held, String>,
}

/// What a folder proves, and what it knows beyond that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The stable checkpoint.
    pub stable: SeqNum,
    /// The state's digest there.
    pub digest: Digest,
    /// The last slot that it knows to be decided.
    pub decided: SeqNum,
    /// Whether its log has its end.
    pub is_whole: bool,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// All folders, in roster order.
    pub folders: Vec<Folder>,
    /// The checkpoint from which the new epoch begins, and whose folder it is from.
    pub from: (SeqNum, ReplicaId),
    /// The last slot that one of the folders knows to be decided. What lies between is lost.
    pub decided: SeqNum,
    /// The epoch that begins.
    pub epoch: u64,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.is_whole { "" } else { ", its log's end is missing" };
        write!(f, "checkpoint {} ({}), decided up to {}{end}", self.stable, self.digest.short(), self.decided)
    }
}

/// Looks into all folders of a cluster none of whose replicas runs.
///
/// # Errors
///
/// If a store is in use.
pub fn look(directory: &ClusterDirectory) -> anyhow::Result<Vec<Folder>> {
    let config = directory.config();
    byztop_core::with_protocol!(config.protocol, P => {
        config.committee().members().map(|replica| Ok(look_into::<P>(directory, replica)?.0)).collect()
    })
}

/// Begins a new epoch from the highest checkpoint of the folders. The old stores are kept beside the new ones.
///
/// Without `is_forced` at least a quorum of folders must hold a checkpoint that they prove, and more than f of the replicas must
/// have lost something: otherwise they get on by themselves, and lose nothing.
///
/// # Errors
///
/// What is missing, and what to do about it; what the disk says. Nothing has changed then, unless the disk fails half-way: the
/// message says so.
pub fn recover(directory: &mut ClusterDirectory, is_forced: bool) -> anyhow::Result<Recovery> {
    let config = directory.config().clone();
    ensure!(config.durability != Durability::Memory, "durability is `memory`: no folder holds a checkpoint");
    byztop_core::with_protocol!(config.protocol, P => run::<P>(directory, &config, is_forced))
}

fn run<P: Protocol>(
    directory: &mut ClusterDirectory,
    config: &ClusterConfig,
    is_forced: bool,
) -> anyhow::Result<Recovery> {
    let committee = config.committee();
    let (mut folders, mut images) = (Vec::new(), Vec::new());
    for replica in committee.members() {
        let (folder, image) = look_into::<P>(directory, replica)?;
        folders.push(folder);
        images.push(image);
    }
    let held = || folders.iter().filter_map(|folder| Some((folder.replica, folder.held.as_ref().ok()?)));
    let Some((best, from)) = held().max_by_key(|(replica, held)| (held.stable, std::cmp::Reverse(*replica))) else {
        bail!("none of the folders proves a checkpoint: {}", in_words(&folders));
    };
    let (proved, quorum, faulty) = (held().count(), committee.quorum(), committee.faulty());
    let lost = committee.size() - held().filter(|(_, held)| held.is_whole).count();
    let decided = held().map(|(_, held)| held.decided).max().unwrap_or_default();
    if !is_forced {
        ensure!(
            proved >= quorum,
            "{proved} folders prove a checkpoint, and {quorum} are needed to be sure that no higher one was stable: bring the \
             others here, or begin with --unsafe from the best of these, slot {}; {}",
            from.stable,
            in_words(&folders)
        );
        ensure!(
            lost > faulty,
            "{lost} of {} replicas have lost something, which the others can make up for: start them all, and nothing is lost; \
             --unsafe begins a new epoch all the same",
            committee.size()
        );
    }
    let leaves = leaves_of(&images[best.index()])?;
    let stable = from.stable;
    directory.begin_epoch()?;
    let epoch = directory.config().epoch;
    for replica in committee.members() {
        let begin = || -> anyhow::Result<()> {
            let path = directory.home(Role::Replica(replica)).join(STORE);
            let label = Label::new(directory.config(), replica);
            let mut store = Store::open(&path, &label, Durability::Sync, OldEpoch::PutAside)?;
            ensure!(store.image()?.is_empty(), "{}: a store of epoch {epoch} is there already", path.display());
            store.commit(leaves.clone())?;
            store.begin()?;
            Ok(store.close()?)
        };
        begin().with_context(|| {
            format!("epoch {epoch} has begun in cluster.toml, but not in the folder of {replica} and those after it")
        })?;
    }
    Ok(Recovery { from: (stable, best), decided, epoch, folders })
}

/// What a replica's folder holds. A store in use is an error, since nothing may run; whatever else is wrong with one is told.
fn look_into<P: Protocol>(directory: &ClusterDirectory, replica: ReplicaId) -> anyhow::Result<(Folder, Image)> {
    let config = directory.config();
    let path = directory.home(Role::Replica(replica)).join(STORE);
    let unusable = |why: String| Ok((Folder { replica, held: Err(why) }, Image::default()));
    if !path.exists() {
        return unusable("no store".to_string());
    }
    let opened = Store::open(&path, &Label::new(config, replica), config.durability, OldEpoch::Refuse);
    let store = match opened {
        Ok(store) => store,
        Err(error @ StoreError::InUse { .. }) => bail!("{error}; stop all replicas first"),
        Err(error) => return unusable(error.to_string()),
    };
    let read = || -> anyhow::Result<(Held, Image)> {
        let image = store.image()?;
        let settings = &config.settings;
        let app = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
        let stable: Option<CheckpointCertificate> = image.row(Table::Checkpoint)?;
        if let Some(stable) = &stable {
            stable.verify(&config.verifier()).context("the certificate of its checkpoint does not hold")?;
        }
        // The leaves are held against the certificate.
        let restored = Replica::<P, SmallBank>::restore(replica, config.committee(), settings, app, &image)?;
        let decided = P::logged(&image)?.iter().filter(|slot| slot.decided.is_some()).map(|slot| slot.seq).max();
        let (stable, digest) = (restored.status().stable, restored.stable_digest());
        let is_whole = store.found() == Found::Everything;
        Ok((Held { stable, digest, decided: decided.unwrap_or_default().max(stable), is_whole }, image))
    };
    match read() {
        Ok((held, image)) => Ok((Folder { replica, held: Ok(held) }, image)),
        Err(error) => unusable(format!("{error:#}")),
    }
}

/// The rows of the state in an image, for another one.
fn leaves_of(image: &Image) -> anyhow::Result<Vec<Write>> {
    let rows = image.rows::<Vec<u8>>(Table::Leaves)?;
    Ok(rows.iter().map(|(key, leaf)| Write::put(Table::Leaves, key, leaf)).collect())
}

fn in_words(folders: &[Folder]) -> String {
    let words = |folder: &Folder| match &folder.held {
        Ok(held) => format!("{}: {held}", folder.replica),
        Err(why) => format!("{}: {why}", folder.replica),
    };
    folders.iter().map(words).collect::<Vec<_>>().join("; ")
}
