//! The command line: what may be typed, and how it is read. Nothing is done here.

mod bench;
mod run;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use byztop_certs::Durability;
use byztop_core::types::ProtocolName;
use byztop_node::bare::Traffic;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};

pub(crate) use self::bench::BenchArgs;
pub(crate) use self::run::{Addressing, RunArgs, TransactionOrder};

/// The whole command line. Without a command it is `byztop up`.
#[derive(Parser, Debug)]
#[command(
    name = "byztop",
    version,
    about = "htop for Byzantine consensus: run a cluster, watch it, break it",
    long_about = "htop for Byzantine consensus. Without a command, byztop starts seven replicas on this machine, puts \
                  them under a SmallBank load and shows in the terminal how they agree; a key makes a replica crash, \
                  lag, lie or sign badly. q quits and ends everything that was started.",
    args_conflicts_with_subcommands = true,
    after_help = EXAMPLES
)]
pub(crate) struct Cli {
    /// What to do; `up` if nothing is named.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: UpArgs,
}

const EXAMPLES: &str = "\
Examples:
  byztop                                      seven replicas, 2000 operations a second, on screen
  byztop up --replicas 4 --rate max           four replicas, as fast as they go
  byztop up --headless --duration 30s --json  the same without a screen: one JSON document
  byztop init ./bank --hosts db1,db2,db3,db4  keys and cluster.toml for four machines
  byztop node ./bank/n3                       replica n3 of that cluster, on its machine
  byztop inspect ./bank/n3 accounts --csv     what its store holds
  byztop sim --seeds 0..1000                  a thousand simulated clusters, each with faults of its own
  byztop sim --seed 7 --watch                 one of them on screen, event by event
  byztop attach ./bank --observe              watch a cluster that runs, and leave it running
  byztop status ./bank                        one look at it: who is reached, and what is wrong
  byztop replay byztop-20260102-120000.rec    what was recorded, as often as you like
  byztop run scenarios/basic.csv              test cases: who runs, who lies, what comes of it
  byztop bench --replicas 4,7 --out figures   how fast it is with four and with seven replicas, with plots

Exit status: 0 if all held, 1 if replicas disagree or an invariant or something else broke, 2 for bad usage or input.";

impl Cli {
    /// The command that was meant.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Up(self.up))
    }
}

/// What byztop can do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Start a cluster on this machine, load it and watch it.
    Up(UpArgs),
    /// Make a cluster directory, with fresh keys, for this or other machines.
    Init(InitArgs),
    /// Run one replica of a cluster directory until it is told to end (Ctrl-C, SIGTERM).
    Node(NodeArgs),
    /// Print what a replica's store holds: log, checkpoint, accounts, sessions.
    Inspect(InspectArgs),
    /// Show a cluster that runs already on the console, and leave it running.
    Attach(AttachArgs),
    /// Look at a cluster that runs once: who is reached, how far each is, what is wrong.
    Status(StatusArgs),
    /// Begin a new epoch of a cluster too many of whose replicas have lost their logs, from what their folders prove.
    Recover(RecoverArgs),
    /// Show a recording on the console: play it, stop, step back and forth.
    Replay(ReplayArgs),
    /// Simulate clusters under faults that a seed draws, and check every invariant after every event.
    Sim(SimArgs),
    /// Run test cases from a CSV file, each set on a fresh cluster, and judge what comes of them.
    Run(RunArgs),
    /// Measure clusters on this machine, one configuration after the other: figures, plots, report.
    Bench(BenchArgs),
}

/// What `byztop up` takes.
#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// How many replicas, 1 to 100 [default: 7, or what DIR has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) replicas: Option<u8>,
    /// Which protocol they run [default: pbft, or what DIR has]
    #[arg(long, value_name = "P", value_parser = protocol())]
    pub(crate) protocol: Option<ProtocolName>,
    /// Operations per second that are offered, whatever is answered; `max` for as many as are answered.
    #[arg(long, value_name = "R|max", default_value = "2000", value_parser = rate)]
    pub(crate) rate: Rate,
    /// Operations under one signature, 1 to 256.
    #[arg(long, value_name = "B", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) bundle: u16,
    /// What survives: with `sync` a power cut, with `os` a killed process, with `memory` nothing [default: os, or what
    /// DIR has]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) durability: Option<Durability>,
    /// Keep the cluster in this folder, or use the one that is there, instead of a temporary folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Begin the epoch that cluster.toml of DIR says without what was stored in an earlier one, which is put aside.
    #[arg(long, requires = "dir")]
    pub(crate) new_epoch: bool,
    /// Draw nothing: run the load, then print what came of it.
    #[arg(long)]
    pub(crate) headless: bool,
    /// Record what the console hears to this file, which must not be there yet; `byztop replay FILE` shows it.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Draw with the signs of ASCII alone, for terminals and fonts that have no others.
    #[arg(long, conflicts_with = "headless")]
    pub(crate) ascii: bool,
    /// How long to run, such as 10s, 500ms or 2m; Ctrl-C ends it earlier [default: 10s]
    #[arg(long, value_name = "D", requires = "headless", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Print one JSON document and nothing else.
    #[arg(long, requires = "headless")]
    pub(crate) json: bool,
}

/// What `byztop init` takes.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// The folder; made if it is not there. A cluster that is there already is left alone.
    pub(crate) dir: PathBuf,
    /// How many replicas, 1 to 100 [default: one per host, or 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) replicas: Option<u8>,
    /// The machines by name or address, dealt to the replicas in turn [default: 127.0.0.1]
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub(crate) hosts: Vec<String>,
    /// Which protocol they run.
    #[arg(long, value_name = "P", default_value = "pbft", value_parser = protocol())]
    pub(crate) protocol: ProtocolName,
    /// What survives: with `sync` a power cut, with `os` a killed process, with `memory` nothing.
    #[arg(long, value_name = "LEVEL", default_value_t)]
    pub(crate) durability: Durability,
    /// Let the operator make replicas misbehave. Not for clusters that anybody depends on.
    #[arg(long)]
    pub(crate) allow_attacks: bool,
}

/// What `byztop attach` takes.
#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    /// The cluster's folder, such as ./bank, with the keys of the operator or the observer in it.
    pub(crate) dir: PathBuf,
    /// As observer, who sees everything and can inject nothing.
    #[arg(long)]
    pub(crate) observe: bool,
    /// Record what the console hears to this file, which must not be there yet; `byztop replay FILE` shows it.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Draw with the signs of ASCII alone, for terminals and fonts that have no others.
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// What `byztop status` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit status: 0 if nothing is wrong, 1 if something is and the cluster works, 2 for bad usage or input, 3 if nothing is decided.")]
pub(crate) struct StatusArgs {
    /// The cluster's folder, such as ./bank, with the keys of the observer or the operator in it.
    pub(crate) dir: PathBuf,
    /// How long replicas are waited for, such as 10s or 500ms
    #[arg(long, value_name = "D", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `byztop recover` takes.
#[derive(Args, Debug)]
pub(crate) struct RecoverArgs {
    /// The cluster's folder, such as ./bank, with the folders of its replicas in it. None of them may run.
    pub(crate) dir: PathBuf,
    /// Only print what each folder proves.
    #[arg(long)]
    pub(crate) look: bool,
    /// Begin from the best checkpoint there is, although fewer than a quorum of folders are here or the replicas could go on by
    /// themselves: a higher one may have been stable, and what clients were told after this one is lost.
    #[arg(long = "unsafe")]
    pub(crate) is_forced: bool,
}

/// What `byztop replay` takes.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// A recording: `r` on the console writes one, or --record.
    pub(crate) file: PathBuf,
    /// Draw with the signs of ASCII alone, for terminals and fonts that have no others.
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// What `byztop node` takes.
#[derive(Args, Debug)]
pub(crate) struct NodeArgs {
    /// The replica's folder, such as ./bank/n3; cluster.toml and ca/ca.pem lie beside it.
    pub(crate) home: PathBuf,
    /// Threads to run on; one is best where replicas share a processor
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) threads: u8,
    /// Begin the epoch that cluster.toml says without what was stored in an earlier one, which is put aside.
    #[arg(long)]
    pub(crate) new_epoch: bool,
    /// End when standard input closes: a replica that `up` starts ends with its parent.
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
    /// No replica, but its links with so much traffic on them: what `bench --ceiling` measures.
    #[arg(long, hide = true, value_name = "TRAFFIC")]
    pub(crate) bare: Option<Traffic>,
}

/// What `byztop inspect` takes.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// The replica's folder, such as ./bank/n3. The replica may be running: its store is not touched.
    pub(crate) home: PathBuf,
    /// What to print of it.
    #[arg(value_enum, default_value_t)]
    pub(crate) shelf: Shelf,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print comma-separated values with a header line and nothing else.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// What lies in a store.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Shelf {
    /// Each slot above the stable checkpoint: what was voted for, prepared, committed and decided.
    #[default]
    Log,
    /// The stable checkpoint and who has signed it.
    Checkpoint,
    /// The balances of each customer as of the stable checkpoint.
    Accounts,
    /// For each client session what ran last, as of the stable checkpoint.
    Sessions,
}

/// What `byztop sim` takes.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true), after_help = SIM_EXAMPLES)]
pub(crate) struct SimArgs {
    /// Run these seeds on all cores; 0..200 is 200 seeds, the last is 199.
    #[arg(long, value_name = "A..B", group = "which", value_parser = seeds)]
    pub(crate) seeds: Option<Range<u64>>,
    /// Run one seed and print what happens, event by event.
    #[arg(long, value_name = "N", group = "which")]
    pub(crate) seed: Option<u64>,
    /// Run what a file says, such as a failure that was made small.
    #[arg(long, value_name = "FILE", group = "which")]
    pub(crate) scenario: Option<PathBuf>,
    /// Which protocol the replicas run [default: pbft, or what FILE says]
    #[arg(long, value_name = "P", value_parser = protocol(), conflicts_with = "scenario")]
    pub(crate) protocol: Option<ProtocolName>,
    /// How many replicas, 4 to 100 [default: what the seed draws]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=100), conflicts_with = "scenario")]
    pub(crate) replicas: Option<u8>,
    /// Kill processes in the middle of what they do, cut their power, and let their disks fill up and rot
    #[arg(long, conflicts_with = "scenario")]
    pub(crate) disk_faults: bool,
    /// Show the simulated cluster on the screen, under your control: pause, step, go back.
    #[arg(long, conflicts_with_all = ["seeds", "json"])]
    pub(crate) watch: bool,
    /// Draw with the signs of ASCII alone, for terminals and fonts that have no others.
    #[arg(long, requires = "watch")]
    pub(crate) ascii: bool,
    /// Print one JSON document and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

const SIM_EXAMPLES: &str = "\
Examples:
  byztop sim --seeds 0..1000            a sweep; Ctrl-C ends it early with what was done so far
  byztop sim --seeds 0..1000 --disk-faults   the same seeds, on disks and power supplies that fail
  byztop sim --seed 7                   every event of seed 7, and what came of it
  byztop sim --seed 7 --watch           the same on screen: space pauses, ] and [ step, + and - change the speed
  byztop sim --scenario sim-seed-7.txt  a failure of seed 7, without what did not matter to it

A violation is printed with the command that replays it.
Exit status: 0 if every invariant held, 1 if one did not, 2 for bad usage or input.";

/// How much load is offered.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Rate {
    /// Operations per second, whatever is answered: an open loop.
    PerSecond(f64),
    /// The next as soon as one is answered: a closed loop.
    Max,
}

impl Rate {
    /// Operations per second; `None` for [`Rate::Max`].
    pub(crate) fn per_second(self) -> Option<f64> {
        match self {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Max => None,
        }
    }
}

fn protocol() -> impl clap::builder::TypedValueParser<Value = ProtocolName> {
    PossibleValuesParser::new(ProtocolName::ALL.map(ProtocolName::name))
        .map(|name| ProtocolName::parse(&name).expect("clap accepts the listed names only"))
}

/// The highest rate that is accepted: far beyond what a cluster commits, far below what would overflow.
const MAX_RATE: f64 = 10_000_000.0;

/// A rate as people write it.
fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    match text.parse::<f64>() {
        Ok(rate) if (1.0..=MAX_RATE).contains(&rate) => Ok(Rate::PerSecond(rate)),
        _ => Err("expected operations per second, from 1 to 10000000, or `max`".to_string()),
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let expected = "expected two numbers such as 0..200, which is 200 seeds from 0 on";
    let (first, end) = text.split_once("..").ok_or_else(|| match text.parse::<u64>() {
        Ok(seed) => format!("{expected}; a single one is --seed {seed}"),
        Err(_) => expected.to_string(),
    })?;
    match (first.parse::<u64>(), end.parse::<u64>()) {
        (Ok(first), Ok(end)) if first < end => Ok(first..end),
        (Ok(first), Ok(end)) => Err(format!("{first}..{end} holds no seed: the first must be less than the end")),
        _ => Err(expected.to_string()),
    }
}

/// The longest run that is accepted: thirty days.
const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    match span {
        Some(span) if span.is_zero() || span > MAX_DURATION => Err("expected more than nothing and at most 30d".into()),
        Some(span) => Ok(span),
        None => Err("expected a number and a unit, such as 10s, 500ms or 2m".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(line: &str) -> Result<UpArgs, String> {
        let cli = Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        match cli.into_command() {
            Command::Up(up) => Ok(up),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_declaration_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_is_up_and_flags_need_no_command() {
        let bare = up("byztop").unwrap();
        assert_eq!((bare.rate, bare.bundle, bare.replicas), (Rate::PerSecond(2000.0), 8, None));
        assert_eq!(up("byztop --replicas 4").unwrap().replicas, Some(4));
        assert_eq!(up("byztop up --rate max").unwrap().rate, Rate::Max);
    }

    #[test]
    fn spans_are_written_as_people_write_them() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("1m 30s", 90_000), ("1.5s", 1500)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["10", "", "s", "-3s", "0s", "31d", "fast"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_positive_or_max() {
        assert_eq!(rate("2500"), Ok(Rate::PerSecond(2500.0)));
        for bad in ["0", "-1", "NaN", "inf", "1e9", "MAX", "2k"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_of_seeds_are_half_open() {
        assert_eq!(seeds("0..200"), Ok(0..200));
        assert_eq!(seeds("7..8").map(|range| range.count()), Ok(1));
        for (bad, expected) in [
            ("9..7", "9..7 holds no seed"),
            ("7..7", "7..7 holds no seed"),
            ("5", "--seed 5"),
            ("a..b", "two numbers such as 0..200"),
            ("1..", "two numbers such as 0..200"),
            ("0..=9", "two numbers such as 0..200"),
            ("-1..5", "two numbers such as 0..200"),
            ("", "two numbers such as 0..200"),
        ] {
            let error = seeds(bad).unwrap_err();
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }

    #[test]
    fn a_simulation_is_of_seeds_or_a_seed_or_a_scenario() {
        let sim = |line: &str| match Cli::try_parse_from(line.split_whitespace()) {
            Ok(cli) => match cli.into_command() {
                Command::Sim(sim) => Ok(sim),
                other => Err(format!("{other:?}")),
            },
            Err(error) => Err(error.to_string()),
        };
        let both = sim("byztop sim --seed 7 --replicas 4 --protocol pbft --json").unwrap();
        assert_eq!(
            (both.seed, both.replicas, both.protocol, both.json),
            (Some(7), Some(4), Some(ProtocolName::Pbft), true)
        );
        assert!(sim("byztop sim --scenario x.txt --watch").is_ok_and(|sim| sim.watch && sim.scenario.is_some()));
        for (line, expected) in [
            ("byztop sim", "--seeds <A..B>|--seed <N>|--scenario <FILE>"),
            ("byztop sim --seed 1 --seeds 0..2", "cannot be used with"),
            ("byztop sim --seeds 0..2 --watch", "cannot be used with"),
            ("byztop sim --seed 1 --watch --json", "cannot be used with"),
            ("byztop sim --scenario x.txt --replicas 4", "cannot be used with"),
            ("byztop sim --seed 1 --replicas 3", "4..=100"),
        ] {
            let error = sim(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn what_is_refused_says_what_is_expected() {
        for (line, expected) in [
            ("byztop up --replicas 0", "1..=100"),
            ("byztop up --protocol raft", "[possible values: pbft, linear]"),
            ("byztop up --durability disk", "`memory`, `os` and `sync`"),
            ("byztop up --json", "--headless"),
            ("byztop up --headless --duration 10", "10s, 500ms or 2m"),
            ("byztop up --rate fast", "or `max`"),
        ] {
            let error = up(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
