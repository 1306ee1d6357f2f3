//! Proofs of guilt, and how to check one offline.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::committee::Committee;
use crate::crypto::{Author, Kind, Signature, Verifier};
use crate::protocol::{Claim, Message, contradict};
use crate::rejection::Rejection;
use crate::types::{Digest, ReplicaId, View};

/// Signed bytes that no honest replica can have produced together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Proof<M> {
    /// Two statements of one kind for one view and slot, with different digests.
    Contradiction(Claim, Claim),
    /// One submission assigned to two slots of one view, of the primary's own accord (rule 8).
    DoubleAssignment(Claim, Claim),
    /// A message that convicts its signer by itself, such as a NEW-VIEW whose set O is wrong (rule 12).
    SelfIncriminating(Box<M>),
}

/// Which rule was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Rule {
    /// Two proposals for one view and slot.
    TwoProposals,
    /// Two votes of one phase for one view and slot.
    TwoVotes,
    /// Two states after one slot.
    TwoCheckpoints,
    /// Two new views for one view.
    TwoNewViews,
    /// One submission at two slots of one view.
    TwoSlots,
    /// A new view that does not follow from its view changes.
    UnjustifiedNewView,
}

impl Rule {
    /// The first in order.
    pub const FIRST: Rule = Rule::TwoProposals;
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::TwoProposals => "two proposals for one slot",
            Rule::TwoVotes => "two votes for one slot",
            Rule::TwoCheckpoints => "two states after one slot",
            Rule::TwoNewViews => "two new views for one view",
            Rule::TwoSlots => "one batch at two slots",
            Rule::UnjustifiedNewView => "a new view that does not follow from its view changes",
        })
    }
}

/// How a replica that nobody made lie can come to be proved guilty: a proof shows what a key signed, and not why.
///
/// The first explains a proof of any rule, the others one of two statements of which a log that was lost or replaced had
/// only the first.
pub const INNOCENT_EXPLANATIONS: [&str; 3] =
    ["a copied key", "a lost disk", "a folder that was restored from an old copy"];

/// What a proof shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Who is guilty.
    pub accused: ReplicaId,
    /// Of what.
    pub rule: Rule,
    /// In which view.
    pub view: View,
}

impl<M: Message> Proof<M> {
    /// Checks the proof against the roster alone: every signature, and that honest replicas do not do this.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadSignature`] or [`Rejection::NotAMember`] for a forged part, [`Rejection::BadProof`] for authentic
    /// statements that prove nothing.
    pub fn verify(&self, verifier: &Verifier) -> Result<Verdict, Rejection> {
        let verdict = self.verdict(verifier.committee()).ok_or(Rejection::BadProof)?;
        match self {
            Proof::Contradiction(a, b) | Proof::DoubleAssignment(a, b) => {
                verifier.verify(&a.statement, &a.signature)?;
                verifier.verify(&b.statement, &b.signature)?;
            }
            Proof::SelfIncriminating(message) => message.check(Author::Replica(verdict.accused), verifier)?,
        }
        Ok(verdict)
    }

    /// What it shows if its signatures are good; `None` if nothing.
    pub fn verdict(&self, committee: Committee) -> Option<Verdict> {
        match self {
            Proof::Contradiction(a, b) => {
                let accused = a.replica().filter(|_| contradict(&a.statement, &b.statement))?;
                let rule = match a.statement.kind {
                    Kind::PrePrepare | Kind::Forced => Rule::TwoProposals,
                    Kind::Checkpoint => Rule::TwoCheckpoints,
                    Kind::NewView => Rule::TwoNewViews,
                    _ => Rule::TwoVotes,
                };
                Some(Verdict { accused, rule, view: a.statement.view })
            }
            Proof::DoubleAssignment(a, b) => {
                let accused = a.replica().filter(|_| shared_submission(a, b).is_some())?;
                Some(Verdict { accused, rule: Rule::TwoSlots, view: a.statement.view })
            }
            Proof::SelfIncriminating(message) => {
                let accused = message.incriminates(committee)?;
                let view = message.slot().map_or(View(0), |(view, _)| view);
                Some(Verdict { accused, rule: Rule::UnjustifiedNewView, view })
            }
        }
    }

    /// The two statements that exclude each other; none in a message that convicts by itself.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        let both = match self {
            Proof::Contradiction(a, b) | Proof::DoubleAssignment(a, b) => Some([a, b]),
            Proof::SelfIncriminating(_) => None,
        };
        both.into_iter().flatten()
    }

    /// Every signature in it.
    pub fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        match self {
            Proof::Contradiction(a, b) | Proof::DoubleAssignment(a, b) => vec![&mut a.signature, &mut b.signature],
            Proof::SelfIncriminating(message) => message.signatures_mut(),
        }
    }
}

/// The submission that two proposals of one primary assign to different slots of one view, if there is one.
pub(super) fn shared_submission(a: &Claim, b: &Claim) -> Option<Digest> {
    let is_own_accord = a.statement.kind == Kind::PrePrepare && b.statement.kind == Kind::PrePrepare;
    let (first, second) = (a.batch.as_ref()?, b.batch.as_ref()?);
    let is_authentic = first.digest() == a.statement.digest && second.digest() == b.statement.digest;
    let is_same_view = a.statement.view == b.statement.view && a.statement.author == b.statement.author;
    if !is_own_accord || !is_authentic || !is_same_view || a.statement.seq == b.statement.seq {
        return None;
    }
    let named: BTreeSet<&Digest> = second.submissions.iter().collect();
    first.submissions.iter().find(|digest| named.contains(digest)).copied()
}
