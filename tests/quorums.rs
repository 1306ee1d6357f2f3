//! Quorum arithmetic against the definitions, counted out over sets of replicas.

use byztop_core::committee::Committee;
use byztop_core::types::{ReplicaId, View};

/// A set of replicas as bits.
type Set = u32;

fn sets_of(size: usize, n: usize) -> Vec<Set> {
    (0..1 << n).filter(|set: &Set| set.count_ones() as usize == size).collect()
}

/// The most liars that n replicas can bear: less than a third of them.
fn naive_faulty(n: usize) -> usize {
    (0..n).take_while(|liars| 3 * liars < n).last().expect("no liar is always borne")
}

/// Whether any two sets of this size share a replica that is in no set of f liars.
fn always_share_an_honest_one(size: usize, f: usize, n: usize) -> bool {
    let (quorums, liars) = (sets_of(size, n), sets_of(f, n));
    quorums.iter().all(|a| quorums.iter().all(|b| liars.iter().all(|liars| a & b & !liars != 0)))
}

/// Whether any set of this size has somebody who is in no set of f liars.
fn always_has_an_honest_one(size: usize, f: usize, n: usize) -> bool {
    sets_of(size, n).iter().all(|set| sets_of(f, n).iter().all(|liars| set & !liars != 0))
}

#[test]
fn quorums_are_the_smallest_sets_that_do_what_quorums_are_for() {
    for n in 1..=8 {
        let committee = Committee::new(n).unwrap();
        let f = naive_faulty(n);
        assert_eq!(committee.faulty(), f, "n={n}");
        let quorum = (1..=n).find(|size| always_share_an_honest_one(*size, f, n));
        assert_eq!(Some(committee.quorum()), quorum, "n={n}");
        let weak = (1..=n).find(|size| always_has_an_honest_one(*size, f, n));
        assert_eq!(Some(committee.weak_quorum()), weak, "n={n}");
        let honest_quorums = |liars: &Set| sets_of(committee.quorum(), n).iter().any(|quorum| quorum & liars == 0);
        assert!(sets_of(f, n).iter().all(honest_quorums), "n={n}: silent liars must not stop the others");
    }
}

/// A smaller quorum would not do, whatever the size. That this one does is a test of the module itself.
#[test]
fn no_smaller_quorum_would_do() {
    for n in 1..=Committee::MAX_REPLICAS {
        let committee = Committee::new(n).unwrap();
        let f = naive_faulty(n);
        assert_eq!((committee.size(), committee.faulty()), (n, f));
        // Two sets share at least as many as they have together beyond n: more than f of them, so an honest one.
        let share_enough = |size: &usize| (2 * size).saturating_sub(n) > f;
        assert_eq!(Some(committee.quorum()), (1..=n).find(share_enough), "n={n}");
        assert_eq!(committee.weak_quorum(), f + 1, "n={n}");
    }
}

#[test]
fn the_primaries_take_turns_in_roster_order() {
    for n in [1, 2, 3, 4, 7, 100] {
        let committee = Committee::new(n).unwrap();
        let in_turn = (0..n as u8).map(ReplicaId).cycle();
        for (view, expected) in (0..1000).map(View).zip(in_turn) {
            assert_eq!(committee.primary(view), expected, "n={n}, view {view}");
        }
        assert!(committee.contains(committee.primary(View(u64::MAX))));
        assert!(committee.members().eq((0..n as u8).map(ReplicaId)));
        assert!(!committee.contains(ReplicaId(n as u8)));
    }
}
