//! The terminal under the console: given back as it was however the console ends, and drawn on whatever its size.

use std::io::Write;
use std::num::NonZeroU16;
use std::sync::Mutex;

use crate::on_screen::{open_with, show, size};
use crate::process::{nothing_is_left, until};

fn shows(screen: &Mutex<vt100::Parser>, text: &str) -> bool {
    screen.lock().unwrap().screen().contents().contains(text)
}

#[test]
fn keys_are_heard_and_all_is_drawn_while_the_size_changes() {
    let scratch = tempfile::tempdir().unwrap();
    let mut console = open_with(scratch.path(), &["up", "--replicas", "4"]);
    let screen = show(&console);
    let mut keys = console.master.take_writer().unwrap();
    let mut press = |key: &str| keys.write_all(key.as_bytes()).unwrap();
    let resize = |columns, rows| {
        let sizes = [rows, columns].map(|size| NonZeroU16::new(size).unwrap());
        screen.lock().unwrap().screen_mut().set_size(sizes[0], sizes[1]);
        console.master.resize(size(columns, rows)).unwrap();
    };
    until("all are live", || shows(&screen, "LIVE 4/4"));
    // How the third row begins on each pane.
    let panes =
        [("1", "│   name"), ("2", " phases"), ("3", " last"), ("5", " attacks"), ("6", " proofs"), ("7", " state")];
    let begins = |text: &str| {
        let screen = screen.lock().unwrap();
        screen.screen().rows(0, 120).nth(2).is_some_and(|row| row.starts_with(text))
    };
    // Sizes that differ at each step and by all there is between the least and a large terminal.
    let sizes = (1..=250_u16).map(|step| (step * 97 % 250 + 1, step * 31 % 80 + 1));
    for ((key, _), sizes) in panes.iter().cycle().zip(sizes.collect::<Vec<_>>().chunks(10)) {
        press(key);
        sizes.iter().for_each(|(columns, rows)| resize(*columns, *rows));
    }
    for round in 0..10 {
        for (key, row) in &panes {
            resize(120 + round, 36);
            press(key);
            until("the pane is shown", || begins(row) && shows(&screen, "LIVE 4/4"));
        }
    }
    press("q");
    let status = console.child.wait().unwrap();
    assert!(status.success(), "{status:?}");
    nothing_is_left(scratch.path());
}
