//! `byztop up` on a terminal: however it ends, its replicas and its folder end with it.

use std::io::Read;
use std::path::Path;
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::process::{BYZTOP, four_replicas, nothing_is_left, signal};

/// A console on a terminal of its own.
struct Console {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

fn open(scratch: &Path) -> Console {
    let size = PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(BYZTOP);
    command.args(["up", "--replicas", "4"]);
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
