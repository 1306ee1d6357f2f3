//! A whole cluster in memory under virtual time: the same replicas that a node drives, with a seeded network between
//! them. Every message is encoded, decoded and verified on its way.

use std::collections::{BTreeMap, BTreeSet};

use byztop_core::app::smallbank::{self, Operation, SmallBank};
use byztop_core::attack::{Byzantine, Forge, ParseError};
use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Realm, Signed, Signer, Verified, Verifier};
use byztop_core::durable::Image;
use byztop_core::pbft::Pbft;
use byztop_core::protocol::{Event, Protocol, Recipients, Settings, Timer};
use byztop_core::replica::{Input, Output, PeerMessage, Replica, Reply, ReplyOutcome, Submission};
use byztop_core::types::{ClientId, Digest, Micros, ProtocolName, ReplicaId, SeqNum, Session, Time, Timestamp, View};
use byztop_core::wire;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A cluster of classic PBFT.
pub(crate) type Cluster = AnyCluster<Pbft>;

/// One replica with the layer around it.
pub(crate) type Node<P = Pbft> = Byzantine<P, SmallBank>;

/// One input of one replica, and what came of it.
pub(crate) struct Recorded<M> {
    pub(crate) replica: ReplicaId,
    pub(crate) now: Time,
    pub(crate) input: Input<M>,
    pub(crate) outputs: Vec<Output<M>>,
}

/// What is on its way.
enum Parcel {
    Message { from: ReplicaId, to: ReplicaId, bytes: Vec<u8> },
    Wake { replica: ReplicaId, timer: Timer },
}

pub(crate) struct AnyCluster<P: Protocol>
where
    P::Message: Forge,
{
    pub(crate) now: Time,
    pub(crate) committee: Committee,
    pub(crate) settings: Settings,
    /// Every note of every replica.
    pub(crate) notes: Vec<(Time, ReplicaId, Event)>,
    /// Every reply, by submission and replica.
    pub(crate) replies: BTreeMap<(Session, Timestamp), BTreeMap<ReplicaId, Reply>>,
    /// Links that lose everything, as (from, to).
    pub(crate) cut: BTreeSet<(ReplicaId, ReplicaId)>,
    /// Messages, by name, that never reach a replica.
    pub(crate) deaf_to: BTreeSet<(ReplicaId, &'static str)>,
    /// How many of the next messages of a name are lost.
    pub(crate) lose_first: BTreeMap<&'static str, u64>,
    /// Links on which messages take so much longer, as (from, to).
    pub(crate) slow: BTreeMap<(ReplicaId, ReplicaId), Micros>,
    /// How many messages in a thousand are lost.
    pub(crate) loss_per_mille: u32,
    /// Messages by name, as sent.
    pub(crate) sent: BTreeMap<&'static str, u64>,
    /// Bytes by sender, as sent.
    pub(crate) bytes_sent: BTreeMap<ReplicaId, u64>,
    /// Every input of every replica and what came of it, if recorded.
    pub(crate) recording: Option<Vec<Recorded<P::Message>>>,
    /// What those replicas have written that have a disk.
    pub(crate) disks: BTreeMap<ReplicaId, Image>,
    nodes: Vec<Option<Node<P>>>,
    verifier: Verifier,
    clients: Vec<Signer>,
    clocks: BTreeMap<Session, u64>,
    parcels: BTreeMap<(Time, u64), Parcel>,
    timers: BTreeMap<(ReplicaId, Timer), (Time, u64)>,
    count: u64,
    network: ChaCha8Rng,
    seed: u64,
    /// Whoever was ever told to attack.
    attackers: BTreeSet<ReplicaId>,
}

/// When a cluster starts.
pub(crate) const START: Time = Time(1_000_000);

/// How many clients have a key.
const CLIENTS: u16 = 9;

const SECRET: Digest = Digest([7; 32]);

pub(crate) fn realm(protocol: ProtocolName) -> Realm {
    Realm { cluster: Digest::of("cluster", &[]), epoch: 1, protocol }
}

pub(crate) fn id(name: u8) -> ReplicaId {
    ReplicaId(name - 1)
}

impl<P: Protocol> AnyCluster<P>
where
    P::Message: Forge,
{
    pub(crate) fn new(replicas: usize, settings: Settings, seed: u64) -> Self {
        let committee = Committee::new(replicas).unwrap();
        settings.check(committee).expect("the settings of a test lie within their bounds");
        let mut cluster = AnyCluster {
            now: START,
            committee,
            settings,
            notes: Vec::new(),
            replies: BTreeMap::new(),
            cut: BTreeSet::new(),
            deaf_to: BTreeSet::new(),
            lose_first: BTreeMap::new(),
            slow: BTreeMap::new(),
            loss_per_mille: 0,
            sent: BTreeMap::new(),
            bytes_sent: BTreeMap::new(),
            recording: None,
            disks: BTreeMap::new(),
            nodes: Vec::new(),
            verifier: Verifier::tags(realm(P::NAME), committee, CLIENTS, SECRET),
            clients: (0..CLIENTS).map(|i| Signer::tags(Author::Client(ClientId(i)), realm(P::NAME), SECRET)).collect(),
            clocks: BTreeMap::new(),
            parcels: BTreeMap::new(),
            timers: BTreeMap::new(),
            count: 0,
            network: ChaCha8Rng::seed_from_u64(seed),
            seed,
            attackers: BTreeSet::new(),
        };
        for replica in committee.members() {
            let node = cluster.fresh_node(replica);
            cluster.nodes.push(Some(node));
        }
        for replica in committee.members() {
            cluster.input(replica, Input::Start { has_lost_log: false });
        }
        cluster
    }

    fn fresh_node(&self, me: ReplicaId) -> Node<P> {
        Byzantine::new(me, self.committee, self.bare_replica(me), self.signer(me), self.seed)
    }

    /// A replica without the layer around it.
    pub(crate) fn bare_replica(&self, me: ReplicaId) -> Replica<P, SmallBank> {
        let Settings { accounts, initial_checking, initial_savings, .. } = self.settings;
        let app = SmallBank::new(accounts, initial_checking, initial_savings);
        Replica::new(me, self.committee, &self.settings, app)
    }

    pub(crate) fn signer(&self, me: ReplicaId) -> Signer {
        Signer::tags(Author::Replica(me), realm(P::NAME), SECRET)
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Starts a replica anew with more money in its accounts than the others have in theirs, as if it knew nothing better.
    pub(crate) fn diverge(&mut self, me: ReplicaId) {
        self.kill(me);
        let Settings { accounts, initial_checking, initial_savings, .. } = self.settings;
        let app = SmallBank::new(accounts, initial_checking + 1, initial_savings);
        let replica = Replica::new(me, self.committee, &self.settings, app);
        self.nodes[me.index()] = Some(Byzantine::new(me, self.committee, replica, self.signer(me), self.seed));
        self.input(me, Input::Start { has_lost_log: false });
    }

    /// Ends a replica: its memory is gone.
    pub(crate) fn kill(&mut self, replica: ReplicaId) {
        self.nodes[replica.index()] = None;
        self.timers.retain(|(owner, _), _| *owner != replica);
        self.parcels.retain(|_, parcel| !matches!(parcel, Parcel::Wake { replica: owner, .. } if *owner == replica));
    }

    /// Starts a replica that was killed; it has lost its log.
    pub(crate) fn restart(&mut self, replica: ReplicaId) {
        let node = self.fresh_node(replica);
        self.nodes[replica.index()] = Some(node);
        self.input(replica, Input::Start { has_lost_log: true });
    }

    /// Gives a replica that has not signed anything yet an empty disk, and starts it anew.
    pub(crate) fn give_disk(&mut self, replica: ReplicaId) {
        self.kill(replica);
        self.restart_from(replica, Image::default());
    }

    /// Starts a replica that was killed with what a disk holds. To the replica that looks whole.
    pub(crate) fn restart_from(&mut self, me: ReplicaId, image: Image) {
        let Settings { accounts, initial_checking, initial_savings, .. } = self.settings;
        let app = SmallBank::new(accounts, initial_checking, initial_savings);
        let replica = Replica::restore(me, self.committee, &self.settings, app, &image).expect("the disk is readable");
        self.disks.insert(me, image);
        self.nodes[me.index()] = Some(Byzantine::new(me, self.committee, replica, self.signer(me), self.seed));
        self.input(me, Input::Start { has_lost_log: false });
    }

    pub(crate) fn node(&self, replica: ReplicaId) -> &Node<P> {
        self.nodes[replica.index()].as_ref().expect("it lives")
    }

    pub(crate) fn attack(&mut self, replica: ReplicaId, text: &str) {
        self.try_attack(replica, text).expect("a test writes attacks correctly");
    }

    pub(crate) fn try_attack(&mut self, replica: ReplicaId, text: &str) -> Result<(), ParseError> {
        let mut outputs = Vec::new();
        self.attackers.insert(replica);
        let node = self.nodes[replica.index()].as_mut().expect("it lives");
        let set = node.attack(self.now, text, &mut outputs);
        self.perform(replica, outputs);
        set
    }

    pub(crate) fn heal(&mut self, replica: ReplicaId) {
        let mut outputs = Vec::new();
        let now = self.now;
        self.nodes[replica.index()].as_mut().expect("it lives").heal(now, &mut outputs);
        self.perform(replica, outputs);
    }

    /// Cuts a replica off in both directions.
    pub(crate) fn isolate(&mut self, replica: ReplicaId) {
        for other in self.committee.others(replica) {
            self.cut.insert((replica, other));
            self.cut.insert((other, replica));
        }
    }

    /// A session submits its next operations to every replica that lives.
    pub(crate) fn submit(&mut self, client: u16, index: u16, operations: &[Operation]) -> (Session, Timestamp) {
        let session = Session { client: ClientId(client), index };
        let clock = self.clocks.entry(session).or_default();
        *clock += 1;
        let timestamp = Timestamp(*clock);
        let operations = smallbank::encode_operations(operations);
        let signed = Signed::by(&self.clients[usize::from(client)], Submission { session, timestamp, operations });
        for replica in self.committee.members() {
            self.hand_over(replica, signed.clone());
        }
        (session, timestamp)
    }

    /// One replica gets a submission straight from its client.
    pub(crate) fn hand_over(&mut self, replica: ReplicaId, signed: Signed<Submission>) {
        let author = Author::Client(signed.body.session.client);
        let verified = Verified::check(signed, author, &self.verifier).expect("a test signs correctly");
        if self.nodes[replica.index()].is_some() {
            self.input(replica, Input::Client(verified));
        }
    }

    /// A submission signed by its client, for tests that hand it over by themselves.
    pub(crate) fn signed(
        &self,
        client: u16,
        index: u16,
        timestamp: u64,
        operations: &[Operation],
    ) -> Signed<Submission> {
        let session = Session { client: ClientId(client), index };
        let operations = smallbank::encode_operations(operations);
        let body = Submission { session, timestamp: Timestamp(timestamp), operations };
        Signed::by(&self.clients[usize::from(client)], body)
    }

    /// A replica gets a message that `from` made up with its own key.
    pub(crate) fn inject(&mut self, from: ReplicaId, to: ReplicaId, message: PeerMessage<P::Message>) {
        let verified = Verified::check(message, Author::Replica(from), &self.verifier).expect("it is signed correctly");
        self.input(to, Input::Peer(from, verified));
    }

    fn input(&mut self, replica: ReplicaId, input: Input<P::Message>) {
        let Some(node) = self.nodes[replica.index()].as_mut() else { return };
        let mut outputs = Vec::new();
        let recorded = self.recording.is_some().then(|| input.clone());
        node.handle(self.now, input, &mut outputs);
        if let (Some(recording), Some(input)) = (&mut self.recording, recorded) {
            recording.push(Recorded { replica, now: self.now, input, outputs: outputs.clone() });
        }
        self.perform(replica, outputs);
    }

    fn perform(&mut self, replica: ReplicaId, outputs: Vec<Output<P::Message>>) {
        for output in outputs {
            match output {
                Output::Send(Recipients::All, message) => {
                    for other in self.committee.others(replica) {
                        self.post(replica, other, &message);
                    }
                }
                Output::Send(Recipients::One(other), message) => self.post(replica, other, &message),
                Output::Reply(session, reply) => {
                    // Nobody counts a refusal, nor an answer that is bound to nothing.
                    if reply.outcome != ReplyOutcome::Busy && reply.submission != Digest::ZERO {
                        let by_replica = self.replies.entry((session, reply.timestamp)).or_default();
                        let earlier = by_replica.insert(replica, reply.clone());
                        let is_honest = !self.attackers.contains(&replica);
                        let is_same = earlier.is_none_or(|earlier| earlier == reply);
                        assert!(is_same || !is_honest, "an honest replica changed its answer");
                    }
                }
                Output::SetTimer(timer, at) => {
                    self.cancel(replica, timer);
                    self.count += 1;
                    let key = (at.max(self.now), self.count);
                    self.timers.insert((replica, timer), key);
                    self.parcels.insert(key, Parcel::Wake { replica, timer });
                }
                Output::CancelTimer(timer) => self.cancel(replica, timer),
                Output::Persist(writes) => {
                    self.disks.get_mut(&replica).expect("who writes has a disk").apply(writes);
                }
                Output::Executed(_) => {}
                Output::Note(event) => self.notes.push((self.now, replica, event)),
            }
        }
    }

    fn cancel(&mut self, replica: ReplicaId, timer: Timer) {
        if let Some(key) = self.timers.remove(&(replica, timer)) {
            self.parcels.remove(&key);
        }
    }

    fn post(&mut self, from: ReplicaId, to: ReplicaId, message: &PeerMessage<P::Message>) {
        *self.sent.entry(message.name()).or_default() += 1;
        let bytes = wire::encode(message);
        *self.bytes_sent.entry(from).or_default() += bytes.len() as u64;
        let is_lost = self.network.random_range(0..1000) < self.loss_per_mille;
        if is_lost || self.cut.contains(&(from, to)) || self.deaf_to.contains(&(to, message.name())) {
            return;
        }
        if let Some(left) = self.lose_first.get_mut(message.name()).filter(|left| **left > 0) {
            *left -= 1;
            return;
        }
        self.count += 1;
        let latency = Micros(self.network.random_range(200..800));
        let slowness = self.slow.get(&(from, to)).copied().unwrap_or_default();
        self.parcels.insert((self.now.after(latency).after(slowness), self.count), Parcel::Message { from, to, bytes });
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Micros) {
        let end = self.now.after(span);
        while let Some(entry) = self.parcels.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), parcel) = entry.remove_entry();
            self.now = at;
            match parcel {
                Parcel::Message { from, to, bytes } => {
                    let message = wire::decode(&bytes, wire::MAX_MESSAGE_BYTES).expect("what we encode decodes");
                    match Verified::check(message, Author::Replica(from), &self.verifier) {
                        Ok(message) => self.input(to, Input::Peer(from, message)),
                        Err(why) => self.notes.push((at, to, Event::Rejected { from, why, count: 1 })),
                    }
                }
                Parcel::Wake { replica, timer } => {
                    self.timers.remove(&(replica, timer));
                    self.input(replica, Input::Timeout(timer));
                }
            }
        }
        self.now = end;
    }

    pub(crate) fn run_ms(&mut self, millis: u64) {
        self.run(Micros::from_millis(millis));
    }

    /// Whether f+1 replicas gave the same result (rule 25).
    pub(crate) fn is_answered(&self, (session, timestamp): (Session, Timestamp)) -> bool {
        let Some(replies) = self.replies.get(&(session, timestamp)) else { return false };
        replies
            .values()
            .any(|reply| replies.values().filter(|other| *other == reply).count() >= self.committee.weak_quorum())
    }

    /// The answers that clients believe, since f+1 replicas gave them (rule 25).
    pub(crate) fn believed(&self) -> impl Iterator<Item = (&Reply, &BTreeMap<ReplicaId, Reply>)> {
        let is_believed = |reply: &&Reply, replies: &BTreeMap<ReplicaId, Reply>| {
            replies.values().filter(|other| other == reply).count() >= self.committee.weak_quorum()
        };
        self.replies.values().flat_map(move |replies| {
            replies.values().filter(move |reply| is_believed(reply, replies)).map(move |reply| (reply, replies))
        })
    }

    pub(crate) fn executed(&self, replica: ReplicaId) -> SeqNum {
        self.node(replica).replica().status().executed
    }

    pub(crate) fn stable(&self, replica: ReplicaId) -> SeqNum {
        self.node(replica).replica().status().stable
    }

    pub(crate) fn view(&self, replica: ReplicaId) -> View {
        self.node(replica).replica().status().view
    }

    /// Asserts that these replicas have executed equally far and have equal states.
    pub(crate) fn assert_equal(&mut self, replicas: &[ReplicaId]) {
        let mut states = BTreeMap::new();
        for replica in replicas {
            let node = self.nodes[replica.index()].as_mut().expect("it lives");
            states.insert(*replica, node.replica_mut().state_digest());
        }
        let distinct: BTreeSet<_> = states.values().collect();
        if distinct.len() != 1 {
            self.explain();
        }
        assert_eq!(distinct.len(), 1, "states differ: {states:?}");
    }

    /// Prints where every replica stands and what happened last, for a test that is about to fail.
    pub(crate) fn explain(&self) {
        for node in self.nodes.iter().flatten() {
            eprintln!("{:?} {}", node.replica().status(), node.active());
        }
        for (at, replica, event) in self.notes.iter().rev().take(60).rev() {
            eprintln!("{:>9} {replica} {event:?}", at.0 / 1000);
        }
    }

    /// Whether any replica noted something of this kind.
    pub(crate) fn noted(&self, what: impl Fn(&Event) -> bool) -> bool {
        self.notes.iter().any(|(_, _, event)| what(event))
    }

    /// Whether a proof against the replica was found.
    pub(crate) fn is_proved(&self, accused: ReplicaId) -> bool {
        self.noted(|event| matches!(event, Event::Proved { accused: found, .. } if *found == accused))
    }
}
