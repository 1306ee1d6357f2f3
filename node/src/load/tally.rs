//! What a load reports.

use std::collections::BTreeMap;

use byztop_core::app::smallbank::{Account, Operation, OperationResult};
use byztop_core::types::Micros;
use hdrhistogram::Histogram;

use crate::client::ClientTraffic;

/// Everything since a load started.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Operations whose results are known, rejected ones included.
    pub committed_ops: u64,
    /// Of those, how many were done.
    pub success: u64,
    /// Of those, how many the bank rejected.
    pub failed: u64,
    /// Committed operations by name; every name is there.
    pub by_type: BTreeMap<&'static str, u64>,
    /// The accounts that committed operations named most, and how many did, most first; a handful.
    pub busiest: Vec<(Account, u64)>,
    /// Of each submission, from when it was meant to leave until f+1 replicas agreed, in microseconds.
    pub latency: Histogram<u64>,
    /// Submissions that wait for their results.
    pub in_flight: u64,
    /// How often f+1 replicas called themselves busy.
    pub busy: u64,
    /// How often a submission was sent again for want of answers.
    pub retransmissions: u64,
    /// How many submissions were signed anew, since their session had something executed with a newer clock.
    pub signed_anew: u64,
    /// How far this machine's clock was behind such a clock, at most.
    pub clock_behind: Micros,
    /// Operations that were meant to leave so far.
    pub offered_ops: u64,
    /// Submissions that are due and wait for an idle session.
    pub backlog: u64,
    /// Operations that were given up because the backlog was full.
    pub dropped_ops: u64,
    /// Replicas that the load is linked to now.
    pub links: u64,
    /// What went between the load and the replicas.
    pub traffic: ClientTraffic,
}

impl LoadReport {
    const SIGNIFICANT_DIGITS: u8 = 3;
    /// Ten minutes: what takes longer counts as ten minutes.
    const LONGEST_US: u64 = 600_000_000;

    /// Counts the results of one submission.
    pub(super) fn count(&mut self, operations: &[Operation], results: &[OperationResult], latency_us: u64) {
        let done = results.iter().filter(|result| result.is_ok()).count() as u64;
        self.committed_ops += operations.len() as u64;
        self.success += done;
        self.failed += operations.len() as u64 - done;
        for operation in operations {
            *self.by_type.entry(operation.name()).or_default() += 1;
        }
        self.latency.saturating_record(latency_us.max(1));
    }
}

impl Default for LoadReport {
    fn default() -> LoadReport {
        let latency = Histogram::new_with_bounds(1, Self::LONGEST_US, Self::SIGNIFICANT_DIGITS);
        LoadReport {
            committed_ops: 0,
            success: 0,
            failed: 0,
            by_type: Operation::NAMES.iter().map(|name| (*name, 0)).collect(),
            busiest: Vec::new(),
            latency: latency.expect("the bounds are in order"),
            in_flight: 0,
            busy: 0,
            retransmissions: 0,
            signed_anew: 0,
            clock_behind: Micros(0),
            offered_ops: 0,
            backlog: 0,
            dropped_ops: 0,
            links: 0,
            traffic: ClientTraffic::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::app::smallbank::RejectReason;

    #[test]
    fn rejected_operations_are_committed_and_failed() {
        let account = Account(1);
        let operations = [Operation::Balance { account }, Operation::WriteCheck { account, amount: 3 }];
        let results = [OperationResult::Ok(20), OperationResult::Rejected(RejectReason::InsufficientFunds)];
        let mut report = LoadReport::default();
        report.count(&operations, &results, 1500);
        report.count(&operations, &results, u64::MAX);
        assert_eq!((report.committed_ops, report.success, report.failed), (4, 2, 2));
        assert_eq!(report.by_type.len(), 6);
        assert_eq!((report.by_type["balance"], report.by_type["send_payment"]), (2, 0));
        assert_eq!(report.latency.len(), 2);
    }
}
