//! `replay`: old messages, sent again among the current ones.

use std::collections::{BTreeMap, VecDeque};

use rand::RngExt as _;

use super::chance::Dice;
use super::forge::Forge;
use crate::protocol::Class;
use crate::replica::{Input, Output, PeerMessage};
use crate::types::Micros;

/// How often an old message is sent again. Not with each new one: two replicas that answer each other's old questions
/// with old questions would never come to an end.
pub(super) const PACE: Micros = Micros::from_millis(20);

/// How many messages of each name are kept; of bulky ones fewer.
const PER_NAME: usize = 32;
const BULKY_PER_NAME: usize = 4;

/// Messages to send again, by name, so that votes do not crowd out view changes: the replica's own, and those of others
/// that say the same whoever passes them on. At most [`PER_NAME`] of each name.
pub(super) struct Ring<M> {
    by_name: BTreeMap<&'static str, VecDeque<PeerMessage<M>>>,
}

impl<M> Default for Ring<M> {
    fn default() -> Self {
        Ring { by_name: BTreeMap::new() }
    }
}

impl<M: Forge> Ring<M> {
    /// Keeps what another replica or a client has sent, if anybody may pass it on.
    pub(super) fn overhear(&mut self, input: &Input<M>) {
        match input {
            Input::Peer(_, message) if may_be_relayed(message.get()) => self.keep(message.get()),
            Input::Client(submission) => self.keep(&PeerMessage::Forward(submission.get().clone())),
            _ => {}
        }
    }

    /// Keeps what the replica itself is about to send.
    pub(super) fn keep_all(&mut self, outputs: &[Output<M>]) {
        for output in outputs {
            if let Output::Send(_, message) = output {
                self.keep(message);
            }
        }
    }

    /// Keeps a message; the oldest of its name makes room.
    fn keep(&mut self, message: &PeerMessage<M>) {
        let room = if message.class() == Class::Bulk { BULKY_PER_NAME } else { PER_NAME };
        let kept = self.by_name.entry(message.name()).or_default();
        if kept.len() == room {
            kept.pop_front();
        }
        kept.push_back(message.clone());
    }

    /// One of the messages, each name being as likely as any other.
    pub(super) fn pick(&self, dice: &mut Dice) -> Option<PeerMessage<M>> {
        let names = self.by_name.len();
        let kept = self.by_name.values().nth(dice.random_range(0..names.max(1)))?;
        kept.get(dice.random_range(0..kept.len())).cloned()
    }
}

fn may_be_relayed<M: Forge>(message: &PeerMessage<M>) -> bool {
    match message {
        PeerMessage::Protocol(message) => message.may_be_relayed(),
        PeerMessage::Forward(_) | PeerMessage::Bodies(_) | PeerMessage::Proof(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;
    use crate::pbft::Message;
    use crate::types::SeqNum;

    #[test]
    fn each_name_has_its_places_and_its_turn() {
        let mut ring = Ring::default();
        ring.keep(&PeerMessage::FetchBodies(vec![]));
        let ask = |seq| PeerMessage::Protocol(Message::Ask { from: SeqNum(seq) });
        (0..1000).for_each(|seq| ring.keep(&ask(seq)));
        assert_eq!(ring.by_name.values().map(VecDeque::len).collect::<Vec<_>>(), [PER_NAME, 1]);
        let mut dice = Dice::seed_from_u64(1);
        let picked: Vec<_> = (0..400).filter_map(|_| ring.pick(&mut dice)).collect();
        let rare = picked.iter().filter(|message| message.name() == "fetch").count();
        assert!((150..250).contains(&rare), "votes do not crowd it out: {rare} of {}", picked.len());
        assert!(!picked.contains(&ask(0)) && picked.contains(&ask(999)), "the oldest make room");
        (0..10).for_each(|_| ring.keep(&PeerMessage::Bodies(vec![])));
        assert_eq!(ring.by_name["bodies"].len(), BULKY_PER_NAME);
    }
}
