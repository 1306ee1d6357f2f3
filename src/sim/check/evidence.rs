//! Contradicting statements of one author that reach an honest replica become evidence there.
//!
//! What an auditor must remember is bounded, so this asks for what it always must: statements of the view that the
//! replica is in, about slots above its stable checkpoint and at most two windows beyond it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::committee::Committee;
use crate::crypto::{Author, Kind, Statement};
use crate::evidence::Rule;
use crate::protocol::{Event, Protocol, contradict};
use crate::replica::{Output, PeerMessage};
use crate::types::{ReplicaId, ReplicaSet, SeqNum, View};

/// What each seat has heard of Byzantine replicas, and whom it has accused.
pub(super) struct Evidence {
    /// How often it had something to look at.
    looks: u64,
    committee: Committee,
    byzantine: ReplicaSet,
    window_slots: u64,
    heard: BTreeMap<usize, Heard>,
}

#[derive(Default)]
struct Heard {
    statements: BTreeMap<(ReplicaId, View, SeqNum, Kind), Statement>,
    /// Of what each was proved guilty, in which view.
    proved: BTreeSet<(ReplicaId, View, Rule)>,
}

/// So many guilts of one replica are announced, and after that only those of the view that the replica is in or asks for.
const MAX_GUILTS: usize = 16;

/// What a replica is proved guilty of by two such statements.
fn rule_of(kind: Kind) -> Rule {
    match kind {
        Kind::PrePrepare | Kind::Forced => Rule::TwoProposals,
        Kind::Checkpoint => Rule::TwoCheckpoints,
        Kind::NewView => Rule::TwoNewViews,
        _ => Rule::TwoVotes,
    }
}

impl Evidence {
    pub(super) fn new(committee: Committee, byzantine: ReplicaSet, window_slots: u64) -> Evidence {
        Evidence { looks: 0, committee, byzantine, window_slots, heard: BTreeMap::new() }
    }
}

impl<P: Protocol> Checker<P> for Evidence
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "contradictions become evidence"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest || self.byzantine.is_empty() {
            return Ok(());
        }
        let heard = self.heard.entry(scene.seat).or_default();
        for output in scene.outputs {
            match output {
                Output::Send(_, PeerMessage::Proof(proof)) => {
                    let verdict = proof.verdict(self.committee);
                    heard.proved.extend(verdict.map(|verdict| (verdict.accused, verdict.view, verdict.rule)));
                }
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
        let Some(parcel) = scene.heard().filter(|_| !scene.outputs.iter().any(has_moved)) else { return Ok(()) };
        // A proof is judged by itself: who was told what is not known of what stands in it.
        if matches!(parcel.message(), PeerMessage::Proof(_)) {
            return Ok(());
        }
        let status = scene.node.replica().status();
        let window = status.stable.next()..=status.stable.plus(2 * self.window_slots);
        for statement in parcel.statements.iter().copied() {
            let Author::Replica(author) = statement.author else { continue };
            if !self.byzantine.contains(author) {
                continue;
            }
            let is_open = statement.view == status.view && window.contains(&statement.seq);
            if !is_open || !self.committee.contains(author) {
                continue;
            }
            let kind = if statement.kind == Kind::Forced { Kind::PrePrepare } else { statement.kind };
            let place = (author, statement.view, statement.seq, kind);
            let first = *heard.statements.entry(place).or_insert(statement);
            if !contradict(&first, &statement) {
                continue;
            }
            self.looks += 1;
            let guilt = (author, statement.view, rule_of(statement.kind));
            let guilts = heard.proved.iter().filter(|(accused, ..)| *accused == author).count();
            let is_kept_to_itself = status.asking_for.is_some() && guilts >= MAX_GUILTS;
            if !is_kept_to_itself && !heard.proved.contains(&guilt) {
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
