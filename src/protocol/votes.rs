//! Counting votes: by view, digest and replica, never by digest alone (rule 1).

use std::collections::BTreeMap;

use super::Certificate;
use crate::crypto::{Kind, Signature};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};

/// What became of a vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cast {
    /// It is the replica's first one for this view.
    Counted,
    /// The same vote again: it counts once.
    Repeated,
    /// Another digest than before: not counted, and evidence.
    Conflicting,
}

/// The votes of one phase for one slot.
///
/// Invariant: at most one digest per (view, replica).
#[derive(Clone, Default, Debug)]
pub struct Votes {
    by_voter: BTreeMap<(View, ReplicaId), (Digest, Signature)>,
}

impl Votes {
    /// Casts a verified vote.
    pub fn cast(&mut self, view: View, voter: ReplicaId, digest: Digest, signature: Signature) -> Cast {
        match self.by_voter.get(&(view, voter)) {
            None => {
                self.by_voter.insert((view, voter), (digest, signature));
                Cast::Counted
            }
            Some((earlier, _)) if *earlier == digest => Cast::Repeated,
            Some(_) => Cast::Conflicting,
        }
    }

    /// How many distinct replicas voted for the digest in the view.
    pub fn count(&self, view: View, digest: Digest) -> usize {
        self.in_view(view).filter(|(_, (voted, _))| *voted == digest).count()
    }

    /// A certificate of exactly `needed` of the votes for the digest, if there are so many.
    pub fn certificate(
        &self,
        kind: Kind,
        view: View,
        seq: SeqNum,
        digest: Digest,
        needed: usize,
    ) -> Option<Certificate> {
        let matching = self.in_view(view).filter(|(_, (voted, _))| *voted == digest);
        let signatures: Vec<_> = matching.map(|(voter, (_, signature))| (voter, signature)).take(needed).collect();
        (signatures.len() == needed).then_some(Certificate { kind, view, seq, digest, signatures })
    }

    /// Who voted for what in a view.
    pub fn tally(&self, view: View) -> Vec<(Digest, ReplicaSet)> {
        let mut tally: BTreeMap<Digest, ReplicaSet> = BTreeMap::new();
        for (voter, (digest, _)) in self.in_view(view) {
            tally.entry(digest).or_default().insert(voter);
        }
        tally.into_iter().collect()
    }

    /// How many votes there are.
    pub fn len(&self) -> usize {
        self.by_voter.len()
    }

    /// Whether nobody has voted.
    pub fn is_empty(&self) -> bool {
        self.by_voter.is_empty()
    }

    /// Forgets the votes of views below `view`.
    pub fn forget_before(&mut self, view: View) {
        self.by_voter = self.by_voter.split_off(&(view, ReplicaId(0)));
    }

    fn in_view(&self, view: View) -> impl Iterator<Item = (ReplicaId, (Digest, Signature))> {
        let range = (view, ReplicaId(0))..=(view, ReplicaId(u8::MAX));
        self.by_voter.range(range).map(|((_, voter), vote)| (*voter, *vote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = Digest([1; 32]);
    const B: Digest = Digest([2; 32]);

    #[test]
    fn rule_1_a_vote_counts_once_and_a_second_digest_not_at_all() {
        let mut votes = Votes::default();
        let mut cast = |voter, digest| votes.cast(View(0), ReplicaId(voter), digest, Signature::BLANK);
        assert_eq!(cast(1, A), Cast::Counted);
        assert_eq!(cast(1, A), Cast::Repeated);
        assert_eq!(cast(1, B), Cast::Conflicting);
        assert_eq!(cast(2, B), Cast::Counted);
        assert_eq!((votes.count(View(0), A), votes.count(View(0), B)), (1, 1));
    }

    #[test]
    fn rule_1_votes_of_other_views_and_digests_do_not_add_up() {
        let mut votes = Votes::default();
        votes.cast(View(0), ReplicaId(1), A, Signature::BLANK);
        votes.cast(View(1), ReplicaId(2), A, Signature::BLANK);
        votes.cast(View(1), ReplicaId(3), B, Signature::BLANK);
        assert_eq!(votes.certificate(Kind::Prepare, View(1), SeqNum(1), A, 2), None);
        votes.forget_before(View(1));
        assert_eq!(votes.count(View(0), A), 0);
        assert_eq!(votes.tally(View(1)).len(), 2);
    }
}
