//! A quorum's signatures over one statement: what lets a replica believe others it does not trust.

use serde::{Deserialize, Serialize};

use super::Claim;
use crate::crypto::{Kind, Signature, Statement, Verifier};
use crate::rejection::{CertificateFault, Rejection};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};
use crate::wire;

/// Signatures of distinct replicas over one (kind, view, seq, digest).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Certificate {
    /// What was said.
    pub kind: Kind,
    /// In which view.
    pub view: View,
    /// About which slot.
    pub seq: SeqNum,
    /// About which content.
    pub digest: Digest,
    /// By whom, in strictly ascending order.
    #[serde(deserialize_with = "wire::at_most::<_, _, 128>")]
    pub signatures: Vec<(ReplicaId, Signature)>,
}

impl Certificate {
    /// Who signed.
    pub fn signers(&self) -> ReplicaSet {
        self.signatures.iter().map(|(signer, _)| *signer).collect()
    }

    /// What each of its signers said: a vote that travels in a certificate is a vote.
    pub fn claims(&self) -> impl Iterator<Item = Claim> + '_ {
        self.signatures.iter().map(|(signer, signature)| {
            let statement = Statement::by_replica(self.kind, self.view, self.seq, self.digest, *signer);
            Claim { statement, signature: *signature, batch: None }
        })
    }

    /// Checks that `needed` or more distinct replicas signed, `without` not among them.
    ///
    /// # Errors
    ///
    /// [`CertificateFault`] for the shape, [`Rejection::BadSignature`] for any one signature that does not verify: one
    /// bad signature rejects it all.
    pub fn check(&self, needed: usize, without: Option<ReplicaId>, verifier: &Verifier) -> Result<(), Rejection> {
        if self.signatures.len() < needed {
            return Err(CertificateFault::TooFew.into());
        }
        if !self.signatures.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(CertificateFault::Unordered.into());
        }
        if self.signatures.iter().any(|(signer, _)| Some(*signer) == without) {
            return Err(CertificateFault::NoVote.into());
        }
        self.signatures.iter().try_for_each(|(signer, signature)| {
            verifier.verify(&Statement::by_replica(self.kind, self.view, self.seq, self.digest, *signer), signature)
        })
    }
}
