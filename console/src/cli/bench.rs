//! What `byztop bench` takes.

use std::path::PathBuf;
use std::time::Duration;

use byztop_certs::Durability;
use byztop_core::app::smallbank::SmallBank;
use byztop_core::types::ProtocolName;
use byztop_node::load::Load;
use clap::Args;

use super::{Rate, duration, protocol, rate};

/// Every list is crossed with every other; each combination is one configuration.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// Which protocols, such as pbft,linear
    #[arg(long, value_name = "P,…", value_delimiter = ',', default_value = "pbft", value_parser = protocol())]
    pub(crate) protocol: Vec<ProtocolName>,
    /// How many replicas, 1 to 100, such as 4,7,10
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "4",
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) replicas: Vec<u8>,
    /// Operations under one signature, 1 to 256, such as 1,8,64
    #[arg(long, value_name = "B,…", value_delimiter = ',', default_value = "8",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) bundle: Vec<u16>,
    /// Operations per second that are offered, whatever is answered; `max` for as many as are answered
    #[arg(long, value_name = "R|max,…", value_delimiter = ',', default_value = "max", value_parser = rate)]
    pub(crate) rate: Vec<Rate>,
    /// What survives: `memory`, `os` or `sync`
    #[arg(long, value_name = "LEVEL,…", value_delimiter = ',', default_value = "os")]
    pub(crate) durability: Vec<Durability>,
    /// How many submissions are under way at once: with --rate max each client waits for its answer [default: 256]
    #[arg(long, value_name = "C", value_parser = clap::value_parser!(u16).range(1..=i64::from(Load::MAX_SESSIONS)))]
    pub(crate) clients: Option<u16>,
    /// How many SmallBank accounts there are [default: 10000]
    #[arg(long, value_name = "A", value_parser = clap::value_parser!(u32).range(2..=i64::from(SmallBank::MAX_ACCOUNTS)))]
    pub(crate) accounts: Option<u32>,
    /// How long each run is measured; Ctrl-C ends all of it early and prints what there is
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long each run is loaded before it is measured
    #[arg(long, value_name = "D", default_value = "2s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// How often each configuration is run, 1 to 1000; repeats take turns
    #[arg(long, value_name = "K", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) repeat: u16,
    /// Attack during each run, counted from the begin of what is measured: 'n1 crash @10s..20s'; may be repeated
    #[arg(long, value_name = "ATTACK @FROM[..UNTIL]")]
    pub(crate) attack: Vec<String>,
    /// Measure the machine as well: what its processors and links would allow without a protocol
    #[arg(long)]
    pub(crate) ceiling: bool,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Write results.json, results.csv, plots and report.html into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  byztop bench                                         four replicas, as fast as they go
  byztop bench --protocol pbft,linear --replicas 4,7,10 --repeat 3 --out figures
                                                       how both forms grow, with plots and a report
  byztop bench --rate 1000,2000,4000,8000 --out figures
                                                       latency as the load rises
  byztop bench --rate 2000 --duration 30s --attack 'n1 crash @10s..20s'
                                                       before, during and after; time to detect, time to recover
  byztop bench --ceiling --json                        the share of what the machine could do at most

Attacks are those of `byztop up`: name(victims, parameters), such as 'n1 dark(n2, n3) @5s'.
Exit status: 0 if all held, 1 if a run broke or replicas disagree, 2 for bad usage or input.";
