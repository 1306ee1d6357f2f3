//! Nobody honest stays excluded: after the calm, a replica that runs, watches nothing and asks for no view votes in what is
//! decided.
//!
//! A replica that has asked for a view alone votes no more until the view changes (rule 15), and one that lost its log until
//! a checkpoint is safe (rule 29): those are not held to it, and must come to an end by other invariants.

use std::collections::BTreeMap;

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::crypto::{Author, Kind};
use crate::protocol::{Event, Protocol, Settings};
use crate::replica::Output;

/// How many slots each seat has executed since it last voted, as far as it was free to vote.
pub(super) struct Participation {
    /// The most slots that a replica may learn from others before it votes again: what was decided before it could, and what
    /// its window did not let in.
    most_slots: u64,
    is_calm: bool,
    unvoted: BTreeMap<usize, u64>,
    slots: u64,
}

impl Participation {
    pub(super) fn new(settings: &Settings) -> Participation {
        let most_slots = 4 * settings.window_slots + 16;
        Participation { most_slots, is_calm: false, unvoted: BTreeMap::new(), slots: 0 }
    }
}

impl<P: Protocol> Checker<P> for Participation
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "nobody excluded"
    }

    fn exercised(&self) -> u64 {
        self.slots
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !self.is_calm || !scene.is_honest {
            return Ok(());
        }
        let executed = scene.outputs.iter().filter(|output| matches!(output, Output::Executed(_))).count() as u64;
        let statements = scene.said.iter().flat_map(|parcel| &parcel.statements);
        let has_voted = statements
            .filter(|said| said.author == Author::Replica(scene.replica))
            .any(|said| matches!(said.kind, Kind::PrePrepare | Kind::Forced | Kind::Prepare | Kind::Commit));
        let has_moved = |output: &Output<P::Message>| {
            matches!(output, Output::Note(Event::TransferDone { .. } | Event::ViewEntered { .. } | Event::Rejoined))
        };
        if executed == 0 && !has_voted {
            return Ok(());
        }
        let status = scene.node.replica().status();
        let is_free = status.asking_for.is_none() && status.observing_until.is_none();
        let unvoted = self.unvoted.entry(scene.seat).or_default();
        self.slots += executed;
        if has_voted || !is_free || scene.outputs.iter().any(has_moved) {
            *unvoted = 0;
        } else {
            *unvoted += executed;
        }
        if *unvoted > self.most_slots {
            return Err(format!("{} has executed {unvoted} slots, and voted in none of them", scene.replica));
        }
        Ok(())
    }

    fn on_calm(&mut self) {
        self.is_calm = true;
    }

    fn on_restart(&mut self, seat: usize, _: Restart) {
        self.unvoted.remove(&seat);
    }
}
