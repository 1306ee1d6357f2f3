//! What the forms of PBFT do differently, as a trait: who counts the votes, what proves a decision, and what a view change
//! shows of a slot.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::log::Slot;
use super::message::Commit;
use super::{Cx, Views};
use crate::committee::Committee;
use crate::crypto::{Signature, Signer, Verifier};
use crate::protocol::{Claim, Recipients};
use crate::rejection::Rejection;
use crate::types::{Digest, ProtocolName, ReplicaId, ReplicaSet, SeqNum, View};

/// A form of PBFT; its value is what a replica remembers beyond the log.
///
/// Views, watermarks, retransmission and recovery are the same in every form: see [`Views`].
pub trait Form: Default + Clone + Eq + Debug + Send + Sync + 'static {
    /// The protocol's name.
    const NAME: ProtocolName;

    /// What it calls whoever leads a view.
    const LEADER: &'static str;

    /// Whether the leader counts the votes for all.
    const HAS_COLLECTOR: bool;

    /// What its phases are called, in order.
    const PHASES: &'static [&'static str];

    /// What its messages are called, in the paper's words.
    const MESSAGES: &'static [&'static str];

    /// What a VIEW-CHANGE shows of one slot.
    type Shown: Shown;

    /// What proves that a slot is decided.
    type Decision: Decision;

    /// What whoever counts the votes tells the others of the count.
    type Count: Count;

    /// Who gets PREPARE and COMMIT.
    fn counted_by(primary: ReplicaId) -> Recipients;

    /// A slot's proposal, its batch or a PREPARE has come: goes as far as that allows.
    fn advance(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, seq: SeqNum);

    /// A COMMIT was counted.
    fn on_commit(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, commit: &Commit);

    /// Somebody tells what it counted; it was checked against the roster.
    ///
    /// # Errors
    ///
    /// Why it says nothing to this replica now.
    fn on_count(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, count: Self::Count) -> Result<(), Rejection>;

    /// The form's own timer has run out.
    fn on_timeout(_views: &mut Views<Self>, _cx: &mut Cx<'_, Self>) {}

    /// A view has been entered.
    fn on_view_entered(&mut self) {}

    /// What a VIEW-CHANGE shows of a slot; nothing if the next view need not know of it. Blanks in it are signed on the way
    /// out.
    fn show(views: &Views<Self>, seq: SeqNum, slot: &Slot<Self>) -> Option<Self::Shown>;

    /// What the view changes of a quorum force on a slot, `shown` being what they show of it. `None` if nothing was decided
    /// there in an earlier view, whatever was proposed.
    fn choose(shown: &[&Self::Shown], committee: Committee) -> Option<Digest>;
}

/// Part of a message that depends on the form.
pub trait Evidence: Clone + Eq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Every signature in it.
    fn signatures_mut(&mut self) -> Vec<&mut Signature>;

    /// The signed statements in it that could contradict others, but for those whose author it does not name.
    fn claims(&self, committee: Committee) -> Vec<Claim>;
}

/// What a VIEW-CHANGE shows of one slot.
pub trait Shown: Evidence {
    /// Which slot.
    fn seq(&self) -> SeqNum;

    /// The highest view that it speaks of.
    fn view(&self) -> View;

    /// The view and batch of its prepared certificate, if it has one.
    fn prepared(&self) -> Option<(View, Digest)>;

    /// The batches that it speaks of.
    fn digests(&self) -> Vec<Digest>;

    /// The vote in it of `sender`, who shows it.
    fn vote_claim(&self, _sender: ReplicaId) -> Option<Claim> {
        None
    }

    /// Signs what is blank in it and is the signer's to sign.
    fn fill_signatures(&mut self, _signer: &Signer) {}

    /// Rule 11: whether every part holds, `sender` being who shows it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn check(&self, sender: ReplicaId, verifier: &Verifier) -> Result<(), Rejection>;
}

/// What proves that a slot is decided, whoever shows it.
pub trait Decision: Evidence {
    /// In which view.
    fn view(&self) -> View;

    /// Which slot.
    fn seq(&self) -> SeqNum;

    /// On which batch.
    fn digest(&self) -> Digest;

    /// Whose votes decided it.
    fn voters(&self) -> ReplicaSet;

    /// Whether a phase was left out.
    fn is_fast(&self) -> bool {
        false
    }

    /// Whether it proves that.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn check(&self, verifier: &Verifier) -> Result<(), Rejection>;
}

/// What whoever counts the votes tells the others.
pub trait Count: Evidence {
    /// About which view and slot, and which batch there.
    fn topic(&self) -> (View, SeqNum, Digest);

    /// Whether it proves what it says.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn check(&self, verifier: &Verifier) -> Result<(), Rejection>;
}
