//! Rule 11: a replica that asks for a view shows, of every slot above its checkpoint for which it has sent a COMMIT, the
//! certificate that it committed to, or one of a higher view.

use std::collections::BTreeMap;

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::crypto::{Author, Kind, Statement};
use crate::protocol::{Message as _, Protocol, ViewChangeRecord};
use crate::replica::PeerMessage;
use crate::types::{Digest, ReplicaId, SeqNum, View};

/// What each replica has committed to, in the highest view.
#[derive(Default)]
pub(super) struct Showing {
    /// How often it had something to look at.
    looks: u64,
    committed: BTreeMap<ReplicaId, BTreeMap<SeqNum, (View, Digest)>>,
}

impl<P: Protocol> Checker<P> for Showing
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "what was committed to is shown"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest {
            return Ok(());
        }
        let me = scene.replica;
        for parcel in scene.said {
            let own = parcel.statements.iter().copied().filter(|s| s.author == Author::Replica(me));
            for Statement { view, seq, digest, .. } in own.filter(|statement| statement.kind == Kind::Commit) {
                let newest = self.committed.entry(me).or_default().entry(seq).or_insert((view, digest));
                if newest.0 < view {
                    *newest = (view, digest);
                }
            }
            let PeerMessage::Protocol(message) = parcel.message() else { continue };
            if message.asks_for().is_none_or(|(asker, _)| asker != me) {
                continue;
            }
            let (Some(committed), Some(record)) = (self.committed.get_mut(&me), message.view_changes().pop()) else {
                continue;
            };
            committed.retain(|seq, _| *seq > record.stable);
            self.looks += committed.len() as u64;
            if let Some((seq, (view, _))) = committed.iter().find(|committed| !is_shown(&record, committed)) {
                let asked = record.view;
                return Err(format!(
                    "{me} has committed to slot {seq} in view {view}; it asks for {asked} without a word of that"
                ));
            }
        }
        Ok(())
    }

    fn on_restart(&mut self, seat: usize, restart: Restart) {
        if restart.has_lost_log {
            self.committed.retain(|replica, _| replica.index() != seat);
        }
    }
}

fn is_shown(record: &ViewChangeRecord, (seq, (view, digest)): &(&SeqNum, &(View, Digest))) -> bool {
    let shown = record.slots.iter().find(|(slot, _)| slot == *seq).and_then(|(_, prepared)| *prepared);
    // What was committed to in a later view, after this was said, is not its matter.
    *view >= record.view || shown.is_some_and(|shown| shown.0 > *view || shown == (*view, *digest))
}
