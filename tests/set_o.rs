//! The set O against the paper's words (Castro & Liskov, OSDI '99, §4.4), written down as they stand there:
//!
//! > The primary determines the sequence number *min-s* of the latest stable checkpoint in V and the highest sequence
//! > number *max-s* in a prepare message in V. It creates a new pre-prepare message for view v+1 for each sequence number
//! > n between min-s and max-s. There are two cases: (1) there is at least one set in the P component of some view-change
//! > message in V with sequence number n, or (2) there is no such set. In the first case, the primary creates a new
//! > message ⟨PRE-PREPARE, v+1, n, d⟩, where d is the request digest in the pre-prepare message for sequence number n with
//! > the highest view number in V. In the second case, it creates a new pre-prepare message with the digest of a special
//! > null request.

use byztop_core::committee::Committee;
use byztop_core::crypto::{Kind, Signature, Signed};
use byztop_core::pbft::{NewView, ViewChange};
use byztop_core::protocol::{Certificate, CheckpointCertificate};
use byztop_core::types::{Digest, ReplicaId, SeqNum, View};
use byztop_core::views::message::{ForcedProposal, Origin, PreparedCertificate};
use byztop_core::views::new_view::{forced, is_justified};
use proptest::prelude::*;

/// The view that is asked for; whatever was prepared was prepared before.
const VIEW: u64 = 6;

type Slots = Vec<(SeqNum, Digest)>;

fn committee() -> Committee {
    Committee::new(7).expect("seven replicas are a committee")
}

fn naive(view_changes: &[ViewChange]) -> (SeqNum, Slots) {
    let all_of_p = || view_changes.iter().flat_map(|view_change| &view_change.shown);
    let mut min_s = 0;
    for view_change in view_changes {
        min_s = min_s.max(view_change.stable.seq().0);
    }
    let mut max_s = 0;
    for certificate in all_of_p() {
        max_s = max_s.max(certificate.prepares.seq.0);
    }
    let mut slots = Vec::new();
    let mut n = min_s + 1;
    while n <= max_s {
        let mut highest_view = None;
        let mut digest = Digest::ZERO;
        for certificate in all_of_p() {
            if certificate.prepares.seq.0 == n && Some(certificate.prepares.view) > highest_view {
                highest_view = Some(certificate.prepares.view);
                digest = certificate.prepares.digest;
            }
        }
        slots.push((SeqNum(n), digest));
        n += 1;
    }
    (SeqNum(min_s), slots)
}

/// What was prepared for a slot in a view: one batch, since two quorums share an honest replica; null requests among them.
fn prepared(seq: u64, view: u64, contents: &[u8]) -> PreparedCertificate {
    let content = contents[(seq * VIEW + view) as usize % contents.len()];
    let (seq, view) = (SeqNum(seq), View(view));
    let prepares =
        Certificate { kind: Kind::Prepare, view, seq, digest: Digest([content; 32]), signatures: Vec::new() };
    PreparedCertificate { origin: Origin::OwnAccord, header: Signature::BLANK, prepares }
}

/// Per replica its stable checkpoint and, for each slot after it, the view in which it prepared the slot, if it did.
fn histories() -> impl Strategy<Value = Vec<(u64, Vec<Option<u64>>)>> {
    let slots = prop::collection::vec(prop::option::weighted(0.6, 0..VIEW), 0..9);
    prop::collection::vec((0u64..7, slots), 1..6)
}

fn view_changes() -> impl Strategy<Value = Vec<ViewChange>> {
    (histories(), prop::collection::vec(0u8..4, 60)).prop_map(|(histories, contents)| {
        let view_change = |(replica, (stable, slots)): (usize, (u64, Vec<Option<u64>>))| {
            let slots = (stable + 1..).zip(slots);
            let prepared = slots.filter_map(|(seq, view)| Some(prepared(seq, view?, &contents))).collect();
            let stable = CheckpointCertificate::new(SeqNum(stable), Digest([9; 32]), Vec::new());
            ViewChange { view: View(VIEW), replica: ReplicaId(replica as u8), stable, shown: prepared }
        };
        histories.into_iter().enumerate().map(view_change).collect()
    })
}

fn new_view(view_changes: &[ViewChange], slots: Slots) -> NewView {
    let entry = |(seq, digest)| ForcedProposal { seq, digest, signature: Signature::BLANK };
    NewView {
        view: View(VIEW),
        primary: ReplicaId(0),
        view_changes: view_changes.iter().cloned().map(Signed::unsigned).collect(),
        forced: slots.into_iter().map(entry).collect(),
    }
}

/// Every O that differs from an honest one in a single place.
fn alterations(honest: &Slots) -> Vec<Slots> {
    let mut altered = Vec::new();
    let mut alter = |change: &dyn Fn(&mut Slots)| {
        let mut slots = honest.clone();
        change(&mut slots);
        altered.push(slots);
    };
    for i in 0..honest.len() {
        alter(&|slots| {
            slots.remove(i);
        });
        alter(&|slots| slots.insert(i, slots[i]));
        alter(&|slots| slots[i].1 = Digest([77; 32]));
        alter(&|slots| slots[i].1.0[31] ^= 1);
        alter(&|slots| slots[i].0 = slots[i].0.next());
        alter(&|slots| slots[i].0 = slots[i].0.previous());
        if honest[i].1 != Digest::ZERO {
            alter(&|slots| slots[i].1 = Digest::ZERO);
        }
        if i > 0 {
            alter(&|slots| slots.swap(i - 1, i));
        }
    }
    let last = honest.last().map_or(SeqNum(0), |(seq, _)| *seq);
    alter(&|slots| slots.push((last.next(), Digest::ZERO)));
    alter(&|slots| slots.push((last.next(), Digest([1; 32]))));
    let first = honest.first().map_or(SeqNum(0), |(seq, _)| *seq);
    alter(&|slots| slots.insert(0, (first.previous(), Digest::ZERO)));
    altered
}

proptest! {
    #[test]
    fn rule_12_o_is_what_the_paper_says(view_changes in view_changes()) {
        let found = forced(view_changes.iter(), committee());
        let (min_s, slots) = naive(&view_changes);
        prop_assert_eq!((found.stable.seq(), &found.slots), (min_s, &slots));
        prop_assert!(is_justified(&new_view(&view_changes, slots), committee()));
    }

    #[test]
    fn rule_12_the_order_of_view_changes_says_nothing(
        (view_changes, shuffled) in view_changes().prop_flat_map(|vcs| (Just(vcs.clone()), Just(vcs).prop_shuffle())),
    ) {
        let (a, b) = (forced(view_changes.iter(), committee()), forced(shuffled.iter(), committee()));
        prop_assert_eq!((a.stable.seq(), a.slots), (b.stable.seq(), b.slots));
    }

    #[test]
    fn rule_12_an_o_that_differs_by_one_entry_is_not_justified(view_changes in view_changes()) {
        let honest = forced(view_changes.iter(), committee()).slots;
        for altered in alterations(&honest) {
            prop_assert!(!is_justified(&new_view(&view_changes, altered.clone()), committee()), "{:?} for {:?}", altered, honest);
        }
    }
}

#[test]
fn rule_12_nothing_follows_from_no_view_change() {
    assert!(!is_justified(&new_view(&[], Vec::new()), committee()));
}
