//! The screen on a simulation: time that is held still, stepped through and turned back.

use byztop_core::types::{Micros, Time};

use super::super::model::Model;
use super::super::simulated::{End, MAX_RECENT, RecentStep, SimulatedTime, Speed};
use super::super::{Command, FeedEvent, Roster};
use super::{NOON, Rig, lines};

/// A cluster that is said to be simulated, so many steps on.
pub(super) fn simulated(frames: usize) -> Rig {
    let mut rig = Rig::new(7);
    // The clocks of simulations begin at zero, and the wall clock has nothing to say.
    rig.cluster = super::Cluster::new(7, Time(0));
    let roster = Roster { simulation: Some(SimulatedTime::at_the_beginning_of("seed 7")), ..rig.cluster.roster() };
    rig.model = Model::new(&roster, NOON);
    let events = rig.cluster.connect();
    rig.take(events);
    for frame in 1..=frames {
        let time = standing(&rig, frame as u64);
        rig.take(vec![time]);
        rig.frames(1);
    }
    rig
}

/// Where the simulation stands, on its way.
fn standing(rig: &Rig, step: u64) -> FeedEvent {
    let now = rig.cluster.now.after(Micros(super::super::fixture::FRAME_US));
    let next = Some((now.after(Micros(315)), "n3 hears n1: prepare v0 s18431 9fa3".to_string()));
    let time = SimulatedTime { now, step, next, ..SimulatedTime::at_the_beginning_of("seed 7") };
    FeedEvent::Simulated(Box::new(time))
}

/// Changes where the simulation stands.
fn change(rig: &mut Rig, change: impl FnOnce(&mut SimulatedTime)) {
    let mut time = rig.model.simulation.clone().unwrap();
    change(&mut time);
    rig.take(vec![FeedEvent::Simulated(Box::new(time))]);
}

pub(super) fn pause(rig: &mut Rig) {
    let recent = (1..=MAX_RECENT as u64).map(|i| RecentStep {
        step: 1218 + i,
        at: Time(6_249_000 + 70 * i),
        what: format!("n{} hears n1: prepare v0 s18430 9fa3 -> all: commit v0 s18430 9fa3;", i % 7 + 1),
    });
    let recent = recent.collect();
    change(rig, |time| (time.is_paused, time.step, time.recent) = (true, 1234, recent));
}

fn check(name: &str, screen: String) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, screen);
    });
}

#[test]
fn a_simulated_replica_has_no_process_to_kill() {
    let mut rig = simulated(4);
    for keys in ["K", "R", ":kill_n1 Enter", ":restart_n1 Enter"] {
        assert!(rig.sent(keys).is_empty());
        let toast = rig.ui.toast.as_ref().map(|toast| toast.text.as_str());
        assert_eq!(toast, Some("n1 is simulated and has no process; c silences it, H ends that"), "{keys}");
    }
    rig.press(":kill_all Enter");
    assert!(rig.ui.toast.as_ref().is_some_and(|toast| toast.text.contains("is simulated")));
}

#[test]
fn the_header_says_what_is_simulated_and_where_it_stands() {
    let mut rig = simulated(24);
    let mut headers = Vec::new();
    let mut add = |rig: &Rig| {
        for width in [200, 120, 80, 60] {
            headers.extend(lines(&rig.draw(width, 24)).into_iter().take(2));
        }
    };
    add(&rig);
    pause(&mut rig);
    add(&rig);
    change(&mut rig, |time| (time.is_altered, time.speed) = (true, Speed::REAL.slower().slower()));
    add(&rig);
    change(&mut rig, |time| (time.next, time.end) = (None, Some(End::Clean)));
    add(&rig);
    let what = "agreement broken at step 1234, 6250 ms: n1 has executed 9fa3 in slot 7, n2 has 77c0".to_string();
    change(&mut rig, |time| time.end = Some(End::Violation(what)));
    add(&rig);
    check("simulated-headers", headers.join("\n"));
}

#[test]
fn a_paused_simulation_shows_its_last_events() {
    let mut rig = simulated(24);
    pause(&mut rig);
    for (width, height) in [(200, 60), (120, 36), (80, 24), (60, 16)] {
        check(&format!("simulated-{width}x{height}"), rig.screen(width, height));
    }
    rig.press("l");
    let screen = rig.screen(120, 36);
    assert!(screen.contains("─ steps ─") && screen.contains("1 234"), "{screen}");
}

#[test]
fn keys_move_through_simulated_time() {
    let mut rig = simulated(4);
    for (key, expected) in [
        ("_", "Simulate(PauseOrGoOn)"),
        ("]", "Simulate(Forward(Slot))"),
        ("[", "Simulate(Back(Slot))"),
        ("}", "Simulate(Forward(Event))"),
        ("{", "Simulate(Back(Event))"),
        ("+", "Simulate(Faster)"),
        ("=", "Simulate(Faster)"),
        ("-", "Simulate(Slower)"),
        (":step Enter", "Simulate(Forward(Slot))"),
        (":back Enter", "Simulate(Back(Slot))"),
    ] {
        assert_eq!(rig.sent(key), [expected], "{key}");
        assert!(rig.ui.frozen.is_none() && rig.ui.toast.is_none(), "{key}");
    }
}

#[test]
fn what_makes_no_sense_here_says_so() {
    let complaint = |rig: &Rig| rig.ui.toast.as_ref().filter(|toast| toast.is_error).map(|toast| toast.text.clone());
    let mut rig = simulated(4);
    assert!(rig.sent(":rate_5000 Enter").is_empty());
    assert!(complaint(&rig).is_some_and(|text| text.contains("a simulation has no rate")));
    rig.press("r");
    assert!(complaint(&rig).is_some_and(|text| text.contains("a simulation is its own recording")));
}

#[test]
fn hints_are_those_of_the_kind_of_time() {
    let mut rig = simulated(4);
    let hints = |rig: &Rig| lines(&rig.draw(120, 36)).pop().unwrap();
    assert!(hints(&rig).contains("space pause  ] slot  } event"), "{}", hints(&rig));
    pause(&mut rig);
    assert!(hints(&rig).contains("space go on"), "{}", hints(&rig));
    let live = hints(&Rig::running(7, 4));
    assert!(live.contains("space freeze  c crash") && !live.contains("step"), "{live}");
}

#[test]
fn time_that_stands_still_makes_nothing_stale() {
    let mut rig = simulated(24);
    pause(&mut rig);
    let before = rig.screen(120, 36);
    rig.model.tick(NOON.after(Micros::from_millis(3_600_000)));
    assert_eq!(rig.screen(120, 36), before);
    assert!(rig.first_line().contains("‖ SIM 7/7"), "{}", rig.first_line());
}

#[test]
fn toasts_go_by_the_wall_clock_all_the_same() {
    let mut rig = simulated(4);
    pause(&mut rig);
    rig.press(":rate_5000 Enter");
    assert!(!rig.ui.tick(Time(4_000_000)), "five seconds are not over");
    assert!(rig.ui.toast.is_some());
    assert!(rig.ui.tick(NOON) && rig.ui.toast.is_none());
}

#[test]
fn attacks_of_a_scenario_are_not_the_operators() {
    let attacked = |mut rig: Rig| {
        rig.press("c");
        rig.frames(2);
        rig.press("l");
        rig.screen(120, 36)
    };
    let screen = attacked(simulated(8));
    assert!(screen.contains("attack     n1 crash"), "{screen}");
    let screen = attacked(Rig::running(7, 8));
    assert!(screen.contains("attack     operator: n1 crash"), "{screen}");
}

#[test]
fn turning_back_forgets_what_has_not_happened_yet() {
    let mut rig = simulated(8);
    let earlier = rig.screen(120, 36);
    // The same again, as somebody tells it who has run it again.
    let mut again = super::Cluster::new(7, Time(0));
    let mut past = again.connect();
    for step in 1..=8 {
        let now = again.now.after(Micros(super::super::fixture::FRAME_US));
        let time = SimulatedTime { now, step, ..rig.model.simulation.clone().unwrap() };
        past.push(FeedEvent::Simulated(Box::new(time)));
        past.extend(again.step());
    }
    rig.press("c");
    rig.frames(20);
    let later = standing(&rig, 28);
    rig.take(vec![later]);
    assert_ne!(rig.screen(120, 36), earlier);
    (rig.ui.toast, rig.ui.undo) = (None, Vec::new());
    rig.take(vec![FeedEvent::Rewound(past)]);
    assert_eq!(rig.screen(120, 36), earlier);
    assert_eq!(
        rig.commands.last(),
        Some(&Command::Send(
            byztop_core::types::ReplicaId(0),
            byztop_core::telemetry::ConsoleRequest::Attack("crash".into())
        ))
    );
}

#[test]
fn every_size_can_be_drawn() {
    let mut rig = simulated(6);
    pause(&mut rig);
    for large in ["", "l"] {
        rig.press(large);
        for width in (1..=90).chain([120, 140, 200]) {
            for height in (1..=30).chain([36, 42, 60]) {
                rig.draw(width, height);
            }
        }
    }
}
