//! What should come of a set whose author does not say so.

use std::fmt;

use super::{Clause, Demand, Set};
use crate::attack::{Attack, Directive, Trigger};
use crate::committee::Committee;
use crate::types::{ReplicaId, ReplicaSet};

/// What should come of a set, and who says so. What is derived is marked where it is
/// [written](fmt::Display): `commits (derived)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// What is demanded.
    pub demand: Demand,
    /// Who demands it.
    pub origin: Origin,
}

/// Who says what should come of a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The file.
    Written,
    /// Nobody: it follows from who runs, who is Byzantine, and what those do.
    Derived,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Written => write!(f, "{}", self.demand),
            Origin::Derived => write!(f, "{} (derived)", self.demand),
        }
    }
}

impl Set {
    /// The replicas that run and do as they should.
    pub fn honest_live(&self) -> ReplicaSet {
        self.live.iter().filter(|node| !self.byzantine.contains(*node)).collect()
    }

    /// Whether more replicas are Byzantine than the protocol can bear.
    pub fn is_beyond(&self, committee: Committee) -> bool {
        self.byzantine.len() > committee.faulty()
    }

    /// What should come of it: what the file says or, if it is silent, what follows from q and f.
    pub fn expectation(&self, committee: Committee) -> Expectation {
        match &self.expect {
            Some(demand) => Expectation { demand: demand.clone(), origin: Origin::Written },
            None => Expectation { demand: self.derived(committee), origin: Origin::Derived },
        }
    }

    fn derived(&self, committee: Committee) -> Demand {
        let voices = self.live.iter().filter(|node| !self.is_mute(*node)).count();
        if self.is_beyond(committee) {
            Demand::Beyond
        } else if self.honest_live().len() >= committee.quorum() {
            Demand::Clauses(vec![Clause::Commits])
        } else if voices < committee.quorum() {
            Demand::Clauses(vec![Clause::Stalls])
        } else {
            // Whether the Byzantine ones lend their votes is up to them.
            Demand::Reports
        }
    }

    /// Whether nothing that a replica says counts toward anything, from the beginning to the end.
    fn is_mute(&self, node: ReplicaId) -> bool {
        let attacks = self.attacks_of(node);
        let is_always = |directive: &&Directive| directive.trigger == Trigger::Always;
        let withholds = |votes: &str| {
            let withheld = format!("withhold({votes})");
            attacks.iter().filter(is_always).any(|directive| directive.attack.to_string() == withheld)
        };
        let is_silent = |directive: &Directive| matches!(directive.attack, Attack::Sign | Attack::Crash);
        attacks.iter().filter(is_always).any(is_silent) || (withholds("prepare") && withholds("commit"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{committee, set};

    #[track_caller]
    fn check(replicas: usize, live: &str, byzantine: &str, attack: &str, expected: &str) {
        let expectation = set(live, byzantine, attack, "").expectation(committee(replicas));
        assert_eq!(expectation.to_string(), format!("{expected} (derived)"), "{live} {byzantine} {attack}");
    }

    const ALL: &str = "[n1, n2, n3, n4, n5, n6, n7]";

    #[test]
    fn a_quorum_of_honest_replicas_commits_whatever_the_others_do() {
        check(7, ALL, "[]", "[]", "commits");
        check(7, "[n1, n2, n3, n4, n5]", "[]", "[]", "commits");
        check(7, "[n1, n2, n3, n4, n5, n6]", "[n1]", "[time; dark(n6)]", "commits");
        check(7, ALL, "[n1, n2]", "[crash]", "commits");
    }

    #[test]
    fn fewer_voices_than_a_quorum_stall() {
        check(7, "[n1, n2, n3, n4]", "[]", "[]", "stalls");
        check(7, "[n1, n2, n3, n4, n5]", "[n1]", "[crash]", "stalls");
        check(7, "[n1, n2, n3, n4, n5]", "[n5]", "[time; sign]", "stalls");
        check(7, "[n1, n2, n3, n4]", "[n1]", "[time]", "stalls");
        check(7, "[n1, n2, n3, n4, n5, n6]", "[n1, n2]", "n1 crash; n2 sign", "stalls");
    }

    #[test]
    fn in_between_only_safety_is_judged() {
        check(7, "[n1, n2, n3, n4, n5]", "[n1]", "[time; dark(n5)]", "reports");
        check(7, "[n1, n2, n3, n4, n5]", "[n1]", "[crash @10s..20s]", "reports");
        check(7, "[n1, n2, n3, n4, n5]", "[n1]", "[]", "reports");
        check(7, "[n1, n2, n3, n4, n5, n6]", "[n1, n2]", "n1 crash", "reports");
    }

    #[test]
    fn more_than_f_byzantine_replicas_are_beyond() {
        check(7, ALL, "[n1, n2, n3]", "[crash]", "beyond");
        check(4, "[n1, n2, n3, n4]", "[n1, n2]", "[]", "beyond");
        check(10, ALL, "[n1, n2, n3]", "[crash]", "stalls");
    }

    #[test]
    fn what_is_written_goes_before() {
        let set = set(ALL, "[n1]", "[crash]", "view>=1");
        assert_eq!(set.expectation(committee(7)).to_string(), "view>=1");
        assert_eq!(set.honest_live().to_string(), "n2,n3,n4,n5,n6,n7");
    }
}
