//! Contradicting statements of one author that reach an honest replica become evidence there.
//!
//! What an auditor must remember is bounded, so this asks for what it always must: statements of the view that the
//! replica is in, about slots above its stable checkpoint and at most two windows beyond it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::committee::Committee;
use crate::crypto::{Author, Kind, Statement};
use crate::protocol::{Event, Protocol, contradict};
use crate::replica::Output;
use crate::types::{ReplicaId, ReplicaSet, SeqNum, View};

/// What each seat has heard of Byzantine replicas, and whom it has accused.
pub(super) struct Evidence {
    committee: Committee,
    byzantine: ReplicaSet,
    window_slots: u64,
    heard: BTreeMap<usize, Heard>,
}

#[derive(Default)]
struct Heard {
    statements: BTreeMap<(ReplicaId, View, SeqNum, Kind), Statement>,
    accused: BTreeSet<ReplicaId>,
}

impl Evidence {
    pub(super) fn new(committee: Committee, byzantine: ReplicaSet, window_slots: u64) -> Evidence {
        Evidence { committee, byzantine, window_slots, heard: BTreeMap::new() }
    }
}

impl<P: Protocol> Checker<P> for Evidence
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "contradictions become evidence"
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest || self.byzantine.is_empty() {
            return Ok(());
        }
        let heard = self.heard.entry(scene.seat).or_default();
        for output in scene.outputs {
            match output {
                Output::Note(Event::Proved { accused, .. }) => drop(heard.accused.insert(*accused)),
                // What lay at or below the stable checkpoint may be forgotten, and another view's statements may.
                Output::Note(Event::CheckpointStable { seq, .. } | Event::TransferDone { seq, .. }) => {
                    heard.statements.retain(|(_, _, slot, _), _| slot > seq);
                }
                Output::Note(Event::ViewEntered { .. }) => heard.statements.clear(),
                _ => {}
            }
        }
        // Whose window moved in this very event may not have heard the statement as one within it.
        let has_moved = |output: &Output<P::Message>| {
            matches!(output, Output::Note(Event::CheckpointStable { .. } | Event::TransferDone { .. }))
        };
        let Some(parcel) = scene.heard.filter(|_| !scene.outputs.iter().any(has_moved)) else { return Ok(()) };
        let status = scene.node.replica().status();
        let window = status.stable.next()..=status.stable.plus(2 * self.window_slots);
        for statement in parcel.statements.iter().copied() {
            let Author::Replica(author) = statement.author else { continue };
            if !self.byzantine.contains(author) {
                continue;
            }
            let is_open = statement.view == status.view && window.contains(&statement.seq);
            if !is_open || heard.accused.contains(&author) || !self.committee.contains(author) {
                continue;
            }
            let kind = if statement.kind == Kind::Forced { Kind::PrePrepare } else { statement.kind };
            let place = (author, statement.view, statement.seq, kind);
            let first = *heard.statements.entry(place).or_insert(statement);
            if contradict(&first, &statement) {
                let (me, name, seq) = (scene.replica, kind.name(), statement.seq);
                return Err(format!("{me} heard {author} contradict itself ({name}, slot {seq}) and accuses nobody"));
            }
        }
        Ok(())
    }

    fn on_restart(&mut self, seat: usize, _: Restart) {
        self.heard.remove(&seat);
    }
}
