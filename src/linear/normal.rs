//! The normal case: the primary counts PREPAREs and COMMITs and tells everyone.

use super::{Count, Decision, Linear, Quorum, Shown, Vote};
use crate::committee::Committee;
use crate::crypto::{Kind, Signature};
use crate::protocol::{Certificate, Output, Recipients, Timer};
use crate::rejection::Rejection;
use crate::types::{Digest, Micros, ProtocolName, ReplicaId, SeqNum, Time};
use crate::views::form::{Decision as _, Form};
use crate::views::message::{Commit, Message, PreparedCertificate};
use crate::views::{Cx, Proposal, Slot, Views};

impl Form for Linear {
    const NAME: ProtocolName = ProtocolName::Linear;
    const LEADER: &'static str = "collector";
    const HAS_COLLECTOR: bool = true;
    const PHASES: &'static [&'static str] = &["pre-prepare", "prepare", "commit"];
    const MESSAGES: &'static [&'static str] = &[
        "pre-prepare",
        "prepare",
        "commit",
        "certificate",
        "view-change",
        "new-view",
        "status",
        "ask",
        "committed",
        "fetch-batches",
        "batches",
    ];

    type Shown = Shown;
    type Decision = Decision;
    type Count = Count;

    fn counted_by(primary: ReplicaId) -> Recipients {
        Recipients::One(primary)
    }

    fn advance(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, seq: SeqNum) {
        if views.is_primary() {
            views.count_prepares(cx, seq);
        }
    }

    fn on_commit(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, commit: &Commit) {
        let needed = views.committee.quorum();
        let Commit { view, seq, digest, .. } = *commit;
        let Some(slot) = views.log.slot(seq).filter(|slot| slot.decision.is_none()) else { return };
        if !views.is_primary() || view != views.view {
            return;
        }
        if let Some(commits) = slot.commits.certificate(Kind::Commit, view, seq, digest, needed) {
            views.tell(cx, seq, Count::Decided(Decision::Committed(commits)));
        }
    }

    fn on_count(views: &mut Views<Self>, cx: &mut Cx<'_, Self>, count: Count) -> Result<(), Rejection> {
        match count {
            Count::Prepared(prepared) => {
                let Certificate { seq, digest, .. } = prepared.prepares;
                if views.learn_prepared(cx, prepared)? {
                    views.commit(cx, seq, digest);
                }
            }
            Count::Decided(decision) => {
                let seq = decision.seq();
                views.check_slot(seq)?;
                if let Decision::Fast(prepared) = &decision
                    && views.log.has_batch(decision.digest())
                {
                    // What all have prepared a quorum has. If this replica can not use it as such, it still is decided.
                    let _whether = views.learn_prepared(cx, prepared.clone());
                }
                if views.log.slot(seq).is_none_or(|slot| slot.decision.is_none()) {
                    views.on_decided(cx, decision);
                }
            }
        }
        Ok(())
    }

    /// All votes of a slot were waited for long enough: the slow path is taken.
    fn on_timeout(views: &mut Views<Self>, cx: &mut Cx<'_, Self>) {
        for seq in views.overdue(cx.now) {
            views.form.hope.disappoint();
            views.count_prepares(cx, seq);
        }
        // Those that were overdue are told by now.
        let still_waiting = views.waiting().map(|(_, deadline)| deadline).filter(|deadline| *deadline > cx.now);
        if let Some(deadline) = still_waiting.min() {
            cx.emit(Output::SetTimer(Timer::FastPath, deadline));
        }
    }

    fn on_view_entered(&mut self) {
        *self = Linear::default();
    }

    fn show(views: &Views<Self>, seq: SeqNum, slot: &Slot<Self>) -> Option<Shown> {
        let prepared = slot.prepared.clone();
        let prepared_in = prepared.as_ref().map(|prepared| prepared.prepares.view);
        let voted = slot.voted.filter(|voted| Some(voted.view) > prepared_in).map(|voted| {
            let Proposal { view, origin, digest, header } = voted;
            let is_own = views.committee.primary(view) == views.me;
            Vote { view, seq, digest, origin, header, prepare: (!is_own).then_some(Signature::BLANK) }
        });
        (prepared.is_some() || voted.is_some()).then_some(Shown { prepared, voted })
    }

    fn choose(shown: &[&Shown], committee: Committee) -> Option<Digest> {
        super::set_o::choose(shown, committee)
    }
}

impl Views<Linear> {
    /// As primary: tells everyone that a slot is prepared, or decided if all have prepared it. With a quorum it waits for
    /// the others as long as there is hope.
    fn count_prepares(&mut self, cx: &mut Cx<'_, Linear>, seq: SeqNum) {
        let (n, quorum, view) = (self.committee.size(), self.committee.quorum(), self.view);
        let Some(slot) = self.log.slot(seq).filter(|slot| slot.decision.is_none()) else { return };
        let Some(Proposal { origin, digest, header, .. }) = slot.proposal else { return };
        // The pre-prepare is the primary's own prepare.
        let count = 1 + slot.prepares.count(view, digest);
        if count < quorum || !self.log.has_batch(digest) {
            return;
        }
        let executed = self.executed;
        self.form.with_quorum.retain(|seq, _| *seq > executed);
        let with_quorum = self.form.with_quorum.entry(seq);
        let quorum_of_slot = with_quorum.or_insert(Quorum { since: cx.now, is_counted: false });
        let since = quorum_of_slot.since;
        let is_in_time = cx.now.since(since) <= self.settings.fast_path_wait();
        if count == n && is_in_time && !std::mem::replace(&mut quorum_of_slot.is_counted, true) {
            self.form.hope.encourage();
        }
        let certificate = |needed: usize| {
            let prepares = slot.prepares.certificate(Kind::Prepare, view, seq, digest, needed - 1)?;
            Some(PreparedCertificate { origin, header, prepares })
        };
        let told = match slot.is_prepared_in(view) {
            true => None,
            false if count == n => certificate(n).map(|all| Count::Decided(Decision::Fast(all))),
            false if self.form.hope.is_alive() && cx.now < since.after(self.settings.fast_path_wait()) => None,
            false => certificate(quorum).map(Count::Prepared),
        };
        match told {
            Some(count) => self.tell(cx, seq, count),
            None => self.arm_fast_path(cx),
        }
    }

    fn tell(&mut self, cx: &mut Cx<'_, Linear>, seq: SeqNum, count: Count) {
        self.say(cx, seq, Recipients::All, Message::Count(count));
    }

    /// Takes over that a slot is prepared; says whether it is here. Whoever missed the proposal finds it in the certificate.
    fn learn_prepared(&mut self, cx: &mut Cx<'_, Linear>, prepared: PreparedCertificate) -> Result<bool, Rejection> {
        let Certificate { view, seq, digest, .. } = prepared.prepares;
        self.check_slot(seq)?;
        if view != self.view {
            return Err(Rejection::WrongView(view));
        }
        let slot = self.log.slot_mut(seq);
        match slot.proposal {
            Some(proposal) if proposal.digest != digest => {
                return Err(Rejection::Conflicting(self.committee.primary(view)));
            }
            Some(_) => {}
            None => {
                let PreparedCertificate { origin, header, .. } = prepared;
                slot.proposal = Some(Proposal { view, origin, digest, header });
            }
        }
        if !self.log.has_batch(digest) {
            let voters = prepared.prepares.signers();
            self.fetch_batch(cx, digest, voters);
            return Ok(false);
        }
        if !self.log.slot(seq).is_some_and(|slot| slot.is_prepared_in(view)) {
            self.on_prepared(cx, prepared);
        }
        Ok(true)
    }

    /// The slots whose quorum has waited long enough for the others.
    fn overdue(&self, now: Time) -> Vec<SeqNum> {
        self.waiting().filter(|(_, deadline)| *deadline <= now).map(|(seq, _)| seq).collect()
    }

    /// The slots that have a quorum and wait for the others, and until when.
    fn waiting(&self) -> impl Iterator<Item = (SeqNum, Time)> {
        let is_open = |seq| {
            let is_settled = |slot: &Slot<Linear>| slot.decision.is_some() || slot.is_prepared_in(self.view);
            self.log.slot(seq).is_some_and(|slot| !is_settled(slot))
        };
        let wait: Micros = self.settings.fast_path_wait();
        let since = self.form.with_quorum.iter().filter(move |(seq, _)| is_open(**seq));
        since.map(move |(seq, quorum)| (*seq, quorum.since.after(wait)))
    }

    fn arm_fast_path(&self, cx: &mut Cx<'_, Linear>) {
        if let Some(deadline) = self.waiting().map(|(_, deadline)| deadline).min() {
            cx.emit(Output::SetTimer(Timer::FastPath, deadline.max(cx.now.after(Micros(1)))));
        }
    }
}
