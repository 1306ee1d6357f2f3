//! What a replica says is cut to what can be true before anybody adds, counts or draws with it.
//!
//! A console reads what it may not trust: a Byzantine replica says of itself whatever it likes, and so does a recording that
//! somebody made by hand. Numbers saturate, texts and lists are cut, control characters become spaces, sets lose who is in no roster; whoever names a replica that
//! does not exist is not heard at all.

use thiserror::Error;

use super::{ConsoleMessage, Counters, Fate, Frame, Ledger, LogEntry, Passage, Trace, Trouble, Welcome};
use crate::committee::Committee;
use crate::protocol::{
    Complaint, Event, OwnStatement, SlotVotes, Status, Tampering, Topic, TransferProgress, ViewChangeShown,
};
use crate::rejection::Rejection;
use crate::types::{Micros, ReplicaId, ReplicaSet, SeqNum, Time, View};

/// The last slot that is believed: a hundred thousand a second take ninety years to get there, and there is room above for whoever
/// multiplies.
const LAST_SLOT: u64 = 1 << 48;

/// The last view that is believed. The attack `forge-view-change` asks for views about there.
const LAST_VIEW: u64 = 1 << 62;

/// The last moment that is believed, in microseconds of Unix time: the year 2255.
const LAST_TIME: u64 = 1 << 53;

/// What no counter exceeds.
const MOST: u64 = 1 << 48;

/// The longest text, in characters.
const MAX_CHARS: usize = 400;

/// The most phases in the votes of a slot, and the most digests in one of them.
const MAX_PHASES: usize = 16;
const MAX_DIGESTS: usize = 128;

/// A replica that is in no roster was named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("it speaks of {0}, which is not in the roster")]
pub struct Stranger(pub ReplicaId);

impl ConsoleMessage {
    /// The message as far as it can be true in such a committee.
    ///
    /// # Errors
    ///
    /// [`Stranger`] if it names a replica that is not in it.
    pub fn credible(mut self, committee: Committee) -> Result<ConsoleMessage, Stranger> {
        let mut reader = Reader { committee, stranger: None };
        reader.message(&mut self);
        reader.stranger.map_or(Ok(self), |stranger| Err(Stranger(stranger)))
    }
}

/// Goes through all of a message.
struct Reader {
    committee: Committee,
    stranger: Option<ReplicaId>,
}

impl Reader {
    fn message(&mut self, message: &mut ConsoleMessage) {
        match message {
            ConsoleMessage::Welcome(welcome) => self.welcome(welcome),
            ConsoleMessage::Frame(frame) => self.frame(frame),
            ConsoleMessage::Ledger(ledger) => self.ledger(ledger),
            ConsoleMessage::Trace(trace) => self.trace(trace),
            ConsoleMessage::Done(text) | ConsoleMessage::Refused(text) => cut(text),
            ConsoleMessage::Clock { asked, at } => [asked, at].into_iter().for_each(time),
            ConsoleMessage::Troubles(troubles) => troubles.iter_mut().for_each(|trouble| self.trouble(trouble)),
        }
    }

    fn member(&mut self, id: ReplicaId) {
        if !self.committee.contains(id) {
            self.stranger = Some(id);
        }
    }

    fn members(&self, set: &mut ReplicaSet) {
        *set = set.iter().filter(|id| self.committee.contains(*id)).collect();
    }

    fn trouble(&mut self, trouble: &mut Trouble) {
        match trouble {
            Trouble::NoQuorum { linked: _, needed: _ } | Trouble::Alone { alike: _, needed: _ } => {}
            Trouble::Differs { peer, what, mine, theirs, is_vital: _ } => {
                self.member(*peer);
                [what, mine, theirs].into_iter().for_each(cut);
            }
            Trouble::Misbehaves { who, what } => [who, what].into_iter().for_each(cut),
            Trouble::Unlinked { peer, why } => {
                self.member(*peer);
                cut(why);
            }
        }
    }

    fn welcome(&mut self, welcome: &mut Welcome) {
        let Welcome {
            replica,
            protocol: _,
            leader,
            phases,
            replicas: _,
            checkpoint_interval_slots,
            durability,
            may_attack: _,
            pid: _,
        } = welcome;
        self.member(*replica);
        cut(leader);
        phases.iter_mut().for_each(cut);
        count(checkpoint_interval_slots);
        cut(durability);
    }

    fn frame(&mut self, frame: &mut Frame) {
        let Frame {
            replica,
            at,
            status,
            stable_digest: _,
            executed_digest,
            counters,
            messages,
            attack,
            slots,
            fast,
            votes,
            latencies,
            events,
            dropped,
        } = frame;
        self.member(*replica);
        time(at);
        self.status(status);
        executed_digest.iter_mut().for_each(|(seq, _)| slot(seq));
        counters_of(counters);
        for (name, sent) in messages {
            cut(name);
            count(sent);
        }
        cut(attack);
        slots.iter_mut().for_each(|(seq, _)| slot(seq));
        fast.iter_mut().for_each(slot);
        votes.iter_mut().for_each(|votes| self.votes(votes));
        latencies.iter_mut().flat_map(|phase| &mut phase.buckets).for_each(|(latency, _)| micros(latency));
        for (at, event) in events {
            time(at);
            self.event(event);
        }
        count(dropped);
    }

    fn status(&mut self, status: &mut Status) {
        let Status { view, asking_for, leader, stable, executed, observing_until, transfer } = status;
        view_of(view);
        asking_for.iter_mut().for_each(view_of);
        self.member(*leader);
        [stable, executed].into_iter().chain(observing_until).for_each(slot);
        if let Some(TransferProgress { target, wanted_leaves: _, fetched_leaves: _, fetched_bytes, sources: _ }) =
            transfer
        {
            slot(target);
            count(fetched_bytes);
        }
    }

    fn votes(&mut self, votes: &mut SlotVotes) {
        let SlotVotes { seq, view, phases, is_fast: _ } = votes;
        slot(seq);
        view_of(view);
        phases.truncate(MAX_PHASES);
        for phase in phases {
            cut(&mut phase.phase);
            phase.by_digest.truncate(MAX_DIGESTS);
            phase.by_digest.iter_mut().for_each(|(_, voters)| self.members(voters));
        }
    }

    fn ledger(&mut self, ledger: &mut Ledger) {
        let Ledger { replica, status, state_digest: _, slots, log, figures, leaf_count: _, leaves: _ } = ledger;
        self.member(*replica);
        self.status(status);
        slots.iter_mut().for_each(|(seq, _)| slot(seq));
        log.iter_mut().for_each(entry);
        for (name, figure) in figures {
            cut(name);
            // Sums of 64-bit balances, with room for whoever adds them.
            *figure = (*figure).clamp(-(1 << 100), 1 << 100);
        }
    }

    fn trace(&mut self, trace: &mut Trace) {
        let Trace { replica, course: _, since, entry: log_entry, passages } = trace;
        self.member(*replica);
        time(since);
        log_entry.iter_mut().for_each(entry);
        for Passage { at, name, topic, fate } in passages {
            time(at);
            cut(name.to_mut());
            topic_of(topic);
            match fate {
                Fate::Left { to } | Fate::Unsent { to } => self.members(to),
                Fate::Came { from } => self.member(*from),
                Fate::Refused { from, why } => {
                    self.member(*from);
                    self.rejection(why);
                }
                Fate::Withheld { to, by } => {
                    self.members(to);
                    cut(by);
                }
                Fate::HeldBack { to, until, by } => {
                    self.members(to);
                    time(until);
                    cut(by);
                }
            }
        }
    }

    fn event(&mut self, event: &mut Event) {
        match event {
            Event::PrePrepared { view, seq, digest: _ }
            | Event::Prepared { view, seq }
            | Event::Committed { view, seq, is_fast: _ } => {
                view_of(view);
                slot(seq);
            }
            Event::Executed { seq, submissions: _, operations: _ }
            | Event::Asked { from: seq }
            | Event::CheckpointStable { seq, digest: _ }
            | Event::Diverged { seq, mine: _, certified: _ }
            | Event::TransferBegan { target: seq }
            | Event::Observing { until: seq } => slot(seq),
            Event::TransferDone { seq, leaves: _, bytes } => {
                slot(seq);
                count(bytes);
            }
            Event::ViewChangeAsked { view, why } => {
                view_of(view);
                if let Complaint::Proof { accused } = why {
                    self.member(*accused);
                }
            }
            Event::ViewEntered { view, primary, forced: _, nulls: _, view_changes } => {
                view_of(view);
                self.member(*primary);
                for ViewChangeShown { replica, stable, slots: _ } in view_changes {
                    self.member(*replica);
                    slot(stable);
                }
            }
            Event::Rejected { from, why, count: _ } => {
                self.member(*from);
                self.rejection(why);
            }
            Event::Proved { accused, summary } => {
                self.member(*accused);
                cut(summary);
            }
            Event::AttackSet { attack: text } | Event::AttackEnded { name: text } => cut(text),
            Event::Tampered { message, topic, hearers, how, by } => {
                [message, by].into_iter().for_each(cut);
                topic_of(topic);
                self.members(hearers);
                if let Tampering::HeldBack(until) = how {
                    time(until);
                }
            }
            Event::OldLog { shown: OwnStatement::Signed(statement) } => {
                view_of(&mut statement.view);
                slot(&mut statement.seq);
            }
            Event::OldLog { shown: OwnStatement::ViewChange(view) } => view_of(view),
            Event::Rejoined | Event::Healed => {}
        }
    }

    fn rejection(&mut self, why: &mut Rejection) {
        match why {
            Rejection::NotTheSender { claimed: id } | Rejection::Conflicting(id) => self.member(*id),
            Rejection::NotThePrimary(view)
            | Rejection::WrongView(view)
            | Rejection::Complaining(view)
            | Rejection::UnjustifiedNewView(view) => view_of(view),
            Rejection::BehindWindow(seq) | Rejection::AheadOfWindow(seq) | Rejection::OutsideWatermarks(seq) => {
                slot(seq)
            }
            Rejection::TooLarge { bytes, limit } => [bytes, limit].into_iter().for_each(count),
            Rejection::NotCanonical
            | Rejection::BadSignature
            | Rejection::NotAMember
            | Rejection::BadCertificate(_)
            | Rejection::PrepareFromPrimary
            | Rejection::MalformedBatch
            | Rejection::WrongStatePart
            | Rejection::BadProof
            | Rejection::Unsolicited => {}
        }
    }
}

fn topic_of(topic: &mut Topic) {
    match topic {
        Topic::Slot { view, seq, digest: _ } => {
            view_of(view);
            slot(seq);
        }
        Topic::View(view) => view_of(view),
    }
}

fn entry(entry: &mut LogEntry) {
    let LogEntry { seq, proposal, pre_prepared, prepared, committed, executed, submissions: _ } = entry;
    slot(seq);
    proposal.iter_mut().for_each(|(view, _)| view_of(view));
    [pre_prepared, prepared, committed, executed].into_iter().flatten().for_each(time);
}

fn counters_of(counters: &mut Counters) {
    let Counters {
        operations,
        operations_failed,
        submissions,
        submissions_refused,
        pending,
        view_changes,
        untimely,
        rejected,
        bad_signatures,
        proofs,
        messages_sent,
        bytes_sent,
        messages_dropped,
        links,
        cpu,
        memory_bytes,
        disk_bytes,
        commits,
    } = counters;
    let figures = [
        operations,
        operations_failed,
        submissions,
        submissions_refused,
        pending,
        view_changes,
        untimely,
        rejected,
        bad_signatures,
        proofs,
        messages_sent,
        bytes_sent,
        messages_dropped,
        links,
        memory_bytes,
        disk_bytes,
        commits,
    ];
    figures.into_iter().for_each(count);
    micros(cpu);
}

fn slot(seq: &mut SeqNum) {
    seq.0 = seq.0.min(LAST_SLOT);
}

fn view_of(view: &mut View) {
    view.0 = view.0.min(LAST_VIEW);
}

fn time(time: &mut Time) {
    time.0 = time.0.min(LAST_TIME);
}

fn micros(span: &mut Micros) {
    span.0 = span.0.min(LAST_TIME);
}

fn count(number: &mut u64) {
    *number = (*number).min(MOST);
}

/// Without control characters, which steer terminals, and not longer than it may be.
fn cut(text: &mut String) {
    if text.contains(char::is_control) {
        *text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    }
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Digest;

    fn committee() -> Committee {
        Committee::new(4).expect("four are a committee")
    }

    fn frame() -> Frame {
        let status = Status {
            view: View(u64::MAX),
            asking_for: Some(View(u64::MAX)),
            leader: ReplicaId(0),
            stable: SeqNum(u64::MAX),
            executed: SeqNum(u64::MAX),
            observing_until: None,
            transfer: None,
        };
        Frame {
            replica: ReplicaId(0),
            at: Time(u64::MAX),
            status,
            stable_digest: Digest::default(),
            executed_digest: Some((SeqNum(u64::MAX), Digest::default())),
            counters: Counters { operations: u64::MAX, cpu: Micros(u64::MAX), ..Counters::default() },
            messages: vec![("é".repeat(1000), u64::MAX)],
            attack: "x".repeat(1000),
            slots: Vec::new(),
            fast: vec![SeqNum(u64::MAX), SeqNum(7)],
            votes: None,
            latencies: Vec::new(),
            events: Vec::new(),
            dropped: u64::MAX,
        }
    }

    #[test]
    fn numbers_saturate_and_texts_are_cut() {
        let message = ConsoleMessage::Frame(Box::new(frame()));
        let Ok(ConsoleMessage::Frame(frame)) = message.credible(committee()) else { panic!("it names no stranger") };
        assert_eq!(frame.status.executed, SeqNum(LAST_SLOT));
        assert_eq!(frame.status.asking_for, Some(View(LAST_VIEW)));
        assert_eq!(frame.at, Time(LAST_TIME));
        assert_eq!(frame.counters.operations, MOST);
        assert_eq!(frame.messages[0].0.chars().count(), MAX_CHARS);
        assert_eq!(frame.attack.len(), MAX_CHARS);
        assert_eq!(frame.fast, [SeqNum(LAST_SLOT), SeqNum(7)]);
    }

    #[test]
    fn who_names_a_stranger_is_not_heard() {
        let stranger = ReplicaId(4);
        let with = |event| {
            let mut frame = frame();
            frame.events.push((Time(1), event));
            ConsoleMessage::Frame(Box::new(frame))
        };
        let why = Rejection::Conflicting(stranger);
        for event in [
            Event::Proved { accused: stranger, summary: String::new() },
            Event::ViewChangeAsked { view: View(1), why: Complaint::Proof { accused: stranger } },
            Event::Rejected { from: ReplicaId(1), why, count: 1 },
        ] {
            assert_eq!(with(event).credible(committee()), Err(Stranger(stranger)));
        }
        let hearers = ReplicaSet::from_iter([ReplicaId(1), stranger]);
        let topic = Topic::View(View(1));
        let tampered = Event::Tampered {
            message: "PREPARE".into(),
            topic,
            hearers,
            how: Tampering::Withheld,
            by: "dark(n2)".into(),
        };
        let Ok(ConsoleMessage::Frame(frame)) = with(tampered).credible(committee()) else { panic!("it is cut") };
        let Event::Tampered { hearers, .. } = &frame.events[0].1 else { panic!("it is the same event") };
        assert_eq!(*hearers, ReplicaSet::from_iter([ReplicaId(1)]));
    }
}
