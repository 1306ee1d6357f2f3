//! The screen in ASCII alone: nothing else is on it, and nothing is lost.

use byztop_core::types::{Micros, ReplicaId};

use super::super::panes::Zoom;
use super::super::theme::Glyphs;
use super::super::{FeedEvent, LinkEvent};
use super::screens::check;
use super::{Rig, simulated};

const SIZES: [(u16, u16); 4] = [(200, 60), (120, 36), (80, 24), (40, 10)];

/// Draws what is on the screen with all signs and with those of ASCII: each has one, and nothing turns into a `?`.
pub(super) fn check_ascii(rig: &mut Rig, what: &str) {
    for (width, height) in SIZES {
        let all = rig.draw(width, height);
        rig.ui.glyphs = Glyphs::Ascii;
        let ascii = rig.draw(width, height);
        rig.ui.glyphs = Glyphs::Unicode;
        for (before, after) in all.content.iter().zip(&ascii.content) {
            let (before, after) = (before.symbol(), after.symbol());
            assert!(after.is_ascii(), "{what} at {width}x{height}: {after:?}");
            assert!(after != "?" || before == "?", "{what} at {width}x{height}: no sign for {before:?}");
            assert_eq!(before.trim().is_empty(), after.trim().is_empty(), "{what}: {before:?} as {after:?}");
        }
    }
}

/// What can be on the screen of a cluster: each pane, and what lies over it.
fn check_everything(rig: &mut Rig, what: &str) {
    for pane in "12345678".chars() {
        rig.press(&pane.to_string());
        rig.frames(1);
        check_ascii(rig, &format!("{what}, pane {pane}"));
    }
    rig.press("1");
    for keys in ["k", "e", "?", ":attack_n1_dark(", ":nonsense Enter", "l", "/link", "_", "_"] {
        rig.press(keys);
        check_ascii(rig, &format!("{what}, {keys}"));
        rig.press(if keys == "l" { "l" } else { "Esc" });
    }
}

#[test]
fn every_pane_and_overlay_has_a_sign_of_ascii_for_each_of_its_own() {
    let mut rig = Rig::new(7);
    rig.cluster.has_collector = true;
    check_everything(&mut rig, "connecting");
    let events = rig.cluster.connect();
    rig.take(events);
    rig.frames(40);
    rig.press("3 b");
    check_everything(&mut rig, "running");
    rig.press("1 c");
    rig.frames(14);
    rig.press("Down d Down K :attack_n4_dark(n2) Enter y");
    rig.frames(4);
    let down = LinkEvent::Down("connection refused".into());
    rig.take(vec![FeedEvent::Link(ReplicaId(5), down), FeedEvent::Link(ReplicaId(6), LinkEvent::Connecting)]);
    rig.cluster.now = rig.cluster.now.after(Micros::from_millis(3200));
    check_everything(&mut rig, "attacked");
    rig.press("1 z");
    for part in Zoom::ALL {
        check_ascii(&mut rig, &format!("{part:?} zoomed"));
        rig.press("Right");
    }
    rig.press("2 < :goto_19000 Enter");
    check_ascii(&mut rig, "a slot of the past");
}

#[test]
fn the_help_has_a_sign_of_ascii_for_each_of_its_own() {
    let mut rig = Rig::running(7, 4);
    rig.press("?");
    for page in 0..40 {
        check_ascii(&mut rig, &format!("help, page {page}"));
        rig.press("PageDown");
    }
}

#[test]
fn simulations_have_a_sign_of_ascii_for_each_of_their_own() {
    let mut rig = simulated::simulated(4);
    check_everything(&mut rig, "simulation");
    simulated::pause(&mut rig);
    check_ascii(&mut rig, "paused simulation");
}

#[test]
fn a_screen_in_ascii_tells_what_the_other_tells() {
    let mut rig = Rig::running(7, 24);
    rig.ui.glyphs = Glyphs::Ascii;
    rig.press("c");
    rig.frames(8);
    rig.press("Down Down s");
    rig.frames(8);
    check("ascii-120x36", rig.screen(120, 36));
    check("ascii-80x24", rig.screen(80, 24));
    rig.press("2");
    rig.frames(2);
    check("ascii-phases-120x36", rig.screen(120, 36));
    rig.press("3");
    check("ascii-latency-120x36", rig.screen(120, 36));
    rig.press("1 ? votes");
    rig.press("Backspace");
    check("ascii-help-80x24", rig.screen(80, 24));
}
