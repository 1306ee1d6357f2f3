//! One part of the overview on the whole screen.

use ratatui::style::Modifier;

use super::super::panes::{Pane, Zoom};
use super::screens::check;
use super::{Rig, lines, simulated};

#[test]
fn z_zooms_the_marked_part_and_arrows_go_through_the_parts() {
    let mut rig = Rig::running(7, 24);
    rig.press("c");
    rig.frames(12);
    rig.ui.toast = None;
    let before = rig.screen(120, 36);
    rig.press("z");
    assert_eq!((rig.ui.zoom, rig.ui.is_zoomed), (Zoom::Events, true));
    for part in ["events", "replicas", "phases", "votes", "latency"] {
        check(&format!("zoom-{part}-120x36"), rig.screen(120, 36));
        rig.press("Right");
    }
    assert_eq!(rig.ui.zoom, Zoom::Events, "round");
    rig.press("Left");
    check("zoom-latency-80x24", rig.screen(80, 24));
    rig.press("Right z");
    assert_eq!(rig.screen(120, 36), before);
}

#[test]
fn escape_backspace_and_another_pane_leave_it() {
    let mut rig = Rig::running(7, 8);
    for leave in ["z", "Esc", "Backspace", "1", "2 1"] {
        rig.press("z");
        assert!(rig.ui.is_zoomed);
        rig.press(leave);
        assert!(!rig.ui.is_zoomed && rig.ui.pane == Pane::Overview, "{leave}");
    }
}

#[test]
fn escape_leaves_first_and_drops_the_filter_then() {
    let mut rig = Rig::running(7, 8);
    rig.press("z /link Enter");
    assert!(lines(&rig.draw(120, 36))[1].contains(" events  /link  1 of "), "{}", rig.screen(120, 36));
    rig.press("Esc");
    assert!(!rig.ui.is_zoomed && rig.ui.filter.text() == "link");
    rig.press("Esc");
    assert!(rig.ui.filter.is_empty());
}

#[test]
fn the_mark_can_be_moved_before() {
    let mut rig = Rig::running(7, 8);
    let marked = |rig: &Rig| {
        let screen = rig.draw(200, 60);
        let underlined = screen.content.iter().filter(|cell| cell.modifier.contains(Modifier::UNDERLINED));
        underlined.map(|cell| cell.symbol()).collect::<String>().trim().to_string()
    };
    for part in ["events", "replicas", "phases", "votes", "latency", "events"] {
        assert_eq!(marked(&rig), part);
        rig.press("Right");
    }
}

#[test]
fn what_is_zoomed_follows_the_keys_of_the_overview() {
    let mut rig = Rig::running(40, 8);
    rig.press("Right z End");
    let screen = lines(&rig.draw(120, 36));
    assert!(screen.iter().any(|line| line.starts_with("▸") && line.contains(" n40 ")), "{screen:?}");
    assert_eq!(rig.sent("c"), [r#"Send(n40, Attack("crash"))"#]);
}

#[test]
fn a_simulation_keeps_its_line() {
    let mut rig = simulated::simulated(4);
    rig.press("z");
    let screen = lines(&rig.draw(120, 36));
    assert!(screen[1].contains("seed 7") && screen[2].contains(" replicas "), "{screen:?}");
}
