use std::collections::VecDeque;

use super::*;
use crate::app::smallbank::{Account, Operation, SmallBank};

const SEQ: SeqNum = SeqNum(8);
const NEWER: SeqNum = SeqNum(16);
const PATIENCE: Micros = Micros::from_millis(200);
const ACCOUNTS: u32 = 20_000;
const LEAVES: u32 = ACCOUNTS / 32;

/// A state at a slot in which the customers of some leaves have got something.
fn state(seq: SeqNum, changed: impl IntoIterator<Item = u32>) -> State<SmallBank> {
    let mut state = State::new(SmallBank::new(ACCOUNTS, 5, 1));
    for leaf in changed {
        state.app.apply(Operation::DepositChecking { account: Account(32 * leaf), amount: 1 });
    }
    state.executed = seq;
    state.digest();
    state
}

fn certificate(theirs: &mut State<SmallBank>) -> CheckpointCertificate {
    CheckpointCertificate::new(theirs.executed, theirs.digest(), Vec::new())
}

/// A transfer from three peers, all of whom have been asked for the top.
fn begin(theirs: &mut State<SmallBank>, mine: &mut State<SmallBank>) -> (Transfer, Vec<(ReplicaId, StateRequest)>) {
    let mut transfer = Transfer::new(certificate(theirs), [1, 2, 3].map(ReplicaId), mine.tree());
    let requests = transfer.requests(Time(0));
    (transfer, requests)
}

/// What each request is answered with, and what is asked then, until nothing is; gives the leaves that travelled.
fn answer_all(
    transfer: &mut Transfer,
    mut requests: Vec<(ReplicaId, StateRequest)>,
    theirs: &State<SmallBank>,
    mine: &mut State<SmallBank>,
) -> Vec<u32> {
    let mut travelled = Vec::new();
    while let Some((peer, request)) = requests.pop() {
        let part = answer(theirs, &request).expect("it is held still");
        if let StatePart::Leaves { leaves, .. } = &part {
            travelled.extend(leaves.iter().map(|(index, _)| *index));
        }
        assert_eq!(transfer.on_part(peer, part, mine.tree()), Ok(()));
        requests.extend(transfer.requests(Time(0)));
    }
    travelled.sort_unstable();
    travelled
}

#[test]
fn rule_28_only_leaves_that_differ_are_asked_for() {
    let (mut theirs, mut mine) = (state(SEQ, [3, 4, 300]), state(SeqNum(2), []));
    let (mut transfer, requests) = begin(&mut theirs, &mut mine);
    assert_eq!(requests.len(), 3, "everyone is asked for the top, and holds the state still");
    assert_eq!(answer_all(&mut transfer, requests, &theirs, &mut mine), [3, 4, 300]);
    let progress = transfer.progress();
    assert_eq!((progress.target, progress.wanted_leaves, progress.fetched_leaves), (SEQ, Some(3), 3));
    assert_eq!(progress.fetched_bytes, 3 * 640);
    let fetched = transfer.take_fetched().expect("all is here");
    let mut installed = mine.with_leaves(SEQ, &fetched.leaves).expect("they are leaves");
    assert_eq!(installed.digest(), theirs.digest());
}

#[test]
fn rule_28_each_peer_has_its_own_piece_and_gets_the_next_one_when_it_answers() {
    let (mut theirs, mut mine) = (state(SEQ, 0..LEAVES), state(SeqNum(2), []));
    let (mut transfer, requests) = begin(&mut theirs, &mut mine);
    // n2 is slow: it answers the top only. n3 and n4 fetch everything but its piece.
    let slow = ReplicaId(1);
    let (mut held_up, mut requests): (Vec<_>, Vec<_>) = requests.into_iter().partition(|(peer, _)| *peer == slow);
    while let Some((peer, request)) = requests.pop() {
        transfer.on_part(peer, answer(&theirs, &request).unwrap(), mine.tree()).unwrap();
        let (slow_one, others): (Vec<_>, Vec<_>) =
            transfer.requests(Time(5)).into_iter().partition(|(peer, _)| *peer == slow);
        held_up.extend(slow_one);
        requests.extend(others);
    }
    assert_eq!(transfer.progress().fetched_leaves, LEAVES, "it has nothing but the top, which all were asked for");
    assert!(transfer.take_fetched().is_some());
    assert_eq!(held_up.len(), 1);
}

#[test]
fn rule_28_what_a_silent_peer_was_asked_for_is_asked_of_another() {
    let (mut theirs, mut mine) = (state(SEQ, 0..LEAVES), state(SeqNum(2), []));
    let (mut transfer, tops) = begin(&mut theirs, &mut mine);
    let mut requests = Vec::new();
    for (peer, request) in tops {
        transfer.on_part(peer, answer(&theirs, &request).unwrap(), mine.tree()).unwrap();
        requests.extend(transfer.requests(Time(0)));
    }
    // There are three nodes below the top that differ: all in one piece, of whoever was first.
    let [(silent, lost)] = &requests[..] else { panic!("{requests:?}") };
    transfer.on_timeout(Time(PATIENCE.0 - 1), PATIENCE);
    assert_eq!(transfer.requests(Time(PATIENCE.0 - 1)), []);
    transfer.on_timeout(Time(PATIENCE.0), PATIENCE);
    assert!(!transfer.is_exhausted());
    let again = transfer.requests(Time(PATIENCE.0));
    assert_eq!(again.iter().map(|(_, request)| request).collect::<Vec<_>>(), [lost]);
    assert_ne!(again[0].0, *silent);
    let travelled = answer_all(&mut transfer, again, &theirs, &mut mine);
    assert_eq!(travelled, (0..LEAVES).collect::<Vec<_>>(), "each leaf once");
    assert!(transfer.take_fetched().is_some());
}

#[test]
fn rule_28_whoever_lies_is_asked_for_nothing_more() {
    let (mut theirs, mut mine) = (state(SEQ, 0..LEAVES), state(SeqNum(2), []));
    let other = state(SEQ, []);
    let (mut transfer, tops) = begin(&mut theirs, &mut mine);
    let liar = ReplicaId(2);
    let mut requests = VecDeque::from(tops);
    let mut lies = 0;
    while let Some((peer, request)) = requests.pop_front() {
        let source = if peer == liar { &other } else { &theirs };
        let verdict = transfer.on_part(peer, answer(source, &request).unwrap(), mine.tree());
        lies += usize::from(verdict == Err(Rejection::WrongStatePart));
        assert!(verdict.is_ok() || peer == liar);
        requests.extend(transfer.requests(Time(0)));
        assert!(lies == 0 || requests.iter().all(|(peer, _)| *peer != liar));
    }
    assert_eq!(lies, 1);
    assert!(transfer.take_fetched().is_some());
}

#[test]
fn rule_28_an_answer_that_brings_nothing_is_none() {
    let (mut theirs, mut mine) = (state(SEQ, 0..LEAVES), state(SeqNum(2), []));
    let (mut transfer, requests) = begin(&mut theirs, &mut mine);
    for (peer, request) in requests {
        let StateRequest::Nodes { seq, level, .. } = request else { panic!("{request:?}") };
        for nothing in [
            StatePart::Nodes { seq, level, nodes: Vec::new() },
            StatePart::Nodes { seq, level: 0, nodes: vec![(0, [Digest::ZERO; FAN_OUT])] },
            StatePart::Leaves { seq, leaves: Vec::new() },
            StatePart::Leaves { seq: seq.next(), leaves: vec![(0, Leaf(Vec::new()))] },
        ] {
            assert_eq!(transfer.on_part(peer, nothing, mine.tree()), Err(Rejection::Unsolicited));
            assert_eq!(transfer.requests(Time(0)), [], "else {peer} is asked again at once, and for ever");
        }
    }
}

#[test]
fn rule_28_what_was_fetched_for_an_earlier_checkpoint_is_not_fetched_again() {
    let (mut theirs, mut mine) = (state(SEQ, 0..LEAVES), state(SeqNum(2), []));
    let (mut transfer, requests) = begin(&mut theirs, &mut mine);
    answer_all(&mut transfer, requests, &theirs, &mut mine);
    // At the newer checkpoint leaf 7 is another one, leaf 9 is ours again, and all others are as before.
    let changed = (0..LEAVES).filter(|leaf| *leaf != 9).chain([7]);
    let mut newer = state(NEWER, changed);
    transfer.follow(certificate(&mut newer));
    assert!(transfer.take_fetched().is_none());
    let requests = transfer.requests(Time(0));
    assert_eq!(answer_all(&mut transfer, requests, &newer, &mut mine), [7]);
    let fetched = transfer.take_fetched().expect("all is here");
    assert_eq!(fetched.leaves.len() as u32, LEAVES - 1);
    let mut installed = mine.with_leaves(NEWER, &fetched.leaves).expect("they are leaves");
    assert_eq!(installed.digest(), newer.digest());
}

#[test]
fn rule_28_once_nobody_is_left_all_are_asked_again() {
    let (mut theirs, mut mine) = (state(SEQ, [1]), state(SeqNum(2), []));
    let (mut transfer, requests) = begin(&mut theirs, &mut mine);
    transfer.on_timeout(Time(PATIENCE.0), PATIENCE);
    assert!(transfer.is_exhausted(), "nobody has answered");
    assert_eq!(transfer.requests(Time(PATIENCE.0)), []);
    transfer.start_over();
    assert_eq!(transfer.requests(Time(PATIENCE.0)), requests);
}

#[test]
fn rule_28_a_target_that_one_honest_peer_has_left_behind_and_nobody_has_shown_is_given_up() {
    let committee = Committee::new(4).unwrap();
    let (mut theirs, mut mine) = (state(SEQ, [1]), state(SeqNum(2), []));
    let (mut transfer, _) = begin(&mut theirs, &mut mine);
    assert_eq!(transfer.on_newer(ReplicaId(1), SEQ), Err(Rejection::Unsolicited), "that is not newer");
    assert_eq!(transfer.on_newer(ReplicaId(1), NEWER), Ok(()));
    assert_eq!(transfer.on_newer(ReplicaId(1), NEWER), Err(Rejection::Unsolicited), "it was asked once");
    assert!(!transfer.is_outrun(committee), "it may lie");
    transfer.on_timeout(Time(PATIENCE.0), PATIENCE);
    assert_eq!(transfer.on_newer(ReplicaId(2), NEWER), Ok(()), "late is not too late");
    assert!(transfer.is_outrun(committee) && transfer.is_exhausted());
}

#[test]
fn rule_28_a_target_that_somebody_has_shown_is_held_on_to() {
    let committee = Committee::new(4).unwrap();
    let (mut theirs, mut mine) = (state(SEQ, [1]), state(SeqNum(2), []));
    let (mut transfer, mut requests) = begin(&mut theirs, &mut mine);
    let (peer, request) = requests.remove(0);
    assert_eq!(transfer.on_part(peer, answer(&theirs, &request).unwrap(), mine.tree()), Ok(()));
    for (peer, _) in requests {
        assert_eq!(transfer.on_newer(peer, NEWER), Ok(()));
    }
    assert!(!transfer.is_outrun(committee) && !transfer.is_exhausted());
    let requests = transfer.requests(Time(0));
    assert_eq!(answer_all(&mut transfer, requests, &theirs, &mut mine), [1]);
    assert!(transfer.take_fetched().is_some());
}

#[test]
fn what_is_asked_for_again_and_again_in_one_request_is_answered_once() {
    let theirs = state(SEQ, []);
    let leaves = answer(&theirs, &StateRequest::Leaves { seq: SEQ, leaves: vec![3; StatePart::MAX_LEAVES] });
    assert!(matches!(leaves, Some(StatePart::Leaves { leaves, .. }) if leaves.len() == 1));
    let nodes = answer(&theirs, &StateRequest::Nodes { seq: SEQ, level: 1, nodes: vec![3; StatePart::MAX_NODES] });
    assert!(matches!(nodes, Some(StatePart::Nodes { nodes, .. }) if nodes.len() == 1));
}
