//! What is run, and in which order.

use std::time::Duration;

use byztop_certs::Durability;
use byztop_core::types::ProtocolName;

use super::schedule::{self, Planned};
use crate::cli::{BenchArgs, Rate};
use crate::{session, usage};

/// The most runs of one bench.
const MAX_RUNS: usize = 10_000;

/// What a cluster and its load are.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Configuration {
    pub(super) protocol: ProtocolName,
    pub(super) replicas: u8,
    pub(super) durability: Durability,
    /// Operations under one signature.
    pub(super) bundle: u16,
    pub(super) rate: Rate,
    /// How many submissions are under way at once, at most.
    pub(super) clients: u16,
    pub(super) accounts: Option<u32>,
}

impl Configuration {
    /// A few words that tell it from the others.
    pub(super) fn label(&self) -> String {
        let Configuration { protocol, replicas, durability, bundle, rate, clients, .. } = self;
        let load = match rate {
            Rate::PerSecond(rate) => format!("{rate} op/s offered"),
            Rate::Max => format!("{clients} clients"),
        };
        format!("{protocol} n={replicas} bundle {bundle} {durability} {load}")
    }
}

/// Everything that a bench does.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Plan {
    pub(super) configurations: Vec<Configuration>,
    /// How often each is run.
    pub(super) repeat: u16,
    pub(super) warmup: Duration,
    /// How long each run is measured.
    pub(super) duration: Duration,
    pub(super) attacks: Vec<Planned>,
}

impl Plan {
    /// Crosses the lists, each value once.
    ///
    /// # Errors
    ///
    /// If that is more than [`MAX_RUNS`], or an attack can not be.
    pub(super) fn of(args: &BenchArgs) -> anyhow::Result<Plan> {
        let mut configurations: Vec<Configuration> = Vec::new();
        for &protocol in &args.protocol {
            for &durability in &args.durability {
                for &bundle in &args.bundle {
                    for &replicas in &args.replicas {
                        for &rate in &args.rate {
                            let clients = args.clients.unwrap_or_else(|| session::sessions(rate));
                            let accounts = args.accounts;
                            let next =
                                Configuration { protocol, replicas, durability, bundle, rate, clients, accounts };
                            if !configurations.contains(&next) {
                                configurations.push(next);
                            }
                        }
                    }
                }
            }
            if configurations.len() * usize::from(args.repeat) > MAX_RUNS {
                return Err(usage(format!("these lists make more than {MAX_RUNS} runs; leave some values out")));
            }
        }
        let smallest = args.replicas.iter().copied().min().unwrap_or(1);
        let attacks: Result<Vec<Planned>, _> =
            args.attack.iter().map(|text| schedule::read(text, smallest, args.duration)).collect();
        let attacks = attacks.map_err(|error| usage(error.to_string()))?;
        let (repeat, warmup, duration) = (args.repeat, args.warmup, args.duration);
        Ok(Plan { configurations, repeat, warmup, duration, attacks })
    }

    /// Each run as its configuration's place and its repeat: all configurations once, then all again, so that what else
    /// happens on the machine meets all of them alike.
    pub(super) fn runs(&self) -> impl Iterator<Item = (usize, u16)> + '_ {
        (0..self.repeat).flat_map(|repeat| (0..self.configurations.len()).map(move |place| (place, repeat)))
    }

    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.configurations.len() * usize::from(self.repeat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn plan(line: &str) -> Result<Plan, String> {
        let cli = Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        match cli.into_command() {
            Command::Bench(args) => Plan::of(&args).map_err(|error| error.to_string()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn lists_are_crossed_and_repeats_take_turns() {
        let plan = plan("byztop bench --protocol pbft,linear --replicas 4,7,4 --bundle 1,8 --repeat 2").unwrap();
        assert_eq!((plan.configurations.len(), plan.len()), (8, 16), "a value that is named twice counts once");
        let runs: Vec<(usize, u16)> = plan.runs().collect();
        assert_eq!(runs[..9], [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (0, 1)]);
        let labels: Vec<String> = plan.configurations[..3].iter().map(Configuration::label).collect();
        assert_eq!(labels[0], "pbft n=4 bundle 1 os 256 clients");
        assert_eq!(labels[1], "pbft n=7 bundle 1 os 256 clients");
    }

    #[test]
    fn a_rate_that_is_offered_has_sessions_to_spare() {
        let plan = plan("byztop bench --rate 500,max --clients 16").unwrap();
        assert!(plan.configurations.iter().all(|configuration| configuration.clients == 16));
        let plan = self::plan("byztop bench --rate 500,max").unwrap();
        assert_eq!(plan.configurations.iter().map(|it| it.clients).collect::<Vec<_>>(), [512, 256]);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let many = (1..=100).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        for (line, expected) in [
            (format!("byztop bench --replicas {many} --bundle {many} --repeat 2"), "more than 10000 runs"),
            ("byztop bench --replicas 4,x".into(), "--replicas"),
            ("byztop bench --protocol raft".into(), "[possible values: pbft, linear]"),
            ("byztop bench --attack crash".into(), "column 6"),
            ("byztop bench --clients 0".into(), "--clients"),
            ("byztop bench --duration 0s".into(), "at most 30d"),
        ] {
            let error = plan(&line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
