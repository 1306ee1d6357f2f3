//! No honest replica signs two statements that contradict each other, restarts included.

use std::collections::BTreeMap;

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::crypto::{Author, Kind, Statement};
use crate::protocol::{Protocol, contradict};
use crate::types::{ReplicaId, SeqNum, View};

/// The first statement of each kind that each replica made about each slot of each view.
#[derive(Default)]
pub(super) struct Statements {
    /// How often it had something to look at.
    looks: u64,
    made: BTreeMap<(ReplicaId, View, SeqNum, Kind), Statement>,
}

impl<P: Protocol> Checker<P> for Statements
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "no contradiction"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest {
            return Ok(());
        }
        let statements = scene.said.iter().flat_map(|parcel| &parcel.statements).copied();
        let own = statements.filter(|s| s.author == Author::Replica(scene.replica));
        for statement in own {
            let Statement { kind, view, seq, .. } = statement;
            // A proposal is one, of its primary's own accord or forced.
            let kind = if kind == Kind::Forced { Kind::PrePrepare } else { kind };
            let first = *self.made.entry((scene.replica, view, seq, kind)).or_insert(statement);
            self.looks += 1;
            if contradict(&first, &statement) {
                let (replica, name) = (scene.replica, statement.kind.name());
                let (a, b) = (first.digest.short(), statement.digest.short());
                return Err(format!("{replica} signed {name} {a} and {name} {b} for slot {seq} of view {view}"));
            }
        }
        Ok(())
    }
}
