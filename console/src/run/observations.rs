//! What replicas noted while a set ran: evidence and figures.
//!
//! Evidence is what honest replicas hold, since others may say anything. A proof is one to anybody. Whatever else they
//! hold against somebody is attested if f+1 of them hold it, and suspected if fewer do: then its cause is unknown, and
//! the accused may be as honest as its links are bad.

use std::collections::BTreeMap;

use byztop_core::committee::Committee;
use byztop_core::protocol::{Complaint, Event};
use byztop_core::rejection::Rejection;
use byztop_core::scenario::{Accusation, Certainty, Set};
use byztop_core::telemetry::Frame;
use byztop_core::types::{Micros, ReplicaId, ReplicaSet, View};

/// What was noted.
#[derive(Clone, Debug)]
pub(super) struct Observations {
    committee: Committee,
    honest: ReplicaSet,
    /// What honest replicas hold against somebody, and which of them do.
    held: BTreeMap<(ReplicaId, String), ReplicaSet>,
    proofs: BTreeMap<(ReplicaId, String), ReplicaSet>,
    /// Honest replicas whose state was not what a quorum certified, a sentence each.
    diverged: Vec<String>,
    /// For each phase how many slots honest replicas took through it, and how long that took together.
    phases: Vec<(u64, Micros)>,
}

impl Observations {
    /// Nothing was noted yet.
    pub(super) fn new(set: &Set, committee: Committee) -> Observations {
        Observations {
            committee,
            honest: set.honest_live(),
            held: BTreeMap::new(),
            proofs: BTreeMap::new(),
            diverged: Vec::new(),
            phases: Vec::new(),
        }
    }

    /// Takes in what a frame tells.
    pub(super) fn fold(&mut self, frame: &Frame) {
        for (_, event) in &frame.events {
            self.note(frame.replica, event);
        }
        if !self.honest.contains(frame.replica) {
            return;
        }
        self.phases.resize(self.phases.len().max(frame.latencies.len()), (0, Micros(0)));
        for ((slots, total), latencies) in self.phases.iter_mut().zip(&frame.latencies) {
            for (latency, count) in &latencies.buckets {
                *slots += u64::from(*count);
                total.0 = total.0.saturating_add(latency.0.saturating_mul(u64::from(*count)));
            }
        }
    }

    fn note(&mut self, by: ReplicaId, event: &Event) {
        match event {
            Event::ViewChangeAsked { view, why } => self.complain(by, *view, *why),
            Event::Proved { accused, summary } if self.honest.contains(by) => {
                self.prove(by, *accused, summary);
            }
            Event::Rejected { from, why, .. } => {
                if let Some(rule) = fault(why) {
                    self.hold(by, *from, rule.to_string());
                }
            }
            Event::Diverged { seq, .. } if self.honest.contains(by) => {
                self.diverged.push(format!("the state of {by} at slot {seq} is not what a quorum certified"));
            }
            _ => {}
        }
    }

    /// Who found a proof knows who was told what, and others know only a part of that: the longest account stays.
    fn prove(&mut self, by: ReplicaId, accused: ReplicaId, summary: &str) {
        let subject = |summary: &str| summary.split_once(": ").map(|(subject, _)| subject.to_string());
        let is_place = |subject: &String| subject.contains(" equivocated at ");
        let same = subject(summary).filter(is_place);
        let known =
            self.proofs.keys().find(|(guilty, known)| *guilty == accused && same.is_some() && subject(known) == same);
        let mut holders = ReplicaSet::from_iter([by]);
        let mut account = summary.to_string();
        if let Some(known) = known.cloned() {
            let before = self.proofs.remove(&known).unwrap_or_default();
            holders = before.iter().chain([by]).collect();
            account = if known.1.len() >= account.len() { known.1 } else { account };
        }
        let earlier = self.proofs.entry((accused, account)).or_default();
        *earlier = earlier.iter().chain(holders.iter()).collect();
    }

    /// Whoever asks for a view by itself says something of the primary of the one before.
    fn complain(&mut self, by: ReplicaId, view: View, why: Complaint) {
        let Some(before) = view.0.checked_sub(1).map(View) else { return };
        let rule = match why {
            Complaint::RequestTimeout => format!("a request was not executed in time in its view {before}"),
            Complaint::ViewChangeTimeout => format!("its view {before} did not begin in time"),
            Complaint::Joined | Complaint::Proof { .. } | Complaint::LostLog => return,
        };
        self.hold(by, self.committee.primary(before), rule);
    }

    fn hold(&mut self, by: ReplicaId, accused: ReplicaId, rule: String) {
        if self.honest.contains(by) {
            self.held.entry((accused, rule)).or_default().insert(by);
        }
    }

    /// Whom honest replicas accuse: proofs first, then what most of them saw.
    pub(super) fn evidence(&self) -> Vec<Accusation> {
        let accusation = |(accused, rule): &(ReplicaId, String), certainty| Accusation {
            accused: *accused,
            rule: rule.clone(),
            certainty,
        };
        let certainty = |by: &ReplicaSet| {
            if by.len() >= self.committee.weak_quorum() { Certainty::Attested } else { Certainty::Suspected }
        };
        let proofs = self.proofs.keys().map(|held| accusation(held, Certainty::Proof));
        let held = self.held.iter().map(|(held, by)| accusation(held, certainty(by)));
        let mut evidence: Vec<Accusation> = proofs.chain(held).collect();
        evidence.sort_by_key(|one| std::cmp::Reverse(one.certainty));
        evidence
    }

    /// What must never happen and was noted.
    pub(super) fn violations(&self) -> Vec<String> {
        self.diverged.clone()
    }

    /// How long a slot took through each phase and execution on average, in milliseconds; `None` where none was.
    pub(super) fn phase_ms(&self) -> Vec<Option<f64>> {
        let mean = |(slots, total): &(u64, Micros)| (*slots > 0).then(|| total.0 as f64 / *slots as f64 / 1000.0);
        self.phases.iter().map(mean).collect()
    }
}

/// What is held against who sent such a message; nothing for what honest replicas may send, such as slots that are far
/// ahead of one that was cut off.
fn fault(why: &Rejection) -> Option<&'static str> {
    match why {
        Rejection::BadSignature => Some("sent bad signatures"),
        Rejection::TooLarge { .. } | Rejection::NotCanonical => Some("sent bytes that are no message"),
        Rejection::NotTheSender { .. } => Some("spoke in the name of another"),
        Rejection::BadCertificate(_) => Some("sent a certificate that certifies nothing"),
        Rejection::PrepareFromPrimary | Rejection::NotThePrimary(_) => Some("sent what its role does not allow"),
        Rejection::MalformedBatch => Some("sent a malformed batch"),
        Rejection::UnjustifiedNewView(_) => Some("sent a new view that does not follow from its view changes"),
        Rejection::WrongStatePart => Some("sent a state part that does not match its certificate"),
        Rejection::BadProof => Some("sent a proof that does not hold"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::scenario::read;

    use super::*;

    /// Of a set in which n1 lies.
    fn observations() -> Observations {
        let text = "1,(A),\"[n1, n2, n3, n4]\",[n1],[sign]\n";
        let file = read("cases.csv", text.as_bytes(), None).expect("a set");
        Observations::new(&file.sets[0], file.committee)
    }

    fn note(observations: &mut Observations, number: u8, event: &Event) {
        observations.note(ReplicaId(number - 1), event);
    }

    fn evidence(observations: &Observations) -> Vec<String> {
        let text = |one: Accusation| format!("{} {}: {}", one.certainty, one.accused, one.rule);
        observations.evidence().into_iter().map(text).collect()
    }

    #[test]
    fn what_one_saw_is_suspected_and_what_two_of_four_saw_is_attested() {
        let mut seen = observations();
        let event = Event::Rejected { from: ReplicaId(0), why: Rejection::BadSignature, count: 3 };
        note(&mut seen, 2, &event);
        note(&mut seen, 2, &event);
        assert_eq!(evidence(&seen), ["suspected n1: sent bad signatures"]);
        note(&mut seen, 3, &event);
        assert_eq!(evidence(&seen), ["attested n1: sent bad signatures"]);
    }

    #[test]
    fn what_liars_say_is_no_evidence() {
        let mut seen = observations();
        note(&mut seen, 1, &Event::Rejected { from: ReplicaId(1), why: Rejection::BadSignature, count: 1 });
        note(&mut seen, 1, &Event::Proved { accused: ReplicaId(1), summary: "n2 lies".into() });
        note(&mut seen, 2, &Event::Rejected { from: ReplicaId(1), why: Rejection::Unsolicited, count: 1 });
        assert_eq!(evidence(&seen), [""; 0]);
    }

    #[test]
    fn of_several_accounts_of_one_proof_the_longest_stays() {
        let mut seen = observations();
        let proved = |summary: &str| Event::Proved { accused: ReplicaId(0), summary: summary.into() };
        note(&mut seen, 2, &proved("n1 equivocated at (0, 6): 9fa3 to n2"));
        note(&mut seen, 3, &proved("n1 equivocated at (0, 6): 9fa3 to n2, 77c0 to n4"));
        note(&mut seen, 4, &proved("n1 equivocated at (0, 6): 77c0 to n4"));
        note(&mut seen, 4, &proved("n1 equivocated at (0, 7): 1111 to n4"));
        assert_eq!(
            evidence(&seen),
            [
                "proof n1: n1 equivocated at (0, 6): 9fa3 to n2, 77c0 to n4",
                "proof n1: n1 equivocated at (0, 7): 1111 to n4"
            ]
        );
    }

    #[test]
    fn proofs_come_first() {
        let mut seen = observations();
        let asked = |why| Event::ViewChangeAsked { view: View(1), why };
        note(&mut seen, 2, &asked(Complaint::RequestTimeout));
        note(&mut seen, 3, &asked(Complaint::Joined));
        note(&mut seen, 4, &Event::Proved { accused: ReplicaId(0), summary: "two votes".into() });
        assert_eq!(
            evidence(&seen),
            ["proof n1: two votes", "suspected n1: a request was not executed in time in its view 0"]
        );
    }
}
