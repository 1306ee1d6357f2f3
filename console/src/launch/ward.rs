//! Who looks after the processes of a cluster: a thread that kills and starts them, and tells what happens to them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use byztop_certs::ClusterDirectory;
use byztop_core::types::{ReplicaId, ReplicaSet};
use byztop_node::bare::Traffic;
use tokio::sync::mpsc;

use super::LaunchOptions;
use super::process::{Life, Process};

/// How often processes are looked after.
const LOOK: Duration = Duration::from_millis(100);

/// How often their logs are looked at.
const TIDY: Duration = Duration::from_secs(10);

/// How long replicas may take to end by themselves once their standard input is closed.
const GRACE: Duration = Duration::from_millis(2500);

/// How many orders wait for whoever looks after the processes: one per replica of the largest cluster, and then some.
const ORDERS: usize = 128;

/// Kills replicas of a local cluster and starts them again. What came of it is reported as their [`Life`].
#[derive(Clone)]
pub(crate) struct Processes {
    orders: SyncSender<Order>,
}

impl Processes {
    /// Kills a replica's process, as `kill -9` does. Nothing happens if it is dead.
    pub(crate) fn kill(&self, replica: ReplicaId) {
        self.order(Order::Kill(replica));
    }

    /// Starts a dead replica again, in its folder and at its ports. Nothing happens if it runs.
    pub(crate) fn restart(&self, replica: ReplicaId) {
        self.order(Order::Restart(replica));
    }

    fn order(&self, order: Order) {
        if let Err(error) = self.orders.try_send(order) {
            tracing::warn!("nobody looks after the processes: {error}");
        }
    }
}

/// What is to be done with the processes.
#[derive(Clone, Copy, Debug)]
enum Order {
    Kill(ReplicaId),
    Restart(ReplicaId),
    /// End all of them, and the thread that looks after them.
    End,
}

/// The processes, in the hands of the thread that looks after them.
pub(super) struct Ward {
    program: PathBuf,
    directory: Arc<ClusterDirectory>,
    bare: Option<Traffic>,
    /// One per replica that was started, in roster order.
    processes: Vec<Process>,
    lives: mpsc::Sender<(ReplicaId, Life)>,
}

impl Ward {
    /// Starts the processes of some replicas.
    ///
    /// # Errors
    ///
    /// If one can not be started; those that were end again.
    pub(super) fn start(
        program: PathBuf,
        directory: Arc<ClusterDirectory>,
        options: &LaunchOptions,
        live: ReplicaSet,
        lives: mpsc::Sender<(ReplicaId, Life)>,
    ) -> anyhow::Result<Ward> {
        let bare = options.bare;
        let start = |replica| Process::start(&program, &directory, replica, bare, options.new_epoch);
        let processes = live.iter().map(start).collect::<anyhow::Result<Vec<Process>>>()?;
        let ward = Ward { program, directory, bare, processes, lives };
        for process in &ward.processes {
            ward.report(process.replica, Life::Started { pid: process.pid() });
        }
        Ok(ward)
    }

    fn keep(mut self, orders: &Receiver<Order>) {
        let mut tidied = Instant::now();
        loop {
            match orders.recv_timeout(LOOK) {
                Ok(Order::Kill(replica)) => self.process(replica).into_iter().for_each(Process::kill),
                Ok(Order::Restart(replica)) => self.restart(replica),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
            if tidied.elapsed() >= TIDY {
                tidied = Instant::now();
                self.tidy();
            }
        }
        end_gently(&mut self.processes);
    }

    fn look(&mut self) {
        let ended = |process: &mut Process| process.look().map(|life| (process.replica, life));
        let lives: Vec<(ReplicaId, Life)> = self.processes.iter_mut().filter_map(ended).collect();
        lives.into_iter().for_each(|(replica, life)| self.report(replica, life));
    }

    fn tidy(&self) {
        for process in &self.processes {
            if let Err(error) = process.tidy_log() {
                tracing::warn!("the log of {} can not be tidied: {error}", process.replica);
            }
        }
    }

    /// A replica's process; `None` if it was never to run.
    fn process(&mut self, replica: ReplicaId) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.replica == replica)
    }

    fn restart(&mut self, replica: ReplicaId) {
        // Whoever is found dead only now is reported first.
        self.look();
        if !self.process(replica).is_some_and(|process| process.has_ended) {
            return tracing::info!("{replica} runs already, or is not to run");
        }
        match Process::start(&self.program, &self.directory, replica, self.bare, false) {
            Ok(process) => {
                let pid = process.pid();
                if let Some(dead) = self.process(replica) {
                    *dead = process;
                }
                self.report(replica, Life::Started { pid });
            }
            Err(error) => self.report(replica, Life::NotStarted { why: format!("{error:#}") }),
        }
    }

    fn report(&self, replica: ReplicaId, life: Life) {
        if let Err(error) = self.lives.try_send((replica, life)) {
            tracing::warn!("nobody hears of {replica}: {error}");
        }
    }
}

/// Looks after the processes on a thread of its own, and ends them all when it is dropped.
pub(super) struct Keeper {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Takes them over.
    pub(super) fn of(ward: Ward) -> anyhow::Result<Keeper> {
        let (orders, queue) = sync_channel(ORDERS);
        let thread = thread::Builder::new().name("processes".to_string()).spawn(move || ward.keep(&queue));
        Ok(Keeper { orders, thread: Some(thread.context("can not start a thread")?) })
    }

    /// A way to give orders.
    pub(super) fn processes(&self) -> Processes {
        Processes { orders: self.orders.clone() }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The thread takes one order after the other, so there will be room; if it is gone there is nobody to tell.
        self.orders.send(Order::End).ok();
        if let Some(thread) = self.thread.take() {
            // If it panicked, its pipes are closed all the same and the replicas end.
            thread.join().ok();
        }
    }
}

/// Closes all pipes and waits a little. Who is still there afterwards is killed as it is dropped.
fn end_gently(processes: &mut [Process]) {
    for process in &mut *processes {
        process.end();
    }
    let deadline = Instant::now() + GRACE;
    while processes.iter_mut().any(Process::is_running) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}
