//! What of linear PBFT's forgeries is its own: the collector's counts, and votes that nobody cast.

use rand::RngExt as _;

use super::views::ForgeForm;
use crate::attack::chance::Dice;
use crate::committee::Committee;
use crate::crypto::{Author, Kind, Signature, Signed, Signer, Statement};
use crate::linear::{Count, Decision, Linear, Shown, Vote};
use crate::protocol::Certificate;
use crate::types::{Digest, ReplicaId, View};
use crate::views::form::Shown as _;
use crate::views::message::{Commit, Origin, Prepare, PreparedCertificate, ViewChange};

impl ForgeForm for Linear {
    fn inflate_prepare(
        prepare: &Signed<Prepare>,
        committee: Committee,
        dice: &mut Dice,
        signer: &Signer,
    ) -> Option<Count> {
        let Signed { body: Prepare { view, seq, digest, replica, origin, header }, signature } = *prepare;
        let is_fast = dice.random_bool(0.3);
        let needed = if is_fast { committee.size() } else { committee.quorum() } - 1;
        let backups = committee.others(committee.primary(view));
        let empty = Certificate { kind: Kind::Prepare, view, seq, digest, signatures: Vec::new() };
        let prepares = inflated(empty, backups, (replica, signature), needed, dice, signer);
        let certificate = PreparedCertificate { origin, header, prepares };
        Some(if is_fast { Count::Decided(Decision::Fast(certificate)) } else { Count::Prepared(certificate) })
    }

    fn inflate_commit(
        commit: &Signed<Commit>,
        committee: Committee,
        dice: &mut Dice,
        signer: &Signer,
    ) -> Option<Count> {
        let Signed { body: Commit { view, seq, digest, replica }, signature } = *commit;
        let empty = Certificate { kind: Kind::Commit, view, seq, digest, signatures: Vec::new() };
        let commits = inflated(empty, committee.members(), (replica, signature), committee.quorum(), dice, signer);
        Some(Count::Decided(Decision::Committed(commits)))
    }

    fn shown(certificate: PreparedCertificate) -> Shown {
        Shown { prepared: Some(certificate), voted: None }
    }

    fn decision(commits: Certificate) -> Decision {
        Decision::Committed(commits)
    }

    fn recount(count: &Count, forge: impl FnOnce(&mut Certificate)) -> Option<Count> {
        let mut count = count.clone();
        forge(match &mut count {
            Count::Prepared(prepared) | Count::Decided(Decision::Fast(prepared)) => &mut prepared.prepares,
            Count::Decided(Decision::Committed(commits)) => commits,
        });
        Some(count)
    }

    /// It takes its votes back, or claims to have voted for null requests: in its own last reign, which it can sign, or in
    /// the last view of all, which its primary did not.
    fn invent_history(body: &mut ViewChange<Self>, committee: Committee, dice: &mut Dice, signer: &Signer) -> bool {
        let Some(last) = body.view.0.checked_sub(1).map(View) else { return false };
        let (me, n) = (body.replica, committee.size() as u64);
        let since_reign = (last.0 + n - u64::from(me.0)) % n;
        match dice.random_range(0..4) {
            0 => body.shown.retain_mut(|shown| {
                shown.voted = None;
                shown.prepared.is_some()
            }),
            1 if committee.primary(last) != me => body.shown.iter_mut().for_each(|shown| {
                let prepare = Statement::by_replica(Kind::Prepare, last, shown.seq(), Digest::ZERO, me);
                let prepare = signer.sign(&prepare);
                claim(shown, last, prepare.spoiled(), Some(prepare));
            }),
            2 if since_reign <= last.0 => body.shown.iter_mut().for_each(|shown| {
                let reign = View(last.0 - since_reign);
                let header = Origin::OwnAccord.header(reign, shown.seq(), Digest::ZERO, me);
                claim(shown, reign, signer.sign(&header), None);
            }),
            _ => return false,
        }
        true
    }
}

/// Shows a vote for the null request, and no certificate that would outdo it.
fn claim(shown: &mut Shown, view: View, header: Signature, prepare: Option<Signature>) {
    let (seq, digest, origin) = (shown.seq(), Digest::ZERO, Origin::OwnAccord);
    shown.voted = Some(Vote { view, seq, digest, origin, header, prepare });
    shown.prepared = shown.prepared.take().filter(|prepared| prepared.prepares.view < view);
}

/// As many signatures as are needed, of which one is another's: it stands there alone, many times, or beside the forger's own
/// and bad ones in the names of others.
fn inflated(
    mut certificate: Certificate,
    voters: impl Iterator<Item = ReplicaId>,
    vote: (ReplicaId, Signature),
    needed: usize,
    dice: &mut Dice,
    signer: &Signer,
) -> Certificate {
    let Certificate { kind, view, seq, digest, .. } = certificate;
    let signature = |voter| match signer.author() {
        Author::Replica(me) if me == voter => signer.sign(&Statement::by_replica(kind, view, seq, digest, me)),
        _ => vote.1.spoiled(),
    };
    certificate.signatures = match dice.random_range(0..4) {
        0 => vec![vote],
        1 => vec![vote; needed],
        _ => {
            let others = voters.filter(|voter| *voter != vote.0).take(needed.saturating_sub(1));
            let mut signatures: Vec<_> = others.map(|voter| (voter, signature(voter))).collect();
            signatures.push(vote);
            signatures.sort_unstable_by_key(|(voter, _)| *voter);
            signatures
        }
    };
    certificate
}
