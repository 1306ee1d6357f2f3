//! The normal case (Castro & Liskov, OSDI '99, §4.2): every replica counts PREPAREs and COMMITs.

use serde::{Deserialize, Serialize};

use super::{Certificate, Classic, PreparedCertificate};
use crate::committee::Committee;
use crate::crypto::{Kind, Signature, Verifier};
use crate::protocol::{Claim, Recipients};
use crate::rejection::{CertificateFault, Rejection};
use crate::types::{Digest, ProtocolName, ReplicaId, ReplicaSet, SeqNum, View};
use crate::views::form::{Count, Decision, Evidence, Form};
use crate::views::message::Commit;
use crate::views::{Cx, Proposal, Slot, Views};

impl Form for Classic {
    const NAME: ProtocolName = ProtocolName::Pbft;
    const LEADER: &'static str = "primary";
    const HAS_COLLECTOR: bool = false;
    const PHASES: &'static [&'static str] = &["pre-prepare", "prepare", "commit"];
    const MESSAGES: &'static [&'static str] = &[
        "pre-prepare",
        "prepare",
        "commit",
        "view-change",
        "new-view",
        "status",
        "ask",
        "committed",
        "fetch-batches",
        "batches",
    ];

    type Shown = PreparedCertificate;
    type Decision = Certificate;
    type Count = Nothing;

    fn counted_by(_primary: ReplicaId) -> Recipients {
        Recipients::All
    }

    /// prepared(m, v, n, i): the batch, the pre-prepare and q−1 matching prepares of backups. Then the COMMIT is sent.
    fn advance(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, seq: SeqNum) {
        let (view, needed) = (views.view, views.committee.quorum() - 1);
        let Some(slot) = views.log.slot(seq) else { return };
        let Some(Proposal { origin, digest, header, .. }) = slot.proposal else { return };
        if !slot.is_prepared_in(view) {
            if !views.log.has_batch(digest) {
                return;
            }
            let Some(prepares) = slot.prepares.certificate(Kind::Prepare, view, seq, digest, needed) else { return };
            views.on_prepared(cx, PreparedCertificate { origin, header, prepares });
        }
        views.commit(cx, seq, digest);
        views.check_committed(cx, seq, view, digest);
    }

    fn on_commit(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, commit: &Commit) {
        views.check_committed(cx, commit.seq, commit.view, commit.digest);
    }

    fn on_count(_: &mut Views<Self>, _: &mut Cx<'_, Self>, count: Nothing) -> Result<(), Rejection> {
        match count {}
    }

    fn show(_: &Views<Self>, _: SeqNum, slot: &Slot<Self>) -> Option<PreparedCertificate> {
        slot.prepared.clone()
    }

    fn choose(shown: &[&PreparedCertificate], _: Committee) -> Option<Digest> {
        super::set_o::choose(shown)
    }
}

impl Views<Classic> {
    /// committed-local: q matching commits. A quorum's commits prove the decision also to one who missed the
    /// pre-prepare, as f+1 honest replicas among them have prepared it.
    fn check_committed(&mut self, cx: &mut Cx<'_, Classic>, seq: SeqNum, view: View, digest: Digest) {
        let needed = self.committee.quorum();
        let slot = self.log.slot_mut(seq);
        if slot.decision.is_some() {
            return;
        }
        let Some(certificate) = slot.commits.certificate(Kind::Commit, view, seq, digest, needed) else { return };
        self.on_decided(cx, certificate);
    }
}

/// q matching commits decide.
impl Decision for Certificate {
    fn view(&self) -> View {
        self.view
    }

    fn seq(&self) -> SeqNum {
        self.seq
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn voters(&self) -> ReplicaSet {
        self.signers()
    }

    fn check(&self, verifier: &Verifier) -> Result<(), Rejection> {
        if self.kind != Kind::Commit {
            return Err(CertificateFault::WrongSlot.into());
        }
        Certificate::check(self, verifier.committee().quorum(), None, verifier)
    }
}

impl Evidence for Certificate {
    fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        self.signatures.iter_mut().map(|(_, signature)| signature).collect()
    }

    fn claims(&self, _: Committee) -> Vec<Claim> {
        Certificate::claims(self).collect()
    }
}

/// Everyone counts for itself and tells nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Nothing {}

impl Count for Nothing {
    fn topic(&self) -> (View, SeqNum, Digest) {
        match *self {}
    }

    fn check(&self, _: &Verifier) -> Result<(), Rejection> {
        match *self {}
    }
}

impl Evidence for Nothing {
    fn signatures_mut(&mut self) -> Vec<&mut Signature> {
        match *self {}
    }

    fn claims(&self, _: Committee) -> Vec<Claim> {
        match *self {}
    }
}
