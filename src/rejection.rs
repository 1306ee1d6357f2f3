//! Why a peer's message was refused. A refusal is counted and shown, and never a panic.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::types::{ReplicaId, SeqNum, View};

/// Why a message was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error, Serialize, Deserialize)]
pub enum Rejection {
    /// The bytes are longer than anything this link carries.
    #[error("message of {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// How long the message is or claims to be.
        bytes: u64,
        /// How long it may be.
        limit: u64,
    },
    /// The bytes do not decode, or do not encode back to themselves.
    #[error("not canonical bytes")]
    NotCanonical,
    /// A signature does not verify under the roster's key of its claimed author.
    #[error("bad signature")]
    BadSignature,
    /// The claimed sender is not the TLS peer that sent the message (rule 3).
    #[error("sent in the name of {claimed}")]
    NotTheSender {
        /// Whom the message names as its sender.
        claimed: ReplicaId,
    },
    /// A replica or client that is not in the roster.
    #[error("not in the roster")]
    NotAMember,
    /// A certificate is short of a quorum, repeats a signer, or counts somebody who has no vote there.
    #[error("bad certificate: {0}")]
    BadCertificate(CertificateFault),
    /// A PREPARE by the primary, whose pre-prepare is its prepare (rule 2).
    #[error("prepare from the primary")]
    PrepareFromPrimary,
    /// A proposal or new view by a replica that does not lead the view.
    #[error("not the primary of view {0}")]
    NotThePrimary(View),
    /// A batch with too many entries, or one that names a submission twice.
    #[error("malformed batch")]
    MalformedBatch,
    /// A slot at or below the stable checkpoint: it is settled.
    #[error("slot {0} is settled already")]
    BehindWindow(SeqNum),
    /// A slot less than a window above the high watermark: the others have moved on, and this replica will follow.
    #[error("slot {0} is ahead of the window")]
    AheadOfWindow(SeqNum),
    /// A sequence number outside the watermarks (rule 6).
    #[error("slot {0} is outside the watermarks")]
    OutsideWatermarks(SeqNum),
    /// A message of a view that this replica is not in.
    #[error("view {0} is not the current one")]
    WrongView(View),
    /// The replica has asked for another view and votes no more in this one (rule 15).
    #[error("voting in view {0} is over here")]
    Complaining(View),
    /// A second, different statement where only one is allowed: kept as evidence, never counted (rules 1, 7, 22).
    #[error("conflicts with an earlier statement of {0}")]
    Conflicting(ReplicaId),
    /// A NEW-VIEW whose set O does not follow from its VIEW-CHANGEs (rule 12).
    #[error("new view {0} does not follow from its view changes")]
    UnjustifiedNewView(View),
    /// A state part that does not hash to what the certificate demands (rule 28).
    #[error("state part does not match the certificate")]
    WrongStatePart,
    /// Evidence that proves nothing.
    #[error("proof does not hold")]
    BadProof,
    /// Nothing of this kind was asked for.
    #[error("unasked for")]
    Unsolicited,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error, Serialize, Deserialize)]
pub enum CertificateFault {
    /// Fewer signatures than a quorum needs.
    #[error("too few signatures")]
    TooFew,
    /// Signers are not in strictly ascending order, so one might count twice.
    #[error("signers out of order")]
    Unordered,
    /// A signer has no vote in this certificate.
    #[error("signer has no vote")]
    NoVote,
    /// The certificate speaks of another view, slot or digest than its place demands.
    #[error("wrong slot")]
    WrongSlot,
    /// It speaks of more slots than the window has.
    #[error("more slots than the window has")]
    TooMany,
}

impl Rejection {
    /// Whether an honest peer's message may be refused for this, because it came too early or too late.
    pub fn is_a_matter_of_time(&self) -> bool {
        matches!(
            self,
            Rejection::WrongView(_)
                | Rejection::Complaining(_)
                | Rejection::BehindWindow(_)
                | Rejection::AheadOfWindow(_)
                | Rejection::Unsolicited
        )
    }
}

impl From<CertificateFault> for Rejection {
    fn from(fault: CertificateFault) -> Self {
        Rejection::BadCertificate(fault)
    }
}
