//! byztop: htop for Byzantine consensus.
//!
//! One program: the console, every command, and the replica itself (`byztop node`). [`cli`] says what may be typed;
//! [`launch`] runs a cluster on this machine; [`session`] connects it to the screen in [`tui`]; [`headless`] runs it
//! without one; [`mod@run`] runs test cases, each on a cluster of its own; [`mod@bench`] runs many clusters, one after the
//! other, and measures them; [`sim`] simulates clusters in this process, many at once or one on the screen; [`books`] are
//! kept of what replicas tell, for the screen and for reports.
//!
//! *Architecture invariant:* only `launch`, `session`, `watch`, `headless`, `run` and `bench` know `byztop-node`; the
//! screen does not.

mod bench;
mod books;
mod cli;
mod clock;
mod headless;
mod init;
mod inspect;
mod launch;
mod node;
mod ports;
mod progress;
mod run;
mod session;
mod sim;
mod stop;
mod summary;
mod tui;
mod watch;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use byztop_certs::CertsError;
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
    let outcome = match Cli::parse().into_command() {
        Command::Up(args) => up(&args),
        Command::Init(args) => init::run(&args).map(|()| true),
        Command::Node(args) => node::run(&args).map(|()| true),
        Command::Inspect(args) => inspect::run(&args).map(|()| true),
        Command::Attach(args) => session::attach(&args).map(|()| true),
        Command::Replay(args) => replay(&args).map(|()| true),
        Command::Sim(args) => sim::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("byztop: {}", told(&error));
            ExitCode::from(status_of(&error))
        }
    }
}

/// Shows a recording.
fn replay(args: &ReplayArgs) -> anyhow::Result<()> {
    let recording = Recording::read(&args.file).map_err(|error| usage(error.to_string()))?;
    if recording.is_cut() {
        eprintln!("byztop: {}: its end is missing; what stands before it is shown", args.file.display());
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

/// Writes to standard output. That the reader has seen enough is no error.
pub(crate) fn print_out(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("can not write to standard output"),
    }
}
