//! `forge-view-change`, `forge-new-view` and `forge-certificate`: false reasons for a view, false beginnings of one, and
//! quorums that there never were.

use rand::RngExt as _;

use super::chance::Subject;
use super::forge::Forge;
use super::voice::Voice;
use crate::protocol::{Recipients, Status};
use crate::replica::{Input, Output, PeerMessage};
use crate::types::{Micros, ReplicaId, View};

/// How often a view is asked for without a reason.
pub(super) const PACE: Micros = Micros::from_millis(300);

/// Who hears which new view.
enum Plan {
    /// All the same.
    One,
    /// Each half another one.
    Two,
    /// One half a false one, the other the true one.
    Half,
}

/// The message of a peer, and what it is about: what a quorum may be made of.
pub(super) fn vote_in<M: Forge>(input: &Input<M>) -> Option<(&M, Subject)> {
    match input {
        Input::Peer(_, message) => match message.get() {
            PeerMessage::Protocol(vote) => Some((vote, Subject::of_protocol(vote)?)),
            _ => None,
        },
        _ => None,
    }
}

impl Voice {
    /// A certificate for everyone, made of one vote.
    pub(super) fn forge_certificate<M: Forge>(&self, vote: &M, subject: &Subject) -> Option<Output<M>> {
        let forged = vote.inflate(self.committee, &mut self.dice("forge-certificate", subject), &self.signer)?;
        Some(Output::Send(Recipients::All, PeerMessage::Protocol(forged)))
    }

    /// Whoever gets a view change gets a history of its own, true now and then.
    pub(super) fn forge_view_change<M: Forge>(&self, outputs: Vec<Output<M>>, subject: &Subject) -> Vec<Output<M>> {
        self.tell(outputs, |message, hearer| {
            let PeerMessage::Protocol(message) = message else { return None };
            let mut dice = self.dice_for("forge-view-change", subject, hearer.0);
            let forged = message.forge_view_change(self.committee, &mut dice, &self.signer);
            let forged = forged.filter(|_| dice.random_bool(0.8))?;
            Some(vec![PeerMessage::Protocol(forged)])
        })
    }

    /// Asks the others for views without a reason: for the next one, or one that nobody will see.
    pub(super) fn ask_for_views<M: Forge>(&self, status: &Status, subject: &Subject) -> Vec<Output<M>> {
        let mut asked = Vec::new();
        for hearer in self.committee.others(self.me) {
            let mut dice = self.dice_for("forge-view-change", subject, hearer.0);
            let view = match dice.random_range(0..4) {
                0 => View(1 << 63),
                1 => View(status.view.0.saturating_add(dice.random_range(2..10))),
                _ => status.view.next(),
            };
            let mut message = PeerMessage::Protocol(M::ask_for(self.me, view));
            message.fill_signatures(&self.signer);
            asked.push(Output::Send(Recipients::One(hearer), message));
        }
        asked
    }

    /// A view begins falsely, for all or for half of the others.
    pub(super) fn forge_new_view<M: Forge>(&self, outputs: Vec<Output<M>>, subject: &Subject) -> Vec<Output<M>> {
        let plan = match self.dice("forge-new-view", subject).random_range(0..3) {
            0 => Plan::One,
            1 => Plan::Two,
            _ => Plan::Half,
        };
        self.tell(outputs, |message, ReplicaId(hearer)| {
            let PeerMessage::Protocol(message) = message else { return None };
            let story = match (&plan, hearer % 2) {
                (Plan::One, _) => 0,
                (Plan::Two, half) => half,
                (Plan::Half, 0) => return None,
                (Plan::Half, half) => half,
            };
            let mut dice = self.dice_for("forge-new-view", subject, story);
            let forged = message.forge_new_view(self.committee, &mut dice, &self.signer)?;
            Some(vec![PeerMessage::Protocol(forged)])
        })
    }
}
