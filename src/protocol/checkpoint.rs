//! Checkpoints: signed state digests, and the proof that a quorum has the same state (Castro & Liskov, OSDI '99, §4.3).

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::{Claim, check_sender};
use crate::crypto::{Author, Check, Kind, Signable, Signed, Statement, Verifier};
use crate::rejection::{CertificateFault, Rejection};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};

/// A replica's state after a slot: application, client table and slot number are under the digest (rule 27).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// After which slot.
    pub seq: SeqNum,
    /// The state's digest.
    pub digest: Digest,
    /// Whose state.
    pub replica: ReplicaId,
}

impl Signable for Checkpoint {
    fn statement(&self) -> Statement {
        Statement::by_replica(Kind::Checkpoint, View(0), self.seq, self.digest, self.replica)
    }
}

impl Check for Signed<Checkpoint> {
    fn check(&self, sender: Author, verifier: &Verifier) -> Result<(), Rejection> {
        check_sender(self.body.replica, sender)?;
        self.verify(verifier)
    }
}

/// q signatures over one checkpoint: the state at that slot is stable. Slot 0 needs none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckpointCertificate(Certificate);

impl CheckpointCertificate {
    /// The certificate of the state before anything was executed.
    pub fn genesis() -> CheckpointCertificate {
        CheckpointCertificate::new(SeqNum(0), Digest::ZERO, Vec::new())
    }

    /// A certificate from collected signatures, which are put in order.
    pub fn new(
        seq: SeqNum,
        digest: Digest,
        mut signatures: Vec<(ReplicaId, crate::crypto::Signature)>,
    ) -> CheckpointCertificate {
        signatures.sort_unstable_by_key(|(signer, _)| *signer);
        CheckpointCertificate(Certificate { kind: Kind::Checkpoint, view: View(0), seq, digest, signatures })
    }

    /// The slot after which the state is stable.
    pub fn seq(&self) -> SeqNum {
        self.0.seq
    }

    /// The state's digest.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Who has signed it.
    pub fn signers(&self) -> ReplicaSet {
        self.0.signers()
    }

    /// The signatures within.
    pub fn signatures_mut(&mut self) -> impl Iterator<Item = &mut crate::crypto::Signature> {
        self.0.signatures.iter_mut().map(|(_, signature)| signature)
    }

    /// What each of its signers said.
    pub fn claims(&self) -> impl Iterator<Item = Claim> + '_ {
        self.0.claims()
    }

    /// Checks that a quorum signed.
    ///
    /// # Errors
    ///
    /// As [`Certificate::check`].
    pub fn verify(&self, verifier: &Verifier) -> Result<(), Rejection> {
        if self.0.seq == SeqNum(0) {
            return if *self == Self::genesis() { Ok(()) } else { Err(CertificateFault::WrongSlot.into()) };
        }
        if self.0.kind != Kind::Checkpoint || self.0.view != View(0) {
            return Err(CertificateFault::WrongSlot.into());
        }
        self.0.check(verifier.committee().quorum(), None, verifier)
    }
}
