//! Between a cluster and its screen: events are carried to the one, commands to the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use byztop_certs::ClusterDirectory;
use byztop_core::telemetry::ConsoleMessage;
use byztop_core::types::ReplicaId;
use byztop_node::control::LinkEvent;
use byztop_node::load::{Load, LoadSettings};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::outbox::Outbox;
use super::translate::{link_event, load_report, process_event};
use super::{FRAME_MS, FRAME_MS_WHILE_HELD, Links};
use crate::launch::{Life, Processes};
use crate::stop::Stop;
use crate::tui::{Attention, Command, FeedEvent};

/// How often the load is reported.
const LOAD_REPORT: Duration = Duration::from_millis(250);

/// The load begins when every replica is connected, or after so long without the last ones.
const PATIENCE: Duration = Duration::from_secs(5);

/// Carries events to the screen and its commands away.
pub(super) struct Driver {
    pub(super) links: Links,
    pub(super) lives: mpsc::Receiver<(ReplicaId, Life)>,
    pub(super) processes: Option<Processes>,
    pub(super) outbox: Outbox,
    pub(super) load: LoadState,
    pub(super) directory: Arc<ClusterDirectory>,
}

/// The load, as far as it is ours.
pub(super) enum LoadState {
    /// Not every replica is connected yet.
    Waiting { connected: BTreeSet<ReplicaId>, settings: LoadSettings },
    /// Whoever started the cluster has one, or nobody.
    Elsewhere,
    /// It runs, at this rate and bundle.
    Running { load: Load, rate: Option<f64>, bundle: u32 },
}

impl Driver {
    /// Runs until the user leaves or a signal comes; the screen ends when its feed does.
    ///
    /// # Errors
    ///
    /// If the load can not be started.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut stop: Stop) -> anyhow::Result<()> {
        let mut ticks = interval(LOAD_REPORT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(()),
                command = commands.recv() => match command {
                    None | Some(Command::Quit) => return Ok(()),
                    Some(Command::Send(replica, request)) => self.links.ask(replica, request),
                    Some(Command::Kill(replica)) => self.processes.iter().for_each(|ours| ours.kill(replica)),
                    Some(Command::Restart(replica)) => self.processes.iter().for_each(|ours| ours.restart(replica)),
                    Some(Command::SetRate(wanted)) => self.set_rate(wanted),
                    Some(Command::Listen(Attention::Live)) => self.links.pace(FRAME_MS),
                    Some(Command::Listen(Attention::Held)) => self.links.pace(FRAME_MS_WHILE_HELD),
                    // Real time passes by itself, and there are no test cases.
                    Some(Command::Simulate(_) | Command::Case(_)) => {}
                },
                Some((replica, life)) = self.lives.recv() => {
                    self.outbox.must_arrive(FeedEvent::Process(replica, process_event(life)));
                }
                Some((replica, event)) = self.links.next() => self.on_link(replica, event)?,
                _ = ticks.tick() => self.on_tick(),
                () = sleep_until(patience), if matches!(self.load, LoadState::Waiting { .. }) => self.start_load()?,
            }
        }
    }

    fn on_link(&mut self, replica: ReplicaId, event: LinkEvent) -> anyhow::Result<()> {
        if let (LoadState::Waiting { connected, .. }, LinkEvent::Up(_)) = (&mut self.load, &event) {
            connected.insert(replica);
            if connected.len() == self.directory.config().replicas.len() {
                self.start_load()?;
            }
        }
        let is_passing = matches!(
            event,
            LinkEvent::Rtt(_)
                | LinkEvent::Clock(_)
                | LinkEvent::Message(ConsoleMessage::Frame(_))
                | LinkEvent::Connecting
        );
        let event = FeedEvent::Link(replica, link_event(event));
        if is_passing {
            self.outbox.may_be_lost(event);
        } else {
            self.outbox.must_arrive(event);
        }
        Ok(())
    }

    fn on_tick(&mut self) {
        self.outbox.flush();
        if let LoadState::Running { load, rate, bundle } = &self.load {
            let accounts = self.directory.config().settings.accounts;
            let report = load_report(load.report(), *rate, *bundle, accounts);
            self.outbox.may_be_lost(FeedEvent::Load(Box::new(report)));
        }
    }

    fn start_load(&mut self) -> anyhow::Result<()> {
        if let LoadState::Waiting { settings, .. } = &self.load {
            let (rate, bundle) = (settings.rate, settings.bundle as u32);
            let load = Load::start(self.directory.clone(), settings.clone())?;
            self.load = LoadState::Running { load, rate, bundle };
        }
        Ok(())
    }

    fn set_rate(&mut self, wanted: Option<f64>) {
        match &mut self.load {
            LoadState::Waiting { settings, .. } => settings.rate = wanted,
            LoadState::Elsewhere => {}
            LoadState::Running { load, rate, .. } => {
                load.set_rate(wanted);
                *rate = wanted;
            }
        }
    }
}
