//! What a message may cost whoever gets it: for each kind its worst sender, and the work that it causes, counted and held
//! against how long the message is.

use byztop_core::app::smallbank::{Account, Operation, SmallBank, encode_operations};
use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Realm, Signed, Signer, Verified, Verifier};
use byztop_core::pbft::{Message, Pbft, ViewChange};
use byztop_core::protocol::{Batch, CheckpointCertificate, Recipients, Settings};
use byztop_core::replica::{Input, Output, PeerMessage, Replica, Submission};
use byztop_core::types::{ClientId, Digest, Micros, ProtocolName, ReplicaId, SeqNum, Session, Time, Timestamp, View};
use byztop_core::views::message::PrePrepare;
use byztop_core::wire;

const SECRET: Digest = Digest([3; 32]);
const WINDOW: u64 = 2048;
/// What every message may cost, however short it is.
const PER_MESSAGE: u64 = 32;
/// One unit for each digest that it carries would be 1/32 for a byte; a digest is looked up a few times.
const BYTES_PER_UNIT: u64 = 8;
/// What the answers to a peer may cost within 50 ms: a mebibyte.
const ANSWERS: u64 = (1 << 20) / 32;

/// n2 of four, and n4, which does all it can.
struct Victim {
    now: Time,
    replica: Replica<Pbft, SmallBank>,
    verifier: Verifier,
    outputs: Vec<Output<Message>>,
}

fn realm() -> Realm {
    Realm { cluster: Digest::of("work", &[]), epoch: 0, protocol: ProtocolName::Pbft }
}

fn signer(id: u8) -> Signer {
    Signer::tags(Author::Replica(ReplicaId(id)), realm(), SECRET)
}

const SENDER: u8 = 3;

impl Victim {
    fn new() -> Victim {
        let committee = Committee::new(4).unwrap();
        let settings = Settings {
            window_slots: WINDOW,
            checkpoint_interval_slots: WINDOW / 2,
            accounts: 100_000,
            ..Settings::default()
        };
        settings.check(committee).unwrap();
        let app = SmallBank::new(settings.accounts, 100, 100);
        let replica = Replica::new(ReplicaId(1), committee, &settings, app);
        let verifier = Verifier::tags(realm(), committee, 1, SECRET);
        let mut victim = Victim { now: Time(1_000_000), replica, verifier, outputs: Vec::new() };
        victim.replica.handle(victim.now, Input::Start { has_lost_log: false }, &mut victim.outputs);
        victim
    }

    /// Whose window is full of proposals of view 0.
    fn with_full_window() -> Victim {
        let mut victim = Victim::new();
        for seq in 1..=WINDOW {
            victim.hear(0, pre_prepare(0, 0, seq, &[seq]));
        }
        victim
    }

    /// Hears a message; gives what that cost, and how long the message was.
    fn hear(&mut self, from: u8, message: PeerMessage<Message>) -> (u64, u64) {
        self.outputs.clear();
        let bytes = wire::encode(&message).len() as u64;
        let verified = Verified::check(message, Author::Replica(ReplicaId(from)), &self.verifier).unwrap();
        let before = self.replica.work().units();
        self.replica.handle(self.now, Input::Peer(ReplicaId(from), verified), &mut self.outputs);
        (self.replica.work().units() - before, bytes)
    }

    /// Hears a message that may cost no more than its length allows.
    fn hear_cheaply(&mut self, from: u8, message: PeerMessage<Message>) {
        let name = message.name();
        let (work, bytes) = self.hear(from, message);
        assert!(work <= PER_MESSAGE + bytes / BYTES_PER_UNIT, "{work} units for a {name} of {bytes} bytes");
    }

    fn answers(&self) -> impl Iterator<Item = &PeerMessage<Message>> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Send(Recipients::One(ReplicaId(SENDER)), message) => Some(message),
            _ => None,
        })
    }
}

fn batch(content: &[u64]) -> Batch {
    Batch { submissions: content.iter().map(|word| Digest::of("submission", &[&word.to_le_bytes()])).collect() }
}

fn pre_prepare(primary: u8, view: u64, seq: u64, content: &[u64]) -> PeerMessage<Message> {
    let batch = batch(content);
    let digest = batch.digest();
    let body = PrePrepare { view: View(view), seq: SeqNum(seq), digest, primary: ReplicaId(primary), batch };
    PeerMessage::Protocol(Message::PrePrepare(Signed::by(&signer(primary), body)))
}

#[test]
fn batches_that_were_not_asked_for_cost_what_hashing_them_costs() {
    let mut victim = Victim::with_full_window();
    let content: Vec<u64> = (0..1024).collect();
    for batches in [vec![], vec![batch(&[1])], vec![batch(&[7, 8])], vec![batch(&content); 8]] {
        victim.hear_cheaply(SENDER, PeerMessage::Protocol(Message::Batches(batches)));
        assert!(victim.outputs.is_empty());
    }
}

#[test]
fn view_changes_for_ever_higher_views_cost_what_they_show() {
    let mut victim = Victim::with_full_window();
    for view in 1..200 {
        let stable = CheckpointCertificate::genesis();
        let body = ViewChange { view: View(view), replica: ReplicaId(SENDER), stable, shown: Vec::new() };
        let message = Message::ViewChange(Signed::by(&signer(SENDER), body));
        victim.hear_cheaply(SENDER, PeerMessage::Protocol(message));
    }
}

#[test]
fn a_header_of_a_later_view_beyond_the_window_costs_what_it_carries() {
    let mut victim = Victim::new();
    let content: Vec<u64> = (0..1024).collect();
    for seq in 1..40 {
        let other: Vec<u64> = content.iter().map(|word| word + 10_000 * seq).collect();
        let message = pre_prepare(SENDER, 3, 100_000 + seq, &other);
        victim.hear_cheaply(SENDER, message.clone());
        victim.hear_cheaply(SENDER, message);
    }
}

#[test]
fn batches_are_told_once_in_a_request_and_a_mebibyte_at_a_time() {
    let mut victim = Victim::new();
    let contents: Vec<Vec<u64>> = (0..64).map(|seq| (seq * 2000..seq * 2000 + 1024).collect()).collect();
    for (seq, content) in (1..).zip(&contents) {
        victim.hear(0, pre_prepare(0, 0, seq, content));
    }
    let one = batch(&contents[0]).digest();
    let (work, _) = victim.hear(SENDER, PeerMessage::Protocol(Message::FetchBatches(vec![one; 1000])));
    assert!(work < 1000 + 1100, "{work}");
    let told = |victim: &Victim| victim.answers().map(|answer| wire::encode(answer).len()).sum::<usize>();
    assert!(told(&victim) < 33 << 10);
    let all: Vec<Digest> = contents.iter().map(|content| batch(content).digest()).collect();
    let request = PeerMessage::Protocol(Message::FetchBatches(all));
    let (mut work, mut bytes) = (0, 0);
    for _ in 0..100 {
        work += victim.hear(SENDER, request.clone()).0;
        bytes += told(&victim);
    }
    assert!(work <= ANSWERS + 100 * (PER_MESSAGE + 64), "{work}");
    assert!((900 << 10..=1 << 20).contains(&bytes), "what the bound allows is told: {bytes}");
    victim.now = victim.now.after(Micros::from_millis(50));
    victim.hear(SENDER, request);
    assert!(told(&victim) > 900 << 10, "and again after the pause");
}

#[test]
fn bodies_are_told_once_in_a_request_and_a_mebibyte_at_a_time() {
    let mut victim = Victim::new();
    let client = Signer::tags(Author::Client(ClientId(0)), realm(), SECRET);
    let operation = Operation::Balance { account: Account(1) };
    let mut digests = Vec::new();
    for index in 0..200 {
        let session = Session { client: ClientId(0), index };
        let operations = encode_operations(&[operation; 1000]);
        let body = Submission { session, timestamp: Timestamp(1), operations };
        digests.push(body.digest());
        let submission = Verified::check(Signed::by(&client, body), Author::Client(ClientId(0)), &victim.verifier);
        victim.replica.handle(victim.now, Input::Client(submission.unwrap()), &mut victim.outputs);
    }
    let told = |victim: &Victim| victim.answers().map(|answer| wire::encode(answer).len()).sum::<usize>();
    victim.hear(SENDER, PeerMessage::FetchBodies(vec![digests[0]; 1000]));
    assert!((1..20_000).contains(&told(&victim)), "{}", told(&victim));
    let mut bytes = 0;
    for _ in 0..100 {
        victim.hear(SENDER, PeerMessage::FetchBodies(digests.clone()));
        bytes += told(&victim);
    }
    assert!((100 << 10..=1 << 20).contains(&bytes), "{bytes}");
}

/// A primary proposes what nobody has, and gives it away body by body.
#[test]
fn bodies_that_come_one_by_one_are_looked_up_and_slots_are_not_searched_for_them() {
    let client = Signer::tags(Author::Client(ClientId(0)), realm(), SECRET);
    let submission = |index: u16| {
        let session = Session { client: ClientId(0), index };
        let operations = encode_operations(&[Operation::Balance { account: Account(1) }]);
        Signed::by(&client, Submission { session, timestamp: Timestamp(1), operations })
    };
    let mut victim = Victim::new();
    let (slots, batch_len) = (40, 24);
    for slot in 0..slots {
        let submissions = (0..batch_len).map(|i| submission(slot * batch_len + i).body.digest()).collect();
        let batch = Batch { submissions };
        let (digest, seq) = (batch.digest(), SeqNum(u64::from(slot) + 1));
        let body = PrePrepare { view: View(0), seq, digest, primary: ReplicaId(0), batch };
        victim.hear(0, PeerMessage::Protocol(Message::PrePrepare(Signed::by(&signer(0), body))));
    }
    let mut prepares = 0;
    for index in 0..slots * batch_len {
        victim.hear_cheaply(SENDER, PeerMessage::Bodies(vec![submission(index)]));
        let is_prepare = |output: &&Output<Message>| matches!(output, Output::Send(_, m) if m.name() == "prepare");
        prepares += victim.outputs.iter().filter(is_prepare).count();
    }
    assert_eq!(prepares, usize::from(slots), "each slot is voted for once it is complete");
}
