//! What is typed wrongly is refused with exit status 2 and a word on what to do.

use crate::process::run;

fn refused(arguments: &[&str], expected: &[&str]) {
    let scratch = tempfile::tempdir().unwrap();
    let (status, out, err) = run(scratch.path(), arguments);
    assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}: {err}");
    assert!(!err.chars().any(|c| c.is_control() && c != '\n'), "{arguments:?} steers the terminal: {err:?}");
    for part in expected {
        assert!(err.contains(part), "{arguments:?}: expected `{part}` in: {err}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "{arguments:?} leaves nothing behind");
}

#[test]
fn bad_values_say_what_is_expected() {
    refused(&["up", "--replicas", "101"], &["--replicas", "1..=100"]);
    refused(&["up", "--bundle", "0"], &["--bundle", "1..=256"]);
    refused(&["up", "--protocol", "paxos"], &["paxos", "possible values: pbft, linear"]);
    refused(&["up", "--rate", "lots"], &["operations per second", "`max`"]);
    refused(&["up", "--durability", "disk"], &["unknown durability `disk`", "`memory`, `os` and `sync`"]);
    refused(&["up", "--headless", "--duration", "10"], &["a number and a unit", "10s"]);
    refused(&["up", "--json"], &["--headless"]);
    refused(&["bench", "--replicas", "4,0"], &["--replicas", "1..=100"]);
    refused(&["bench", "--attack", "n1 crash"], &["column 9", "@10s..20s"]);
    refused(&["bench", "--attack", "n9 crash @1s"], &["n9 is not in the smallest cluster"]);
    refused(&["replay", "missing.rec"], &["missing.rec: can not be read"]);
    refused(&["attach", "nowhere"], &["nowhere"]);
    refused(&["up", "--new-epoch"], &["--dir <DIR>"]);
    refused(&["status", "nowhere"], &["nowhere", "byztop init"]);
    refused(&["recover", "nowhere"], &["nowhere", "byztop init"]);
    refused(&["run"], &["<FILE>"]);
    refused(&["run", "x.csv", "--checkpoint", "0"], &["--checkpoint", "1..=2048"]);
    refused(&["run", "x.csv", "--order", "random"], &["possible values: file, clients"]);
    refused(&["dance"], &["dance", "--help"]);
    refused(&["init"], &["<DIR>"]);
}

#[test]
fn nothing_draws_without_a_terminal() {
    refused(&[], &["not a terminal", "up --headless"]);
}

#[test]
fn help_and_version_are_no_errors() {
    let scratch = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["--help"][..], "Examples:"),
        (&["up", "--help"], "--headless"),
        (&["init", "--help"], "--hosts"),
        (&["node", "--help"], "cluster.toml"),
        (&["bench", "--help"], "--ceiling"),
        (&["run", "--help"], "primary-first"),
        (&["--version"], "byztop 0."),
    ] {
        let (status, out, _) = run(scratch.path(), arguments);
        assert!(status == 0 && out.contains(expected), "{arguments:?}: {out}");
        assert!(!out.contains("until-stdin-closes"), "{arguments:?} shows what is not for people");
    }
}

#[test]
fn init_makes_a_cluster_once() {
    let scratch = tempfile::tempdir().unwrap();
    let (status, out, _) = run(scratch.path(), &["init", "bank", "--hosts", "db1,db2,db3,db4"]);
    assert_eq!(status, 0);
    for expected in ["4 pbft replicas, of which 1 may be Byzantine", "db3:7002", "control db3:17002", "refused"] {
        assert!(out.contains(expected), "expected `{expected}` in: {out}");
    }
    let text = std::fs::read_to_string(scratch.path().join("bank/cluster.toml")).unwrap();
    assert!(text.contains("attacks_allowed = false"));
    let (status, _, err) = run(scratch.path(), &["init", "bank"]);
    assert!(status == 2 && err.contains("bank/cluster.toml") && err.contains("lives here already"), "{err}");
    let (status, _, err) = run(scratch.path(), &["init", "other", "--hosts", "a b"]);
    assert!(status == 2 && err.contains("`a b` is neither a host name nor an address"), "{err}");
}

#[test]
fn a_faulty_cluster_file_is_named_with_line_and_column() {
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(run(scratch.path(), &["init", "c", "--replicas", "4", "--allow-attacks"]).0, 0);
    let file = scratch.path().join("c/cluster.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("attacks_allowed = true"));
    let mut lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| line.starts_with("depth_slots")).unwrap();
    lines[place] = "depth_slots = 0";
    std::fs::write(&file, lines.join("\n")).unwrap();
    for arguments in [&["node", "c/n1"][..], &["up", "--headless", "--dir", "c"]] {
        let (status, _, err) = run(scratch.path(), arguments);
        assert!(status == 2 && err.contains(&format!("c/cluster.toml:{}:1: depth_slots is 0", place + 1)), "{err}");
    }
}

#[test]
fn a_replica_needs_its_folder_and_private_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(run(scratch.path(), &["init", "c", "--replicas", "4"]).0, 0);
    let (status, _, err) = run(scratch.path(), &["node", "c/operator"]);
    assert!(status == 2 && err.contains("not a replica's folder"), "{err}");
    let (status, _, err) = run(scratch.path(), &["node", "c/n5"]);
    assert!(status == 2 && err.contains("c/n5"), "{err}");
    let key = scratch.path().join("c/n2/consensus.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (status, _, err) = run(scratch.path(), &["node", "c/n2"]);
    assert!(status == 2 && err.contains("chmod 600") && err.contains("n2/consensus.key"), "{err}");
}

#[test]
fn an_existing_cluster_is_not_bent_to_other_options() {
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(run(scratch.path(), &["init", "c", "--replicas", "4"]).0, 0);
    let (status, _, err) = run(scratch.path(), &["up", "--headless", "--dir", "c", "--replicas", "7"]);
    assert!(status == 2 && err.contains("this cluster has 4 replicas, but --replicas 7 was asked for"), "{err}");
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    for command in [&["replay"][..], &["run"], &["sim", "--scenario"]] {
        for endless in ["/dev/zero", "/dev/urandom"] {
            refused(&[command, &[endless]].concat(), &[endless, "no regular file"]);
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let pipe = scratch.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(&["replay", pipe.to_str().unwrap()], &["no regular file"]);
    // Of a size that no recording has, and without a byte on the disk.
    let sparse = scratch.path().join("sparse.rec");
    std::fs::File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
    refused(&["replay", sparse.to_str().unwrap()], &["1099511627776 bytes"]);
}

#[test]
fn what_steers_a_terminal_is_escaped_wherever_it_comes_from() {
    refused(&["bench", "--attack", "n1 cr\u{1b}[31mash"], &["\\u{1b}"]);
    // What clap says of it is without it.
    refused(&["up", "--rate", "\u{1b}]0;taken\u{7}"], &["--rate"]);
    let scratch = tempfile::tempdir().unwrap();
    let cases = scratch.path().join("cases.csv");
    std::fs::write(&cases, "Se\u{1b}[31mt Number,Transactions\n").unwrap();
    refused(&["run", cases.to_str().unwrap()], &["cases.csv:1:1", "\\u{1b}[31m"]);
}
