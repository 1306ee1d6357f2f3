//! The simulator at work: sweeps that must be clean, the schedules that once were not, and proof that it would notice.

mod delays;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use byztop_core::sim::{self, Action, Coverage, Keys, Report, Schedule};
use byztop_core::types::{ProtocolName, ReplicaId, ReplicaSet, Time};

/// Runs the seeds of a range and adds up what they covered. Every invariant must have had something to look at.
fn sweep(protocol: ProtocolName, seeds: std::ops::Range<u64>) -> Coverage {
    let mut coverage = Coverage::default();
    let mut exercised: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let schedule = Schedule::of_seed(protocol, seed);
        let report = sim::run(&schedule);
        assert!(
            report.events >= 5000 || report.violation.is_some(),
            "seed {seed} ended after {} events",
            report.events
        );
        if let Some(violation) = report.violation {
            panic!("seed {seed}: {violation}\nbyztop sim --protocol {protocol} --seed {seed}");
        }
        coverage.merge(&report.coverage);
        for (invariant, count) in report.exercised {
            *exercised.entry(invariant).or_default() += count;
        }
    }
    // Only processes that start again can have forgotten something.
    let idle = |(invariant, count): &(&&str, &u64)| **count == 0 && **invariant != "starts again where it was";
    let vacuous: Vec<&&str> = exercised.iter().filter(idle).map(|(invariant, _)| invariant).collect();
    assert_eq!(vacuous, Vec::<&&str>::new(), "invariants of {protocol} that had nothing to look at");
    coverage
}

/// Several tests, so that the test runner spreads them over the cores.
macro_rules! sweeps {
    ($($name:ident: $protocol:ident, $seeds:expr;)*) => {
        $(#[test]
        fn $name() {
            let coverage = sweep(ProtocolName::$protocol, $seeds);
            let missed: Vec<&str> = coverage.iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect();
            assert_eq!(missed, Vec::<&str>::new(), "paths that no seed took");
        })*
    };
}

sweeps! {
    seeds_0_to_300_are_clean: Pbft, 0..300;
    seeds_300_to_600_are_clean: Pbft, 300..600;
    seeds_600_to_900_are_clean: Pbft, 600..900;
    seeds_900_to_1200_are_clean: Pbft, 900..1200;
    linear_seeds_0_to_300_are_clean: Linear, 0..300;
    linear_seeds_300_to_600_are_clean: Linear, 300..600;
}

/// What is counted of disks, and nowhere else.
const OF_DISKS: [&str; 8] =
    ["bit_rot", "disk_full", "group_commit_lost", "killed", "log_end_lost", "power_cut", "restored", "torn_write"];

/// Whoever comes back with its disk is as honest as before, whoever lost what it wrote watches, damage is found, and nothing
/// that a client was told is lost.
fn sweep_with_disk_faults(protocol: ProtocolName, seeds: std::ops::Range<u64>) {
    let mut coverage = Coverage::default();
    let mut restarts = 0;
    for seed in seeds {
        let report = sim::run(&Schedule::of_seed(protocol, seed).with_disk_faults());
        assert_eq!(report.violation, None, "byztop sim --protocol {protocol} --seed {seed} --disk-faults");
        coverage.merge(&report.coverage);
        restarts += report.exercised["starts again where it was"];
    }
    let taken: Vec<&str> = coverage.iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
    assert!(restarts > 0, "nobody started again that had executed something");
    let missed: Vec<&str> = OF_DISKS.into_iter().filter(|name| !taken.contains(name)).collect();
    assert_eq!(missed, Vec::<&str>::new(), "paths that no seed took");
}

#[test]
fn rule_29_disks_may_fail_seeds_0_to_150() {
    sweep_with_disk_faults(ProtocolName::Pbft, 0..150);
}

#[test]
fn rule_29_disks_may_fail_seeds_150_to_300() {
    sweep_with_disk_faults(ProtocolName::Pbft, 150..300);
}

#[test]
fn rule_29_disks_may_fail_under_a_collector_seeds_0_to_150() {
    sweep_with_disk_faults(ProtocolName::Linear, 0..150);
}

#[test]
fn rule_29_disks_may_fail_under_a_collector_seeds_150_to_300() {
    sweep_with_disk_faults(ProtocolName::Linear, 150..300);
}

#[test]
fn what_befalls_disks_is_counted_where_it_can_happen() {
    let schedule = Schedule::of_seed(ProtocolName::Pbft, 1);
    let counted = |schedule: &Schedule| -> Vec<&str> {
        let report = sim::run(schedule);
        report.coverage.iter().map(|(name, _)| name).filter(|name| OF_DISKS.contains(name)).collect()
    };
    assert!(counted(&schedule).is_empty());
    assert_eq!(counted(&schedule.with_disk_faults()), OF_DISKS);
}

/// The sweeps would not notice a counter that is not there.
#[test]
fn a_linear_run_counts_both_ways_to_a_decision_and_no_other_run_does() {
    let names = |protocol| -> Vec<&str> {
        let report = sim::run(&Schedule::of_seed(protocol, 1));
        report.coverage.iter().map(|(name, _)| name).filter(|name| name.starts_with("decided_")).collect()
    };
    assert_eq!(names(ProtocolName::Linear), ["decided_fast", "decided_slowly"]);
    assert!(names(ProtocolName::Pbft).is_empty());
}

fn scenarios() -> Vec<(PathBuf, Schedule)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/scenarios");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let parse = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let schedule = Schedule::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, schedule)
    };
    paths.into_iter().map(parse).collect()
}

#[test]
fn what_once_failed_holds() {
    let scenarios = scenarios();
    assert!(!scenarios.is_empty());
    for (path, schedule) in scenarios {
        assert!(!schedule.is_beyond_budget(), "{}", path.display());
        if let Some(violation) = sim::run(&schedule).violation {
            panic!("{}: {violation}", path.display());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 7, 100] {
        let schedule = Schedule::of_seed(ProtocolName::Pbft, seed);
        let (first, second) = (sim::run(&schedule), sim::run(&schedule));
        assert_eq!(first, second, "seed {seed}");
        let other = sim::run(&Schedule { seed: seed + 1, ..schedule });
        assert_ne!(first.trace_digest, other.trace_digest, "another network");
    }
}

#[test]
fn a_schedule_that_went_through_text_gives_the_same_run() {
    let schedule = Schedule::of_seed(ProtocolName::Pbft, 3);
    let read = Schedule::parse(&schedule.to_string()).unwrap();
    assert_eq!(sim::run(&read), sim::run(&schedule));
}

fn set(members: &[u8]) -> ReplicaSet {
    members.iter().map(|member| ReplicaId(member - 1)).collect()
}

/// A cluster of four in which `twins` lead two lives: the first with n3, the second with n4, who do not hear each other.
fn two_lives(twins: &[u8], seed: u64) -> Schedule {
    let mut schedule = Schedule::of_seed_with(ProtocolName::Pbft, seed, 4);
    schedule.keys = Keys::Tags;
    let is_load = |(_, action): &(Time, Action)| matches!(action, Action::Submit { .. } | Action::Calm);
    schedule.actions.retain(is_load);
    let mut start: Vec<Action> =
        twins.iter().map(|twin| Action::Twin { replica: ReplicaId(twin - 1), first: set(&[3]) }).collect();
    start.push(Action::Cut { from: set(&[3]), to: set(&[4]) });
    start.push(Action::Cut { from: set(&[4]), to: set(&[3]) });
    schedule.actions.splice(0..0, start.into_iter().map(|action| (Time(0), action)));
    schedule
}

#[test]
fn more_than_f_twins_break_agreement_and_the_report_says_that_this_is_beyond_the_budget() {
    let reports: Vec<Report> = (0..20).map(|seed| sim::run(&two_lives(&[1, 2], seed))).collect();
    let violations: Vec<_> = reports.into_iter().filter_map(|report| report.violation).collect();
    let broken = violations.iter().filter(|violation| violation.invariant == "agreement").count();
    assert!(broken >= 5 && violations.len() >= 15, "agreement is broken in {broken} of 20 runs: {violations:?}");
    for violation in violations {
        assert!(violation.is_beyond_budget && violation.to_string().contains("beyond budget"), "{violation}");
    }
}

#[test]
fn f_twins_break_nothing() {
    for seed in 0..20 {
        let report = sim::run(&two_lives(&[1], seed));
        assert_eq!(report.violation, None, "seed {seed}");
    }
}

#[test]
fn a_failing_schedule_shrinks_to_what_matters() {
    let failing = two_lives(&[1, 2], 1);
    let violation = sim::run(&failing).violation.expect("two lives are one too many");
    let shrunk = sim::shrink(&failing, 300);
    let again = sim::run(&shrunk).violation.expect("what is left still fails");
    assert_eq!(again.invariant, violation.invariant);
    assert!(2 * shrunk.actions.len() < failing.actions.len(), "{shrunk}");
    assert_eq!(Schedule::parse(&shrunk.to_string()), Ok(shrunk));
}
