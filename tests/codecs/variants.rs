//! That the strategies make every variant there is. A variant that is added to an enum does not compile here until it is
//! named, and the test fails until a strategy makes it.

use std::collections::BTreeSet;

use byztop_core::evidence::Proof;
use byztop_core::linear::{self, Count, Decision, Linear, Shown};
use byztop_core::pbft::{self, Classic};
use byztop_core::protocol::{Event, OwnStatement, Tampering};
use byztop_core::replica::{PeerMessage, ReplyOutcome, StatePart, StateRequest};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Course, Fate, Passage};
use byztop_core::views::message::Message;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::strategies;

/// The variants among a thousand values, each by its place in the list.
fn seen<T: std::fmt::Debug>(any: impl Strategy<Value = T>, place: impl Fn(&T) -> usize) -> Vec<usize> {
    let mut runner = TestRunner::deterministic();
    let values = (0..1000).map(|_| any.new_tree(&mut runner).expect("nothing is filtered out").current());
    values.map(|value| place(&value)).collect::<BTreeSet<usize>>().into_iter().collect()
}

fn expect_all(seen: Vec<usize>, count: usize) {
    assert_eq!(seen, (0..count).collect::<Vec<_>>());
}

#[test]
fn every_message_between_replicas_is_made() {
    let place = |message: &PeerMessage<pbft::Message>| match message {
        PeerMessage::Protocol(_) => 0,
        PeerMessage::Forward(_) => 1,
        PeerMessage::FetchBodies(_) => 2,
        PeerMessage::Bodies(_) => 3,
        PeerMessage::Checkpoint(_) => 4,
        PeerMessage::StateRequest(StateRequest::Nodes { .. }) => 5,
        PeerMessage::StateRequest(StateRequest::Leaves { .. }) => 6,
        PeerMessage::StatePart(StatePart::Nodes { .. }) => 7,
        PeerMessage::StatePart(StatePart::Leaves { .. }) => 8,
        PeerMessage::StatePart(StatePart::Newer(_)) => 9,
        PeerMessage::Proof(proof) => match **proof {
            Proof::Contradiction(..) => 10,
            Proof::DoubleAssignment(..) => 11,
            Proof::SelfIncriminating(_) => 12,
        },
    };
    expect_all(seen(strategies::peer_message::<Classic>(), place), 13);
}

#[test]
fn every_message_of_pbft_is_made() {
    let place = |message: &pbft::Message| match message {
        Message::PrePrepare(_) => 0,
        Message::Prepare(_) => 1,
        Message::Commit(_) => 2,
        Message::ViewChange(_) => 3,
        Message::NewView(_) => 4,
        Message::Status(_) => 5,
        Message::Ask { .. } => 6,
        Message::Committed(_) => 7,
        Message::FetchBatches(_) => 8,
        Message::Batches(_) => 9,
        Message::Count(nothing) => match *nothing {},
    };
    expect_all(seen(strategies::message::<Classic>(), place), 10);
}

#[test]
fn every_message_of_linear_pbft_is_made() {
    let shape = |shown: &Shown| match shown {
        Shown { prepared: None, voted: None } => unreachable!("nothing is shown"),
        Shown { prepared: Some(_), voted: None } => 0,
        Shown { prepared: None, voted: Some(_) } => 1,
        Shown { prepared: Some(_), voted: Some(_) } => 2,
    };
    expect_all(seen(<Linear as strategies::AnyForm>::shown(), shape), 3);
    let place = |message: &linear::Message| match message {
        Message::Count(Count::Prepared(_)) => 0,
        Message::Count(Count::Decided(Decision::Fast(_))) => 1,
        Message::Count(Count::Decided(Decision::Committed(_))) => 2,
        _ => 3,
    };
    expect_all(seen(strategies::message::<Linear>(), place), 4);
}

#[test]
fn every_message_of_and_to_consoles_is_made() {
    let request = |request: &ConsoleRequest| match request {
        ConsoleRequest::Subscribe { .. } => 0,
        ConsoleRequest::WatchSlot(_) => 1,
        ConsoleRequest::Ledger => 2,
        ConsoleRequest::Attack(_) => 3,
        ConsoleRequest::End(_) => 4,
        ConsoleRequest::Heal => 5,
        ConsoleRequest::Trace(Course::Slot(_)) => 6,
        ConsoleRequest::Trace(Course::View(_)) => 7,
        ConsoleRequest::Clock { .. } => 8,
    };
    expect_all(seen(strategies::console_request(), request), 9);
    let answer = |message: &ConsoleMessage| match message {
        ConsoleMessage::Welcome(_) => 0,
        ConsoleMessage::Frame(_) => 1,
        ConsoleMessage::Ledger(_) => 2,
        ConsoleMessage::Done(_) => 3,
        ConsoleMessage::Refused(_) => 4,
        ConsoleMessage::Trace(_) => 5,
        ConsoleMessage::Clock { .. } => 6,
        ConsoleMessage::Troubles(_) => 7,
    };
    expect_all(seen(strategies::console_message(), answer), 8);
    let fate = |passage: &Passage| match passage.fate {
        Fate::Left { .. } => 0,
        Fate::Unsent { .. } => 1,
        Fate::Came { .. } => 2,
        Fate::Refused { .. } => 3,
        Fate::Withheld { .. } => 4,
        Fate::HeldBack { .. } => 5,
    };
    expect_all(seen(strategies::passage(), fate), 6);
    let outcome = |outcome: &ReplyOutcome| match outcome {
        ReplyOutcome::Executed(_) => 0,
        ReplyOutcome::Busy => 1,
        ReplyOutcome::Old(_) => 2,
    };
    expect_all(seen(strategies::reply(), |reply| outcome(&reply.outcome)), 3);
}

#[test]
fn every_event_is_made() {
    let place = |event: &Event| match event {
        Event::PrePrepared { .. } => 0,
        Event::Prepared { .. } => 1,
        Event::Committed { .. } => 2,
        Event::Executed { .. } => 3,
        Event::Asked { .. } => 4,
        Event::ViewChangeAsked { .. } => 5,
        Event::ViewEntered { .. } => 6,
        Event::CheckpointStable { .. } => 7,
        Event::Diverged { .. } => 8,
        Event::TransferBegan { .. } => 9,
        Event::TransferDone { .. } => 10,
        Event::Observing { .. } => 11,
        Event::Rejoined => 12,
        Event::Rejected { .. } => 13,
        Event::Proved { .. } => 14,
        Event::AttackSet { .. } => 15,
        Event::AttackEnded { .. } => 16,
        Event::Healed => 17,
        Event::Tampered { how: Tampering::Withheld, .. } => 18,
        Event::Tampered { how: Tampering::HeldBack(_), .. } => 19,
        Event::Tampered { how: Tampering::Altered, .. } => 20,
        Event::OldLog { shown: OwnStatement::Signed(_) } => 21,
        Event::OldLog { shown: OwnStatement::ViewChange(_) } => 22,
    };
    expect_all(seen(strategies::event(), place), 23);
}
