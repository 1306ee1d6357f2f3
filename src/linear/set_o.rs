//! What view changes force on a slot (Gueta et al., *SBFT*, DSN '19, §V-G): prepared certificates, as in PBFT, and votes that
//! may have decided it on the fast path.
//!
//! *Why it is safe.* If all n replicas prepared a batch in view v, then of the q view changes that begin the next view at
//! least q−f are of honest replicas that voted for it in v, and of nothing else since. If q replicas committed it, one
//! honest replica among them shows its certificate. Only one batch can have q−f voters among q (2f < q), and one of them
//! is honest, so votes of later views than a certificate's are for what that certificate's view forced or left open: nobody
//! honest votes for a slot at or below min-s, which O leaves out since it was settled before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::committee::Committee;
use crate::crypto::{Kind, Signature, Signer, Statement, Verifier};
use crate::protocol::{Certificate, Claim};
use crate::rejection::{CertificateFault, Rejection};
use crate::types::{Digest, ReplicaId, SeqNum, View};
use crate::views::form;
use crate::views::message::{Origin, PreparedCertificate};

/// What a replica shows of a slot: at least one of the two. What shows neither does not decode: two bytes would become some
/// hundred.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Shown {
    /// The prepared certificate of the highest view.
    pub prepared: Option<PreparedCertificate>,
    /// What it prepared last, if that was in a later view.
    pub voted: Option<Vote>,
}

/// The parts of what is shown, as they are read.
#[derive(Deserialize)]
struct Parts {
    prepared: Option<PreparedCertificate>,
    voted: Option<Vote>,
}

impl TryFrom<Parts> for Shown {
    type Error = &'static str;

    fn try_from(Parts { prepared, voted }: Parts) -> Result<Shown, Self::Error> {
        match prepared.is_some() || voted.is_some() {
            true => Ok(Shown { prepared, voted }),
            false => Err("nothing is shown"),
        }
    }
}

/// What a replica prepared last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vote {
    /// In which view.
    pub view: View,
    /// For which slot.
    pub seq: SeqNum,
    /// Which batch.
    pub digest: Digest,
    /// Which kind of proposal that was.
    pub origin: Origin,
    /// The signature of the view's primary on the proposal's header.
    pub header: Signature,
    /// The replica's signature on its PREPARE; none from the primary, whose header it is.
    pub prepare: Option<Signature>,
}

impl Vote {
    fn header_by(&self, primary: ReplicaId) -> Statement {
        self.origin.header(self.view, self.seq, self.digest, primary)
    }

    fn prepare_by(&self, replica: ReplicaId) -> Statement {
        Statement::by_replica(Kind::Prepare, self.view, self.seq, self.digest, replica)
    }

    fn check(&self, voter: ReplicaId, verifier: &Verifier) -> Result<(), Rejection> {
        let primary = verifier.committee().primary(self.view);
        verifier.verify(&self.header_by(primary), &self.header)?;
        match &self.prepare {
            Some(prepare) if voter != primary => verifier.verify(&self.prepare_by(voter), prepare),
            None if voter == primary => Ok(()),
            _ => Err(CertificateFault::NoVote.into()),
        }
    }
}

/// Rule 12 with a fast path: the certificate of the highest view wins, unless so many voted for a batch in a later view
/// that all may have.
pub(super) fn choose(shown: &[&Shown], committee: Committee) -> Option<Digest> {
    let certified = shown.iter().filter_map(|shown| shown.prepared.as_ref()).map(|prepared| &prepared.prepares);
    let slow = certified.max_by_key(|certificate| certificate.view).map(|c| (c.view, c.digest));
    match (slow, possibly_fast(shown, committee)) {
        (Some((prepared_in, digest)), Some((voted_in, _))) if prepared_in >= voted_in => Some(digest),
        (_, Some((_, digest))) => Some(digest),
        (slow, None) => slow.map(|(_, digest)| digest),
    }
}

/// The batch that may have been decided on the fast path, and since which view that can be.
fn possibly_fast(shown: &[&Shown], committee: Committee) -> Option<(View, Digest)> {
    let mut views: BTreeMap<Digest, Vec<View>> = BTreeMap::new();
    for vote in shown.iter().filter_map(|shown| shown.voted.as_ref()) {
        views.entry(vote.digest).or_default().push(vote.view);
    }
    let needed = committee.honest_in_quorum();
    let since = |mut views: Vec<View>| {
        views.sort_unstable_by(|a, b| b.cmp(a));
        views.get(needed - 1).copied()
    };
    views.into_iter().find_map(|(digest, views)| Some((since(views)?, digest)))
}

impl form::Shown for Shown {
    fn seq(&self) -> SeqNum {
        let certified = self.prepared.as_ref().map(|prepared| prepared.prepares.seq);
        certified.or(self.voted.map(|vote| vote.seq)).unwrap_or_default()
    }

    fn view(&self) -> View {
        let certified = self.prepared.as_ref().map(|prepared| prepared.prepares.view);
        certified.max(self.voted.map(|vote| vote.view)).unwrap_or_default()
    }

    fn prepared(&self) -> Option<(View, Digest)> {
        self.prepared.as_ref().map(|prepared| (prepared.prepares.view, prepared.prepares.digest))
    }

    fn digests(&self) -> Vec<Digest> {
        let certified = self.prepared.as_ref().map(|prepared| prepared.prepares.digest);
        certified.into_iter().chain(self.voted.map(|vote| vote.digest)).collect()
    }

    fn fill_signatures(&mut self, signer: &Signer) {
        let Some(vote) = &mut self.voted else { return };
        if vote.prepare.is_none()
            && vote.header.is_blank()
            && let crate::crypto::Author::Replica(primary) = signer.author()
        {
            vote.header = signer.sign(&vote.header_by(primary));
        }
        if vote.prepare.is_some_and(|signature| signature.is_blank())
            && let crate::crypto::Author::Replica(replica) = signer.author()
        {
            vote.prepare = Some(signer.sign(&vote.prepare_by(replica)));
        }
    }

    fn vote_claim(&self, sender: ReplicaId) -> Option<Claim> {
        let vote = self.voted.as_ref()?;
        Some(Claim { statement: vote.prepare_by(sender), signature: vote.prepare?, batch: None })
    }

    fn check(&self, sender: ReplicaId, verifier: &Verifier) -> Result<(), Rejection> {
        let (prepared, voted) = (self.prepared.as_ref(), self.voted.as_ref());
        let is_in_order = match (prepared.map(|prepared| &prepared.prepares), voted) {
            (Some(Certificate { view, seq, .. }), Some(vote)) => *view < vote.view && *seq == vote.seq,
            (None, None) => false,
            _ => true,
        };
        if !is_in_order {
            return Err(CertificateFault::WrongSlot.into());
        }
        prepared.iter().try_for_each(|prepared| prepared.check(verifier.committee().quorum(), verifier))?;
        voted.iter().try_for_each(|vote| vote.check(sender, verifier))
    }
}

impl form::Evidence for Shown {
    fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        let prepared = self.prepared.iter_mut().flat_map(PreparedCertificate::signatures_mut);
        let voted = self.voted.iter_mut().flat_map(|vote| vote.prepare.iter_mut().chain([&mut vote.header]));
        prepared.chain(voted).collect()
    }

    fn claims(&self, committee: Committee) -> Vec<Claim> {
        let certified = self.prepared.iter().flat_map(|prepared| prepared.claims(committee));
        let voted = self.voted.iter().map(|vote| {
            let statement = vote.header_by(committee.primary(vote.view));
            Claim { statement, signature: vote.header, batch: None }
        });
        certified.chain(voted).collect()
    }
}
