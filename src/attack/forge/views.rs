//! The messages of PBFT's forms, forged.

use rand::RngExt as _;

use super::nested::Forger;
use super::{Forge, Shift};
use crate::attack::chance::Dice;
use crate::attack::junk::{Junk, Source};
use crate::attack::language::EquivocationForm;
use crate::committee::Committee;
use crate::crypto::{Author, Signature, Signed, Signer};
use crate::protocol::{Batch, Certificate, CheckpointCertificate, Status};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};
use crate::views::form::Form;
use crate::views::message::{
    Commit, ForcedProposal, Message, NewView, Origin, PrePrepare, Prepare, PreparedCertificate, StatusReport,
    ViewChange,
};
use crate::views::new_view;

/// What of a forgery depends on the form.
pub(super) trait ForgeForm: Form {
    /// A certificate made of one PREPARE.
    fn inflate_prepare(
        prepare: &Signed<Prepare>,
        committee: Committee,
        dice: &mut Dice,
        signer: &Signer,
    ) -> Option<Self::Count>;

    /// A certificate made of one COMMIT.
    fn inflate_commit(
        commit: &Signed<Commit>,
        committee: Committee,
        dice: &mut Dice,
        signer: &Signer,
    ) -> Option<Self::Count>;

    /// What a request for a view shows of a slot by a certificate, which may be a forged one.
    fn shown(certificate: PreparedCertificate) -> Self::Shown;

    /// A decision by a quorum's COMMITs, which may be forged.
    fn decision(commits: Certificate) -> Self::Decision;

    /// The same count with the signatures that `forge` makes of its own; `None` where nobody counts for others.
    fn recount(count: &Self::Count, forge: impl FnOnce(&mut Certificate)) -> Option<Self::Count>;

    /// A request for a view shows what its sender never did; says whether it does, and not where a sender can show nothing
    /// but what others have signed.
    fn invent_history(body: &mut ViewChange<Self>, committee: Committee, dice: &mut Dice, signer: &Signer) -> bool;
}

impl<F: ForgeForm> Forge for Message<F> {
    const NAMES: &'static [&'static str] = F::MESSAGES;

    fn equivocate(&self, form: EquivocationForm) -> Option<Self> {
        let Message::PrePrepare(Signed { body, .. }) = self else { return None };
        let mut body = body.clone();
        match form {
            EquivocationForm::Offset(offset) => body.seq = body.seq.plus(offset),
            EquivocationForm::Digest => {
                body.batch = other_batch(&body.batch);
                body.digest = body.batch.digest();
            }
        }
        Some(Message::PrePrepare(Signed::unsigned(body)))
    }

    /// A shifted PREPARE bears a header that does not fit: nobody but the primary can sign another one.
    fn shifted(&self, shift: Shift) -> Option<Self> {
        Some(match self {
            Message::PrePrepare(Signed { body, .. }) => {
                let (view, seq) = shifted(body.view, body.seq, shift)?;
                Message::PrePrepare(Signed::unsigned(PrePrepare { view, seq, ..body.clone() }))
            }
            Message::Prepare(Signed { body, .. }) => {
                let (view, seq) = shifted(body.view, body.seq, shift)?;
                Message::Prepare(Signed::unsigned(Prepare { view, seq, ..*body }))
            }
            Message::Commit(Signed { body, .. }) => {
                let (view, seq) = shifted(body.view, body.seq, shift)?;
                Message::Commit(Signed::unsigned(Commit { view, seq, ..*body }))
            }
            Message::ViewChange(Signed { body, .. }) if matches!(shift, Shift::NextView | Shift::PreviousView) => {
                let (view, _) = shifted(body.view, SeqNum(0), shift)?;
                Message::ViewChange(Signed::unsigned(ViewChange { view, ..body.clone() }))
            }
            _ => return None,
        })
    }

    fn with_content_of(&self, earlier: &Self) -> Option<Self> {
        Some(match (self, earlier) {
            (Message::PrePrepare(Signed { body, .. }), Message::PrePrepare(Signed { body: earlier, .. })) => {
                let (digest, batch) = (earlier.digest, earlier.batch.clone());
                Message::PrePrepare(Signed::unsigned(PrePrepare { digest, batch, ..body.clone() }))
            }
            (Message::Prepare(Signed { body, .. }), Message::Prepare(Signed { body: earlier, .. })) => {
                let Prepare { digest, origin, header, .. } = *earlier;
                Message::Prepare(Signed::unsigned(Prepare { digest, origin, header, ..*body }))
            }
            (Message::Commit(Signed { body, .. }), Message::Commit(Signed { body: earlier, .. })) => {
                Message::Commit(Signed::unsigned(Commit { digest: earlier.digest, ..*body }))
            }
            _ => return None,
        })
    }

    fn may_be_relayed(&self) -> bool {
        matches!(self, Message::NewView(_) | Message::Count(_) | Message::Committed(_) | Message::Batches(_))
    }

    fn forge_view_change(&self, committee: Committee, dice: &mut Dice, signer: &Signer) -> Option<Self> {
        let Message::ViewChange(Signed { body, .. }) = self else { return None };
        if Author::Replica(body.replica) != signer.author() {
            return None;
        }
        let mut body = body.clone();
        if F::invent_history(&mut body, committee, dice, signer) {
            return Some(Message::ViewChange(Signed::unsigned(body)));
        }
        match dice.random_range(0..5) {
            0 => body.shown.clear(),
            1 => body.shown.retain(|_| dice.random_bool(0.5)),
            2 => body.stable = CheckpointCertificate::genesis(),
            3 => {
                body.stable = CheckpointCertificate::genesis();
                body.shown.clear();
            }
            _ => body.view = body.view.next(),
        }
        Some(Message::ViewChange(Signed::unsigned(body)))
    }

    fn ask_for(me: ReplicaId, view: View) -> Self {
        let body = ViewChange { view, replica: me, stable: CheckpointCertificate::genesis(), shown: Vec::new() };
        Message::ViewChange(Signed::unsigned(body))
    }

    fn forge_new_view(&self, committee: Committee, dice: &mut Dice, signer: &Signer) -> Option<Self> {
        let Message::NewView(Signed { body, .. }) = self else { return None };
        if Author::Replica(body.primary) != signer.author() {
            return None;
        }
        let mut body = body.clone();
        match dice.random_range(0..8) {
            // V is another one and O follows from it: nothing is wrong with this one alone.
            0 if forget_history(&mut body, signer) => {
                let forced = new_view::forced(body.view_changes.iter().map(|signed| &signed.body), committee).slots;
                body.forced = forced.into_iter().map(|(seq, digest)| entry(seq, digest)).collect();
            }
            1 if forget_history(&mut body, signer) => {}
            2 => drop(body.view_changes.pop()),
            _ => force_something_else(&mut body, dice),
        }
        body.forced.iter_mut().for_each(|entry| entry.signature = Signature::BLANK);
        Some(Message::NewView(Signed::unsigned(body)))
    }

    fn inflate(&self, committee: Committee, dice: &mut Dice, signer: &Signer) -> Option<Self> {
        let count = match self {
            Message::Prepare(prepare) => F::inflate_prepare(prepare, committee, dice, signer)?,
            Message::Commit(commit) => F::inflate_commit(commit, committee, dice, signer)?,
            _ => return None,
        };
        Some(Message::Count(count))
    }

    fn forge_nested(&self, committee: Committee, status: &Status, dice: &mut Dice, signer: &Signer) -> Option<Self> {
        Forger { committee, status, dice, signer }.forge(self)
    }

    fn make_up_nested(me: ReplicaId, committee: Committee, status: &Status, dice: &mut Dice, signer: &Signer) -> Self {
        Forger { committee, status, dice, signer }.make_up(me)
    }

    fn junk(kind: Junk, from: &Source<'_>, turn: u64) -> Vec<Self> {
        super::junk::junk(kind, from, turn)
    }

    fn make_up(me: ReplicaId, committee: Committee, status: &Status, dice: &mut Dice) -> Self {
        let (view, seq) = (any_view(status, dice), any_slot(status, dice));
        let digest = any_digest(dice);
        match dice.random_range(0..9) {
            0..3 => Message::Commit(Signed::unsigned(Commit { view, seq, digest, replica: me })),
            3 => {
                let (origin, header) = (Origin::OwnAccord, Signature::from([7; 64]));
                Message::Prepare(Signed::unsigned(Prepare { view, seq, digest, replica: me, origin, header }))
            }
            4 => {
                let batch = Batch { submissions: vec![digest] };
                let (view, digest) = (next_reign(me, committee, status.view), batch.digest());
                Message::PrePrepare(Signed::unsigned(PrePrepare { view, seq, digest, primary: me, batch }))
            }
            5 => Self::ask_for(me, view),
            6 => Message::Status(StatusReport {
                view,
                asking_for: Some(view).filter(|_| dice.random_bool(0.5)),
                view_changes: ReplicaSet::default(),
                stable: SeqNum(status.stable.0.saturating_sub(1)),
                executed: seq,
                observing_until: None,
            }),
            7 => Message::Ask { from: seq },
            _ => Message::FetchBatches((0..dice.random_range(1..64)).map(|_| any_digest(dice)).collect()),
        }
    }
}

/// Another batch that the victims can accept: the same submissions in another order, or none at all.
fn other_batch(batch: &Batch) -> Batch {
    let mut submissions = batch.submissions.clone();
    submissions.reverse();
    if submissions == batch.submissions {
        submissions.clear();
    }
    Batch { submissions }
}

/// View and slot after a shift; `None` where there is nothing before.
fn shifted(view: View, seq: SeqNum, shift: Shift) -> Option<(View, SeqNum)> {
    match shift {
        Shift::NextView => Some((view.next(), seq)),
        Shift::PreviousView => Some((view.previous(), seq)).filter(|_| view > View(0)),
        Shift::NextSlot => Some((view, seq.next())),
        Shift::PreviousSlot => Some((view, seq.previous())).filter(|_| seq > SeqNum(1)),
    }
}

/// The signer's own view change among those that begin a view forgets what it had prepared; false if there is none, or
/// nothing in it.
fn forget_history<F: Form>(body: &mut NewView<F>, signer: &Signer) -> bool {
    let is_own = |signed: &&mut Signed<ViewChange<F>>| Author::Replica(signed.body.replica) == signer.author();
    let Some(own) = body.view_changes.iter_mut().find(is_own).filter(|own| !own.body.shown.is_empty()) else {
        return false;
    };
    *own = Signed::by(signer, ViewChange { shown: Vec::new(), ..own.body.clone() });
    true
}

/// One entry of O is another, or missing, or one too many.
fn force_something_else<F: Form>(body: &mut NewView<F>, dice: &mut Dice) {
    let min_s = body.view_changes.iter().map(|signed| signed.body.stable.seq()).max().unwrap_or_default();
    let after = body.forced.last().map_or(min_s, |entry| entry.seq).next();
    if body.forced.is_empty() || dice.random_bool(0.25) {
        return body.forced.push(entry(after, any_digest(dice)));
    }
    let at = dice.random_range(0..body.forced.len());
    let other = body.forced[dice.random_range(0..body.forced.len())].digest;
    let is_all_null = body.forced.iter().all(|entry| entry.digest == Digest::ZERO);
    match dice.random_range(0..8) {
        0 => drop(body.forced.remove(at)),
        1 if body.forced[at].digest != Digest::ZERO => body.forced[at].digest = Digest::ZERO,
        // What everyone holds goes through more easily than what nobody knows: null requests above all.
        2..=4 if !is_all_null => body.forced.iter_mut().for_each(|entry| entry.digest = Digest::ZERO),
        5 if body.forced[at].digest != other => body.forced[at].digest = other,
        6 => body.forced.truncate(at),
        _ => body.forced[at].digest = any_digest(dice),
    }
}

pub(super) fn entry(seq: SeqNum, digest: Digest) -> ForcedProposal {
    ForcedProposal { seq, digest, signature: Signature::BLANK }
}

pub(super) fn any_digest(dice: &mut Dice) -> Digest {
    Digest(dice.random())
}

/// The current view, one near it, or one that nobody will ever see.
fn any_view(status: &Status, dice: &mut Dice) -> View {
    let ahead = [0, 0, 1, 4, 5, 8, 1 << 63, u64::MAX];
    View(status.view.0.saturating_add(ahead[dice.random_range(0..ahead.len())]))
}

/// A slot around the window's edges, in it, or far beyond.
fn any_slot(status: &Status, dice: &mut Dice) -> SeqNum {
    let executed = status.executed;
    match dice.random_range(0..6) {
        0 => status.stable,
        1 => status.stable.next(),
        2 => executed.plus(10_000),
        3 => SeqNum(u64::MAX),
        _ => executed.plus(dice.random_range(1..600)),
    }
}

/// The next view after this one that the replica leads.
pub(super) fn next_reign(me: ReplicaId, committee: Committee, view: View) -> View {
    let leads = |view: &View| committee.primary(*view) == me;
    (1..=committee.size() as u64).map(|ahead| View(view.0.saturating_add(ahead))).find(leads).unwrap_or(view)
}
