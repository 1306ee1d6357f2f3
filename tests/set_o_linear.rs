//! Linear PBFT's set O: against the rule as it is said in words, and that what was decided is forced, whoever lies.
//!
//! > The certificate of the highest view wins, unless q−f view changes show votes for one batch in later views; where
//! > there is neither, nothing is forced.

use byztop_core::committee::Committee;
use byztop_core::crypto::{Kind, Signature};
use byztop_core::linear::{Shown, ViewChange, Vote};
use byztop_core::protocol::{Certificate, CheckpointCertificate};
use byztop_core::types::{Digest, ReplicaId, SeqNum, View};
use byztop_core::views::message::{Origin, PreparedCertificate};
use byztop_core::views::new_view::forced;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The view that is asked for; whatever was voted for was voted for before.
const VIEW: u64 = 6;

/// What may be proposed, the null request among it.
const CONTENTS: u8 = 4;

/// What a replica shows of a slot: in which view it got which certificate, and in which view it voted for what.
type Story = (Option<(u64, u8)>, Option<(u64, u8)>);

/// What is drawn of a slot: in which view there was a certificate, what it is for being the same for all.
type Drawn = (Option<u64>, Option<(u64, u8)>);

fn committees() -> impl Strategy<Value = Committee> {
    // 3f+1 and others: there a quorum has more than f+1 honest members.
    prop::sample::select(vec![4, 5, 6, 7, 8, 9]).prop_map(|n| Committee::new(n).expect("a few are a committee"))
}

fn certificate(view: u64, seq: u64, content: u8) -> PreparedCertificate {
    let (view, seq, digest) = (View(view), SeqNum(seq), Digest([content; 32]));
    let prepares = Certificate { kind: Kind::Prepare, view, seq, digest, signatures: Vec::new() };
    PreparedCertificate { origin: Origin::OwnAccord, header: Signature::BLANK, prepares }
}

fn vote(view: u64, seq: u64, content: u8) -> Vote {
    let (view, seq, digest) = (View(view), SeqNum(seq), Digest([content; 32]));
    Vote { view, seq, digest, origin: Origin::OwnAccord, header: Signature::BLANK, prepare: None }
}

/// What a well-formed view change shows of that: a vote only if it is later than the certificate.
fn shown(seq: u64, (prepared, voted): Story) -> Option<Shown> {
    let voted = voted.filter(|(view, _)| prepared.is_none_or(|(prepared_in, _)| prepared_in < *view));
    let prepared = prepared.map(|(view, content)| certificate(view, seq, content));
    let voted = voted.map(|(view, content)| vote(view, seq, content));
    (prepared.is_some() || voted.is_some()).then_some(Shown { prepared, voted })
}

fn view_change(replica: usize, stable: u64, slots: &[Story]) -> ViewChange {
    let shown = (stable + 1..).zip(slots).filter_map(|(seq, story)| shown(seq, *story)).collect();
    let stable = CheckpointCertificate::new(SeqNum(stable), Digest([9; 32]), Vec::new());
    ViewChange { view: View(VIEW), replica: ReplicaId(replica as u8), stable, shown }
}

/// The rule in words, for one slot.
fn naive_choice(view_changes: &[ViewChange], seq: u64, committee: Committee) -> Option<Digest> {
    let all = || view_changes.iter().flat_map(|view_change| &view_change.shown);
    let certificates = all().filter_map(|shown| shown.prepared.as_ref()).map(|prepared| &prepared.prepares);
    let mut winner = None;
    for certificate in certificates.filter(|certificate| certificate.seq.0 == seq) {
        if winner.is_none_or(|(view, _)| certificate.view.0 > view) {
            winner = Some((certificate.view.0, certificate.digest));
        }
    }
    let first_later = winner.map_or(0, |(view, _)| view + 1);
    for digest in (0..CONTENTS).map(|content| Digest([content; 32])) {
        let votes = all().filter_map(|shown| shown.voted);
        let is_for_it = |vote: &Vote| vote.seq.0 == seq && vote.digest == digest && vote.view.0 >= first_later;
        if votes.filter(is_for_it).count() >= committee.quorum() - committee.faulty() {
            return Some(digest);
        }
    }
    winner.map(|(_, digest)| digest)
}

fn naive(view_changes: &[ViewChange], committee: Committee) -> (SeqNum, Vec<(SeqNum, Digest)>) {
    let min_s = view_changes.iter().map(|view_change| view_change.stable.seq().0).max().unwrap_or(0);
    let mut slots: Vec<_> =
        (min_s + 1..40).map(|seq| (SeqNum(seq), naive_choice(view_changes, seq, committee))).collect();
    while slots.last().is_some_and(|(_, digest)| digest.is_none()) {
        slots.pop();
    }
    let slots = slots.into_iter().map(|(seq, digest)| (seq, digest.unwrap_or(Digest::ZERO))).collect();
    (SeqNum(min_s), slots)
}

/// In a view one batch at most has a certificate.
fn certified(contents: &[u8], view: u64) -> (u64, u8) {
    (view, contents[view as usize])
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    vec(0..CONTENTS, VIEW as usize)
}

/// A quorum's view changes, about some slots each.
fn quorums() -> impl Strategy<Value = (Committee, Vec<ViewChange>)> {
    let story = (option::weighted(0.4, 0..VIEW), option::weighted(0.7, (0..VIEW, 0..CONTENTS)));
    let history = (0u64..4, vec(story, 0..6));
    (committees(), contents()).prop_flat_map(move |(committee, contents)| {
        vec(history.clone(), committee.quorum()).prop_map(move |histories| {
            let view_change = |(replica, (stable, slots)): (usize, (u64, Vec<Drawn>))| {
                let story = |(view, voted): Drawn| (view.map(|view| certified(&contents, view)), voted);
                let slots: Vec<Story> = slots.into_iter().map(story).collect();
                view_change(replica, stable, &slots)
            };
            (committee, histories.into_iter().enumerate().map(view_change).collect())
        })
    })
}

/// A decision on batch 1 in a view, and what each replica has seen and drawn besides.
#[derive(Clone, Debug)]
struct Decided {
    committee: Committee,
    view: u64,
    /// What was certified in which view; batch 1 from the decision on.
    contents: Vec<u8>,
    /// Of a quorum: whether the replica knows a certificate, of which view, and when it voted for what.
    draws: Vec<(Option<u64>, u64, u8)>,
    /// Which of them lie; at most f.
    liars: Vec<usize>,
}

fn decisions() -> impl Strategy<Value = Decided> {
    (committees(), 0..VIEW, contents()).prop_flat_map(|(committee, view, mut contents)| {
        contents[view as usize..].fill(1);
        let draw = (option::of(0..VIEW), 0..VIEW, 0..CONTENTS);
        let q = committee.quorum();
        let liars = prop::sample::subsequence((0..q).collect::<Vec<_>>(), 0..=committee.faulty());
        let rest = (vec(draw, q), liars.prop_shuffle());
        rest.prop_map(move |(draws, liars)| Decided { committee, view, contents: contents.clone(), draws, liars })
    })
}

impl Decided {
    /// What the quorum forces on the slot if its honest members tell `honest`, by their place and draw, and its liars
    /// anything: nothing, what was certified in whatever view, votes for whatever in whatever view.
    fn forced(&self, honest: impl Fn(usize, (Option<u64>, u64, u8)) -> Story) -> Vec<(SeqNum, Digest)> {
        let story = |(place, draw): (usize, &(Option<u64>, u64, u8))| {
            let (certificate, voted_in, content) = *draw;
            let story = match self.liars.contains(&place) {
                true => (certificate.map(|view| certified(&self.contents, view)), Some((voted_in, content))),
                false => honest(place, *draw),
            };
            view_change(place, 0, &[story])
        };
        let view_changes: Vec<ViewChange> = self.draws.iter().enumerate().map(story).collect();
        forced(view_changes.iter(), self.committee).slots
    }

    /// A view from the decision on.
    fn later(&self, drawn: u64) -> u64 {
        self.view + drawn % (VIEW - self.view)
    }
}

const DECIDED: (SeqNum, Digest) = (SeqNum(1), Digest([1; 32]));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn o_is_what_the_words_say((committee, view_changes) in quorums()) {
        let found = forced(view_changes.iter(), committee);
        prop_assert_eq!((found.stable.seq(), found.slots), naive(&view_changes, committee));
    }

    /// All n voted for it in one view, and since then it alone could be voted for: each honest replica shows that vote or a
    /// later one, and whatever certificate it has.
    #[test]
    fn what_all_voted_for_is_forced(decided in decisions()) {
        let honest = |_, (certificate, voted_in, _): (Option<u64>, u64, u8)| {
            (certificate.map(|view| certified(&decided.contents, view)), Some((decided.later(voted_in), 1)))
        };
        prop_assert_eq!(decided.forced(honest), [DECIDED]);
    }

    /// A quorum holds its certificate, so one honest replica at least shows it. The others may have voted for anything
    /// until then, and for nothing else since.
    #[test]
    fn what_a_quorum_committed_is_forced(decided in decisions(), place in any::<prop::sample::Index>()) {
        let honest_places: Vec<usize> =
            (0..decided.draws.len()).filter(|place| !decided.liars.contains(place)).collect();
        let knows = *place.get(&honest_places);
        let honest = |place: usize, (certificate, voted_in, content): (Option<u64>, u64, u8)| {
            let certificate = if place == knows { Some(decided.later(voted_in)) } else { certificate };
            let content = if voted_in > decided.view { 1 } else { content };
            (certificate.map(|view| certified(&decided.contents, view)), Some((voted_in, content)))
        };
        prop_assert_eq!(decided.forced(honest), [DECIDED]);
    }
}

/// One vote fewer could be told by liars and by those who were lied to.
#[test]
fn fewer_votes_than_a_quorum_has_honest_members_force_nothing() {
    for n in 4..=10 {
        let committee = Committee::new(n).expect("a few are a committee");
        let needed = committee.quorum() - committee.faulty();
        let votes = |count: usize| -> Vec<ViewChange> {
            let story = |replica| (None, (replica < count).then_some((2, 1)));
            (0..committee.quorum()).map(|replica| view_change(replica, 0, &[story(replica)])).collect()
        };
        assert_eq!(forced(votes(needed - 1).iter(), committee).slots, []);
        assert_eq!(forced(votes(needed).iter(), committee).slots, [DECIDED]);
    }
}
