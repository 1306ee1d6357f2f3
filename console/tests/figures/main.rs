//! What the console costs and how soon it answers, on this machine: printed, not judged, since other machines differ.
//!
//! `cargo test --release -p byztop --test figures -- --ignored --nocapture`
//!
//! A cluster of seven runs at 10 000 op/s, and a console attaches to it on a pseudo terminal of 120×36. `BYZTOP_BINARY`
//! names another program to measure.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// What is measured.
fn binary() -> String {
    std::env::var("BYZTOP_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_byztop").to_string())
}

const RATE: &str = "10000";
const STARTS: usize = 10;
const PRESSES: usize = 200;
const STOPS: usize = 12;

/// What every Linux tells the processor's time in.
const TICKS_PER_SECOND: f64 = 100.0;

/// For how long that time is counted.
const LONG: Duration = Duration::from_secs(60);
/// For how long bytes are.
const SHORT: Duration = Duration::from_secs(20);
/// What takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a terminal has received.
struct Received {
    screen: vt100::Parser,
    bytes: u64,
}

/// A console on a terminal of its own.
struct Console {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    received: Arc<(Mutex<Received>, Condvar)>,
    started: Instant,
}

impl Console {
    fn start(scratch: &Path, arguments: &[&str]) -> Console {
        let pair = native_pty_system().openpty(size(120, 36)).unwrap();
        let mut command = CommandBuilder::new(binary());
        command.args(arguments);
        command.cwd(scratch);
        command.env("TMPDIR", scratch);
        command.env("TERM", "xterm-256color");
        let (mut output, keys) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        let received = Arc::new((Mutex::new(Received { screen: parser(120, 36), bytes: 0 }), Condvar::new()));
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        let shared = received.clone();
        thread::spawn(move || {
            let mut bytes = [0; 65536];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut received = shared.0.lock().unwrap();
                received.screen.process(&bytes[..count]);
                received.bytes += count as u64;
                shared.1.notify_all();
            }
        });
        Console { master: pair.master, child, keys, received, started }
    }

    /// When the screen first shows what is looked for; `None` if it does not within [`PATIENCE`].
    fn when(&self, mut shows: impl FnMut(&[String]) -> bool) -> Option<Instant> {
        let deadline = Instant::now() + PATIENCE;
        let mut received = self.received.0.lock().unwrap();
        loop {
            if shows(&rows(&received.screen)) {
                return Some(Instant::now());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            received = self.received.1.wait_timeout(received, left).unwrap().0;
        }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.received.0.lock().unwrap().screen.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    fn bytes(&self) -> u64 {
        self.received.0.lock().unwrap().bytes
    }

    /// The processor's time that it has used, in the system's ticks.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.process_id().unwrap())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// Tells what it costs for a while.
    fn measure(&self, what: &str, time: Duration) {
        let (ticks, bytes, began) = (self.ticks(), self.bytes(), Instant::now());
        thread::sleep(time);
        let seconds = began.elapsed().as_secs_f64();
        let share = (self.ticks() - ticks) as f64 / TICKS_PER_SECOND / seconds * 100.0;
        let bytes = (self.bytes() - bytes) as f64 / seconds;
        println!("{what:<36} {share:5.2} % of a core, {bytes:6.0} bytes/s");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A cluster under load; it ends with this value.
struct Cluster(Child);

impl Cluster {
    fn start(home: &Path) -> Cluster {
        let mut command = Command::new(binary());
        command.args(["up", "--headless", "--duration", "1h", "--rate", RATE, "--dir"]).arg(home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Cluster(command.spawn().unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        signal(self.0.id(), Signal::SIGTERM);
        self.0.wait().ok();
    }
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

fn parser(columns: u16, rows: u16) -> vt100::Parser {
    vt100::Parser::new(cells(rows), cells(columns), 0)
}

fn rows(parser: &vt100::Parser) -> Vec<String> {
    let screen = parser.screen();
    screen.rows(0, screen.size().1.get()).collect()
}

fn signal(pid: u32, which: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), which).unwrap();
}

fn is_live(rows: &[String]) -> bool {
    rows[0].contains("LIVE 7/7")
}

/// Tells how long something took each time.
fn tell(what: &str, times: impl IntoIterator<Item = Option<Duration>>) {
    let mut times: Vec<f64> =
        times.into_iter().map(|time| time.map_or(f64::INFINITY, |time| time.as_secs_f64() * 1e3)).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("{what:<36} median {:.0} ms, p95 {:.0} ms, max {:.0} ms, n={}", at(0.5), at(0.95), at(1.0), times.len());
}

/// From the start of the program to a screen that names everybody.
fn first_frame(scratch: &Path, arguments: &[&str]) -> Option<Duration> {
    let mut console = Console::start(scratch, arguments);
    let names_all = |rows: &[String]| (1..=7).all(|place| rows.iter().any(|row| row.contains(&format!("n{place} "))));
    let shown = console.when(names_all)?.duration_since(console.started);
    console.when(is_live);
    console.press("q");
    console.child.wait().unwrap();
    Some(shown)
}

/// From a key to what it does: another pane, or help over it.
fn felt(console: &mut Console, round: usize) -> Option<Duration> {
    let (key, row) = [("2", " phases"), ("1", "│   name")][round % 2];
    // At another point of the console's own rhythm each time.
    thread::sleep(Duration::from_millis(50 + (round * 37 % 100) as u64));
    let pressed = Instant::now();
    console.press(key);
    Some(console.when(|rows| rows[2].starts_with(row))?.duration_since(pressed))
}

/// From the moment that a replica stands still to that when its row tells so, and from that when it goes on.
fn stopped(console: &Console, pid: u32) -> (Option<Duration>, Option<Duration>) {
    let n7 = |rows: &[String]| rows.iter().find(|row| row.contains(" n7 ")).cloned().unwrap_or_default();
    let is_unknown = |rows: &[String]| n7(rows).matches(" ? ").count() > 3;
    let stopped = Instant::now();
    signal(pid, Signal::SIGSTOP);
    let unknown = console.when(is_unknown).map(|at| at.duration_since(stopped));
    thread::sleep(Duration::from_secs(1));
    let went_on = Instant::now();
    signal(pid, Signal::SIGCONT);
    let known = console.when(|rows| is_live(rows) && !is_unknown(rows)).map(|at| at.duration_since(went_on));
    thread::sleep(Duration::from_secs(3));
    (unknown, known)
}

/// The process of a replica by its folder.
fn pid_of(home: &Path) -> u32 {
    let is_it = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| part == home.as_os_str().as_encoded_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_it).expect("it runs")
}

#[test]
#[ignore = "six minutes of measuring, on a machine that does nothing else"]
fn what_the_console_costs_and_how_soon_it_answers() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join("bank");
    let attach = ["attach", home.to_str().unwrap()];
    let cores = thread::available_parallelism().unwrap();
    println!("n=7, {RATE} op/s, {cores} cores");
    tell("first frame of up", (0..STARTS).map(|_| first_frame(scratch.path(), &["up"])));
    let _cluster = Cluster::start(&home);
    let mut console = loop {
        thread::sleep(Duration::from_secs(2));
        let console = Console::start(scratch.path(), &attach);
        if console.when(is_live).is_some() {
            break console;
        }
    };
    tell("first frame of attach", (0..STARTS).map(|_| first_frame(scratch.path(), &attach)));
    tell("a key until it shows", (0..PRESSES).map(|round| felt(&mut console, round)));
    println!("{}", rows(&console.received.0.lock().unwrap().screen)[0].trim());
    thread::sleep(Duration::from_secs(10));
    console.measure("live, overview, 120×36", LONG);
    console.press(" ");
    thread::sleep(Duration::from_secs(2));
    console.measure("frozen, overview, 120×36", LONG);
    console.press(" ");
    console.resize(200, 60);
    thread::sleep(Duration::from_secs(2));
    console.measure("live, overview, 200×60", LONG);
    console.press("4");
    thread::sleep(Duration::from_secs(2));
    console.measure("live, messages, 200×60", SHORT);
    console.press("1");
    console.resize(120, 36);
    let pid = pid_of(&home.join("n7"));
    let (unknown, known): (Vec<_>, Vec<_>) = (0..STOPS).map(|_| stopped(&console, pid)).unzip();
    tell("a replica stops until it shows", unknown);
    tell("it goes on until that shows", known);
}
