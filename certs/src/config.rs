//! cluster.toml: who belongs to a cluster, where they are, and how the cluster is tuned. Nothing in it is secret.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::str::FromStr;

use byztop_core::committee::Committee;
use byztop_core::crypto::{PublicKey, Realm, Verifier};
use byztop_core::protocol::Settings;
use byztop_core::types::{ClientId, Digest, ProtocolName, ReplicaId};
use serde::{Deserialize, Serialize};

use crate::error::CertsError;
use crate::role::Role;
use crate::{hex, locate};

/// What survives a killed process or a power cut, and so what a replica waits for before it speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Durability {
    /// Nothing: for comparison only.
    Memory,
    /// What was handed to the operating system: a killed process comes back, a power cut may take the end of its log.
    Os,
    /// What was synced to the disk: it survives both.
    #[default]
    Sync,
}

impl Durability {
    /// Every level, from the least to the most that survives.
    pub const ALL: [Durability; 3] = [Durability::Memory, Durability::Os, Durability::Sync];

    /// Its name in cluster.toml and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Memory => "memory",
            Durability::Os => "os",
            Durability::Sync => "sync",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Durability> for String {
    fn from(level: Durability) -> String {
        level.to_string()
    }
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Durability, String> {
        let level = Durability::ALL.into_iter().find(|level| level.name() == text);
        level.ok_or_else(|| format!("unknown durability `{text}`; there are `memory`, `os` and `sync`"))
    }
}

impl TryFrom<String> for Durability {
    type Error = String;

    fn try_from(text: String) -> Result<Durability, String> {
        text.parse()
    }
}

/// A host and a port: `127.0.0.1:7000`, `db3.example.org:7000`, `[::1]:7000`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// A host by name or address, without brackets, and a port.
    ///
    /// # Errors
    ///
    /// If the host is neither an address nor letters, digits, dots and hyphens, or the port is 0.
    pub fn new(host: &str, port: u16) -> Result<HostPort, String> {
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name = (1..=253).contains(&host.len())
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if !is_address && !is_name {
            return Err(format!("`{host}` is neither a host name nor an address"));
        }
        if port == 0 {
            return Err("port 0 can not be dialled; give one from 1 to 65535".to_string());
        }
        Ok(HostPort { host: host.to_string(), port })
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The socket address that the host stands for now. Asks the system's resolver, which may block.
    ///
    /// # Errors
    ///
    /// What the resolver says, or that it knows no address.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let mut addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{self} has no address")))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<HostPort> for String {
    fn from(address: HostPort) -> String {
        address.to_string()
    }
}

impl TryFrom<String> for HostPort {
    type Error = String;

    fn try_from(text: String) -> Result<HostPort, String> {
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("expected host:port, found `{text}`"))?;
        let port = port.parse().map_err(|_| format!("`{port}` in `{text}` is not a port from 1 to 65535"))?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        HostPort::new(host, port)
    }
}

/// SHA-256 of a TLS key's SubjectPublicKeyInfo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pin(pub [u8; 32]);

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// One replica of the roster.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaEntry {
    /// `n1`, `n2`, … in this order.
    pub name: String,
    /// Where it listens for replicas and clients.
    pub address: HostPort,
    /// Where it listens for operators and observers.
    pub control: HostPort,
    /// What its consensus signatures are verified with.
    #[serde(with = "hex")]
    pub consensus_key: PublicKey,
    /// Which TLS key it must show.
    #[serde(with = "hex")]
    pub tls_pin: Pin,
}

/// One client of the roster.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// `c1`, `c2`, … in this order.
    pub name: String,
    /// What its submissions are verified with.
    #[serde(with = "hex")]
    pub consensus_key: PublicKey,
    /// Which TLS key it must show.
    #[serde(with = "hex")]
    pub tls_pin: Pin,
}

/// The operator's or the observer's identity.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerEntry {
    /// Which TLS key it must show.
    #[serde(with = "hex")]
    pub tls_pin: Pin,
}

/// What cluster.toml says.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    /// The cluster's id: random, and part of everything that is signed.
    #[serde(with = "hex")]
    pub cluster: Digest,
    /// Which configuration of the cluster this is.
    pub epoch: u64,
    /// The protocol that all replicas run.
    pub protocol: ProtocolName,
    /// What survives a killed process or a power cut.
    pub durability: Durability,
    /// Whether operators may inject attacks.
    pub attacks_allowed: bool,
    /// The operator's identity.
    pub operator: OwnerEntry,
    /// The observer's identity.
    pub observer: OwnerEntry,
    /// How the cluster is tuned.
    #[serde(default)]
    pub settings: Settings,
    /// The replicas, n1 first.
    #[serde(rename = "replica")]
    pub replicas: Vec<ReplicaEntry>,
    /// The clients, c1 first.
    #[serde(rename = "client")]
    pub clients: Vec<ClientEntry>,
}

impl ClusterConfig {
    /// Reads and checks the text of a cluster.toml; `path` is for the error only.
    ///
    /// # Errors
    ///
    /// [`CertsError::Config`] with file, line and column.
    pub fn parse(text: &str, path: &Path) -> Result<ClusterConfig, CertsError> {
        let at =
            |(line, column), message: String| CertsError::Config { path: path.to_path_buf(), line, column, message };
        let config: ClusterConfig = toml::from_str(text).map_err(|error: toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            at(locate::place(text, start), error.message().replace('\n', "; "))
        })?;
        match config.check() {
            Ok(()) => Ok(config),
            Err(Fault { table, key, message }) => Err(at(locate::key(text, table, key), message)),
        }
    }

    /// Checks what the types alone do not say.
    fn check(&self) -> Result<(), Fault> {
        let Some(committee) = Committee::new(self.replicas.len()) else {
            let message = format!("{} replicas; a cluster has 1 to {}", self.replicas.len(), Committee::MAX_REPLICAS);
            return Err(Fault { table: None, key: "cluster", message });
        };
        self.settings.check(committee).map_err(|error| Fault {
            table: Some(("settings", 0)),
            key: error.parameter,
            message: error.to_string(),
        })?;
        let names = |place: usize| ReplicaId(place as u8).to_string();
        check_names("replica", self.replicas.iter().map(|r| r.name.as_str()), names)?;
        let names = |place: usize| ClientId(place as u16).to_string();
        check_names("client", self.clients.iter().map(|c| c.name.as_str()), names)?;
        self.check_keys()?;
        self.check_addresses()
    }

    fn check_keys(&self) -> Result<(), Fault> {
        let replicas = self.replicas.iter().map(|r| r.consensus_key).enumerate().map(|(i, key)| ("replica", i, key));
        let clients = self.clients.iter().map(|c| c.consensus_key).enumerate().map(|(i, key)| ("client", i, key));
        let mut seen: Vec<PublicKey> = Vec::new();
        for (table, place, key) in replicas.chain(clients) {
            let fault = |message: &str| {
                Err(Fault { table: Some((table, place)), key: "consensus_key", message: message.to_string() })
            };
            if Verifier::ed25519(self.realm(), &[key], &[]).is_err() {
                return fault("this is not an Ed25519 public key, or one under which anybody can sign");
            }
            if seen.contains(&key) {
                return fault("this key belongs to another member already");
            }
            seen.push(key);
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), Fault> {
        let mut seen: Vec<&HostPort> = Vec::new();
        for (place, replica) in self.replicas.iter().enumerate() {
            for (key, address) in [("address", &replica.address), ("control", &replica.control)] {
                if seen.contains(&address) {
                    let message = format!("{address} is used twice");
                    return Err(Fault { table: Some(("replica", place)), key, message });
                }
                seen.push(address);
            }
        }
        Ok(())
    }

    /// What every statement of the cluster is bound to.
    pub fn realm(&self) -> Realm {
        Realm { cluster: self.cluster, epoch: self.epoch, protocol: self.protocol }
    }

    /// What all members must have alike to decide anything together, by its key in this file, or by what it is about; and then
    /// what they should have alike. Values that say nothing to people are digests, cut.
    pub fn parts(&self) -> Vec<Part> {
        let short = |digest: Digest| digest.to_string()[..16].to_string();
        let entry = |name: &str, key: &PublicKey, pin: &Pin| [name.as_bytes(), &key.0, &pin.0].concat();
        let of_all = |entries: Vec<Vec<u8>>| {
            let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
            short(Digest::of("roster", &entries))
        };
        let roster = self.replicas.iter().map(|it| entry(&it.name, &it.consensus_key, &it.tls_pin)).collect();
        let clients = self.clients.iter().map(|it| entry(&it.name, &it.consensus_key, &it.tls_pin)).collect();
        let vital = |what: &str, value: String| Part { what: what.to_string(), value, is_vital: true };
        let mut parts = vec![
            vital("epoch", self.epoch.to_string()),
            vital("protocol", self.protocol.to_string()),
            vital("replicas", self.replicas.len().to_string()),
            vital("roster", of_all(roster)),
            vital("clients", of_all(clients)),
        ];
        // Whatever is a setting is said, those to come as well.
        if let Ok(toml::Value::Table(settings)) = toml::Value::try_from(&self.settings) {
            parts.extend(settings.into_iter().map(|(what, value)| {
                let is_vital = VITAL_SETTINGS.contains(&what.as_str());
                Part { what, value: value.to_string(), is_vital }
            }));
        }
        parts
    }

    /// The replicas' number and what follows from it.
    pub fn committee(&self) -> Committee {
        Committee::new(self.replicas.len()).expect("a configuration is checked when it is read or made")
    }

    /// Everyone's public keys.
    pub fn verifier(&self) -> Verifier {
        let replicas: Vec<PublicKey> = self.replicas.iter().map(|r| r.consensus_key).collect();
        let clients: Vec<PublicKey> = self.clients.iter().map(|c| c.consensus_key).collect();
        Verifier::ed25519(self.realm(), &replicas, &clients)
            .expect("keys are checked when they are read or made")
            .with_window(self.settings.window_slots)
    }

    /// A replica's entry; `None` outside the roster.
    pub fn replica(&self, replica: ReplicaId) -> Option<&ReplicaEntry> {
        self.replicas.get(replica.index())
    }

    /// Which TLS key an identity must show; `None` if the roster does not have it.
    pub fn pin(&self, role: Role) -> Option<Pin> {
        match role {
            Role::Replica(replica) => self.replica(replica).map(|r| r.tls_pin),
            Role::Client(client) => self.clients.get(usize::from(client.0)).map(|c| c.tls_pin),
            Role::Operator => Some(self.operator.tls_pin),
            Role::Observer => Some(self.observer.tls_pin),
        }
    }
}

/// The settings under which replicas of different ones can not decide anything together: their states, or what they accept from
/// each other, are not the same.
const VITAL_SETTINGS: [&str; 5] =
    ["accounts", "initial_checking", "initial_savings", "checkpoint_interval_slots", "window_slots"];

/// Something that members must or should have alike.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct Part {
    /// Its key in cluster.toml, or what it is about.
    pub what: String,
    /// What it is.
    pub value: String,
    /// Whether members of different ones can not decide anything together.
    pub is_vital: bool,
}

/// What is wrong, and which key of which table says so.
struct Fault {
    table: Option<(&'static str, usize)>,
    key: &'static str,
    message: String,
}

fn check_names<'a>(
    table: &'static str,
    names: impl Iterator<Item = &'a str>,
    expected: impl Fn(usize) -> String,
) -> Result<(), Fault> {
    for (place, name) in names.enumerate() {
        let expected = expected(place);
        if name != expected {
            let message = format!("{table} number {} is named `{name}`, but must be `{expected}`", place + 1);
            return Err(Fault { table: Some((table, place)), key: "name", message });
        }
    }
    Ok(())
}
