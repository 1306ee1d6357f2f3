//! Chance that repeats itself: what is decided about a message is a function of the replica's seed and of what the
//! message is about, so that a retransmission meets the same fate.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::protocol::Message;
use crate::replica::{Output, PeerMessage, Reply, StatePart, Submission};
use crate::types::{Digest, SeqNum, View};

/// Dice that always fall the same way for the same subject.
pub(super) type Dice = ChaCha8Rng;

/// What a message is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    /// In which view, where that means something.
    pub(super) view: Option<View>,
    place: Place,
    /// The message's name.
    pub(super) name: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Slot(SeqNum),
    /// Something else that has a number.
    Other(u64),
}

impl Subject {
    /// What an output is about; `None` for what is about its own moment only, such as a status report.
    pub(super) fn of<M: Message>(output: &Output<M>) -> Option<Subject> {
        let (view, place, name) = match output {
            Output::Send(_, PeerMessage::Protocol(message)) => return Subject::of_protocol(message),
            Output::Send(_, PeerMessage::Checkpoint(signed)) => (None, Place::Slot(signed.body.seq), "checkpoint"),
            Output::Send(_, PeerMessage::StatePart(part)) => {
                let seq = match part {
                    StatePart::Nodes { seq, .. } | StatePart::Leaves { seq, .. } => *seq,
                    StatePart::Newer(certificate) => certificate.seq(),
                };
                (None, Place::Slot(seq), "state-part")
            }
            Output::Reply(_, Reply { submission, .. }) => (None, Place::Other(number_of(*submission)), "reply"),
            _ => return None,
        };
        Some(Subject { view, place, name })
    }

    /// What a protocol's message is about; `None` if it is about no slot.
    pub(super) fn of_protocol<M: Message>(message: &M) -> Option<Subject> {
        let (view, seq) = message.slot()?;
        Some(Subject { view: Some(view), place: Place::Slot(seq), name: message.name() })
    }

    /// What a submission is about.
    pub(super) fn of_submission(submission: &Submission) -> Subject {
        Subject { view: None, place: Place::Other(number_of(submission.digest())), name: "request" }
    }

    /// What the replica does of its own accord for the `number`th time.
    pub(super) fn of_own_accord(number: u64) -> Subject {
        Subject { view: None, place: Place::Other(number), name: "of its own accord" }
    }

    /// The slot, if it is about one.
    pub(super) fn seq(&self) -> Option<SeqNum> {
        match self.place {
            Place::Slot(seq) => Some(seq),
            Place::Other(_) => None,
        }
    }

    /// A number below 1000.
    pub(super) fn draw(&self, seed: u64, attack: &str) -> u16 {
        let drawn = self.digest("chance", seed, attack, &[]);
        u16::from_le_bytes([drawn.0[0], drawn.0[1]]) % 1000
    }

    /// Dice for what an attack does about this; `salt` tells several throws about it apart.
    pub(super) fn dice(&self, seed: u64, attack: &str, salt: u64) -> Dice {
        ChaCha8Rng::from_seed(self.digest("dice", seed, attack, &[&salt.to_le_bytes()]).0)
    }

    fn digest(&self, domain: &str, seed: u64, attack: &str, salt: &[&[u8]]) -> Digest {
        let (Place::Slot(SeqNum(place)) | Place::Other(place)) = self.place;
        let numbers = [seed, self.view.unwrap_or_default().0, place].map(u64::to_le_bytes).concat();
        let parts = [&[&numbers, self.name.as_bytes(), attack.as_bytes()], salt].concat();
        Digest::of(domain, &parts)
    }
}

fn number_of(digest: Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = digest.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    #[test]
    fn the_same_throw_about_the_same_thing_falls_the_same_way() {
        let subject = |view, seq, name| Subject { view: Some(View(view)), place: Place::Slot(SeqNum(seq)), name };
        let throw = |subject: Subject, seed, attack, salt| subject.dice(seed, attack, salt).random::<u64>();
        let first = throw(subject(1, 2, "commit"), 3, "mutate", 4);
        assert_eq!(first, throw(subject(1, 2, "commit"), 3, "mutate", 4));
        for (other, seed, attack, salt) in [
            (subject(2, 2, "commit"), 3, "mutate", 4),
            (subject(1, 3, "commit"), 3, "mutate", 4),
            (subject(1, 2, "prepare"), 3, "mutate", 4),
            (subject(1, 2, "commit"), 4, "mutate", 4),
            (subject(1, 2, "commit"), 3, "lie-state", 4),
            (subject(1, 2, "commit"), 3, "mutate", 5),
        ] {
            assert_ne!(first, throw(other, seed, attack, salt), "{other:?} {seed} {attack} {salt}");
        }
    }
}
