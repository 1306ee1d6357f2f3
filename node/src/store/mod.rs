//! A replica's store: what it must not forget, on its disk before it is spoken of (rule 29).
//!
//! One fjall keyspace holds the rows of all tables, each under a byte for its table. fjall rather than redb, because a
//! commit that is handed to the operating system and not synced is what durability `os` asks for, and redb has none:
//! without a sync it keeps a commit in the process. It is faster too, for a row of 512 bytes a commit: 1.4 µs against
//! 10.7 µs unsynced, 112 µs against 197 µs synced (medians; release build, two busy cores).
//!
//! fjall drops a torn transaction at the end of its journal, as it must, but can not tell it from one that was lost to a
//! damaged byte. Hence a second witness: the file `commits` holds how many commits there were, written after each. A store
//! that holds fewer has lost its log's end, and its replica must watch until that can do no harm.

mod error;
mod label;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use byztop_certs::Durability;
use byztop_core::durable::{Image, Table, Write};
use byztop_core::types::ReplicaId;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

pub use self::error::StoreError;
pub use self::label::Label;
use self::label::Session;
use crate::panics;

/// Rows about the store itself stand before those of the tables.
const ABOUT: u8 = 0;
/// How many commits there were.
const COMMITS: &[u8] = &[ABOUT, 0];
/// The file that says the same.
const WITNESS: &str = "commits";

/// Rows are served from memory after a restart only: a small cache will do.
const CACHE_BYTES: u64 = 1 << 20;
/// What is kept in memory until it is sorted into tables on the disk, which takes processor time: the less of it the
/// shorter, and not for all replicas of a machine at once, or everyone waits for a quorum.
const MEMTABLE_BYTES: u64 = 2 << 20;
/// How much more the next replica keeps.
const MEMTABLE_STEP_BYTES: u64 = 128 << 10;
/// What the journal may take, the least that fjall allows.
const JOURNAL_BYTES: u64 = 64 << 20;

/// An open store. Dropped without [`Store::close`], it counts as one whose process was killed.
pub struct Store {
    path: PathBuf,
    database: Database,
    rows: Keyspace,
    /// The file `commits`.
    witness: File,
    commits: u64,
    mode: PersistMode,
    level: Durability,
    found: Found,
    /// Whether it is still as it was found. What was found holds until the replica has written what follows from it: one
    /// that has lost its log must not seem to have all of it after another kill.
    is_as_found: bool,
}

/// What a store held when it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing: it was made.
    Nothing,
    /// All that was written.
    Everything,
    /// What was written, but maybe not what was written last.
    AllButTheEnd,
    /// What was written; whether all of it, nothing tells, since the file `commits` is gone.
    Unwitnessed,
}

/// What to do with a store of an earlier epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OldEpoch {
    /// Leave it as it is, and do not run.
    Refuse,
    /// Put it aside, and begin without one.
    PutAside,
}

/// Where a store of an earlier epoch is put: beside the new one, under a name that is free.
fn aside(path: &Path, epoch: u64) -> PathBuf {
    let name = |number: u32| match number {
        0 => path.with_file_name(format!("store-of-epoch-{epoch}")),
        again => path.with_file_name(format!("store-of-epoch-{epoch}-{again}")),
    };
    (0..).map(name).find(|free| !free.exists()).expect("some name is free")
}

impl Store {
    /// Opens a replica's store, or makes it. One of an earlier epoch is put aside for a new one if that is wanted: what its
    /// replica has said counts no more, and neither does what its application held.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it is not this replica's, of an earlier epoch and to be kept, of a newer format, in use, damaged, or the
    /// disk fails.
    pub fn open(path: &Path, label: &Label, level: Durability, old: OldEpoch) -> Result<Store, StoreError> {
        if path.exists()
            && let Some(found) = label::read(path)?.filter(|found| found.is_superseded_by(label))
        {
            let aside = aside(path, found.epoch);
            if old == OldEpoch::Refuse {
                let (found, wanted) = (found.epoch, label.epoch);
                return Err(StoreError::OldEpoch { path: path.into(), found, wanted, aside });
            }
            std::fs::rename(path, &aside).map_err(|why| StoreError::io(path, why))?;
            tracing::warn!(
                "{}'s store of epoch {} lies in {} now; epoch {} begins with none",
                found.replica,
                found.epoch,
                aside.display(),
                label.epoch
            );
        }
        let had_witness = path.join(WITNESS).exists();
        let replica = ReplicaId::parse(&label.replica).map_or(0, |replica| replica.index() as u64);
        let mut store = Store::open_any(path, MEMTABLE_BYTES + replica * MEMTABLE_STEP_BYTES)?;
        let found = label::read(path)?;
        match &found {
            Some(found) => found.check(label, path)?,
            None if store.commits > 0 => return Err(StoreError::damaged(path, "it does not say whose it is")),
            None => label::write(path, label)?,
        }
        store.mode = match level {
            Durability::Sync => PersistMode::SyncData,
            Durability::Memory | Durability::Os => PersistMode::Buffer,
        };
        store.level = level;
        let session = store.session()?;
        store.found = match session {
            None => Found::Nothing,
            Some(_) if !had_witness => Found::Unwitnessed,
            Some(session) if store.lacks_commits()? || session.may_have_lost_the_end() => Found::AllButTheEnd,
            Some(_) => Found::Everything,
        };
        Ok(store)
    }

    /// Opens whatever lies there, in no mode to be written to.
    fn open_any(path: &Path, memtable_bytes: u64) -> Result<Store, StoreError> {
        std::fs::create_dir_all(path).map_err(|why| StoreError::io(path, why))?;
        let failed = |error| StoreError::of(path, error);
        let open = || {
            let builder = Database::builder(path.join("rows")).worker_threads(1).cache_size(CACHE_BYTES);
            builder.max_journaling_size(JOURNAL_BYTES).open()
        };
        // The engine panics over some damaged bytes. Nothing of it is left then that could be in a half-way state.
        let opened = panics::caught(open);
        let opened = opened.map_err(|()| StoreError::damaged(path, "its journal does not read as what was written"))?;
        let database = opened.map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes);
        let rows = database.keyspace("rows", options).map_err(failed)?;
        let witness = File::options().read(true).write(true).create(true).truncate(false).open(path.join(WITNESS));
        let mut store = Store {
            path: path.to_path_buf(),
            database,
            rows,
            witness: witness.map_err(|why| StoreError::io(path, why))?,
            commits: 0,
            mode: PersistMode::Buffer,
            level: Durability::Memory,
            found: Found::Nothing,
            is_as_found: true,
        };
        store.commits = match store.get(COMMITS)? {
            None => 0,
            Some(bytes) => number(&bytes).ok_or_else(|| StoreError::damaged(path, "its count of commits is none"))?,
        };
        Ok(store)
    }

    /// Opens a copy of a store, for looking at it: the store itself is left as it is, and whoever uses it goes on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if there is none, it is damaged or can not be copied.
    pub fn look_into(path: &Path, scratch: &Path) -> Result<(Label, Store), StoreError> {
        let label = label::read(path)?.ok_or_else(|| StoreError::missing(path))?;
        let copy = scratch.join("store");
        copy_folder(path, &copy).map_err(|why| StoreError::io(path, why))?;
        let had_witness = copy.join(WITNESS).exists();
        let mut store = Store::open_any(&copy, MEMTABLE_BYTES)?;
        store.found = match (had_witness, store.lacks_commits()?) {
            (false, _) => Found::Unwitnessed,
            (true, true) => Found::AllButTheEnd,
            (true, false) => Found::Everything,
        };
        Ok((label, store))
    }

    /// What it held when it was opened.
    pub fn found(&self) -> Found {
        self.found
    }

    /// Begins to be used by a replica that has lost nothing. For one that has, the first commit does that.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        self.write_session(&Session::begun(self.level))?;
        self.is_as_found = false;
        Ok(())
    }

    /// Everything that the replica wrote.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it can not be read.
    pub fn image(&self) -> Result<Image, StoreError> {
        let mut image = Image::default();
        for row in self.rows.range(vec![ABOUT + 1]..) {
            let (key, value) = row.into_inner().map_err(|error| StoreError::of(&self.path, error))?;
            let table = key.first().and_then(|tag| Table::ALL.get(usize::from(*tag) - 1));
            let table = *table.ok_or_else(|| StoreError::damaged(&self.path, "a row is of no table"))?;
            image.apply([Write { table, key: key[1..].to_vec(), value: Some(value.to_vec()) }]);
        }
        Ok(image)
    }

    /// Writes all of it or nothing. When it returns, what was written survives what the level says.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk does not take it. What is on the disk is not certain then: the process must end.
    pub fn commit(&mut self, writes: impl IntoIterator<Item = Write>) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(self.mode));
        for Write { table, key, value } in writes {
            let key = [&[ABOUT + 1 + table as u8], &key[..]].concat();
            match value {
                Some(value) => batch.insert(&self.rows, key, value),
                None => batch.remove(&self.rows, key),
            }
        }
        self.commits += 1;
        batch.insert(&self.rows, COMMITS, self.commits.to_le_bytes());
        if self.is_as_found {
            batch.insert(&self.rows, Session::KEY, Session::begun(self.level).encode());
        }
        batch.commit().map_err(|error| StoreError::of(&self.path, error))?;
        self.is_as_found = false;
        let witnessed = self.witness.write_all_at(&self.commits.to_le_bytes(), 0);
        witnessed.map_err(|why| StoreError::io(&self.path, why))
    }

    /// How many commits it has seen in its life.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Whether a commit waits for the disk.
    pub fn is_synced(&self) -> bool {
        self.mode != PersistMode::Buffer
    }

    /// Bytes that it takes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
    }

    /// Syncs everything and notes that nothing is missing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub fn close(mut self) -> Result<(), StoreError> {
        if self.is_as_found {
            return Ok(());
        }
        self.write_session(&Session::closed(self.level))?;
        self.witness.sync_all().map_err(|why| StoreError::io(&self.path, why))
    }

    /// Whether there were more commits than it holds.
    fn lacks_commits(&self) -> Result<bool, StoreError> {
        let mut bytes = [0; 8];
        let length = self.witness.read_at(&mut bytes, 0).map_err(|why| StoreError::io(&self.path, why))?;
        Ok(length == bytes.len() && u64::from_le_bytes(bytes) > self.commits)
    }

    fn session(&self) -> Result<Option<Session>, StoreError> {
        let bytes = self.get(Session::KEY)?;
        let decode = |bytes: Vec<u8>| {
            Session::decode(&bytes).ok_or_else(|| StoreError::damaged(&self.path, "it does not say how it was left"))
        };
        bytes.map(decode).transpose()
    }

    fn write_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let failed = |error| StoreError::of(&self.path, error);
        self.rows.insert(Session::KEY, session.encode()).map_err(failed)?;
        self.database.persist(PersistMode::SyncAll).map_err(failed)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.rows.get(key).map_err(|error| StoreError::of(&self.path, error))?;
        Ok(row.map(|value| value.to_vec()))
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// Copies folders and regular files; a store has nothing else.
fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (target, kind) = (to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            let about = format!("{} is neither a file nor a folder", entry.path().display());
            if !kind.is_file() {
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, about));
            }
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
