//! Every vote inside a certificate is a claim of its voter: two certificates that contradict each other convict whoever
//! signed both, whatever message they travel in.

use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Kind, Realm, Signature, Signed, Signer, Statement, Verified, Verifier};
use byztop_core::evidence::{Auditor, Finding};
use byztop_core::linear::{self, Count, Decision, Linear, Shown, Vote};
use byztop_core::pbft::{self, Classic};
use byztop_core::protocol::{Batch, Certificate, CheckpointCertificate, Message as _};
use byztop_core::replica::{PeerMessage, StatePart};
use byztop_core::types::{Digest, ProtocolName, ReplicaId, SeqNum, View};
use byztop_core::views::form::Form;
use byztop_core::views::message::{
    CommittedHistory, CommittedSlot, Message, NewView, Origin, PreparedCertificate, ViewChange,
};

const SECRET: Digest = Digest([3; 32]);
const SEQ: SeqNum = SeqNum(1);

fn realm() -> Realm {
    Realm { cluster: Digest::of("certificates", &[]), epoch: 0, protocol: ProtocolName::Pbft }
}

fn committee() -> Committee {
    Committee::new(7).unwrap()
}

fn sign(statement: Statement) -> Signature {
    Signer::tags(statement.author, realm(), SECRET).sign(&statement)
}

fn batch(content: u8) -> Batch {
    Batch { submissions: vec![Digest([content; 32])] }
}

fn certificate(kind: Kind, content: u8, voters: &[u8]) -> Certificate {
    let digest = batch(content).digest();
    let of = |voter: &u8| {
        let voter = ReplicaId(*voter);
        (voter, sign(Statement::by_replica(kind, View(0), SEQ, digest, voter)))
    };
    Certificate { kind, view: View(0), seq: SEQ, digest, signatures: voters.iter().map(of).collect() }
}

/// n1's header, answered by these backups.
fn prepared(content: u8, backups: &[u8]) -> PreparedCertificate {
    let header = Origin::OwnAccord.header(View(0), SEQ, batch(content).digest(), ReplicaId(0));
    PreparedCertificate {
        origin: Origin::OwnAccord,
        header: sign(header),
        prepares: certificate(Kind::Prepare, content, backups),
    }
}

fn checkpoint(content: u8, voters: &[u8]) -> CheckpointCertificate {
    let signatures = certificate(Kind::Checkpoint, content, voters).signatures;
    CheckpointCertificate::new(SEQ, batch(content).digest(), signatures)
}

fn view_change<F: Form>(stable: CheckpointCertificate, shown: Vec<F::Shown>) -> Signed<ViewChange<F>> {
    let body = ViewChange { view: View(1), replica: ReplicaId(6), stable, shown };
    Signed::by(&Signer::tags(Author::Replica(ReplicaId(6)), realm(), SECRET), body)
}

fn new_view<F: Form>(shown: F::Shown) -> Message<F> {
    // The auditor looks at messages that are verified: who else asks, and what follows, is not the point here.
    let view_changes = vec![view_change(CheckpointCertificate::genesis(), vec![shown])];
    let forced = byztop_core::views::new_view::forced(view_changes.iter().map(|signed| &signed.body), committee());
    let entry =
        |(seq, digest)| byztop_core::views::message::ForcedProposal { seq, digest, signature: Signature::BLANK };
    let forced = forced.slots.into_iter().map(entry).collect();
    let body = NewView { view: View(1), primary: ReplicaId(1), view_changes, forced };
    let mut message = Message::NewView(Signed::unsigned(body));
    message.fill_signatures(&Signer::tags(Author::Replica(ReplicaId(1)), realm(), SECRET));
    message
}

/// Who is convicted by the second of two messages, which speak of different batches.
fn convicted<M: byztop_core::protocol::Message>(message: impl Fn(u8) -> PeerMessage<M>) -> Vec<ReplicaId> {
    let mut auditor = Auditor::new(ReplicaId(5), committee(), 8);
    let mut hear =
        |content| -> Vec<Finding<M>> { auditor.remember_all(ReplicaId(6), message(content).claims(committee())) };
    assert!(hear(1).is_empty(), "one story alone convicts nobody");
    let verifier = Verifier::tags(realm(), committee(), 1, SECRET);
    let verdict = |finding: &Finding<M>| finding.proof.verify(&verifier).expect("a stranger can check it").accused;
    let accused: std::collections::BTreeSet<ReplicaId> = hear(2).iter().map(verdict).collect();
    accused.into_iter().collect()
}

/// The voters of the two stories: n3 and n4 stand in both.
fn voters(content: u8) -> &'static [u8] {
    if content == 1 { &[1, 2, 3, 4] } else { &[2, 3, 5, 6] }
}

fn convicts<F: Form>(what: &str, expected: &[u8], message: impl Fn(u8) -> Message<F>) {
    let expected: Vec<ReplicaId> = expected.iter().copied().map(ReplicaId).collect();
    let found = convicted(|content| PeerMessage::Protocol(message(content)));
    assert_eq!(found, expected, "{what} under {}", F::NAME);
}

fn history<F: Form>(decision: F::Decision, stable: CheckpointCertificate) -> Message<F> {
    Message::Committed(CommittedHistory { stable, newest: Some(decision), slots: Vec::new() })
}

#[test]
fn rule_5_two_conflicting_certificates_convict_those_who_signed_both() {
    let genesis = CheckpointCertificate::genesis;
    let commits = |content| certificate(Kind::Commit, content, voters(content));
    let slots = |content| vec![CommittedSlot { decision: commits(content), batch: batch(content) }];
    convicts::<Classic>("COMMITTED's newest slot", &[2, 3], |content| history(commits(content), genesis()));
    convicts::<Classic>("COMMITTED's slots", &[2, 3], |content| {
        Message::Committed(CommittedHistory { stable: genesis(), newest: None, slots: slots(content) })
    });
    convicts::<Classic>("COMMITTED's checkpoint", &[2, 3], |content| {
        let stable = checkpoint(content, voters(content));
        Message::Committed(CommittedHistory { stable, newest: None, slots: Vec::new() })
    });
    // The header's author proposed both.
    convicts::<Classic>("VIEW-CHANGE's P", &[0, 2, 3], |content| {
        Message::ViewChange(view_change(genesis(), vec![prepared(content, voters(content))]))
    });
    convicts::<Classic>("VIEW-CHANGE's C", &[2, 3], |content| {
        Message::ViewChange(view_change(checkpoint(content, voters(content)), Vec::new()))
    });
    convicts::<Classic>("NEW-VIEW's V", &[0, 1, 2, 3], |content| new_view(prepared(content, voters(content))));
    let certified = |content| Shown { prepared: Some(prepared(content, voters(content))), voted: None };
    convicts::<Linear>("a certificate of PREPAREs", &[0, 2, 3], |content| {
        Message::Count(Count::Prepared(prepared(content, voters(content))))
    });
    convicts::<Linear>("a certificate of the fast path", &[0, 2, 3], |content| {
        Message::Count(Count::Decided(Decision::Fast(prepared(content, voters(content)))))
    });
    convicts::<Linear>("a certificate of COMMITs", &[2, 3], |content| {
        Message::Count(Count::Decided(Decision::Committed(commits(content))))
    });
    convicts::<Linear>("COMMITTED of the fast path", &[0, 2, 3], |content| {
        history(Decision::Fast(prepared(content, voters(content))), genesis())
    });
    convicts::<Linear>("VIEW-CHANGE's certificate", &[0, 2, 3], |content| {
        Message::ViewChange(view_change(genesis(), vec![certified(content)]))
    });
    convicts::<Linear>("NEW-VIEW's V", &[0, 1, 2, 3], |content| new_view(certified(content)));
    // The vote in a VIEW-CHANGE is its sender's.
    convicts::<Linear>("VIEW-CHANGE's vote", &[0, 6], |content| {
        let digest = batch(content).digest();
        let header = sign(Origin::OwnAccord.header(View(0), SEQ, digest, ReplicaId(0)));
        let prepare = sign(Statement::by_replica(Kind::Prepare, View(0), SEQ, digest, ReplicaId(6)));
        let vote = Vote { view: View(0), seq: SEQ, digest, origin: Origin::OwnAccord, header, prepare: Some(prepare) };
        Message::ViewChange(view_change(genesis(), vec![Shown { prepared: None, voted: Some(vote) }]))
    });
    let newer = convicted(|content| {
        PeerMessage::<pbft::Message>::StatePart(StatePart::Newer(checkpoint(content, voters(content))))
    });
    assert_eq!(newer, [ReplicaId(2), ReplicaId(3)], "the certificate of a newer state");
}

/// What is verified and not a claim would be a lie that nobody can be held to.
#[test]
fn every_statement_of_a_replica_that_is_verified_is_a_claim() {
    fn check<F: Form>(message: Message<F>) {
        let message = PeerMessage::Protocol(message);
        let verifier = Verifier::tags(realm(), committee(), 1, SECRET);
        let sender = Author::Replica(ReplicaId(6));
        let (verdict, witnessed) = verifier.witnessed(|verifier| Verified::check(message.clone(), sender, verifier));
        assert!(verdict.is_ok(), "{}: {verdict:?}", message.name());
        let claims: Vec<Statement> = message.claims(committee()).into_iter().map(|claim| claim.statement).collect();
        assert!(!claims.is_empty(), "{}", message.name());
        let missing = witnessed.iter().find(|said| said.kind != Kind::ViewChange && !claims.contains(said));
        assert_eq!(missing, None, "{} under {}", message.name(), F::NAME);
    }
    let genesis = CheckpointCertificate::genesis;
    let (backups, quorum, all) = (&[1, 2, 3, 4][..], &[1, 2, 3, 4, 5][..], &[1, 2, 3, 4, 5, 6][..]);
    check::<Classic>(history(certificate(Kind::Commit, 1, quorum), checkpoint(1, quorum)));
    check::<Classic>(Message::ViewChange(view_change(genesis(), vec![prepared(1, backups)])));
    check::<Linear>(Message::Count(Count::Prepared(prepared(1, backups))));
    check::<Linear>(Message::Count(Count::Decided(Decision::Fast(prepared(1, all)))));
    check::<Linear>(Message::Count(Count::Decided(Decision::Committed(certificate(Kind::Commit, 1, quorum)))));
    check::<Linear>(history(Decision::Fast(prepared(1, all)), checkpoint(1, quorum)));
    let vote = Vote {
        view: View(0),
        seq: SEQ,
        digest: batch(1).digest(),
        origin: Origin::OwnAccord,
        header: prepared(1, backups).header,
        prepare: Some(sign(Statement::by_replica(Kind::Prepare, View(0), SEQ, batch(1).digest(), ReplicaId(6)))),
    };
    let shown: linear::Shown = Shown { prepared: None, voted: Some(vote) };
    check::<Linear>(Message::ViewChange(view_change(genesis(), vec![shown])));
}
