//! What can be wrong with a cluster directory. Each says what, where, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use byztop_core::types::Digest;
use thiserror::Error;

use crate::peer::PeerError;

/// Why a cluster directory could not be made, read or used.
#[derive(Debug, Error)]
pub enum CertsError {
    /// A file or folder could not be read or written.
    #[error("{}: can not {doing}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was being done, as in "can not …".
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// There is no cluster where one was looked for.
    #[error("{}: there is no cluster.toml here; `byztop init DIR` makes a cluster", path.display())]
    NoCluster {
        /// Where.
        path: PathBuf,
    },
    /// A cluster already lives where one was to be made.
    #[error("{}: a cluster lives here already; choose another folder or remove this one", path.display())]
    ClusterExists {
        /// Its cluster.toml.
        path: PathBuf,
    },
    /// cluster.toml is not as it must be.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong and what was expected.
        message: String,
    },
    /// Others on this machine could read a private key.
    #[error(
        "{}: others may read this private key (mode {mode:04o}); run `chmod {} {}`",
        path.display(),
        wanted(path),
        path.display()
    )]
    OpenToOthers {
        /// The key file or its folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Anybody may change who belongs to the cluster.
    #[error(
        "{}: others may write this file (mode {mode:04o}), and it says who is trusted; run `chmod 644 {}`",
        path.display(),
        path.display()
    )]
    OpenToWriters {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key or certificate file does not hold one.
    #[error("{}: {reason}; make the cluster again with `byztop init` or copy the file from where it was made", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The identity's own certificate would be refused by everyone else.
    #[error("{}: this certificate will be refused by the cluster: {source}", path.display())]
    OwnCertificate {
        /// The certificate.
        path: PathBuf,
        /// Why.
        source: PeerError,
    },
    /// A secret key is not the one whose public half is in cluster.toml.
    #[error("{}: this key is not the one that cluster.toml names for {owner}", path.display())]
    OtherKey {
        /// The key file.
        path: PathBuf,
        /// Whose key it should be.
        owner: String,
    },
    /// The path names no replica's folder.
    #[error("{}: not a replica's folder; expected DIR/n1 … DIR/n{replicas}, beside its cluster.toml", path.display())]
    NotAReplica {
        /// The path.
        path: PathBuf,
        /// How many replicas the cluster has.
        replicas: usize,
    },
    /// The cluster has no such identity.
    #[error("cluster {}… has no {name}", cluster.short())]
    NoSuchIdentity {
        /// The cluster.
        cluster: Digest,
        /// Who was asked for.
        name: String,
    },
    /// What was asked of a new cluster is impossible.
    #[error("{0}")]
    Options(String),
    /// The cryptographic library refused.
    #[error("can not {doing}: {reason}")]
    Crypto {
        /// What was being done.
        doing: &'static str,
        /// What the library says.
        reason: String,
    },
}

/// The mode that a path should have: 0700 for folders, 0600 for files.
fn wanted(path: &Path) -> &'static str {
    if path.is_dir() { "700" } else { "600" }
}

impl CertsError {
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> CertsError {
        let path = path.to_path_buf();
        move |source| CertsError::Io { path, doing, source }
    }

    pub(crate) fn crypto<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> CertsError {
        move |error| CertsError::Crypto { doing, reason: error.to_string() }
    }
}
