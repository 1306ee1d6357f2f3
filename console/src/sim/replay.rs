//! One run, event by event.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use byztop_core::sim::{Report, Schedule, shrink};
use byztop_core::types::Time;

use super::outcome::Outcome;
use super::runs::{self, NO_PANIC};
use super::{Origin, Scenario, quoted};
use crate::complain;
use crate::tui::seconds;

/// How many runs may be spent on making a failure small.
const SHRINK_RUNS: usize = 400;

/// Runs a scenario, prints its events and what came of them, and says whether every invariant held.
///
/// # Errors
///
/// If standard output takes nothing.
pub(super) fn run(scenario: &Scenario, as_json: bool) -> anyhow::Result<bool> {
    let began = Instant::now();
    let report = if as_json { runs::run(&scenario.schedule, None) } else { tell(&scenario.schedule) };
    let invariant = report.violation.as_ref().map(|violation| violation.invariant);
    let mut outcome = Outcome::new(scenario.schedule.protocol.to_string());
    outcome.add(report, scenario.replay.clone());
    outcome.finish(began.elapsed());
    outcome.print(as_json)?;
    if let Some(invariant) = invariant.filter(|_| !as_json) {
        offer_small(scenario, invariant)?;
    }
    Ok(invariant.is_none())
}

/// Runs a schedule and prints each event.
fn tell(schedule: &Schedule) -> Report {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut is_heard = true;
    let mut print = |step: u64, at: Time, line: &str| {
        // Whoever has seen enough may close the pipe; what came of the run is told all the same.
        is_heard = is_heard && writeln!(out, "{:>15} {step:>7}  {line}", seconds(at)).is_ok();
    };
    let report = runs::run(schedule, Some(&mut print));
    if is_heard && writeln!(out).and_then(|()| out.flush()).is_err() {
        tracing::debug!("nobody reads the trace any more");
    }
    report
}

/// Leaves out of a failing scenario what can go, and writes the rest to a file.
fn offer_small(scenario: &Scenario, invariant: &str) -> anyhow::Result<()> {
    let small = if invariant == NO_PANIC {
        // What panics can not be run hundreds of times by who does not expect it.
        scenario.schedule.clone()
    } else {
        complain(&format!("making the scenario smaller, in at most {SHRINK_RUNS} runs of it"));
        shrink(&scenario.schedule, SHRINK_RUNS)
    };
    let (before, after) = (scenario.schedule.actions.len(), small.actions.len());
    let file = match &scenario.origin {
        Origin::Seed(seed) => PathBuf::from(format!("sim-seed-{seed}.txt")),
        Origin::File(_) if small == scenario.schedule => {
            return crate::print_out("the scenario is as small as it gets\n");
        }
        Origin::File(file) => smaller_name(file),
    };
    let mut text = format!("the same failure with {after} of its {before} actions");
    match write(&file, &small) {
        Ok(()) => text.push_str(&format!(": {}\n", file.display())),
        Err(error) => text.push_str(&format!(" ({}: {error}, so it is here):\n\n{small}\n", file.display())),
    }
    text.push_str(&format!("  byztop sim --scenario {}\n", quoted(&file.display().to_string())));
    crate::print_out(&text)
}

/// Beside a scenario's file, where nobody has looked for it yet.
fn smaller_name(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{stem}-small.txt"))
}

/// Writes a scenario; one that is there already stays, if it is another.
fn write(file: &Path, schedule: &Schedule) -> io::Result<()> {
    let text = schedule.to_string();
    match byztop_certs::read_text(file, text.len() as u64) {
        Ok(there) if there == text => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "another one is there already")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::write(file, text),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there already"))
        }
        Err(error) => Err(error),
    }
}
