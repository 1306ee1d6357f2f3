//! Messages that are refused, and cost much to refuse.

use byztop_core::crypto::{Kind, Signature, Signed};
use byztop_core::evidence::Proof;
use byztop_core::pbft;
use byztop_core::protocol::{Certificate, CheckpointCertificate};
use byztop_core::replica::{PeerMessage, Submission};
use byztop_core::types::{ClientId, Digest, ReplicaId, SeqNum, Session, Timestamp, View};
use byztop_core::views::message::{Message, NewView, Origin, PreparedCertificate, ViewChange};

pub(crate) type Peer = PeerMessage<pbft::Message>;

/// A signature that a full check alone finds to be bad: R is the curve's base point and S is canonical.
pub(crate) fn signature(number: u64) -> Signature {
    let mut bytes = [0x66; 64];
    bytes[0] = 0x58;
    bytes[32..].fill(0);
    bytes[32..40].copy_from_slice(&number.to_le_bytes());
    bytes[40..48].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    Signature::from(bytes)
}

/// A NEW-VIEW with as many signatures as fit: of each replica a request for the view, in which `slots` slots are prepared.
pub(crate) fn new_view(replicas: u8, slots: u64) -> pbft::Message {
    let mut number = 0;
    let mut next = move || {
        number += 1;
        signature(number)
    };
    let (view, primary_before) = (View(u64::from(replicas)), replicas - 1);
    let mut prepared = |seq| {
        let signers = (0..replicas).filter(|replica| *replica != primary_before);
        let header = next();
        let signatures = signers.map(|replica| (ReplicaId(replica), next())).collect();
        let before = View(view.0 - 1);
        let prepares = Certificate { kind: Kind::Prepare, view: before, seq, digest: Digest([7; 32]), signatures };
        PreparedCertificate { origin: Origin::OwnAccord, header, prepares }
    };
    let mut request = |replica| {
        let shown = (1..=slots).map(|seq| prepared(SeqNum(seq))).collect();
        let body = ViewChange { view, replica: ReplicaId(replica), stable: CheckpointCertificate::genesis(), shown };
        Signed { body, signature: signature(u64::from(replica)) }
    };
    let view_changes = (0..replicas).map(&mut request).collect();
    let body = NewView { view, primary: ReplicaId(0), view_changes, forced: Vec::new() };
    Message::NewView(Signed { body, signature: signature(0) })
}

/// A proof whose message is no better than [`new_view`].
pub(crate) fn proof(replicas: u8, slots: u64) -> Peer {
    PeerMessage::Proof(Box::new(Proof::SelfIncriminating(Box::new(new_view(replicas, slots)))))
}

/// A client's submission that it has not signed.
pub(crate) fn submission(client: ClientId, number: u64) -> Signed<Submission> {
    let session = Session { client, index: (number % 1024) as u16 };
    // The balance of account 1.
    let body = Submission { session, timestamp: Timestamp(1 + number / 1024), operations: vec![1, 1] };
    Signed { body, signature: signature(number) }
}

/// Bodies that nobody has signed.
pub(crate) fn bodies(count: u64, salt: u64) -> Peer {
    PeerMessage::Bodies((0..count).map(|i| submission(ClientId(0), salt * count + i)).collect())
}
