//! What the application alone takes of an operation: the same operations, executed by every replica, and nothing else.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use byztop_core::app::Application as _;
use byztop_core::app::smallbank::{Operation, SmallBank, encode_operations};
use byztop_core::protocol::Settings;
use byztop_core::workload::{Mix, Workload};
use nix::time::ClockId;

use crate::bench::plan::Configuration;

/// About how many operations are executed.
const OPERATIONS: usize = 64 << 10;

/// What one operation takes one replica, in processor time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Execution {
    each: Duration,
}

impl Execution {
    /// Measures it with the load's operations, in bundles like the load's.
    ///
    /// # Errors
    ///
    /// If the system does not tell the processor time of a thread.
    pub(super) fn measure(configuration: &Configuration) -> anyhow::Result<Execution> {
        let defaults = Settings::default();
        let accounts = configuration.accounts.unwrap_or(defaults.accounts);
        let mut bank = SmallBank::new(accounts, defaults.initial_checking, defaults.initial_savings);
        let mut workload = Workload::new(1, accounts, Mix::DEFAULT, Workload::DEFAULT_ALPHA);
        let bundle = usize::from(configuration.bundle);
        let submissions: Vec<Vec<u8>> = (0..OPERATIONS.div_ceil(bundle))
            .map(|_| (0..bundle).map(|_| workload.next_operation()).collect::<Vec<Operation>>())
            .map(|operations| encode_operations(&operations))
            .collect();
        let now = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from).context("no clock of a thread's time");
        let began = now()?;
        for submission in &submissions {
            ensure!(bank.is_well_formed(submission), "operations made here are refused");
            black_box(bank.execute(submission));
        }
        let count = u32::try_from(submissions.len() * bundle).context("operations are bounded")?;
        Ok(Execution { each: (now()? - began) / count })
    }

    /// Of all replicas together, in microseconds per operation.
    pub(super) fn us_per_op(&self, replicas: u8) -> f64 {
        self.each.as_secs_f64() * 1e6 * f64::from(replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Rate;
    use byztop_certs::Durability;
    use byztop_core::types::ProtocolName;

    #[test]
    fn every_replica_executes() {
        let configuration = Configuration {
            protocol: ProtocolName::Pbft,
            replicas: 4,
            durability: Durability::Os,
            bundle: 8,
            rate: Rate::Max,
            clients: 1,
            accounts: Some(100),
        };
        let execution = Execution::measure(&configuration).unwrap();
        assert!(execution.each > Duration::ZERO);
        assert!((execution.us_per_op(8) - 2.0 * execution.us_per_op(4)).abs() < 1e-9);
    }
}
