//! A cluster directory is what it was asked to be, and says clearly when it no longer is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use byztop_core::crypto::{Author, Kind, Statement};
use byztop_core::protocol::Settings;
use byztop_core::types::{ClientId, Digest, ReplicaId, SeqNum, View};

use super::{N1, cluster, edited};
use crate::{CertsError, ClusterDirectory, InitOptions, Ports, Role};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_next_epoch_keeps_everything_else_and_separates_signatures() {
    let scratch = tempfile::tempdir().unwrap();
    let mut cluster = ClusterDirectory::create(scratch.path(), &InitOptions::default()).unwrap();
    let (before, text) =
        (cluster.config().clone(), std::fs::read_to_string(scratch.path().join("cluster.toml")).unwrap());
    cluster.begin_epoch().unwrap();
    assert_eq!(cluster.config().epoch, before.epoch + 1);
    let after = std::fs::read_to_string(scratch.path().join("cluster.toml")).unwrap();
    assert_eq!(after, text.replace("epoch = 1 ", "epoch = 2 "));
    assert_eq!(ClusterDirectory::open(scratch.path()).unwrap().config(), cluster.config());
    assert_ne!(cluster.config().realm(), before.realm());
}

#[test]
fn what_is_written_is_read_back() {
    let scratch = tempfile::tempdir().unwrap();
    let settings = Settings {
        checkpoint_interval_slots: 3,
        window_slots: 6,
        depth_slots: 2,
        batch_submissions: 17,
        request_timeout_ms: 901,
        ask_timeout_ms: 51,
        view_change_timeout_ms: 701,
        max_timeout_ms: 9001,
        status_interval_ms: 31,
        body_wait_ms: 7,
        fast_path_wait_ms: 9,
        pool_submissions: 99,
        accounts: 10,
        initial_checking: 11,
        initial_savings: 12,
    };
    let options = InitOptions {
        replicas: 5,
        clients: 3,
        hosts: vec!["::1".into(), "db-2.example.org".into()],
        ports: Ports::Explicit((0..5).map(|i| (7100 + i, 17100 + i)).collect()),
        attacks_allowed: true,
        settings: settings.clone(),
        ..InitOptions::default()
    };
    let path = scratch.path().join("deep/c");
    let config = ClusterDirectory::create(&path, &options).unwrap().config().clone();
    assert_eq!(ClusterDirectory::open(&path).unwrap().config(), &config);
    assert_eq!(ClusterDirectory::open(&path.join("cluster.toml")).unwrap().path(), path);
    assert_eq!((config.settings.clone(), config.attacks_allowed), (settings, true));
    assert_eq!(config.committee().size(), 5);
    let addresses: Vec<String> = config.replicas.iter().map(|r| format!("{} {}", r.address, r.control)).collect();
    assert_eq!(addresses[..2], ["[::1]:7100 [::1]:17100", "db-2.example.org:7101 db-2.example.org:17101"]);
    let (directory, replica) = ClusterDirectory::of_home(&path.join("n3")).unwrap();
    assert_eq!((directory.config(), replica), (&config, ReplicaId(2)));
}

#[test]
fn default_ports_are_those_of_the_original_system() {
    let scratch = tempfile::tempdir().unwrap();
    let config = cluster(scratch.path(), "c").config().clone();
    assert_eq!(config.replicas[3].address.to_string(), "127.0.0.1:7003");
    assert_eq!(config.replicas[3].control.to_string(), "127.0.0.1:17003");
    assert!(!config.attacks_allowed);
}

#[test]
fn private_keys_are_0600_in_0700_folders_and_nothing_secret_is_elsewhere() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    for folder in ["ca", "n1", "n4", "client", "operator", "observer"] {
        let folder = directory.path().join(folder);
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let is_key = file.extension().is_some_and(|extension| extension == "key");
            assert_eq!(mode(&file), if is_key { 0o600 } else { 0o644 }, "{}", file.display());
            assert_eq!(
                fs::read_to_string(&file).unwrap().contains("PRIVATE"),
                is_key && !file.ends_with("consensus.key")
            );
        }
    }
    assert!(!fs::read_to_string(directory.path().join("cluster.toml")).unwrap().contains("PRIVATE"));
}

#[test]
fn a_cluster_is_not_overwritten_nor_guessed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = cluster(scratch.path(), "c").path().to_path_buf();
    let again = ClusterDirectory::create(&path, &InitOptions::default()).unwrap_err();
    assert!(matches!(again, CertsError::ClusterExists { .. }), "{again}");
    let none = ClusterDirectory::open(scratch.path()).unwrap_err().to_string();
    assert!(none.contains("no cluster.toml here") && none.contains("byztop init"), "{none}");
    for not_a_replica in ["ca", "operator", "cluster.toml"] {
        let error = ClusterDirectory::of_home(&path.join(not_a_replica)).unwrap_err().to_string();
        assert!(error.contains("not a replica's folder; expected DIR/n1 … DIR/n4"), "{error}");
    }
}

#[test]
fn impossible_options_are_refused_before_anything_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("c");
    let narrow = Settings { window_slots: 255, ..Settings::default() };
    for (options, expected) in [
        (InitOptions { replicas: 0, ..InitOptions::default() }, "0 replicas; a cluster has 1 to 100"),
        (InitOptions { replicas: 101, ..InitOptions::default() }, "101 replicas"),
        (InitOptions { clients: 0, ..InitOptions::default() }, "0 clients; a cluster is made with 1 to 100"),
        (InitOptions { hosts: vec![], ..InitOptions::default() }, "no hosts"),
        (InitOptions { hosts: vec!["a b".into()], ..InitOptions::default() }, "neither a host name nor an address"),
        (InitOptions { ports: Ports::Explicit(vec![(1, 2)]), ..InitOptions::default() }, "no ports for n2"),
        (InitOptions { settings: narrow, ..InitOptions::default() }, "window_slots is 255"),
        (InitOptions { replicas: 100, ..InitOptions::default() }, "window_slots is 256, but must be at most"),
    ] {
        let error = ClusterDirectory::create(&path, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn a_faulty_file_is_named_with_line_and_column() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    let good = fs::read_to_string(directory.path().join("cluster.toml")).unwrap();
    let line_of = |needle: &str| good.lines().position(|line| line.starts_with(needle)).unwrap() + 1;
    let key = |nth: usize| good.lines().filter(|line| line.starts_with("consensus_key")).nth(nth).unwrap();
    for (from, to, line, message) in [
        ("window_slots = 256", "window_slots = 255", line_of("window_slots"), "must be from 256 to 4096"),
        ("accounts = 10000", "acounts = 10000", line_of("accounts"), "unknown field `acounts`"),
        ("epoch = 1", "epoch = one", line_of("epoch"), "string values must be quoted"),
        ("durability = \"sync\"", "durability = \"disk\"", line_of("durability"), "unknown durability `disk`"),
        ("name = \"n1\"", "name = \"n9\"", line_of("name = \"n1\""), "must be `n1`"),
        ("127.0.0.1:7000", "127.0.0.1:99999", line_of("address"), "`99999` in `127.0.0.1:99999` is not a port"),
        ("127.0.0.1:7001", "127.0.0.1:7000", line_of("address = \"127.0.0.1:7001"), "used twice"),
        (key(1), key(0), line_of(key(1)), "belongs to another member"),
        (key(0), "consensus_key = \"abc\"", line_of(key(0)), "expected 64 hexadecimal digits, found 3"),
    ] {
        let error = edited(&directory, |_| good.replacen(from, to, 1)).unwrap_err();
        let place = format!("{}:{line}:", directory.path().join("cluster.toml").display());
        assert!(
            error.starts_with(&place) && error.contains(message),
            "{from} → {to}: expected {place} … {message}: {error}"
        );
    }
}

#[test]
fn keys_that_others_could_read_are_not_used() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    for name in ["tls.key", "consensus.key"] {
        fs::set_permissions(directory.home(N1).join(name), fs::Permissions::from_mode(0o640)).unwrap();
    }
    let tls = directory.identity(N1).unwrap_err().to_string();
    let consensus = directory.signer(Author::Replica(ReplicaId(0))).err().unwrap().to_string();
    for (text, name) in [(tls, "n1/tls.key"), (consensus, "n1/consensus.key")] {
        assert!(text.contains(name) && text.contains("mode 0640") && text.contains("chmod 600"), "{text}");
    }
}

#[test]
fn everyone_verifies_what_a_member_signs() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = cluster(scratch.path(), "c");
    let verifier = directory.config().verifier();
    for author in [Author::Replica(ReplicaId(3)), Author::Client(ClientId(0))] {
        let statement =
            Statement { kind: Kind::Prepare, view: View(1), seq: SeqNum(2), digest: Digest([3; 32]), author };
        let signature = directory.signer(author).unwrap().sign(&statement);
        assert_eq!(verifier.verify(&statement, &signature), Ok(()));
        let other = cluster(scratch.path(), &format!("other-{author:?}")).config().verifier();
        assert!(other.verify(&statement, &signature).is_err(), "another cluster's statement is nothing here");
    }
    assert!(matches!(directory.signer(Author::Replica(ReplicaId(4))), Err(CertsError::NoSuchIdentity { .. })));
}

#[test]
fn files_of_another_member_or_cluster_are_noticed_before_peers_refuse_them() {
    let scratch = tempfile::tempdir().unwrap();
    let (directory, other) = (cluster(scratch.path(), "c"), cluster(scratch.path(), "d"));
    let copy = |from: &ClusterDirectory, role: Role, name: &str| {
        fs::copy(from.home(role).join(name), directory.home(N1).join(name)).unwrap();
    };
    copy(&directory, super::N2, "consensus.key");
    let error = directory.signer(Author::Replica(ReplicaId(0))).err().unwrap().to_string();
    assert!(error.contains("not the one that cluster.toml names for replica n1"), "{error}");
    copy(&directory, super::N2, "cert.pem");
    let error = directory.identity(N1).unwrap_err();
    assert!(matches!(&error, CertsError::OwnCertificate { .. }), "{error}");
    copy(&other, N1, "cert.pem");
    let error = directory.identity(N1).unwrap_err().to_string();
    assert!(error.contains("n1/cert.pem") && error.contains("not signed by this cluster's authority"), "{error}");
}
