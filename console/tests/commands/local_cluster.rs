//! `byztop up --headless` with real replicas: what it prints, and that nothing outlives it.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process::{
    byztop, cluster, finished, four_replicas, nothing_is_left, replicas, run, signal, start, start_cramped, until,
};

/// Waits until a run has its load.
fn the_load_runs(scratch: &Path) {
    let log_says_so = || {
        let folders = std::fs::read_dir(scratch).unwrap().flatten();
        let mut logs = folders.filter_map(|folder| std::fs::read_to_string(folder.path().join("console.log")).ok());
        logs.any(|log| log.contains("the load begins"))
    };
    until("the load begins", log_says_so);
}

fn end(child: Child) -> (i32, String, String) {
    finished(child.wait_with_output().unwrap())
}

#[test]
fn a_run_prints_one_document_that_adds_up_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let arguments = ["up", "--headless", "--replicas", "4", "--rate", "400", "--duration", "2s", "--json"];
    let (status, out, err) = run(scratch.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    let count = |key: &str| summary[key].as_u64().unwrap_or_else(|| panic!("{key} in {out}"));
    assert_eq!((count("replicas"), count("f"), count("view_changes"), count("checkpoint_interval")), (4, 1, 0, 128));
    assert_eq!((summary["protocol"].as_str(), summary["durability"].as_str()), (Some("pbft"), Some("os")));
    assert!(count("committed_ops") > 100, "{out}");
    assert_eq!(count("success") + count("failed"), count("committed_ops"));
    let by_type = summary["by_type"].as_object().unwrap();
    assert_eq!(by_type.len(), 6);
    assert_eq!(by_type.values().filter_map(Value::as_u64).sum::<u64>(), count("committed_ops"));
    for figure in ["mean", "p50", "p95", "p99", "p999", "max"] {
        assert!(summary["latency_ms"][figure].as_f64().is_some_and(|ms| ms > 0.0), "{figure} in {out}");
    }
    let states = summary["replica_states"].as_array().unwrap();
    let names: Vec<&str> = states.iter().filter_map(|state| state["name"].as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3", "n4"]);
    assert!(states.iter().all(|state| state["state_digest"] == states[0]["state_digest"]), "{out}");
    assert_eq!(states[0]["state_digest"].as_str().map(str::len), Some(64));
    nothing_is_left(scratch.path());
}

#[test]
fn under_the_collector_votes_go_one_way_and_certificates_the_other() {
    let scratch = tempfile::tempdir().unwrap();
    let arguments =
        ["up", "--headless", "--replicas", "4", "--protocol", "linear", "--rate", "400", "--duration", "2s", "--json"];
    let (status, out, err) = run(scratch.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["protocol"].as_str(), Some("linear"));
    assert!(summary["committed_ops"].as_u64().is_some_and(|count| count > 100), "{out}");
    // Backups vote for each slot once, and each is told at least once what came of it.
    for name in ["pre-prepare", "prepare", "certificate"] {
        assert!(summary["messages_per_slot"][name].as_f64().is_some_and(|count| count >= 2.9), "{name} in {out}");
    }
    nothing_is_left(scratch.path());
}

#[test]
fn a_signal_ends_a_run_early_with_its_summary() {
    for which in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let scratch = tempfile::tempdir().unwrap();
        let child =
            start(scratch.path(), &["up", "--headless", "--replicas", "4", "--rate", "400", "--duration", "5m"]);
        the_load_runs(scratch.path());
        // Something must be committed, or the run is not a good one.
        std::thread::sleep(Duration::from_secs(1));
        signal(child.id(), which);
        let (status, out, err) = end(child);
        assert_eq!(status, 0, "{which}: {err}");
        assert!(out.contains("throughput") && err.contains("interrupted"), "{which}: {out} {err}");
        nothing_is_left(scratch.path());
    }
}

#[test]
fn replicas_end_with_a_parent_that_is_killed() {
    let scratch = tempfile::tempdir().unwrap();
    let child = start(scratch.path(), &["up", "--headless", "--replicas", "4", "--duration", "5m"]);
    four_replicas(scratch.path());
    signal(child.id(), Signal::SIGKILL);
    assert_eq!(end(child).0, -1);
    until("no replica runs", || replicas(scratch.path()).is_empty());
}

#[test]
fn a_replica_that_dies_is_named_and_not_started_again() {
    let scratch = tempfile::tempdir().unwrap();
    let child = start(scratch.path(), &["up", "--headless", "--replicas", "4", "--rate", "400", "--duration", "5m"]);
    let running = four_replicas(scratch.path());
    the_load_runs(scratch.path());
    let (victim, _) = running.iter().find(|(_, name)| name == "n3").unwrap();
    signal(*victim, Signal::SIGKILL);
    until("three replicas run", || replicas(scratch.path()).len() == 3);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(replicas(scratch.path()).len(), 3, "nobody starts it again");
    signal(child.id(), Signal::SIGINT);
    let (status, _, err) = end(child);
    assert_eq!(status, 1, "{err}");
    for expected in ["n3 was killed by signal 9 (SIGKILL)", "n3 did not answer at the end"] {
        assert!(err.contains(expected), "expected `{expected}` in: {err}");
    }
    nothing_is_left(scratch.path());
}

/// Two runs in one folder: what cluster.toml said after each, and how many slots had been executed.
fn twice_in_one_folder(durability: &str) -> [(String, u64); 2] {
    let scratch = tempfile::tempdir().unwrap();
    let first = ["up", "--headless", "--replicas", "4", "--durability", durability];
    let again = ["up", "--headless"];
    let both = [&first[..], &again[..]].map(|arguments| {
        let rest = ["--rate", "400", "--duration", "1s", "--json", "--dir", "c"];
        let (status, out, err) = run(scratch.path(), &[arguments, &rest[..]].concat());
        assert_eq!(status, 0, "{err}");
        let summary: Value = serde_json::from_str(&out).unwrap();
        let executed = summary["replica_states"][0]["executed"].as_u64().unwrap();
        (std::fs::read_to_string(scratch.path().join("c/cluster.toml")).unwrap(), executed)
    });
    assert!(scratch.path().join("c/n4/log").is_file());
    until("no replica runs", || replicas(scratch.path()).is_empty());
    both
}

#[test]
fn a_cluster_in_a_folder_goes_on_where_it_was() {
    let [(first, before), (second, after)] = twice_in_one_folder("os");
    assert!(first.contains("attacks_allowed = true"), "a local cluster can be attacked");
    assert_eq!(first, second);
    assert!(after > before + 10, "{after} slots after {before}");
}

#[test]
fn a_cluster_that_remembers_nothing_begins_anew() {
    let [(first, _), (second, _)] = twice_in_one_folder("memory");
    assert_eq!(second, first.replace("epoch = 1 ", "epoch = 2 "), "its replicas have all lost their logs");
}

#[test]
fn killed_all_at_once_and_started_again_they_lose_nothing_that_was_answered() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("c");
    let folder = folder.to_str().unwrap();
    let load = ["up", "--headless", "--replicas", "4", "--rate", "400", "--duration", "12s", "--json"];
    let child = start(scratch.path(), &[&load[..], &["--dir", folder]].concat());
    let victims = four_replicas(scratch.path());
    the_load_runs(scratch.path());
    std::thread::sleep(Duration::from_secs(2));
    victims.iter().for_each(|(pid, _)| signal(*pid, Signal::SIGKILL));
    let homes: Vec<String> = victims.iter().map(|(_, name)| format!("{folder}/{name}")).collect();
    until("all are dead", || replicas(scratch.path()).is_empty());
    let mut again: Vec<Child> = homes.iter().map(|home| start(scratch.path(), &["node", home])).collect();
    let (status, out, err) = finished(child.wait_with_output().unwrap());
    assert_eq!(status, 0, "{err}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["unanswered"].as_u64(), Some(0), "{out}");
    let inspected: Vec<Value> = homes
        .iter()
        .map(|home| {
            let (status, out, err) = run(scratch.path(), &["inspect", home, "sessions", "--json"]);
            assert_eq!(status, 0, "{err}");
            serde_json::from_str(&out).unwrap()
        })
        .collect();
    assert!(inspected.iter().all(|store| store["store"] == "complete"), "{inspected:?}");
    for child in &mut again {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_replica_that_finds_no_room_on_its_disk_stops_and_says_so_and_comes_back_when_there_is() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("c");
    let load = ["up", "--headless", "--replicas", "4", "--rate", "2000", "--duration", "5m", "--json"];
    let child = start(scratch.path(), &[&load[..], &["--dir", folder.to_str().unwrap()]].concat());
    let running = four_replicas(scratch.path());
    the_load_runs(scratch.path());
    let (victim, _) = running.iter().find(|(_, name)| name == "n4").unwrap();
    signal(*victim, Signal::SIGKILL);
    until("three replicas run", || replicas(scratch.path()).len() == 3);
    let home = folder.join("n4");
    // No file may grow beyond one or two megabytes, as the shell counts blocks: its next writes fail.
    let mut cramped = start_cramped(scratch.path(), &home, 2048);
    until("it stops", || cramped.try_wait().unwrap().is_some());
    let (status, _, err) = end(cramped);
    assert_eq!(status, 1, "{err}");
    for expected in ["n4 stops", "store", "File too large", "make room, then start again"] {
        assert!(err.contains(expected), "expected `{expected}` in: {err}");
    }
    let mut roomy = start(scratch.path(), &["node", home.to_str().unwrap()]);
    std::thread::sleep(Duration::from_secs(2));
    signal(child.id(), Signal::SIGINT);
    let (status, out, err) = end(child);
    roomy.kill().unwrap();
    roomy.wait().unwrap();
    assert_eq!(status, 0, "all four have come to rest in one state: {out} {err}");
}

#[test]
fn a_replica_one_thread_of_which_panics_ends_and_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    cluster(&scratch.path().join("c"));
    let mut node = byztop(scratch.path(), &["node", "c/n1"]);
    let ended = node.env("BYZTOP_TEST_PANIC", "1").output().unwrap();
    let (status, _, err) = finished(ended);
    assert_eq!(status, 101, "{err}");
    assert!(err.contains("a thread was asked to panic") && err.contains("this replica ends"), "{err}");
}

#[test]
fn what_a_run_without_a_screen_heard_can_be_recorded_and_read() {
    let scratch = tempfile::tempdir().unwrap();
    let load = ["up", "--headless", "--replicas", "4", "--rate", "400", "--duration", "2s", "--record", "a.rec"];
    let (status, _, err) = run(scratch.path(), &load);
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("byztop replay a.rec shows it"), "{err}");
    let recorded = std::fs::read(scratch.path().join("a.rec")).unwrap();
    assert!(recorded.starts_with(b"byztop recording") && recorded.len() > 2000, "{} bytes", recorded.len());
    let (status, _, err) = run(scratch.path(), &load);
    assert!(status != 0 && err.contains("a.rec: can not be recorded to"), "{err}");
}

#[test]
fn status_says_what_is_wrong_by_its_exit_status_too() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join("c");
    let home = home.to_str().unwrap();
    let load = ["up", "--headless", "--replicas", "4", "--rate", "400", "--duration", "5m", "--dir", home];
    let child = start(scratch.path(), &load);
    let status = |arguments: &[&str]| run(scratch.path(), &[&["status", home], arguments].concat());
    until("it is healthy", || scratch.path().join("c/n4/log").exists() && status(&["--timeout", "3s"]).0 == 0);
    let (_, out, _) = status(&["--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((told["health"].as_str(), told["replicas"].as_array().map(Vec::len)), (Some("healthy"), Some(4)));

    let nodes = replicas(scratch.path());
    let named = |name: &str| nodes.iter().find(|(_, found)| found == name).unwrap().0;
    signal(named("n3"), Signal::SIGKILL);
    until("it is impaired", || status(&[]).0 == 1);
    let (_, out, _) = status(&[]);
    assert!(out.contains("n3 is not reached from here"), "{out}");
    signal(named("n4"), Signal::SIGKILL);
    until("it stands still", || status(&[]).0 == 3);
    let (_, out, _) = status(&[]);
    assert!(out.contains("nothing can be decided: 2 replicas take part, and 3 are needed"), "{out}");
    signal(child.id(), Signal::SIGTERM);
    end(child);
}
