//! Who may speak in a byztop cluster.
//!
//! A cluster is a directory. `cluster.toml` says who belongs to it and how it is tuned and holds nothing secret; beside
//! it stand the cluster's own certificate authority and one folder per identity, with that identity's keys:
//!
//! ```text
//! DIR/cluster.toml      id, protocol, settings; per replica its addresses, consensus key and TLS pin
//! DIR/ca/               ca.pem, which every machine needs, and ca.key, which none but the one that mints needs
//! DIR/n1/ … DIR/n7/     cert.pem, tls.key, consensus.key of each replica
//! DIR/client/           the same for the client
//! DIR/operator/ DIR/observer/    cert.pem and tls.key
//! ```
//!
//! An identity is believed when its certificate comes from the cluster's authority, is within its validity, names
//! exactly one `spiffe://CLUSTER/ROLE/NAME`, that role and name are in the roster, and its key is the one that the roster
//! pins. Both sides of a connection check all five ([`Identity::server_config`], [`Identity::client_config`]).
//!
//! Read in this order: [`role`](Role), [`config`](ClusterConfig), [`directory`](ClusterDirectory), [`peer`](peer_role),
//! [`tls`](Identity).
//!
//! *Architecture invariant:* no socket and no task is here; `node` opens connections with the TLS configurations that
//! this crate makes. A secret key is never printed, logged or part of an error.

mod authority;
mod config;
mod directory;
mod error;
mod files;
mod hex;
mod locate;
mod peer;
mod render;
mod role;
mod tls;

#[cfg(test)]
mod tests;

pub use config::{ClientEntry, ClusterConfig, Durability, HostPort, OwnerEntry, Part, Pin, ReplicaEntry};
pub use directory::{ClusterDirectory, InitOptions, Ports};
pub use error::CertsError;
pub use files::{open_file, read_file, read_text};
pub use peer::{PeerError, expiry, peer_role};
pub use role::Role;
pub use tls::{ALPN, Door, Identity};
