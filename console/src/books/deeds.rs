//! Attacks and what came of each: what was noticed first, who caught it, which view ended it, and when it went on.

use std::collections::VecDeque;

use byztop_core::committee::Committee;
use byztop_core::protocol::{Complaint, Event, Tampering, Topic};
use byztop_core::types::{ReplicaId, SeqNum, Time, View};

use super::ranges;

/// The attacks that were seen to be set, newest last.
#[derive(Clone, Debug)]
pub(crate) struct Deeds {
    committee: Committee,
    deeds: VecDeque<Deed>,
}

/// An attack, and what followed from it. Times are Unix time by the clocks of those who noted it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Deed {
    pub(crate) attacker: ReplicaId,
    /// In the attack language.
    pub(crate) attack: String,
    pub(crate) at: Time,
    /// When it ended, if it has.
    pub(crate) ended: Option<Time>,
    /// The first message that it had a hand on, as the attacker itself tells.
    pub(crate) message: Option<(Time, String)>,
    /// The first message of the attacker that somebody refused, or the first sign of what it did not send.
    pub(crate) affected: Option<(Time, String)>,
    /// The first proof against the attacker, or the first complaint about it as primary.
    pub(crate) detected: Option<(Time, String)>,
    /// The first view of somebody else that began after that.
    pub(crate) deposed: Option<(Time, View, ReplicaId)>,
    /// The first slot that was executed after that.
    pub(crate) recovered: Option<(Time, SeqNum)>,
}

impl Deeds {
    /// The most attacks that are remembered: the newest.
    const MAX: usize = 64;

    /// Nobody has attacked.
    pub(crate) fn new(committee: Committee) -> Deeds {
        Deeds { committee, deeds: VecDeque::new() }
    }

    /// All that are remembered, the newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Deed> {
        self.deeds.iter().rev()
    }

    /// A replica has noted something.
    pub(crate) fn note(&mut self, at: Time, by: ReplicaId, event: &Event) {
        match event {
            Event::AttackSet { attack } => self.begin(at, by, attack),
            Event::AttackEnded { name } => self.end(at, by, |attack| attack.starts_with(name.as_str())),
            Event::Healed => self.end(at, by, |_| true),
            Event::Tampered { message, topic, hearers, how, by: name } => {
                let verb = match how {
                    Tampering::Withheld => "kept from",
                    Tampering::HeldBack(_) => "held back from",
                    Tampering::Altered => "altered for",
                };
                let about = match topic {
                    Topic::Slot { seq, .. } => format!("slot {seq}"),
                    Topic::View(view) => format!("view {view}"),
                };
                self.each_of(by, at, |deed| {
                    if deed.attack.starts_with(name.as_str()) {
                        let what = || (at, format!("{message} of {about} {verb} {}", ranges(*hearers)));
                        deed.message.get_or_insert_with(what);
                    }
                });
            }
            // What an attacker says of itself is no consequence.
            Event::Rejected { from, why, .. } if *from != by => self.each_of(*from, at, |deed| {
                let what = || (at, format!("{by} refuses a message: {why}"));
                deed.affected.get_or_insert_with(what);
            }),
            Event::Proved { accused, summary } if *accused != by => self.each_of(*accused, at, |deed| {
                deed.affected.get_or_insert_with(|| (at, format!("{by} holds two statements")));
                deed.detected.get_or_insert_with(|| (at, format!("{by} proves it: {summary}")));
            }),
            Event::Asked { from } => {
                for deed in self.deeds.iter_mut().filter(|deed| deed.is_open(at)) {
                    deed.affected.get_or_insert_with(|| (at, format!("{by} misses slot {from}")));
                }
            }
            Event::ViewChangeAsked { view, why } => self.complain(at, by, *view, *why),
            Event::ViewEntered { view, primary, .. } => {
                for deed in self.deeds.iter_mut().filter(|deed| deed.attacker != *primary) {
                    if deed.deposed.is_none() && deed.detected.as_ref().is_some_and(|(detected, _)| *detected <= at) {
                        deed.deposed = Some((at, *view, *primary));
                    }
                }
            }
            _ => {}
        }
    }

    /// The cluster has executed a slot that nobody had executed.
    pub(crate) fn progress(&mut self, at: Time, seq: SeqNum) {
        for deed in &mut self.deeds {
            if deed.recovered.is_none() && deed.deposed.is_some_and(|(deposed, ..)| deposed <= at) {
                deed.recovered = Some((at, seq));
            }
        }
    }

    fn begin(&mut self, at: Time, attacker: ReplicaId, attack: &str) {
        if self.deeds.len() == Self::MAX {
            self.deeds.pop_front();
        }
        self.deeds.push_back(Deed {
            attacker,
            attack: attack.to_string(),
            at,
            ended: None,
            message: None,
            affected: None,
            detected: None,
            deposed: None,
            recovered: None,
        });
    }

    fn end(&mut self, at: Time, attacker: ReplicaId, is_it: impl Fn(&str) -> bool) {
        let deeds = self.deeds.iter_mut().filter(|deed| deed.attacker == attacker && deed.ended.is_none());
        deeds.filter(|deed| is_it(&deed.attack)).for_each(|deed| deed.ended = Some(at));
    }

    /// Whoever asks for another view because nothing happens in this one speaks of its primary.
    fn complain(&mut self, at: Time, by: ReplicaId, view: View, why: Complaint) {
        let Some(before) = view.0.checked_sub(1).map(View) else { return };
        let accused = match why {
            Complaint::RequestTimeout | Complaint::ViewChangeTimeout => self.committee.primary(before),
            Complaint::Proof { accused } => accused,
            Complaint::Joined | Complaint::LostLog => return,
        };
        if accused == by {
            return;
        }
        self.each_of(accused, at, |deed| {
            deed.affected.get_or_insert_with(|| (at, format!("{by} waits in vain")));
            deed.detected.get_or_insert_with(|| (at, format!("{by} asks for view {view}: {why}")));
        });
    }

    /// The attacks of a replica that hold at a time.
    fn each_of(&mut self, attacker: ReplicaId, at: Time, change: impl Fn(&mut Deed)) {
        self.deeds.iter_mut().filter(|deed| deed.attacker == attacker && deed.is_open(at)).for_each(change);
    }
}

impl Deed {
    fn is_open(&self, at: Time) -> bool {
        self.at <= at && self.ended.is_none_or(|ended| at <= ended)
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::rejection::Rejection;

    use super::*;

    const N1: ReplicaId = ReplicaId(0);
    const N2: ReplicaId = ReplicaId(1);

    fn deeds() -> Deeds {
        Deeds::new(Committee::new(4).expect("four"))
    }

    fn set(attack: &str) -> Event {
        Event::AttackSet { attack: attack.into() }
    }

    fn entered(view: u64, primary: ReplicaId) -> Event {
        Event::ViewEntered { view: View(view), primary, forced: 0, nulls: 0, view_changes: Vec::new() }
    }

    #[test]
    fn a_silent_primary_is_missed_deposed_and_forgotten() {
        let mut deeds = deeds();
        deeds.note(Time(100), N1, &set("crash"));
        deeds.progress(Time(120), SeqNum(7));
        for (at, seq) in [(130, 8), (140, 9)] {
            let topic = Topic::Slot { view: View(0), seq: SeqNum(seq), digest: byztop_core::types::Digest::ZERO };
            let (message, hearers) = ("pre-prepare".into(), [N2, ReplicaId(2)].into_iter().collect());
            let by = "crash".into();
            deeds.note(Time(at), N1, &Event::Tampered { message, topic, hearers, how: Tampering::Withheld, by });
        }
        deeds.note(Time(300), N2, &Event::Asked { from: SeqNum(8) });
        deeds.note(Time(400), N2, &Event::ViewChangeAsked { view: View(1), why: Complaint::RequestTimeout });
        deeds.note(Time(410), N2, &entered(1, N2));
        deeds.progress(Time(420), SeqNum(8));
        deeds.note(Time(900), N1, &Event::Healed);
        let deed = deeds.newest().next().expect("there is one");
        assert_eq!(deed.message, Some((Time(130), "pre-prepare of slot 8 kept from n2,n3".into())));
        assert_eq!(deed.affected, Some((Time(300), "n2 misses slot 8".into())));
        assert_eq!(deed.detected, Some((Time(400), "n2 asks for view 1: request timed out".into())));
        assert_eq!(deed.deposed, Some((Time(410), View(1), N2)));
        assert_eq!((deed.recovered, deed.ended), (Some((Time(420), SeqNum(8))), Some(Time(900))));
    }

    #[test]
    fn what_others_do_is_not_held_against_an_attacker_nor_what_happens_later() {
        let mut deeds = deeds();
        deeds.note(Time(100), N2, &set("sign"));
        let refused = |from| Event::Rejected { from, why: Rejection::BadSignature, count: 1 };
        deeds.note(Time(110), ReplicaId(2), &refused(N1));
        assert_eq!(deeds.newest().next().and_then(|deed| deed.affected.clone()), None);
        deeds.note(Time(120), ReplicaId(2), &refused(N2));
        deeds.note(Time(125), N2, &Event::Proved { accused: N2, summary: "two votes".into() });
        deeds.note(Time(130), N2, &Event::AttackEnded { name: "sign".into() });
        deeds.note(Time(140), N1, &Event::Proved { accused: N2, summary: "two votes".into() });
        let deed = deeds.newest().next().expect("there is one");
        assert_eq!(deed.affected.as_ref().map(|(at, _)| *at), Some(Time(120)));
        assert_eq!((&deed.detected, deed.ended), (&None, Some(Time(130))));
    }

    #[test]
    fn the_newest_are_kept() {
        let mut deeds = deeds();
        (0..=Deeds::MAX as u64).for_each(|at| deeds.note(Time(at), N1, &set(&format!("time({at}ms)"))));
        assert_eq!(deeds.newest().count(), Deeds::MAX);
        assert_eq!(deeds.newest().last().map(|deed| deed.at), Some(Time(1)));
    }
}
