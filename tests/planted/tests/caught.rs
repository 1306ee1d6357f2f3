//! The simulator finds every planted bug within its stated number of seeds, and nothing where none is planted.

use std::collections::VecDeque;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use byztop_planted::planted::{BUGS, Bug, with};
use byztop_planted::sim::{Report, Schedule, run};
use byztop_planted::types::ProtocolName;

/// So many seeds of each protocol are run with no bug chosen.
const HONEST_SEEDS: u64 = 60;

/// Threads of this name sweep. What panics in them was planted.
const SWEEPER: &str = "sweeper";

/// How a bug was found.
struct Catch {
    seed: u64,
    /// Which invariant did not hold, or that an assertion did not.
    by: &'static str,
}

/// The first seed whose schedule shows the bug.
fn hunt(bug: &Bug) -> Option<Catch> {
    (0..bug.seeds).find_map(|seed| {
        let schedule = Schedule::of_seed(bug.protocol, seed);
        let schedule = if bug.disk { schedule.with_disk_faults() } else { schedule };
        let report = catch_unwind(AssertUnwindSafe(|| with(bug, || run(&schedule))));
        let by = match report {
            Ok(Report { violation, .. }) => violation?.invariant,
            Err(_) => "an assertion",
        };
        Some(Catch { seed, by })
    })
}

/// Hunts every bug, on all processors; in the order of the list.
fn hunt_all() -> Vec<(&'static Bug, Option<Catch>)> {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some(SWEEPER) {
            usual(info);
        }
    }));
    let open: Mutex<VecDeque<&Bug>> = Mutex::new(BUGS.iter().collect());
    let caught = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let sweep = || {
                while let Some(bug) = lock(&open).pop_front() {
                    let catch = hunt(bug);
                    lock(&caught).push((bug, catch));
                }
            };
            std::thread::Builder::new().name(SWEEPER.to_string()).spawn_scoped(scope, sweep).expect("threads start");
        }
    });
    let mut caught = caught.into_inner().unwrap_or_else(PoisonError::into_inner);
    caught.sort_by_key(|(bug, _)| bug.index);
    caught
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One line per bug: what is wrong, who noticed, and after how many seeds.
fn table(caught: &[(&Bug, Option<Catch>)]) -> String {
    let mut table = format!("{:30} {:>4}  {:30} {:>6} {:>6}\n", "bug", "rule", "caught by", "seeds", "of");
    for (bug, catch) in caught {
        let (by, seeds) = match catch {
            Some(Catch { by, seed }) => (*by, (seed + 1).to_string()),
            None => ("nobody", "-".to_string()),
        };
        table += &format!("{:30} {:>4}  {by:30} {seeds:>6} {:>6}\n", bug.name, bug.rule, bug.seeds);
    }
    table
}

#[test]
fn every_planted_bug_is_caught() {
    let caught = hunt_all();
    let table = table(&caught);
    // Past the test harness, which keeps what a passing test prints to itself: the table is worth reading each time.
    writeln!(std::io::stdout().lock(), "\n{table}").expect("there is an output");
    let survivors: Vec<&str> = caught.iter().filter(|(_, catch)| catch.is_none()).map(|(bug, _)| bug.wrong).collect();
    assert!(survivors.is_empty(), "nobody noticed that:\n{}", survivors.join("\n"));
}

#[test]
fn the_list_is_long_and_names_are_unique() {
    let names: std::collections::BTreeSet<&str> = BUGS.iter().map(|bug| bug.name).collect();
    assert_eq!(names.len(), BUGS.len());
    let of = |protocol| BUGS.iter().filter(move |bug| bug.protocol == protocol);
    assert!(of(ProtocolName::Pbft).count() >= 20, "one bug per risky rule");
    assert!(of(ProtocolName::Linear).count() >= 8, "one bug per risky rule");
    assert!(BUGS.iter().filter(|bug| bug.disk).count() >= 6, "one bug per thing that must be on the disk");
    for bug in BUGS {
        let (number, rules) = match bug.protocol {
            ProtocolName::Linear => (bug.rule.strip_prefix('L').expect("a rule of linear PBFT"), 1..=9),
            _ => (bug.rule, 1..=30),
        };
        let is_rule = number.parse().is_ok_and(|number: u8| rules.contains(&number));
        assert!(is_rule && bug.seeds <= 3000, "{}", bug.name);
    }
}

#[test]
fn without_a_bug_the_copy_is_the_original_and_nothing_is_found() {
    use byztop_core::types::ProtocolName as Original;
    for (protocol, as_original) in [(ProtocolName::Pbft, Original::Pbft), (ProtocolName::Linear, Original::Linear)] {
        for (seed, has_disks) in (0..HONEST_SEEDS).flat_map(|seed| [(seed, false), (seed, true)]) {
            let schedule = Schedule::of_seed(protocol, seed);
            let copy = run(&if has_disks { schedule.with_disk_faults() } else { schedule });
            let original = {
                use byztop_core::sim::{Schedule, run};
                let schedule = Schedule::of_seed(as_original, seed);
                run(&if has_disks { schedule.with_disk_faults() } else { schedule })
            };
            assert_eq!(copy.violation, None, "{protocol} seed {seed}");
            let (copy, original) = ((copy.trace_digest, copy.events), (original.trace_digest, original.events));
            assert_eq!(copy, original, "{protocol} seed {seed}");
        }
    }
}
