//! `byztop sim`: clusters in this process, under virtual time and the faults that a seed draws.
//!
//! [`sweep`] runs many seeds on all cores, [`replay`] one of them event by event, and [`watch`] one on the screen. The
//! simulation itself is [`byztop_core::sim`]; `outcome` is what all of them say at the end.

mod observed;
mod outcome;
mod replay;
mod runs;
mod sweep;
mod watch;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use byztop_core::sim::{Schedule, ScheduleError};
use byztop_core::types::ProtocolName;

use crate::cli::SimArgs;
use crate::tui::Glyphs;
use crate::usage;

/// What is run once: a seed's schedule, or a file's.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// As a user names it: `seed 7`, or the file.
    pub(crate) name: String,
    /// What happens.
    pub(crate) schedule: Schedule,
    /// What is typed to run it again.
    pub(crate) replay: String,
    pub(crate) origin: Origin,
}

/// Where a scenario comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A seed has drawn it.
    Seed(u64),
    /// Somebody has written it.
    File(PathBuf),
}

/// Runs, prints, and says whether every invariant held.
///
/// # Errors
///
/// If a file can not be read or a screen can not be drawn.
pub(crate) fn run(args: &SimArgs) -> anyhow::Result<bool> {
    let protocol = args.protocol.unwrap_or(ProtocolName::Pbft);
    if let Some(seeds) = &args.seeds {
        return sweep::run(
            &Seeds { protocol, replicas: args.replicas, disk_faults: args.disk_faults },
            seeds.clone(),
            args.json,
        );
    }
    let scenario = match (&args.scenario, args.seed) {
        (Some(file), _) => read(file)?,
        (None, Some(seed)) => Seeds { protocol, replicas: args.replicas, disk_faults: args.disk_faults }.scenario(seed),
        (None, None) => unreachable!("clap asks for seeds, a seed or a scenario"),
    };
    if !args.watch {
        runs::quiet_panics();
        return replay::run(&scenario, args.json);
    }
    if !io::stdout().is_terminal() {
        return Err(usage("standard output is not a terminal, so there is nothing to draw on; leave out --watch"));
    }
    watch::show(scenario, Glyphs::from_flag(args.ascii))
}

/// The longest file of a scenario: far more than any that was found.
const MAX_SCENARIO_BYTES: u64 = 4 << 20;

/// Reads a scenario's file.
fn read(file: &Path) -> anyhow::Result<Scenario> {
    let name = file.display().to_string();
    let text = byztop_certs::read_text(file, MAX_SCENARIO_BYTES).map_err(|error| usage(format!("{name}: {error}")))?;
    let schedule = Schedule::parse(&text).map_err(|error| usage(place(&name, &text, &error)))?;
    let replay = format!("byztop sim --scenario {}", quoted(&name));
    Ok(Scenario { name, schedule, replay, origin: Origin::File(file.to_path_buf()) })
}

/// What is wrong with a scenario, as compilers say it: file, line and column.
fn place(name: &str, text: &str, error: &ScheduleError) -> String {
    let ScheduleError { line, message } = error;
    match line.checked_sub(1).and_then(|index| text.lines().nth(index)) {
        Some(said) => format!("{name}:{line}:{}: {message}", column(said, message)),
        None => format!("{name}: {message}"),
    }
}

/// The column of the last word that the message names, from 1; of the first word if it names none. What a message
/// suggests comes behind what it complains about, and is not looked at.
fn column(line: &str, message: &str) -> usize {
    let message = message.split(';').next().and_then(|text| text.split(", such as").next()).unwrap_or(message);
    let named: BTreeSet<&str> = message.split(|c: char| c.is_whitespace() || "\",;:".contains(c)).collect();
    let words = line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let offsets: Vec<(usize, &str)> =
        words.map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word)).collect();
    let last = offsets.iter().rev().find(|(_, word)| named.contains(word)).or(offsets.first());
    last.map_or(1, |(offset, _)| line[..*offset].chars().count() + 1)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What decides about a seed's schedule besides the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds {
    pub(crate) protocol: ProtocolName,
    /// How many replicas, if that is not left to the seed.
    pub(crate) replicas: Option<u8>,
    /// Whether processes and their disks fail besides.
    pub(crate) disk_faults: bool,
}

impl Seeds {
    fn schedule(&self, seed: u64) -> Schedule {
        let schedule = match self.replicas {
            Some(replicas) => Schedule::of_seed_with(self.protocol, seed, usize::from(replicas)),
            None => Schedule::of_seed(self.protocol, seed),
        };
        if self.disk_faults { schedule.with_disk_faults() } else { schedule }
    }

    fn scenario(&self, seed: u64) -> Scenario {
        let (name, schedule, replay) = (format!("seed {seed}"), self.schedule(seed), self.replay(seed));
        Scenario { name, schedule, replay, origin: Origin::Seed(seed) }
    }

    /// What is typed to run a seed again.
    fn replay(&self, seed: u64) -> String {
        // What is the default need not be typed.
        let protocol = match self.protocol {
            ProtocolName::Pbft => String::new(),
            other => format!(" --protocol {other}"),
        };
        let replicas = self.replicas.map_or(String::new(), |replicas| format!(" --replicas {replicas}"));
        let disk_faults = if self.disk_faults { " --disk-faults" } else { "" };
        format!("byztop sim{protocol} --seed {seed}{replicas}{disk_faults}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_scenarios_are_found_by_line_and_column() {
        for (text, expected) in [
            ("protocol raft", "f:1:10: no protocol is called raft"),
            ("\n  at 5 calm # soon", "f:2:6: \"5\" is no time"),
            ("seed 1\nat 5ms rain", "f:2:8: rain is no action"),
            ("set depth 4", "f:1:5: there is no setting depth"),
            ("at 5ms cut n1,x2 > n3", "f:1:15: \"x2"),
            ("at 5ms crash n9", "f: at 5000us: n9 is not among 4 replicas"),
        ] {
            let error = Schedule::parse(text).unwrap_err();
            let told = place("f", text, &error);
            assert!(told.starts_with(expected), "{text:?}: {told}");
        }
    }

    #[test]
    fn replay_commands_can_be_pasted() {
        let seeds = Seeds { protocol: ProtocolName::Pbft, replicas: Some(5), disk_faults: true };
        assert_eq!(seeds.scenario(17).replay, "byztop sim --seed 17 --replicas 5 --disk-faults");
        assert_eq!(seeds.scenario(17).schedule.committee.size(), 5);
        assert_eq!(quoted("a/sim-seed-7.txt"), "a/sim-seed-7.txt");
        assert_eq!(quoted("my file's.txt"), r"'my file'\''s.txt'");
    }
}
