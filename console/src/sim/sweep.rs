//! Many seeds on all cores.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use byztop_core::sim::Report;

use super::outcome::Outcome;
use super::{Seeds, runs};
use crate::stop::Stop;
use crate::summary::grouped;

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_millis(200);

/// How many reports wait for whoever adds them up.
const REPORTS: usize = 256;

/// After so many violations more of them tell nothing new.
const ENOUGH: usize = 1000;

/// Runs the seeds, prints what came of them, and says whether every invariant held.
///
/// # Errors
///
/// If the system refuses threads or signals.
pub(super) fn run(seeds: &Seeds, range: Range<u64>, as_json: bool) -> anyhow::Result<bool> {
    let stop = Stop::install().context("can not listen for signals")?;
    runs::quiet_panics();
    let began = Instant::now();
    let mut outcome = Outcome::new(seeds.protocol.to_string());
    let (next, is_enough) = (AtomicU64::new(range.start), AtomicBool::new(false));
    let is_over = || stop.is_asked() || is_enough.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let (sender, reports) = sync_channel(REPORTS);
        let workers = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..workers {
            let (sender, next, is_over) = (sender.clone(), &next, &is_over);
            scope.spawn(move || work(seeds, range.end, next, is_over, &sender));
        }
        drop(sender);
        let progress = Progress::start(range.end - range.start, began);
        collect(seeds, range.start, &reports, &mut outcome, &is_enough, progress);
    });
    outcome.interrupted = outcome.seeds() < range.end - range.start;
    outcome.finish(began.elapsed());
    outcome.print(as_json)?;
    Ok(outcome.violations() == 0)
}

/// Runs seeds until there are none left or it is told to stop.
fn work(seeds: &Seeds, end: u64, next: &AtomicU64, is_over: impl Fn() -> bool, reports: &SyncSender<Report>) {
    while !is_over() {
        let take = |seed: u64| (seed < end).then_some(seed + 1);
        let Ok(seed) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else { return };
        if reports.send(runs::run(&seeds.schedule(seed), None)).is_err() {
            return;
        }
    }
}

/// Adds reports up in the order of their seeds, whatever order they come in.
fn collect(
    seeds: &Seeds,
    first: u64,
    reports: &Receiver<Report>,
    outcome: &mut Outcome,
    is_enough: &AtomicBool,
    mut progress: Progress,
) {
    let mut early: BTreeMap<u64, Report> = BTreeMap::new();
    let mut due = first;
    loop {
        match reports.recv_timeout(PROGRESS) {
            Ok(report) => drop(early.insert(report.seed, report)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while let Some(report) = early.remove(&due) {
            outcome.add(report, seeds.replay(due));
            due += 1;
        }
        if outcome.violations() >= ENOUGH {
            is_enough.store(true, Ordering::Relaxed);
        }
        progress.show(outcome);
    }
    progress.clear();
}

/// A line on the terminal that is written over and over.
struct Progress {
    is_shown: bool,
    wanted: u64,
    began: Instant,
    shown: Option<Instant>,
}

impl Progress {
    fn start(wanted: u64, began: Instant) -> Progress {
        Progress { is_shown: io::stderr().is_terminal(), wanted, began, shown: None }
    }

    fn show(&mut self, outcome: &Outcome) {
        if !self.is_shown || self.shown.is_some_and(|at| at.elapsed() < PROGRESS) {
            return;
        }
        self.shown = Some(Instant::now());
        let seconds = self.began.elapsed().as_secs_f64();
        let (done, events) = (outcome.seeds(), outcome.events());
        let rate = done as f64 / seconds;
        let left = if rate > 0.0 { format!("{:.0} s", (self.wanted - done) as f64 / rate) } else { "?".to_string() };
        let line = format!(
            "{} of {} seeds, {} events/s, {} violations, {left} to go",
            grouped(done),
            grouped(self.wanted),
            grouped((events as f64 / seconds) as u64),
            outcome.violations(),
        );
        self.write(&line);
    }

    fn clear(&self) {
        if self.is_shown {
            self.write("");
        }
    }

    fn write(&self, line: &str) {
        // A terminal that is gone has nothing to be told.
        if write!(io::stderr(), "\r\x1b[K{line}").and_then(|()| io::stderr().flush()).is_err() {
            tracing::debug!("progress can not be shown");
        }
    }
}
