//! The real binary, in a scratch folder that is also its folder for temporary files.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use byztop_certs::{ClusterDirectory, InitOptions, Ports};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The binary under test.
pub(crate) const BYZTOP: &str = env!("CARGO_BIN_EXE_byztop");

/// `byztop` with arguments, no standard input, and temporary files in `scratch`.
pub(crate) fn byztop(scratch: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BYZTOP);
    command.args(arguments).current_dir(scratch).env("TMPDIR", scratch).stdin(Stdio::null());
    command
}

/// Exit status, standard output and standard error of a whole run.
pub(crate) fn run(scratch: &Path, arguments: &[&str]) -> (i32, String, String) {
    finished(byztop(scratch, arguments).output().expect("the binary runs"))
}

/// Starts a run whose output is kept.
pub(crate) fn start(scratch: &Path, arguments: &[&str]) -> Child {
    let mut command = byztop(scratch, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Starts a replica whose files can not grow beyond so many of the shell's blocks, as if its disk were full then.
pub(crate) fn start_cramped(scratch: &Path, home: &Path, blocks: u32) -> Child {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" node \"$1\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(BYZTOP).arg(home).current_dir(scratch).env("TMPDIR", scratch);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("there is a shell")
}

/// As [`run`], for what was started.
pub(crate) fn finished(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("byztop writes UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Process ids of the replicas whose folders are in `scratch`, with their names.
pub(crate) fn replicas(scratch: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let prefix = scratch.to_str().expect("scratch folders have plain names");
    for entry in std::fs::read_dir("/proc").expect("these tests need /proc").flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments: Vec<&str> = line.split(|byte| *byte == 0).filter_map(|part| str::from_utf8(part).ok()).collect();
        let home = arguments.iter().rev().find(|part| !part.is_empty()).map(PathBuf::from);
        let name = home.filter(|home| home.starts_with(prefix) && arguments.contains(&"node"));
        let name = name.and_then(|home| Some(home.file_name()?.to_str()?.to_string()));
        found.extend(pid.zip(name));
    }
    found
}

/// Makes the folder of a cluster of four, with ports that are free now: those that `init` gives may be another test's.
pub(crate) fn cluster(home: &Path) -> ClusterDirectory {
    let sockets: Vec<UdpSocket> = (0..8).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
    let ports = Ports::Explicit(sockets.chunks(2).map(|pair| (port(&pair[0]), port(&pair[1]))).collect());
    ClusterDirectory::create(home, &InitOptions { replicas: 4, ports, ..InitOptions::default() }).unwrap()
}

/// Waits until it holds.
///
/// # Panics
///
/// If it does not hold within a minute.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

/// Waits until a run has its four replicas.
pub(crate) fn four_replicas(scratch: &Path) -> Vec<(u32, String)> {
    until("four replicas run", || replicas(scratch).len() == 4);
    replicas(scratch)
}

/// Neither processes nor files are left of a run in a temporary folder.
pub(crate) fn nothing_is_left(scratch: &Path) {
    until("no replica runs", || replicas(scratch).is_empty());
    let left: Vec<_> = std::fs::read_dir(scratch).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
