//! PBFT's messages, and what can be checked of each against the roster alone.
//!
//! Where we differ from the paper: a batch of submission digests is ordered instead of one request; a PREPARE carries
//! the primary's signature on the header it answers, so that any two honest backups can prove an equivocation (rule 5);
//! what a NEW-VIEW forces is signed as another kind of proposal (rule 8); status messages stand in for blind
//! retransmission (Castro's thesis, §5.2).

use serde::{Deserialize, Serialize};

use crate::committee::Committee;
use crate::crypto::{Author, Check, Kind, Signable, Signature, Signed, Signer, Statement, Verifier};
use crate::protocol::{Batch, Certificate, CheckpointCertificate, Claim, Class, Settings, check_sender};
use crate::rejection::{CertificateFault, Rejection};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};
use crate::wire;

use super::new_view;

const MAX_WINDOW: usize = Settings::MAX_WINDOW_SLOTS as usize;

/// What PBFT replicas say to each other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// §4.2: the primary assigns a batch to a slot.
    PrePrepare(Signed<PrePrepare>),
    /// §4.2: a backup accepts the assignment.
    Prepare(Signed<Prepare>),
    /// §4.2: a replica has seen a quorum prepare.
    Commit(Signed<Commit>),
    /// §4.4: a replica asks for a view.
    ViewChange(Signed<ViewChange>),
    /// §4.4: the primary of a view begins it.
    NewView(Signed<NewView>),
    /// Where the sender stands; whoever can help it does.
    Status(StatusReport),
    /// Asks for commit certificates (rule 16).
    Ask {
        /// The first slot that the sender misses.
        from: SeqNum,
    },
    /// Answers [`Message::Ask`].
    Committed(CommittedHistory),
    /// Asks for batches by digest.
    FetchBatches(#[serde(deserialize_with = "wire::at_most::<_, _, MAX_WINDOW>")] Vec<Digest>),
    /// Batches that were asked for.
    Batches(#[serde(deserialize_with = "wire::at_most::<_, _, MAX_WINDOW>")] Vec<Batch>),
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
    /// Rule 11: header and q−1 prepares of distinct backups, all for one view, slot and digest.
    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        let Certificate { kind, view, seq, digest, .. } = self.prepares;
        if kind != Kind::Prepare {
            return Err(CertificateFault::WrongSlot.into());
        }
        let primary = verifier.committee().primary(view);
        verifier.verify(&self.origin.header(view, seq, digest, primary), &self.header)?;
        self.prepares.check(verifier.committee().quorum() - 1, Some(primary), verifier)
    }
}

/// ⟨VIEW-CHANGE, v, n, C, P, i⟩.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViewChange {
    /// v, the view that is asked for.
    pub view: View,
    /// i.
    pub replica: ReplicaId,
    /// n and C: the sender's stable checkpoint and its proof.
    pub stable: CheckpointCertificate,
    /// P: for each slot above n that the sender prepared, the certificate of the highest view; in ascending order.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_WINDOW>")]
    pub prepared: Vec<PreparedCertificate>,
}

impl Signable for ViewChange {
    fn statement(&self) -> Statement {
        let digest = Digest::of("view-change", &[&wire::encode(self)]);
        Statement::by_replica(Kind::ViewChange, self.view, self.stable.seq(), digest, self.replica)
    }
}

impl ViewChange {
    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        self.stable.verify(verifier)?;
        if !self.prepared.is_sorted_by(|a, b| a.prepares.seq < b.prepares.seq) {
            return Err(CertificateFault::Unordered.into());
        }
        let is_in_place = |c: &PreparedCertificate| c.prepares.seq > self.stable.seq() && c.prepares.view < self.view;
        if !self.prepared.iter().all(is_in_place) {
            return Err(CertificateFault::WrongSlot.into());
        }
        self.prepared.iter().try_for_each(|certificate| certificate.check(verifier))
    }
}

/// ⟨NEW-VIEW, v, V, O⟩.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewView {
    /// v.
    pub view: View,
    /// The primary of v.
    pub primary: ReplicaId,
    /// V: a quorum of view changes for v, senders in ascending order.
    #[serde(deserialize_with = "wire::at_most::<_, _, 128>")]
    pub view_changes: Vec<Signed<ViewChange>>,
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

impl Signable for NewView {
    fn statement(&self) -> Statement {
        let digest = Digest::of("new-view", &[&wire::encode(self)]);
        Statement::by_replica(Kind::NewView, self.view, SeqNum(0), digest, self.primary)
    }
}

impl NewView {
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
        for view_change in &self.view_changes {
            if view_change.body.view != self.view {
                return Err(CertificateFault::WrongSlot.into());
            }
            view_change.verify(verifier)?;
            view_change.body.check(verifier)?;
        }
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
pub struct CommittedHistory {
    /// The sender's stable checkpoint.
    pub stable: CheckpointCertificate,
    /// The commit certificate of its newest executed slot, unless the stable checkpoint is that.
    pub newest: Option<Certificate>,
    /// Consecutive slots from the one that was asked for.
    #[serde(deserialize_with = "wire::at_most::<_, _, { CommittedHistory::MAX_SLOTS }>")]
    pub slots: Vec<CommittedSlot>,
}

impl CommittedHistory {
    /// The most slots in one answer.
    pub const MAX_SLOTS: usize = 128;

    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        self.stable.verify(verifier)?;
        let check_commit = |certificate: &Certificate| {
            if certificate.kind != Kind::Commit {
                return Err(CertificateFault::WrongSlot.into());
            }
            certificate.check(verifier.committee().quorum(), None, verifier)
        };
        self.newest.iter().try_for_each(check_commit)?;
        self.slots.iter().try_for_each(|slot| {
            if slot.batch.digest() != slot.certificate.digest {
                return Err(CertificateFault::WrongSlot.into());
            }
            check_commit(&slot.certificate)
        })
    }
}

/// A slot's commit certificate and its batch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CommittedSlot {
    /// q commits.
    pub certificate: Certificate,
    /// What was committed.
    pub batch: Batch,
}

impl Check for Message {
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
                signed.verify(verifier)?;
                signed.body.check(verifier)
            }
            // Anyone may pass a new view on to one who missed it.
            Message::NewView(signed) => {
                signed.verify(verifier)?;
                signed.body.check(verifier)
            }
            Message::Committed(history) => history.check(verifier),
            Message::Batches(batches) if !batches.iter().all(Batch::is_well_formed) => Err(Rejection::MalformedBatch),
            Message::Status(_) | Message::Ask { .. } | Message::FetchBatches(_) | Message::Batches(_) => Ok(()),
        }
    }
}

impl crate::protocol::Message for Message {
    fn class(&self) -> Class {
        match self {
            Message::Prepare(_) | Message::Commit(_) | Message::Status(_) | Message::Ask { .. } => Class::Vote,
            Message::PrePrepare(_) | Message::ViewChange(_) | Message::NewView(_) => Class::Proposal,
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
        }
    }

    fn slot(&self) -> Option<(View, SeqNum)> {
        match self {
            Message::PrePrepare(m) => Some((m.body.view, m.body.seq)),
            Message::Prepare(m) => Some((m.body.view, m.body.seq)),
            Message::Commit(m) => Some((m.body.view, m.body.seq)),
            Message::ViewChange(m) => Some((m.body.view, m.body.stable.seq())),
            Message::NewView(m) => Some((m.body.view, SeqNum(0))),
            Message::Status(_)
            | Message::Ask { .. }
            | Message::Committed(_)
            | Message::FetchBatches(_)
            | Message::Batches(_) => None,
        }
    }

    fn fill_signatures(&mut self, signer: &Signer) {
        match self {
            Message::PrePrepare(signed) => signed.fill_signature(signer),
            Message::Prepare(signed) => signed.fill_signature(signer),
            Message::Commit(signed) => signed.fill_signature(signer),
            Message::ViewChange(signed) => signed.fill_signature(signer),
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
            | Message::Batches(_) => {}
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
                let commits = newest.chain(history.slots.iter_mut().map(|slot| &mut slot.certificate));
                let commits = commits.flat_map(|certificate| &mut certificate.signatures).map(|(_, s)| s);
                history.stable.signatures_mut().chain(commits).collect()
            }
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
                std::iter::once(whole).chain(entries).collect()
            }
            Message::ViewChange(_)
            | Message::Status(_)
            | Message::Ask { .. }
            | Message::Committed(_)
            | Message::FetchBatches(_)
            | Message::Batches(_) => Vec::new(),
        }
    }

    fn incriminates(&self) -> Option<ReplicaId> {
        match self {
            Message::NewView(signed) => (!new_view::is_justified(&signed.body)).then_some(signed.body.primary),
            _ => None,
        }
    }

    fn asks_for(&self) -> Option<(ReplicaId, View)> {
        match self {
            Message::ViewChange(signed) => Some((signed.body.replica, signed.body.view)),
            _ => None,
        }
    }
}
