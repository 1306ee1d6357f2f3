//! `byztop node`: one replica, in this process, until it is told to end.

use std::io::{self, Read as _};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::cli::NodeArgs;
use crate::stop::Stop;

/// How long a replica may take to end once it is told to; then the process ends regardless.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the replica. It ends on Ctrl-C, SIGTERM and SIGHUP, and with its parent if it was told so.
pub(crate) fn run(args: &NodeArgs) -> anyhow::Result<()> {
    log_to_stderr();
    let mut stop = Stop::install().context("can not listen for signals")?;
    let parent = if args.until_stdin_closes { Some(stdin_closes()?) } else { None };
    let until = async move {
        tokio::select! {
            () = stop.asked() => {}
            () = parent_ends(parent) => {}
        }
        end_at_last();
    };
    let runtime = byztop_node::runtime(usize::from(args.threads)).context("can not start threads")?;
    let ran = match args.bare {
        Some(traffic) => runtime.block_on(byztop_node::bare::run_bare(&args.home, traffic, until)),
        None => runtime.block_on(byztop_node::run_replica(&args.home, until)),
    };
    runtime.shutdown_timeout(GRACE);
    ran
}

/// To standard error, which the launcher points to DIR/nX/log. `BYZTOP_LOG=debug` says more.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("BYZTOP_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
}

/// Reads standard input to its end on a thread of its own, which nothing waits for.
fn stdin_closes() -> anyhow::Result<oneshot::Receiver<()>> {
    let (closed, receiver) = oneshot::channel();
    let read = move || {
        let mut nothing = [0; 64];
        // An error ends it too: the parent can no longer be seen, so it counts as gone.
        while io::stdin().read(&mut nothing).is_ok_and(|count| count > 0) {}
        closed.send(()).ok();
    };
    thread::Builder::new().name("parent".to_string()).spawn(read).context("can not start a thread")?;
    Ok(receiver)
}

async fn parent_ends(parent: Option<oneshot::Receiver<()>>) {
    match parent {
        // If the thread that watches it is gone, so is the parent.
        Some(closed) => closed.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// No replica outlives the order to end, whatever it is stuck in.
fn end_at_last() {
    let end = || {
        thread::sleep(GRACE);
        std::process::exit(1);
    };
    if thread::Builder::new().name("last".to_string()).spawn(end).is_err() {
        std::process::exit(1);
    }
}
