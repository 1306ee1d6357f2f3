//! `byztop up --headless` with real replicas: what it prints, and that nothing outlives it.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process::{finished, four_replicas, nothing_is_left, replicas, run, signal, start, until};

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
    assert_eq!((summary["protocol"].as_str(), summary["durability"].as_str()), (Some("pbft"), Some("memory")));
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

#[test]
fn a_cluster_in_a_folder_is_kept_and_can_be_used_again() {
    let scratch = tempfile::tempdir().unwrap();
    let arguments = ["up", "--headless", "--replicas", "4", "--rate", "400", "--duration", "1s", "--dir", "c"];
    let (status, _, err) = run(scratch.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    let file = scratch.path().join("c/cluster.toml");
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.contains("attacks_allowed = true"), "a local cluster can be attacked");
    assert!(scratch.path().join("c/n4/log").is_file());
    let (status, _, err) =
        run(scratch.path(), &["up", "--headless", "--rate", "400", "--duration", "1s", "--dir", "c"]);
    assert_eq!(status, 0, "{err}");
    let second = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        second,
        first.replace("epoch = 1 ", "epoch = 2 "),
        "its replicas have all lost their logs: they begin anew"
    );
    until("no replica runs", || replicas(scratch.path()).is_empty());
}
