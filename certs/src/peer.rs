//! Is the peer who it says, and does it belong here? One check for both sides of a connection and for our own files.

use byztop_core::types::Digest;
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::time::ASN1Time;

use crate::authority::pin_of;
use crate::config::{ClusterConfig, Pin};
use crate::role::Role;

/// Why a peer's certificate is refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PeerError {
    /// It showed none.
    #[error("no certificate was presented")]
    Missing,
    /// It is no certificate.
    #[error("the certificate can not be read: {0}")]
    Malformed(String),
    /// It is past its validity.
    #[error(
        "the certificate expired on {}, and this machine's clock says {}: it must be made anew, unless the clock is wrong",
        moment(*not_after),
        moment(*now)
    )]
    Expired {
        /// When it did, seconds of Unix time.
        not_after: u64,
        /// What time it is here.
        now: u64,
    },
    /// It is before its validity; a clock may be wrong.
    #[error(
        "the certificate is valid from {} on, and this machine's clock says {}: set the clock of whichever machine is wrong",
        moment(*not_before),
        moment(*now)
    )]
    NotYetValid {
        /// From when on it is, seconds of Unix time.
        not_before: u64,
        /// What time it is here.
        now: u64,
    },
    /// Another authority signed it, or none.
    #[error("the certificate is not signed by this cluster's authority")]
    ForeignAuthority,
    /// It is not made for this side of a connection.
    #[error("the certificate is not made for this side of a connection")]
    WrongPurpose,
    /// It says nothing of its purpose, which would make it good for all.
    #[error("the certificate does not say what it is made for (it has no extended key usage)")]
    NoPurpose,
    /// It comes with others, between it and the authority.
    #[error("{count} more certificates came with it; this cluster's authority signs every identity itself")]
    Intermediates {
        /// How many.
        count: usize,
    },
    /// It does not have exactly one name of the form that identities have.
    #[error("the certificate must have one name, spiffe://CLUSTER/ROLE/NAME, but has {found}")]
    BadName {
        /// What it has.
        found: String,
    },
    /// It is an identity of another cluster.
    #[error("the certificate is of cluster {}…, this is cluster {}…", short(found), expected.short())]
    ForeignCluster {
        /// Its cluster, as written.
        found: String,
        /// This cluster.
        expected: Digest,
    },
    /// The roster does not know it.
    #[error("{role} is not in the roster")]
    NotInRoster {
        /// Who it says it is.
        role: Role,
    },
    /// It belongs here, but not at this place.
    #[error("this is {found}, but {expected} was expected")]
    WrongRole {
        /// Who it is.
        found: Role,
        /// Who may be here.
        expected: String,
    },
    /// Its key is not the one in the roster.
    #[error("{role} shows TLS key {}…, but cluster.toml pins {}…", short(&found.to_string()), short(&pinned.to_string()))]
    WrongPin {
        /// Who it says it is.
        role: Role,
        /// The key that it shows.
        found: Pin,
        /// The key that it should show.
        pinned: Pin,
    },
}

/// A second of Unix time, for people.
fn moment(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
    time.map_or_else(|| format!("second {seconds} of Unix time"), |time| time.to_string())
}

/// When the certificate that somebody showed expires, in seconds of Unix time; `None` if it can not be read.
pub fn expiry(chain: &[CertificateDer<'_>]) -> Option<u64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(8).collect()
}

/// Who presented this chain: its one name is an identity of this cluster, in the roster, with the pinned key. Whether
/// the cluster's authority signed it and it is within its validity was checked in the handshake.
///
/// # Errors
///
/// The first reason to refuse it.
pub fn peer_role(chain: &[CertificateDer<'_>], config: &ClusterConfig) -> Result<Role, PeerError> {
    let der = chain.first().ok_or(PeerError::Missing)?;
    let (rest, certificate) =
        x509_parser::parse_x509_certificate(der).map_err(|error| PeerError::Malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(PeerError::Malformed(format!("{} bytes follow it", rest.len())));
    }
    let purpose = certificate.extended_key_usage().map_err(|error| PeerError::Malformed(error.to_string()))?;
    if purpose.is_none() {
        return Err(PeerError::NoPurpose);
    }
    let role = role_in(&name_of(&certificate)?, config.cluster)?;
    let pinned = config.pin(role).ok_or(PeerError::NotInRoster { role })?;
    let found = pin_of(certificate.public_key().raw);
    if found != pinned {
        return Err(PeerError::WrongPin { role, found, pinned });
    }
    Ok(role)
}

/// The one URI among the alternative names; a second name of any kind is one too many.
fn name_of(certificate: &X509Certificate<'_>) -> Result<String, PeerError> {
    let names =
        certificate.subject_alternative_name().map_err(|error| PeerError::BadName { found: error.to_string() })?;
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    match names {
        [GeneralName::URI(uri)] => Ok((*uri).to_string()),
        [] => Err(PeerError::BadName { found: "none".to_string() }),
        [_] => Err(PeerError::BadName { found: "one of another kind".to_string() }),
        more => Err(PeerError::BadName { found: format!("{} names", more.len()) }),
    }
}

fn role_in(uri: &str, cluster: Digest) -> Result<Role, PeerError> {
    let bad = || PeerError::BadName { found: uri.chars().filter(|c| !c.is_control()).take(120).collect() };
    let path = uri.strip_prefix("spiffe://").ok_or_else(bad)?;
    let parts: Vec<&str> = path.split('/').collect();
    let &[of, kind, name] = parts.as_slice() else { return Err(bad()) };
    if of != cluster.to_string() {
        return Err(PeerError::ForeignCluster { found: of.to_string(), expected: cluster });
    }
    Role::parse(kind, name).ok_or_else(bad)
}
