//! The set O: what a quorum of view changes forces on the next view (Castro & Liskov, OSDI '99, §4.4).

use std::collections::BTreeMap;

use super::message::{NewView, PreparedCertificate, ViewChange};
use crate::protocol::CheckpointCertificate;
use crate::types::{Digest, SeqNum};

/// What follows from the view changes of a quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forced {
    /// min-s: the newest stable checkpoint among them, with its proof.
    pub stable: CheckpointCertificate,
    /// A digest for each slot from min-s + 1 to max-s, in ascending order; [`Digest::ZERO`] is the null request.
    pub slots: Vec<(SeqNum, Digest)>,
}

/// Computes min-s, max-s and O. The caller has checked every certificate within, and that they lie within windows.
///
/// Rule 12: for each slot the prepared certificate of the highest view wins; a slot without one gets the null request.
///
/// # Panics
///
/// If there is no view change at all.
pub fn forced<'a>(view_changes: impl Iterator<Item = &'a ViewChange> + Clone) -> Forced {
    let (stable, slots) = derive(view_changes);
    Forced { stable: stable.clone(), slots: slots.collect() }
}

/// Min-s with its proof, and O slot by slot.
fn derive<'a>(
    view_changes: impl Iterator<Item = &'a ViewChange> + Clone,
) -> (&'a CheckpointCertificate, impl Iterator<Item = (SeqNum, Digest)>) {
    let stable = view_changes.clone().map(|vc| &vc.stable).max_by_key(|c| c.seq()).expect("a quorum is not empty");
    let min_s = stable.seq();
    let mut winners: BTreeMap<SeqNum, &PreparedCertificate> = BTreeMap::new();
    for certificate in view_changes.flat_map(|vc| &vc.prepared).filter(|c| c.prepares.seq > min_s) {
        let winner = winners.entry(certificate.prepares.seq).or_insert(certificate);
        if certificate.prepares.view > winner.prepares.view {
            *winner = certificate;
        }
    }
    let max_s = winners.last_key_value().map_or(min_s, |(seq, _)| *seq);
    let digest = move |seq| winners.get(&seq).map_or(Digest::ZERO, |c| c.prepares.digest);
    (stable, min_s.until(max_s).map(move |seq| (seq, digest(seq))))
}

/// Whether a new view's O is exactly what its view changes force.
///
/// It compares slot by slot, so it costs no more than O is long, whatever is claimed: evidence is judged before its
/// signatures are checked.
pub fn is_justified(new_view: &NewView) -> bool {
    if new_view.view_changes.is_empty() {
        return false;
    }
    let (_, expected) = derive(new_view.view_changes.iter().map(|signed| &signed.body));
    new_view.forced.iter().map(|entry| (entry.seq, entry.digest)).eq(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Kind, Signature};
    use crate::pbft::message::Origin;
    use crate::protocol::Certificate;
    use crate::types::{ReplicaId, View};

    fn prepared(view: u64, seq: u64, content: u8) -> PreparedCertificate {
        let digest = Digest([content; 32]);
        let prepares =
            Certificate { kind: Kind::Prepare, view: View(view), seq: SeqNum(seq), digest, signatures: Vec::new() };
        PreparedCertificate { origin: Origin::OwnAccord, header: Signature::BLANK, prepares }
    }

    fn view_change(replica: u8, stable: u64, prepared: Vec<PreparedCertificate>) -> ViewChange {
        let stable = CheckpointCertificate::new(SeqNum(stable), Digest([9; 32]), Vec::new());
        ViewChange { view: View(5), replica: ReplicaId(replica), stable, prepared }
    }

    fn check(view_changes: &[ViewChange], stable: u64, expected: &[(u64, u8)]) {
        let found = forced(view_changes.iter());
        let expected: Vec<_> = expected.iter().map(|(seq, content)| (SeqNum(*seq), Digest([*content; 32]))).collect();
        assert_eq!((found.stable.seq(), found.slots), (SeqNum(stable), expected));
    }

    #[test]
    fn rule_12_the_highest_view_wins_whatever_the_order() {
        let old = view_change(0, 0, vec![prepared(1, 1, 1)]);
        let new = view_change(1, 0, vec![prepared(3, 1, 2)]);
        check(&[old.clone(), new.clone()], 0, &[(1, 2)]);
        check(&[new, old], 0, &[(1, 2)]);
    }

    #[test]
    fn rule_12_a_slot_that_nobody_prepared_gets_the_null_request() {
        let vc = view_change(0, 0, vec![prepared(1, 1, 1), prepared(1, 4, 4)]);
        check(&[vc], 0, &[(1, 1), (2, 0), (3, 0), (4, 4)]);
    }

    #[test]
    fn rule_12_min_s_is_the_newest_stable_checkpoint_and_nothing_at_or_below_it_is_forced() {
        let behind = view_change(0, 0, vec![prepared(1, 1, 1), prepared(1, 3, 3), prepared(1, 4, 4)]);
        check(&[behind.clone(), view_change(1, 3, vec![])], 3, &[(4, 4)]);
        check(&[behind, view_change(1, 6, vec![])], 6, &[]);
        check(&[view_change(1, 0, vec![])], 0, &[]);
    }
}
