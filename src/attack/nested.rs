//! `forge-nested`: what stands within its messages is forged, and messages are made up around forged parts.
//!
//! The messages themselves bear the sender's true signature: a recipient that looks no further believes them.

use rand::RngExt as _;

use super::chance::Subject;
use super::forge::Forge;
use super::voice::Voice;
use crate::crypto::{Kind, Signature, Statement};
use crate::evidence::Proof;
use crate::protocol::{CheckpointCertificate, Claim, Recipients, Status};
use crate::replica::{Output, PeerMessage, StatePart};
use crate::types::{Digest, Micros, ReplicaId, SeqNum};

/// How often a message is made up.
pub(super) const PACE: Micros = Micros::from_millis(200);

/// What it is called as a name for dice.
const NAME: &str = "forge-nested";

impl Voice {
    /// Three of four messages with something nested in them have that forged; all recipients get the same. An answer is
    /// about no slot of its own: it is forged in the way that its asker's position decides.
    pub(super) fn forge_nested<M: Forge>(
        &self,
        outputs: Vec<Output<M>>,
        subject: Option<&Subject>,
        status: &Status,
    ) -> Vec<Output<M>> {
        let subject = subject.copied().unwrap_or(Subject::of_own_accord(status.executed.0));
        let forge = |message: &PeerMessage<M>| {
            let mut dice = self.dice(NAME, &subject);
            if dice.random_bool(0.25) {
                return None;
            }
            match message {
                PeerMessage::Protocol(message) => {
                    message.forge_nested(self.committee, status, &mut dice, &self.signer).map(PeerMessage::Protocol)
                }
                PeerMessage::StatePart(StatePart::Newer(certificate)) => {
                    let seq = certificate.seq().plus(dice.random_range(1..64));
                    Some(PeerMessage::StatePart(StatePart::Newer(self.no_checkpoint(seq))))
                }
                _ => None,
            }
        };
        let forged = outputs.into_iter().map(|output| match output {
            Output::Send(to, message) => {
                let mut message = forge(&message).unwrap_or(message);
                message.fill_signatures(&self.signer);
                Output::Send(to, message)
            }
            other => other,
        });
        forged.collect()
    }

    /// A proof against somebody, or a message of the protocol around something forged, for everyone.
    pub(super) fn make_up_nested<M: Forge>(&self, status: &Status, subject: &Subject) -> Vec<Output<M>> {
        let mut dice = self.dice(NAME, subject);
        let mut message = match dice.random_range(0..5) {
            0 => {
                let others: Vec<ReplicaId> = self.committee.others(self.me).collect();
                if others.is_empty() {
                    return Vec::new();
                }
                let accused = match status.leader {
                    leader if leader != self.me => leader,
                    _ => others[dice.random_range(0..others.len())],
                };
                PeerMessage::Proof(Box::new(frame(accused, status)))
            }
            _ => PeerMessage::Protocol(M::make_up_nested(self.me, self.committee, status, &mut dice, &self.signer)),
        };
        message.fill_signatures(&self.signer);
        vec![Output::Send(Recipients::All, message)]
    }

    /// The certificate of a state that nobody has.
    fn no_checkpoint(&self, seq: SeqNum) -> CheckpointCertificate {
        let signers = self.committee.members().take(self.committee.quorum());
        let signatures = signers.map(|signer| (signer, Signature::from([7; 64]))).collect();
        CheckpointCertificate::new(seq, Digest::of("no state", &[&seq.0.to_le_bytes()]), signatures)
    }
}

/// Two proposals for the next slot that its primary never made.
fn frame<M>(accused: ReplicaId, status: &Status) -> Proof<M> {
    let claim = |digest| Claim {
        statement: Statement::by_replica(Kind::PrePrepare, status.view, status.executed.next(), digest, accused),
        signature: Signature::from([7; 64]),
        batch: None,
    };
    Proof::Contradiction(claim(Digest::ZERO), claim(Digest([7; 32])))
}
