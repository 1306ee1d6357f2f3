//! The one task that drives a replica: inputs in, outputs performed in order.
//!
//! Everything else of this crate brings inputs to it or takes outputs from it. It never waits for anything but inputs,
//! the next timer and its own disk, so a slow peer, client or console can not hold it up.
//!
//! What several inputs have it remember goes to the disk in one commit at the end of their turn, and what they have it
//! say waits for that: the busier a replica is, the more of its messages share the cost of a commit.

pub(crate) mod input;
pub(crate) mod outbound;
mod timers;

use std::future::Future;

use byztop_core::app::Application;
use byztop_core::attack::{Byzantine, Forge};
use byztop_core::durable::Write;
use byztop_core::protocol::Protocol;
use byztop_core::replica::{Input, Output};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Glimpse, Ledger};
use byztop_core::types::{Micros, Time};

use self::input::{ClientInput, ConsoleInput, CoreInputs, PeerInput};
use self::outbound::{Clients, Peers};
use self::timers::Timers;
use crate::clock::Clock;
use crate::control::observer::{Observer, Permission};
use crate::store::{Store, StoreError};
use crate::transport::LinkId;

/// How many inputs of each kind are handled before timers are looked at again.
const PEER_BATCH: usize = 256;
const CLIENT_BATCH: usize = 64;
const CONSOLE_BATCH: usize = 16;

/// How old the size of the store may be that is told.
const DISK_AGE: Micros = Micros::from_millis(1000);

/// The driver of one replica.
pub(crate) struct Core<P: Protocol, A: Application> {
    byzantine: Byzantine<P, A>,
    clock: Clock,
    timers: Timers,
    peers: Peers,
    clients: Clients,
    observer: Observer,
    /// The consoles that want to know the state; at most one batch of them, and empty between turns.
    ledgers_wanted: Vec<LinkId>,
    /// Its disk; `None` with durability `memory`.
    store: Option<Store>,
    /// What that takes, and when it was last looked at.
    disk: (Time, u64),
    /// What the next commit writes.
    unwritten: Vec<Write>,
    /// What is said after that, in order.
    held: Vec<Output<P::Message>>,
    /// Reused from input to input; empty in between.
    outputs: Vec<Output<P::Message>>,
}

impl<P: Protocol, A: Application> Core<P, A>
where
    P::Message: Forge,
{
    /// A driver that has not started its replica yet.
    pub(crate) fn new(
        byzantine: Byzantine<P, A>,
        clock: Clock,
        replicas: usize,
        observer: Observer,
        store: Option<Store>,
    ) -> Self {
        Core {
            byzantine,
            clock,
            timers: Timers::default(),
            peers: Peers::new(replicas),
            clients: Clients::default(),
            observer,
            ledgers_wanted: Vec::new(),
            disk: (Time(0), store.as_ref().map_or(0, Store::disk_bytes)),
            store,
            unwritten: Vec::new(),
            held: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Runs the replica until `until` is ready or nobody is left to bring inputs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk does not take what the replica must not forget: it says nothing more (rule 29).
    pub(crate) async fn run(
        mut self,
        mut inputs: CoreInputs<P::Message>,
        has_lost_log: bool,
        until: impl Future<Output = ()>,
    ) -> Result<(), StoreError> {
        let (mut peers, mut clients, mut consoles) = (Vec::new(), Vec::new(), Vec::new());
        let sleep = tokio::time::sleep_until(self.clock.instant(self.clock.now()));
        tokio::pin!(sleep, until);
        self.handle(Input::Start { has_lost_log });
        self.commit()?;
        loop {
            let wake = self.clock.instant(self.timers.next().min(self.observer.next_frame()));
            if sleep.deadline() != wake {
                sleep.as_mut().reset(wake);
            }
            tokio::select! {
                biased;
                () = &mut until => break,
                count = inputs.peers.recv_many(&mut peers, PEER_BATCH) => if count == 0 { break },
                count = inputs.clients.recv_many(&mut clients, CLIENT_BATCH) => if count == 0 { break },
                count = inputs.consoles.recv_many(&mut consoles, CONSOLE_BATCH) => if count == 0 { break },
                () = &mut sleep => {}
            }
            // Whoever came first, all get their turn.
            fill(&mut inputs.clients, &mut clients, CLIENT_BATCH);
            fill(&mut inputs.consoles, &mut consoles, CONSOLE_BATCH);
            peers.drain(..).for_each(|input| self.on_peer(input));
            clients.drain(..).for_each(|input| self.on_client(input));
            consoles.drain(..).for_each(|input| self.on_console(input));
            self.on_time();
            self.commit()?;
            self.show();
        }
        self.store.map_or(Ok(()), Store::close)
    }

    fn on_peer(&mut self, input: PeerInput<P::Message>) {
        match input {
            PeerInput::Message { from, arrived, message } => {
                self.observer.on_arrival::<P>(arrived, from, message.get());
                self.handle(Input::Peer(from, *message));
            }
            PeerInput::Refused { from, arrived, heading, why } => {
                if let Some(heading) = heading {
                    self.observer.on_refused(arrived, from, heading, &why);
                }
                self.observer.refused(self.clock.now(), Some(from), why);
            }
            PeerInput::Up(peer, link) => self.peers.up(peer, link),
            PeerInput::Down(peer, id) => self.peers.down(peer, id),
        }
    }

    fn on_client(&mut self, input: ClientInput) {
        match input {
            ClientInput::Submission(submission) => self.handle(Input::Client(*submission)),
            ClientInput::Refused(why) => self.observer.refused(self.clock.now(), None, why),
            ClientInput::Up(client, id, outbox) => self.clients.up(client, id, outbox),
            ClientInput::Down(client, id) => self.clients.down(client, id),
        }
    }

    fn on_console(&mut self, input: ConsoleInput) {
        let now = self.clock.now();
        match input {
            ConsoleInput::Up(id, role, sender) => self.observer.up(id, role, sender),
            ConsoleInput::Down(id) => self.observer.down(id),
            ConsoleInput::Request(id, ConsoleRequest::Subscribe { interval_ms }) => {
                self.observer.subscribe(now, id, interval_ms);
            }
            ConsoleInput::Request(id, ConsoleRequest::WatchSlot(seq)) => self.observer.watch_slot(id, seq),
            ConsoleInput::Request(id, ConsoleRequest::Ledger) => self.ledgers_wanted.push(id),
            ConsoleInput::Request(id, ConsoleRequest::Trace(course)) => self.observer.tell_trace(now, id, course),
            ConsoleInput::Request(id, request) => {
                let done = self.permitted(id).and_then(|()| self.meddle(now, request));
                self.perform(now);
                self.observer.answer(
                    id,
                    match done {
                        Ok(()) => ConsoleMessage::Done(self.byzantine.active()),
                        Err(why) => ConsoleMessage::Refused(why),
                    },
                );
            }
        }
    }

    /// Makes the replica misbehave, or stop it.
    fn meddle(&mut self, now: Time, request: ConsoleRequest) -> Result<(), String> {
        match request {
            ConsoleRequest::Attack(text) => {
                let set = self.byzantine.attack(now, &text, &mut self.outputs);
                return set.map_err(|error| format!("column {}: {}", error.column, error.message));
            }
            ConsoleRequest::End(name) => self.byzantine.end(now, &name, &mut self.outputs),
            ConsoleRequest::Heal => self.byzantine.heal(now, &mut self.outputs),
            ConsoleRequest::Subscribe { .. }
            | ConsoleRequest::WatchSlot(_)
            | ConsoleRequest::Ledger
            | ConsoleRequest::Trace(_)
            // The door tells the time.
            | ConsoleRequest::Clock { .. } => {}
        }
        Ok(())
    }

    /// Whether a console may meddle, or why not.
    fn permitted(&self, id: LinkId) -> Result<(), String> {
        match self.observer.permission(id) {
            Permission::Granted => Ok(()),
            Permission::Denied(why) => Err(why),
        }
    }

    /// Handles the timers that ran out.
    fn on_time(&mut self) {
        let now = self.clock.now();
        while let Some(timer) = self.timers.take_due(now) {
            self.handle(Input::Timeout(timer));
        }
    }

    /// Sends the frames that are due and the ledgers that are wanted: they tell of nothing that is not on the disk.
    fn show(&mut self) {
        let now = self.clock.now();
        for id in std::mem::take(&mut self.ledgers_wanted) {
            let ledger = self.ledger();
            self.observer.answer(id, ConsoleMessage::Ledger(Box::new(ledger)));
        }
        if self.observer.next_frame() <= now {
            let glimpse = self.glimpse(now);
            self.observer.send_frames(now, &glimpse, |seq| self.byzantine.replica().votes(seq));
        }
    }

    /// The replica as it is now, for all frames of this moment.
    fn glimpse(&mut self, now: Time) -> Glimpse {
        let status = self.byzantine.replica().status();
        let executed_digest =
            self.observer.executed_digest(now, status.executed, || self.byzantine.replica_mut().state_digest());
        let replica = self.byzantine.replica();
        let mut counters = self.observer.counters(now);
        replica.count(&mut counters);
        self.peers.count(&mut counters);
        if let Some(store) = &self.store {
            if now.since(self.disk.0) >= DISK_AGE {
                self.disk = (now, store.disk_bytes());
            }
            (counters.disk_bytes, counters.commits) = (self.disk.1, store.commits());
        }
        Glimpse {
            replica: self.observer.replica(),
            at: self.clock.unix(now),
            status,
            stable_digest: replica.stable_digest(),
            executed_digest,
            counters,
            messages: self.peers.messages().to_vec(),
            attack: self.byzantine.active(),
            slots: replica.slots(),
        }
    }

    /// The replica's state as it is now.
    fn ledger(&mut self) -> Ledger {
        let (_, state_digest) = self.byzantine.replica_mut().state_digest();
        let log = self.observer.log(self.clock.now());
        self.byzantine.replica().ledger(state_digest, log)
    }

    fn handle(&mut self, input: Input<P::Message>) {
        let now = self.clock.now();
        self.byzantine.handle(now, input, &mut self.outputs);
        self.perform(now);
    }

    /// Performs what the replica wants done, in its order; what is said of something that is not on the disk waits.
    fn perform(&mut self, now: Time) {
        for output in self.outputs.drain(..) {
            match output {
                Output::Send(..) | Output::Reply(..) if !self.unwritten.is_empty() => self.held.push(output),
                Output::Send(to, message) => {
                    let reached = self.peers.send(to, &message);
                    self.observer.on_sent(now, to, &message, reached);
                }
                Output::Reply(_, reply) => self.clients.reply(&reply),
                Output::SetTimer(timer, at) => self.timers.set(timer, at),
                Output::CancelTimer(timer) => self.timers.cancel(timer),
                Output::Executed(_) => {}
                Output::Persist(writes) => self.unwritten.extend(writes),
                Output::Note(event) => self.observer.note(now, event),
            }
        }
    }

    /// Writes what waits, then says what waits for that.
    fn commit(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let writes = self.unwritten.drain(..);
        if let Some(store) = &mut self.store {
            // Other tasks need not wait for the disk where there is another thread for them. Where there is none, beginning
            // one costs more than the disk.
            if store.is_synced() && tokio::runtime::Handle::current().metrics().num_workers() > 1 {
                tokio::task::block_in_place(|| store.commit(writes))?;
            } else {
                store.commit(writes)?;
            }
        }
        let now = self.clock.now();
        for output in self.held.drain(..) {
            match output {
                Output::Send(to, message) => {
                    let reached = self.peers.send(to, &message);
                    self.observer.on_sent(now, to, &message, reached);
                }
                Output::Reply(_, reply) => self.clients.reply(&reply),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Takes what waits in a channel, up to a bound, without waiting for more.
fn fill<T>(channel: &mut tokio::sync::mpsc::Receiver<T>, into: &mut Vec<T>, most: usize) {
    while into.len() < most {
        match channel.try_recv() {
            Ok(input) => into.push(input),
            Err(_) => return,
        }
    }
}
