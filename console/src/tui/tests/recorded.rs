//! Screens of what a real cluster has said: four replicas, the primary crashed, a backup dark to another.
//!
//! The recording is made by the test `record_two_attacks` of the commands.

use std::path::Path;

use super::super::Recording;
use super::super::history::{Frozen, History};
use super::Rig;
use super::screens::check;

/// A console that shows the recording.
fn replay() -> (Rig, u64) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/two_attacks.rec");
    let recording = Recording::read(&path).expect("it reads");
    let mut rig = Rig::new(recording.roster().replicas);
    rig.history = History::of_recording(&recording, |_, _| {}).expect("it is whole");
    let (first, last) = rig.history.ends();
    assert_eq!(first, 0, "nothing of a recording is forgotten");
    (rig, last)
}

/// Goes to a moment: so many thousandths of all that was heard.
fn go(rig: &mut Rig, last: u64, per_mille: u64) {
    rig.ui.frozen = Some(Frozen::at(&rig.history, &rig.model, last * per_mille / 1000));
}

#[test]
fn a_real_cluster_under_two_attacks_is_drawn_on_every_pane() {
    let (mut rig, last) = replay();
    for (per_mille, keys, name) in MOMENTS {
        go(&mut rig, last, *per_mille);
        rig.press(keys);
        for (width, height) in [(200, 60), (120, 36), (80, 24), (40, 10)] {
            check(&format!("recorded-{name}-{width}x{height}"), rig.screen(width, height));
        }
    }
}

/// Where to look, the keys that lead to the pane, and what it is.
const MOMENTS: &[(u64, &str, &str)] = &[
    (72, "4", "stalled"),
    (108, "4", "in-two-views"),
    (108, "v", "view-change"),
    (150, "v 2", "phases"),
    (200, "4 Down Down", "dark"),
    (200, "5", "attacks"),
    (200, "6", "evidence"),
    (250, "7", "ledger"),
    (300, "3", "latency"),
    (1000, "1", "overview"),
];

#[test]
fn stepping_through_it_forth_and_back_comes_by_the_same_screens() {
    let (mut rig, last) = replay();
    for keys in ["1", "2", "4", "7"] {
        rig.press(keys);
        for (back, forth) in [("[", "]"), ("{", "}")] {
            go(&mut rig, last, 400);
            // From here on where steps end.
            rig.press(back);
            let mut there = vec![rig.screen(120, 36)];
            for _ in 0..12 {
                rig.press(back);
                there.push(rig.screen(120, 36));
            }
            for expected in there.iter().rev().skip(1) {
                rig.press(forth);
                assert_eq!(rig.screen(120, 36), *expected, "pane {keys}");
            }
        }
    }
}
