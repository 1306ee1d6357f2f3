//! `byztop sim` without a screen: what it prints, that it is the same each time, and its exit status.

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process::{finished, run, signal, start, until};

/// Runs with `--json` and gives status and document.
fn json(scratch: &Path, arguments: &[&str]) -> (i32, Value) {
    let (status, out, err) = run(scratch, &[&["sim", "--json"], arguments].concat());
    let document = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}{err}"));
    assert_eq!(err, "", "no progress where there is no terminal");
    (status, document)
}

/// The document without what depends on the machine.
fn timeless(mut document: Value) -> Value {
    let fields = document.as_object_mut().unwrap();
    for field in ["seeds_per_s", "events_per_s"] {
        assert!(fields.remove(field).and_then(|rate| rate.as_f64()).is_some_and(|rate| rate > 0.0), "{field}");
    }
    document
}

/// More replicas than f lose what they knew, so what was asked of them is never answered.
const BEYOND_BUDGET: &str = "\
# Two of four crash for good, and one is stopped for a moment.
seed 3
replicas 4
at 5ms weather loss=20 duplicate=10 replay=0 slow=0 delay=250us..1000us
at 10ms submit c1 x3 draw=1 to n1,n2,n3,n4
at 20ms crash n4
at 21ms crash n2
at 22ms freeze n3
at 25ms thaw n3
at 900ms calm
";

#[test]
fn a_sweep_prints_one_document_and_is_clean() {
    let scratch = tempfile::tempdir().unwrap();
    let (status, document) = json(scratch.path(), &["--seeds", "7..11"]);
    assert_eq!(status, 0);
    assert_eq!((document["protocol"].as_str(), document["seeds"].as_u64()), (Some("pbft"), Some(4)));
    assert!(document["events"].as_u64().is_some_and(|events| events >= 4 * 5000), "{document}");
    assert_eq!(document["violations"].as_array().map(Vec::len), Some(0));
    let coverage = document["coverage"].as_object().unwrap();
    for name in ["view_change", "state_transfer", "checkpoint_stable", "partition_healed"] {
        assert!(coverage[name].is_u64(), "{name} in {document}");
    }
    assert!(coverage["view_change"].as_u64() > Some(0), "{document}");
    let digest = document["trace_digest"].as_str().unwrap();
    assert!(digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()), "{digest}");
}

#[test]
fn the_same_seeds_give_the_same_document_and_others_another() {
    let scratch = tempfile::tempdir().unwrap();
    let sweep = |seeds| timeless(json(scratch.path(), &["--seeds", seeds]).1);
    let first = sweep("7..10");
    assert_eq!(first, sweep("7..10"));
    assert_ne!(first["trace_digest"], sweep("8..10")["trace_digest"]);
    let one = timeless(json(scratch.path(), &["--seed", "7"]).1);
    assert_eq!(one, sweep("7..8"), "a seed is a sweep of one");
}

#[test]
fn the_number_of_replicas_can_be_chosen() {
    let scratch = tempfile::tempdir().unwrap();
    let of = |replicas| json(scratch.path(), &["--seed", "7", "--replicas", replicas]).1["trace_digest"].clone();
    assert_ne!(of("4"), of("5"));
}

#[test]
fn a_seed_is_told_event_by_event() {
    let scratch = tempfile::tempdir().unwrap();
    let (status, out, _) = run(scratch.path(), &["sim", "--seed", "7"]);
    assert_eq!(status, 0);
    let lines: Vec<&str> = out.lines().collect();
    let steps = lines.iter().take_while(|line| !line.is_empty()).count();
    let line = |n: usize| lines[n - 1].split_whitespace().collect::<Vec<_>>();
    assert_eq!(line(1)[3], "1", "seconds, microseconds, unit, step: {}", lines[0]);
    assert_eq!(line(steps)[3], steps.to_string());
    assert!(lines[..steps].iter().any(|line| line.contains(" hears n") && line.contains("-> all:")), "{out}");
    assert!(out.contains("view_change") && out.ends_with("clean: every invariant held after every event\n"));
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_violation_is_told_replayed_and_made_small() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("bad luck.txt"), BEYOND_BUDGET).unwrap();
    let (status, document) = json(scratch.path(), &["--scenario", "bad luck.txt"]);
    assert_eq!(status, 1);
    let violation = &document["violations"][0];
    assert_eq!((violation["seed"].as_u64(), violation["invariant"].as_str()), (Some(3), Some("liveness")));
    assert_eq!(violation["step"], document["events"], "the run ends there");
    assert_eq!(violation["replay"].as_str(), Some("byztop sim --scenario 'bad luck.txt'"));
    assert_eq!(violation["beyond_budget"].as_bool(), Some(true));
    let what = violation["what"].as_str().unwrap();

    let (status, out, err) = run(scratch.path(), &["sim", "--scenario", "bad luck.txt"]);
    assert_eq!(status, 1);
    assert!(
        out.contains("1 violation\n") && out.contains(what) && err.contains("making the scenario smaller"),
        "{out}"
    );
    assert!(out.ends_with("  byztop sim --scenario 'bad luck-small.txt'\n"), "{out}");
    let small = std::fs::read_to_string(scratch.path().join("bad luck-small.txt")).unwrap();
    let actions = |text: &str| text.lines().filter(|line| line.starts_with("at ")).count();
    assert!(actions(&small) < actions(BEYOND_BUDGET) && small.contains("calm"), "{small}");

    let (status, out, _) = run(scratch.path(), &["sim", "--scenario", "bad luck-small.txt"]);
    assert!(status == 1 && out.contains("liveness") && out.ends_with("as small as it gets\n"), "{out}");
}

#[test]
fn a_small_scenario_does_not_overwrite_another() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("x.txt"), BEYOND_BUDGET).unwrap();
    std::fs::write(scratch.path().join("x-small.txt"), "# notes\n").unwrap();
    let (_, out, _) = run(scratch.path(), &["sim", "--scenario", "x.txt"]);
    assert!(out.contains("another one is there already") && out.contains("\nat 900000us calm"), "{out}");
    assert_eq!(std::fs::read_to_string(scratch.path().join("x-small.txt")).unwrap(), "# notes\n");
}

#[test]
fn a_signal_ends_a_sweep_early_with_what_was_done() {
    let scratch = tempfile::tempdir().unwrap();
    for which in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let sweep = start(scratch.path(), &["sim", "--seeds", "0..1000000", "--json"]);
        // Its threads are there once it listens to signals.
        let threads = format!("/proc/{}/task", sweep.id());
        until("it runs", || std::fs::read_dir(&threads).is_ok_and(|tasks| tasks.count() > 2));
        signal(sweep.id(), which);
        let (status, out, err) = finished(sweep.wait_with_output().unwrap());
        assert_eq!(status, 0, "{which}: {err}");
        let document: Value = serde_json::from_str(&out).unwrap();
        assert!(document["seeds"].as_u64().is_some_and(|seeds| seeds < 1_000_000), "{out}");
        assert_eq!(document["interrupted"].as_bool(), Some(true));
    }
}

#[test]
fn mistakes_are_refused_with_their_place() {
    let scratch = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let (status, out, err) = run(scratch.path(), &[&["sim"], arguments].concat());
        assert!(status == 2 && out.is_empty() && err.contains(expected), "{arguments:?}: {status} {out}{err}");
    };
    refused(&["--seeds", "9..7"], "9..7 holds no seed");
    refused(&["--seeds", "5"], "--seed 5");
    refused(&["--seeds", "a..b"], "two numbers such as 0..200");
    refused(&[], "--seeds <A..B>|--seed <N>|--scenario <FILE>");
    refused(&["--seed", "7", "--protocol", "raft"], "possible values: pbft, linear");
    refused(&["--seed", "7", "--watch"], "not a terminal");
    refused(&["--scenario", "nowhere.txt"], "nowhere.txt: No such file");
    std::fs::write(scratch.path().join("wrong.txt"), "seed 1\nat 5ms rain\n").unwrap();
    refused(&["--scenario", "wrong.txt"], "wrong.txt:2:8: rain is no action");
}
