//! What `byztop run` takes.

use std::path::PathBuf;
use std::time::Duration;

use byztop_core::protocol::Settings;
use byztop_core::types::ProtocolName;
use clap::{Args, ValueEnum};

use super::{duration, protocol};

/// The sets of one file, one after the other, each on a fresh cluster.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The test cases: a CSV file with the columns Set Number, Transactions, Live, Byzantine, Attack, Expect, Note.
    pub(crate) file: PathBuf,
    /// Run this set only; may be repeated. Sets run in the order of the file.
    #[arg(long, value_name = "N")]
    pub(crate) set: Vec<u32>,
    /// Which protocol the replicas run.
    #[arg(long, value_name = "P", default_value = "pbft", value_parser = protocol())]
    pub(crate) protocol: ProtocolName,
    /// How many replicas the cluster has, live or not, 1 to 100 [default: the smallest 3f+1 that the file fits into]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) replicas: Option<u8>,
    /// Transactions one by one in the order of the file, or each client's own one by one and clients at once.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) order: TransactionOrder,
    /// Whether clients send to all replicas, or to the primary and to all when it is silent.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) clients: Addressing,
    /// Take a checkpoint every so many slots, 1 to 2048.
    #[arg(long, value_name = "K", default_value = "3",
          value_parser = clap::value_parser!(u64).range(1..=Settings::MAX_WINDOW_SLOTS / 2))]
    pub(crate) checkpoint: u64,
    /// How long a transaction may take: one without a result by then has stalled [default: 3s, and 2s in sets that are
    /// expected to stall]
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Ask before each set.
    #[arg(long)]
    pub(crate) step: bool,
    /// Choose sets and watch them run, on the console.
    #[arg(long, conflicts_with_all = ["step", "json"])]
    pub(crate) watch: bool,
    /// Draw with the signs of ASCII alone, for terminals and fonts that have no others.
    #[arg(long, requires = "watch")]
    pub(crate) ascii: bool,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// In which order transactions are submitted.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum TransactionOrder {
    /// As the file has them, each after the previous one's result.
    #[default]
    File,
    /// As the file has them for each client, each after the client's previous one; clients do not wait for each other.
    Clients,
}

/// To whom clients send.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Addressing {
    /// To all replicas at once.
    #[default]
    All,
    /// To the believed primary, and to all after a time-out.
    PrimaryFirst,
}

const EXAMPLES: &str = "\
Examples:
  byztop run scenarios/basic.csv                  every set: balances, log, status, views, verdict
  byztop run scenarios/basic.csv --set 2 --step   one set, once you press Enter
  byztop run scenarios/basic.csv --watch          on the console: choose sets, see them run
  byztop run cases.csv --protocol linear --json   one JSON document with what came of each set

Each set runs on a cluster of its own, with ten customers A to J who have 10 in checking and nothing in savings.
Without an Expect column it follows from q and f what should come of a set, and is printed.
Exit status: 0 if every set passed, 1 if one did not, 2 for bad usage or a bad file.";
