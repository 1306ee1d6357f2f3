//! One run: a cluster, its clients and its adversary, event by event under virtual time.

mod befall;
mod disks;
mod settling;
mod telling;
mod traffic;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::Hasher as _;
use std::sync::Arc;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::check::{Broken, Cause, Checks, Deadline};
use super::clients::Clients;
use super::coverage::Coverage;
use super::disk::Disk;
use super::key_ring::KeyRing;
use super::network::{Dice, Network};
use super::parcel::Parcel;
use super::queue::{Happening, Queue};
use super::schedule::{Keys, Schedule};
use super::seat::Seat;
use super::{Report, Violation};
use crate::app::smallbank::SmallBank;
use crate::attack::{Byzantine, Forge};
use crate::crypto::{Author, Verifier};
use crate::durable::Image;
use crate::protocol::{Event, Protocol, Recipients, Tampering, Timer};
use crate::replica::{Input, Output};
use crate::telemetry::Traffic;
use crate::types::{ClientId, Micros, ReplicaId, ReplicaSet, Session, Time};

/// When a run starts on the replicas' clocks; an action's time counts from here.
const START: Time = Time(1_000_000);

/// A run under way. The same schedule gives the same run, event by event.
pub struct Simulation<P: Protocol>
where
    P::Message: Forge,
{
    schedule: Schedule,
    now: Time,
    steps: u64,
    queue: Queue<P::Message>,
    seats: Vec<Seat<P>>,
    network: Network<Parcel<P::Message>>,
    clients: Clients,
    verifier: Verifier,
    byzantine: ReplicaSet,
    checks: Checks<P>,
    deadline: Option<Deadline>,
    /// The request that was open for longest when requests were last found open: whose, and since when.
    starved: Option<(Session, Time)>,
    coverage: Coverage,
    trace: SipHasher13,
    violation: Option<Violation>,
    is_over: bool,
    /// What replicas noted in the last event.
    notes: Vec<(ReplicaId, Event)>,
    /// Which seat heard what in the last event.
    heard: Option<(usize, Arc<Parcel<P::Message>>)>,
    /// What was sent in the last event and whom it is for, if lines are wanted.
    said: Vec<(ReplicaSet, Arc<Parcel<P::Message>>)>,
    /// The last event as a line, if lines are wanted.
    line: Option<String>,
}

impl<P: Protocol> Simulation<P>
where
    P::Message: Forge,
{
    /// A run at its beginning.
    pub fn new(schedule: &Schedule) -> Self {
        let (committee, settings) = (schedule.committee, &schedule.settings);
        let ring = KeyRing::new(schedule);
        let signers = (0..Clients::KEYS).map(|id| ring.signer(Author::Client(ClientId(id)))).collect();
        let byzantine = schedule.byzantine();
        let mut simulation = Simulation {
            schedule: schedule.clone(),
            now: START,
            steps: 0,
            queue: Queue::new(),
            seats: Vec::new(),
            network: Network::new(schedule.seed),
            clients: Clients::new(committee, settings.accounts, signers, schedule.clients.forgetful_per_mille),
            verifier: ring.verifier(committee),
            byzantine,
            checks: Checks::new(committee, settings, byzantine, schedule.with_disk()),
            deadline: None,
            starved: None,
            coverage: Coverage::of::<P>(!schedule.with_disk().is_empty()),
            trace: SipHasher13::new(),
            violation: None,
            is_over: false,
            notes: Vec::new(),
            heard: None,
            said: Vec::new(),
            line: None,
        };
        if schedule.keys == Keys::Ed25519 {
            simulation.coverage.add("real_keys", 1);
        }
        let with_disk = schedule.with_disk();
        for replica in committee.members() {
            let image = with_disk.contains(replica).then(Image::default);
            let node = simulation.node_of(replica, image.as_ref()).expect("there is nothing to be damaged");
            let mut seat = Seat::new(replica, node);
            seat.disk = image.map(|_| Disk::new(schedule.durability));
            simulation.seats.push(seat);
        }
        for index in 0..schedule.actions.len() {
            simulation.enqueue(START.after(Micros(schedule.actions[index].0.0)), Happening::Action(index));
        }
        for seat in 0..simulation.seats.len() {
            simulation.input(seat, None, Input::Start { has_lost_log: false });
        }
        simulation
    }

    /// Lets the next event happen; false if the run is over.
    pub fn step(&mut self) -> bool {
        self.notes.clear();
        self.said.clear();
        self.heard = None;
        while !self.is_over {
            let Some((at, what)) = self.queue.pop() else {
                self.is_over = true;
                break;
            };
            if let Happening::Wake { seat, timer, token } = what
                && !self.seats[seat].is_due(timer, token)
            {
                continue;
            }
            self.now = at;
            self.steps += 1;
            if self.line.is_some() {
                let event = self.describe(&what);
                self.log(|line| line.write_str(&event));
            }
            self.happen(what);
            if self.steps >= Self::MAX_EVENTS && self.violation.is_none() {
                self.break_off("bounded run", format!("{} events, and the run goes on", self.steps));
            }
            return true;
        }
        false
    }

    /// No run is longer, in events.
    pub const MAX_EVENTS: u64 = 5_000_000;

    fn happen(&mut self, what: Happening<P::Message>) {
        match what {
            Happening::Arrival { seat, parcel } => self.arrive(seat, &parcel),
            Happening::Wake { seat, timer, .. } => self.wake(seat, timer),
            Happening::Request { seat, request } => self.hand_over(seat, &request),
            Happening::Reply { from, reply } => self.reply(from, &reply),
            Happening::Resend { session, timestamp } => self.resend(session, timestamp),
            Happening::Action(index) => {
                let action = self.schedule.actions[index].1.clone();
                self.act(&action);
            }
            Happening::Settling => self.settle(),
        }
    }

    fn enqueue(&mut self, at: Time, what: Happening<P::Message>) {
        self.queue.push(at.max(self.now), what);
    }

    fn arrive(&mut self, seat: usize, parcel: &Arc<Parcel<P::Message>>) {
        let (from, to) = (parcel.from, self.seats[seat].id);
        self.mix(&[1, seat as u64, u64::from(from.0)], parcel.message().name().as_bytes());
        if !self.seats[seat].is_running() {
            return self.log(|line| line.write_str(" (it is down)"));
        }
        self.heard = Some((seat, parcel.clone()));
        match parcel.open() {
            Ok(verified) => self.input(seat, Some(parcel), Input::Peer(from, verified)),
            Err(why) => {
                self.log(|line| write!(line, " (refused at the door: {why})"));
                let checked = self.checks.on_refused(to, from, &why);
                self.notes.push((to, Event::Rejected { from, why, count: 1 }));
                self.judge(checked);
            }
        }
    }

    fn wake(&mut self, seat: usize, timer: Timer) {
        self.mix(&[2, seat as u64, timer as u64], &[]);
        if self.seats[seat].is_frozen {
            self.seats[seat].missed.push(timer);
        } else {
            self.input(seat, None, Input::Timeout(timer));
        }
    }

    /// Gives a seat an input, looks at what it did, and does it.
    fn input(&mut self, seat: usize, heard: Option<&Arc<Parcel<P::Message>>>, input: Input<P::Message>) {
        let now = self.local_time(seat);
        let Some(node) = self.seats[seat].node.as_mut() else { return };
        let mut outputs = Vec::new();
        node.handle(now, input, &mut outputs);
        self.perform(seat, heard, outputs);
    }

    fn perform(&mut self, seat: usize, heard: Option<&Arc<Parcel<P::Message>>>, mut outputs: Vec<Output<P::Message>>) {
        if self.seats[seat].dying.is_some() {
            return self.hold(seat, outputs);
        }
        let is_stopped = self.stop_at_write(seat, &mut outputs);
        self.carry_out(seat, heard.map_or(Cause::Other, |parcel| Cause::Heard(parcel)), outputs);
        if is_stopped {
            self.log(|line| line.write_str(" and stops: its disk is full"));
            self.seats[seat].crash();
        }
    }

    fn carry_out(&mut self, seat: usize, cause: Cause<'_, P::Message>, outputs: Vec<Output<P::Message>>) {
        let id = self.seats[seat].id;
        let as_bytes = self.schedule.keys == Keys::Ed25519;
        let mut said = VecDeque::new();
        for output in &outputs {
            if let Output::Send(to, message) = output {
                let parcel = Arc::new(Parcel::new(id, message.clone(), &self.verifier, as_bytes));
                said.push_back((*to, parcel));
            }
        }
        let parcels: Vec<Arc<Parcel<P::Message>>> = said.iter().map(|(_, parcel)| parcel.clone()).collect();
        if let Some(node) = &self.seats[seat].node {
            let is_honest = !self.byzantine.contains(id);
            let now = self.local_time(seat);
            let checked = self.checks.after(now, seat, id, is_honest, cause, &parcels, &outputs, node);
            self.judge(checked);
        }
        for output in outputs {
            match output {
                Output::Send(..) => {
                    let (to, parcel) = said.pop_front().expect("one parcel for each message");
                    self.send(seat, to, &parcel);
                }
                Output::Persist(writes) => self.seats[seat].write(writes),
                Output::Reply(_, reply) => self.answer(seat, reply),
                Output::SetTimer(timer, at) => {
                    let token = self.seats[seat].set(timer);
                    let at = self.true_time(seat, at);
                    self.enqueue(at, Happening::Wake { seat, timer, token });
                }
                Output::CancelTimer(timer) => self.seats[seat].cancel(timer),
                Output::Executed(slot) => {
                    self.mix(&[7, seat as u64, slot.seq.0, slot.ran.len() as u64], &slot.batch.digest().0);
                }
                Output::Note(mut event) => {
                    if let Event::Tampered { how: Tampering::HeldBack(until), .. } = &mut event {
                        *until = Time(until.since(START).0);
                    }
                    self.log(|line| write!(line, " [{event}]"));
                    self.coverage.note(&event, !self.byzantine.is_empty());
                    self.notes.push((id, event));
                }
            }
        }
    }

    fn send(&mut self, from: usize, to: Recipients, parcel: &Arc<Parcel<P::Message>>) {
        self.log(|line| match to {
            Recipients::All => write!(line, " -> all: {parcel};"),
            Recipients::One(one) => write!(line, " -> {one}: {parcel};"),
        });
        let from_id = self.seats[from].id;
        let mut copies = 0;
        let mut meant = ReplicaSet::default();
        for seat in 0..self.seats.len() {
            let id = self.seats[seat].id;
            let is_meant = id != from_id && matches!(to, Recipients::All) || to == Recipients::One(id);
            if !is_meant || !self.seats[from].talks_to(&self.seats[seat]) {
                continue;
            }
            copies += 1;
            meant.insert(id);
            let arrivals = self.network.carry((from, from_id), (seat, id), parcel);
            for arrival in arrivals {
                let at = self.now.after(arrival.after);
                self.enqueue(at, Happening::Arrival { seat, parcel: arrival.message });
            }
        }
        self.seats[from].traffic.add(parcel.message().name(), copies);
        if self.line.is_some() {
            self.said.push((meant, parcel.clone()));
        }
    }

    /// How fast the clock of a seat's replica goes: it counts so many thousandths of the true time.
    fn clock_rate(&self, seat: usize) -> u64 {
        let most = u64::from(self.schedule.drift_per_mille);
        let replica = u64::from(self.seats[seat].id.0);
        1000 - most + Dice::new([self.schedule.seed, 13, replica, 0]).below(2 * most + 1)
    }

    /// What the clock of a seat's replica shows now.
    fn local_time(&self, seat: usize) -> Time {
        match self.schedule.drift_per_mille {
            0 => self.now,
            _ => START.after(Micros(self.now.since(START).0 * self.clock_rate(seat) / 1000)),
        }
    }

    /// When the clock of a seat's replica shows a time.
    fn true_time(&self, seat: usize, local: Time) -> Time {
        match self.schedule.drift_per_mille {
            0 => local,
            _ => START.after(Micros(local.since(START).0.saturating_mul(1000).div_ceil(self.clock_rate(seat)))),
        }
    }

    fn judge(&mut self, checked: Result<(), Broken>) {
        if let Err((invariant, what)) = checked
            && self.violation.is_none()
        {
            self.break_off(invariant, what);
        }
    }

    fn break_off(&mut self, invariant: &'static str, what: String) {
        let is_beyond_budget = self.schedule.is_beyond_budget();
        self.log(|line| write!(line, " BROKEN {invariant}: {what}"));
        self.violation = Some(Violation { invariant, step: self.steps, at: self.now(), what, is_beyond_budget });
        self.is_over = true;
    }

    /// What happened goes into the trace's digest.
    fn mix(&mut self, numbers: &[u64], bytes: &[u8]) {
        self.trace.write_u64(self.now.0);
        numbers.iter().for_each(|number| self.trace.write_u64(*number));
        self.trace.write(bytes);
    }

    fn log(&mut self, write: impl FnOnce(&mut String) -> std::fmt::Result) {
        if let Some(line) = &mut self.line {
            write(line).expect("a string takes what is written");
        }
    }

    /// The virtual time since the start.
    pub fn now(&self) -> Time {
        Time(self.now.since(START).0)
    }

    /// How many events have happened.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The schedule that is run.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// What replicas noted in the last event, refusals at the door included.
    pub fn notes(&self) -> &[(ReplicaId, Event)] {
        &self.notes
    }

    /// A replica, unless it is down; of one that leads two lives, the first.
    pub fn node(&self, replica: ReplicaId) -> Option<&Byzantine<P, SmallBank>> {
        self.seats.get(replica.index())?.node.as_ref()
    }

    /// What a replica has sent to others; of one that leads two lives, the first.
    pub fn messages(&self, replica: ReplicaId) -> Option<&Traffic> {
        Some(&self.seats.get(replica.index())?.traffic)
    }

    /// Whether a replica is stopped or down.
    pub fn is_down(&self, replica: ReplicaId) -> bool {
        self.seats.get(replica.index()).is_none_or(|seat| !seat.is_running())
    }

    /// Whether no more events will happen.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The invariant that does not hold, if one does not.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The names of everything that is checked.
    pub fn invariants(&self) -> Vec<&'static str> {
        self.checks.names()
    }

    /// What the run has shown so far.
    pub fn report(&self) -> Report {
        let mut coverage = self.coverage.clone();
        let deeds = self.network.deeds;
        coverage.add("message_lost", deeds.lost + deeds.cut);
        coverage.add("message_duplicated", deeds.duplicated);
        coverage.add("message_replayed", deeds.replayed);
        let mut messages = Traffic::default();
        self.seats.iter().for_each(|seat| messages.merge(&seat.traffic));
        let honest = self.seats.iter().filter(|seat| !self.byzantine.contains(seat.id));
        let executed = honest.filter_map(|seat| Some(seat.node.as_ref()?.replica().status().executed.0));
        Report {
            slots: executed.max().unwrap_or_default(),
            messages,
            seed: self.schedule.seed,
            events: self.steps,
            violation: self.violation.clone(),
            coverage,
            exercised: self.checks.exercised(),
            trace_digest: self.trace.clone().finish128().as_u128(),
        }
    }
}
