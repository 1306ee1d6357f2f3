//! What replicas say to each other in both forms of PBFT, and what can be checked of it against the roster alone.
//!
//! Where we differ from the paper: a batch of submission digests is ordered instead of one request; a PREPARE carries
//! the primary's signature on the header it answers, so that any two honest backups can prove an equivocation (rule 5);
//! what a NEW-VIEW forces is signed as another kind of proposal (rule 8); status messages stand in for blind
//! retransmission (Castro's thesis, §5.2).

use serde::{Deserialize, Serialize};

use crate::committee::Committee;
use crate::crypto::{Author, Check, Kind, Signable, Signature, Signed, Signer, Statement, Verifier};
use crate::protocol::{
    Batch, Certificate, CheckpointCertificate, Claim, Class, Settings, Topic, ViewChangeRecord, check_sender,
};
use crate::rejection::{CertificateFault, Rejection};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};
use crate::wire;

use super::form::{Count, Decision, Evidence, Form, Shown};
use super::new_view;

const MAX_WINDOW: usize = Settings::MAX_WINDOW_SLOTS as usize;
const MAX_HISTORY_SLOTS: usize = 128;

/// What replicas say to each other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Message<F: Form> {
    /// §4.2: the primary assigns a batch to a slot.
    PrePrepare(Signed<PrePrepare>),
    /// §4.2: a backup accepts the assignment.
    Prepare(Signed<Prepare>),
    /// §4.2: a replica has seen a quorum prepare.
    Commit(Signed<Commit>),
    /// §4.4: a replica asks for a view.
    ViewChange(Signed<ViewChange<F>>),
    /// §4.4: the primary of a view begins it.
    NewView(Signed<NewView<F>>),
    /// Where the sender stands; whoever can help it does.
    Status(StatusReport),
    /// Asks for commit certificates (rule 16).
    Ask {
        /// The first slot that the sender misses.
        from: SeqNum,
    },
    /// Answers [`Message::Ask`].
    Committed(CommittedHistory<F>),
    /// Asks for batches by digest.
    FetchBatches(#[serde(deserialize_with = "wire::at_most::<_, _, MAX_WINDOW>")] Vec<Digest>),
    /// Batches that were asked for.
    Batches(#[serde(deserialize_with = "wire::at_most::<_, _, MAX_WINDOW>")] Vec<Batch>),
    /// What whoever counts the votes counted; nothing where everyone counts them.
    Count(F::Count),
}

/// ⟨PRE-PREPARE, v, n, d⟩ with the batch itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PrePrepare {
    /// v.
    pub view: View,
    /// n.
    pub seq: SeqNum,
    /// d, the batch's digest.
    pub digest: Digest,
    /// The primary of v.
    pub primary: ReplicaId,
    /// What is assigned.
    pub batch: Batch,
}

impl Signable for PrePrepare {
    fn statement(&self) -> Statement {
        Origin::OwnAccord.header(self.view, self.seq, self.digest, self.primary)
    }
}

/// Whether a proposal is its primary's own, or what a view change forces on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// A PRE-PREPARE.
    OwnAccord,
    /// An entry of the set O of a NEW-VIEW.
    NewView,
}

impl Origin {
    /// The statement that the primary signs for such a proposal.
    pub fn header(self, view: View, seq: SeqNum, digest: Digest, primary: ReplicaId) -> Statement {
        let kind = match self {
            Origin::OwnAccord => Kind::PrePrepare,
            Origin::NewView => Kind::Forced,
        };
        Statement::by_replica(kind, view, seq, digest, primary)
    }
}

/// ⟨PREPARE, v, n, d, i⟩ and the primary's signature on the header that it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Prepare {
    /// v.
    pub view: View,
    /// n.
    pub seq: SeqNum,
    /// d.
    pub digest: Digest,
    /// i, a backup of v.
    pub replica: ReplicaId,
    /// Which kind of proposal it answers.
    pub origin: Origin,
    /// The primary's signature on that proposal's header.
    pub header: Signature,
}

impl Signable for Prepare {
    fn statement(&self) -> Statement {
        Statement::by_replica(Kind::Prepare, self.view, self.seq, self.digest, self.replica)
    }
}

/// ⟨COMMIT, v, n, d, i⟩.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Commit {
    /// v.
    pub view: View,
    /// n.
    pub seq: SeqNum,
    /// d.
    pub digest: Digest,
    /// i.
    pub replica: ReplicaId,
}

impl Signable for Commit {
    fn statement(&self) -> Statement {
        Statement::by_replica(Kind::Commit, self.view, self.seq, self.digest, self.replica)
    }
}

/// A pre-prepare header and q−1 matching prepares of backups: the batch was prepared (the paper's set P).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PreparedCertificate {
    /// Which kind of proposal was prepared.
    pub origin: Origin,
    /// The signature of the view's primary on the proposal's header.
    pub header: Signature,
    /// The prepares; the view, slot and digest stand here.
    pub prepares: Certificate,
}

impl PreparedCertificate {
    /// Rule 11: the primary's header and prepares of distinct backups, `needed` replicas in all, for one view, slot and
    /// digest.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, needed: usize, verifier: &Verifier) -> Result<(), Rejection> {
        let Certificate { kind, view, seq, digest, .. } = self.prepares;
        if kind != Kind::Prepare {
            return Err(CertificateFault::WrongSlot.into());
        }
        let primary = verifier.committee().primary(view);
        verifier.verify(&self.origin.header(view, seq, digest, primary), &self.header)?;
        self.prepares.check(needed - 1, Some(primary), verifier)
    }

    /// Every signature in it.
    pub fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        let prepares = self.prepares.signatures.iter_mut().map(|(_, signature)| signature);
        std::iter::once(&mut self.header).chain(prepares).collect()
    }

    /// What the primary proposed, as it signed it, and what each backup said.
    pub fn claims(&self, committee: Committee) -> impl Iterator<Item = Claim> + '_ {
        let Certificate { view, seq, digest, .. } = self.prepares;
        let statement = self.origin.header(view, seq, digest, committee.primary(view));
        let header = Claim { statement, signature: self.header, batch: None };
        std::iter::once(header).chain(self.prepares.claims())
    }
}

/// ⟨VIEW-CHANGE, v, n, C, P, i⟩.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ViewChange<F: Form> {
    /// v, the view that is asked for.
    pub view: View,
    /// i.
    pub replica: ReplicaId,
    /// n and C: the sender's stable checkpoint and its proof.
    pub stable: CheckpointCertificate,
    /// P: what the sender has to show of slots above n, in ascending order.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_WINDOW>")]
    pub shown: Vec<F::Shown>,
}

impl<F: Form> Signable for ViewChange<F> {
    fn statement(&self) -> Statement {
        let digest = Digest::of("view-change", &[&wire::encode(self)]);
        Statement::by_replica(Kind::ViewChange, self.view, self.stable.seq(), digest, self.replica)
    }
}

impl<F: Form> ViewChange<F> {
    /// Every signed statement in it that could contradict others; a replica may ask for a view in several ways.
    fn claims(&self, committee: Committee) -> impl Iterator<Item = Claim> + '_ {
        let shown = self
            .shown
            .iter()
            .flat_map(move |shown| shown.claims(committee).into_iter().chain(shown.vote_claim(self.replica)));
        self.stable.claims().chain(shown)
    }

    fn record(&self) -> ViewChangeRecord {
        let slots = self.shown.iter().map(|shown| (shown.seq(), shown.prepared())).collect();
        ViewChangeRecord { replica: self.replica, view: self.view, stable: self.stable.seq(), slots }
    }

    /// What is cheap to see comes first: a message with signatures by the thousand costs nothing if it is of no use.
    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        if self.shown.len() > verifier.window_slots() {
            return Err(CertificateFault::TooMany.into());
        }
        if !self.shown.is_sorted_by(|a, b| a.seq() < b.seq()) {
            return Err(CertificateFault::Unordered.into());
        }
        let is_in_place = |shown: &F::Shown| shown.seq() > self.stable.seq() && shown.view() < self.view;
        if !self.shown.iter().all(is_in_place) {
            return Err(CertificateFault::WrongSlot.into());
        }
        self.stable.verify(verifier)?;
        self.shown.iter().try_for_each(|shown| shown.check(self.replica, verifier))
    }
}

/// ⟨NEW-VIEW, v, V, O⟩.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct NewView<F: Form> {
    /// v.
    pub view: View,
    /// The primary of v.
    pub primary: ReplicaId,
    /// V: a quorum of view changes for v, senders in ascending order.
    #[serde(deserialize_with = "wire::at_most::<_, _, 128>")]
    pub view_changes: Vec<Signed<ViewChange<F>>>,
    /// O: what V forces on each slot between min-s and max-s, in ascending order.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_WINDOW>")]
    pub forced: Vec<ForcedProposal>,
}

/// One entry of the set O; the batch is known by its digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForcedProposal {
    /// Which slot.
    pub seq: SeqNum,
    /// The batch's digest, or that of the null request.
    pub digest: Digest,
    /// The new primary's signature on the header.
    pub signature: Signature,
}

impl<F: Form> Signable for NewView<F> {
    fn statement(&self) -> Statement {
        let digest = Digest::of("new-view", &[&wire::encode(self)]);
        Statement::by_replica(Kind::NewView, self.view, SeqNum(0), digest, self.primary)
    }
}

impl<F: Form> NewView<F> {
    /// Everything but whether O follows from V: that is what [`crate::protocol::Message::incriminates`] looks at.
    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        let committee = verifier.committee();
        if self.primary != committee.primary(self.view) {
            return Err(Rejection::NotThePrimary(self.view));
        }
        if self.view_changes.len() < committee.quorum() {
            return Err(CertificateFault::TooFew.into());
        }
        if !self.view_changes.is_sorted_by(|a, b| a.body.replica < b.body.replica) {
            return Err(CertificateFault::Unordered.into());
        }
        if self.view_changes.iter().any(|view_change| view_change.body.view != self.view) {
            return Err(CertificateFault::WrongSlot.into());
        }
        if self.forced.len() > verifier.window_slots() {
            return Err(CertificateFault::TooMany.into());
        }
        self.view_changes.iter().try_for_each(|view_change| view_change.verify_now(verifier))?;
        self.view_changes.iter().try_for_each(|view_change| view_change.body.check(verifier))?;
        self.forced.iter().try_for_each(|entry| {
            let header = Origin::NewView.header(self.view, entry.seq, entry.digest, self.primary);
            verifier.verify(&header, &entry.signature)
        })
    }
}

/// Where a replica stands, for its peers (not signed: it helps, and decides nothing).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// The last view that it entered.
    pub view: View,
    /// The view that it asks for.
    pub asking_for: Option<View>,
    /// Whose view changes for that view it holds.
    pub view_changes: ReplicaSet,
    /// Its last stable checkpoint.
    pub stable: SeqNum,
    /// Its last executed slot.
    pub executed: SeqNum,
    /// If it lost its log: the slot it must see stable before it takes part.
    pub observing_until: Option<SeqNum>,
}

/// What was decided, with proof: safe to believe whoever says it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct CommittedHistory<F: Form> {
    /// The sender's stable checkpoint.
    pub stable: CheckpointCertificate,
    /// What decided its newest executed slot, unless the stable checkpoint is that.
    pub newest: Option<F::Decision>,
    /// Consecutive slots from the one that was asked for.
    #[serde(deserialize_with = "wire::at_most::<_, _, { MAX_HISTORY_SLOTS }>")]
    pub slots: Vec<CommittedSlot<F>>,
}

impl<F: Form> CommittedHistory<F> {
    /// Every signed statement in it.
    fn claims(&self, committee: Committee) -> impl Iterator<Item = Claim> + '_ {
        let newest = self.newest.iter().flat_map(move |decision| decision.claims(committee));
        let slots = self.slots.iter().flat_map(move |slot| {
            let mut claims = slot.decision.claims(committee);
            for proposal in claims.iter_mut().filter(|claim| claim.statement.kind == Kind::PrePrepare) {
                proposal.batch = Some(slot.batch.clone());
            }
            claims
        });
        self.stable.claims().chain(newest).chain(slots)
    }

    /// The most slots in one answer.
    pub const MAX_SLOTS: usize = MAX_HISTORY_SLOTS;

    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        self.stable.verify(verifier)?;
        self.newest.iter().try_for_each(|decision| decision.check(verifier))?;
        self.slots.iter().try_for_each(|slot| {
            if slot.batch.digest() != slot.decision.digest() {
                return Err(CertificateFault::WrongSlot.into());
            }
            slot.decision.check(verifier)
        })
    }
}

/// What decided a slot, and its batch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct CommittedSlot<F: Form> {
    /// The proof.
    pub decision: F::Decision,
    /// What was committed.
    pub batch: Batch,
}

impl<F: Form> Check for Message<F> {
    fn check(&self, sender: Author, verifier: &Verifier) -> Result<(), Rejection> {
        let committee = verifier.committee();
        match self {
            Message::PrePrepare(signed) => {
                let proposal = &signed.body;
                check_sender(proposal.primary, sender)?;
                if proposal.primary != committee.primary(proposal.view) {
                    return Err(Rejection::NotThePrimary(proposal.view));
                }
                if proposal.digest != proposal.batch.digest() || !proposal.batch.is_well_formed() {
                    return Err(Rejection::MalformedBatch);
                }
                signed.verify(verifier)
            }
            Message::Prepare(signed) => {
                let prepare = &signed.body;
                check_sender(prepare.replica, sender)?;
                let primary = committee.primary(prepare.view);
                if prepare.replica == primary {
                    return Err(Rejection::PrepareFromPrimary);
                }
                signed.verify(verifier)?;
                // Rule 5: from memory, unless the primary told somebody something else.
                let header = prepare.origin.header(prepare.view, prepare.seq, prepare.digest, primary);
                verifier.verify(&header, &prepare.header)
            }
            Message::Commit(signed) => {
                check_sender(signed.body.replica, sender)?;
                signed.verify(verifier)
            }
            Message::ViewChange(signed) => {
                check_sender(signed.body.replica, sender)?;
                signed.verify_now(verifier)?;
                signed.body.check(verifier)
            }
            // Anyone may pass a new view on to one who missed it.
            Message::NewView(signed) => {
                signed.verify_now(verifier)?;
                signed.body.check(verifier)
            }
            Message::Committed(history) => history.check(verifier),
            Message::Count(count) => count.check(verifier),
            Message::Batches(batches) if !batches.iter().all(Batch::is_well_formed) => Err(Rejection::MalformedBatch),
            Message::Status(_) | Message::Ask { .. } | Message::FetchBatches(_) | Message::Batches(_) => Ok(()),
        }
    }
}

impl<F: Form> crate::protocol::Message for Message<F> {
    fn class(&self) -> Class {
        match self {
            Message::Prepare(_) | Message::Commit(_) | Message::Status(_) | Message::Ask { .. } => Class::Vote,
            // A count follows its proposal.
            Message::PrePrepare(_) | Message::Count(_) | Message::ViewChange(_) | Message::NewView(_) => {
                Class::Proposal
            }
            Message::Committed(_) | Message::FetchBatches(_) | Message::Batches(_) => Class::Bulk,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Message::PrePrepare(_) => "pre-prepare",
            Message::Prepare(_) => "prepare",
            Message::Commit(_) => "commit",
            Message::ViewChange(_) => "view-change",
            Message::NewView(_) => "new-view",
            Message::Status(_) => "status",
            Message::Ask { .. } => "ask",
            Message::Committed(_) => "committed",
            Message::FetchBatches(_) => "fetch-batches",
            Message::Batches(_) => "batches",
            Message::Count(_) => "certificate",
        }
    }

    fn slot(&self) -> Option<(View, SeqNum)> {
        match self {
            Message::PrePrepare(m) => Some((m.body.view, m.body.seq)),
            Message::Prepare(m) => Some((m.body.view, m.body.seq)),
            Message::Commit(m) => Some((m.body.view, m.body.seq)),
            Message::ViewChange(m) => Some((m.body.view, m.body.stable.seq())),
            Message::NewView(m) => Some((m.body.view, SeqNum(0))),
            Message::Count(count) => {
                let (view, seq, _) = count.topic();
                Some((view, seq))
            }
            Message::Status(_)
            | Message::Ask { .. }
            | Message::Committed(_)
            | Message::FetchBatches(_)
            | Message::Batches(_) => None,
        }
    }

    fn topic(&self) -> Option<Topic> {
        let (view, seq, digest) = match self {
            Message::PrePrepare(m) => (m.body.view, m.body.seq, m.body.digest),
            Message::Prepare(m) => (m.body.view, m.body.seq, m.body.digest),
            Message::Commit(m) => (m.body.view, m.body.seq, m.body.digest),
            Message::Count(count) => count.topic(),
            Message::ViewChange(m) => return Some(Topic::View(m.body.view)),
            Message::NewView(m) => return Some(Topic::View(m.body.view)),
            Message::Status(_)
            | Message::Ask { .. }
            | Message::Committed(_)
            | Message::FetchBatches(_)
            | Message::Batches(_) => return None,
        };
        Some(Topic::Slot { view, seq, digest })
    }

    fn fill_signatures(&mut self, signer: &Signer) {
        match self {
            Message::PrePrepare(signed) => signed.fill_signature(signer),
            Message::Prepare(signed) => signed.fill_signature(signer),
            Message::Commit(signed) => signed.fill_signature(signer),
            Message::ViewChange(signed) => {
                if signer.author() == Author::Replica(signed.body.replica) {
                    signed.body.shown.iter_mut().for_each(|shown| shown.fill_signatures(signer));
                }
                signed.fill_signature(signer);
            }
            Message::NewView(signed) => {
                let NewView { view, primary, ref mut forced, .. } = signed.body;
                let is_mine = signer.author() == Author::Replica(primary);
                for entry in forced.iter_mut().filter(|entry| is_mine && entry.signature.is_blank()) {
                    entry.signature = signer.sign(&Origin::NewView.header(view, entry.seq, entry.digest, primary));
                }
                signed.fill_signature(signer);
            }
            Message::Status(_)
            | Message::Ask { .. }
            | Message::Committed(_)
            | Message::FetchBatches(_)
            | Message::Batches(_)
            | Message::Count(_) => {}
        }
    }

    fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        match self {
            Message::PrePrepare(signed) => vec![&mut signed.signature],
            Message::Prepare(signed) => vec![&mut signed.signature, &mut signed.body.header],
            Message::Commit(signed) => vec![&mut signed.signature],
            Message::ViewChange(signed) => vec![&mut signed.signature],
            Message::NewView(signed) => vec![&mut signed.signature],
            Message::Committed(history) => {
                let newest = history.newest.iter_mut();
                let decisions = newest.chain(history.slots.iter_mut().map(|slot| &mut slot.decision));
                history.stable.signatures_mut().chain(decisions.flat_map(Evidence::signatures_mut)).collect()
            }
            Message::Count(count) => count.signatures_mut(),
            Message::Status(_) | Message::Ask { .. } | Message::FetchBatches(_) | Message::Batches(_) => Vec::new(),
        }
    }

    fn claims(&self, committee: Committee) -> Vec<Claim> {
        match self {
            Message::PrePrepare(m) => {
                vec![Claim { statement: m.body.statement(), signature: m.signature, batch: Some(m.body.batch.clone()) }]
            }
            Message::Prepare(m) => {
                let Prepare { view, seq, digest, origin, header, .. } = m.body;
                let vote = Claim { statement: m.body.statement(), signature: m.signature, batch: None };
                let echoed = origin.header(view, seq, digest, committee.primary(view));
                vec![vote, Claim { statement: echoed, signature: header, batch: None }]
            }
            Message::Commit(m) => {
                vec![Claim { statement: m.body.statement(), signature: m.signature, batch: None }]
            }
            Message::NewView(m) => {
                let NewView { view, primary, ref forced, .. } = m.body;
                let whole = Claim { statement: m.body.statement(), signature: m.signature, batch: None };
                let entries = forced.iter().map(|entry| Claim {
                    statement: Origin::NewView.header(view, entry.seq, entry.digest, primary),
                    signature: entry.signature,
                    batch: None,
                });
                let shown = m.body.view_changes.iter().flat_map(|signed| signed.body.claims(committee));
                std::iter::once(whole).chain(entries).chain(shown).collect()
            }
            Message::ViewChange(m) => m.body.claims(committee).collect(),
            Message::Count(count) => count.claims(committee),
            Message::Committed(history) => history.claims(committee).collect(),
            Message::Status(_) | Message::Ask { .. } | Message::FetchBatches(_) | Message::Batches(_) => Vec::new(),
        }
    }

    fn incriminates(&self, committee: Committee) -> Option<ReplicaId> {
        match self {
            Message::NewView(signed) => {
                (!new_view::is_justified(&signed.body, committee)).then_some(signed.body.primary)
            }
            _ => None,
        }
    }

    fn asks_for(&self) -> Option<(ReplicaId, View)> {
        match self {
            Message::ViewChange(signed) => Some((signed.body.replica, signed.body.view)),
            _ => None,
        }
    }

    fn asks_for_much(&self) -> bool {
        // A status report that stands still asks for what its sender lacks.
        matches!(self, Message::Ask { .. } | Message::FetchBatches(_) | Message::Status(_))
    }

    fn view_changes(&self) -> Vec<ViewChangeRecord> {
        match self {
            Message::ViewChange(signed) => vec![signed.body.record()],
            Message::NewView(signed) => signed.body.view_changes.iter().map(|signed| signed.body.record()).collect(),
            _ => Vec::new(),
        }
    }

    fn reports(&self) -> Option<(View, SeqNum)> {
        match self {
            Message::Status(report) => Some((report.view, report.executed)),
            _ => None,
        }
    }
}
