//! The auditor: sees every verified message of a replica and keeps what it needs to prove a contradiction.
//!
//! Bounds: statements about slots within two windows above the stable checkpoint, of each author at most
//! [`PER_AUTHOR_WINDOWS`] windows' worth, those of the current view first; of a primary's headers beyond that, the last
//! [`STRAY_HEADERS`] of a view (rule 6). Nothing of views more than [`VIEWS_AHEAD`] ahead.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use super::proof::{Proof, shared_submission};
use crate::committee::Committee;
use crate::crypto::{Kind, Statement};
use crate::protocol::{Batch, Claim, Message};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};

const PER_AUTHOR_WINDOWS: u64 = 8;
const STRAY_HEADERS: usize = 8;
const VIEWS_AHEAD: u64 = 8;

/// Where a statement stands: an honest author makes at most one for each place. A proposal has the same place whether
/// it is its primary's own or forced.
type Place = (View, Kind, SeqNum);

fn place_of(statement: &Statement) -> Place {
    let kind = if statement.kind == Kind::Forced { Kind::PrePrepare } else { statement.kind };
    (statement.view, kind, statement.seq)
}

/// A statement, and which replicas are known to have been told it.
#[derive(Clone)]
struct Heard {
    claim: Claim,
    told: ReplicaSet,
}

/// What one replica remembers of what was signed.
pub struct Auditor {
    me: ReplicaId,
    committee: Committee,
    window_slots: u64,
    /// The replica's view.
    view: View,
    stable: SeqNum,
    by_author: BTreeMap<ReplicaId, BTreeMap<Place, Heard>>,
    /// Headers of primaries outside the window, newest last.
    strays: BTreeMap<ReplicaId, VecDeque<Heard>>,
    /// Which slot of the window each batch and each submission was first assigned to, of the primary's own accord.
    assigned: BTreeMap<(View, Digest), SeqNum>,
}

/// A proof, and one line for people on what was told to whom.
pub struct Finding<M> {
    /// The proof.
    pub proof: Proof<M>,
    /// Who is guilty of what, and what it told to whom as far as this replica knows.
    pub summary: String,
}

impl Auditor {
    /// An auditor that has seen nothing.
    pub fn new(me: ReplicaId, committee: Committee, window_slots: u64) -> Auditor {
        Auditor {
            me,
            committee,
            window_slots,
            view: View(0),
            stable: SeqNum(0),
            by_author: BTreeMap::new(),
            strays: BTreeMap::new(),
            assigned: BTreeMap::new(),
        }
    }

    /// Looks at a verified message that `from` sent; gives a proof for each of its statements that contradicts what was
    /// seen before, or for the whole if it convicts its author by itself.
    pub fn observe<M: Message>(&mut self, from: ReplicaId, message: &M) -> Vec<Finding<M>> {
        if let Some(accused) = message.incriminates(self.committee) {
            let view = message.slot().map_or(View(0), |(view, _)| view);
            let summary = format!("{accused} began view {view} with slots that its view changes do not force");
            return vec![Finding { proof: Proof::SelfIncriminating(Box::new(message.clone())), summary }];
        }
        let committee = self.committee;
        message.claims(committee).into_iter().filter_map(|claim| self.remember(from, claim)).collect()
    }

    /// Remembers one claim; gives a proof if it contradicts an earlier one.
    pub fn remember<M: Message>(&mut self, from: ReplicaId, claim: Claim) -> Option<Finding<M>> {
        let author = claim.replica().filter(|author| self.committee.contains(*author))?;
        let Statement { kind, view, seq, .. } = claim.statement;
        if view.0 > self.view.0.saturating_add(VIEWS_AHEAD) {
            return None;
        }
        // Who repeats another's header was told it; who hears it from its author is this replica itself.
        let hearer = if from == author { self.me } else { from };
        let is_header = kind == Kind::PrePrepare;
        if seq.0 != 0 && !self.is_in_window(seq) {
            return if is_header { self.remember_stray(author, hearer, claim) } else { None };
        }
        let place = place_of(&claim.statement);
        let places = self.by_author.entry(author).or_default();
        if let Some(known) = places.get_mut(&place) {
            if known.claim.statement.digest == claim.statement.digest {
                known.told.insert(hearer);
                if known.claim.batch.is_none() && claim.batch.is_some() {
                    known.claim.batch.clone_from(&claim.batch);
                    return self.check_assignment(author, &claim);
                }
                return None;
            }
            let earlier = known.clone();
            return Some(contradiction(author, &earlier, Heard { claim, told: [hearer].into_iter().collect() }));
        }
        places.insert(place, Heard { claim: claim.clone(), told: [hearer].into_iter().collect() });
        let finding = if is_header { self.check_assignment(author, &claim) } else { None };
        self.forget_excess(author);
        finding
    }

    /// Keeps an author within its bound. What it says of views to come goes first, then what it said of the oldest: its
    /// statements of the current view fit, so nobody buries what it said by saying more.
    fn forget_excess(&mut self, author: ReplicaId) {
        let Some(places) = self.by_author.get_mut(&author) else { return };
        while places.len() as u64 > PER_AUTHOR_WINDOWS * self.window_slots {
            let is_ahead = places.last_key_value().is_some_and(|((view, ..), _)| *view > self.view);
            let forgotten = if is_ahead { places.pop_last() } else { places.pop_first() };
            let Some(((view, _, seq), heard)) = forgotten else { return };
            for content in contents(&heard.claim) {
                if self.assigned.get(&(view, content)) == Some(&seq) {
                    self.assigned.remove(&(view, content));
                }
            }
        }
    }

    /// The replica has entered a view.
    pub fn enter_view(&mut self, view: View) {
        self.view = view;
    }

    /// A primary's header beyond the window: this is how the sequence-number form of equivocation looks to its victims.
    fn remember_stray<M: Message>(&mut self, author: ReplicaId, hearer: ReplicaId, claim: Claim) -> Option<Finding<M>> {
        let strays = self.strays.entry(author).or_default();
        strays.retain(|stray| stray.claim.statement.view >= claim.statement.view);
        let same = |stray: &&mut Heard| {
            (stray.claim.statement.view, stray.claim.statement.seq) == (claim.statement.view, claim.statement.seq)
        };
        if let Some(known) = strays.iter_mut().find(same) {
            if known.claim.statement.digest != claim.statement.digest {
                let earlier = known.clone();
                return Some(contradiction(author, &earlier, Heard { claim, told: [hearer].into_iter().collect() }));
            }
            known.told.insert(hearer);
        } else {
            strays.push_back(Heard { claim: claim.clone(), told: [hearer].into_iter().collect() });
            if strays.len() > STRAY_HEADERS {
                strays.pop_front();
            }
        }
        self.check_assignment(author, &claim)
    }

    /// Rule 8: whether the primary has assigned the same batch, or a submission in it, to another slot of the view.
    fn check_assignment<M: Message>(&mut self, author: ReplicaId, claim: &Claim) -> Option<Finding<M>> {
        let Statement { view, seq, digest, .. } = claim.statement;
        if digest == Digest::ZERO {
            return None;
        }
        let other = self.assigned_elsewhere(author, claim);
        if self.is_in_window(seq) {
            for content in contents(claim) {
                self.assigned.entry((view, content)).or_insert(seq);
            }
        }
        let mut other = other?;
        let mut this = self.header(author, view, seq)?;
        // One batch has one digest: whoever knows its content knows it for both slots.
        if this.claim.statement.digest == other.claim.statement.digest {
            let batch = this.claim.batch.take().or_else(|| other.claim.batch.take());
            this.claim.batch.clone_from(&batch);
            other.claim.batch = batch;
        }
        shared_submission(&this.claim, &other.claim)?;
        let is_first = this.claim.statement.seq < other.claim.statement.seq;
        let (first, second) = if is_first { (this, other) } else { (other, this) };
        let summary = format!(
            "{author} equivocated in view {view}: batch {} is slot {} to {} and slot {} to {}",
            digest.short(),
            first.claim.statement.seq,
            first.told,
            second.claim.statement.seq,
            second.told,
        );
        Some(Finding { proof: Proof::DoubleAssignment(first.claim, second.claim), summary })
    }

    /// Another slot of the view that was given the batch or something in it.
    fn assigned_elsewhere(&self, author: ReplicaId, claim: &Claim) -> Option<Heard> {
        let Statement { view, seq, .. } = claim.statement;
        let in_window =
            contents(claim).find_map(|content| self.assigned.get(&(view, content)).filter(|other| **other != seq));
        if let Some(other) = in_window {
            return self.header(author, view, *other);
        }
        let shares = |heard: &&Heard| {
            let s = &heard.claim.statement;
            s.view == view
                && s.seq != seq
                && contents(&heard.claim).any(|content| contents(claim).any(|c| c == content))
        };
        self.strays.get(&author)?.iter().find(shares).cloned()
    }

    fn is_in_window(&self, seq: SeqNum) -> bool {
        seq > self.stable && seq <= self.stable.plus(2 * self.window_slots)
    }

    fn header(&self, author: ReplicaId, view: View, seq: SeqNum) -> Option<Heard> {
        let in_window = self.by_author.get(&author).and_then(|places| places.get(&(view, Kind::PrePrepare, seq)));
        let matches = |heard: &&Heard| heard.claim.statement.view == view && heard.claim.statement.seq == seq;
        let stray = || self.strays.get(&author).and_then(|strays| strays.iter().find(matches));
        in_window.or_else(stray).cloned()
    }

    /// A checkpoint is stable: statements about slots at or below it are not needed any more.
    pub fn collect(&mut self, stable: SeqNum) {
        self.stable = stable;
        for places in self.by_author.values_mut() {
            places.retain(|(.., seq), _| seq.0 == 0 || *seq > stable);
        }
        self.assigned.retain(|_, seq| *seq > stable);
    }

    /// How many statements and digests of what they assign it holds.
    pub fn len(&self) -> usize {
        self.assigned.len()
            + self.by_author.values().map(BTreeMap::len).sum::<usize>()
            + self.strays.values().map(VecDeque::len).sum::<usize>()
    }

    /// The most that [`Auditor::len`] can be: of each author so many statements, each with what a batch can name.
    pub fn bound(&self) -> usize {
        let statements = PER_AUTHOR_WINDOWS as usize * self.window_slots as usize + STRAY_HEADERS + 1;
        self.committee.size() * statements * (Batch::MAX_SUBMISSIONS + 2)
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The digests of a proposal's batch and of what is known to be in it.
fn contents(claim: &Claim) -> impl Iterator<Item = Digest> {
    let submissions = claim.batch.iter().flat_map(|batch| batch.submissions.iter().copied());
    std::iter::once(claim.statement.digest).chain(submissions)
}

fn contradiction<M: Message>(author: ReplicaId, a: &Heard, b: Heard) -> Finding<M> {
    let Statement { kind, view, seq, .. } = a.claim.statement;
    let mut summary = format!("{author} equivocated at ({view}, {seq}), {}:", kind.name());
    for (i, heard) in [a, &b].into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _infallible = write!(summary, "{comma} {} to {}", heard.claim.statement.digest.short(), heard.told);
    }
    Finding { proof: Proof::Contradiction(a.claim.clone(), b.claim), summary }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Author, Signature};
    use crate::pbft;

    const WINDOW: u64 = 4;

    fn auditor() -> Auditor {
        Auditor::new(ReplicaId(3), Committee::new(4).unwrap(), WINDOW)
    }

    fn claim(kind: Kind, view: u64, seq: u64, content: u64, submissions: u8) -> Claim {
        let digest = |i: u8| Digest::of("submission", &[&content.to_le_bytes(), &[i]]);
        let batch = Batch { submissions: (0..submissions).map(digest).collect() };
        let author = Author::Replica(ReplicaId(1));
        let statement = Statement { kind, view: View(view), seq: SeqNum(seq), digest: batch.digest(), author };
        Claim { statement, signature: Signature::BLANK, batch: Some(batch) }
    }

    fn hear(auditor: &mut Auditor, claim: Claim) -> bool {
        auditor.remember::<pbft::Message>(ReplicaId(1), claim).is_some()
    }

    #[test]
    fn what_one_author_says_is_bounded_with_all_that_it_assigns() {
        let mut auditor = auditor();
        for i in 0..10_000 {
            hear(&mut auditor, claim(Kind::PrePrepare, i, 1 + i % 8, i, 10));
            auditor.enter_view(View(i));
        }
        let statements = (PER_AUTHOR_WINDOWS * WINDOW) as usize;
        assert!(auditor.len() <= 12 * (statements + 1), "{}", auditor.len());
    }

    #[test]
    fn nobody_buries_what_it_said_by_saying_more() {
        let mut auditor = auditor();
        auditor.enter_view(View(5));
        hear(&mut auditor, claim(Kind::PrePrepare, 5, 1, 1, 1));
        for view in 6..100 {
            for seq in 1..=8 {
                hear(&mut auditor, claim(Kind::Commit, view, seq, seq, 1));
                hear(&mut auditor, claim(Kind::Commit, 99 - view, seq, seq, 1));
            }
        }
        assert!(hear(&mut auditor, claim(Kind::PrePrepare, 5, 1, 2, 1)));
    }

    #[test]
    fn rule_5_an_own_and_a_forced_proposal_for_one_slot_contradict_each_other() {
        let mut auditor = auditor();
        assert!(!hear(&mut auditor, claim(Kind::Forced, 1, 1, 1, 1)));
        assert!(!hear(&mut auditor, claim(Kind::PrePrepare, 1, 1, 1, 1)), "the same one twice is no contradiction");
        assert!(hear(&mut auditor, claim(Kind::PrePrepare, 1, 1, 2, 1)));
    }
}
