//! From what a replica, a link or a process notes to lines of the log.

use byztop_core::protocol::Event;
use byztop_core::rejection::Rejection;
use byztop_core::types::{ReplicaId, ReplicaSet, SeqNum, Time};

use super::log::{Injector, Kind, Story};
use super::{Model, Process};
use crate::tui::ProcessEvent;
use crate::tui::text::clean;

/// How many bad signatures are remembered by slot.
const MAX_MARKS: usize = 64;

impl Model {
    /// A replica's event becomes a line of the log, or a part of one.
    pub(super) fn note(&mut self, id: ReplicaId, at: Time, event: Event) {
        let told = |kind, text| Story::Told(kind, text);
        let by =
            if self.simulation.is_some() || self.cases.is_some() { Injector::Scenario } else { Injector::Operator };
        let attacked = |attack| Story::Attacked { attack, by };
        let story = match event {
            // The progress of single slots is in the frames' slots.
            Event::PrePrepared { .. } | Event::Prepared { .. } | Event::Committed { .. } | Event::Executed { .. } => {
                return;
            }
            Event::Asked { from } => Story::Missing { from, count: 1 },
            Event::ViewChangeAsked { view, why } => {
                Story::Asked { view, reasons: vec![(why, ReplicaSet::from_iter([id]))] }
            }
            Event::ViewEntered { view, primary, forced, nulls, .. } => {
                let without_progress = self.without_progress(self.log.asked_at(view), at);
                Story::Begun { view, primary, forced, nulls, without_progress }
            }
            Event::CheckpointStable { seq, digest } => Story::Stable { seq, digest, earlier: 0 },
            Event::Diverged { seq, mine, certified } => {
                let (mine, certified) = (mine.short(), certified.short());
                let text = format!("{id} DIVERGED at slot {}: has {mine}, a quorum has {certified}", seq);
                told(Kind::State, text)
            }
            Event::TransferBegan { target } => Story::Transfer { target, count: 1, got: None },
            Event::TransferDone { seq, leaves, bytes } => {
                Story::Transfer { target: seq, count: 0, got: Some((leaves, bytes)) }
            }
            // Told by the frames' status: a replica often learns it before the first console is connected.
            Event::Observing { .. } => return,
            Event::Rejoined => told(Kind::State, format!("{id} takes part again")),
            Event::OldLog { shown } => {
                told(Kind::State, format!("{id} has an old copy of its log: it lacks its own {shown}"))
            }
            Event::Rejected { from, why, count } => {
                if why == Rejection::BadSignature {
                    self.mark_bad_signature(from);
                }
                let from = ReplicaSet::from_iter([from]);
                Story::Rejected { from, why: reason(&why), is_harmless: is_harmless(&why), count: u64::from(count) }
            }
            Event::Proved { accused, summary } => Story::Proved { accused, summary: clean(&summary) },
            Event::AttackSet { attack } => attacked(clean(&attack)),
            Event::AttackEnded { name } => attacked(format!("ends {}", clean(&name))),
            Event::Healed => attacked(String::new()),
            // Told message by message, to whoever asks for that.
            Event::Tampered { .. } => return,
        };
        self.log.tell(at, id, story);
    }

    /// A replica that has lost its log has learned for how long it only watches.
    pub(super) fn note_watching(&mut self, id: ReplicaId, at: Time, until: SeqNum) {
        let text = format!("{id} lost its log, watches until slot {until} is stable");
        self.log.tell(at, id, Story::Told(Kind::State, text));
    }

    pub(super) fn note_up(&mut self, id: ReplicaId) {
        self.log.tell(self.now, id, Story::Connected);
    }

    pub(super) fn on_process(&mut self, id: ReplicaId, event: ProcessEvent) {
        let was_dead = self.replicas[id.index()].is_dead();
        let process = match event {
            ProcessEvent::Started { .. } if was_dead => {
                self.log.push(self.now, Kind::Process, format!("operator: {id} restarted"));
                Process::Starting(self.now)
            }
            ProcessEvent::Started { .. } => {
                self.log.tell(self.now, id, Story::Started);
                Process::Running
            }
            ProcessEvent::Killed => {
                self.log.push(self.now, Kind::Exit, format!("operator: {id} killed (SIGKILL)"));
                Process::Killed(self.now)
            }
            ProcessEvent::NotStarted { why } => {
                let text = format!("{id} does not start: {}", clean(&why));
                self.log.push(self.now, Kind::Exit, text.clone());
                self.complaints.push(text);
                Process::Exited(self.now, "does not start".to_string())
            }
            ProcessEvent::Exited { status, log_tail } => {
                let status = clean(&status);
                let last = Some(clean(&log_tail)).filter(|tail| !tail.is_empty());
                let last = last.map_or(String::new(), |tail| format!("; its last words: {tail}"));
                self.log.push(self.now, Kind::Exit, format!("{id} has ended: {status}{last}"));
                Process::Exited(self.now, status)
            }
        };
        self.replicas[id.index()].on_process(self.now, process);
        self.follow_progress(None);
    }

    /// Remembers the newest slot as the place where a bad signature of this replica turned up: refusals name none.
    fn mark_bad_signature(&mut self, from: ReplicaId) {
        let Some(slot) = self.newest_slot() else { return };
        let Some(replica) = self.replicas.get_mut(from.index()) else { return };
        if replica.bad_signatures.back() != Some(&slot) {
            replica.bad_signatures.push_back(slot);
        }
        if replica.bad_signatures.len() > MAX_MARKS {
            replica.bad_signatures.pop_front();
        }
    }
}

/// Why a message was refused, without what differs from message to message, so that refusals can be counted.
fn reason(why: &Rejection) -> String {
    match why {
        Rejection::OutsideWatermarks(_) => "outside the watermarks".to_string(),
        Rejection::Complaining(_) => "of a view that is over here".to_string(),
        Rejection::WrongView(_) => "not of the current view".to_string(),
        Rejection::TooLarge { .. } => "message too large".to_string(),
        other => other.to_string(),
    }
}

/// Whether honest peers get such refusals in the normal course of things: who is ahead or behind, in slots or views,
/// or answers a second time.
fn is_harmless(why: &Rejection) -> bool {
    matches!(
        why,
        Rejection::OutsideWatermarks(_) | Rejection::WrongView(_) | Rejection::Complaining(_) | Rejection::Unsolicited
    )
}
