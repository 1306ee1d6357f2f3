//! One run: a cluster, its clients and its adversary, event by event under virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::hash::Hasher as _;
use std::sync::Arc;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::check::{Broken, Checks, Deadline};
use super::clients::{Clients, Request};
use super::coverage::Coverage;
use super::network::{Dice, Network};
use super::parcel::Parcel;
use super::schedule::{Action, Keys, Schedule, Weather};
use super::seat::{Seat, Token};
use super::{Report, Violation};
use crate::app::smallbank::SmallBank;
use crate::attack::{Byzantine, Equivocate};
use crate::committee::Committee;
use crate::crypto::{Author, PublicKey, Realm, Signer, Verified, Verifier};
use crate::protocol::{Event, Protocol, Recipients, Timer};
use crate::replica::{Input, Output, Replica, Reply};
use crate::types::{ClientId, Digest, Micros, ReplicaId, ReplicaSet, Session, Time, Timestamp};

/// When a run starts on the replicas' clocks; an action's time counts from here.
const START: Time = Time(1_000_000);

/// How long a client waits for an answer before it sends again.
const CLIENT_PATIENCE: Micros = Micros::from_millis(400);

/// After the safety phase: how often it is looked whether all is settled.
const SETTLING: Micros = Micros::from_millis(20);

/// Something that will happen.
enum Happening<M> {
    Arrival { seat: usize, parcel: Arc<Parcel<M>> },
    Wake { seat: usize, timer: Timer, token: Token },
    Request { seat: usize, request: Request },
    Reply { from: ReplicaId, reply: Reply },
    Resend { session: Session, timestamp: Timestamp },
    Action(usize),
    Settling,
}

struct Entry<M> {
    at: Time,
    order: u64,
    what: Happening<M>,
}

impl<M> PartialEq for Entry<M> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<M> Eq for Entry<M> {}

impl<M> PartialOrd for Entry<M> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> Ord for Entry<M> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A run under way. The same schedule gives the same run, event by event.
pub struct Simulation<P: Protocol>
where
    P::Message: Equivocate,
{
    schedule: Schedule,
    now: Time,
    steps: u64,
    queue: BinaryHeap<Reverse<Entry<P::Message>>>,
    orders: u64,
    seats: Vec<Seat<P>>,
    network: Network<Parcel<P::Message>>,
    clients: Clients,
    verifier: Verifier,
    byzantine: ReplicaSet,
    checks: Checks<P>,
    deadline: Option<Deadline>,
    coverage: Coverage,
    trace: SipHasher13,
    violation: Option<Violation>,
    is_over: bool,
    /// What replicas noted in the last event.
    notes: Vec<(ReplicaId, Event)>,
    /// The last event as a line, if lines are wanted.
    line: Option<String>,
}

/// The signers and the verifier of a run.
struct KeyRing {
    realm: Realm,
    keys: Keys,
    secret: Digest,
}

impl KeyRing {
    fn new(schedule: &Schedule) -> KeyRing {
        let secret = Digest::of("simulation", &[&schedule.seed.to_le_bytes()]);
        let realm = Realm { cluster: secret, epoch: 1, protocol: schedule.protocol };
        KeyRing { realm, keys: schedule.keys, secret }
    }

    fn secret_of(&self, author: Author) -> [u8; 32] {
        Digest::of("simulation-key", &[&self.secret.0, &crate::wire::encode(&author)]).0
    }

    fn signer(&self, author: Author) -> Signer {
        match self.keys {
            Keys::Tags => Signer::tags(author, self.realm, self.secret),
            Keys::Ed25519 => Signer::ed25519(author, self.realm, self.secret_of(author)),
        }
    }

    fn verifier(&self, committee: Committee) -> Verifier {
        let public = |author| Signer::public_key(self.secret_of(author));
        match self.keys {
            Keys::Tags => Verifier::tags(self.realm, committee, Clients::KEYS, self.secret),
            Keys::Ed25519 => {
                let replicas: Vec<PublicKey> = committee.members().map(|id| public(Author::Replica(id))).collect();
                let clients: Vec<PublicKey> =
                    (0..Clients::KEYS).map(|id| public(Author::Client(ClientId(id)))).collect();
                Verifier::ed25519(self.realm, &replicas, &clients).expect("keys made from secrets are keys")
            }
        }
    }
}

impl<P: Protocol> Simulation<P>
where
    P::Message: Equivocate,
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
            queue: BinaryHeap::new(),
            orders: 0,
            seats: Vec::new(),
            network: Network::new(schedule.seed),
            clients: Clients::new(committee, settings.accounts, signers),
            verifier: ring.verifier(committee),
            byzantine,
            checks: Checks::new(committee, settings, byzantine),
            deadline: None,
            coverage: Coverage::default(),
            trace: SipHasher13::new(),
            violation: None,
            is_over: false,
            notes: Vec::new(),
            line: None,
        };
        if schedule.keys == Keys::Ed25519 {
            simulation.coverage.add("real_keys", 1);
        }
        for replica in committee.members() {
            let node = simulation.fresh_node(replica);
            simulation.seats.push(Seat::new(replica, node));
        }
        for index in 0..schedule.actions.len() {
            simulation.enqueue(START.after(Micros(schedule.actions[index].0.0)), Happening::Action(index));
        }
        for seat in 0..simulation.seats.len() {
            simulation.input(seat, None, Input::Start { has_lost_log: false });
        }
        simulation
    }

    fn fresh_node(&self, me: ReplicaId) -> Byzantine<P, SmallBank> {
        let (committee, settings) = (self.schedule.committee, &self.schedule.settings);
        let app = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
        let replica = Replica::new(me, committee, settings, app);
        let signer = KeyRing::new(&self.schedule).signer(Author::Replica(me));
        let seed = Dice::new([self.schedule.seed, 3, u64::from(me.0), 0]).next();
        Byzantine::new(me, committee, replica, signer, seed)
    }

    /// Lets the next event happen; false if the run is over.
    pub fn step(&mut self) -> bool {
        self.notes.clear();
        while !self.is_over {
            let Some(Reverse(Entry { at, what, .. })) = self.queue.pop() else {
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
                self.log(|line| write!(line, "{action}"));
                self.act(&action);
            }
            Happening::Settling => self.settle(),
        }
    }

    fn enqueue(&mut self, at: Time, what: Happening<P::Message>) {
        self.orders += 1;
        self.queue.push(Reverse(Entry { at: at.max(self.now), order: self.orders, what }));
    }

    fn arrive(&mut self, seat: usize, parcel: &Arc<Parcel<P::Message>>) {
        let (from, to) = (parcel.from, self.seats[seat].id);
        self.mix(&[1, seat as u64, u64::from(from.0)], parcel.message().name().as_bytes());
        self.log(|line| write!(line, "{to} hears {from}: {parcel}"));
        if !self.seats[seat].is_running() {
            return self.log(|line| line.write_str(" (it is down)"));
        }
        match parcel.open() {
            Ok(verified) => self.input(seat, Some(parcel), Input::Peer(from, verified)),
            Err(why) => {
                self.log(|line| write!(line, " (refused at the door: {why})"));
                self.notes.push((to, Event::Rejected { from, why, count: 1 }));
            }
        }
    }

    fn wake(&mut self, seat: usize, timer: Timer) {
        self.mix(&[2, seat as u64, timer as u64], &[]);
        let id = self.seats[seat].id;
        self.log(|line| write!(line, "{id} wakes: {timer:?}"));
        if self.seats[seat].is_frozen {
            self.seats[seat].missed.push(timer);
        } else {
            self.input(seat, None, Input::Timeout(timer));
        }
    }

    fn hand_over(&mut self, seat: usize, request: &Request) {
        let Session { client, index } = request.body.session;
        self.mix(&[3, seat as u64, u64::from(client.0), u64::from(index), request.body.timestamp.0], &[]);
        let id = self.seats[seat].id;
        let (timestamp, digest) = (request.body.timestamp.0, request.body.digest());
        self.log(|line| write!(line, "{id} hears {client}/{index}: request t{timestamp} {}", digest.short()));
        if !self.seats[seat].is_running() {
            return;
        }
        match Verified::check((**request).clone(), Author::Client(client), &self.verifier) {
            Ok(verified) => self.input(seat, None, Input::Client(verified)),
            Err(why) => self.log(|line| write!(line, " (refused at the door: {why})")),
        }
    }

    fn reply(&mut self, from: ReplicaId, reply: &Reply) {
        let Session { client, index } = reply.session;
        let timestamp = reply.timestamp.0;
        self.mix(&[4, u64::from(from.0), u64::from(client.0), u64::from(index), timestamp], &[]);
        self.log(|line| write!(line, "{client}/{index} hears {from}: reply t{timestamp}"));
        if let Some(accepted) = self.clients.on_reply(from, reply) {
            self.log(|line| line.write_str(" (believed)"));
            let checked = self.checks.on_accepted(&accepted);
            self.judge(checked);
        }
    }

    fn resend(&mut self, session: Session, timestamp: Timestamp) {
        let Some(request) = self.clients.resend(session, timestamp) else { return };
        let Session { client, index } = session;
        self.mix(&[5, u64::from(client.0), u64::from(index), timestamp.0], &[]);
        self.log(|line| write!(line, "{client}/{index} sends t{} again", timestamp.0));
        self.send_request(&request, self.schedule.committee.members().collect());
        self.enqueue(self.now.after(CLIENT_PATIENCE), Happening::Resend { session, timestamp });
    }

    /// A client's request is on its way; clients stand outside the cuts, and lose nothing.
    fn send_request(&mut self, request: &Request, to: ReplicaSet) {
        let (session, digest) = (request.body.session, request.body.digest());
        let occasion = u64::from_le_bytes(digest.0[..8].try_into().expect("eight of 32 bytes"));
        for seat in 0..self.seats.len() {
            let id = self.seats[seat].id;
            if to.contains(id) {
                let mut dice = Dice::new([occasion, seat as u64, self.now.0, u64::from(session.index)]);
                let at = self.now.after(Weather::FAIR.delay(&mut dice).0);
                self.enqueue(at, Happening::Request { seat, request: request.clone() });
            }
        }
    }

    fn submit(&mut self, client: ClientId, operations: u8, draw: u64, to: ReplicaSet) {
        let Some(request) = self.clients.submit(self.now, client, operations, draw) else { return };
        let (session, timestamp) = (request.body.session, request.body.timestamp);
        self.checks.on_signed(request.body.digest(), &request.body);
        self.checks.on_submitted(session, timestamp);
        self.send_request(&request, to);
        self.enqueue(self.now.after(CLIENT_PATIENCE), Happening::Resend { session, timestamp });
    }

    fn act(&mut self, action: &Action) {
        self.mix(&[6, self.now.0], &[]);
        match action {
            Action::Weather(weather) => self.network.set_weather(*weather),
            Action::Cut { from, to } => self.network.cut(*from, *to),
            Action::Join => self.join(),
            Action::Attack { replica, attack } => self.attack(*replica, attack),
            Action::Heal(replica) => self.heal(*replica),
            Action::Twin { replica, first } => self.twin(*replica, *first),
            Action::Freeze(replica) => {
                self.coverage.add("freeze", 1);
                self.on_seats(*replica, |seat| seat.is_frozen = true);
            }
            Action::Thaw(replica) => self.thaw(*replica),
            Action::Crash(replica) => {
                self.coverage.add("amnesia", 1);
                self.on_seats(*replica, Seat::crash);
            }
            Action::Restart(replica) => self.restart(*replica),
            Action::Submit { client, operations, draw, to } => self.submit(*client, *operations, *draw, *to),
            Action::Evil { deed, draw } => {
                self.coverage.add("evil_client", 1);
                for (request, to) in self.clients.misbehave(*deed, *draw) {
                    let is_authentic = request.verify(&self.verifier).is_ok();
                    if is_authentic {
                        self.checks.on_signed(request.body.digest(), &request.body);
                    }
                    self.send_request(&request, to);
                }
            }
            Action::Calm => self.calm(),
        }
    }

    fn on_seats(&mut self, replica: ReplicaId, act: impl Fn(&mut Seat<P>)) {
        self.seats.iter_mut().filter(|seat| seat.id == replica).for_each(act);
    }

    fn join(&mut self) {
        if self.network.join() {
            self.coverage.add("partition_healed", 1);
        }
    }

    fn attack(&mut self, replica: ReplicaId, attack: &str) {
        self.coverage.add("attack", 1);
        let (now, seat) = (self.now, replica.index());
        let mut outputs = Vec::new();
        if let Some(node) = self.seats[seat].node.as_mut() {
            // What does not fit this cluster, a victim that is not there, is no attack.
            if node.attack(now, attack, &mut outputs).is_err() {
                self.log(|line| line.write_str(" (refused)"));
            }
        }
        self.perform(seat, None, outputs);
    }

    fn heal(&mut self, replica: ReplicaId) {
        let (now, seat) = (self.now, replica.index());
        let mut outputs = Vec::new();
        if let Some(node) = self.seats[seat].node.as_mut() {
            node.heal(now, &mut outputs);
        }
        self.perform(seat, None, outputs);
    }

    fn twin(&mut self, replica: ReplicaId, first: ReplicaSet) {
        let second: ReplicaSet = self.schedule.committee.members().filter(|member| !first.contains(*member)).collect();
        self.seats[replica.index()].sees = Some(first);
        let twin = self.seats.iter().skip(self.schedule.committee.size()).position(|seat| seat.id == replica);
        if let Some(twin) = twin {
            let seat = self.schedule.committee.size() + twin;
            self.seats[seat].sees = Some(second);
            return;
        }
        self.coverage.add("twins", 1);
        let mut seat = Seat::new(replica, self.fresh_node(replica));
        seat.sees = Some(second);
        self.seats.push(seat);
        self.input(self.seats.len() - 1, None, Input::Start { has_lost_log: false });
    }

    fn thaw(&mut self, replica: ReplicaId) {
        for seat in 0..self.seats.len() {
            if self.seats[seat].id != replica {
                continue;
            }
            self.seats[seat].is_frozen = false;
            for timer in std::mem::take(&mut self.seats[seat].missed) {
                let token = self.seats[seat].set(timer);
                self.enqueue(self.now, Happening::Wake { seat, timer, token });
            }
        }
    }

    fn restart(&mut self, replica: ReplicaId) {
        let seat = replica.index();
        if self.seats[seat].node.is_none() {
            self.seats[seat].node = Some(self.fresh_node(replica));
            self.checks.on_restart(seat);
            self.input(seat, None, Input::Start { has_lost_log: true });
        }
    }

    /// From here on liveness is due.
    fn calm(&mut self) {
        self.join();
        self.network.set_weather(Weather::FAIR);
        for replica in self.schedule.committee.members() {
            self.thaw(replica);
            self.restart(replica);
        }
        self.deadline = Some(Deadline::new(self.now, &self.schedule.settings));
        self.enqueue(self.now.after(SETTLING), Happening::Settling);
    }

    /// Ends the run if all is well and it was long enough; goes on with one more request if it was not.
    fn settle(&mut self) {
        self.log(|line| line.write_str("is all settled?"));
        let unsettled = self.unsettled();
        let Some(deadline) = self.deadline.as_mut() else { return };
        if let Some(what) = unsettled {
            if deadline.has_passed(self.now) {
                let bound = deadline.bound().as_millis();
                return self.break_off(Deadline::NAME, format!("{what}, {bound} ms after the network healed"));
            }
        } else {
            deadline.extend(self.now);
            if self.steps >= self.schedule.min_events {
                self.is_over = true;
                return;
            }
            let (client, draw) = (ClientId(self.steps as u16 % 3), self.steps);
            self.submit(client, 2, draw, self.schedule.committee.members().collect());
        }
        self.enqueue(self.now.after(SETTLING), Happening::Settling);
    }

    /// What is not settled: an open request, or a replica that has not caught up.
    fn unsettled(&self) -> Option<String> {
        if let Some((Session { client, index }, since)) = self.clients.open().next() {
            let waited = self.now.since(since).as_millis();
            return Some(format!("a request of {client}/{index} has waited for {waited} ms"));
        }
        let honest = self.seats.iter().filter(|seat| !self.byzantine.contains(seat.id));
        let statuses =
            || honest.clone().filter_map(|seat| seat.node.as_ref().map(|node| (seat.id, node.replica().status())));
        let newest = statuses().map(|(_, status)| status.executed).max()?;
        let behind = statuses().find(|(_, status)| status.executed < newest);
        if let Some((id, status)) = behind {
            return Some(format!("{id} has executed {} of {newest} slots", status.executed));
        }
        let watching = statuses().find(|(_, status)| status.observing_until.is_some());
        watching.map(|(id, _)| format!("{id} lost its log and has not rejoined"))
    }

    /// Gives a seat an input, looks at what it did, and does it.
    fn input(&mut self, seat: usize, heard: Option<&Arc<Parcel<P::Message>>>, input: Input<P::Message>) {
        let now = self.now;
        let Some(node) = self.seats[seat].node.as_mut() else { return };
        let mut outputs = Vec::new();
        node.handle(now, input, &mut outputs);
        self.perform(seat, heard, outputs);
    }

    fn perform(&mut self, seat: usize, heard: Option<&Arc<Parcel<P::Message>>>, outputs: Vec<Output<P::Message>>) {
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
            let heard = heard.map(|parcel| &**parcel);
            let checked = self.checks.after(seat, id, is_honest, heard, &parcels, &outputs, node);
            self.judge(checked);
        }
        for output in outputs {
            match output {
                Output::Send(..) => {
                    let (to, parcel) = said.pop_front().expect("one parcel for each message");
                    self.send(seat, to, &parcel);
                }
                Output::Reply(_, reply) => self.answer(seat, reply),
                Output::SetTimer(timer, at) => {
                    let token = self.seats[seat].set(timer);
                    self.enqueue(at, Happening::Wake { seat, timer, token });
                }
                Output::CancelTimer(timer) => self.seats[seat].cancel(timer),
                Output::Executed(slot) => {
                    self.mix(&[7, seat as u64, slot.seq.0, slot.ran.len() as u64], &slot.batch.digest().0);
                }
                Output::Note(event) => {
                    self.log(|line| write!(line, " [{event:?}]"));
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
        for seat in 0..self.seats.len() {
            let id = self.seats[seat].id;
            let is_meant = id != from_id && matches!(to, Recipients::All) || to == Recipients::One(id);
            if !is_meant || !self.seats[from].talks_to(id) || !self.seats[seat].talks_to(from_id) {
                continue;
            }
            let arrivals = self.network.carry((from, from_id), (seat, id), parcel);
            for arrival in arrivals {
                let at = self.now.after(arrival.after);
                self.enqueue(at, Happening::Arrival { seat, parcel: arrival.message });
            }
        }
    }

    fn answer(&mut self, seat: usize, reply: Reply) {
        if reply.outcome == crate::replica::ReplyOutcome::Busy {
            self.coverage.add("busy", 1);
        }
        let Session { client, index } = reply.session;
        let from = self.seats[seat].id;
        let mut dice = Dice::new([reply.timestamp.0, seat as u64, u64::from(client.0), u64::from(index) ^ self.now.0]);
        let at = self.now.after(Weather::FAIR.delay(&mut dice).0);
        self.enqueue(at, Happening::Reply { from, reply });
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

    /// From now on [`Simulation::line`] tells each event.
    pub fn tell(&mut self) {
        self.line = Some(String::new());
    }

    /// What was told since this was last asked: who heard what, and what it did. Empty unless [`Simulation::tell`] was
    /// called.
    pub fn take_line(&mut self) -> String {
        self.line.as_mut().map(std::mem::take).unwrap_or_default()
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
        Report {
            seed: self.schedule.seed,
            events: self.steps,
            violation: self.violation.clone(),
            coverage,
            trace_digest: self.trace.clone().finish128().as_u128(),
        }
    }
}
