//! What came of simulated runs: one JSON document, or a table for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use byztop_core::sim::{Coverage, Report};
use byztop_core::telemetry::Traffic;
use byztop_core::types::Digest;
use serde::{Serialize, Serializer};

use crate::summary::grouped;

/// What came of some runs, in order of their seeds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    protocol: String,
    /// How many seeds were run.
    seeds: u64,
    events: u64,
    seeds_per_s: f64,
    events_per_s: f64,
    /// Whether the user ended it before all seeds were run.
    pub(crate) interrupted: bool,
    violations: Vec<Found>,
    #[serde(serialize_with = "by_name")]
    coverage: Coverage,
    /// How many slots were executed.
    slots: u64,
    /// How often each invariant had something to check.
    exercised: BTreeMap<&'static str, u64>,
    /// What replicas sent to each other, by name.
    #[serde(serialize_with = "sent_by_name")]
    messages: Traffic,
    /// Over the digests of all traces: equal for equal runs, however many threads ran them.
    #[serde(serialize_with = "hex")]
    trace_digest: Digest,
    #[serde(skip)]
    took: Duration,
}

/// A run in which something did not hold.
#[derive(Clone, Debug, Serialize)]
struct Found {
    seed: u64,
    invariant: &'static str,
    step: u64,
    what: String,
    /// What is typed to run it again.
    replay: String,
    /// Whether more replicas were faulty than the protocol bears.
    beyond_budget: bool,
}

impl Outcome {
    /// Before the first run.
    pub(crate) fn new(protocol: String) -> Outcome {
        Outcome {
            protocol,
            seeds: 0,
            events: 0,
            seeds_per_s: 0.0,
            events_per_s: 0.0,
            interrupted: false,
            violations: Vec::new(),
            coverage: Coverage::default(),
            exercised: BTreeMap::new(),
            slots: 0,
            messages: Traffic::default(),
            trace_digest: Digest::of("simulated-traces", &[]),
            took: Duration::ZERO,
        }
    }

    /// Takes in a run. The order of the runs makes a difference: it is that of their seeds.
    pub(crate) fn add(&mut self, report: Report, replay: String) {
        let Report { seed, events, violation, coverage, exercised, messages, slots, trace_digest } = report;
        self.seeds += 1;
        self.events += events;
        self.coverage.merge(&coverage);
        for (invariant, count) in exercised {
            *self.exercised.entry(invariant).or_default() += count;
        }
        self.messages.merge(&messages);
        self.slots += slots;
        let parts: [&[u8]; 3] = [&self.trace_digest.0, &seed.to_le_bytes(), &trace_digest.to_le_bytes()];
        self.trace_digest = Digest::of("simulated-traces", &parts);
        if let Some(violation) = violation {
            self.violations.push(Found {
                seed,
                invariant: violation.invariant,
                step: violation.step,
                what: violation.what,
                replay,
                beyond_budget: violation.is_beyond_budget,
            });
        }
    }

    /// The runs took so long.
    pub(crate) fn finish(&mut self, took: Duration) {
        let seconds = took.as_secs_f64().max(0.000_001);
        self.took = took;
        self.seeds_per_s = self.seeds as f64 / seconds;
        self.events_per_s = self.events as f64 / seconds;
    }

    /// How many runs were taken in.
    pub(crate) fn seeds(&self) -> u64 {
        self.seeds
    }

    /// How many events they had.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// In how many something did not hold.
    pub(crate) fn violations(&self) -> usize {
        self.violations.len()
    }

    /// Prints it, as one JSON document or for people.
    ///
    /// # Errors
    ///
    /// If standard output takes nothing.
    pub(crate) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        crate::print_out(&if as_json { serde_json::to_string_pretty(self)? + "\n" } else { self.to_string() })
    }
}

fn by_name<S: Serializer>(coverage: &Coverage, serializer: S) -> Result<S::Ok, S::Error> {
    coverage.iter().collect::<BTreeMap<&str, u64>>().serialize(serializer)
}

fn sent_by_name<S: Serializer>(messages: &Traffic, serializer: S) -> Result<S::Ok, S::Error> {
    messages.iter().collect::<BTreeMap<&str, u64>>().serialize(serializer)
}

fn hex<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rare paths taken")?;
        for (name, count) in self.coverage.iter() {
            writeln!(f, "  {name:<30} {:>12}", grouped(count))?;
        }
        writeln!(f, "how often each invariant had something to check")?;
        for (invariant, count) in &self.exercised {
            writeln!(f, "  {invariant:<30} {:>12}", grouped(*count))?;
        }
        writeln!(f, "messages between replicas, and how many a slot")?;
        for (name, count) in self.messages.iter() {
            writeln!(f, "  {name:<30} {:>12} {:>9}", grouped(count), per_slot(count, self.slots))?;
        }
        let (took, events) = (self.took.as_secs_f64(), grouped(self.events));
        let rate = grouped(self.events_per_s.round() as u64);
        writeln!(f, "{} {} of {}", grouped(self.seeds), plural("seed", self.seeds), self.protocol)?;
        match self.seeds {
            1 => writeln!(f, "  {events} events in {took:.2} s: {rate} events/s")?,
            _ => writeln!(f, "  {events} events in {took:.1} s: {:.1} seeds/s, {rate} events/s", self.seeds_per_s)?,
        }
        writeln!(f, "  trace {}", self.trace_digest)?;
        if self.interrupted {
            writeln!(f, "  interrupted: the seeds after these were not run")?;
        }
        match self.violations.len() as u64 {
            0 => writeln!(f, "clean: every invariant held after every event")?,
            count => writeln!(f, "{} {}", grouped(count), plural("violation", count))?,
        }
        for found in &self.violations {
            let Found { seed, invariant, step, what, replay, .. } = found;
            writeln!(f, "  seed {seed}, step {}: {invariant}: {what}", grouped(*step))?;
            if found.beyond_budget {
                writeln!(f, "    more than f replicas are faulty there, so the protocol promises nothing")?;
            }
            writeln!(f, "    {replay}")?;
        }
        Ok(())
    }
}

/// How many there were for each of so many slots.
fn per_slot(count: u64, slots: u64) -> String {
    if slots == 0 { "-".to_string() } else { format!("{:.2}", count as f64 / slots as f64) }
}

fn plural(word: &str, count: u64) -> String {
    if count == 1 { word.to_string() } else { format!("{word}s") }
}
