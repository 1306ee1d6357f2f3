//! A transcript's file: comments, commands, and after each command what came of it, line by line behind `> `.

use std::path::{Path, PathBuf};

use byztop_core::crypto::Statement;
use byztop_core::types::ReplicaId;

use crate::stage::{self, Clock, Scene};

/// Which environment variable has the expected outputs rewritten.
const UPDATE: &str = "UPDATE_TRANSCRIPTS";

/// One line of a file with the outputs that follow it.
struct Step {
    /// Its number in the file, counted from 1.
    number: usize,
    line: String,
    expected: Vec<String>,
}

/// The transcripts' folder.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.txt"))
}

fn read(name: &str) -> Vec<Step> {
    let text = std::fs::read_to_string(path(name)).expect("the transcript is there");
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("> "), steps.last_mut()) {
            (Some(output), Some(step)) => step.expected.push(output.to_string()),
            _ => steps.push(Step { number: index + 1, line: line.to_string(), expected: Vec::new() }),
        }
    }
    steps
}

/// Plays a transcript and compares, or rewrites, what comes of it.
pub(crate) fn check(name: &str) {
    let steps = read(name);
    let (_, actual) = play(name, &steps, Clock::Steady);
    if std::env::var_os(UPDATE).is_some() {
        return rewrite(name, &steps, &actual);
    }
    for (step, actual) in steps.iter().zip(&actual) {
        if step.expected != *actual {
            panic!("{}", difference(name, step, actual));
        }
    }
}

/// Plays a transcript and gives what its live replicas signed as backups, cluster by cluster.
pub(crate) fn signed(name: &str, clock: Clock) -> Vec<Vec<(ReplicaId, Statement)>> {
    play(name, &read(name), clock).0.iter().map(|stage| stage.signed_as_backups()).collect()
}

/// Whether a transcript lets time pass.
pub(crate) fn is_timed(name: &str) -> bool {
    read(name).iter().any(|step| step.line.trim_start_matches("quietly ").starts_with(['+']))
}

/// Each stage in the end, and what came of each step. A file may have several clusters, one after the other.
fn play(name: &str, steps: &[Step], clock: Clock) -> (Vec<Box<dyn Scene>>, Vec<Vec<String>>) {
    let mut stages: Vec<Box<dyn Scene>> = Vec::new();
    let mut outputs = Vec::new();
    for Step { number, line, .. } in steps {
        let fail = |why: String| -> ! { panic!("{}:{number}: {line}\n{why}", path(name).display()) };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            outputs.push(Vec::new());
            continue;
        }
        if line.starts_with("cluster ") {
            stages.push(stage::begin(line, clock).unwrap_or_else(|why| fail(why)));
            outputs.push(Vec::new());
            continue;
        }
        let stage = stages.last_mut().unwrap_or_else(|| fail("there is no cluster yet".to_string()));
        outputs.push(match stage.perform(line).unwrap_or_else(|why| fail(why)) {
            Some(lines) if lines.is_empty() => vec!["nothing".to_string()],
            Some(lines) => lines,
            None => Vec::new(),
        });
    }
    (stages, outputs)
}

fn rewrite(name: &str, steps: &[Step], actual: &[Vec<String>]) {
    let mut text = String::new();
    for (step, outputs) in steps.iter().zip(actual) {
        text.push_str(&step.line);
        text.push('\n');
        for output in outputs {
            text.push_str(&format!("> {output}\n"));
        }
    }
    // In one step: other tests read it meanwhile.
    let new = folder().join(format!("{name}.new"));
    std::fs::write(&new, text).expect("the transcript can be written");
    std::fs::rename(new, path(name)).expect("the transcript can be replaced");
}

/// The step's outputs, those that are missing behind `-` and those that are new behind `+`.
fn difference(name: &str, step: &Step, actual: &[String]) -> String {
    let mut text = format!("\n{}:{}: {}\n", path(name).display(), step.number, step.line);
    let (mut expected, mut actual) = (step.expected.as_slice(), actual);
    while !expected.is_empty() || !actual.is_empty() {
        let same = |lines: &[String], line: Option<&String>| lines.iter().position(|other| Some(other) == line);
        let (mark, line) = match (expected, actual) {
            ([first, rest @ ..], [other, others @ ..]) if first == other => {
                (expected, actual) = (rest, others);
                (' ', first)
            }
            ([first, rest @ ..], _) if same(actual, Some(first)).is_none() => {
                expected = rest;
                ('-', first)
            }
            (_, [other, others @ ..]) => {
                actual = others;
                ('+', other)
            }
            ([first, rest @ ..], []) => {
                expected = rest;
                ('-', first)
            }
            ([], []) => break,
        };
        text.push_str(&format!("{mark} {line}\n"));
    }
    text.push_str(&format!("If this is as the rule wants it: {UPDATE}=1 cargo test --test transcripts\n"));
    text
}
