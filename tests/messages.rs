//! What is refused at the door, before any state is looked at: rules 2 to 5, 11 and 12.

use byztop_core::attack::Forge as _;
use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Check as _, Kind, Realm, Signable as _, Signature, Signed, Signer, Verifier};
use byztop_core::evidence::{Proof, Rule};
use byztop_core::linear;
use byztop_core::pbft::{self, Message, ViewChange};
use byztop_core::protocol::{Batch, Certificate, CheckpointCertificate, Claim, Message as _, Settings};
use byztop_core::rejection::{CertificateFault, Rejection};
use byztop_core::replica::PeerMessage;
use byztop_core::types::{Digest, ProtocolName, ReplicaId, SeqNum, View};
use byztop_core::views::form::Form;
use byztop_core::views::message::{
    Commit, CommittedHistory, CommittedSlot, ForcedProposal, NewView, Origin, PrePrepare, Prepare, PreparedCertificate,
};
use byztop_core::{views, wire};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

const SECRET: Digest = Digest([3; 32]);

fn realm() -> Realm {
    Realm { cluster: Digest::of("messages", &[]), epoch: 0, protocol: ProtocolName::Pbft }
}

fn verifier() -> Verifier {
    Verifier::tags(realm(), Committee::new(4).unwrap(), 1, SECRET)
}

fn replica(id: u8) -> Author {
    Author::Replica(ReplicaId(id))
}

fn signer(id: u8) -> Signer {
    Signer::tags(replica(id), realm(), SECRET)
}

fn batch(content: u8) -> Batch {
    Batch { submissions: vec![Digest([content; 32])] }
}

fn pre_prepare(view: u64, seq: u64, primary: u8, batch: Batch) -> Signed<PrePrepare> {
    let digest = batch.digest();
    let body = PrePrepare { view: View(view), seq: SeqNum(seq), digest, primary: ReplicaId(primary), batch };
    Signed::by(&signer(primary), body)
}

fn header(view: u64, seq: u64, digest: Digest, primary: u8) -> Signature {
    signer(primary).sign(&Origin::OwnAccord.header(View(view), SeqNum(seq), digest, ReplicaId(primary)))
}

fn prepare(view: u64, seq: u64, digest: Digest, id: u8, header: Signature) -> Signed<Prepare> {
    let body = Prepare {
        view: View(view),
        seq: SeqNum(seq),
        digest,
        replica: ReplicaId(id),
        origin: Origin::OwnAccord,
        header,
    };
    Signed::by(&signer(id), body)
}

/// A certificate that view 0's backups prepared a batch.
fn prepared(seq: u64, content: u8, voters: &[u8]) -> PreparedCertificate {
    let digest = batch(content).digest();
    let header = header(0, seq, digest, 0);
    let signatures = voters.iter().map(|id| (ReplicaId(*id), prepare(0, seq, digest, *id, header).signature)).collect();
    let prepares = Certificate { kind: Kind::Prepare, view: View(0), seq: SeqNum(seq), digest, signatures };
    PreparedCertificate { origin: Origin::OwnAccord, header, prepares }
}

fn view_change(id: u8, prepared: Vec<PreparedCertificate>) -> Signed<ViewChange> {
    let stable = CheckpointCertificate::genesis();
    Signed::by(&signer(id), ViewChange { view: View(1), replica: ReplicaId(id), stable, shown: prepared })
}

/// View 1's primary is n2; it begins the view with these entries.
fn new_view(view_changes: Vec<Signed<ViewChange>>, entries: &[(u64, Digest)]) -> Message {
    let blank = |(seq, digest): &(u64, Digest)| ForcedProposal {
        seq: SeqNum(*seq),
        digest: *digest,
        signature: Signature::BLANK,
    };
    let forced = entries.iter().map(blank).collect();
    let body = NewView { view: View(1), primary: ReplicaId(1), view_changes, forced };
    let mut message = Message::NewView(Signed::unsigned(body));
    message.fill_signatures(&signer(1));
    message
}

fn check(message: &Message, sender: u8) -> Result<(), Rejection> {
    message.check(replica(sender), &verifier())
}

#[test]
fn rule_2_a_prepare_from_the_primary_is_refused() {
    let digest = batch(1).digest();
    let header = header(0, 1, digest, 0);
    assert_eq!(check(&Message::Prepare(prepare(0, 1, digest, 0, header)), 0), Err(Rejection::PrepareFromPrimary));
    assert_eq!(check(&Message::Prepare(prepare(0, 1, digest, 1, header)), 1), Ok(()));
}

#[test]
fn rule_3_the_signer_is_the_claimed_sender_is_the_peer() {
    let commit = Commit { view: View(0), seq: SeqNum(1), digest: Digest::ZERO, replica: ReplicaId(2) };
    let honest = Message::Commit(Signed::by(&signer(2), commit));
    assert_eq!(check(&honest, 2), Ok(()));
    assert_eq!(check(&honest, 3), Err(Rejection::NotTheSender { claimed: ReplicaId(2) }));
    assert!(honest.check(Author::Client(byztop_core::types::ClientId(0)), &verifier()).is_err());
}

#[test]
fn rule_4_a_prepares_signature_is_not_a_commits() {
    let digest = batch(1).digest();
    let signature = prepare(0, 1, digest, 2, header(0, 1, digest, 0)).signature;
    let body = Commit { view: View(0), seq: SeqNum(1), digest, replica: ReplicaId(2) };
    assert_eq!(check(&Message::Commit(Signed { body, signature }), 2), Err(Rejection::BadSignature));
}

#[test]
fn rule_5_a_prepare_must_carry_the_primarys_header() {
    let digest = batch(1).digest();
    let forged = header(0, 1, digest, 0).spoiled();
    assert_eq!(check(&Message::Prepare(prepare(0, 1, digest, 2, forged)), 2), Err(Rejection::BadSignature));
    let of_another_slot = header(0, 2, digest, 0);
    assert_eq!(check(&Message::Prepare(prepare(0, 1, digest, 2, of_another_slot)), 2), Err(Rejection::BadSignature));
}

#[test]
fn a_proposal_comes_from_the_primary_and_its_digest_is_the_batchs() {
    assert_eq!(check(&Message::PrePrepare(pre_prepare(0, 1, 0, batch(1))), 0), Ok(()));
    assert_eq!(check(&Message::PrePrepare(pre_prepare(0, 1, 1, batch(1))), 1), Err(Rejection::NotThePrimary(View(0))));
    let mut swapped = pre_prepare(0, 1, 0, batch(1));
    swapped.body.batch = batch(2);
    assert_eq!(check(&Message::PrePrepare(swapped), 0), Err(Rejection::MalformedBatch));
    let twice = Batch { submissions: vec![Digest([1; 32]), Digest([1; 32])] };
    assert_eq!(check(&Message::PrePrepare(pre_prepare(0, 1, 0, twice)), 0), Err(Rejection::MalformedBatch));
}

#[test]
fn rule_11_every_part_of_a_view_change_is_verified() {
    let check = |prepared| check(&Message::ViewChange(view_change(3, prepared)), 3);
    assert_eq!(check(vec![prepared(1, 1, &[1, 2])]), Ok(()));
    let fault = |fault| Err(Rejection::BadCertificate(fault));
    assert_eq!(check(vec![prepared(1, 1, &[1])]), fault(CertificateFault::TooFew));
    assert_eq!(check(vec![prepared(1, 1, &[1, 1])]), fault(CertificateFault::Unordered));
    assert_eq!(check(vec![prepared(1, 1, &[0, 1])]), fault(CertificateFault::NoVote), "the primary prepares nothing");
    assert_eq!(check(vec![prepared(2, 1, &[1, 2]), prepared(1, 1, &[1, 2])]), fault(CertificateFault::Unordered));
    let mut forged = prepared(1, 1, &[1, 2]);
    forged.prepares.signatures[1].1 = forged.prepares.signatures[1].1.spoiled();
    assert_eq!(check(vec![forged]), Err(Rejection::BadSignature), "one bad signature rejects it all");
    let mut other = prepared(1, 1, &[1, 2]);
    other.prepares.digest = Digest::ZERO;
    assert_eq!(check(vec![other]), Err(Rejection::BadSignature));
}

#[test]
fn rule_12_a_new_view_whose_o_differs_by_one_entry_is_evidence() {
    let changes =
        || vec![view_change(0, vec![]), view_change(2, vec![prepared(2, 7, &[1, 2])]), view_change(3, vec![])];
    let digest = batch(7).digest();
    let honest = new_view(changes(), &[(1, Digest::ZERO), (2, digest)]);
    assert_eq!((check(&honest, 1), honest.incriminates(verifier().committee())), (Ok(()), None));
    for wrong in [vec![(1, Digest::ZERO)], vec![(1, digest), (2, digest)], vec![(1, Digest::ZERO), (2, Digest::ZERO)]] {
        let lie = new_view(changes(), &wrong);
        assert_eq!(
            (check(&lie, 1), lie.incriminates(verifier().committee())),
            (Ok(()), Some(ReplicaId(1))),
            "{wrong:?}"
        );
        let verdict = Proof::SelfIncriminating(Box::new(lie)).verify(&verifier()).unwrap();
        assert_eq!((verdict.accused, verdict.rule), (ReplicaId(1), Rule::UnjustifiedNewView));
    }
    assert_eq!(
        Proof::SelfIncriminating(Box::new(honest)).verify(&verifier()),
        Err(Rejection::BadProof),
        "an honest new view proves nothing"
    );
}

/// Nobody needs a key to claim this: whoever looks at it must not make room for every slot in between.
#[test]
fn rule_12_a_new_view_about_slots_far_apart_costs_nothing() {
    let lie = new_view(vec![view_change(0, vec![prepared(u64::MAX, 7, &[])])], &[]);
    assert_eq!(lie.incriminates(verifier().committee()), Some(ReplicaId(1)));
    let proof = Proof::SelfIncriminating(Box::new(lie));
    assert_eq!(proof.verify(&verifier()), Err(Rejection::BadCertificate(CertificateFault::TooFew)));
}

#[test]
fn rule_12_a_forged_new_view_is_refused_or_convicts_or_contradicts_the_true_one() {
    let changes = vec![view_change(0, vec![]), view_change(1, vec![prepared(2, 7, &[1, 2])]), view_change(2, vec![])];
    let honest = new_view(changes, &[(1, Digest::ZERO), (2, batch(7).digest())]);
    assert_eq!((check(&honest, 1), honest.incriminates(verifier().committee())), (Ok(()), None));
    let (mut refused, mut convicting, mut contradicting) = (0, 0, 0);
    for seed in 0..200 {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut forged =
            honest.forge_new_view(verifier().committee(), &mut dice, &signer(1)).expect("it is the primary's own");
        forged.fill_signatures(&signer(1));
        match (check(&forged, 1), forged.incriminates(verifier().committee())) {
            (Err(why), _) => {
                refused += 1;
                assert_eq!(why, Rejection::BadCertificate(CertificateFault::TooFew), "seed {seed}");
            }
            (Ok(()), Some(accused)) => {
                convicting += 1;
                assert_eq!(accused, ReplicaId(1));
            }
            (Ok(()), None) => {
                contradicting += 1;
                let committee = verifier().committee();
                let [first, second] = [&honest, &forged].map(|message| message.claims(committee).remove(0));
                let verdict = Proof::<Message>::Contradiction(first, second).verify(&verifier()).unwrap();
                assert_eq!((verdict.accused, verdict.rule), (ReplicaId(1), Rule::TwoNewViews));
            }
        }
    }
    assert!(refused > 5 && convicting > 5 && contradicting > 5, "{refused}, {convicting}, {contradicting}");
    let mut dice = ChaCha8Rng::seed_from_u64(0);
    assert_eq!(honest.forge_new_view(verifier().committee(), &mut dice, &signer(2)), None, "nobody has another's key");
}

#[test]
fn a_forged_view_change_is_signed_and_says_something_else() {
    let honest = Message::ViewChange(view_change(3, vec![prepared(1, 7, &[1, 2]), prepared(2, 8, &[1, 2])]));
    let mut said = Vec::new();
    for seed in 0..100 {
        let (committee, mut dice) = (verifier().committee(), ChaCha8Rng::seed_from_u64(seed));
        let mut forged = honest.forge_view_change(committee, &mut dice, &signer(3)).expect("it is one");
        forged.fill_signatures(&signer(3));
        assert_eq!(check(&forged, 3), Ok(()), "seed {seed}: another history is no fault that can be seen");
        if forged != honest && !said.contains(&forged) {
            said.push(forged);
        }
    }
    assert!(said.len() >= 4, "nothing, one half, the other half, and a later view: {}", said.len());
}

#[test]
fn a_new_view_needs_a_quorum_of_distinct_view_changes() {
    let fault = |fault| Err(Rejection::BadCertificate(fault));
    let few = new_view(vec![view_change(0, vec![]), view_change(2, vec![])], &[]);
    assert_eq!(check(&few, 1), fault(CertificateFault::TooFew));
    let twice = new_view(vec![view_change(0, vec![]), view_change(2, vec![]), view_change(2, vec![])], &[]);
    assert_eq!(check(&twice, 1), fault(CertificateFault::Unordered));
}

fn claim(signed: &Signed<PrePrepare>) -> Claim {
    Claim { statement: signed.body.statement(), signature: signed.signature, batch: Some(signed.body.batch.clone()) }
}

#[test]
fn rule_8_one_submission_at_two_slots_of_a_view_is_a_proof_and_what_honest_primaries_do_is_none() {
    let proof = |a: &Signed<PrePrepare>, b: &Signed<PrePrepare>| {
        Proof::<Message>::DoubleAssignment(claim(a), claim(b)).verify(&verifier())
    };
    let first = pre_prepare(0, 1, 0, batch(1));
    let moved = pre_prepare(0, 10_001, 0, batch(1));
    let verdict = proof(&first, &moved).unwrap();
    assert_eq!((verdict.accused, verdict.rule, verdict.view), (ReplicaId(0), Rule::TwoSlots, View(0)));
    assert_eq!(proof(&first, &pre_prepare(0, 2, 0, batch(2))), Err(Rejection::BadProof));
    assert_eq!(proof(&first, &first), Err(Rejection::BadProof), "a repetition");
    assert_eq!(proof(&first, &pre_prepare(4, 1, 0, batch(1))), Err(Rejection::BadProof), "another view");
    let null = |seq| pre_prepare(0, seq, 0, Batch::default());
    assert_eq!(proof(&null(1), &null(2)), Err(Rejection::BadProof), "null requests repeat");
    let mut forged = moved.clone();
    forged.signature = forged.signature.spoiled();
    assert_eq!(proof(&first, &forged), Err(Rejection::BadSignature), "a forged part proves nothing");
}

#[test]
fn two_votes_for_one_slot_are_a_proof_and_votes_of_two_views_are_none() {
    let vote = |view: u64, content: u8| {
        let body = Commit { view: View(view), seq: SeqNum(1), digest: batch(content).digest(), replica: ReplicaId(2) };
        let signed = Signed::by(&signer(2), body);
        Claim { statement: signed.body.statement(), signature: signed.signature, batch: None }
    };
    let proof = |a, b| Proof::<Message>::Contradiction(a, b).verify(&verifier());
    assert_eq!(proof(vote(0, 1), vote(0, 2)).unwrap().rule, Rule::TwoVotes);
    assert_eq!(proof(vote(0, 1), vote(1, 2)), Err(Rejection::BadProof));
    assert_eq!(proof(vote(0, 1), vote(0, 1)), Err(Rejection::BadProof));
}

#[test]
fn messages_decode_to_themselves_and_mutations_never_panic() {
    let changes = vec![view_change(0, vec![]), view_change(2, vec![prepared(1, 7, &[1, 2])]), view_change(3, vec![])];
    let message = new_view(changes, &[(1, batch(7).digest())]);
    let bytes = wire::encode(&message);
    assert_eq!(wire::decode::<Message>(&bytes, wire::MAX_MESSAGE_BYTES).as_ref(), Ok(&message));
    for i in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut mutated = bytes.clone();
            mutated[i] ^= flip;
            if let Ok(other) = wire::decode::<Message>(&mutated, wire::MAX_MESSAGE_BYTES) {
                assert_ne!(other, message);
                assert!(check(&other, 1).is_err(), "byte {i} is not covered by any signature");
            }
        }
        assert!(wire::decode::<Message>(&bytes[..i], wire::MAX_MESSAGE_BYTES).is_err());
    }
}

/// A NEW-VIEW as long as it can get: every number and every certificate is.
fn largest_new_view<F: Form>(
    committee: Committee,
    window_slots: u64,
    shown: impl Fn(SeqNum) -> F::Shown,
) -> views::message::Message<F> {
    let (view, most) = (View(u64::MAX), u64::MAX);
    let slots = || (most - window_slots + 1..=most).map(SeqNum);
    let stable = CheckpointCertificate::new(SeqNum(most), Digest([9; 32]), signed_by(committee.members()));
    let view_changes = committee.members().take(committee.quorum()).map(|replica| {
        let body =
            views::message::ViewChange { view, replica, stable: stable.clone(), shown: slots().map(&shown).collect() };
        Signed { body, signature: Signature::BLANK }
    });
    let forced = slots().map(|seq| ForcedProposal { seq, digest: Digest([9; 32]), signature: Signature::BLANK });
    let body = views::message::NewView {
        view,
        primary: ReplicaId(0),
        view_changes: view_changes.collect(),
        forced: forced.collect(),
    };
    views::message::Message::NewView(Signed { body, signature: Signature::BLANK })
}

fn signed_by(signers: impl Iterator<Item = ReplicaId>) -> Vec<(ReplicaId, Signature)> {
    signers.map(|signer| (signer, Signature::BLANK)).collect()
}

fn largest_prepared(committee: Committee, seq: SeqNum) -> PreparedCertificate {
    let signatures = signed_by(committee.members().skip(1));
    let digest = Digest([9; 32]);
    let prepares = Certificate { kind: Kind::Prepare, view: View(u64::MAX), seq, digest, signatures };
    PreparedCertificate { origin: Origin::NewView, header: Signature::BLANK, prepares }
}

#[test]
fn the_largest_new_view_is_no_longer_than_the_settings_say() {
    for (replicas, window_slots) in [(1, 2), (4, 6), (7, 256), (10, 40), (31, 24), (100, 6), (100, 36)] {
        let committee = Committee::new(replicas).unwrap();
        let settings = Settings { window_slots, ..Settings::default() };
        let most = settings.max_new_view_bytes(committee);
        let classic =
            largest_new_view::<pbft::Classic>(committee, window_slots, |seq| largest_prepared(committee, seq));
        let linear = largest_new_view::<linear::Linear>(committee, window_slots, |seq| linear::Shown {
            prepared: Some(largest_prepared(committee, seq)),
            voted: Some(linear::Vote {
                view: View(u64::MAX),
                seq,
                digest: Digest([9; 32]),
                origin: Origin::NewView,
                header: Signature::BLANK,
                prepare: Some(Signature::BLANK),
            }),
        });
        let classic = wire::encode(&PeerMessage::Protocol(classic)).len();
        let linear = wire::encode(&PeerMessage::Protocol(linear)).len();
        assert!(classic <= most && linear <= most, "n={replicas} L={window_slots}: {classic}, {linear} of {most}");
        assert!(most - linear <= most / 4, "n={replicas} L={window_slots}: {most} is far more than {linear}");
    }
}

#[test]
fn the_largest_answer_with_decided_slots_fits_into_a_message() {
    let committee = Committee::new(Committee::MAX_REPLICAS).unwrap();
    let signatures = signed_by(committee.members());
    let certificate = Certificate {
        kind: Kind::Commit,
        view: View(u64::MAX),
        seq: SeqNum(u64::MAX),
        digest: Digest([9; 32]),
        signatures,
    };
    let batch = Batch { submissions: vec![Digest([9; 32]); Batch::MAX_SUBMISSIONS] };
    let slot = CommittedSlot { decision: certificate.clone(), batch };
    let history: CommittedHistory<pbft::Classic> = CommittedHistory {
        stable: CheckpointCertificate::new(SeqNum(u64::MAX), Digest([9; 32]), signed_by(committee.members())),
        newest: Some(certificate),
        slots: vec![slot; CommittedHistory::<pbft::Classic>::MAX_SLOTS],
    };
    let bytes = wire::encode(&PeerMessage::Protocol(Message::Committed(history))).len();
    assert!(bytes <= wire::MAX_MESSAGE_BYTES, "{bytes}");
}
