//! What of linear PBFT's forgeries is its own: the collector's counts.

use rand::RngExt as _;

use super::views::ForgeForm;
use crate::attack::chance::Dice;
use crate::committee::Committee;
use crate::crypto::{Kind, Signature, Signed};
use crate::linear::{Count, Decision, Linear};
use crate::protocol::Certificate;
use crate::types::ReplicaId;
use crate::views::message::{Commit, Prepare, PreparedCertificate};

impl ForgeForm for Linear {
    fn inflate_prepare(prepare: &Signed<Prepare>, committee: Committee, dice: &mut Dice) -> Option<Count> {
        let Signed { body: Prepare { view, seq, digest, replica, origin, header }, signature } = *prepare;
        let is_fast = dice.random_bool(0.3);
        let needed = if is_fast { committee.size() } else { committee.quorum() } - 1;
        let backups = committee.others(committee.primary(view));
        let signatures = inflated(backups, (replica, signature), needed, dice);
        let prepares = Certificate { kind: Kind::Prepare, view, seq, digest, signatures };
        let certificate = PreparedCertificate { origin, header, prepares };
        Some(if is_fast { Count::Decided(Decision::Fast(certificate)) } else { Count::Prepared(certificate) })
    }

    fn inflate_commit(commit: &Signed<Commit>, committee: Committee, dice: &mut Dice) -> Option<Count> {
        let Signed { body: Commit { view, seq, digest, replica }, signature } = *commit;
        let signatures = inflated(committee.members(), (replica, signature), committee.quorum(), dice);
        let commits = Certificate { kind: Kind::Commit, view, seq, digest, signatures };
        Some(Count::Decided(Decision::Committed(commits)))
    }
}

/// As many signatures as are needed, of which one is good: it stands there alone, many times, or beside bad ones in the
/// names of others.
fn inflated(
    voters: impl Iterator<Item = ReplicaId>,
    vote: (ReplicaId, Signature),
    needed: usize,
    dice: &mut Dice,
) -> Vec<(ReplicaId, Signature)> {
    match dice.random_range(0..4) {
        0 => vec![vote],
        1 => vec![vote; needed],
        _ => {
            let others = voters.filter(|voter| *voter != vote.0).take(needed.saturating_sub(1));
            let mut signatures: Vec<_> = others.map(|voter| (voter, vote.1.spoiled())).collect();
            signatures.push(vote);
            signatures.sort_unstable_by_key(|(voter, _)| *voter);
            signatures
        }
    }
}
