//! What view changes force on a slot (Castro & Liskov, OSDI '99, §4.4): the set P, and how O follows from it.

use super::PreparedCertificate;
use crate::committee::Committee;
use crate::crypto::{Signature, Verifier};
use crate::protocol::Claim;
use crate::rejection::Rejection;
use crate::types::{Digest, ReplicaId, SeqNum, View};
use crate::views::form::{Evidence, Shown};

/// Rule 12: the prepared certificate of the highest view wins.
pub(super) fn choose<'a>(shown: &[&'a PreparedCertificate]) -> Option<Digest> {
    let higher = |winner: &'a PreparedCertificate, certificate: &'a PreparedCertificate| {
        if certificate.prepares.view > winner.prepares.view { certificate } else { winner }
    };
    shown.iter().copied().reduce(higher).map(|certificate| certificate.prepares.digest)
}

/// The set P has the prepared certificate of the highest view for each slot.
impl Shown for PreparedCertificate {
    fn seq(&self) -> SeqNum {
        self.prepares.seq
    }

    fn view(&self) -> View {
        self.prepares.view
    }

    fn prepared(&self) -> Option<(View, Digest)> {
        Some((self.prepares.view, self.prepares.digest))
    }

    fn digests(&self) -> Vec<Digest> {
        vec![self.prepares.digest]
    }

    fn check(&self, _sender: ReplicaId, verifier: &Verifier) -> Result<(), Rejection> {
        PreparedCertificate::check(self, verifier.committee().quorum(), verifier)
    }
}

impl Evidence for PreparedCertificate {
    fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        PreparedCertificate::signatures_mut(self)
    }

    fn claims(&self, committee: Committee) -> Vec<Claim> {
        PreparedCertificate::claims(self, committee).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committee::Committee;
    use crate::crypto::Kind;
    use crate::pbft::Classic;
    use crate::protocol::{Certificate, CheckpointCertificate};
    use crate::types::{ReplicaId, View};
    use crate::views::message::{Origin, ViewChange};
    use crate::views::new_view::forced;

    fn prepared(view: u64, seq: u64, content: u8) -> PreparedCertificate {
        let digest = Digest([content; 32]);
        let prepares =
            Certificate { kind: Kind::Prepare, view: View(view), seq: SeqNum(seq), digest, signatures: Vec::new() };
        PreparedCertificate { origin: Origin::OwnAccord, header: Signature::BLANK, prepares }
    }

    fn view_change(replica: u8, stable: u64, prepared: Vec<PreparedCertificate>) -> ViewChange<Classic> {
        let stable = CheckpointCertificate::new(SeqNum(stable), Digest([9; 32]), Vec::new());
        ViewChange { view: View(5), replica: ReplicaId(replica), stable, shown: prepared }
    }

    fn check(view_changes: &[ViewChange<Classic>], stable: u64, expected: &[(u64, u8)]) {
        let found = forced(view_changes.iter(), Committee::new(4).unwrap());
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
