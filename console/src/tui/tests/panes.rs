//! The panes behind the overview.

use std::collections::BTreeMap;

use byztop_core::protocol::Event;
use byztop_core::scenario::{Answer, Found, Outcome, Ruling, Verdict, judge, read};
use byztop_core::telemetry::{ConsoleMessage, ConsoleRequest, Ledger};
use byztop_core::types::{Digest, Micros, ReplicaId};
use crossterm::event::KeyCode;

use super::super::export;
use super::super::panes::Pane;
use super::super::{CaseEvent, CaseList, FeedEvent, LinkEvent};
use super::Rig;
use super::ascii::check_ascii;
use super::screens::check;

const SIZES: [(u16, u16); 4] = [(200, 60), (120, 36), (80, 24), (40, 10)];

fn check_sizes(name: &str, rig: &Rig) {
    for (width, height) in SIZES {
        check(&format!("{name}-{width}x{height}"), rig.screen(width, height));
    }
}

#[test]
fn the_ledger_is_asked_for_while_it_is_looked_at_and_no_longer() {
    let mut rig = Rig::running(7, 24);
    let asked = |rig: &Rig| rig.asked(|request| matches!(request, ConsoleRequest::Ledger));
    rig.press("7");
    rig.frames(9);
    assert_eq!(asked(&rig), 3 * 7, "at once, and each second from each replica");
    rig.press("_");
    rig.frames(8);
    assert_eq!(asked(&rig), 3 * 7, "a frozen screen wants nothing new");
    rig.press("_ 1");
    rig.frames(8);
    assert_eq!(asked(&rig), 3 * 7, "nobody looks at it");
}

#[test]
fn the_ledger_has_state_money_status_log_and_views() {
    let mut rig = Rig::running(7, 24);
    rig.press("c");
    rig.frames(16);
    rig.press("7");
    rig.frames(4);
    check_sizes("ledger", &rig);
    rig.press("End");
    check("ledger-end-80x24", rig.screen(80, 24));
}

#[test]
fn states_that_differ_after_one_slot_are_named() {
    let mut rig = Rig::running(4, 24);
    rig.press("7");
    rig.frames(1);
    assert!(!rig.screen(120, 36).contains("DIVERGED"));
    let mine = rig.model.ledgers.of(ReplicaId(1)).expect("it was asked").clone();
    let other = Box::new(Ledger { state_digest: Digest([0xab; 32]), ..mine });
    let at = other.status.executed;
    rig.take(vec![FeedEvent::Link(ReplicaId(1), LinkEvent::Message(ConsoleMessage::Ledger(other)))]);
    let screen = rig.screen(120, 36);
    assert!(screen.contains(&format!("DIVERGED after slot {at}: ")) && screen.contains("abab at n2"), "{screen}");
}

#[test]
fn the_keys_of_the_panes_go_round() {
    let mut rig = Rig::running(4, 8);
    for (keys, expected) in [
        ("Tab", Pane::Phases),
        ("Tab", Pane::Latency),
        ("Tab", Pane::Messages),
        ("Tab", Pane::Attacks),
        ("Tab", Pane::Evidence),
        ("Tab", Pane::Ledger),
        ("Tab", Pane::Overview),
        ("7", Pane::Ledger),
        ("1", Pane::Overview),
    ] {
        rig.press(keys);
        assert_eq!(rig.ui.pane, expected, "{keys}");
    }
    rig.press("8");
    assert_eq!(rig.ui.pane, Pane::Overview, "there are no cases");
    let toast = rig.ui.toast.as_ref().map(|toast| toast.text.as_str());
    assert_eq!(toast, Some("no test cases here: byztop run FILE.csv --watch brings those of a file"));
}

const FILE: &str = "\
Set Number,Transactions,Live,Byzantine,Attack,Expect,Note
1,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[],[],A=9; B=11,nobody lies
,(B),,,,,
2,\"(A, B, 1)\",\"[n1, n2, n3]\",[n1],[time; dark(n3)],stalls,two of four can not agree
3,\"(A, C, 99)\",\"[n1, n2, n3, n4]\",[n1],[equivocation(n4)],,
";

/// A console that was given three sets.
pub(super) fn with_cases() -> (Rig, CaseList) {
    let mut rig = Rig::new(4);
    let file = read("cases.csv", FILE.as_bytes(), None).expect("it reads");
    let sets = file.sets.into_iter().map(|set| (set.clone(), set.expectation(file.committee))).collect();
    let list = CaseList { file: "cases.csv".into(), sets };
    rig.take(vec![FeedEvent::Case(CaseEvent::Listed(Box::new(list.clone())))]);
    (rig, list)
}

pub(super) fn begin(rig: &mut Rig, place: usize) {
    rig.take(vec![FeedEvent::Case(CaseEvent::Began { place })]);
    let events = rig.cluster.connect();
    rig.take(events);
    rig.frames(2);
}

fn answer(rig: &mut Rig, list: &CaseList, place: usize, of: usize, outcome: Outcome) -> Answer {
    let transaction = list.sets[place].0.transactions[of];
    let answer = Answer { outcome, latency: Micros(12_300) };
    rig.take(vec![
        FeedEvent::Case(CaseEvent::Submitted(transaction)),
        FeedEvent::Case(CaseEvent::Answered(transaction, answer.clone())),
    ]);
    answer
}

#[test]
fn cases_are_listed_run_and_judged() {
    let (mut rig, list) = with_cases();
    assert_eq!(rig.ui.pane, Pane::Cases, "whoever brings cases wants to see them");
    check("cases-listed-120x36", rig.screen(120, 36));
    assert_eq!(rig.sent("Down Enter"), ["Case(One(1))"]);
    assert_eq!(rig.sent("Up a"), ["Case(From(0))"]);
    begin(&mut rig, 0);
    let first = answer(&mut rig, &list, 0, 0, Outcome::Committed("ok".into()));
    check("cases-running-120x36", rig.screen(120, 36));
    assert!(rig.sent("Enter").is_empty(), "one at a time");
    assert_eq!(rig.sent("x"), ["Case(Stop)"]);
    let second = answer(&mut rig, &list, 0, 1, Outcome::Committed("12".into()));
    let (set, expectation) = &list.sets[0];
    let found = Found { transactions: vec![first, second], replicas: BTreeMap::new(), ..Found::default() };
    let verdict = judge(set, rig.model.committee, expectation, &found);
    assert_eq!(verdict.ruling, Ruling::Fail, "nobody has reported");
    rig.take(vec![FeedEvent::Case(CaseEvent::Judged { place: 0, found: Box::new(found), verdict })]);
    begin(&mut rig, 1);
    assert_eq!(rig.ui.case, 1, "the selection goes along");
    let stalled = answer(&mut rig, &list, 1, 0, Outcome::Timeout);
    let verdict = Verdict {
        ruling: Ruling::Pass,
        violations: Vec::new(),
        missed: Vec::new(),
        broke: Vec::new(),
        notes: vec!["n3 lags: slot 0 of 1".into()],
    };
    let found = Found { transactions: vec![stalled], ..Found::default() };
    rig.take(vec![FeedEvent::Case(CaseEvent::Judged { place: 1, found: Box::new(found), verdict })]);
    rig.take(vec![FeedEvent::Case(CaseEvent::Began { place: 2 })]);
    rig.take(vec![FeedEvent::Case(CaseEvent::Broken { place: 2, why: "replicas are not linked after 10 s".into() })]);
    rig.press("Home");
    check_sizes("cases", &rig);
    check_ascii(&mut rig, "cases");
    rig.press("PageDown");
    check("cases-scrolled-80x24", rig.screen(80, 24));
    rig.press("Down");
    check("cases-stalled-80x24", rig.screen(80, 24));
    let log = rig.model.log.newest().map(|entry| entry.text(4)).collect::<Vec<_>>();
    assert_eq!(log[0], "set 3: not run to its end: replicas are not linked after 10 s", "{log:?}");
}

#[test]
fn what_was_known_of_one_sets_cluster_is_forgotten_when_the_next_begins() {
    let (mut rig, _) = with_cases();
    begin(&mut rig, 0);
    assert!(rig.first_line().contains("LIVE 4/4"), "{}", rig.first_line());
    rig.take(vec![FeedEvent::Case(CaseEvent::Began { place: 1 })]);
    assert!(rig.first_line().contains("LIVE 0/4") && rig.first_line().contains("view ?"), "{}", rig.first_line());
    assert!(rig.model.cases.as_ref().is_some_and(|cases| cases.sets.len() == 3));
}

#[test]
fn nobody_attacks_beside_a_test_case() {
    let (mut rig, _) = with_cases();
    begin(&mut rig, 0);
    assert!(rig.sent("1 c K H A").is_empty());
    let toast = rig.ui.toast.as_ref().map(|toast| toast.text.as_str());
    assert_eq!(toast, Some("a test case runs here: its attacks and processes are its own"));
    assert!(rig.sent(":attack_n1_crash Enter").is_empty(), "typed neither");
}

#[test]
fn attacks_have_a_matrix_and_a_card_with_what_came_of_each() {
    let mut rig = Rig::running(7, 12);
    rig.press("5 Down Down Down d Home c");
    rig.frames(14);
    check_sizes("attacks", &rig);
    let screen = rig.screen(120, 36);
    assert!(screen.contains("fault budget ■■ 2 of 2"), "{screen}");
    rig.press("H");
    rig.frames(2);
    rig.press("Down s Down s");
    assert!(rig.screen(120, 36).contains("do it"), "a third is asked about here, too");
    rig.press("y");
    rig.frames(2);
    check("attacks-beyond-120x36", rig.screen(120, 36));
}

#[test]
fn evidence_is_told_by_how_certain_it_is() {
    let mut rig = Rig::running(7, 12);
    rig.press("6");
    check("evidence-none-80x24", rig.screen(80, 24));
    rig.press("1 c");
    rig.frames(10);
    rig.press("Down Down s");
    rig.frames(4);
    let proof = Event::Proved {
        accused: ReplicaId(4),
        summary: "n5 equivocated at (1, 20312), pre-prepare: 9fa3 to n1, 77c0 to n7 and others".into(),
    };
    rig.cluster.tell(&proof);
    rig.frames(1);
    rig.press("6");
    check_sizes("evidence", &rig);
}

#[test]
fn latencies_have_a_baseline_and_a_map_over_time() {
    let mut rig = Rig::running(7, 60);
    rig.press("3 b");
    rig.frames(8);
    rig.press(":attack_n1_time(300ms) Enter");
    rig.frames(40);
    rig.ui.toast = None;
    check_sizes("latency", &rig);
    rig.press("h");
    assert!(rig.screen(120, 36).contains("─ pre-prepare over time ─"), "{}", rig.screen(120, 36));
    rig.press("hhh h");
    assert!(rig.screen(120, 36).contains("─ client over time ─"), "{}", rig.screen(120, 36));
    rig.press("b");
    assert!(!rig.screen(120, 36).contains("  baseline"));
}

#[test]
fn a_slot_is_chosen_and_shown_with_its_votes_and_the_times_of_its_phases() {
    let mut rig = Rig::running(7, 12);
    rig.press("Down Down k Enter Up Up 2");
    rig.frames(6);
    rig.ui.toast = None;
    check_sizes("phases", &rig);
    let newest = rig.model.newest_executed().expect("it is known").0;
    let left = |rig: &mut Rig| {
        rig.key(KeyCode::Left);
        rig.commands.last().map(|command| format!("{command:?}"))
    };
    assert_eq!(left(&mut rig), Some(format!("Send(n7, WatchSlot(Some({})))", newest - 1)));
    assert_eq!(left(&mut rig), Some(format!("Send(n7, WatchSlot(Some({})))", newest - 2)));
    rig.press("f");
    assert_eq!(rig.ui.watched, None);
    rig.press("<<<");
    assert_eq!(rig.ui.slots_per_column, 10);
    rig.press(">");
    check("phases-zoomed-120x36", rig.screen(120, 36));
    rig.press(">>>");
    assert_eq!(rig.ui.slots_per_column, 1);
}

#[test]
fn the_figures_behind_each_pane_can_be_exported() {
    let mut rig = Rig::running(4, 12);
    rig.press("c");
    rig.frames(12);
    rig.press("7");
    rig.frames(2);
    for (key, header, row) in [
        ("1", "replica,connected,view,", "\nn2,true,1,"),
        ("2", "slot,view,digest,", ",3,\"n1,n2,n3,n4\","),
        ("3", "what,p50_us,", "\ncommit,"),
        ("5", "replica,attack,set_us,", "\nn1,crash,1767355203000000,,"),
        ("6", "accused,label,rule,", "\nn1,attested,a request was not executed in time in its view 0,"),
        ("7", "slot,view,digest,", ",3,\"n1,n2,n3,n4\","),
    ] {
        rig.press(key);
        let sheet = export::of_pane(&rig.model, &rig.ui);
        let csv = sheet.csv().expect("it is written to memory");
        assert!(csv.starts_with(header) && csv.contains(row), "{key}: {csv}");
        let rows: serde_json::Value = serde_json::from_str(&sheet.json()).expect("it is JSON");
        assert_eq!(rows.as_array().map(Vec::len), Some(csv.lines().count() - 1), "{key}");
    }
    let (mut rig, list) = with_cases();
    begin(&mut rig, 0);
    let told = answer(&mut rig, &list, 0, 0, Outcome::Timeout);
    let found = Found { transactions: vec![told], ..Found::default() };
    let verdict = judge(&list.sets[0].0, rig.model.committee, &list.sets[0].1, &found);
    rig.take(vec![FeedEvent::Case(CaseEvent::Judged { place: 0, found: Box::new(found), verdict })]);
    let csv = export::of_pane(&rig.model, &rig.ui).csv().expect("it is written to memory");
    assert!(csv.contains("\n1,fail,") && csv.contains("\n2,,,stalls,two of four can not agree\n"), "{csv}");
}

#[test]
fn messages_are_drawn_as_they_left_and_came() {
    let mut rig = Rig::running(7, 24);
    rig.press("4");
    rig.frames(5);
    check_sizes("messages", &rig);
    rig.press("a");
    check("messages-all-200x60", rig.screen(200, 60));
    rig.press("a Left Left");
    rig.frames(1);
    assert!(rig.screen(120, 36).contains("every message arrived"), "{}", rig.screen(120, 36));
}

#[test]
fn what_attacks_do_to_messages_is_marked_with_its_cause() {
    let mut rig = Rig::running(7, 24);
    rig.press("Down Down k Enter d Down s");
    rig.frames(2);
    rig.press("4 Home");
    rig.frames(5);
    check_sizes("messages-odd", &rig);
    let screen = rig.screen(120, 36);
    for said in ["n3's commit to n6,n7: kept by dark", "refused: bad signature", "500 ms late by time"] {
        assert!(screen.contains(said), "{said} is not in\n{screen}");
    }
}

#[test]
fn a_view_change_is_drawn_and_a_slot_again() {
    let mut rig = Rig::running(7, 24);
    rig.press("4 v");
    rig.frames(1);
    assert!(rig.screen(120, 36).contains("no view change yet"), "{}", rig.screen(120, 36));
    rig.press("c");
    rig.frames(14);
    check_sizes("messages-view", &rig);
    rig.press("v");
    rig.frames(1);
    assert!(rig.screen(120, 36).contains("─ slot 20"), "{}", rig.screen(120, 36));
}

#[test]
fn messages_are_asked_for_while_somebody_looks_and_once_of_the_past() {
    let mut rig = Rig::running(4, 24);
    let asked = |rig: &Rig| rig.asked(|request| matches!(request, ConsoleRequest::Trace(_)));
    rig.press("4");
    rig.frames(9);
    assert_eq!(asked(&rig), 3 * 4, "at once, and each second from each replica");
    rig.press("_");
    rig.frames(9);
    let frozen = asked(&rig);
    assert!(frozen <= 4 * 4, "{frozen}: what has passed does not change");
    rig.press("Left Left Left");
    rig.frames(9);
    assert_eq!(asked(&rig), frozen + 4, "another slot of the past, once");
    assert!(rig.screen(120, 36).contains("every message arrived"), "{}", rig.screen(120, 36));
    rig.press("1 _");
    rig.frames(9);
    assert_eq!(asked(&rig), frozen + 4, "nobody looks at it");
}

#[test]
fn pages_end_where_their_last_line_is_seen() {
    let mut rig = Rig::running(7, 24);
    rig.size = (80, 24);
    rig.press("7");
    rig.frames(4);
    rig.press("End");
    let end = rig.screen(80, 24);
    rig.press("Down Down PageDown");
    assert_eq!(rig.screen(80, 24), end, "there is nothing after the end");
    rig.press("Up");
    assert_ne!(rig.screen(80, 24), end, "and the first key back leads back");
    rig.press("5 c");
    rig.frames(4);
    rig.press("Down c");
    rig.frames(20);
    assert!(rig.screen(80, 24).contains("1–11 of 13"), "{}", rig.screen(80, 24));
    rig.press("PageDown");
    assert!(rig.screen(80, 24).contains("3–13 of 13"), "{}", rig.screen(80, 24));
}
