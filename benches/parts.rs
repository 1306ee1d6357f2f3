//! What the parts of an operation cost on their own: encoding, signatures, votes, slots, execution.
//!
//! `cargo bench -p byztop-core --bench parts`

use std::collections::VecDeque;
use std::hint::black_box;

use byztop_core::app::smallbank::{Operation, SmallBank, encode_operations};
use byztop_core::attack::Byzantine;
use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Kind, PublicKey, Realm, Signature, Signed, Signer, Statement, Verified, Verifier};
use byztop_core::pbft::{Message, Pbft};
use byztop_core::protocol::{Recipients, Settings};
use byztop_core::replica::{Input, Output, PeerMessage, Replica, Submission};
use byztop_core::types::{ClientId, Digest, ProtocolName, ReplicaId, SeqNum, Session, Time, Timestamp, View};
use byztop_core::wire::{self, MAX_MESSAGE_BYTES};
use byztop_core::workload::{Mix, Workload};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

type Peer = PeerMessage<Message>;

/// How many replicas there are.
const REPLICAS: u8 = 4;

/// How often every session submits in what is recorded and replayed.
const ROUNDS: u64 = 64;

/// Operations in a submission, and submissions in a round.
const BUNDLE: usize = 8;
const SUBMISSIONS: u16 = 32;

const NOW: Time = Time(1_000_000);

fn realm() -> Realm {
    Realm { cluster: Digest::of("bench", &[]), epoch: 1, protocol: ProtocolName::Pbft }
}

fn secret(author: Author) -> [u8; 32] {
    match author {
        Author::Replica(replica) => [replica.0 + 1; 32],
        Author::Client(client) => [client.0 as u8 + 101; 32],
    }
}

fn signer(author: Author) -> Signer {
    Signer::ed25519(author, realm(), secret(author))
}

fn verifier() -> Verifier {
    let keys: Vec<PublicKey> =
        (0..REPLICAS).map(|id| Signer::public_key(secret(Author::Replica(ReplicaId(id))))).collect();
    let client = Signer::public_key(secret(Author::Client(ClientId(0))));
    Verifier::ed25519(realm(), &keys, &[client]).expect("the keys are points of the curve")
}

fn settings() -> Settings {
    // One slot at a time: the first submission of a round makes one, the others share the next.
    Settings { depth_slots: 1, ..Settings::default() }
}

fn node(me: ReplicaId) -> Byzantine<Pbft, SmallBank> {
    let settings = settings();
    let committee = Committee::new(usize::from(REPLICAS)).expect("four are a committee");
    let app = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
    Byzantine::new(me, committee, Replica::new(me, committee, &settings, app), signer(Author::Replica(me)), 1)
}

fn workload() -> Workload {
    Workload::new(1, settings().accounts, Mix::DEFAULT, Workload::DEFAULT_ALPHA)
}

/// A cluster without a network: what one says, the others hear at once.
struct Lab {
    nodes: Vec<Byzantine<Pbft, SmallBank>>,
    verifier: Verifier,
    client: Signer,
    workload: Workload,
    /// What n2, a backup, was given.
    recorded: Vec<Input<Message>>,
}

impl Lab {
    /// One that has run [`ROUNDS`] rounds.
    fn recorded() -> Lab {
        let mut lab = Lab {
            nodes: (0..REPLICAS).map(|id| node(ReplicaId(id))).collect(),
            verifier: verifier(),
            client: signer(Author::Client(ClientId(0))),
            workload: workload(),
            recorded: Vec::new(),
        };
        lab.deliver((0..REPLICAS).map(|id| (ReplicaId(id), Input::Start { has_lost_log: false })).collect());
        for round in 1..=ROUNDS {
            let inputs = (0..SUBMISSIONS).flat_map(|index| lab.submission(index, round));
            let inputs = inputs.collect();
            lab.deliver(inputs);
        }
        lab
    }

    /// A session's next submission, for every replica.
    fn submission(&mut self, index: u16, timestamp: u64) -> Vec<(ReplicaId, Input<Message>)> {
        let operations: Vec<Operation> = (0..BUNDLE).map(|_| self.workload.next_operation()).collect();
        let session = Session { client: ClientId(0), index };
        let body = Submission { session, timestamp: Timestamp(timestamp), operations: encode_operations(&operations) };
        let signed = Signed::by(&self.client, body);
        let verified = Verified::check(signed, Author::Client(ClientId(0)), &self.verifier).expect("it is signed");
        (0..REPLICAS).map(|id| (ReplicaId(id), Input::Client(verified.clone()))).collect()
    }

    fn deliver(&mut self, mut inputs: VecDeque<(ReplicaId, Input<Message>)>) {
        let mut outputs = Vec::new();
        while let Some((to, input)) = inputs.pop_front() {
            if to == ReplicaId(1) {
                self.recorded.push(input.clone());
            }
            self.nodes[to.index()].handle(NOW, input, &mut outputs);
            for output in outputs.drain(..) {
                let Output::Send(recipients, message) = output else { continue };
                let hear = |other: &ReplicaId| match recipients {
                    Recipients::All => *other != to,
                    Recipients::One(one) => *other == one,
                };
                for other in (0..REPLICAS).map(ReplicaId).filter(hear) {
                    let checked = Verified::check(message.clone(), Author::Replica(to), &self.verifier);
                    inputs.push_back((other, Input::Peer(to, checked.expect("an honest replica signs well"))));
                }
            }
        }
    }

    /// The first message of a name that n2 was sent.
    fn message(&self, name: &str) -> Peer {
        let of = |input: &Input<Message>| match input {
            Input::Peer(_, message) if message.get().name() == name => Some(message.get().clone()),
            _ => None,
        };
        self.recorded.iter().find_map(of).expect("every slot has one")
    }
}

fn is_proposal(input: &Input<Message>) -> bool {
    matches!(input, Input::Peer(_, message) if message.get().name() == "pre-prepare")
}

fn is_vote(input: &Input<Message>) -> bool {
    matches!(input, Input::Peer(_, message) if ["prepare", "commit"].contains(&message.get().name()))
}

fn codec(criterion: &mut Criterion) {
    let lab = Lab::recorded();
    let mut group = criterion.benchmark_group("codec");
    for name in ["pre-prepare", "prepare", "commit"] {
        let message = lab.message(name);
        let bytes = wire::encode(&message);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("encode {name}"), |bencher| bencher.iter(|| wire::encode(black_box(&message))));
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter(|| wire::decode::<Peer>(black_box(&bytes), MAX_MESSAGE_BYTES).expect("it is canonical"));
        });
    }
    group.finish();
}

fn signatures(criterion: &mut Criterion) {
    let author = Author::Replica(ReplicaId(0));
    let signer = signer(author);
    let statement =
        |seq| Statement { kind: Kind::Prepare, view: View(0), seq: SeqNum(seq), digest: Digest::ZERO, author };
    let mut group = criterion.benchmark_group("signatures");
    group.bench_function("sign", |bencher| bencher.iter(|| signer.sign(black_box(&statement(1)))));
    let signature = signer.sign(&statement(1));
    // A verifier remembers what was good, so that each check needs a fresh one.
    group.bench_function("verify", |bencher| {
        let check = |verifier: Verifier| verifier.verify(&statement(1), &signature).expect("it is good");
        bencher.iter_batched(verifier, check, BatchSize::SmallInput);
    });
    let known = verifier();
    known.verify(&statement(1), &signature).expect("it is good");
    group.bench_function("verify from memory", |bencher| bencher.iter(|| known.verify(&statement(1), &signature)));
    // As votes come: from all others at once. As submissions do: many of one client.
    for (authors, count) in [(1, 64), (REPLICAS - 1, REPLICAS - 1)] {
        let of = |place: u8| {
            let author = Author::Replica(ReplicaId(place % authors));
            let said = Statement { author, seq: SeqNum(u64::from(place)), ..statement(0) };
            (said, self::signer(author).sign(&said))
        };
        let said: Vec<(Statement, Signature)> = (0..count).map(of).collect();
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(format!("verify {count} of {authors} together"), |bencher| {
            let all_good =
                |verifier: &Verifier| said.iter().all(|(said, signature)| verifier.verify(said, signature).is_ok());
            let check = |verifier: Verifier| assert_eq!(verifier.together(all_good), (true, true));
            bencher.iter_batched(verifier, check, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn replica(criterion: &mut Criterion) {
    let recorded = Lab::recorded().recorded;
    let (votes, others): (Vec<_>, Vec<_>) = recorded.iter().cloned().partition(is_vote);
    let mut group = criterion.benchmark_group("replica");
    let replay = |mut node: Byzantine<Pbft, SmallBank>, inputs: Vec<Input<Message>>| {
        let mut outputs = Vec::new();
        for input in inputs {
            node.handle(NOW, input, &mut outputs);
            outputs.clear();
        }
        node
    };
    // Own votes are signed in it, so that this is what a backup's core does for a slot, verification apart.
    let slots = recorded.iter().filter(|input| is_proposal(input)).count();
    assert_eq!(slots as u64, 2 * ROUNDS, "what was submitted was ordered");
    group.throughput(Throughput::Elements(slots as u64));
    group.bench_function("slots of 16 submissions of 8 on average", |bencher| {
        let fresh = || (node(ReplicaId(1)), recorded.clone());
        bencher.iter_batched(fresh, |(node, inputs)| replay(node, inputs), BatchSize::LargeInput);
    });
    group.throughput(Throughput::Elements(votes.len() as u64));
    group.bench_function("votes", |bencher| {
        let proposed = || (replay(node(ReplicaId(1)), others.clone()), votes.clone());
        bencher.iter_batched(proposed, |(node, inputs)| replay(node, inputs), BatchSize::LargeInput);
    });
    group.finish();
}

fn execution(criterion: &mut Criterion) {
    let settings = settings();
    let mut workload = workload();
    let operations: Vec<Operation> =
        (0..BUNDLE * usize::from(SUBMISSIONS)).map(|_| workload.next_operation()).collect();
    let mut bank = SmallBank::new(settings.accounts, settings.initial_checking, settings.initial_savings);
    let mut group = criterion.benchmark_group("execution");
    group.throughput(Throughput::Elements(operations.len() as u64));
    group.bench_function("a batch of 256 operations", |bencher| {
        bencher.iter(|| {
            for operation in &operations {
                black_box(bank.apply(*operation));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, codec, signatures, replica, execution);
criterion_main!(benches);
