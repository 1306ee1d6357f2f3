//! No size of the screen and no number of replicas is a reason to panic.

use super::super::panes::Zoom;
use super::Rig;

const OVERLAYS: [&str; 8] = ["", "k", "?", ":attack_n1_dark(n2)_nonsense Enter", ":rate", "l", "/n3_link", "z"];

#[test]
fn every_small_size_can_be_drawn() {
    for overlay in OVERLAYS {
        let mut rig = Rig::running(7, 6);
        rig.press(overlay);
        for width in 1..=60 {
            for height in 1..=20 {
                rig.draw(width, height);
            }
        }
    }
}

#[test]
fn every_larger_size_can_be_drawn() {
    for replicas in [1, 4, 40, 100] {
        let mut rig = Rig::running(replicas, 6);
        rig.press("End");
        for (width, height) in [(60, 16), (61, 50), (76, 17), (90, 23), (139, 41), (140, 42), (300, 20), (500, 200)] {
            rig.draw(width, height);
        }
        rig.press("e");
        rig.draw(80, 24);
    }
}

#[test]
fn every_zoomed_part_can_be_drawn_at_any_size() {
    let mut rig = Rig::running(7, 6);
    rig.press("z");
    for _ in Zoom::ALL {
        rig.press("Right");
        for width in 1..=80 {
            for height in 1..=24 {
                rig.draw(width, height);
            }
        }
        rig.draw(300, 20);
        rig.draw(500, 200);
    }
}

#[test]
fn a_question_can_be_drawn_at_any_size() {
    let mut rig = Rig::running(7, 6);
    rig.press("c Down c Down c");
    for width in 1..=80 {
        for height in 1..=24 {
            rig.draw(width, height);
        }
    }
}
