//! What one malicious peer or client can cost, and what convicts it.

use byztop_core::crypto::Signed;
use byztop_core::pbft::Message;
use byztop_core::pbft::message::{Origin, Prepare};
use byztop_core::protocol::Batch;
use byztop_core::replica::PeerMessage;
use byztop_core::types::{Digest, SeqNum, View};

use crate::settings;
use crate::support::{Cluster, id};

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
