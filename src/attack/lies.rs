//! `lie-checkpoint`, `lie-state` and `lie-reply`: false words about the state.
//!
//! A false state and a false answer are the same from every liar, so that the lies of several add up as far as they ever
//! can.

use rand::RngExt as _;

use super::chance::{Dice, Subject};
use super::voice::Voice;
use crate::crypto::Signed;
use crate::protocol::{Checkpoint, Message};
use crate::replica::{Leaf, Output, PeerMessage, Reply, ReplyOutcome, StatePart};
use crate::types::{Digest, SeqNum};

impl Voice {
    /// A checkpoint has another state for all or for some, or goes with another one for a slot ahead.
    pub(super) fn lie_checkpoint<M: Message>(
        &self,
        outputs: Vec<Output<M>>,
        subject: &Subject,
        stable: SeqNum,
    ) -> Vec<Output<M>> {
        let form = self.dice("lie-checkpoint", subject).random_range(0..3);
        let lie = |seq: SeqNum| {
            let digest = Digest::of("no state", &[&seq.0.to_le_bytes()]);
            PeerMessage::Checkpoint(Signed::unsigned(Checkpoint { seq, digest, replica: self.me }))
        };
        self.tell(outputs, |message, hearer| {
            let PeerMessage::Checkpoint(Signed { body: Checkpoint { seq, .. }, .. }) = *message else { return None };
            match form {
                0 => Some(vec![lie(seq)]),
                1 => self.dice_for("lie-checkpoint", subject, hearer.0).random_bool(0.5).then(|| vec![lie(seq)]),
                // As far ahead as this one is of the last stable one: a multiple of the interval too.
                _ => Some(vec![message.clone(), lie(seq.plus(seq.0.saturating_sub(stable.0)))]),
            }
        })
    }

    /// A part of the state is altered, cut short, said to be another one, or does not come at all.
    pub(super) fn lie_state<M: Message>(&self, outputs: Vec<Output<M>>, subject: &Subject) -> Vec<Output<M>> {
        self.tell(outputs, |message, hearer| {
            let PeerMessage::StatePart(part) = message else { return None };
            let (level, first) = match part {
                StatePart::Nodes { level, nodes, .. } => (*level, nodes.first().map_or(0, |(index, _)| *index)),
                StatePart::Leaves { leaves, .. } => (0, leaves.first().map_or(0, |(index, _)| *index)),
                StatePart::Newer(_) => (u8::MAX, 0),
            };
            let salt = u64::from(level) << 40 | u64::from(hearer.0) << 32 | u64::from(first);
            let mut dice = subject.dice(self.seed, "lie-state", salt);
            Some(falsify(part.clone(), &mut dice).map(PeerMessage::StatePart).into_iter().collect())
        })
    }
}

/// Another part than the one that was asked for; `None` for silence. Nodes are true now and then: whoever has got
/// them from nobody asks for no leaf.
fn falsify(part: StatePart, dice: &mut Dice) -> Option<StatePart> {
    let form = dice.random_range(0..4);
    match part {
        StatePart::Nodes { .. } if dice.random_bool(0.5) => Some(part),
        _ if form == 3 => None,
        // A certificate can not be made up.
        StatePart::Newer(_) => Some(part),
        StatePart::Nodes { seq, level, mut nodes } => {
            match form {
                0 => falsify_one(&mut nodes, dice, |(_, children)| children[0].0[0] ^= 1),
                1 => nodes.truncate(nodes.len() / 2),
                _ => nodes.iter_mut().for_each(|(index, _)| *index += 1),
            }
            Some(StatePart::Nodes { seq, level, nodes })
        }
        StatePart::Leaves { seq, mut leaves } => {
            match form {
                0 => falsify_one(&mut leaves, dice, |(_, Leaf(bytes))| match bytes.last_mut() {
                    Some(last) => *last ^= 1,
                    None => bytes.push(0),
                }),
                1 => leaves.truncate(1),
                _ => leaves.iter_mut().for_each(|(index, _)| *index += 1),
            }
            Some(StatePart::Leaves { seq, leaves })
        }
    }
}

fn falsify_one<T>(list: &mut [T], dice: &mut Dice, falsify: impl Fn(&mut T)) {
    let at = dice.random_range(0..list.len().max(1));
    list.get_mut(at).into_iter().for_each(falsify);
}

/// An answer has another result, or is the answer to something else.
pub(super) fn lie_reply<M>(output: Output<M>) -> Output<M> {
    let Output::Reply(session, Reply { outcome: ReplyOutcome::Executed(mut result), timestamp, mut submission, .. }) =
        output
    else {
        return output;
    };
    if timestamp.0 % 4 == 0 {
        submission = Digest::of("no submission", &[&submission.0]);
    } else {
        match result.last_mut() {
            Some(last) => *last ^= 1,
            None => result.push(0),
        }
    }
    Output::Reply(session, Reply { session, timestamp, submission, outcome: ReplyOutcome::Executed(result) })
}
