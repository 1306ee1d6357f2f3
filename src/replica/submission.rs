//! What clients send and get.

use serde::{Deserialize, Serialize};

use crate::crypto::{Author, Check, Kind, Signable, Signed, Statement, Verifier};
use crate::rejection::Rejection;
use crate::types::{Digest, SeqNum, Session, Timestamp, View};
use crate::wire::MAX_SUBMISSION_BYTES;

/// One or more operations under one signature. The application alone knows what the operations are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Submission {
    /// Which session of which client.
    pub session: Session,
    /// The session's clock; a session has one submission outstanding, and the clock only grows.
    pub timestamp: Timestamp,
    /// The operations, encoded by the application.
    #[serde(with = "serde_bytes")]
    pub operations: Vec<u8>,
}

impl Submission {
    /// The digest that batches name and replies answer.
    pub fn digest(&self) -> Digest {
        let Session { client, index } = self.session;
        let (client, index, clock) = (client.0.to_le_bytes(), index.to_le_bytes(), self.timestamp.0.to_le_bytes());
        Digest::of("submission", &[&client, &index, &clock, &self.operations])
    }
}

impl Signable for Submission {
    fn statement(&self) -> Statement {
        Statement {
            kind: Kind::Submission,
            view: View(0),
            seq: SeqNum(0),
            digest: self.digest(),
            author: Author::Client(self.session.client),
        }
    }
}

impl Check for Signed<Submission> {
    /// Anyone may pass a submission on: it carries its author's signature. A client sends its own only.
    fn check(&self, sender: Author, verifier: &Verifier) -> Result<(), Rejection> {
        if matches!(sender, Author::Client(client) if client != self.body.session.client)
            || self.body.session.index >= Session::PER_CLIENT
        {
            return Err(Rejection::NotAMember);
        }
        let bytes = self.body.operations.len();
        if bytes > MAX_SUBMISSION_BYTES || self.body.timestamp == Timestamp(0) {
            return Err(Rejection::TooLarge { bytes: bytes as u64, limit: MAX_SUBMISSION_BYTES as u64 });
        }
        self.verify(verifier)
    }
}

/// A replica's answer. It names no view and no replica: the same submission gets the same bytes from every honest
/// replica, and the TLS peer says who answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// Whose submission.
    pub session: Session,
    /// The submission's clock.
    pub timestamp: Timestamp,
    /// The submission's digest: binds the answer to what was asked.
    pub submission: Digest,
    /// What came of it.
    pub outcome: ReplyOutcome,
}

impl Reply {
    /// Nothing was done, since there is no room.
    pub(super) fn busy(session: Session, timestamp: Timestamp, submission: Digest) -> Reply {
        Reply { session, timestamp, submission, outcome: ReplyOutcome::Busy }
    }
}

/// What came of a submission.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ReplyOutcome {
    /// It was executed; the application's results. Counts at f+1 equal ones (rule 25).
    Executed(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The replica's pool is full; nothing was done. Try again later.
    Busy,
    /// Something with this newer clock of the same session was executed before, so this never will be. Sign it anew with a
    /// newer one.
    Old(Timestamp),
}
