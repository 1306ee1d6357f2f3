//! TLS 1.3 in both directions, with verifiers of our own: identities are URIs in a roster, not host names.
//!
//! Resumption and early data are off: every connection proves both identities anew.

use std::fmt;
use std::sync::Arc;

use byztop_core::types::ReplicaId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    ServerConfig, SignatureScheme, version,
};

use crate::config::ClusterConfig;
use crate::error::CertsError;
use crate::peer::{PeerError, peer_role};
use crate::role::Role;

/// The application protocol that both sides must name.
pub const ALPN: &[u8] = b"byztop/1";

/// One of a replica's two listeners, and who may come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// The address: replicas and clients.
    Protocol,
    /// The control address: operators and observers.
    Control,
}

impl Door {
    fn admits(self, role: Role) -> bool {
        let is_member = matches!(role, Role::Replica(_) | Role::Client(_));
        is_member == (self == Door::Protocol)
    }

    fn guests(self) -> &'static str {
        match self {
            Door::Protocol => "a replica or client",
            Door::Control => "an operator or observer",
        }
    }
}

/// The cluster that certificates are checked against.
pub(crate) struct Trust {
    config: Arc<ClusterConfig>,
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({})", self.config.cluster.short())
    }
}

impl Trust {
    pub(crate) fn new(config: Arc<ClusterConfig>, authority: CertificateDer<'_>) -> Result<Trust, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.into_owned())?;
        let (roots, provider) = (Arc::new(roots), Arc::new(rustls::crypto::ring::default_provider()));
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        let clients = clients.map_err(|error| Error::General(error.to_string()))?;
        Ok(Trust { config, roots, clients, provider })
    }

    /// Who a server is: signed by the authority for that purpose, in its validity, in the roster.
    fn server(&self, chain: (&CertificateDer<'_>, &[CertificateDer<'_>]), now: UnixTime) -> Result<Role, Refusal> {
        let (end, between) = chain;
        refuse_intermediates(between)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(end).map_err(Refusal::from_rustls)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, between, now, algorithms)
            .map_err(Refusal::from_rustls)?;
        peer_role(std::slice::from_ref(end), &self.config).map_err(Refusal::from)
    }

    /// Who a client is, checked as [`Trust::server`] is.
    pub(crate) fn client(
        &self,
        chain: (&CertificateDer<'_>, &[CertificateDer<'_>]),
        now: UnixTime,
    ) -> Result<Role, Refusal> {
        let (end, between) = chain;
        refuse_intermediates(between)?;
        self.clients.verify_client_cert(end, between, now).map_err(Refusal::from_rustls)?;
        peer_role(std::slice::from_ref(end), &self.config).map_err(Refusal::from)
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The authority has a path length of zero: whatever stands between it and an identity is of no use, and costs time to read.
fn refuse_intermediates(between: &[CertificateDer<'_>]) -> Result<(), Refusal> {
    match between.len() {
        0 => Ok(()),
        count => Err(Refusal(PeerError::Intermediates { count })),
    }
}

/// Why a certificate is refused, in our words. rustls prints what it is given with `Debug`, and QUIC passes that text to
/// the log of both sides, so `Debug` speaks as `Display` does.
#[derive(thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) PeerError);

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<PeerError> for Refusal {
    fn from(error: PeerError) -> Refusal {
        Refusal(error)
    }
}

impl Refusal {
    /// rustls's reasons in the words of [`PeerError`].
    fn from_rustls(error: Error) -> Refusal {
        Refusal(match error {
            Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
                PeerError::Expired { not_after: not_after.as_secs(), now: time.as_secs() }
            }
            Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before }) => {
                PeerError::NotYetValid { not_before: not_before.as_secs(), now: time.as_secs() }
            }
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                PeerError::ForeignAuthority
            }
            Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. }) => PeerError::WrongPurpose,
            other => PeerError::Malformed(other.to_string()),
        })
    }

    fn into_rustls(self) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
}

/// Accepts one replica: the one that was dialled.
#[derive(Debug)]
struct DialledReplica {
    trust: Arc<Trust>,
    expected: ReplicaId,
}

impl ServerCertVerifier for DialledReplica {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = self.trust.server((end_entity, intermediates), now).map_err(Refusal::into_rustls)?;
        let expected = Role::Replica(self.expected);
        if found != expected {
            let error = PeerError::WrongRole { found, expected: expected.to_string() };
            return Err(Refusal(error).into_rustls());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_string()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.schemes()
    }
}

/// Accepts whoever may come in at one of a replica's doors.
#[derive(Debug)]
struct Doorkeeper {
    trust: Arc<Trust>,
    door: Door,
}

impl ClientCertVerifier for Doorkeeper {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.trust.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let found = self.trust.client((end_entity, intermediates), now).map_err(Refusal::into_rustls)?;
        if !self.door.admits(found) {
            let error = PeerError::WrongRole { found, expected: self.door.guests().to_string() };
            return Err(Refusal(error).into_rustls());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_string()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.schemes()
    }
}

/// Who this process is, towards the cluster: a role, its certificate and its TLS key.
pub struct Identity {
    role: Role,
    trust: Arc<Trust>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, {:?})", self.role, self.trust)
    }
}

impl Identity {
    pub(crate) fn new(
        role: Role,
        trust: Arc<Trust>,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Identity {
        Identity { role, trust, certificate, key }
    }

    /// Who this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The TLS side of one of this replica's listeners. After the handshake [`peer_role`] says who came in.
    ///
    /// # Errors
    ///
    /// If key and certificate do not belong together.
    pub fn server_config(&self, door: Door) -> Result<ServerConfig, CertsError> {
        let verifier = Doorkeeper { trust: self.trust.clone(), door };
        let mut config = ServerConfig::builder_with_provider(self.trust.provider.clone())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(CertsError::crypto("speak TLS 1.3"))?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .map_err(CertsError::crypto("use this identity's certificate and key together"))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }

    /// The TLS side of dialling a replica: the handshake fails unless that very replica answers. The server name that
    /// is dialled with does not matter and is not sent.
    ///
    /// # Errors
    ///
    /// If key and certificate do not belong together.
    pub fn client_config(&self, expected: ReplicaId) -> Result<ClientConfig, CertsError> {
        let verifier = DialledReplica { trust: self.trust.clone(), expected };
        let mut config = ClientConfig::builder_with_provider(self.trust.provider.clone())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(CertsError::crypto("speak TLS 1.3"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())
            .map_err(CertsError::crypto("use this identity's certificate and key together"))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        Ok(config)
    }
}
