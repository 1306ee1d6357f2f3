//! Messages that are refused, and cost much to refuse.

use byztop_core::crypto::{Kind, Signature, Signed, Signer};
use byztop_core::evidence::Proof;
use byztop_core::pbft;
use byztop_core::protocol::{Certificate, CheckpointCertificate};
use byztop_core::replica::{PeerMessage, Submission};
use byztop_core::types::{ClientId, Digest, ReplicaId, SeqNum, Session, Timestamp, View};
use byztop_core::views::message::{Commit, Message, NewView, Origin, PreparedCertificate, ViewChange};

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

/// A request for a view, in which so many slots are prepared by votes that nobody has cast.
fn request(view: View, replica: ReplicaId, replicas: u8, slots: u64) -> ViewChange<pbft::Classic> {
    let before = View(view.0 - 1);
    let primary = ReplicaId((before.0 % u64::from(replicas)) as u8);
    let prepared = |seq: u64| {
        let number = |signer: u8| (u64::from(replica.0) << 32 | seq) << 8 | u64::from(signer);
        let backups = (0..replicas).map(ReplicaId).filter(|backup| *backup != primary);
        let signatures = backups.map(|backup| (backup, signature(number(backup.0)))).collect();
        let (seq, digest) = (SeqNum(seq), Digest([7; 32]));
        let prepares = Certificate { kind: Kind::Prepare, view: before, seq, digest, signatures };
        PreparedCertificate { origin: Origin::OwnAccord, header: signature(number(primary.0)), prepares }
    };
    ViewChange { view, replica, stable: CheckpointCertificate::genesis(), shown: (1..=slots).map(prepared).collect() }
}

/// A NEW-VIEW with as many signatures as fit: of each replica a request for the view, in which `slots` slots are prepared.
pub(crate) fn new_view(replicas: u8, slots: u64) -> pbft::Message {
    let view = View(u64::from(replicas));
    let of = |replica: u8| {
        let body = request(view, ReplicaId(replica), replicas, slots);
        Signed { body, signature: signature(u64::from(replica)) }
    };
    let view_changes = (0..replicas).map(of).collect();
    let body = NewView { view, primary: ReplicaId(0), view_changes, forced: Vec::new() };
    Message::NewView(Signed { body, signature: signature(0) })
}

/// A request for a view that n1 has signed as it should be. What it shows is as long as the window, and junk.
pub(crate) fn view_change(n1: &Signer, replicas: u8, slots: u64) -> pbft::Message {
    Message::ViewChange(Signed::by(n1, request(View(1), ReplicaId(0), replicas, slots)))
}

/// A vote that n1 may cast: nothing is wrong with it.
pub(crate) fn vote(n1: &Signer) -> pbft::Message {
    let body = Commit { view: View(0), seq: SeqNum(1), digest: Digest([7; 32]), replica: ReplicaId(0) };
    Message::Commit(Signed::by(n1, body))
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
