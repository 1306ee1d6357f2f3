//! What a Byzantine replica speaks with: its name, its key, and whom it speaks to.

use super::Attack;
use super::chance::{Dice, Subject};
use crate::committee::Committee;
use crate::crypto::Signer;
use crate::protocol::{Event, Message, Recipients, Tampering};
use crate::replica::{Output, PeerMessage};
use crate::types::{ReplicaId, ReplicaSet};

/// One replica's own key, and no other's.
pub(super) struct Voice {
    pub(super) me: ReplicaId,
    pub(super) committee: Committee,
    pub(super) signer: Signer,
    /// Feeds what is left to chance.
    pub(super) seed: u64,
}

impl Voice {
    fn recipients(&self, to: Recipients) -> Vec<ReplicaId> {
        match to {
            Recipients::All => self.committee.others(self.me).collect(),
            Recipients::One(replica) => vec![replica],
        }
    }

    /// Tells each recipient of a message what `story` has for it instead: several messages, one or none; `None` is the
    /// message itself. What is blank in a story is signed.
    pub(super) fn tell<M: Message>(
        &self,
        outputs: Vec<Output<M>>,
        mut story: impl FnMut(&PeerMessage<M>, ReplicaId) -> Option<Vec<PeerMessage<M>>>,
    ) -> Vec<Output<M>> {
        let mut told = Vec::new();
        for output in outputs {
            let Output::Send(to, message) = &output else {
                told.push(output);
                continue;
            };
            let stories: Vec<_> =
                self.recipients(*to).into_iter().map(|hearer| (hearer, story(message, hearer))).collect();
            if stories.iter().all(|(_, story)| story.is_none()) {
                told.push(output);
                continue;
            }
            for (hearer, story) in stories {
                for mut told_instead in story.unwrap_or_else(|| vec![message.clone()]) {
                    told_instead.fill_signatures(&self.signer);
                    told.push(Output::Send(Recipients::One(hearer), told_instead));
                }
            }
        }
        told
    }

    /// Notes of what an attack does to which messages; `is_meant` by the message and its hearer.
    pub(super) fn tampered<M: Message>(
        &self,
        outputs: &[Output<M>],
        attack: &Attack,
        how: Tampering,
        is_meant: impl Fn(&PeerMessage<M>, ReplicaId) -> bool,
    ) -> Vec<Output<M>> {
        let note = |output: &Output<M>| {
            let Output::Send(to, message) = output else { return None };
            let (name, topic) = message.heading().map(|heading| (heading.name, heading.topic))?;
            let hearers: ReplicaSet =
                self.recipients(*to).into_iter().filter(|hearer| is_meant(message, *hearer)).collect();
            let (message, by) = (name.to_string(), attack.name().to_string());
            let event = Event::Tampered { message, topic, hearers, how, by };
            (!hearers.is_empty()).then_some(Output::Note(event))
        };
        outputs.iter().filter_map(note).collect()
    }

    /// Notes of what turned into something else.
    pub(super) fn altered<M: Message>(
        &self,
        before: &[Output<M>],
        after: &[Output<M>],
        attack: &Attack,
    ) -> Vec<Output<M>> {
        let is_left = |message: &PeerMessage<M>, hearer| {
            after.iter().any(|output| match output {
                Output::Send(Recipients::All, other) => other == message,
                Output::Send(Recipients::One(to), other) => *to == hearer && other == message,
                _ => false,
            })
        };
        self.tampered(before, attack, Tampering::Altered, |message, hearer| !is_left(message, hearer))
    }

    /// Dice for what an attack does about a subject, the same for all.
    pub(super) fn dice(&self, attack: &str, subject: &Subject) -> Dice {
        subject.dice(self.seed, attack, 0)
    }

    /// Dice for what an attack does about a subject toward one hearer, or toward one group of them.
    pub(super) fn dice_for(&self, attack: &str, subject: &Subject, hearer: u8) -> Dice {
        subject.dice(self.seed, attack, 1 + u64::from(hearer))
    }
}
