//! The client's side of a submission: when it may believe an answer (Castro & Liskov, OSDI '99, §4.1; rule 25).
//!
//! f+1 distinct replicas must say the same of the same, so that one of them is honest. Sending, and sending again, is the
//! driver's.

use crate::committee::Committee;
use crate::replica::{Reply, ReplyOutcome};
use crate::types::{Digest, ReplicaId, Timestamp};

/// What the answers amount to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Too few agree yet.
    Open,
    /// At least one honest replica has executed it, with this result.
    Executed(Vec<u8>),
    /// At least one honest replica has no room for it: try again later.
    Busy,
    /// At least one honest replica will never execute it, since it has executed something of the session with a newer clock: no
    /// older one than this is.
    Old(Timestamp),
}

/// The answers to one submission: one per replica, so as many as the committee has members.
#[derive(Clone, Debug)]
pub struct Tally {
    committee: Committee,
    timestamp: Timestamp,
    submission: Digest,
    answers: Vec<Option<ReplyOutcome>>,
}

impl Tally {
    /// No answers yet.
    pub fn new(committee: Committee, timestamp: Timestamp, submission: Digest) -> Tally {
        Tally { committee, timestamp, submission, answers: vec![None; committee.size()] }
    }

    /// Which submission is waited for.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Counts a replica's answer. Its newest counts, but a result is not taken back by *busy*.
    pub fn count(&mut self, from: ReplicaId, reply: Reply) -> Verdict {
        if reply.timestamp != self.timestamp || reply.submission != self.submission {
            return Verdict::Open;
        }
        let Some(answer) = self.answers.get_mut(from.index()) else { return Verdict::Open };
        if !(reply.outcome == ReplyOutcome::Busy && matches!(answer, Some(ReplyOutcome::Executed(_)))) {
            *answer = Some(reply.outcome);
        }
        let Some(outcome) = answer.clone() else { return Verdict::Open };
        let is_of_a_kind = |other: &ReplyOutcome| match (other, &outcome) {
            // Replicas differ in how far they are.
            (ReplyOutcome::Old(_), ReplyOutcome::Old(_)) => true,
            (other, outcome) => other == outcome,
        };
        let agreeing = self.answers.iter().flatten().filter(|other| is_of_a_kind(other)).count();
        if agreeing < self.committee.weak_quorum() {
            return Verdict::Open;
        }
        match outcome {
            ReplyOutcome::Executed(result) => Verdict::Executed(result),
            ReplyOutcome::Busy => Verdict::Busy,
            ReplyOutcome::Old(_) => self.old(),
        }
    }

    /// The clock to go on from: replicas differ in how far they are, and f of them may name any.
    fn old(&self) -> Verdict {
        let named = self.answers.iter().flatten().filter_map(|answer| match answer {
            ReplyOutcome::Old(last) => Some(*last),
            ReplyOutcome::Executed(_) | ReplyOutcome::Busy => None,
        });
        self.committee.credible(named).map_or(Verdict::Open, Verdict::Old)
    }

    /// The submission is sent anew: who was busy is asked again.
    pub fn forget_busy(&mut self) {
        for answer in &mut self.answers {
            if *answer == Some(ReplyOutcome::Busy) {
                *answer = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ClientId, Session};

    fn reply(timestamp: u64, submission: u8, outcome: ReplyOutcome) -> Reply {
        Reply {
            session: Session { client: ClientId(0), index: 0 },
            timestamp: Timestamp(timestamp),
            submission: Digest([submission; 32]),
            outcome,
        }
    }

    fn executed(result: u8) -> ReplyOutcome {
        ReplyOutcome::Executed(vec![result])
    }

    /// Feeds (replica, timestamp, submission, outcome) to a tally of seven replicas for timestamp 9 and submission 1.
    fn check(answers: &[(u8, u64, u8, ReplyOutcome)], expected: Verdict) {
        let mut tally = Tally::new(Committee::new(7).unwrap(), Timestamp(9), Digest([1; 32]));
        let mut verdict = Verdict::Open;
        for (from, timestamp, submission, outcome) in answers {
            assert_eq!(verdict, Verdict::Open, "decided before the end");
            verdict = tally.count(ReplicaId(*from), reply(*timestamp, *submission, outcome.clone()));
        }
        assert_eq!(verdict, expected);
    }

    #[test]
    fn rule_25_three_of_seven_that_agree_are_believed() {
        let say = |from| (from, 9, 1, executed(5));
        check(&[say(0), say(1)], Verdict::Open);
        check(&[say(0), say(1), say(6)], Verdict::Executed(vec![5]));
    }

    #[test]
    fn rule_25_one_replica_counts_once() {
        let say = |from| (from, 9, 1, executed(5));
        check(&[say(0), say(0), say(0), say(0)], Verdict::Open);
        check(&[say(0), say(0), say(7), say(99)], Verdict::Open);
    }

    #[test]
    fn rule_25_mismatching_and_empty_replies_never_add_up() {
        check(&[(0, 9, 1, executed(5)), (1, 9, 1, executed(6)), (2, 9, 1, executed(7))], Verdict::Open);
        check(&[(0, 9, 1, executed(5)), (1, 8, 1, executed(5)), (2, 9, 2, executed(5))], Verdict::Open);
        let empty = ReplyOutcome::Executed(Vec::new());
        check(&[(0, 9, 1, empty.clone()), (1, 9, 1, executed(5)), (2, 9, 1, ReplyOutcome::Busy)], Verdict::Open);
        // An empty result is a result like any other, of an application that has none to give.
        check(&[(0, 9, 1, empty.clone()), (1, 9, 1, empty.clone()), (2, 9, 1, empty)], Verdict::Executed(Vec::new()));
    }

    #[test]
    fn two_liars_do_not_make_it_busy_and_three_busy_replicas_do() {
        let busy = |from| (from, 9, 1, ReplyOutcome::Busy);
        check(&[busy(0), busy(1), (2, 9, 1, executed(5))], Verdict::Open);
        check(&[busy(0), busy(1), busy(2)], Verdict::Busy);
    }

    #[test]
    fn busy_replicas_are_asked_again_and_results_stay() {
        let mut tally = Tally::new(Committee::new(7).unwrap(), Timestamp(9), Digest([1; 32]));
        for from in [0, 1] {
            assert_eq!(tally.count(ReplicaId(from), reply(9, 1, ReplyOutcome::Busy)), Verdict::Open);
        }
        assert_eq!(tally.count(ReplicaId(2), reply(9, 1, executed(5))), Verdict::Open);
        assert_eq!(tally.count(ReplicaId(2), reply(9, 1, ReplyOutcome::Busy)), Verdict::Open, "not taken back");
        tally.forget_busy();
        assert_eq!(
            tally.count(ReplicaId(3), reply(9, 1, ReplyOutcome::Busy)),
            Verdict::Open,
            "the others are forgotten"
        );
        assert_eq!(tally.count(ReplicaId(0), reply(9, 1, executed(5))), Verdict::Open);
        assert_eq!(tally.count(ReplicaId(1), reply(9, 1, executed(5))), Verdict::Executed(vec![5]));
    }

    #[test]
    fn rule_23_an_old_clock_is_told_by_three_of_seven_and_two_liars_push_it_nowhere() {
        let old = |from, last| (from, 9, 1, ReplyOutcome::Old(Timestamp(last)));
        check(&[old(0, u64::MAX), old(1, u64::MAX), (2, 9, 1, executed(5))], Verdict::Open);
        check(&[old(0, u64::MAX), old(1, u64::MAX), old(2, 40)], Verdict::Old(Timestamp(40)));
        check(&[old(0, 41), old(3, 40), old(2, 42)], Verdict::Old(Timestamp(40)));
    }
}
