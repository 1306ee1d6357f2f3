//! Whole clusters on disk and whole handshakes in memory.

mod directory;
mod handshake;

use std::path::Path;

use byztop_core::types::ReplicaId;

use crate::{ClusterDirectory, InitOptions, Role};

const N1: Role = Role::Replica(ReplicaId(0));
const N2: Role = Role::Replica(ReplicaId(1));

/// A cluster of four in a folder of its own.
fn cluster(scratch: &Path, name: &str) -> ClusterDirectory {
    let options = InitOptions { replicas: 4, ..InitOptions::default() };
    ClusterDirectory::create(&scratch.join(name), &options).expect("a cluster can be made in an empty folder")
}

/// Changes the text of a cluster.toml and opens it again.
fn edited(directory: &ClusterDirectory, edit: impl FnOnce(String) -> String) -> Result<ClusterDirectory, String> {
    let file = directory.path().join("cluster.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, edit(text)).unwrap();
    ClusterDirectory::open(directory.path()).map_err(|error| error.to_string())
}
