//! The terminal under the console: given back as it was however the console ends, and drawn on whatever its size.

use std::io::Write;
use std::num::NonZeroU16;
use std::sync::Mutex;

use nix::sys::signal::Signal;
use portable_pty::{MasterPty, native_pty_system};

use crate::on_screen::{open_with, show, shows, size};
use crate::process::{nothing_is_left, run, signal, until};

/// A way to end a console.
#[derive(Debug)]
enum End {
    Key(&'static str),
    Signal(Signal),
}

/// A simulation runs no processes; the screen is the same.
const SIMULATION: [&str; 4] = ["sim", "--seed", "7", "--watch"];

/// How a terminal is set, as text.
fn modes(terminal: &dyn MasterPty) -> String {
    format!("{:?}", terminal.get_termios().expect("it is a terminal"))
}

/// How one is set that nobody has used.
fn untouched() -> String {
    modes(&*native_pty_system().openpty(size(120, 36)).unwrap().master)
}

/// Whether the terminal shows what the console draws; `None` if some of its modes are the console's and some are not.
fn is_taken(screen: &Mutex<vt100::Parser>) -> Option<bool> {
    let parser = screen.lock().unwrap();
    let screen = parser.screen();
    match (screen.alternate_screen(), screen.hide_cursor(), screen.bracketed_paste()) {
        (true, true, true) => Some(true),
        (false, false, false) => Some(false),
        _ => None,
    }
}

#[test]
fn the_terminal_is_as_it_was_however_the_console_ends() {
    let signals = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];
    let keys = ["q", "\u{3}", ":quit\r"];
    for end in keys.map(End::Key).into_iter().chain(signals.map(End::Signal)) {
        let scratch = tempfile::tempdir().unwrap();
        let mut console = open_with(scratch.path(), &SIMULATION);
        let screen = show(&console);
        until("it draws", || is_taken(&screen) == Some(true) && shows(&screen, "seed 7"));
        assert_ne!(modes(&*console.master), untouched(), "{end:?}");
        match end {
            End::Key(key) => console.master.take_writer().unwrap().write_all(key.as_bytes()).unwrap(),
            End::Signal(which) => signal(console.child.process_id().unwrap(), which),
        }
        let status = console.ended();
        assert!(status.success(), "{end:?}: {status:?}");
        until("what it drew is gone", || is_taken(&screen) == Some(false) && !shows(&screen, "seed 7"));
        assert_eq!(modes(&*console.master), untouched(), "{end:?}");
        nothing_is_left(scratch.path());
    }
}

/// Whether a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('T')
}

#[test]
fn a_console_that_is_stopped_leaves_the_terminal_and_takes_it_again() {
    let scratch = tempfile::tempdir().unwrap();
    let mut console = open_with(scratch.path(), &SIMULATION);
    let pid = console.child.process_id().unwrap();
    let screen = show(&console);
    let mut keys = console.master.take_writer().unwrap();
    until("it draws", || shows(&screen, "seed 7"));
    for by_key in [true, false] {
        if by_key {
            keys.write_all(b"\x1a").unwrap();
        } else {
            signal(pid, Signal::SIGTSTP);
        }
        until("it has stopped", || is_stopped(pid));
        until("the terminal is the shell's", || is_taken(&screen) == Some(false) && !shows(&screen, "seed 7"));
        assert_eq!(modes(&*console.master), untouched());
        signal(pid, Signal::SIGCONT);
        until("it draws again", || is_taken(&screen) == Some(true) && shows(&screen, "seed 7"));
        assert_ne!(modes(&*console.master), untouched());
    }
    keys.write_all(b"q").unwrap();
    console.ended();
    nothing_is_left(scratch.path());
}

#[test]
fn a_cluster_that_can_not_be_made_is_told_once_the_screen_has_gone() {
    let scratch = tempfile::tempdir().unwrap();
    let mut console = open_with(scratch.path(), &["up", "--dir", "/proc/nowhere"]);
    let screen = show(&console);
    let status = console.ended();
    assert!(!status.success(), "{status:?}");
    until("it is told", || is_taken(&screen) == Some(false) && shows(&screen, "/proc/nowhere"));
}

#[test]
fn everybody_is_named_before_anybody_answers() {
    let scratch = tempfile::tempdir().unwrap();
    let (status, _, errors) = run(scratch.path(), &["init", "bank", "--replicas", "4"]);
    assert_eq!(status, 0, "{errors}");
    let mut console = open_with(scratch.path(), &["attach", "bank"]);
    let screen = show(&console);
    until("all are named", || ["n1", "n2", "n3", "n4", "LIVE 0/4"].iter().all(|text| shows(&screen, text)));
    console.master.take_writer().unwrap().write_all(b"q").unwrap();
    console.ended();
}

#[test]
fn keys_are_heard_and_all_is_drawn_while_the_size_changes() {
    let scratch = tempfile::tempdir().unwrap();
    let mut console = open_with(scratch.path(), &SIMULATION);
    let screen = show(&console);
    let mut keys = console.master.take_writer().unwrap();
    let mut press = |key: &str| keys.write_all(key.as_bytes()).unwrap();
    let resize = |columns, rows| {
        let sizes = [rows, columns].map(|size| NonZeroU16::new(size).unwrap());
        screen.lock().unwrap().screen_mut().set_size(sizes[0], sizes[1]);
        console.master.resize(size(columns, rows)).unwrap();
    };
    until("it draws", || shows(&screen, "seed 7"));
    // How the third row begins on each pane.
    let panes =
        [("1", "   name"), ("2", " phases"), ("3", " last"), ("5", " attacks"), ("6", " proofs"), ("7", " state")];
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
            until(&format!("{key} has opened its pane"), || begins(row));
        }
    }
    press("q");
    assert!(console.ended().success());
}
