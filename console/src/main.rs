//! byztop: htop for Byzantine consensus.
//!
//! One program: the console, every command, and the replica itself (`byztop node`). [`cli`] says what may be typed;
//! [`launch`] runs a cluster on this machine; [`session`] connects it to the screen in [`tui`]; [`headless`] runs it
//! without one; [`mod@run`] runs test cases, each on a cluster of its own; [`mod@bench`] runs many clusters, one after the
//! other, and measures them; [`sim`] simulates clusters in this process, many at once or one on the screen; [`books`] are
//! kept of what replicas tell, for the screen and for reports.
//!
//! *Architecture invariant:* only `launch`, `session`, `watch`, `headless`, `run`, `status`, `recover`, `node` and `bench` know `byztop-node`; the
//! screen does not.

mod bench;
mod books;
mod cli;
mod clock;
mod headless;
mod init;
mod inspect;
mod launch;
mod log;
mod node;
mod ports;
mod progress;
mod recover;
mod run;
mod session;
mod sim;
mod status;
mod stop;
mod summary;
mod tui;
mod watch;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use byztop_certs::CertsError;
use byztop_core::printable::printable;
use clap::Parser as _;
use thiserror::Error;

use cli::{Cli, Command, ReplayArgs, UpArgs};
use progress::Progress;
use tui::{Glyphs, Recording};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What was typed, or what a file says, can not be: exit status 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

/// An error of the user's, with what to do about it.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

fn main() -> ExitCode {
    let typed = match Cli::try_parse() {
        Ok(typed) => typed,
        Err(error) => return refuse(&error),
    };
    let outcome = match typed.into_command() {
        Command::Up(args) => up(&args),
        Command::Init(args) => init::run(&args).map(|()| true),
        Command::Node(args) => node::run(&args).map(|()| true),
        Command::Inspect(args) => inspect::run(&args).map(|()| true),
        Command::Attach(args) => session::attach(&args).map(|()| true),
        Command::Recover(args) => recover::run(&args).map(|()| true),
        Command::Status(args) => return status::run(&args).unwrap_or_else(|error| fail(&error)),
        Command::Replay(args) => replay(&args).map(|()| true),
        Command::Sim(args) => sim::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => fail(&error),
    }
}

/// Says what went wrong, and gives the exit status for it.
fn fail(error: &anyhow::Error) -> ExitCode {
    complain(&told(error));
    ExitCode::from(status_of(error))
}

/// Says what is wrong with what was typed; what was typed may hold what steers a terminal.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    // Help and version are asked for, and are ours to the last letter.
    if !error.use_stderr() || printable(&text) == text {
        error.exit();
    }
    eprint!("{}", printable(&text));
    ExitCode::from(2)
}

/// Says something on standard error.
pub(crate) fn complain(text: &str) {
    eprintln!("byztop: {}", printable(text));
}

/// Shows a recording.
fn replay(args: &ReplayArgs) -> anyhow::Result<()> {
    let recording = Recording::read(&args.file).map_err(|error| usage(error.to_string()))?;
    if recording.is_cut() {
        complain(&format!("{}: its end is missing; what stands before it is shown", args.file.display()));
    }
    let progress = Progress::start();
    let glyphs = Glyphs::from_flag(args.ascii);
    let shown = tui::replay(&recording, glyphs, |done, of| progress.show(&format!("reading: {done} of {of} parts")));
    progress.clear();
    shown
}

/// The error and its causes, those left out that it has told already.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// 2 for what the user can mend by typing or editing something else, 1 for everything else.
fn status_of(error: &anyhow::Error) -> u8 {
    let is_users = |cause: &(dyn std::error::Error + 'static)| cause.is::<UsageError>() || cause.is::<CertsError>();
    if error.chain().any(is_users) { 2 } else { 1 }
}

/// Runs a local cluster, with a screen or without; says whether all held.
fn up(args: &UpArgs) -> anyhow::Result<bool> {
    if args.headless {
        return headless::run(args);
    }
    if !io::stdout().is_terminal() {
        return Err(usage("standard output is not a terminal, so there is nothing to draw on; try `up --headless`"));
    }
    session::show(args).map(|()| true)
}

/// Writes to standard output, with what could steer a terminal escaped. That the reader has seen enough is no error.
pub(crate) fn print_out(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(printable(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("can not write to standard output"),
    }
}
