//! Rules 11, 12 and 14: a view begins with the requests of a quorum, each within its window, and those of honest replicas are
//! what these have said.

use std::collections::BTreeSet;

use super::{Checker, Scene};
use crate::attack::Forge;
use crate::committee::Committee;
use crate::protocol::{Event, Message as _, Protocol, ViewChangeRecord};
use crate::replica::{Output, PeerMessage};
use crate::types::{ReplicaId, ReplicaSet, SeqNum, View};

/// What honest replicas have asked for.
pub(super) struct Beginning {
    /// How often it had something to look at.
    looks: u64,
    committee: Committee,
    byzantine: ReplicaSet,
    window_slots: u64,
    asked: BTreeSet<ViewChangeRecord>,
}

impl Beginning {
    pub(super) fn new(committee: Committee, byzantine: ReplicaSet, window_slots: u64) -> Beginning {
        Beginning { looks: 0, committee, byzantine, window_slots, asked: BTreeSet::new() }
    }

    fn check(&self, view: View, shown: &[ViewChangeRecord]) -> Result<(), String> {
        let by: BTreeSet<ReplicaId> = shown.iter().map(|record| record.replica).collect();
        if by.len() < self.committee.quorum() || by.len() < shown.len() {
            return Err(format!("with {} requests of {} replicas", shown.len(), by.len()));
        }
        for record in shown {
            let ViewChangeRecord { replica, stable, slots, .. } = record;
            let window = stable.next()..=stable.plus(self.window_slots);
            if let Some((seq, _)) = slots.iter().find(|(seq, _)| !window.contains(seq)) {
                return Err(format!("though {replica} shows slot {seq}, beyond the window of its checkpoint {stable}"));
            }
            if record.view != view {
                return Err(format!("with a request of {replica} for view {}", record.view));
            }
            if !self.byzantine.contains(*replica) && !self.asked.contains(record) {
                return Err(format!("with a request that {replica} never made"));
            }
        }
        Ok(())
    }
}

impl<P: Protocol> Checker<P> for Beginning
where
    P::Message: Forge,
{
    fn name(&self) -> &'static str {
        "views begin on request"
    }

    fn exercised(&self) -> u64 {
        self.looks
    }

    fn after(&mut self, scene: &Scene<'_, P>) -> Result<(), String> {
        if !scene.is_honest {
            return Ok(());
        }
        let entered = scene.outputs.iter().find_map(|output| match output {
            Output::Note(Event::ViewEntered { view, .. }) => Some(*view),
            _ => None,
        });
        for parcel in scene.said {
            let PeerMessage::Protocol(message) = parcel.message() else { continue };
            // A primary that was killed before its own request left may show it in its NEW-VIEW for the first time.
            let own = message.view_changes().into_iter().filter(|record| record.replica == scene.replica);
            self.asked.extend(own);
        }
        let Some(view) = entered else { return Ok(()) };
        let begins = |message: &P::Message| message.asks_for().is_none() && message.slot() == Some((view, SeqNum(0)));
        let own = scene.said.iter().map(|parcel| parcel.message());
        let mut heard =
            scene.heard().into_iter().map(|parcel| parcel.message()).chain(own).filter_map(|message| match message {
                PeerMessage::Protocol(message) => {
                    Some(message.view_changes()).filter(|all| begins(message) && !all.is_empty())
                }
                _ => None,
            });
        match heard.next() {
            Some(shown) => {
                self.looks += 1;
                self.check(view, &shown).map_err(|how| format!("{} enters view {view} {how}", scene.replica))
            }
            // A process about to end reports several events as one.
            None => Ok(()),
        }
    }
}
