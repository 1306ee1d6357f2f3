//! Rule 15: who has asked for a view proposes and votes no more in a lower one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Restart, Scene};
use crate::attack::Forge;
use crate::crypto::{Author, Kind};
use crate::protocol::Protocol;
use crate::replica::PeerMessage;
use crate::types::{ReplicaId, SeqNum, View};

/// What each replica asked for, and what it had voted: saying the same again is not voting.
#[derive(Default)]
pub(super) struct Complaints {
    /// How often it had something to look at.
    looks: u64,
    asked: BTreeMap<ReplicaId, View>,
    voted: BTreeSet<(ReplicaId, View, SeqNum, Kind)>,
}

impl<P: Protocol> Checker<P> for Complaints
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "no vote after a complaint"
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
            // What may be passed on by anyone speaks of votes that were cast before it.
            let is_vote_of_its_own = match parcel.message() {
                PeerMessage::Protocol(message) => !message.may_be_relayed(),
                _ => false,
            };
            for statement in parcel.statements.iter().filter(|_| is_vote_of_its_own).copied() {
                let is_vote = matches!(statement.kind, Kind::PrePrepare | Kind::Prepare | Kind::Commit);
                let vote = (me, statement.view, statement.seq, statement.kind);
                if !is_vote || statement.author != Author::Replica(me) || !self.voted.insert(vote) {
                    continue;
                }
                self.looks += u64::from(self.asked.contains_key(&me));
                if let Some(asked) = self.asked.get(&me).filter(|asked| statement.view < **asked) {
                    let (name, seq, view) = (statement.kind.name(), statement.seq, statement.view);
                    return Err(format!("{me} signs a {name} for slot {seq} of view {view}, having asked for {asked}"));
                }
            }
            // What the complaint itself shows was voted before it, and may be heard of in it for the first time: whoever was
            // killed between its vote and its words says nothing in the old view any more.
            if let PeerMessage::Protocol(message) = parcel.message()
                && let Some(view) = asked_view(message, me)
            {
                let asked = self.asked.entry(me).or_default();
                *asked = view.max(*asked);
            }
        }
        Ok(())
    }

    /// A complaint goes with the log: who lost both counts against f.
    fn on_restart(&mut self, seat: usize, restart: Restart) {
        if restart.has_lost_log {
            self.asked.retain(|replica, _| replica.index() != seat);
        }
    }
}

/// The view that a replica's own VIEW-CHANGE asks for.
fn asked_view<M: crate::protocol::Message>(message: &M, me: ReplicaId) -> Option<View> {
    message.asks_for().filter(|(asker, _)| *asker == me).map(|(_, view)| view)
}
