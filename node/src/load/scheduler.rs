//! Decides who submits when.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use byztop_core::workload::{Arrivals, Workload};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::busiest::Busiest;
use super::session::{self, Done, Job};
use super::{LoadReport, LoadSettings};
use crate::client::Client;

/// What a load is told to do.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Command {
    /// Offer so many operations per second, or as many as are served.
    Run {
        /// `None` is a closed loop.
        rate: Option<f64>,
    },
    /// Offer no more, and end when all is answered.
    Drain,
}

/// The state of a load.
pub(super) struct Scheduler {
    bundle: usize,
    command: Command,
    commands: watch::Receiver<Command>,
    workload: Workload,
    arrivals: Arrivals,
    busiest: Busiest,
    /// When the next submission is meant to leave, in an open loop.
    next_arrival: Instant,
    /// When those were meant to leave that are due and have no session. At most [`Scheduler::MAX_BACKLOG`].
    backlog: VecDeque<Instant>,
    /// Taken in turn, so that each rests as long as it can: a replica that is behind then still has what it submitted.
    idle: VecDeque<usize>,
    jobs: Vec<mpsc::Sender<Job>>,
    done: mpsc::Receiver<Done>,
    report: Arc<Mutex<LoadReport>>,
    /// Dropping the set ends the sessions.
    sessions: JoinSet<()>,
}

impl Scheduler {
    /// A minute of 2 000 submissions per second. What comes on top is given up, and counted.
    const MAX_BACKLOG: usize = 120_000;
    const BATCH: usize = 256;
    /// Without arrivals, how often the scheduler wakes up for nothing.
    const NEVER: Duration = Duration::from_secs(3600);

    /// Starts the sessions; none has work yet.
    pub(super) fn start(
        client: &Client,
        settings: LoadSettings,
        accounts: u32,
        report: Arc<Mutex<LoadReport>>,
        commands: watch::Receiver<Command>,
    ) -> anyhow::Result<Scheduler> {
        let count = usize::from(settings.sessions);
        let (to_scheduler, done) = mpsc::channel(count);
        let mut sessions = JoinSet::new();
        let mut jobs = Vec::with_capacity(count);
        for index in 0..settings.sessions {
            let (sender, receiver) = mpsc::channel(1);
            let client = client.session(index)?;
            sessions.spawn(session::run(usize::from(index), client, receiver, to_scheduler.clone()));
            jobs.push(sender);
        }
        let now = Instant::now();
        let mut scheduler = Scheduler {
            bundle: settings.bundle,
            command: Command::Run { rate: settings.rate },
            commands,
            workload: Workload::new(settings.seed, accounts, settings.mix, settings.alpha),
            arrivals: Arrivals::new(settings.seed),
            busiest: Busiest::new(accounts),
            next_arrival: now,
            backlog: VecDeque::new(),
            idle: (0..count).collect(),
            jobs,
            done,
            report,
            sessions,
        };
        scheduler.schedule_next(now);
        Ok(scheduler)
    }

    /// Runs until it is told to drain and has.
    pub(super) async fn run(mut self) {
        let mut finished = Vec::with_capacity(Self::BATCH);
        let sleep = tokio::time::sleep_until(self.next_arrival);
        tokio::pin!(sleep);
        loop {
            self.dispatch(Instant::now());
            if self.command == Command::Drain && self.idle.len() == self.jobs.len() {
                break;
            }
            if sleep.deadline() != self.next_arrival {
                sleep.as_mut().reset(self.next_arrival);
            }
            tokio::select! {
                count = self.done.recv_many(&mut finished, Self::BATCH) => match count {
                    0 => break,
                    _ => self.settle(&mut finished),
                },
                changed = self.commands.changed() => match changed {
                    Ok(()) => self.on_command(),
                    Err(_) => break,
                },
                () = &mut sleep => {}
            }
        }
        self.sessions.shutdown().await;
    }

    fn on_command(&mut self) {
        self.command = *self.commands.borrow_and_update();
        // What is due stays due when the rate changes, or a stall would be hidden.
        if self.submissions_per_s().is_none() {
            let given_up = self.backlog.drain(..).count() * self.bundle;
            self.report.lock().unwrap_or_else(PoisonError::into_inner).dropped_ops += given_up as u64;
        }
        self.schedule_next(Instant::now());
    }

    /// Submissions per second in an open loop; `None` in a closed one, in one without arrivals, and when draining.
    fn submissions_per_s(&self) -> Option<f64> {
        match self.command {
            Command::Run { rate: Some(rate) } if rate > 0.0 => Some(rate / self.bundle as f64),
            Command::Run { .. } | Command::Drain => None,
        }
    }

    fn schedule_next(&mut self, from: Instant) {
        let gap = self.submissions_per_s().map(|rate| Duration::from_micros(self.arrivals.next_gap(rate).0));
        self.next_arrival = from + gap.unwrap_or(Self::NEVER).min(Self::NEVER);
    }

    /// Gives work to idle sessions: what is due in an open loop, one each in a closed one.
    fn dispatch(&mut self, now: Instant) {
        let (mut offered, mut dropped) = (0, 0);
        if self.submissions_per_s().is_some() {
            while self.next_arrival <= now {
                offered += 1;
                if self.backlog.len() < Self::MAX_BACKLOG {
                    self.backlog.push_back(self.next_arrival);
                } else {
                    dropped += 1;
                }
                self.schedule_next(self.next_arrival);
            }
        }
        let is_closed = self.command == Command::Run { rate: None };
        while let Some(session) = self.idle.pop_front() {
            let intended = if is_closed { Some(now) } else { self.backlog.pop_front() };
            let Some(intended) = intended else {
                self.idle.push_front(session);
                break;
            };
            offered += u64::from(is_closed);
            let operations = (0..self.bundle).map(|_| self.workload.next_operation()).collect();
            // An idle session has room for one job; if its task has failed, it never comes back.
            if self.jobs[session].try_send(Job { intended, operations }).is_err() {
                tracing::error!("session {session} of the load has failed");
            }
        }
        let bundle = self.bundle as u64;
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.offered_ops += offered * bundle;
        report.dropped_ops += dropped * bundle;
        report.backlog = self.backlog.len() as u64;
        report.in_flight = (self.jobs.len() - self.idle.len()) as u64;
    }

    fn settle(&mut self, finished: &mut Vec<Done>) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        for Done { session, job, results, at } in finished.drain(..) {
            self.idle.push_back(session);
            if let Some(results) = results {
                let latency = at.saturating_duration_since(job.intended);
                let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                report.count(&job.operations, &results, latency_us);
                job.operations.iter().for_each(|operation| self.busiest.count(operation));
            }
        }
        report.busiest.clear();
        report.busiest.extend_from_slice(self.busiest.top());
    }
}
