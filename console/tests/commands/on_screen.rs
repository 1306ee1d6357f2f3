//! `byztop up` on a terminal: however it ends, its replicas and its folder end with it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::process::{BYZTOP, four_replicas, nothing_is_left, signal, until};

/// A console on a terminal of its own.
struct Console {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

fn open(scratch: &Path) -> Console {
    open_with(scratch, &["up", "--replicas", "4"])
}

fn open_with(scratch: &Path, arguments: &[&str]) -> Console {
    let size = PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(BYZTOP);
    command.args(arguments);
    command.cwd(scratch);
    command.env("TMPDIR", scratch);
    command.env("TERM", "xterm-256color");
    let child = pair.slave.spawn_command(command).unwrap();
    Console { master: pair.master, child }
}

/// Reads what the console draws and throws it away.
fn read_all(console: &Console) -> JoinHandle<()> {
    let mut output = console.master.try_clone_reader().unwrap();
    let read = move || {
        let mut bytes = [0; 4096];
        while output.read(&mut bytes).is_ok_and(|count| count > 0) {}
    };
    thread::spawn(read)
}

#[test]
fn a_signal_ends_the_screen_and_everything_else() {
    for which in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let scratch = tempfile::tempdir().unwrap();
        let mut console = open(scratch.path());
        let reader = read_all(&console);
        four_replicas(scratch.path());
        signal(console.child.process_id().unwrap(), which);
        console.child.wait().unwrap();
        nothing_is_left(scratch.path());
        drop(console.master);
        reader.join().unwrap();
    }
}

#[test]
fn a_terminal_that_goes_away_takes_everything_with_it() {
    let scratch = tempfile::tempdir().unwrap();
    let Console { master, mut child } = open(scratch.path());
    four_replicas(scratch.path());
    // Nobody else holds the terminal: the kernel hangs up.
    drop(master);
    child.wait().unwrap();
    nothing_is_left(scratch.path());
}

#[test]
fn a_replica_that_does_not_listen_is_killed() {
    let scratch = tempfile::tempdir().unwrap();
    let mut console = open(scratch.path());
    let reader = read_all(&console);
    let (deaf, _) = four_replicas(scratch.path())[1];
    signal(deaf, Signal::SIGSTOP);
    signal(console.child.process_id().unwrap(), Signal::SIGTERM);
    console.child.wait().unwrap();
    nothing_is_left(scratch.path());
    drop(console.master);
    reader.join().unwrap();
}

/// What the console has drawn so far, as a terminal shows it.
fn show(console: &Console) -> Arc<Mutex<vt100::Parser>> {
    let mut output = console.master.try_clone_reader().unwrap();
    let [rows, columns] = [36, 120].map(|size| NonZeroU16::new(size).unwrap());
    let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
    let shown = screen.clone();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            shown.lock().unwrap().process(&bytes[..count]);
        }
    });
    screen
}

#[test]
fn a_simulation_is_paused_stepped_through_turned_back_and_left() {
    let scratch = tempfile::tempdir().unwrap();
    let mut console = open_with(scratch.path(), &["sim", "--seed", "7", "--watch"]);
    let screen = show(&console);
    let mut keys = console.master.take_writer().unwrap();
    let mut press = |key: &str| keys.write_all(key.as_bytes()).unwrap();
    // The second line: run, step, time, pace, next event.
    let line = || screen.lock().unwrap().screen().rows(0, 120).nth(1).unwrap_or_default();
    let step = || {
        let digits =
            line().split("  ").find_map(|part| part.trim().strip_prefix("step ").map(|step| step.replace(' ', "")));
        digits.and_then(|digits| digits.parse::<u64>().ok())
    };
    until("it runs", || line().starts_with(" seed 7  step ") && step() > Some(100));
    press(" ");
    until("it is paused", || line().contains("‖ paused 1×  next in "));
    let (here, paused) = (step().unwrap(), line());
    press("]]");
    until("two events have happened", || step() == Some(here + 2));
    assert_ne!(line(), paused);
    press("[[");
    until("it is back", || step() == Some(here));
    press("+");
    until("it would run faster", || line().contains("‖ paused 3×"));
    press("q");
    let status = console.child.wait().unwrap();
    assert!(status.success(), "{status:?}");
    until("the terminal is as it was", || !screen.lock().unwrap().screen().alternate_screen());
    assert!(!screen.lock().unwrap().screen().hide_cursor());
}
