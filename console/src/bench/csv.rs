//! One row per run, for spreadsheets.

use serde_json::Value;

use super::document::{Document, at};

/// The columns: where each figure is in a run's document. A column is called as its path, with `_` for each dot.
const COLUMNS: [&str; 67] = [
    "protocol",
    "replicas",
    "f",
    "clients",
    "rate_ops_s",
    "bundle",
    "op_bytes",
    "accounts",
    "durability",
    "repeat",
    "duration_s",
    "committed_ops",
    "throughput_ops_s",
    "latency_ms.mean",
    "latency_ms.p50",
    "latency_ms.p95",
    "latency_ms.p99",
    "latency_ms.p999",
    "latency_ms.max",
    "phase_latency_ms.pre-prepare.p50",
    "phase_latency_ms.pre-prepare.p99",
    "phase_latency_ms.prepare.p50",
    "phase_latency_ms.prepare.p99",
    "phase_latency_ms.commit.p50",
    "phase_latency_ms.commit.p99",
    "phase_latency_ms.execution.p50",
    "phase_latency_ms.execution.p99",
    "success",
    "failed",
    "by_type.balance",
    "by_type.deposit_checking",
    "by_type.transact_savings",
    "by_type.amalgamate",
    "by_type.write_check",
    "by_type.send_payment",
    "cpu_us_per_op",
    "cpu_replicas_us_per_op",
    "cpu_client_us_per_op",
    "rss_mb_per_replica",
    "bytes_per_op",
    "messages_per_op",
    "replica_bytes_per_op",
    "messages_per_slot",
    "cpu_us_per_slot",
    "mean_batch_ops",
    "slots",
    "view_changes",
    "retransmissions",
    "attack.before.throughput_ops_s",
    "attack.during.throughput_ops_s",
    "attack.after.throughput_ops_s",
    "attack.time_to_detect_s",
    "attack.time_to_recover_s",
    "ceiling.crypto.ops_s",
    "ceiling.crypto.share",
    "ceiling.transport.ops_s",
    "ceiling.transport.share",
    "ceiling.parts_us_per_op.crypto",
    "ceiling.parts_us_per_op.execution",
    "ceiling.parts_us_per_op.transport",
    "ceiling.parts_us_per_op.rest",
    "machine.cpu",
    "machine.cores",
    "machine.build",
    "machine.commit",
    "interrupted",
    "broken",
];

/// The whole table, header first.
///
/// # Errors
///
/// If it can not be written as text, which nothing in it leads to.
pub(super) fn write(document: &Document) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|path| path.replace(['.', '-'], "_")))?;
    for run in &document.runs {
        writer.write_record(COLUMNS.map(|path| cell(at(run, path))))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(cell).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}
