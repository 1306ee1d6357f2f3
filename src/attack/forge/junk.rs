//! The messages of PBFT's forms that cost much to refuse.

use super::views::ForgeForm;
use crate::attack::junk::{Junk, Source, signature};
use crate::crypto::{Kind, Signed};
use crate::protocol::{Certificate, CheckpointCertificate};
use crate::types::{Digest, ReplicaId, SeqNum, View};
use crate::views::message::{Commit, Message, NewView, Origin, PreparedCertificate, ViewChange};

/// So many good votes make up for one refused message.
const GOOD_FOR_ONE_BAD: usize = 16;
/// A batch that nobody has.
const NO_BATCH: Digest = Digest([7; 32]);

pub(super) fn junk<F: ForgeForm>(kind: Junk, from: &Source<'_>, turn: u64) -> Vec<Message<F>> {
    match kind {
        Junk::NewView => vec![new_view(from, from.new_view_slots)],
        Junk::Proof => vec![new_view(from, from.window_slots)],
        Junk::ViewChange => {
            let request = Signed::by(from.signer, request(from, View(1), from.me, from.window_slots));
            // A vote for a slot that no window has: it counts for nothing and contradicts nothing.
            let good = Message::Commit(Signed::by(from.signer, vote(from.me, SeqNum(0))));
            let mut messages = vec![good; GOOD_FOR_ONE_BAD];
            messages.push(Message::ViewChange(request));
            messages
        }
        Junk::Votes => {
            let vote = |number| Signed { body: vote(from.me, SeqNum(number + 1)), signature: signature(number) };
            Junk::votes(turn).map(|number| Message::Commit(vote(number))).collect()
        }
        Junk::Bodies | Junk::Fetch | Junk::State => Vec::new(),
    }
}

fn vote(replica: ReplicaId, seq: SeqNum) -> Commit {
    Commit { view: View(0), seq, digest: NO_BATCH, replica }
}

/// Of each replica a request for a view of this one in which so many slots are prepared; nobody has signed any of it.
fn new_view<F: ForgeForm>(from: &Source<'_>, slots: u64) -> Message<F> {
    let view = View(from.committee.size() as u64 + u64::from(from.me.0));
    let requests = from.committee.members().map(|replica| {
        let body = request(from, view, replica, slots);
        Signed { body, signature: signature(u64::from(replica.0)) }
    });
    let body = NewView { view, primary: from.me, view_changes: requests.collect(), forced: Vec::new() };
    Message::NewView(Signed { body, signature: signature(0) })
}

/// A request for a view, in which so many slots are prepared by votes that nobody has cast.
fn request<F: ForgeForm>(from: &Source<'_>, view: View, replica: ReplicaId, slots: u64) -> ViewChange<F> {
    let before = View(view.0 - 1);
    let primary = from.committee.primary(before);
    let prepared = |seq: u64| {
        let number = |signer: ReplicaId| (u64::from(replica.0) << 32 | seq) << 8 | u64::from(signer.0);
        let backups = from.committee.others(primary);
        let signatures = backups.map(|backup| (backup, signature(number(backup)))).collect();
        let (seq, digest) = (SeqNum(seq), NO_BATCH);
        let prepares = Certificate { kind: Kind::Prepare, view: before, seq, digest, signatures };
        F::shown(PreparedCertificate { origin: Origin::OwnAccord, header: signature(number(primary)), prepares })
    };
    ViewChange { view, replica, stable: CheckpointCertificate::genesis(), shown: (1..=slots).map(prepared).collect() }
}
