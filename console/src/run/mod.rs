//! `byztop run`: test cases from a CSV file on clusters of real processes, one fresh cluster for each set.
//!
//! | read | for |
//! |---|---|
//! | `set` | one set, from a fresh cluster to what was found |
//! | `transactions` | what clients submit, and what they are told |
//! | `bank` | what replicas hold, and what a single bank would have answered |
//! | `observations` | what is held against whom, and figures |
//! | `audience` | who is told what happens meanwhile |
//! | `watch` | sets that somebody chooses on the screen |
//! | `table`, `json` | what came of it, for people and for programs |

mod audience;
mod bank;
mod json;
mod observations;
mod set;
mod table;
mod transactions;
mod watch;

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Context as _;
use byztop_certs::Durability;
use byztop_core::committee::Committee;
use byztop_core::scenario::{self, CaseFile, Clause, Demand, MAX_FILE_BYTES, Ruling, Set};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::read;

use self::audience::Audience;
use self::set::{Runner, SetRun};
use crate::cli::RunArgs;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::tui::{CaseList, Roster};
use crate::{print_out, usage};

/// How long a transaction may take unless told.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long it may take where nothing is expected to come: waited for in full by each.
const STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the sets of a file, prints, and says whether all passed.
///
/// # Errors
///
/// If the file is not as it should be, before anything runs; if a cluster can not be started.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<bool> {
    let file = read_cases(args)?;
    let sets = chosen(args, &file)?;
    let stop = Stop::install().context("can not listen for signals")?;
    if args.watch {
        return watch::run(args, file.committee, &sets, &stop);
    }
    let progress = Progress::start();
    let runner = Runner { args, committee: file.committee, stop: &stop, progress };
    let mut audience = Audience::new(roster(args, file.committee), case_list(args, file.committee, &sets), None);
    let mut runs: Vec<SetRun<'_>> = Vec::new();
    for (place, set) in sets.iter().enumerate() {
        if args.step {
            match ask(set, runs.last(), &stop, progress)? {
                Wish::Run => {}
                Wish::Skip => continue,
                Wish::End => break,
            }
        }
        let prefix = format!("set {} ({} of {}): ", set.number, place + 1, sets.len());
        let run = runner.run(place, set, &mut audience, prefix)?;
        progress.clear();
        // Dropped at once: the next set has a cluster of its own.
        let Some((run, _)) = run else { break };
        if args.json {
            progress.say(&format!("set {}: {}", set.number, run.verdict.to_string().replace('\n', "; ")));
        } else {
            print_out(&table::write(&run))?;
        }
        runs.push(run);
    }
    if args.json {
        print_out(&(serde_json::to_string_pretty(&json::Document::of(args, &runs))? + "\n"))?;
    } else {
        print_out(&table::sum_up(&runs))?;
    }
    if stop.is_asked() {
        anyhow::bail!("interrupted after {} of {} sets", runs.len(), sets.len());
    }
    Ok(runs.iter().all(has_passed))
}

/// Whether nothing is held against a run. What breaks beyond f is not.
fn has_passed(run: &SetRun<'_>) -> bool {
    run.verdict.ruling != Ruling::Fail
}

/// The clusters that sets run on.
fn roster(args: &RunArgs, committee: Committee) -> Roster {
    Roster {
        protocol: args.protocol.to_string(),
        replicas: committee.size(),
        durability: Durability::Os.to_string(),
        simulation: None,
    }
}

/// The sets that may run, and what is expected of them.
fn case_list(args: &RunArgs, committee: Committee, sets: &[&Set]) -> CaseList {
    let listed = sets.iter().map(|set| ((*set).clone(), set.expectation(committee))).collect();
    CaseList { file: args.file.display().to_string(), sets: listed }
}

/// Reads the file, the whole of it, before anything runs.
fn read_cases(args: &RunArgs) -> anyhow::Result<CaseFile> {
    let name = args.file.display().to_string();
    let bytes = byztop_certs::read_file(&args.file, MAX_FILE_BYTES as u64);
    let bytes = bytes.map_err(|error| usage(format!("{name}: can not be read: {error}")))?;
    let committee = args.replicas.and_then(|replicas| Committee::new(usize::from(replicas)));
    scenario::read(&name, &bytes, committee).map_err(|error| usage(error.to_string()))
}

/// The sets that are to run.
fn chosen<'f>(args: &RunArgs, file: &'f CaseFile) -> anyhow::Result<Vec<&'f Set>> {
    if let Some(missing) = args.set.iter().find(|number| file.sets.iter().all(|set| set.number != **number)) {
        let numbers: Vec<String> = file.sets.iter().map(|set| set.number.to_string()).collect();
        return Err(usage(format!(
            "{} has no set {missing}; its sets are {}",
            args.file.display(),
            numbers.join(", ")
        )));
    }
    Ok(file.sets.iter().filter(|set| args.set.is_empty() || args.set.contains(&set.number)).collect())
}

/// How long a transaction of a set may take.
fn patience(args: &RunArgs, demand: &Demand) -> Duration {
    let is_to_stall = matches!(demand, Demand::Clauses(clauses) if clauses.contains(&Clause::Stalls));
    args.timeout.unwrap_or(if is_to_stall { STALL_TIMEOUT } else { TIMEOUT })
}

/// What whoever steps through the sets wants.
enum Wish {
    Run,
    Skip,
    End,
}

/// Asks whether to run a set, and shows again what came of the last one as often as that is wanted. Whoever has nothing
/// more to say wants no more.
fn ask(set: &Set, last: Option<&SetRun<'_>>, stop: &Stop, progress: Progress) -> anyhow::Result<Wish> {
    let again =
        last.map_or(String::new(), |last| format!("; {} show set {} again", table::PARTS.join(", "), last.set.number));
    progress.say(&format!("set {}: Enter runs it, s skips it, q ends{again}", set.number));
    loop {
        let Some(line) = line_of_input(stop).context("can not read from standard input")? else { return Ok(Wish::End) };
        let word = String::from_utf8_lossy(&line).trim().to_lowercase();
        match (word.as_str(), last) {
            ("", _) => return Ok(Wish::Run),
            ("s", _) => return Ok(Wish::Skip),
            ("q", _) => return Ok(Wish::End),
            (part, Some(last)) if table::PARTS.contains(&part) => print_out(&table::part(last, part))?,
            (other, _) => progress.say(&format!("`{other}` is none of: Enter, s, q{again}")),
        }
    }
}

/// The next line of standard input; `None` at its end or at a signal. Read byte by byte and in short turns: what was
/// read ahead would not be seen by the next poll, and a signal is to be noticed.
fn line_of_input(stop: &Stop) -> nix::Result<Option<Vec<u8>>> {
    const MOST_BYTES: usize = 1024;
    const TURN_MS: u16 = 100;
    let stdin = io::stdin();
    let mut line = Vec::new();
    while !stop.is_asked() {
        let mut watched = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, TURN_MS) {
            Ok(0) | Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let mut byte = [0];
        match read(&stdin, &mut byte)? {
            0 if line.is_empty() => return Ok(None),
            1 if byte != *b"\n" && line.len() < MOST_BYTES => line.extend(byte),
            _ => return Ok(Some(line)),
        }
    }
    Ok(None)
}
