//! A run without a screen: load for a while, stop, wait until the cluster has come to rest, say what came of it.

use std::time::Duration;

use anyhow::Context as _;
use byztop_certs::Role;
use byztop_node::load::{Load, LoadReport};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::cli::UpArgs;
use crate::progress::Progress;
use crate::session::{Session, load_report, roster_of};
use crate::stop::Stop;
use crate::summary::{InTheEnd, Summary, Verdict, grouped};
use crate::tui::{FeedEvent, Writer};
use crate::watch::{PROGRESS, Watch};
use crate::{complain, usage};

/// How long to run unless told.
const DURATION: Duration = Duration::from_secs(10);

/// How often replicas say where they stand.
const FRAME_MS: u32 = 100;

/// Runs, prints, and says whether all held.
///
/// # Errors
///
/// If the cluster can not be started, or does not come up.
pub(crate) fn run(up: &UpArgs) -> anyhow::Result<bool> {
    let stop = Stop::install().context("can not listen for signals")?;
    let session = Session::start(up, Role::Observer, FRAME_MS)?;
    let progress = Progress::start();
    for note in session.cluster.notes() {
        progress.say(note);
    }
    // Named in this order, the cluster is dropped last, whatever happens on the way.
    let Session { cluster, runtime, links, lives, load_settings } = session;
    let mut watch = Watch::new(links, lives, cluster.live(), progress, String::new());
    let load = Offered {
        rate: load_settings.rate,
        bundle: load_settings.bundle as u32,
        accounts: cluster.directory().config().settings.accounts,
    };
    if let Some(path) = &up.record {
        let writer = Writer::of_new(path, &roster_of(cluster.directory()));
        watch.record_to(writer.map_err(|error| usage(format!("{}: can not be recorded to: {error}", path.display())))?);
    }
    let start_load = || Load::start(cluster.directory().clone(), load_settings);
    let ran = runtime.get().block_on(go(watch, start_load, &load, up.duration.unwrap_or(DURATION), stop))?;
    // Everything that was started has ended before anything is said about it.
    drop(runtime);
    let config = cluster.directory().config().clone();
    drop(cluster);
    let Ran { offered, duration, drained, replicas } = ran;
    if drained.signed_anew > 0 {
        let behind = Duration::from_micros(drained.clock_behind.0);
        complain(&format!(
            "the clock of this machine is {behind:.0?} behind what c1 has submitted with before: {} submissions were signed anew, \
             and it went on from there",
            grouped(drained.signed_anew)
        ));
    }
    let summary = Summary::of(&config, (&offered, duration), &drained, replicas);
    print(&summary, up.json)?;
    match summary.verdict() {
        Verdict::Agreed => Ok(true),
        Verdict::Broken(lines) => {
            lines.iter().for_each(|line| complain(line));
            Ok(false)
        }
    }
}

fn print(summary: &Summary, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json { serde_json::to_string_pretty(summary)? + "\n" } else { summary.to_string() };
    crate::print_out(&text)
}

/// What the load was set to.
struct Offered {
    rate: Option<f64>,
    bundle: u32,
    accounts: u32,
}

/// A run, before it is summed up.
struct Ran {
    offered: LoadReport,
    duration: Duration,
    drained: LoadReport,
    replicas: InTheEnd,
}

/// One stage after the other.
async fn go(
    mut watch: Watch,
    start_load: impl FnOnce() -> anyhow::Result<Load>,
    offered: &Offered,
    duration: Duration,
    mut stop: Stop,
) -> anyhow::Result<Ran> {
    tokio::select! {
        connected = watch.connect() => connected?,
        () = stop.asked() => anyhow::bail!("interrupted before the cluster was up"),
    }
    let (load, began) = (start_load()?, Instant::now());
    tracing::info!("the load begins");
    tokio::select! {
        () = offer(&mut watch, (&load, offered), began, duration) => {}
        () = stop.asked() => watch.say("interrupted; ending early"),
    }
    let (offered, duration) = (load.report(), began.elapsed());
    let drained = watch.drain(load).await;
    watch.settle().await;
    watch.clear();
    watch.end_recording().context("the end of the recording is lost")?;
    Ok(Ran { offered, duration, drained, replicas: watch.in_the_end() })
}

/// Lets the load run.
async fn offer(watch: &mut Watch, (load, offered): (&Load, &Offered), began: Instant, duration: Duration) {
    let mut ticks = interval(PROGRESS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = began + duration;
    let mut before = 0;
    loop {
        tokio::select! {
            () = sleep_until(end) => return,
            _ = ticks.tick() => {
                let report = load.report();
                before = show_load(watch, &report, before, began.elapsed());
                let Offered { rate, bundle, accounts } = *offered;
                watch.record(|| FeedEvent::Load(Box::new(load_report(report, rate, bundle, accounts))));
            }
            _ = watch.step() => {}
        }
    }
}

fn show_load(watch: &Watch, report: &LoadReport, before: u64, elapsed: Duration) -> u64 {
    let per_second = (report.committed_ops.saturating_sub(before)) as f64 / PROGRESS.as_secs_f64();
    watch.show(&format!(
        "{:.1} s  view {}  {} op/s  p50 {:.1}  p99 {:.1} ms{}",
        elapsed.as_secs_f64(),
        watch.view(),
        grouped(per_second as u64),
        report.latency.value_at_quantile(0.5) as f64 / 1000.0,
        report.latency.value_at_quantile(0.99) as f64 / 1000.0,
        watch.recovering(),
    ));
    report.committed_ops
}
