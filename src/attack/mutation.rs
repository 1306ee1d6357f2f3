//! `mutate`: small changes to some messages for some of those who get them.

use std::collections::BTreeMap;

use rand::RngExt as _;

use super::chance::Subject;
use super::forge::{Forge, Shift};
use super::voice::Voice;
use crate::crypto::Signed;
use crate::protocol::Checkpoint;
use crate::replica::{Output, PeerMessage};
use crate::types::SeqNum;

/// How many slots' messages are remembered of each kind.
const MAX_EARLIER: usize = 64;

/// What was sent about earlier slots, by name and slot: where stale digests come from. At most [`MAX_EARLIER`] of each
/// name.
pub(super) struct Earlier<M> {
    by_name: BTreeMap<&'static str, BTreeMap<SeqNum, PeerMessage<M>>>,
}

impl<M> Default for Earlier<M> {
    fn default() -> Self {
        Earlier { by_name: BTreeMap::new() }
    }
}

impl<M: Forge> Earlier<M> {
    /// Remembers what is about to be sent.
    pub(super) fn remember(&mut self, subject: &Subject, output: &Output<M>) {
        let (Some(seq), Output::Send(_, message)) = (subject.seq(), output) else { return };
        let by_slot = self.by_name.entry(subject.name).or_default();
        by_slot.entry(seq).or_insert_with(|| message.clone());
        if by_slot.len() > MAX_EARLIER {
            by_slot.pop_first();
        }
    }

    /// What was said about the slot before, or the last one before that.
    fn before(&self, subject: &Subject) -> Option<&PeerMessage<M>> {
        let by_slot = self.by_name.get(subject.name)?;
        by_slot.range(..subject.seq()?).next_back().map(|(_, message)| message)
    }
}

impl Voice {
    /// Each recipient gets the message, or with this probability one that differs in one field.
    pub(super) fn mutate<M: Forge>(
        &self,
        outputs: Vec<Output<M>>,
        per_mille: u16,
        subject: &Subject,
        earlier: &Earlier<M>,
    ) -> Vec<Output<M>> {
        self.tell(outputs, |message, hearer| {
            let mut dice = self.dice_for("mutate", subject, hearer.0);
            if dice.random_range(0..1000) >= per_mille {
                return None;
            }
            let shift = match dice.random_range(0..5) {
                0 => Shift::NextView,
                1 => Shift::PreviousView,
                2 => Shift::NextSlot,
                3 => Shift::PreviousSlot,
                _ => return with_content_of(message, earlier.before(subject)?).map(|message| vec![message]),
            };
            shifted(message, shift).map(|message| vec![message])
        })
    }
}

fn shifted<M: Forge>(message: &PeerMessage<M>, shift: Shift) -> Option<PeerMessage<M>> {
    match (message, shift) {
        (PeerMessage::Protocol(message), shift) => message.shifted(shift).map(PeerMessage::Protocol),
        (PeerMessage::Checkpoint(Signed { body, .. }), Shift::NextSlot | Shift::PreviousSlot) => {
            let seq = if shift == Shift::NextSlot { body.seq.next() } else { body.seq.previous() };
            Some(PeerMessage::Checkpoint(Signed::unsigned(Checkpoint { seq, ..*body })))
        }
        _ => None,
    }
}

fn with_content_of<M: Forge>(message: &PeerMessage<M>, earlier: &PeerMessage<M>) -> Option<PeerMessage<M>> {
    match (message, earlier) {
        (PeerMessage::Protocol(message), PeerMessage::Protocol(earlier)) => {
            message.with_content_of(earlier).map(PeerMessage::Protocol)
        }
        (PeerMessage::Checkpoint(Signed { body, .. }), PeerMessage::Checkpoint(earlier)) => {
            Some(PeerMessage::Checkpoint(Signed::unsigned(Checkpoint { digest: earlier.body.digest, ..*body })))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbft::Message;
    use crate::protocol::Recipients;
    use crate::types::{Digest, ReplicaId, View};
    use crate::views::message::Commit;

    #[test]
    fn the_slot_before_is_remembered_and_not_for_ever() {
        let mut earlier = Earlier::default();
        let commit = |seq| {
            let body = Commit { view: View(0), seq: SeqNum(seq), digest: Digest::ZERO, replica: ReplicaId(0) };
            PeerMessage::Protocol(Message::Commit(Signed::unsigned(body)))
        };
        let output = |seq| Output::Send(Recipients::All, commit(seq));
        let subject = |seq| Subject::of(&output(seq)).expect("it has a slot");
        (1..=1000).for_each(|seq| earlier.remember(&subject(seq), &output(seq)));
        assert_eq!(earlier.by_name["commit"].len(), MAX_EARLIER);
        assert_eq!(earlier.before(&subject(1000)), Some(&commit(999)));
        assert_eq!(earlier.before(&subject(5)), None);
    }
}
