//! The messages of PBFT's forms with forged parts: every check of a nested signature, of a count of signatures and of their
//! order has a forgery that passes where that one check is missing, and does harm there.

use rand::RngExt as _;

use super::views::{ForgeForm, any_digest, entry, next_reign};
use crate::attack::chance::Dice;
use crate::committee::Committee;
use crate::crypto::{Author, Kind, Signature, Signed, Signer, Statement};
use crate::protocol::{Batch, Certificate, CheckpointCertificate, Status};
use crate::types::{Digest, ReplicaId, SeqNum, View};
use crate::views::form::{Count as _, Form, Shown as _};
use crate::views::message::{
    CommittedHistory, CommittedSlot, Message, NewView, Origin, Prepare, PreparedCertificate, ViewChange,
};
use crate::views::new_view;

/// What a forger knows.
pub(super) struct Forger<'a> {
    pub(super) committee: Committee,
    pub(super) status: &'a Status,
    pub(super) dice: &'a mut Dice,
    pub(super) signer: &'a Signer,
}

/// How a quorum's signatures are forged.
#[derive(Clone, Copy)]
enum Quorum {
    /// All are made up but the forger's own, where it is asked to sign.
    MadeUp,
    /// The forger's own is the only one.
    OnlyOwn,
    /// The forger's own stands there as often as is needed.
    OwnRepeated,
}

/// The most slots for which something is made up.
const MADE_UP_SLOTS: u64 = 16;

impl Forger<'_> {
    /// A message of this replica with its nested parts forged.
    pub(super) fn forge<F: ForgeForm>(mut self, message: &Message<F>) -> Option<Message<F>> {
        Some(match message {
            Message::ViewChange(Signed { body, .. }) if self.is_mine(body.replica) => {
                Message::ViewChange(Signed::unsigned(self.view_change(body)))
            }
            Message::NewView(Signed { body, .. }) if self.is_mine(body.primary) => {
                Message::NewView(Signed::unsigned(self.new_view(body)))
            }
            Message::Prepare(Signed { body, .. }) => {
                Message::Prepare(Signed::unsigned(Prepare { header: made_up(), ..*body }))
            }
            Message::Count(count) => {
                let (view, _, _) = count.topic();
                let quorum = self.any_quorum();
                let needed = self.committee.quorum();
                let backups = self.committee.others(self.committee.primary(view));
                let signers: Vec<ReplicaId> = backups.take(needed).collect();
                Message::Count(F::recount(count, |certificate| {
                    *certificate = self.certificate(certificate.clone(), &signers, needed, quorum);
                })?)
            }
            Message::Committed(history) => {
                let first = history.slots.first().map_or(self.status.executed.next(), |slot| {
                    use crate::views::form::Decision as _;
                    slot.decision.seq()
                });
                Message::Committed(self.history(first))
            }
            _ => return None,
        })
    }

    /// A message that nobody asked for.
    pub(super) fn make_up<F: ForgeForm>(mut self, me: ReplicaId) -> Message<F> {
        match self.dice.random_range(0..4) {
            0 => {
                let view = next_reign(me, self.committee, self.status.view);
                let own = ViewChange { view, replica: me, stable: CheckpointCertificate::genesis(), shown: Vec::new() };
                let view_changes = vec![Signed::by(self.signer, own)];
                let body = NewView { view, primary: me, view_changes, forced: Vec::new() };
                Message::NewView(Signed::unsigned(match self.dice.random_bool(0.5) {
                    true => self.alone(body),
                    false => self.repeated(body),
                }))
            }
            1 => {
                let view = self.status.view.next();
                let body =
                    ViewChange { view, replica: me, stable: CheckpointCertificate::genesis(), shown: Vec::new() };
                Message::ViewChange(Signed::unsigned(self.view_change(&body)))
            }
            _ => {
                let ahead = self.dice.random_range(0..3);
                let first = SeqNum((self.status.executed.0 + 1).saturating_sub(ahead).max(1));
                Message::Committed(self.history(first))
            }
        }
    }

    fn is_mine(&self, author: ReplicaId) -> bool {
        self.signer.author() == Author::Replica(author)
    }

    /// A request for a view that shows prepared what nobody has prepared, or stable what nobody has executed.
    fn view_change<F: ForgeForm>(&mut self, body: &ViewChange<F>) -> ViewChange<F> {
        let mut body = body.clone();
        let quorum = self.any_quorum();
        match self.dice.random_range(0..5) {
            0 => {
                let seq = self.status.executed.plus(self.dice.random_range(8..64));
                body.stable = self.checkpoint(seq, quorum);
                body.shown.clear();
            }
            // What its sender holds is shown beyond the window of the checkpoint that is shown with it.
            1 if !body.shown.is_empty() && body.stable.seq() > SeqNum(0) => {
                body.stable = CheckpointCertificate::genesis();
            }
            _ => {
                let Some(view) = body.view.0.checked_sub(1).map(View) else { return body };
                let last =
                    body.shown.last().map_or(self.status.executed, |shown| shown.seq().max(self.status.executed));
                let stable = body.stable.seq();
                let last = SeqNum(last.0.min(stable.0.saturating_add(MADE_UP_SLOTS)).max(stable.0 + 1));
                // The null request is a batch that everyone has.
                let slots: Vec<SeqNum> = stable.until(last).collect();
                body.shown = slots.into_iter().map(|seq| F::shown(self.prepared(view, seq, quorum))).collect();
            }
        }
        body
    }

    /// The beginning of a view from view changes that were never made, or with headers that were never signed.
    fn new_view<F: ForgeForm>(&mut self, body: &NewView<F>) -> NewView<F> {
        let mut body = body.clone();
        match self.dice.random_range(0..4) {
            0 if !body.forced.is_empty() => body.forced.iter_mut().for_each(|entry| entry.signature = made_up()),
            0 | 1 => return self.repeated(body),
            2 => {
                // One is missing, and the first stands there in its place.
                if body.view_changes.len() > 1 {
                    body.view_changes[1] = body.view_changes[0].clone();
                }
                return self.with_consequences(body);
            }
            _ => return self.alone(body),
        }
        body
    }

    /// The forger's own view change shows its last slot alone, and those of all others, made up, show nothing: so that the
    /// slots before it are filled with null requests.
    fn alone<F: ForgeForm>(&mut self, mut body: NewView<F>) -> NewView<F> {
        let Author::Replica(me) = self.signer.author() else { return body };
        let shown =
            self.own_of(&body, me).map_or(Vec::new(), |own| own.shown.into_iter().next_back().into_iter().collect());
        let stable = self.own_of(&body, me).map_or(CheckpointCertificate::genesis(), |own| own.stable);
        let own = Signed::by(self.signer, ViewChange { view: body.view, replica: me, stable, shown });
        let made_up = |replica| {
            let stable = CheckpointCertificate::genesis();
            let body = ViewChange { view: body.view, replica, stable, shown: Vec::new() };
            Signed { body, signature: made_up() }
        };
        let mut view_changes: Vec<_> =
            self.committee.others(me).take(self.committee.quorum() - 1).map(made_up).chain([own]).collect();
        view_changes.sort_by_key(|signed| signed.body.replica);
        body.view_changes = view_changes;
        self.with_consequences(body)
    }

    /// The forger's own view change stands there as often as is needed.
    fn repeated<F: ForgeForm>(&mut self, mut body: NewView<F>) -> NewView<F> {
        let Author::Replica(me) = self.signer.author() else { return body };
        if let Some(own) = body.view_changes.iter().find(|signed| signed.body.replica == me).cloned() {
            body.view_changes = vec![own; self.committee.quorum()];
        }
        self.with_consequences(body)
    }

    fn own_of<F: Form>(&self, body: &NewView<F>, me: ReplicaId) -> Option<ViewChange<F>> {
        body.view_changes.iter().find(|signed| signed.body.replica == me).map(|signed| signed.body.clone())
    }

    /// O follows from V, whatever V is.
    fn with_consequences<F: Form>(&self, mut body: NewView<F>) -> NewView<F> {
        let forced = new_view::forced(body.view_changes.iter().map(|signed| &signed.body), self.committee).slots;
        body.forced = forced.into_iter().map(|(seq, digest)| entry(seq, digest)).collect();
        body
    }

    /// The decision of some slots on null requests, which nobody made.
    fn history<F: ForgeForm>(&mut self, first: SeqNum) -> CommittedHistory<F> {
        let (view, quorum) = (self.status.view, self.any_quorum());
        let signers: Vec<ReplicaId> = self.committee.members().take(self.committee.quorum()).collect();
        let slot = |forger: &Self, seq| {
            let commits = Certificate { kind: Kind::Commit, view, seq, digest: Digest::ZERO, signatures: Vec::new() };
            let commits = forger.certificate(commits, &signers, signers.len(), quorum);
            CommittedSlot { decision: F::decision(commits), batch: Batch::default() }
        };
        let slots = (0..self.dice.random_range(1..5)).map(|ahead| slot(self, first.plus(ahead))).collect();
        let stable = match self.dice.random_bool(0.2) {
            true => {
                let seq = self.status.executed.plus(self.dice.random_range(8..64));
                self.checkpoint(seq, quorum)
            }
            false => CheckpointCertificate::genesis(),
        };
        CommittedHistory { stable, newest: None, slots }
    }

    fn any_quorum(&mut self) -> Quorum {
        match self.dice.random_range(0..4) {
            0 => Quorum::OnlyOwn,
            1 => Quorum::OwnRepeated,
            _ => Quorum::MadeUp,
        }
    }

    /// The certificate of a state that nobody has.
    fn checkpoint(&mut self, seq: SeqNum, quorum: Quorum) -> CheckpointCertificate {
        let signers: Vec<ReplicaId> = self.committee.members().take(self.committee.quorum()).collect();
        let digest = any_digest(self.dice);
        let empty = Certificate { kind: Kind::Checkpoint, view: View(0), seq, digest, signatures: Vec::new() };
        let Certificate { signatures, .. } = self.certificate(empty, &signers, signers.len(), quorum);
        CheckpointCertificate::new(seq, digest, signatures)
    }

    /// A null request prepared in a view.
    fn prepared(&self, view: View, seq: SeqNum, quorum: Quorum) -> PreparedCertificate {
        let primary = self.committee.primary(view);
        let header = match self.is_mine(primary) {
            true => self.signer.sign(&Origin::OwnAccord.header(view, seq, Digest::ZERO, primary)),
            false => made_up(),
        };
        let empty = Certificate { kind: Kind::Prepare, view, seq, digest: Digest::ZERO, signatures: Vec::new() };
        let backups: Vec<ReplicaId> = self.committee.others(primary).collect();
        let prepares = self.certificate(empty, &backups, self.committee.quorum() - 1, quorum);
        PreparedCertificate { origin: Origin::OwnAccord, header, prepares }
    }

    /// A certificate with signatures of some of these, forged in one way.
    fn certificate(&self, empty: Certificate, signers: &[ReplicaId], needed: usize, quorum: Quorum) -> Certificate {
        let Certificate { kind, view, seq, digest, .. } = empty;
        let Author::Replica(me) = self.signer.author() else { return empty };
        let own = self.signer.sign(&Statement::by_replica(kind, view, seq, digest, me));
        let signatures = match quorum {
            Quorum::MadeUp => {
                let signature = |signer| if signer == me { own } else { made_up() };
                signers.iter().take(needed).map(|signer| (*signer, signature(*signer))).collect()
            }
            Quorum::OnlyOwn => vec![(me, own)],
            Quorum::OwnRepeated => vec![(me, own); needed],
        };
        Certificate { signatures, ..empty }
    }
}

/// What could be a signature.
fn made_up() -> Signature {
    Signature::from([7; 64])
}
