//! The cluster's own certificate authority. It exists while a cluster is made and signs nothing later.

use std::time::{Duration, SystemTime};

use byztop_core::types::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use sha2::Digest as _;

use crate::config::Pin;
use crate::error::CertsError;
use crate::role::Role;

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    from: SystemTime,
    until: SystemTime,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Validity {
    /// From yesterday, since clocks differ, for five years.
    pub(crate) fn five_years() -> Validity {
        let now = SystemTime::now();
        Validity { from: now - DAY, until: now + 5 * 365 * DAY }
    }

    /// Over since yesterday.
    #[cfg(test)]
    pub(crate) fn over() -> Validity {
        let now = SystemTime::now();
        Validity { from: now - 10 * DAY, until: now - DAY }
    }

    fn apply(self, params: &mut CertificateParams) {
        let origin = rcgen::date_time_ymd(1970, 1, 1);
        let since_origin = |moment: SystemTime| moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        params.not_before = origin + since_origin(self.from);
        params.not_after = origin + since_origin(self.until);
    }
}

/// A certificate with its key, as they are written to disk.
pub(crate) struct Minted {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    pub(crate) pin: Pin,
}

/// Signs the identities of one cluster.
pub(crate) struct Authority {
    cluster: Digest,
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_pem: String,
}

impl Authority {
    /// A new authority for a cluster, with a fresh key.
    pub(crate) fn mint(cluster: Digest, validity: Validity) -> Result<Authority, CertsError> {
        let key = KeyPair::generate().map_err(CertsError::crypto("make the authority's key"))?;
        let mut params = CertificateParams::default();
        validity.apply(&mut params);
        params.distinguished_name = named(&format!("byztop cluster {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(CertsError::crypto("sign the authority's certificate"))?;
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        Ok(Authority { cluster, issuer: Issuer::new(params, key), certificate_pem, key_pem })
    }

    /// A new identity with a fresh key. Replicas accept connections and make them; all others only make them.
    pub(crate) fn issue(&self, role: Role, validity: Validity) -> Result<Minted, CertsError> {
        self.issue_named(role, &[role.uri(self.cluster)], validity)
    }

    pub(crate) fn issue_named(&self, role: Role, uris: &[String], validity: Validity) -> Result<Minted, CertsError> {
        let purposes = match role {
            Role::Replica(_) => vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
            _ => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        self.issue_for(role, uris, purposes, validity)
    }

    pub(crate) fn issue_for(
        &self,
        role: Role,
        uris: &[String],
        purposes: Vec<ExtendedKeyUsagePurpose>,
        validity: Validity,
    ) -> Result<Minted, CertsError> {
        let doing = "sign an identity's certificate";
        let key = KeyPair::generate().map_err(CertsError::crypto("make an identity's key"))?;
        let mut params = CertificateParams::default();
        validity.apply(&mut params);
        params.distinguished_name = named(&role.to_string());
        for uri in uris {
            let uri = uri.as_str().try_into().map_err(CertsError::crypto(doing))?;
            params.subject_alt_names.push(SanType::URI(uri));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = purposes;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(CertsError::crypto(doing))?;
        let pin = pin_of(&rcgen::PublicKeyData::subject_public_key_info(&key));
        Ok(Minted { certificate_pem: certificate.pem(), key_pem: key.serialize_pem(), pin })
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// SHA-256 of a SubjectPublicKeyInfo in DER.
pub(crate) fn pin_of(subject_public_key_info: &[u8]) -> Pin {
    Pin(sha2::Sha256::digest(subject_public_key_info).into())
}
