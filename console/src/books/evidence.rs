//! What replicas hold against each other.
//!
//! A proof is one to anybody. Whatever else they hold against somebody is attested if f+1 of them hold it, and suspected
//! if fewer do: then its cause is unknown, and the accused may be as honest as its links are bad.

use std::collections::BTreeMap;

use byztop_core::committee::Committee;
use byztop_core::protocol::{Complaint, Event};
use byztop_core::rejection::Rejection;
use byztop_core::scenario::Certainty;
use byztop_core::types::{ReplicaId, ReplicaSet, Time, View};

/// Everything that is held against anybody.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    committee: Committee,
    /// By who is accused of what, at most [`Evidence::MAX`].
    charges: BTreeMap<(ReplicaId, String), Charge>,
}

/// Something that is held against somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Charge {
    is_proof: bool,
    by: ReplicaSet,
    first: Time,
    last: Time,
    /// How often it was told.
    count: u64,
}

/// What a proof is of, whoever tells of it: who found one batch at two slots says which and to whom, others only that it is so.
fn subject(summary: &str) -> String {
    let (subject, _) = summary.split_once(": ").unwrap_or((summary, ""));
    match subject.split_once(" equivocated in view ") {
        Some((who, view)) => format!("{who}: one batch at two slots in view {view}"),
        None if subject.contains(" equivocated at ") => subject.to_string(),
        None => summary.to_string(),
    }
}

/// The same, for whoever reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Accused {
    pub(crate) accused: ReplicaId,
    /// Which rule was broken, in words.
    pub(crate) rule: String,
    pub(crate) certainty: Certainty,
    /// Who holds it.
    pub(crate) by: ReplicaSet,
    /// When it was first told, and when last; Unix time by the tellers' clocks.
    pub(crate) first: Time,
    pub(crate) last: Time,
    /// How often it was told, of messages how many.
    pub(crate) count: u64,
}

impl Evidence {
    /// The most charges that are remembered, and those that only one replica tells of; later ones are not.
    const MAX: usize = 400;
    const MAX_OF_ONE: usize = 100;

    /// Nothing is held against anybody.
    pub(crate) fn new(committee: Committee) -> Evidence {
        Evidence { committee, charges: BTreeMap::new() }
    }

    /// A replica has noted something.
    pub(crate) fn note(&mut self, at: Time, by: ReplicaId, event: &Event) {
        match event {
            Event::ViewChangeAsked { view, why } => self.complain(at, by, *view, *why),
            Event::Proved { accused, summary } => self.prove(at, by, *accused, summary),
            Event::Rejected { from, why, count } => {
                if let Some(rule) = fault(why) {
                    self.hold(at, by, *from, rule.to_string(), u64::from(*count));
                }
            }
            _ => {}
        }
    }

    /// Who found a proof knows who was told what, and others know only a part of that: the longest account stays.
    fn prove(&mut self, at: Time, by: ReplicaId, accused: ReplicaId, summary: &str) {
        let same = subject(summary);
        let is_same = |known: &&(ReplicaId, String)| known.0 == accused && subject(&known.1) == same;
        let mut account = summary.to_string();
        if let Some(known) = self.charges.keys().find(is_same).cloned()
            && let Some(charge) = self.charges.remove(&known)
        {
            account = if known.1.len() >= account.len() { known.1 } else { account };
            self.charges.insert((accused, account.clone()), charge);
        }
        self.hold(at, by, accused, account.clone(), 1);
        if let Some(charge) = self.charges.get_mut(&(accused, account)) {
            charge.is_proof = true;
        }
    }

    /// Whoever asks for a view by itself says something of the primary of the one before.
    fn complain(&mut self, at: Time, by: ReplicaId, view: View, why: Complaint) {
        let Some(before) = view.0.checked_sub(1).map(View) else { return };
        let rule = match why {
            Complaint::RequestTimeout => format!("a request was not executed in time in its view {before}"),
            Complaint::ViewChangeTimeout => format!("its view {before} did not begin in time"),
            Complaint::Joined | Complaint::Proof { .. } | Complaint::LostLog => return,
        };
        self.hold(at, by, self.committee.primary(before), rule, 1);
    }

    fn hold(&mut self, at: Time, by: ReplicaId, accused: ReplicaId, rule: String, count: u64) {
        let key = (accused, rule);
        let own = || self.charges.values().filter(|charge| charge.by.iter().eq([by])).count();
        if !self.charges.contains_key(&key) && (self.charges.len() >= Self::MAX || own() >= Self::MAX_OF_ONE) {
            return;
        }
        let new = Charge { is_proof: false, by: ReplicaSet::default(), first: at, last: at, count: 0 };
        let charge = self.charges.entry(key).or_insert(new);
        charge.by.insert(by);
        (charge.first, charge.last) = (charge.first.min(at), charge.last.max(at));
        charge.count = charge.count.saturating_add(count);
    }

    /// What is held against anybody by what replicas tell of themselves, any f of which may lie: a proof that fewer than f+1
    /// say they hold is no more than suspected, since the console has not seen it.
    pub(crate) fn told(&self) -> Vec<Accused> {
        let mut all = self.held_by(self.committee.members().collect());
        for one in &mut all {
            if one.certainty == Certainty::Proof && one.by.len() < self.committee.weak_quorum() {
                one.certainty = Certainty::Suspected;
            }
        }
        all.sort_by_key(|one| (std::cmp::Reverse(one.certainty), one.first));
        all
    }

    /// What these replicas hold against anybody, if they are believed: proofs first, then what is more certain, then what is older.
    pub(crate) fn held_by(&self, whose: ReplicaSet) -> Vec<Accused> {
        let of = |((accused, rule), charge): (&(ReplicaId, String), &Charge)| {
            let by: ReplicaSet = charge.by.iter().filter(|replica| whose.contains(*replica)).collect();
            let certainty = match (charge.is_proof, by.len() >= self.committee.weak_quorum()) {
                (true, _) => Certainty::Proof,
                (false, true) => Certainty::Attested,
                (false, false) => Certainty::Suspected,
            };
            let Charge { first, last, count, .. } = *charge;
            (!by.is_empty()).then(|| Accused {
                accused: *accused,
                rule: rule.clone(),
                certainty,
                by,
                first,
                last,
                count,
            })
        };
        let mut all: Vec<Accused> = self.charges.iter().filter_map(of).collect();
        all.sort_by_key(|one| (std::cmp::Reverse(one.certainty), one.first));
        all
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
    use super::*;

    const N1: ReplicaId = ReplicaId(0);

    /// Notes something that n`number` tells of four.
    fn note(evidence: &mut Evidence, number: u8, event: &Event) {
        evidence.note(Time(u64::from(number)), ReplicaId(number - 1), event);
    }

    /// What all but n1 hold.
    fn told(evidence: &Evidence) -> Vec<String> {
        let whose = (1..4).map(ReplicaId).collect();
        let text = |one: Accused| format!("{} {}: {}", one.certainty, one.accused, one.rule);
        evidence.held_by(whose).into_iter().map(text).collect()
    }

    fn empty() -> Evidence {
        Evidence::new(Committee::new(4).expect("four"))
    }

    #[test]
    fn what_one_saw_is_suspected_and_what_two_of_four_saw_is_attested() {
        let mut seen = empty();
        let event = Event::Rejected { from: N1, why: Rejection::BadSignature, count: 3 };
        note(&mut seen, 2, &event);
        note(&mut seen, 2, &event);
        assert_eq!(told(&seen), ["suspected n1: sent bad signatures"]);
        note(&mut seen, 3, &event);
        assert_eq!(told(&seen), ["attested n1: sent bad signatures"]);
        let Accused { by, first, last, count, .. } = seen.held_by((1..4).map(ReplicaId).collect()).remove(0);
        assert_eq!((by.to_string(), first, last, count), ("n2,n3".to_string(), Time(2), Time(3), 9));
    }

    #[test]
    fn what_others_say_is_no_evidence_to_who_does_not_believe_them() {
        let mut seen = empty();
        note(&mut seen, 1, &Event::Rejected { from: ReplicaId(1), why: Rejection::BadSignature, count: 1 });
        note(&mut seen, 1, &Event::Proved { accused: ReplicaId(1), summary: "n2 lies".into() });
        note(&mut seen, 2, &Event::Rejected { from: ReplicaId(1), why: Rejection::Unsolicited, count: 1 });
        assert_eq!(told(&seen), [""; 0]);
    }

    #[test]
    fn of_several_accounts_of_one_proof_the_longest_stays() {
        let mut seen = empty();
        let proved = |summary: &str| Event::Proved { accused: N1, summary: summary.into() };
        note(&mut seen, 2, &proved("n1 equivocated at (0, 6): 9fa3 to n2"));
        note(&mut seen, 3, &proved("n1 equivocated at (0, 6): 9fa3 to n2, 77c0 to n4"));
        note(&mut seen, 4, &proved("n1 equivocated at (0, 6): 77c0 to n4"));
        note(&mut seen, 4, &proved("n1 equivocated at (0, 7): 1111 to n4"));
        assert_eq!(
            told(&seen),
            [
                "proof n1: n1 equivocated at (0, 6): 9fa3 to n2, 77c0 to n4",
                "proof n1: n1 equivocated at (0, 7): 1111 to n4"
            ]
        );
        assert_eq!(seen.held_by((1..4).map(ReplicaId).collect())[0].by.len(), 3);
    }

    #[test]
    fn one_batch_at_two_slots_is_one_proof_however_much_its_holders_know() {
        let mut seen = empty();
        let proved = |summary: &str| Event::Proved { accused: N1, summary: summary.into() };
        note(
            &mut seen,
            2,
            &proved("n1 equivocated in view 1: it proposed batch 0b57 to n1 for slot 8 and to n2 for slot 18"),
        );
        note(&mut seen, 3, &proved("n1: one batch at two slots in view 1"));
        note(
            &mut seen,
            4,
            &proved("n1 equivocated in view 1: it proposed batch 0b57 to n4 for slot 8 and to n2 for slot 18"),
        );
        assert_eq!(seen.held_by((1..4).map(ReplicaId).collect()).len(), 1);
        assert_eq!(seen.held_by((1..4).map(ReplicaId).collect())[0].by.len(), 3);
    }

    #[test]
    fn proofs_come_first() {
        let mut seen = empty();
        let asked = |why| Event::ViewChangeAsked { view: View(1), why };
        note(&mut seen, 2, &asked(Complaint::RequestTimeout));
        note(&mut seen, 3, &asked(Complaint::Joined));
        note(&mut seen, 4, &Event::Proved { accused: N1, summary: "two votes".into() });
        assert_eq!(
            told(&seen),
            ["proof n1: two votes", "suspected n1: a request was not executed in time in its view 0"]
        );
    }

    #[test]
    fn there_is_an_end_of_it() {
        let mut seen = empty();
        for number in 0..Evidence::MAX_OF_ONE + 5 {
            note(&mut seen, 2, &Event::Proved { accused: N1, summary: format!("lie {number}") });
        }
        assert_eq!(told(&seen).len(), Evidence::MAX_OF_ONE);
        note(&mut seen, 3, &Event::Proved { accused: N1, summary: "two votes".into() });
        assert_eq!(told(&seen).len(), Evidence::MAX_OF_ONE + 1, "others are heard all the same");
    }

    #[test]
    fn a_proof_that_one_says_it_holds_is_suspected_on_the_screen() {
        let mut seen = empty();
        let proved = Event::Proved { accused: N1, summary: "two votes".into() };
        note(&mut seen, 2, &proved);
        assert_eq!(seen.told()[0].certainty, Certainty::Suspected);
        note(&mut seen, 3, &proved);
        assert_eq!(seen.told()[0].certainty, Certainty::Proof);
    }
}
