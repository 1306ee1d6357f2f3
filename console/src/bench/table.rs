//! The table for people: the median run of each configuration.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use super::document::{Document, at, number};
use super::machine::Machine;
use crate::summary::grouped;

/// A column: its title, and what stands in it.
pub(super) type Column = (&'static str, fn(&Value) -> String);

/// What the report tells of every run; its configuration stands in front of it.
pub(super) const FIGURES: [Column; 20] = [
    ("f", |run| digits(run, "f", 0)),
    ("op bytes", |run| digits(run, "op_bytes", 1)),
    ("mean batch", |run| digits(run, "mean_batch_ops", 0)),
    ("op/s", |run| number(run, "throughput_ops_s").map_or("-".into(), |rate| grouped(rate.round() as u64))),
    ("mean ms", |run| digits(run, "latency_ms.mean", 1)),
    ("p50", |run| digits(run, "latency_ms.p50", 1)),
    ("p95", |run| digits(run, "latency_ms.p95", 1)),
    ("p99", |run| digits(run, "latency_ms.p99", 1)),
    ("p99.9", |run| digits(run, "latency_ms.p999", 1)),
    ("max", |run| digits(run, "latency_ms.max", 1)),
    ("committed", |run| digits(run, "committed_ops", 0)),
    ("rejected", |run| digits(run, "failed", 0)),
    ("CPU µs/op", |run| digits(run, "cpu_us_per_op", 0)),
    ("bytes/op", |run| digits(run, "bytes_per_op", 0)),
    ("messages/op", |run| digits(run, "messages_per_op", 2)),
    ("messages/slot", |run| digits(run, "messages_per_slot", 1)),
    ("CPU µs/slot", |run| digits(run, "cpu_us_per_slot", 0)),
    ("slots", |run| digits(run, "slots", 0)),
    ("MB/replica", |run| digits(run, "rss_mb_per_replica", 0)),
    ("view changes", |run| digits(run, "view_changes", 0)),
];

/// What it tells of runs under attack.
pub(super) const ATTACKED: [Column; 8] = [
    ("op/s before", |run| digits(run, "attack.before.throughput_ops_s", 0)),
    ("during", |run| digits(run, "attack.during.throughput_ops_s", 0)),
    ("after", |run| digits(run, "attack.after.throughput_ops_s", 0)),
    ("p99 ms before", |run| digits(run, "attack.before.latency_ms.p99", 1)),
    ("during", |run| digits(run, "attack.during.latency_ms.p99", 1)),
    ("after", |run| digits(run, "attack.after.latency_ms.p99", 1)),
    ("detected after s", |run| digits(run, "attack.time_to_detect_s", 2)),
    ("recovered after s", |run| digits(run, "attack.time_to_recover_s", 2)),
];

/// What it tells of ceilings, and where an operation's processor time goes.
pub(super) const CEILINGS: [Column; 10] = [
    ("op/s", |run| digits(run, "throughput_ops_s", 0)),
    ("crypto op/s", |run| digits(run, "ceiling.crypto.ops_s", 0)),
    ("reached", |run| share(run, "ceiling.crypto.share")),
    ("transport op/s", |run| digits(run, "ceiling.transport.ops_s", 0)),
    ("reached", |run| share(run, "ceiling.transport.share")),
    ("CPU µs/op", |run| digits(run, "cpu_us_per_op", 1)),
    ("signatures", |run| digits(run, "ceiling.parts_us_per_op.crypto", 1)),
    ("execution", |run| digits(run, "ceiling.parts_us_per_op.execution", 1)),
    ("links", |run| digits(run, "ceiling.parts_us_per_op.transport", 1)),
    ("the rest", |run| digits(run, "ceiling.parts_us_per_op.rest", 1)),
];

/// What is told of every run.
const COLUMNS: [Column; 18] = [
    ("protocol", |run| word(run, "protocol")),
    ("n", |run| digits(run, "replicas", 0)),
    ("f", |run| digits(run, "f", 0)),
    ("durability", |run| word(run, "durability")),
    ("load", |run| match number(run, "rate_ops_s") {
        Some(rate) => format!("{rate} op/s"),
        None => format!("{} clients", digits(run, "clients", 0)),
    }),
    ("bundle", |run| digits(run, "bundle", 0)),
    ("batch", |run| digits(run, "mean_batch_ops", 0)),
    ("op/s", |run| number(run, "throughput_ops_s").map_or("-".into(), |rate| grouped(rate.round() as u64))),
    ("p50 ms", |run| digits(run, "latency_ms.p50", 1)),
    ("p95", |run| digits(run, "latency_ms.p95", 1)),
    ("p99", |run| digits(run, "latency_ms.p99", 1)),
    ("p99.9", |run| digits(run, "latency_ms.p999", 1)),
    ("CPU µs/op", |run| digits(run, "cpu_us_per_op", 1)),
    ("B/op", |run| digits(run, "bytes_per_op", 0)),
    ("msg/slot", |run| digits(run, "messages_per_slot", 1)),
    ("µs/slot", |run| digits(run, "cpu_us_per_slot", 0)),
    ("MB/replica", |run| digits(run, "rss_mb_per_replica", 0)),
    ("views", |run| digits(run, "view_changes", 0)),
];

/// Writes all of it.
pub(super) fn write(document: &Document, machine: &Machine) -> String {
    let mut lines = vec![machine.line()];
    if machine.build == "debug" {
        lines.push("This is a debug build: its figures say nothing about byztop. Use cargo run --release.".to_string());
    }
    lines.extend([String::new(), table(document.medians(), &COLUMNS), String::new()]);
    let repeated = document.configurations.iter().filter(|it| at(it, "runs").as_u64() > Some(1));
    lines.extend(repeated.map(spread));
    lines.extend(document.medians().map(phases));
    for run in document.medians() {
        lines.extend(attack(run));
        lines.extend(ceiling(run));
    }
    lines.join("\n").trim_end().to_string() + "\n"
}

fn table<'v>(rows: impl Iterator<Item = &'v Value>, columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(columns.iter().map(|(title, _)| *title));
    for row in rows {
        table.add_row(columns.iter().map(|(_, cell)| cell(row)));
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        let is_text = ["protocol", "durability", "load"].contains(&columns[place].0);
        column.set_cell_alignment(if is_text { CellAlignment::Left } else { CellAlignment::Right });
    }
    table.trim_fmt()
}

fn spread(configuration: &Value) -> String {
    let of = |path: &str, digits: usize| {
        let value = |which: &str| number(configuration, &format!("spread.{path}.{which}"));
        match (value("min"), value("median"), value("max")) {
            (Some(min), Some(median), Some(max)) => format!("{min:.digits$} / {median:.digits$} / {max:.digits$}"),
            _ => "-".to_string(),
        }
    };
    format!(
        "{}: min / median / max of {} runs: op/s {}, p50 ms {}, p99 ms {}",
        word(configuration, "about"),
        at(configuration, "runs"),
        of("throughput_ops_s", 0),
        of("latency_ms.p50", 1),
        of("latency_ms.p99", 1),
    )
}

fn phases(run: &Value) -> String {
    let mut text = format!("{}: phases, p50 / p99 ms:", word(run, "about"));
    let in_order = ["pre-prepare", "prepare", "commit", "execution"];
    for name in in_order.into_iter().filter(|name| run["phase_latency_ms"].get(name).is_some()) {
        let at = |which: &str| digits(run, &format!("phase_latency_ms.{name}.{which}"), 3);
        let _infallible = write!(text, "  {name} {} / {}", at("p50"), at("p99"));
    }
    let of = |path| digits(run, path, 0);
    let _infallible = write!(
        text,
        "; {} committed, {} of them rejected; CPU µs/op: replicas {}, client {}",
        of("committed_ops"),
        of("failed"),
        of("cpu_replicas_us_per_op"),
        of("cpu_client_us_per_op")
    );
    text
}

fn attack(run: &Value) -> Vec<String> {
    if run["attack"].is_null() {
        return Vec::new();
    }
    let column = |name: &str| {
        let of = |path: &str, decimals| digits(run, &format!("attack.{name}.{path}"), decimals);
        format!(
            "{name}: {} op/s, p50 {} ms, p99 {} ms",
            of("throughput_ops_s", 0),
            of("latency_ms.p50", 1),
            of("latency_ms.p99", 1)
        )
    };
    let names = ["before", "during", "after"].into_iter().filter(|name| !run["attack"][name].is_null());
    let seconds = |path: &str, never: &str| {
        number(run, path).map_or_else(|| never.to_string(), |seconds| format!("after {seconds:.2} s"))
    };
    vec![
        format!("{}: under attack", word(run, "about")),
        format!("  {}", names.map(column).collect::<Vec<_>>().join("; ")),
        format!(
            "  detected {}, throughput back at 80 % {}",
            seconds("attack.time_to_detect_s", "by nobody"),
            seconds("attack.time_to_recover_s", "not within the run")
        ),
    ]
}

fn ceiling(run: &Value) -> Option<String> {
    let of = |which: &str| {
        let ops = number(run, &format!("ceiling.{which}.ops_s"))?;
        let share = number(run, &format!("ceiling.{which}.share"))?;
        Some(format!("{which} {} op/s, reached to {:.0} %", grouped(ops.round() as u64), 100.0 * share))
    };
    let mut parts: Vec<String> = ["crypto", "transport"].into_iter().filter_map(of).collect();
    if !at(run, "ceiling.parts_us_per_op").is_null() {
        let part = |name: &str| digits(run, &format!("ceiling.parts_us_per_op.{name}"), 1);
        parts.push(format!(
            "CPU µs/op: signatures {}, execution {}, links {}, the rest {}",
            part("crypto"),
            part("execution"),
            part("transport"),
            part("rest")
        ));
    }
    (!parts.is_empty()).then(|| format!("{}: ceilings: {}", word(run, "about"), parts.join("; ")))
}

fn share(run: &Value, path: &str) -> String {
    number(run, path).map_or_else(|| "-".to_string(), |share| format!("{:.0} %", 100.0 * share))
}

fn word(document: &Value, path: &str) -> String {
    at(document, path).as_str().unwrap_or("-").to_string()
}

fn digits(document: &Value, path: &str, decimals: usize) -> String {
    number(document, path).map_or_else(|| "-".to_string(), |value| format!("{value:.decimals$}"))
}
