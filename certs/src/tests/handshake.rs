//! Both sides of real TLS handshakes, in memory.

use std::sync::Arc;

use byztop_core::types::{ClientId, Digest, ReplicaId};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, ServerConfig, ServerConnection, SignatureScheme};

use super::{N1, N2, cluster, edited};
use crate::authority::{Authority, Minted, Validity};
use crate::config::ClusterConfig;
use crate::tls::{Identity, Trust};
use crate::{ClusterDirectory, Door, Role, peer_role};

const CLIENT: Role = Role::Client(ClientId(0));

/// What each side made of the other: the server's view of the client, and the first error of either side.
struct Outcome {
    server: Result<Role, String>,
    client: Result<(), String>,
}

/// Runs a handshake to its end. TLS 1.3 clients finish first, so both sides are heard out.
fn shake(server: ServerConfig, client: ClientConfig, config: &ClusterConfig) -> Outcome {
    let name = ServerName::try_from("byztop").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let (mut client_error, mut server_error) = (None, None);
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() && server_error.is_none() {
            server.read_tls(&mut wire).unwrap();
            server_error = server.process_new_packets().err().map(|error| error.to_string());
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() && client_error.is_none() {
            client.read_tls(&mut wire).unwrap();
            client_error = client.process_new_packets().err().map(|error| error.to_string());
        }
    }
    if server_error.is_none() && client_error.is_none() {
        assert!(!client.is_handshaking() && !server.is_handshaking());
        assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(client.alpn_protocol(), Some(crate::ALPN));
    }
    let chain = server.peer_certificates().unwrap_or_default();
    Outcome {
        server: server_error.map_or_else(|| peer_role(chain, config).map_err(|error| error.to_string()), Err),
        client: client_error.map_or(Ok(()), Err),
    }
}

/// n1 opens a door, `from` of `dialling` dials it as `expected`.
fn meet(at: &ClusterDirectory, door: Door, from: &Identity, expected: ReplicaId) -> Outcome {
    let server = at.identity(N1).unwrap().server_config(door).unwrap();
    shake(server, from.client_config(expected).unwrap(), at.config())
}

fn assert_contains(result: Result<Role, String>, text: &str) {
    let error = result.expect_err(text);
    assert!(error.contains(text), "expected `{text}` in: {error}");
}

/// An identity that a directory would not hand out.
fn raw(trust: Trust, role: Role, minted: &Minted) -> Identity {
    let certificate = CertificateDer::from_pem_slice(minted.certificate_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(minted.key_pem.as_bytes()).unwrap();
    Identity::new(role, Arc::new(trust), certificate, key)
}

/// A cluster whose authority is still at hand: certificate files are replaced by what `authority` signs.
fn cluster_with_authority(scratch: &std::path::Path) -> (ClusterDirectory, Authority) {
    let directory = cluster(scratch, "a");
    let authority = Authority::mint(directory.config().cluster, Validity::five_years()).unwrap();
    std::fs::write(directory.path().join("ca/ca.pem"), authority.certificate_pem()).unwrap();
    let n1 = authority.issue(N1, Validity::five_years()).unwrap();
    std::fs::write(directory.home(N1).join("cert.pem"), &n1.certificate_pem).unwrap();
    std::fs::write(directory.home(N1).join("tls.key"), &n1.key_pem).unwrap();
    let pin = directory.config().pin(N1).unwrap().to_string();
    let directory = edited(&directory, |text| text.replace(&pin, &n1.pin.to_string())).unwrap();
    (directory, authority)
}

/// A client that keeps its certificate to itself.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[test]
fn each_role_enters_by_its_own_door_only() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    for (role, own, other) in [
        (N2, Door::Protocol, Door::Control),
        (CLIENT, Door::Protocol, Door::Control),
        (Role::Operator, Door::Control, Door::Protocol),
        (Role::Observer, Door::Control, Door::Protocol),
    ] {
        let identity = directory.identity(role).unwrap();
        let outcome = meet(&directory, own, &identity, ReplicaId(0));
        assert_eq!((outcome.server, outcome.client), (Ok(role), Ok(())));
        let outcome = meet(&directory, other, &identity, ReplicaId(0));
        assert_contains(outcome.server, &format!("this is {role}, but"));
        assert!(outcome.client.is_err(), "the dialler learns that it was turned away");
    }
}

#[test]
fn a_dialler_notices_that_another_replica_answers() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    let client = directory.identity(CLIENT).unwrap();
    let outcome = meet(&directory, Door::Protocol, &client, ReplicaId(2));
    assert_contains(outcome.client.map(|()| N1), "this is replica n1, but replica n3 was expected");
}

#[test]
fn only_a_replica_can_answer() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    let server = directory.identity(Role::Operator).unwrap().server_config(Door::Protocol).unwrap();
    let client = directory.identity(CLIENT).unwrap().client_config(ReplicaId(0)).unwrap();
    let outcome = shake(server, client, directory.config());
    assert_contains(outcome.client.map(|()| N1), "not made for this side of a connection");
}

#[test]
fn nobody_enters_without_a_certificate() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    let mut client = directory.identity(CLIENT).unwrap().client_config(ReplicaId(0)).unwrap();
    client.client_auth_cert_resolver = Arc::new(NoCertificate);
    let server = directory.identity(N1).unwrap().server_config(Door::Protocol).unwrap();
    assert_contains(shake(server, client, directory.config()).server, "no certificates");
}

#[test]
fn another_clusters_member_is_foreign_on_both_sides() {
    let scratch = tempfile::tempdir().unwrap();
    let (here, there) = (cluster(scratch.path(), "here"), cluster(scratch.path(), "there"));
    let stranger = there.identity(CLIENT).unwrap();
    let outcome = meet(&here, Door::Protocol, &stranger, ReplicaId(0));
    assert_contains(outcome.client.map(|()| N1), "not signed by this cluster's authority");
    // One that would talk to anybody is turned away by the server.
    let careless = Trust::new(here.config().clone(), ca(&here)).unwrap();
    let minted = Authority::mint(here.config().cluster, Validity::five_years())
        .and_then(|forger| forger.issue(CLIENT, Validity::five_years()))
        .unwrap();
    let forged = raw(careless, CLIENT, &minted);
    let outcome = meet(&here, Door::Protocol, &forged, ReplicaId(0));
    assert_contains(outcome.server, "not signed by this cluster's authority");
}

fn ca(directory: &ClusterDirectory) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(directory.path().join("ca/ca.pem")).unwrap()
}

#[test]
fn expired_certificates_are_refused_by_their_owner_and_by_others() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, authority) = cluster_with_authority(scratch.path());
    let old = authority.issue(CLIENT, Validity::over()).unwrap();
    let outcome = meet(&directory, Door::Protocol, &raw(directory.trust().unwrap(), CLIENT, &old), ReplicaId(0));
    assert_contains(outcome.server, "the certificate expired on ");
    std::fs::write(directory.home(CLIENT).join("cert.pem"), &old.certificate_pem).unwrap();
    let own = directory.identity(CLIENT).unwrap_err().to_string();
    assert!(own.contains("client/cert.pem") && own.contains("expired"), "{own}");
}

#[test]
fn a_key_that_is_not_pinned_is_refused_although_the_authority_signed_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, authority) = cluster_with_authority(scratch.path());
    let second = authority.issue(N2, Validity::five_years()).unwrap();
    let outcome = meet(&directory, Door::Protocol, &raw(directory.trust().unwrap(), N2, &second), ReplicaId(0));
    assert_contains(outcome.server, "replica n2 shows TLS key");
}

#[test]
fn swapped_pins_are_noticed_by_the_dialler() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    let server = directory.identity(N1).unwrap().server_config(Door::Protocol).unwrap();
    let (n1, n2) = (directory.config().pin(N1).unwrap(), directory.config().pin(N2).unwrap());
    let (n1, n2) = (n1.to_string(), n2.to_string());
    let swap = |text: String| text.replace(&n1, "<n1>").replace(&n2, &n1).replace("<n1>", &n2);
    let swapped = edited(&directory, swap).unwrap();
    let client = swapped.identity(CLIENT).unwrap().client_config(ReplicaId(0)).unwrap();
    let outcome = shake(server, client, directory.config());
    assert_contains(outcome.client.map(|()| N1), "but cluster.toml pins");
}

#[test]
fn a_certificate_has_one_name_and_it_is_an_identity_of_the_roster() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, authority) = cluster_with_authority(scratch.path());
    let id = directory.config().cluster;
    let elsewhere = Digest([7; 32]);
    for (uris, expected) in [
        (vec![], "has none"),
        (vec![CLIENT.uri(id), Role::Operator.uri(id)], "has 2 names"),
        (vec![CLIENT.uri(elsewhere)], "the certificate is of cluster 07070707…"),
        (vec![Role::Client(ClientId(1)).uri(id)], "client c2 is not in the roster"),
        (vec![Role::Replica(ReplicaId(4)).uri(id)], "replica n5 is not in the roster"),
        (vec![format!("spiffe://{id}/admin/root")], "must have one name, spiffe://CLUSTER/ROLE/NAME"),
        (vec![format!("spiffe://{id}/client/c1/x")], "must have one name"),
        (vec![format!("https://{id}/client/c1")], "must have one name"),
    ] {
        let minted = authority.issue_named(CLIENT, &uris, Validity::five_years()).unwrap();
        let outcome = meet(&directory, Door::Protocol, &raw(directory.trust().unwrap(), CLIENT, &minted), ReplicaId(0));
        assert_contains(outcome.server, expected);
    }
}

#[test]
fn a_certificate_without_a_purpose_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, authority) = cluster_with_authority(scratch.path());
    let uri = CLIENT.uri(directory.config().cluster);
    let minted = authority.issue_for(CLIENT, &[uri], Vec::new(), Validity::five_years()).unwrap();
    let pin = directory.config().pin(CLIENT).unwrap().to_string();
    let directory = edited(&directory, |text| text.replace(&pin, &minted.pin.to_string())).unwrap();
    let outcome = meet(&directory, Door::Protocol, &raw(directory.trust().unwrap(), CLIENT, &minted), ReplicaId(0));
    assert_contains(outcome.server, "does not say what it is made for");
}

#[test]
fn whatever_stands_between_an_identity_and_the_authority_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    let pem = |role| std::fs::read(directory.home(role).join("cert.pem")).unwrap();
    let certificate = |role| CertificateDer::from_pem_slice(&pem(role)).unwrap();
    let (client, between) = (certificate(CLIENT), certificate(N2));
    let trust = directory.trust().unwrap();
    let now = rustls::pki_types::UnixTime::now();
    assert_eq!(trust.client((&client, &[]), now).ok(), Some(CLIENT));
    let refused = trust.client((&client, &[between]), now).map_err(|refusal| refusal.to_string());
    assert_contains(refused, "1 more certificates came with it");
}
