//! Attacks a running cluster from the command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use byztop_certs::ClusterDirectory;
use byztop_hostile::flood::{self, Kind, Tally};
use clap::Parser;

/// Attack a running cluster over the wire, with the keys of one of its members.
#[derive(Parser)]
struct Arguments {
    /// What to send: new-view, view-change, proof, bodies, votes, fetch, state, replica-memory, or lies to consoles (as n1, which must not
    /// run), client-memory, submissions (as c1) or consoles (as the observer)
    kind: Kind,
    /// The cluster's folder
    directory: PathBuf,
    /// For how many seconds
    #[arg(long, default_value_t = 12)]
    seconds: u64,
}

fn main() -> anyhow::Result<()> {
    let Arguments { kind, directory, seconds } = Arguments::parse();
    let directory = Arc::new(ClusterDirectory::open(&directory)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let tally = Arc::new(Tally::default());
        let flood = flood::run(directory, kind, tally.clone());
        tokio::pin!(flood);
        for second in 1..=seconds {
            tokio::select! {
                ended = &mut flood => return ended,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
            println!(
                "{second} s: {kind}: {} sent, {} MB taken, {} connections ended",
                of(&tally.sent),
                of(&tally.bytes) >> 20,
                of(&tally.ended)
            );
        }
        Ok(())
    })
}
