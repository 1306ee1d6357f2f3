//! Whose a store is and how it was left: read before anything in it is believed.

use std::io::{self, Write as _};
use std::path::Path;

use byztop_certs::{ClusterConfig, Durability};
use byztop_core::types::{Digest, ProtocolName, ReplicaId};
use byztop_core::wire;
use serde::{Deserialize, Serialize};

use super::{ABOUT, StoreError};

/// The format of the rows. It grows when an older program would misread them.
const FORMAT: u32 = 1;

/// The file that says whose a store is; it can be read whatever the rows are.
const FILE: &str = "store.json";

/// The longest that it is.
const MAX_BYTES: u64 = 64 << 10;

/// Whose a store is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Label {
    /// The format of its rows.
    pub format: u32,
    /// The cluster's id.
    pub cluster: String,
    /// The cluster's epoch.
    pub epoch: u64,
    /// The replica.
    pub replica: String,
    /// The protocol that wrote it.
    pub protocol: String,
    /// The application at the beginning of time: accounts, and what each has in checking and savings.
    pub accounts: (u32, i64, i64),
}

impl Label {
    /// What the store of a replica says.
    pub fn new(config: &ClusterConfig, replica: ReplicaId) -> Label {
        let settings = &config.settings;
        Label {
            format: FORMAT,
            cluster: config.cluster.to_string(),
            epoch: config.epoch,
            replica: replica.to_string(),
            protocol: config.protocol.name().to_string(),
            accounts: (settings.accounts, settings.initial_checking, settings.initial_savings),
        }
    }

    /// The protocol that wrote it, if this program knows it.
    pub fn protocol(&self) -> Option<ProtocolName> {
        ProtocolName::parse(&self.protocol)
    }

    /// Whether the same replica has begun anew since.
    pub(super) fn is_superseded_by(&self, now: &Label) -> bool {
        self.format <= FORMAT && self.cluster == now.cluster && self.replica == now.replica && self.epoch < now.epoch
    }

    /// Refuses a store that is not the one that is wanted.
    pub(super) fn check(&self, wanted: &Label, path: &Path) -> Result<(), StoreError> {
        let foreign = |what: &str, found: &dyn ToString, expected: &dyn ToString| {
            let (found, expected) = (found.to_string(), expected.to_string());
            Err(StoreError::Foreign { path: path.into(), what: what.into(), found, expected })
        };
        let bank =
            |(accounts, checking, savings): (u32, i64, i64)| format!("{accounts} accounts of {checking} + {savings}");
        if self.format > FORMAT {
            return Err(StoreError::Newer { path: path.into(), found: self.format, known: FORMAT });
        }
        if self.cluster != wanted.cluster {
            return foreign("cluster", &self.cluster, &wanted.cluster);
        }
        if self.replica != wanted.replica {
            return foreign("replica", &self.replica, &wanted.replica);
        }
        if self.epoch != wanted.epoch {
            return foreign("epoch", &self.epoch, &wanted.epoch);
        }
        if self.protocol != wanted.protocol {
            return foreign("protocol", &self.protocol, &wanted.protocol);
        }
        if self.accounts != wanted.accounts {
            return foreign("bank", &bank(self.accounts), &bank(wanted.accounts));
        }
        Ok(())
    }
}

/// The label of the store at `path`, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Label>, StoreError> {
    let file = path.join(FILE);
    match byztop_certs::read_file(&file, MAX_BYTES) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(label) => Ok(Some(label)),
            Err(why) => Err(StoreError::damaged(&file, why)),
        },
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(StoreError::io(&file, why)),
    }
}

/// Writes the label under another name first: half a label is none.
pub(super) fn write(path: &Path, label: &Label) -> Result<(), StoreError> {
    let file = path.join(FILE);
    let write = || {
        let new = path.join("store.json.new");
        let mut out = std::fs::File::create(&new)?;
        out.write_all(&serde_json::to_vec_pretty(label).map_err(io::Error::other)?)?;
        out.sync_all()?;
        std::fs::rename(new, &file)?;
        std::fs::File::open(path)?.sync_all()
    };
    write().map_err(|why| StoreError::io(&file, why))
}

/// How a store was left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    /// Which start of the machine it was used in.
    boot: Digest,
    /// Whether commits were synced.
    is_synced: bool,
    /// Whether it was closed: everything was synced.
    is_closed: bool,
}

impl Session {
    pub(super) const KEY: &[u8] = &[ABOUT, 1];

    pub(super) fn begun(level: Durability) -> Session {
        Session { boot: boot(), is_synced: level == Durability::Sync, is_closed: false }
    }

    pub(super) fn closed(level: Durability) -> Session {
        Session { is_closed: true, ..Session::begun(level) }
    }

    /// Whether what was written last may not be there: the machine went down before it had to be on the disk.
    pub(super) fn may_have_lost_the_end(&self) -> bool {
        !self.is_synced && !self.is_closed && self.boot != boot()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Session> {
        wire::decode(bytes, bytes.len()).ok()
    }

    #[cfg(test)]
    pub(super) fn of_another_boot(mut self) -> Session {
        self.boot = Digest::of("another", &[]);
        self
    }
}

/// Which start of the machine this is. A machine that does not tell never seems to have gone down: then `os` means what
/// it says, and no more.
fn boot() -> Digest {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Digest::of("boot", &[&id])
}
