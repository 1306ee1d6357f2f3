//! A run without a screen: load for a while, stop, wait until the cluster has come to rest, say what came of it.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use byztop_certs::Role;
use byztop_core::telemetry::{ConsoleMessage, Frame};
use byztop_core::types::{Digest, ReplicaId, SeqNum};
use byztop_node::control::LinkEvent;
use byztop_node::load::{Load, LoadReport};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use crate::cli::UpArgs;
use crate::launch::Life;
use crate::session::{Links, Session};
use crate::stop::Stop;
use crate::summary::{InTheEnd, ReplicaState, Summary, Verdict, grouped};

/// How long to run unless told.
const DURATION: Duration = Duration::from_secs(10);

/// How often replicas say where they stand.
const FRAME_MS: u32 = 100;

/// How long replicas may take to start and answer.
const CONNECT: Duration = Duration::from_secs(15);

/// How long the last operations may take to be answered.
const DRAIN: Duration = Duration::from_secs(15);

/// How long replicas may take to come to the same state once nothing is asked of them.
const SETTLE: Duration = Duration::from_secs(15);

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_millis(500);

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
    let replicas = cluster.directory().config().replicas.len();
    let watch = Watch { links, lives, replicas: vec![Seen::default(); replicas], view_changes: 0, progress };
    let start_load = || Load::start(cluster.directory().clone(), load_settings);
    let ran = runtime.get().block_on(watch.run(start_load, up.duration.unwrap_or(DURATION), stop))?;
    // Everything that was started has ended before anything is said about it.
    drop(runtime);
    let config = cluster.directory().config().clone();
    drop(cluster);
    let Ran { offered, duration, drained, replicas } = ran;
    let summary = Summary::of(&config, (&offered, duration), &drained, replicas);
    print(&summary, up.json)?;
    match summary.verdict() {
        Verdict::Agreed => Ok(true),
        Verdict::Broken(lines) => {
            lines.iter().for_each(|line| eprintln!("byztop: {line}"));
            Ok(false)
        }
    }
}

fn print(summary: &Summary, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json { serde_json::to_string_pretty(summary)? + "\n" } else { summary.to_string() };
    crate::print_out(&text)
}

/// A run, before it is summed up.
struct Ran {
    offered: LoadReport,
    duration: Duration,
    drained: LoadReport,
    replicas: InTheEnd,
}

/// What one replica last said.
#[derive(Clone, Debug, Default)]
struct Seen {
    is_up: bool,
    frame: Option<Box<Frame>>,
    /// Why the link is down, if it was tried.
    why_down: Option<String>,
}

impl Seen {
    /// Its state, if it is at rest.
    fn at_rest(&self) -> Option<(SeqNum, Digest)> {
        let frame = self.frame.as_ref().filter(|_| self.is_up)?;
        frame.executed_digest.filter(|(seq, _)| *seq == frame.status.executed)
    }
}

/// Keeps up with the replicas while the run goes through its stages.
struct Watch {
    links: Links,
    lives: mpsc::Receiver<(ReplicaId, Life)>,
    replicas: Vec<Seen>,
    view_changes: u64,
    progress: Progress,
}

impl Watch {
    async fn run(
        mut self,
        start_load: impl FnOnce() -> anyhow::Result<Load>,
        duration: Duration,
        mut stop: Stop,
    ) -> anyhow::Result<Ran> {
        tokio::select! {
            connected = self.connect() => connected?,
            () = stop.asked() => anyhow::bail!("interrupted before the cluster was up"),
        }
        let (load, began) = (start_load()?, Instant::now());
        tracing::info!("the load begins");
        tokio::select! {
            () = self.offer(&load, began, duration) => {}
            () = stop.asked() => self.progress.say("interrupted; ending early"),
        }
        let (offered, duration) = (load.report(), began.elapsed());
        let drained = self.drain(load).await;
        self.settle().await;
        self.progress.clear();
        let (states, messages) = (self.states(), self.messages());
        let replicas = InTheEnd { view_changes: self.view_changes, states, messages };
        Ok(Ran { offered, duration, drained, replicas })
    }

    /// Waits until every replica answers.
    async fn connect(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + CONNECT;
        while self.replicas.iter().any(|seen| !seen.is_up) {
            let up = self.replicas.iter().filter(|seen| seen.is_up).count();
            self.progress.show(&format!("{up} of {} replicas answer", self.replicas.len()));
            match timeout_at(deadline, self.step()).await {
                Ok(Some((replica, Life::Ended { how, .. }))) => anyhow::bail!("{replica} {how} before it answered"),
                Ok(_) => {}
                Err(_) => anyhow::bail!("no answer after {} s from {}", CONNECT.as_secs(), self.silent()),
            }
        }
        Ok(())
    }

    /// Who does not answer, and why not.
    fn silent(&self) -> String {
        let silent = self.replicas.iter().enumerate().filter(|(_, seen)| !seen.is_up);
        let of = |(place, seen): (usize, &Seen)| {
            let why = seen.why_down.as_deref().unwrap_or("no word yet");
            format!("{} ({why})", ReplicaId(place as u8))
        };
        silent.map(of).collect::<Vec<_>>().join(", ")
    }

    /// Lets the load run.
    async fn offer(&mut self, load: &Load, began: Instant, duration: Duration) {
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = began + duration;
        let mut before = 0;
        loop {
            tokio::select! {
                () = sleep_until(end) => return,
                _ = ticks.tick() => before = self.show_load(&load.report(), before, began.elapsed()),
                _ = self.step() => {}
            }
        }
    }

    fn show_load(&self, report: &LoadReport, before: u64, elapsed: Duration) -> u64 {
        let per_second = (report.committed_ops.saturating_sub(before)) as f64 / PROGRESS.as_secs_f64();
        let view = self.replicas.iter().filter_map(|seen| seen.frame.as_ref()).map(|frame| frame.status.view).max();
        self.progress.show(&format!(
            "{:.1} s  view {}  {} op/s  p50 {:.1}  p99 {:.1} ms{}",
            elapsed.as_secs_f64(),
            view.unwrap_or_default(),
            grouped(per_second as u64),
            report.latency.value_at_quantile(0.5) as f64 / 1000.0,
            report.latency.value_at_quantile(0.99) as f64 / 1000.0,
            self.recovering(),
        ));
        report.committed_ops
    }

    /// Who is not back in step, and how far each has come; nothing if everyone is.
    fn recovering(&self) -> String {
        let frames = self.replicas.iter().filter_map(|seen| seen.frame.as_deref());
        let of = |frame: &Frame| match (frame.status.transfer, frame.status.observing_until) {
            (Some(transfer), _) => Some(format!("  {} transfer {transfer}", frame.replica)),
            (None, Some(SeqNum(0))) => Some(format!("  {} watches", frame.replica)),
            (None, Some(until)) => Some(format!("  {} watches until s{until}", frame.replica)),
            (None, None) => None,
        };
        frames.filter_map(of).collect()
    }

    /// Stops the load and waits for the last answers.
    async fn drain(&mut self, load: Load) -> LoadReport {
        self.progress.show("waiting for the last answers");
        let mut drained = std::pin::pin!(load.stop_and_drain(DRAIN));
        loop {
            tokio::select! {
                report = &mut drained => return report,
                _ = self.step() => {}
            }
        }
    }

    /// Waits until what all replicas say from now on is the same.
    async fn settle(&mut self) {
        for seen in &mut self.replicas {
            seen.frame = None;
        }
        let deadline = Instant::now() + SETTLE;
        let mut shown = Instant::now();
        self.progress.show("waiting until replicas have come to rest");
        while !self.agree() {
            if shown.elapsed() >= PROGRESS {
                shown = Instant::now();
                self.progress.show(&format!("waiting until replicas have come to rest{}", self.recovering()));
            }
            if timeout_at(deadline, self.step()).await.is_err() {
                return;
            }
        }
    }

    fn agree(&self) -> bool {
        let first = self.replicas.first().and_then(Seen::at_rest);
        first.is_some() && self.replicas.iter().all(|seen| seen.at_rest() == first)
    }

    fn states(&self) -> Vec<ReplicaState> {
        let of = |(place, seen): (usize, &Seen)| {
            let replica = ReplicaId(place as u8);
            match seen.frame.as_ref().filter(|_| seen.is_up) {
                None => ReplicaState::unknown(replica),
                Some(frame) => {
                    let state = seen.at_rest().map(|(_, digest)| digest);
                    ReplicaState::known(replica, frame.status.view, frame.status.executed, state)
                        .costing(&frame.counters)
                }
            }
        };
        self.replicas.iter().enumerate().map(of).collect()
    }

    /// What all of them have sent each other, by name.
    fn messages(&self) -> BTreeMap<String, u64> {
        let mut messages: BTreeMap<String, u64> = BTreeMap::new();
        for (name, count) in
            self.replicas.iter().filter_map(|seen| seen.frame.as_ref()).flat_map(|frame| &frame.messages)
        {
            *messages.entry(name.clone()).or_default() += count;
        }
        messages
    }

    /// Takes in one event; gives back what happened to a process.
    async fn step(&mut self) -> Option<(ReplicaId, Life)> {
        tokio::select! {
            Some((replica, event)) = self.links.next() => {
                self.on_link(replica, event);
                None
            }
            Some((replica, life)) = self.lives.recv() => {
                self.on_life(replica, &life);
                Some((replica, life))
            }
            // Every link task has failed: whoever waits has a deadline.
            else => std::future::pending().await,
        }
    }

    fn on_link(&mut self, replica: ReplicaId, event: LinkEvent) {
        let Some(seen) = self.replicas.get_mut(replica.index()) else { return };
        match event {
            LinkEvent::Up(_) => seen.is_up = true,
            LinkEvent::Down(why) => {
                tracing::info!("the link to {replica} is down: {why}");
                *seen = Seen { why_down: Some(why), ..Seen::default() };
            }
            LinkEvent::Message(ConsoleMessage::Frame(frame)) => {
                self.view_changes = self.view_changes.max(frame.counters.view_changes);
                seen.frame = Some(frame);
            }
            LinkEvent::Message(_) | LinkEvent::Connecting | LinkEvent::Rtt(_) => {}
        }
    }

    fn on_life(&self, replica: ReplicaId, life: &Life) {
        if let Life::Ended { how, log_tail } = life {
            self.progress.say(&format!("{replica} {how}"));
            log_tail.lines().for_each(|line| self.progress.say(&format!("  {replica}: {line}")));
        }
    }
}

/// One line on standard error that is written over, if that is a terminal.
#[derive(Clone, Copy)]
struct Progress {
    is_terminal: bool,
}

impl Progress {
    fn start() -> Progress {
        Progress { is_terminal: io::stderr().is_terminal() }
    }

    /// Replaces the line.
    fn show(self, text: &str) {
        if self.is_terminal {
            write_err(&format!("\r\x1b[K{text}"));
        }
    }

    /// Something to keep: a line of its own, also where there is no terminal.
    fn say(self, text: &str) {
        self.clear();
        write_err(&format!("byztop: {text}\n"));
    }

    fn clear(self) {
        if self.is_terminal {
            write_err("\r\x1b[K");
        }
    }
}

/// Whoever reads standard error may be gone; that is no reason to end the run.
fn write_err(text: &str) {
    let mut err = io::stderr().lock();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).ok();
}
