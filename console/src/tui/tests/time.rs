//! Time under the user's control: the screen held still, turned back, and recorded.

use std::fs;

use byztop_core::types::Micros;

use super::super::history::{Frozen, History, Travel, travel};
use super::super::{Recording, Stride};
use super::ascii::check_ascii;
use super::screens::check;
use super::{NOON, Rig};

/// A cluster in which the primary crashes, and somebody else signs badly.
fn attacked() -> Rig {
    let mut rig = Rig::running(7, 12);
    rig.press("c");
    rig.frames(14);
    rig.press("Down Down s");
    rig.frames(12);
    rig
}

/// What the screen shows of a moment, but for the last line, which says where that is.
fn moment(rig: &Rig) -> String {
    let screen = rig.screen(120, 36);
    screen.rsplit_once('\n').expect("there are lines").0.to_string()
}

fn bar(rig: &Rig) -> String {
    rig.screen(120, 36).lines().last().unwrap_or_default().to_string()
}

#[test]
fn a_held_screen_stays_while_the_cluster_goes_on() {
    let mut rig = attacked();
    rig.press("_");
    let held = moment(&rig);
    assert!(bar(&rig).contains("‖ 12:00:09.500  −0 µs of 9.5 s"), "{}", bar(&rig));
    rig.frames(3);
    assert!(bar(&rig).contains("‖ 12:00:09.500  −0 µs of 9.5 s"), "it moves once a second: {}", bar(&rig));
    rig.frames(5);
    assert_eq!(moment(&rig), held);
    assert!(rig.first_line().contains("‖ FROZEN 7/7"), "{}", rig.first_line());
    assert!(bar(&rig).contains("‖ 12:00:09.500  −2.0 s of 11.5 s"), "how far back it is by now: {}", bar(&rig));
    rig.press(":seek_-1s Enter");
    assert!(bar(&rig).contains("‖ 12:00:08.500  −3.0 s of 11.5 s"), "time has passed: {}", bar(&rig));
    rig.press("_");
    assert!(rig.first_line().contains("● LIVE 7/7"), "{}", rig.first_line());
}

#[test]
fn replicas_are_listened_to_less_closely_while_the_screen_is_held() {
    let mut rig = attacked();
    assert_eq!(rig.sent("_"), ["Listen(Held)"]);
    assert!(rig.sent("{ { } [").is_empty(), "it is held already");
    assert_eq!(rig.sent("_"), ["Listen(Live)"]);
    assert_eq!(rig.sent("["), ["Listen(Held)"], "whoever goes back holds it, too");
}

#[test]
fn stepping_back_and_forth_comes_by_the_same_screens() {
    for (back, forth) in [("[", "]"), ("{", "}")] {
        let mut rig = attacked();
        rig.press("_");
        let mut there = vec![rig.screen(120, 36)];
        for _ in 0..25 {
            rig.press(back);
            there.push(rig.screen(120, 36));
        }
        for (step, two) in there.windows(2).enumerate() {
            assert!(two[0] != two[1], "step {step} of {back} shows nothing else:\n{}", two[0]);
        }
        for (steps, expected) in there.iter().enumerate().rev().skip(1) {
            rig.press(forth);
            assert_eq!(rig.screen(120, 36), *expected, "{steps} steps of {back} before the end");
        }
        rig.press(forth);
        assert_eq!(rig.screen(120, 36), there[0], "there is nothing beyond the end");
    }
}

#[test]
fn a_step_by_slot_goes_to_where_one_was_executed() {
    let mut rig = Rig::running(4, 12);
    let slot = |rig: &Rig| rig.ui.shown(&rig.model).newest_executed().expect("it is known").0;
    let now = slot(&rig);
    rig.press("[");
    assert!(slot(&rig) == now && rig.ui.frozen.is_some(), "the screen is held where that was executed");
    rig.press("[");
    let before = slot(&rig);
    assert!(before < now);
    rig.press("[");
    assert!(slot(&rig) < before);
    rig.press("]");
    assert_eq!(slot(&rig), before);
}

#[test]
fn the_ends_of_what_is_remembered_are_a_key_away_and_times_can_be_sought() {
    let mut rig = attacked();
    rig.press("_ Home");
    assert!(rig.first_line().contains("LIVE 0/7") || rig.first_line().contains("FROZEN 0/7"), "{}", rig.first_line());
    rig.press("End");
    let newest = bar(&rig);
    assert!(newest.contains("−0 µs of 9.5 s"), "{newest}");
    rig.press(":seek_-2s Enter");
    assert!(bar(&rig).contains("−2.0 s of 9.5 s"), "{}", bar(&rig));
    rig.press(":seek_+500ms Enter");
    assert!(bar(&rig).contains("−1.5 s of 9.5 s"), "{}", bar(&rig));
    rig.press(":seek_-2h Enter");
    assert!(rig.screen(120, 36).contains("how far? for example -10s, +500ms or -2m"));
}

#[test]
fn the_present_has_no_future_and_no_pace() {
    let mut rig = Rig::running(4, 8);
    for (keys, expected) in [
        ("]", "this is the present: [ goes back"),
        ("}", "this is the present: [ goes back"),
        ("+", "only a recording or a simulation passes faster; the load's rate is set by :rate"),
    ] {
        rig.press(keys);
        assert_eq!(rig.ui.toast.as_ref().map(|toast| toast.text.as_str()), Some(expected), "{keys}");
        assert!(rig.ui.frozen.is_none());
    }
}

#[test]
fn what_is_remembered_is_bounded_and_its_oldest_can_be_shown() {
    let mut rig = Rig::new(4);
    rig.history = History::keeping(2);
    let events = rig.cluster.connect();
    rig.take(events);
    rig.frames(2700);
    let (first, last) = rig.history.ends();
    assert!(first > 0 && last - first < 3 * 4096 + 1, "{first} {last}");
    rig.press("_ Home");
    assert!(rig.first_line().contains("FROZEN 4/4"), "who is connected is known: {}", rig.first_line());
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("late.rec");
    rig.history.record(&path, &rig.cluster.roster()).expect("it is written").flush().expect("it is whole");
    let late = Recording::read(&path).expect("it reads");
    let history = History::of_recording(&late, |_, _| {}).expect("it is whole");
    let model = history.at(history.ends().0 + 20).expect("there are entries");
    assert_eq!(model.live(), 4, "a recording that begins late is told who is there");
}

/// A recording of everything that a rig remembers.
fn recorded(rig: &mut Rig) -> Recording {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("two-attacks.rec");
    let roster = rig.cluster.roster();
    rig.history.record(&path, &roster).expect("it is written").flush().expect("it is whole");
    Recording::read(&path).expect("it reads")
}

#[test]
fn a_recording_replays_to_the_same_screens() {
    let mut rig = attacked();
    let recording = recorded(&mut rig);
    let replayed = History::of_recording(&recording, |_, _| {}).expect("it is whole");
    let (first, last) = rig.history.ends();
    assert_eq!(replayed.ends(), (first, last));
    let mut other = Rig::new(7);
    (rig.ui.selected, rig.ui.toast) = (other.ui.selected, None);
    for position in (first..=last).step_by(7) {
        rig.ui.frozen = Some(Frozen::at(&rig.history, &rig.model, position));
        other.ui.frozen = Some(Frozen::at(&replayed, &other.model, position));
        assert_eq!(moment(&other), moment(&rig), "after {position} of {last} entries");
    }
}

#[test]
fn a_recording_plays_stops_and_begins_again() {
    let mut rig = attacked();
    let recording = recorded(&mut rig);
    let mut replay = Rig::new(7);
    replay.history = History::of_recording(&recording, |_, _| {}).expect("it is whole");
    replay.ui.frozen = Some(Frozen::playing_from_the_beginning(&replay.history, &replay.model));
    let pass = |rig: &mut Rig, ms| {
        let Rig { ui, history, .. } = rig;
        ui.frozen.as_mut().is_some_and(|frozen| frozen.pass(history, Micros::from_millis(ms)))
    };
    assert!(pass(&mut replay, 3000));
    check("replay-playing-120x36", replay.screen(120, 36));
    check_ascii(&mut replay, "recording");
    replay.press("_");
    assert!(replay.first_line().contains("‖ REPLAY 7/7"), "{}", replay.first_line());
    assert!(!pass(&mut replay, 3000), "it stands still");
    check("replay-paused-80x24", replay.screen(80, 24));
    assert!(replay.sent("c K A :attack_n1_crash Enter :rate_5 Enter").is_empty(), "it has happened");
    replay.press("+ _");
    assert!(pass(&mut replay, 1000));
    assert!(bar(&replay).contains("▶ 3× 12:00:06"), "{}", bar(&replay));
    assert!(pass(&mut replay, 60_000) && !pass(&mut replay, 1000), "it ends");
    assert!(bar(&replay).contains("−0 µs of"), "{}", bar(&replay));
    replay.press("_");
    assert!(bar(&replay).contains("▶ 3×") && bar(&replay).contains("−9.5 s of 9.5 s"), "{}", bar(&replay));
}

#[test]
fn what_is_no_recording_or_half_of_one_is_told_apart() {
    let mut rig = attacked();
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("a.rec");
    rig.history.record(&path, &rig.cluster.roster()).expect("it is written");
    let again = rig.history.record(&path, &rig.cluster.roster());
    assert!(again.is_err(), "a file that is there is not written over");
    let bytes = fs::read(&path).expect("it is there");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("it is written");
        Recording::read(&path)
    };
    let error =
        |bytes: &[u8]| read(bytes).err().map(|error| error.to_string().replace(path.to_str().unwrap_or(""), "F"));
    assert_eq!(
        error(b"Set Number,Transactions").as_deref(),
        Some("F: this is no recording of byztop; `r` on the console writes one, or `byztop up --record FILE`")
    );
    let mut newer = bytes.clone();
    newer[16] = 9;
    assert_eq!(error(&newer).as_deref(), Some("F: a recording in format 9; this byztop reads format 2"));
    assert_eq!(error(&bytes[..60]).as_deref(), Some("F: nothing was recorded"));
    let cut = read(&bytes[..bytes.len() - 5]);
    assert!(cut.is_err(), "there is but one part, and that is cut");
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    let whole = read(&damaged).expect("its parts are where they should be");
    let told = History::of_recording(&whole, |_, _| {}).err().map(|error| error.to_string());
    assert!(told.is_some_and(|told| told.contains("damaged at byte")), "noticed when it is unpacked");
}

#[test]
fn a_cluster_that_lives_can_be_left_for_the_past_and_joined_again() {
    let mut rig = Rig::running(4, 8);
    let Rig { ui, history, model, .. } = &mut rig;
    travel(&mut ui.frozen, history, model, Travel::Back(Stride::Event)).expect("there is a past");
    assert!(ui.frozen.as_ref().is_some_and(|frozen| frozen.model.now >= NOON));
    travel(&mut ui.frozen, history, model, Travel::HoldOrGoOn).expect("there is a present");
    assert!(ui.frozen.is_none());
    let nothing = Rig::new(4);
    let mut frozen = None;
    travel(&mut frozen, &nothing.history, &nothing.model, Travel::HoldOrGoOn).expect("an empty past can be held, too");
    assert_eq!(frozen.map(|frozen| frozen.bar.entries), Some(0));
}
