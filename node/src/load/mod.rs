//! A SmallBank load on a cluster: at a rate, or as fast as it is served.
//!
//! *Open loop:* submissions arrive in a Poisson process whatever the cluster does, and a latency is counted from the
//! moment at which the submission was meant to leave: what waits for an idle session is late, so a stall is not hidden
//! (coordinated omission). *Closed loop:* each session submits anew as soon as it is answered.
//!
//! Within: `scheduler` is the one task that decides who submits when, `session` one task per session, `tally` what is
//! reported.

mod busiest;
mod scheduler;
mod session;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use byztop_certs::ClusterDirectory;
use byztop_core::app::smallbank::MAX_OPERATIONS;
use byztop_core::types::{ClientId, Session};
use byztop_core::workload::{Mix, Workload};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::scheduler::{Command, Scheduler};
pub use self::tally::LoadReport;
use crate::client::{Client, ClientCounts};

/// What is offered.
#[derive(Clone, PartialEq, Debug)]
pub struct LoadSettings {
    /// Operations per second, in an open loop; `None` is a closed loop over all sessions.
    pub rate: Option<f64>,
    /// Operations per signed submission; 1 to [`MAX_OPERATIONS`].
    pub bundle: usize,
    /// Names the operations and the arrivals.
    pub seed: u64,
    /// How many submissions may be outstanding; half of a client key's sessions at most, the others are for errands.
    pub sessions: u16,
    /// How often each operation is asked for.
    pub mix: Mix,
    /// How unequally popular the accounts are.
    pub alpha: f64,
}

impl Default for LoadSettings {
    /// What `byztop up` offers: 2 000 operations per second in bundles of 8.
    fn default() -> LoadSettings {
        let (mix, alpha) = (Mix::DEFAULT, Workload::DEFAULT_ALPHA);
        LoadSettings { rate: Some(2000.0), bundle: 8, seed: 1, sessions: 256, mix, alpha }
    }
}

/// A load that runs until it is stopped or dropped.
pub struct Load {
    client: Client,
    report: Arc<Mutex<LoadReport>>,
    command: watch::Sender<Command>,
    scheduler: JoinHandle<()>,
}

impl Load {
    /// How many sessions a load may have.
    pub const MAX_SESSIONS: u16 = Session::PER_CLIENT / 2;

    /// Starts a load in the name of the cluster's first client. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the client's keys can not be used, or a setting is out of its bounds.
    pub fn start(directory: Arc<ClusterDirectory>, settings: LoadSettings) -> anyhow::Result<Load> {
        let LoadSettings { bundle, sessions, rate, .. } = settings;
        ensure!((1..=MAX_OPERATIONS).contains(&bundle), "bundles of {bundle} operations; 1 to {MAX_OPERATIONS} fit");
        ensure!((1..=Self::MAX_SESSIONS).contains(&sessions), "{sessions} sessions; 1 to {} fit", Self::MAX_SESSIONS);
        let client = Client::start(&directory, ClientId(0))?;
        let report = Arc::new(Mutex::new(LoadReport::default()));
        let (command, commands) = watch::channel(Command::Run { rate });
        let accounts = directory.config().settings.accounts;
        let scheduler = Scheduler::start(&client, settings, accounts, report.clone(), commands)?;
        Ok(Load { client, report, command, scheduler: tokio::spawn(scheduler.run()) })
    }

    /// Changes the rate, in operations per second; `None` makes it a closed loop.
    pub fn set_rate(&self, rate: Option<f64>) {
        self.command.send_replace(Command::Run { rate });
    }

    /// Everything since the start. Cheap enough for a few calls per second.
    pub fn report(&self) -> LoadReport {
        let ClientCounts { busy, retransmissions, signed_anew, clock_behind, links, traffic } = self.client.counts();
        let counted = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        LoadReport { busy, retransmissions, signed_anew, clock_behind, links, traffic, ..counted }
    }

    /// Offers no more, waits for what is outstanding, at most so long, and reports.
    pub async fn stop_and_drain(mut self, timeout: Duration) -> LoadReport {
        self.command.send_replace(Command::Drain);
        let deadline = Instant::now() + timeout;
        if tokio::time::timeout_at(deadline, &mut self.scheduler).await.is_err() {
            tracing::warn!("some submissions were not answered in {} ms", timeout.as_millis());
        }
        self.report()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.scheduler.abort();
    }
}
