//! How many replicas there are, how many may lie, and who leads: the only quorum arithmetic in the project.
//!
//! Castro & Liskov state PBFT for n = 3f+1. Clusters of other sizes exist, so the quorum is the smallest one for which
//! two quorums share an honest replica, q = ⌈(n+f+1)/2⌉; with n = 3f+1 that is the paper's 2f+1.

use serde::{Deserialize, Serialize};

use crate::types::{ReplicaId, View};

/// The replicas of a cluster and the sizes that follow from their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Committee {
    replicas: u8,
}

impl Committee {
    /// The largest cluster: ids and replica sets are sized for it.
    pub const MAX_REPLICAS: usize = 100;

    /// A committee of `replicas` members; `None` unless 1 ≤ `replicas` ≤ [`Committee::MAX_REPLICAS`].
    pub fn new(replicas: usize) -> Option<Committee> {
        (1..=Self::MAX_REPLICAS).contains(&replicas).then_some(Committee { replicas: replicas as u8 })
    }

    /// The smallest committee of n = 3f+1 ≥ 4 replicas, the sizes that the paper states PBFT for, that has this member;
    /// `None` if it would have more than [`Committee::MAX_REPLICAS`].
    pub fn smallest_with(member: ReplicaId) -> Option<Committee> {
        let faulty = member.index().div_ceil(3).max(1);
        Committee::new(3 * faulty + 1)
    }

    /// n, the number of replicas.
    pub fn size(self) -> usize {
        usize::from(self.replicas)
    }

    /// f = ⌊(n−1)/3⌋, the number of replicas that may be Byzantine.
    pub fn faulty(self) -> usize {
        (self.size() - 1) / 3
    }

    /// q = ⌈(n+f+1)/2⌉: any two quorums share at least f+1 replicas, so at least one honest one.
    pub fn quorum(self) -> usize {
        (self.size() + self.faulty() + 1).div_ceil(2)
    }

    /// q−f: of any quorum at least so many are honest.
    pub fn honest_in_quorum(self) -> usize {
        self.quorum() - self.faulty()
    }

    /// f+1: among so many replicas at least one is honest.
    pub fn weak_quorum(self) -> usize {
        self.faulty() + 1
    }

    /// The highest value that one honest replica must have reached, of what replicas say of themselves: the f+1-th highest, or
    /// the lowest if those are fewer. `None` if nobody says anything.
    pub fn credible<T: Ord>(self, said: impl IntoIterator<Item = T>) -> Option<T> {
        reached_by(self.weak_quorum(), said)
    }

    /// The highest value that a quorum has reached, of what replicas say of themselves, or the lowest if fewer say anything.
    pub fn reached_by_quorum<T: Ord>(self, said: impl IntoIterator<Item = T>) -> Option<T> {
        reached_by(self.quorum(), said)
    }

    /// The primary of a view, v mod n. View 0 is led by n1.
    pub fn primary(self, view: View) -> ReplicaId {
        ReplicaId((view.0 % u64::from(self.replicas)) as u8)
    }

    /// Whether the id is in the roster.
    pub fn contains(self, replica: ReplicaId) -> bool {
        replica.0 < self.replicas
    }

    /// All members in roster order.
    pub fn members(self) -> impl Iterator<Item = ReplicaId> {
        (0..self.replicas).map(ReplicaId)
    }

    /// All members but one.
    pub fn others(self, me: ReplicaId) -> impl Iterator<Item = ReplicaId> {
        self.members().filter(move |member| *member != me)
    }
}

/// The highest value that so many have reached, or the lowest if there are fewer.
fn reached_by<T: Ord>(enough: usize, said: impl IntoIterator<Item = T>) -> Option<T> {
    let mut said: Vec<T> = said.into_iter().collect();
    said.sort_unstable_by(|a, b| b.cmp(a));
    let enough = enough.min(said.len());
    said.into_iter().nth(enough.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_f_may_say_is_not_believed() {
        let seven = Committee::new(7).expect("seven are a committee");
        assert_eq!(seven.credible([9, u64::MAX, 7, 8, u64::MAX, 1, 2]), Some(9));
        assert_eq!(seven.credible([5, 4]), Some(4), "who is there must do");
        assert_eq!(seven.credible([0; 0]), None);
        assert_eq!(seven.reached_by_quorum([9, 9, 7, 8, 6, 1, 2]), Some(6));
    }

    #[test]
    fn quorums_intersect_in_an_honest_replica_and_can_be_reached_without_the_faulty() {
        for n in 1..=Committee::MAX_REPLICAS {
            let committee = Committee::new(n).unwrap();
            let (f, q) = (committee.faulty(), committee.quorum());
            assert!(2 * q > n + f, "n={n}: two quorums of {q} may share only liars");
            assert!(q + f <= n, "n={n}: {f} silent replicas stop the cluster");
        }
    }

    #[test]
    fn sizes_are_the_papers_for_three_f_plus_one() {
        for (n, f, q) in [(1, 0, 1), (4, 1, 3), (7, 2, 5), (10, 3, 7), (16, 5, 11), (100, 33, 67)] {
            let committee = Committee::new(n).unwrap();
            assert_eq!((committee.faulty(), committee.quorum(), committee.weak_quorum()), (f, q, f + 1));
        }
    }

    #[test]
    fn the_smallest_committee_with_a_member_is_of_the_papers_sizes() {
        for (name, size) in [("n1", 4), ("n4", 4), ("n5", 7), ("n7", 7), ("n8", 10), ("n98", 100), ("n100", 100)] {
            let member = ReplicaId::parse(name).unwrap();
            assert_eq!(Committee::smallest_with(member).map(Committee::size), Some(size), "{name}");
        }
        for member in (0..=u8::MAX).map(ReplicaId) {
            let sizes = (1..).map(|f| 3 * f + 1).take_while(|n| *n <= Committee::MAX_REPLICAS);
            let naive = sizes.filter_map(Committee::new).find(|committee| committee.contains(member));
            assert_eq!(Committee::smallest_with(member), naive, "{member}");
        }
    }

    #[test]
    fn the_primary_goes_round() {
        let committee = Committee::new(7).unwrap();
        assert_eq!(committee.primary(View(0)), ReplicaId(0));
        assert_eq!(committee.primary(View(6)), ReplicaId(6));
        assert_eq!(committee.primary(View(7)), ReplicaId(0));
        assert_eq!(Committee::new(0), None);
        assert_eq!(Committee::new(101), None);
    }
}
