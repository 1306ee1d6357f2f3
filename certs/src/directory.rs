//! A cluster's directory: made once, then opened by whoever speaks for one of its identities.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, PublicKey, Signer};
use byztop_core::protocol::Settings;
use byztop_core::types::{ClientId, Digest, ProtocolName, ReplicaId};
use rand::TryRng as _;
use rand::rngs::SysRng;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::authority::{Authority, Minted, Validity};
use crate::config::{ClientEntry, ClusterConfig, Durability, HostPort, OwnerEntry, ReplicaEntry};
use crate::error::CertsError;
use crate::role::Role;
use crate::tls::{Identity, Trust};
use crate::{files, hex, render};

const CONFIG: &str = "cluster.toml";
const CERTIFICATE: &str = "cert.pem";
const TLS_KEY: &str = "tls.key";
const CONSENSUS_KEY: &str = "consensus.key";

/// Which ports the replicas of a new cluster get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ports {
    /// n1 gets these two, n2 the next ones, and so on.
    From {
        /// For replicas and clients.
        address: u16,
        /// For operators and observers.
        control: u16,
    },
    /// Each replica's (address, control), n1 first.
    Explicit(Vec<(u16, u16)>),
}

impl Default for Ports {
    fn default() -> Ports {
        Ports::From { address: 7000, control: 17000 }
    }
}

impl Ports {
    fn of(&self, place: usize) -> Option<(u16, u16)> {
        match self {
            Ports::From { address, control } => {
                let place = u16::try_from(place).ok()?;
                Some((address.checked_add(place)?, control.checked_add(place)?))
            }
            Ports::Explicit(pairs) => pairs.get(place).copied(),
        }
    }
}

/// What a new cluster is to be.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// How many replicas.
    pub replicas: usize,
    /// How many clients, each with keys of its own.
    pub clients: u16,
    /// The machines, dealt to the replicas in turn.
    pub hosts: Vec<String>,
    /// Which ports they listen on.
    pub ports: Ports,
    /// The protocol that they run.
    pub protocol: ProtocolName,
    /// What survives.
    pub durability: Durability,
    /// Whether operators may inject attacks.
    pub attacks_allowed: bool,
    /// How they are tuned.
    pub settings: Settings,
}

impl InitOptions {
    /// The most clients that a cluster is made with.
    pub const MAX_CLIENTS: u16 = 100;
}

impl Default for InitOptions {
    /// Seven PBFT replicas on this machine that allow no attacks.
    fn default() -> InitOptions {
        InitOptions {
            replicas: 7,
            clients: 1,
            hosts: vec!["127.0.0.1".to_string()],
            ports: Ports::default(),
            protocol: ProtocolName::Pbft,
            durability: Durability::default(),
            attacks_allowed: false,
            settings: Settings::default(),
        }
    }
}

/// A cluster's directory and what its cluster.toml says.
#[derive(Clone, Debug)]
pub struct ClusterDirectory {
    path: PathBuf,
    config: Arc<ClusterConfig>,
}

impl ClusterDirectory {
    /// Makes a cluster: its id, authority, identities and keys. The folder may exist if no cluster is in it;
    /// cluster.toml is written last, so that half a cluster is none.
    ///
    /// # Errors
    ///
    /// [`CertsError::ClusterExists`], [`CertsError::Options`], or what the file system says.
    pub fn create(path: &Path, options: &InitOptions) -> Result<ClusterDirectory, CertsError> {
        let file = path.join(CONFIG);
        if file.exists() {
            return Err(CertsError::ClusterExists { path: file });
        }
        let addresses = addresses(options)?;
        fs::create_dir_all(path).map_err(CertsError::io(path, "make this folder"))?;

        // Whatever project the folder stands in: nobody adds its keys by mistake.
        let ignored = path.join(".gitignore");
        if !ignored.exists() {
            files::write_public(&ignored, "# Private keys are in here.\n*\n")?;
        }

        let cluster = Digest(random()?);
        let authority = Authority::mint(cluster, Validity::five_years())?;
        let ca = path.join("ca");
        files::make_private_folder(&ca)?;
        files::write_public(&ca.join("ca.pem"), authority.certificate_pem())?;
        files::write_private(&ca.join("ca.key"), authority.key_pem())?;

        let mint = |role| mint_identity(path, &authority, role);
        let replica = |(place, (address, control)): (usize, (HostPort, HostPort))| {
            let role = Role::Replica(ReplicaId(place as u8));
            let (minted, consensus_key) = (mint(role)?, mint_consensus_key(path, role)?);
            Ok(ReplicaEntry { name: role.name(), address, control, consensus_key, tls_pin: minted.pin })
        };
        let client = |id| {
            let role = Role::Client(ClientId(id));
            let (minted, consensus_key) = (mint(role)?, mint_consensus_key(path, role)?);
            Ok(ClientEntry { name: role.name(), tls_pin: minted.pin, consensus_key })
        };
        let config = ClusterConfig {
            cluster,
            epoch: 1,
            protocol: options.protocol,
            durability: options.durability,
            attacks_allowed: options.attacks_allowed,
            operator: OwnerEntry { tls_pin: mint(Role::Operator)?.pin },
            observer: OwnerEntry { tls_pin: mint(Role::Observer)?.pin },
            settings: options.settings.clone(),
            replicas: addresses.into_iter().enumerate().map(replica).collect::<Result<_, CertsError>>()?,
            clients: (0..options.clients).map(client).collect::<Result<_, CertsError>>()?,
        };
        files::write_public(&file, &render::render(&config))?;
        ClusterDirectory::open(path)
    }

    /// Opens a cluster by its folder or by its cluster.toml.
    ///
    /// # Errors
    ///
    /// [`CertsError::NoCluster`], or [`CertsError::Config`] with file, line and column.
    pub fn open(path: &Path) -> Result<ClusterDirectory, CertsError> {
        let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
        let file = if path.is_file() { path.to_path_buf() } else { path.join(CONFIG) };
        if !file.exists() {
            return Err(CertsError::NoCluster { path: path.to_path_buf() });
        }
        // `cluster.toml` alone has an empty parent.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let config = ClusterConfig::parse(&files::read_trusted(&file)?, &file)?;
        Ok(ClusterDirectory { path: folder.to_path_buf(), config: Arc::new(config) })
    }

    /// Opens the cluster that a replica's folder belongs to, and says which replica it is.
    ///
    /// # Errors
    ///
    /// [`CertsError::NotAReplica`] unless the path is DIR/nX with X in the roster; else as [`ClusterDirectory::open`].
    pub fn of_home(home: &Path) -> Result<(ClusterDirectory, ReplicaId), CertsError> {
        let home = fs::canonicalize(home).map_err(CertsError::io(home, "open this replica's folder"))?;
        let directory = ClusterDirectory::open(home.parent().unwrap_or(Path::new("/")))?;
        let name = home.file_name().and_then(|name| name.to_str()).and_then(ReplicaId::parse);
        match name.filter(|replica| directory.config.committee().contains(*replica) && home.is_dir()) {
            Some(replica) => Ok((directory, replica)),
            None => Err(CertsError::NotAReplica { path: home, replicas: directory.config.replicas.len() }),
        }
    }

    /// Begins the next epoch: all replicas start anew together, and what was signed before means nothing any more.
    ///
    /// This is the way back for a cluster whose replicas have all lost their logs at once. Nothing may run in it.
    ///
    /// # Errors
    ///
    /// If cluster.toml can not be read or replaced.
    pub fn begin_epoch(&mut self) -> Result<(), CertsError> {
        let file = self.path.join(CONFIG);
        let next = format!("epoch = {}", self.config.epoch + 1);
        let of_line = |line: &str| match line.strip_prefix("epoch = ") {
            // What stands behind the number is somebody's comment.
            Some(rest) => format!("{next}{}\n", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
            None => format!("{line}\n"),
        };
        let text: String = files::read(&file)?.lines().map(of_line).collect();
        let config = ClusterConfig::parse(&text, &file)?;
        files::replace_public(&file, &text)?;
        self.config = Arc::new(config);
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What cluster.toml says.
    pub fn config(&self) -> &Arc<ClusterConfig> {
        &self.config
    }

    /// The folder of an identity.
    pub fn home(&self, role: Role) -> PathBuf {
        self.path.join(role.folder())
    }

    /// Speaks for an identity: reads its certificate and TLS key, and makes sure that the cluster will accept them.
    ///
    /// # Errors
    ///
    /// If the key is missing or open to others, or the certificate is one that peers will refuse.
    pub fn identity(&self, role: Role) -> Result<Identity, CertsError> {
        self.must_have(role)?;
        let (path, key_path) = (self.home(role).join(CERTIFICATE), self.home(role).join(TLS_KEY));
        for part in [&path, &key_path] {
            if !part.exists() {
                return Err(CertsError::BadKey { path: part.clone(), reason: "this file is missing".into() });
            }
        }
        let certificate = read_certificate(&path)?;
        let key = PrivateKeyDer::from_pem_slice(files::read_private(&key_path)?.as_bytes()).map_err(|error| {
            CertsError::BadKey { path: key_path, reason: format!("no private key in here: {error}") }
        })?;
        let trust = Arc::new(self.trust()?);
        let own = trust.client((&certificate, &[]), UnixTime::now());
        match own {
            Ok(found) if found == role => Ok(Identity::new(role, trust, certificate, key)),
            Ok(found) => {
                let source = crate::PeerError::WrongRole { found, expected: role.to_string() };
                Err(CertsError::OwnCertificate { path, source })
            }
            Err(refusal) => Err(CertsError::OwnCertificate { path, source: refusal.0 }),
        }
    }

    /// The signer of an author of this cluster, from its secret key.
    ///
    /// # Errors
    ///
    /// If the key is missing, open to others, or not the one that cluster.toml names.
    pub fn signer(&self, author: Author) -> Result<Signer, CertsError> {
        let (role, expected) = match author {
            Author::Replica(replica) => {
                (Role::Replica(replica), self.config.replica(replica).map(|entry| entry.consensus_key))
            }
            Author::Client(client) => {
                let entry = self.config.clients.get(usize::from(client.0));
                (Role::Client(client), entry.map(|entry| entry.consensus_key))
            }
        };
        self.must_have(role)?;
        let path = self.home(role).join(CONSENSUS_KEY);
        let secret = hex::decode(files::read_private(&path)?.trim())
            .map_err(|error| CertsError::BadKey { path: path.clone(), reason: error.to_string() })?;
        if Some(Signer::public_key(secret)) != expected {
            return Err(CertsError::OtherKey { path, owner: role.to_string() });
        }
        Ok(Signer::ed25519(author, self.config.realm(), secret))
    }

    pub(crate) fn trust(&self) -> Result<Trust, CertsError> {
        let path = self.path.join("ca").join("ca.pem");
        let authority = read_certificate(&path)?;
        Trust::new(self.config.clone(), authority)
            .map_err(|error| CertsError::BadKey { path, reason: format!("not an authority's certificate: {error}") })
    }

    fn must_have(&self, role: Role) -> Result<(), CertsError> {
        match self.config.pin(role) {
            Some(_) => Ok(()),
            None => Err(CertsError::NoSuchIdentity { cluster: self.config.cluster, name: role.to_string() }),
        }
    }
}

fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, CertsError> {
    CertificateDer::from_pem_slice(files::read(path)?.as_bytes()).map_err(|error| CertsError::BadKey {
        path: path.to_path_buf(),
        reason: format!("no certificate in here: {error}"),
    })
}

/// Each replica's two addresses, or what is impossible about the options.
fn addresses(options: &InitOptions) -> Result<Vec<(HostPort, HostPort)>, CertsError> {
    let Some(committee) = Committee::new(options.replicas) else {
        let most = Committee::MAX_REPLICAS;
        return Err(CertsError::Options(format!("{} replicas; a cluster has 1 to {most}", options.replicas)));
    };
    options.settings.check(committee).map_err(|error| CertsError::Options(error.to_string()))?;
    if !(1..=InitOptions::MAX_CLIENTS).contains(&options.clients) {
        let most = InitOptions::MAX_CLIENTS;
        return Err(CertsError::Options(format!("{} clients; a cluster is made with 1 to {most}", options.clients)));
    }
    if options.hosts.is_empty() {
        return Err(CertsError::Options("no hosts; name at least one".to_string()));
    }
    let of = |place: usize| {
        let host = &options.hosts[place % options.hosts.len()];
        let (address, control) = options
            .ports
            .of(place)
            .ok_or_else(|| CertsError::Options(format!("no ports for {}", ReplicaId(place as u8))))?;
        let new = |port| HostPort::new(host, port).map_err(CertsError::Options);
        Ok((new(address)?, new(control)?))
    };
    (0..options.replicas).map(of).collect()
}

fn random() -> Result<[u8; 32], CertsError> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes).map_err(CertsError::crypto("get random bytes from the system"))?;
    Ok(bytes)
}

fn mint_identity(path: &Path, authority: &Authority, role: Role) -> Result<Minted, CertsError> {
    let home = path.join(role.folder());
    files::make_private_folder(&home)?;
    let minted = authority.issue(role, Validity::five_years())?;
    files::write_public(&home.join(CERTIFICATE), &minted.certificate_pem)?;
    files::write_private(&home.join(TLS_KEY), &minted.key_pem)?;
    Ok(minted)
}

fn mint_consensus_key(path: &Path, role: Role) -> Result<PublicKey, CertsError> {
    let secret = random()?;
    files::write_private(&path.join(role.folder()).join(CONSENSUS_KEY), &format!("{}\n", hex::encode(&secret)))?;
    Ok(Signer::public_key(secret))
}
