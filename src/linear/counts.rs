//! What the primary tells the others of its counts, and what decides a slot. Every replica checks the whole certificate:
//! one bad signature rejects it all.

use serde::{Deserialize, Serialize};

use crate::committee::Committee;
use crate::crypto::{Kind, Signature, Verifier};
use crate::protocol::{Certificate, Claim};
use crate::rejection::{CertificateFault, Rejection};
use crate::types::{Digest, ReplicaSet, SeqNum, View};
use crate::views::form;
use crate::views::message::PreparedCertificate;

/// What the primary counted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Count {
    /// A quorum has prepared the slot: who holds this may commit.
    Prepared(PreparedCertificate),
    /// The slot is decided.
    Decided(Decision),
}

/// What decides a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Decision {
    /// The fast path: the primary's header and the PREPAREs of all backups.
    Fast(PreparedCertificate),
    /// The COMMITs of a quorum.
    Committed(Certificate),
}

impl Decision {
    fn certificate(&self) -> &Certificate {
        match self {
            Decision::Fast(prepared) => &prepared.prepares,
            Decision::Committed(commits) => commits,
        }
    }
}

impl form::Decision for Decision {
    fn view(&self) -> View {
        self.certificate().view
    }

    fn seq(&self) -> SeqNum {
        self.certificate().seq
    }

    fn digest(&self) -> Digest {
        self.certificate().digest
    }

    fn voters(&self) -> ReplicaSet {
        self.certificate().signers()
    }

    fn is_fast(&self) -> bool {
        matches!(self, Decision::Fast(_))
    }

    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        match self {
            Decision::Fast(prepared) => prepared.check(verifier.committee().size(), verifier),
            Decision::Committed(commits) if commits.kind != Kind::Commit => Err(CertificateFault::WrongSlot.into()),
            Decision::Committed(commits) => commits.check(verifier.committee().quorum(), None, verifier),
        }
    }
}

impl form::Evidence for Decision {
    fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        match self {
            Decision::Fast(prepared) => prepared.signatures_mut(),
            Decision::Committed(commits) => commits.signatures.iter_mut().map(|(_, signature)| signature).collect(),
        }
    }

    fn claims(&self, committee: Committee) -> Vec<Claim> {
        match self {
            Decision::Fast(prepared) => prepared.claims(committee).collect(),
            Decision::Committed(commits) => commits.claims().collect(),
        }
    }
}

impl form::Count for Count {
    fn topic(&self) -> (View, SeqNum, Digest) {
        let Certificate { view, seq, digest, .. } = match self {
            Count::Prepared(prepared) => &prepared.prepares,
            Count::Decided(decision) => decision.certificate(),
        };
        (*view, *seq, *digest)
    }

    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        match self {
            Count::Prepared(prepared) => prepared.check(verifier.committee().quorum(), verifier),
            Count::Decided(decision) => form::Decision::check(decision, verifier),
        }
    }
}

/// The header in it is what makes an equivocation provable, and so are its votes: backups hear each other's votes in
/// certificates only (rule 5).
impl form::Evidence for Count {
    fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        match self {
            Count::Prepared(prepared) => prepared.signatures_mut(),
            Count::Decided(decision) => decision.signatures_mut(),
        }
    }

    fn claims(&self, committee: Committee) -> Vec<Claim> {
        match self {
            Count::Prepared(prepared) => prepared.claims(committee).collect(),
            Count::Decided(decision) => decision.claims(committee),
        }
    }
}
