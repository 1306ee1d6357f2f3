//! Everything that was measured as one JSON document; tables, CSV and the report are made from it.

use byztop_core::app::smallbank::encode_operations;
use byztop_core::committee::Committee;
use byztop_core::workload::Workload;
use byztop_node::load::LoadSettings;
use serde_json::{Map, Value, json};

use super::ceilings::Ceiling;
use super::machine::Machine;
use super::plan::{Configuration, Plan};
use super::run::Run;
use super::stats::{median_place, spread_of};

/// What stands in a run's document and is no figure to spread over repeats.
const NOT_SPREAD: [&str; 6] = ["about", "attacks", "series", "latency_distribution_ms", "broken", "machine"];

/// Results of a bench.
pub(super) struct Document {
    /// One per run, in the order of the runs.
    pub(super) runs: Vec<Value>,
    /// One per configuration that was run: what it is, its median run, and the spread of each figure.
    pub(super) configurations: Vec<Value>,
    pub(super) machine: Value,
}

impl Document {
    /// Puts it together. `ceilings` has one entry per configuration, if they were measured.
    pub(super) fn of(plan: &Plan, runs: &[Run], ceilings: &[Option<Ceiling>], machine: &Machine) -> Document {
        let machine = json!(machine);
        let of = |run: &Run| {
            let ceiling = ceilings.get(run.configuration).and_then(Option::as_ref);
            document_of(plan, run, ceiling, &machine)
        };
        let documents: Vec<Value> = runs.iter().map(of).collect();
        let configurations =
            (0..plan.configurations.len()).filter_map(|place| configuration(plan, place, runs, &documents)).collect();
        Document { runs: documents, configurations, machine }
    }

    /// What `--json` prints.
    pub(super) fn to_json(&self) -> Value {
        json!({ "machine": self.machine, "configurations": self.configurations, "runs": self.runs })
    }

    /// The median run of each configuration of which anything was measured.
    pub(super) fn medians(&self) -> impl Iterator<Item = &Value> {
        let place = |configuration: &Value| configuration["median_run"].as_u64();
        self.configurations.iter().filter_map(move |it| self.runs.get(usize::try_from(place(it)?).ok()?))
    }
}

fn document_of(plan: &Plan, run: &Run, ceiling: Option<&Ceiling>, machine: &Value) -> Value {
    let configuration = &plan.configurations[run.configuration];
    let mut document = about(plan, configuration);
    document.insert("repeat".to_string(), json!(run.repeat + 1));
    if let Some(measured) = &run.measured {
        if let Value::Object(figures) = json!(measured.figures) {
            document.extend(figures);
        }
        document.insert("ceiling".to_string(), json!(ceiling.map(|it| it.beside(configuration, &measured.figures))));
        document.insert("attack".to_string(), json!(measured.attacked));
        document.insert("latency_distribution_ms".to_string(), json!(measured.distribution));
        document.insert("series".to_string(), json!(measured.series));
    }
    document.insert("broken".to_string(), json!(run.broken));
    document.insert("interrupted".to_string(), json!(run.was_interrupted));
    document.insert("machine".to_string(), machine.clone());
    Value::Object(document)
}

/// What was run, before anything is measured.
fn about(plan: &Plan, configuration: &Configuration) -> Map<String, Value> {
    let Configuration { protocol, replicas, durability, bundle, rate, clients, accounts } = configuration;
    let committee = Committee::new(usize::from(*replicas)).expect("the command line bounds the number of replicas");
    let attack = |planned: &super::schedule::Planned| {
        json!({
            "attacker": planned.attacker.to_string(),
            "attack": planned.directive.to_string(),
            "from_s": planned.from.as_secs_f64(),
            "until_s": planned.until.map(|until| until.as_secs_f64()),
        })
    };
    let about = json!({
        "about": configuration.label(),
        "protocol": protocol.name(),
        "replicas": replicas,
        "f": committee.faulty(),
        "clients": clients,
        "rate_ops_s": rate.per_second(),
        "bundle": bundle,
        "op_bytes": op_bytes(configuration),
        "accounts": accounts.unwrap_or(byztop_core::protocol::Settings::default().accounts),
        "durability": durability.name(),
        "warmup_s": plan.warmup.as_secs_f64(),
        "attacks": plan.attacks.iter().map(attack).collect::<Vec<_>>(),
    });
    match about {
        Value::Object(about) => about,
        other => unreachable!("{other} is written as an object"),
    }
}

/// How many bytes an operation of the workload takes on average, as it is submitted.
fn op_bytes(configuration: &Configuration) -> f64 {
    const SAMPLE: usize = 4096;
    let LoadSettings { seed, mix, alpha, .. } = LoadSettings::default();
    let accounts = configuration.accounts.unwrap_or(byztop_core::protocol::Settings::default().accounts);
    let mut workload = Workload::new(seed, accounts, mix, alpha);
    let operations: Vec<_> = (0..SAMPLE).map(|_| workload.next_operation()).collect();
    let bytes: usize =
        operations.chunks(usize::from(configuration.bundle)).map(|bundle| encode_operations(bundle).len()).sum();
    bytes as f64 / SAMPLE as f64
}

fn configuration(plan: &Plan, place: usize, runs: &[Run], documents: &[Value]) -> Option<Value> {
    let ours: Vec<usize> = (0..runs.len()).filter(|run| runs[*run].configuration == place).collect();
    let measured: Vec<usize> = ours.iter().copied().filter(|run| runs[*run].measured.is_some()).collect();
    if ours.is_empty() {
        return None;
    }
    let throughputs: Vec<f64> = measured.iter().map(|run| runs[*run].throughput()).collect();
    let mut configuration = about(plan, &plan.configurations[place]);
    let names: Vec<String> = configuration.keys().cloned().collect();
    let figures: Vec<Value> = measured
        .iter()
        .filter_map(|run| documents[*run].as_object().cloned())
        .map(|mut figures| {
            figures.retain(|name, _| !names.contains(name) && !NOT_SPREAD.contains(&name.as_str()) && name != "repeat");
            Value::Object(figures)
        })
        .collect();
    configuration.insert("runs".to_string(), json!(ours.len()));
    configuration
        .insert("broken_runs".to_string(), json!(ours.iter().filter(|it| !runs[**it].broken.is_empty()).count()));
    configuration.insert("median_run".to_string(), json!(median_place(&throughputs).map(|at| measured[at])));
    configuration.insert("spread".to_string(), json!(spread_of(&figures)));
    Some(Value::Object(configuration))
}

/// A value by the names that lead to it, such as `latency_ms.p99`; null if it is not there.
pub(super) fn at<'v>(document: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(document, |value, name| &value[name])
}

/// The same as a number.
pub(super) fn number(document: &Value, path: &str) -> Option<f64> {
    at(document, path).as_f64()
}
