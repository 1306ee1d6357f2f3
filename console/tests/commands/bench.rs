//! `byztop bench` with real replicas: its documents hold together, and nothing outlives it. How fast it is says nothing
//! here.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process::{finished, nothing_is_left, replicas, run, signal, start, until};

/// What a run's document has, whatever was measured.
const FIELDS: [&str; 25] = [
    "protocol",
    "replicas",
    "f",
    "clients",
    "bundle",
    "op_bytes",
    "durability",
    "duration_s",
    "committed_ops",
    "throughput_ops_s",
    "latency_ms",
    "phase_latency_ms",
    "success",
    "failed",
    "by_type",
    "cpu_us_per_op",
    "rss_mb_per_replica",
    "bytes_per_op",
    "messages_per_op",
    "messages_per_slot",
    "mean_batch_ops",
    "slots",
    "view_changes",
    "ceiling",
    "machine",
];

#[test]
fn a_bench_prints_one_document_and_writes_figures() {
    let scratch = tempfile::tempdir().unwrap();
    let arguments = [
        "bench",
        "--protocol",
        "pbft",
        "--replicas",
        "4",
        "--rate",
        "400",
        "--warmup",
        "500ms",
        "--duration",
        "1s",
        "--ceiling",
        "--json",
        "--out",
        "figures",
    ];
    let (status, out, err) = run(scratch.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let run = &document["runs"][0];
    for field in FIELDS {
        assert!(!run[field].is_null(), "{field} in {run}");
    }
    let count = |key: &str| run[key].as_u64().unwrap_or_else(|| panic!("{key} in {run}"));
    assert_eq!((count("replicas"), count("f"), count("bundle"), count("repeat")), (4, 1, 8, 1));
    assert!(count("committed_ops") > 0 && count("success") + count("failed") == count("committed_ops"), "{run}");
    let by_type = run["by_type"].as_object().unwrap();
    assert_eq!(by_type.values().filter_map(Value::as_u64).sum::<u64>(), count("committed_ops"));
    for phase in ["pre-prepare", "prepare", "commit", "execution"] {
        assert!(run["phase_latency_ms"][phase]["p99"].is_number(), "{phase} in {run}");
    }
    for ceiling in ["crypto", "transport"] {
        let share = run["ceiling"][ceiling]["share"].as_f64();
        assert!(share.is_some_and(|share| share > 0.0), "{ceiling} in {run}");
    }
    assert_eq!(run["machine"]["authentication"].as_str(), Some("Ed25519"));
    let spread = &document["configurations"][0]["spread"]["throughput_ops_s"];
    assert!(spread["min"].is_number() && spread["min"] == spread["max"] && spread["min"] == spread["median"]);

    let figures = scratch.path().join("figures");
    let text = |name: &str| std::fs::read_to_string(figures.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(serde_json::from_str::<Value>(&text("results.json")).unwrap(), document);
    let csv = text("results.csv");
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let place = rows.headers().unwrap().iter().position(|name| name == "committed_ops").unwrap();
    let cells: Vec<String> = rows.records().map(|row| row.unwrap()[place].to_string()).collect();
    assert_eq!(cells, [count("committed_ops").to_string()]);
    for name in ["load", "latency", "over-time", "cost"] {
        assert!(text(&format!("{name}.svg")).contains("</svg>"), "{name}");
        assert!(std::fs::read(figures.join(format!("{name}.png"))).unwrap().starts_with(b"\x89PNG"), "{name}");
    }
    assert!(text("report.html").contains("</html>"));
    std::fs::remove_dir_all(&figures).unwrap();
    nothing_is_left(scratch.path());
}

#[test]
fn an_attack_is_told_before_during_and_after() {
    let scratch = tempfile::tempdir().unwrap();
    let arguments = [
        "bench",
        "--rate",
        "200",
        "--warmup",
        "200ms",
        "--duration",
        "3s",
        "--attack",
        "n4 time(5ms) @1s..2s",
        "--json",
    ];
    let (status, out, err) = run(scratch.path(), &arguments);
    assert_eq!(status, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let attack = &document["runs"][0]["attack"];
    for part in ["before", "during", "after"] {
        let duration = attack[part]["duration_s"].as_f64();
        assert!(duration.is_some_and(|seconds| seconds > 0.5), "{part}: {attack}");
    }
    assert!(attack.get("time_to_detect_s").is_some() && attack.get("time_to_recover_s").is_some());
    nothing_is_left(scratch.path());
}

#[test]
fn a_signal_ends_a_bench_early_with_what_it_has() {
    let scratch = tempfile::tempdir().unwrap();
    let arguments = ["bench", "--rate", "400", "--warmup", "100ms", "--duration", "5m", "--repeat", "3", "--json"];
    let child = start(scratch.path(), &arguments);
    until("replicas run", || replicas(scratch.path()).len() == 4);
    // Something must be measured.
    std::thread::sleep(Duration::from_secs(4));
    signal(child.id(), Signal::SIGINT);
    let (status, out, err) = finished(child.wait_with_output().unwrap());
    assert_eq!(status, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["runs"].as_array().map(Vec::len), Some(1), "the other repeats did not happen");
    assert_eq!(document["runs"][0]["interrupted"].as_bool(), Some(true));
    nothing_is_left(scratch.path());
}
