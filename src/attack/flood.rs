//! `flood`: made-up messages to everyone, so many a second.

use rand::RngExt as _;

use super::chance::Dice;
use super::forge::Forge;
use super::voice::Voice;
use crate::crypto::Signed;
use crate::protocol::{Checkpoint, Recipients, Status};
use crate::replica::{Output, PeerMessage, StateRequest};
use crate::types::{Digest, Micros, SeqNum};

/// How often a flood rises.
pub(super) const PACE: Micros = Micros::from_millis(10);

/// How many of the messages are due with the `number`th wave, counted from 0: whole messages, and none is forgotten.
pub(super) fn due(messages_per_s: u32, number: u64) -> u64 {
    let until = |waves: u64| u128::from(waves) * u128::from(PACE.0) * u128::from(messages_per_s) / 1_000_000;
    (until(number + 1) - until(number)) as u64
}

impl Voice {
    /// One message that looks like a replica's and helps nobody, for everyone.
    pub(super) fn make_up<M: Forge>(&self, status: &Status, dice: &mut Dice) -> Output<M> {
        let seq = SeqNum(status.executed.0.saturating_add(dice.random_range(0..1000)));
        let mut message = match dice.random_range(0..8) {
            0 => {
                let checkpoint = Checkpoint { seq, digest: Digest(dice.random()), replica: self.me };
                PeerMessage::Checkpoint(Signed::unsigned(checkpoint))
            }
            1 => PeerMessage::FetchBodies((0..dice.random_range(1..64)).map(|_| Digest(dice.random())).collect()),
            2 => PeerMessage::StateRequest(match dice.random_bool(0.5) {
                true => {
                    StateRequest::Nodes { seq: status.stable, level: 1, nodes: (0..dice.random_range(1..64)).collect() }
                }
                false => StateRequest::Leaves { seq, leaves: (0..dice.random_range(1..128)).collect() },
            }),
            _ => PeerMessage::Protocol(M::make_up(self.me, self.committee, status, dice)),
        };
        message.fill_signatures(&self.signer);
        Output::Send(Recipients::All, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_has_its_rate_whatever_the_rate() {
        for rate in [1, 7, 99, 100, 101, 1000, 99_999, 100_000] {
            let waves = 1_000_000 / PACE.0;
            for second in [0, 5] {
                let sent: u64 = (second * waves..(second + 1) * waves).map(|wave| due(rate, wave)).sum();
                assert_eq!(sent, u64::from(rate));
            }
        }
        assert!((0..1000).all(|wave| due(150, wave) <= 2), "evenly");
    }
}
