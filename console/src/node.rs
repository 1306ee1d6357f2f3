//! `byztop node`: one replica, in this process, until it is told to end.

use std::io::{self, Read as _};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use byztop_node::panics;
use byztop_node::store::OldEpoch;
use tokio::sync::oneshot;

use crate::cli::NodeArgs;
use crate::log;
use crate::stop::Stop;

/// How long a replica may take to end once it is told to; then the process ends regardless.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the replica. It ends on Ctrl-C, SIGTERM and SIGHUP, and with its parent if it was told so.
pub(crate) fn run(args: &NodeArgs) -> anyhow::Result<()> {
    // The launcher points standard error to DIR/nX/log.
    log::to_stderr();
    panics::end_the_process();
    panic_if_wanted()?;
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
    let old = if args.new_epoch { OldEpoch::PutAside } else { OldEpoch::Refuse };
    let ran = match args.bare {
        Some(traffic) => runtime.block_on(byztop_node::bare::run_bare(&args.home, traffic, until)),
        None => runtime.block_on(byztop_node::run_replica(&args.home, old, until)),
    };
    runtime.shutdown_timeout(GRACE);
    ran
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

/// A thread that panics, for the test of who watches over replicas; in a build for users nothing asks for it.
fn panic_if_wanted() -> anyhow::Result<()> {
    if cfg!(debug_assertions) && std::env::var_os("BYZTOP_TEST_PANIC").is_some() {
        let panic = || {
            thread::sleep(Duration::from_millis(500));
            panic!("a thread was asked to panic");
        };
        thread::Builder::new().name("wanted".to_string()).spawn(panic).context("can not start a thread")?;
    }
    Ok(())
}
