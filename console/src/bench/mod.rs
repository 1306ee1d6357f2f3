//! `byztop bench`: clusters on this machine, one after the other, and what they do in figures.
//!
//! | read | for |
//! |---|---|
//! | `plan`, `schedule` | what is run, and who misbehaves when |
//! | `run` | one run from a fresh cluster to its end |
//! | `meter`, `figures`, `series`, `attacked` | what is counted, and the figures that follow from it |
//! | `stats`, `document` | over repeats; everything as one JSON document |
//! | `ceilings`, `machine` | what the machine would allow; which machine |
//! | `table`, `csv` | the same for people and spreadsheets |
//! | `plots`, `report` | the same as drawings, and as one page |

mod attacked;
mod ceilings;
mod csv;
mod document;
mod figures;
mod machine;
mod meter;
mod plan;
mod plots;
mod report;
mod run;
mod schedule;
mod series;
mod stats;
mod table;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use self::ceilings::Ceilings;
use self::document::Document;
use self::machine::Machine;
use self::plan::Plan;
use self::run::Run;
use crate::cli::BenchArgs;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::{complain, log, print_out};

/// Runs everything, prints, and says whether all held.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<bool> {
    let plan = Plan::of(args)?;
    let stop = Stop::install().context("can not listen for signals")?;
    if let Some(out) = &args.out {
        fs::create_dir_all(out).with_context(|| format!("{}: can not make this folder", out.display()))?;
        log::to_file(&out.join("bench.log"))?;
    }
    let progress = Progress::start();
    let machine = Machine::here();
    let runs = run_all(&plan, &stop, progress);
    let ceilings = if args.ceiling { Ceilings::measure(&plan, &runs, &stop, progress)? } else { Ceilings::default() };
    let document = Document::of(&plan, &runs, &ceilings.by_configuration, &machine);
    if let Some(out) = &args.out {
        write_all(out, &document)?;
    }
    let text = if args.json {
        serde_json::to_string_pretty(&document.to_json())? + "\n"
    } else {
        table::write(&document, &machine)
    };
    print_out(&text)?;
    ceilings.broken.iter().for_each(|line| complain(line));
    Ok(tell_what_broke(&plan, &runs) && ceilings.broken.is_empty())
}

/// All runs of the plan, or those until somebody has had enough.
fn run_all(plan: &Plan, stop: &Stop, progress: Progress) -> Vec<Run> {
    let began = Instant::now();
    let mut runs: Vec<Run> = Vec::new();
    for (place, repeat) in plan.runs() {
        let done = u32::try_from(runs.len()).expect("a plan is bounded");
        let each = if done == 0 { plan.warmup + plan.duration } else { began.elapsed() / done };
        let left = each * (u32::try_from(plan.len()).expect("a plan is bounded") - done);
        let prefix = format!(
            "run {} of {}, {} left: {}: ",
            done + 1,
            plan.len(),
            in_words(left),
            plan.configurations[place].label()
        );
        let run = run::run(plan, place, repeat, stop, progress, &prefix);
        progress.clear();
        if !(run.was_interrupted && run.measured.is_none()) {
            runs.push(run);
        }
        if stop.is_asked() {
            break;
        }
    }
    runs
}

/// Says on standard error what did not hold; whether all did.
fn tell_what_broke(plan: &Plan, runs: &[Run]) -> bool {
    for run in runs {
        let label = plan.configurations[run.configuration].label();
        run.broken.iter().for_each(|line| complain(&format!("{label}, repeat {}: {line}", run.repeat + 1)));
    }
    if runs.is_empty() {
        complain("interrupted before anything was measured");
    }
    !runs.is_empty() && runs.iter().all(|run| run.broken.is_empty())
}

fn write_all(out: &Path, document: &Document) -> anyhow::Result<()> {
    let write = |name: &str, bytes: &[u8]| {
        let path = out.join(name);
        fs::write(&path, bytes).with_context(|| format!("{}: can not be written", path.display()))
    };
    write("results.json", (serde_json::to_string_pretty(&document.to_json())? + "\n").as_bytes())?;
    write("results.csv", csv::write(document)?.as_bytes())?;
    let plots = plots::all(document)?;
    for plot in &plots {
        write(&format!("{}.svg", plot.name), plot.svg.as_bytes())?;
        plot.write_png(&out.join(format!("{}.png", plot.name)))?;
    }
    write("report.html", report::write(document, &plots).as_bytes())
}

/// `40 s`, `3 min`, `2.5 h`.
fn in_words(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}
