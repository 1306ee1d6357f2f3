//! What can be wrong with a store, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a store can not be used. The replica does not run then: it would forget what it said.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It belongs to somebody else.
    #[error(
        "{}: this store is of {what} {found}, not of {expected}; put the right folder here, or move this one away: the \
         replica then rejoins as one that has lost its log", path.display()
    )]
    Foreign {
        /// The store.
        path: PathBuf,
        /// In what it differs.
        what: String,
        /// What it says.
        found: String,
        /// What is expected.
        expected: String,
    },
    /// It is of an earlier epoch of its cluster, and nobody has said that a new one is to begin without it.
    #[error(
        "{}: this store is of epoch {found}, and cluster.toml says epoch {wanted}, in which it counts no more. To begin epoch \
         {wanted} without it start once with --new-epoch, which puts it aside as {}; to go on with it set epoch = {found} again",
        path.display(),
        aside.display()
    )]
    OldEpoch {
        /// The store.
        path: PathBuf,
        /// Its epoch.
        found: u64,
        /// The cluster's.
        wanted: u64,
        /// Where it would be put.
        aside: PathBuf,
    },
    /// A later version of this program wrote it.
    #[error(
        "{}: this store has format {found}, this program knows formats up to {known}; run the program that wrote it",
        path.display()
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// There is none.
    #[error("{}: no store is here; a replica makes one when it runs with durability `os` or `sync`", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{}: another process uses this store; does this replica run already?", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// It does not hold what was written.
    #[error(
        "{}: this store is damaged: {why}; move it away, and the replica rejoins as one that has lost its log",
        path.display()
    )]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The disk does not do what it should.
    #[error("{}: {why}; nothing was said that is not on the disk: mend the disk or make room, then start again", path.display())]
    Disk {
        /// The store.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

impl StoreError {
    /// Something in it is not what was written.
    pub fn damaged(path: &Path, why: impl ToString) -> StoreError {
        StoreError::Damaged { path: path.into(), why: why.to_string() }
    }

    pub(super) fn missing(path: &Path) -> StoreError {
        StoreError::Missing { path: path.into() }
    }

    pub(super) fn io(path: &Path, why: io::Error) -> StoreError {
        StoreError::Disk { path: path.into(), why }
    }

    pub(super) fn of(path: &Path, error: fjall::Error) -> StoreError {
        match error {
            fjall::Error::Io(why) | fjall::Error::Storage(fjall::LsmError::Io(why)) => StoreError::io(path, why),
            fjall::Error::Locked => StoreError::InUse { path: path.into() },
            fjall::Error::Poisoned => StoreError::io(path, io::Error::other("an earlier write has failed")),
            other => StoreError::damaged(path, format!("{other:?}")),
        }
    }
}
