//! What one malicious peer or client can cost, and what convicts it.

use byztop_core::crypto::{Author, Kind, Signed, Statement};
use byztop_core::evidence::Proof;
use byztop_core::pbft::Message;
use byztop_core::pbft::message::{Origin, Prepare};
use byztop_core::protocol::{Batch, Claim, Event};
use byztop_core::replica::PeerMessage;
use byztop_core::types::{Digest, SeqNum, View};

use crate::support::{Cluster, id};
use crate::{load, settings};

fn batch(number: u64) -> Batch {
    Batch { submissions: (0..100u8).map(|i| Digest::of("made up", &[&number.to_le_bytes(), &[i]])).collect() }
}

#[test]
fn rule_5_two_proposals_for_one_slot_convict_also_when_a_new_view_forced_one_of_them() {
    let mut cluster = Cluster::new(4, settings(), 41);
    let signer = cluster.signer(id(1));
    for (voter, origin, number) in [(2, Origin::OwnAccord, 1), (3, Origin::NewView, 2)] {
        let digest = batch(number).digest();
        let header = signer.sign(&origin.header(View(0), SeqNum(1), digest, id(1)));
        let body = Prepare { view: View(0), seq: SeqNum(1), digest, replica: id(voter), origin, header };
        let vote = Signed::by(&cluster.signer(id(voter)), body);
        cluster.inject(id(voter), id(4), PeerMessage::Protocol(Message::Prepare(vote)));
    }
    assert!(cluster.is_proved(id(1)));
    assert!(!cluster.is_proved(id(2)) && !cluster.is_proved(id(3)));
}

#[test]
fn a_replica_that_convicts_itself_a_thousand_times_is_not_announced_a_thousand_times() {
    let mut cluster = Cluster::new(4, settings(), 42);
    let guilt = |cluster: &Cluster, view| {
        let claim = |digest| {
            let author = Author::Replica(id(2));
            let statement = Statement { kind: Kind::Commit, view: View(view), seq: SeqNum(1), digest, author };
            Claim { statement, signature: cluster.signer(id(2)).sign(&statement), batch: None }
        };
        PeerMessage::Proof(Box::new(Proof::Contradiction(claim(Digest([1; 32])), claim(Digest([2; 32])))))
    };
    for view in 10..1010 {
        let proof = guilt(&cluster, view);
        cluster.inject(id(2), id(3), proof);
    }
    let announced = cluster.notes.iter().filter(|(_, _, event)| matches!(event, Event::Proved { .. })).count();
    assert!((1..100).contains(&announced), "{announced} announcements, each sent to everyone by everyone");
    // What matters is still heard: the view's primary is deposed.
    cluster.run_ms(100);
    cluster.attack(id(1), "crash");
    load(&mut cluster, 40, 50);
    assert_eq!(cluster.view(id(3)), View(1));
    let proof = guilt(&cluster, 1);
    cluster.inject(id(2), id(3), proof);
    cluster.run_ms(500);
    assert_eq!(cluster.view(id(3)), View(2));
}
