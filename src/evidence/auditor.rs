//! The auditor: sees every verified message of a replica and keeps what it needs to prove a contradiction.
//!
//! # What it keeps
//!
//! - Statements about slots within two windows above the stable checkpoint: of each author at most
//!   [`PER_AUTHOR_WINDOWS`] windows' worth, those of the current view first. About 200 bytes each.
//! - Headers of primaries outside of that: the last [`STRAY_HEADERS`] of a view (rule 6), for the current view and
//!   [`VIEWS_AROUND`] views before and after it.
//! - Digests of submissions in proposed batches: at most those of one view's headers, each with the largest batch, in
//!   all. Batches of later views go first, then those of the oldest view, so the current view's always fit. Each digest
//!   takes about 100 bytes, in its batch and in the index. That is 53 MB at most with the default window of 256 slots,
//!   if a faulty primary fills two windows with batches of 1024 submissions; honest ones of 256 take a quarter.
//!
//! # What it costs
//!
//! Each digest in a message is looked up a constant number of times, and each repetition of a known statement costs one
//! look-up. See [`Auditor::work`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::proof::{Proof, shared_submission};
use crate::committee::Committee;
use crate::crypto::{Kind, Statement};
use crate::protocol::{Batch, Claim, Message, OwnStatement, Work};
use crate::types::{Digest, ReplicaId, ReplicaSet, SeqNum, View};

const PER_AUTHOR_WINDOWS: u64 = 8;
const STRAY_HEADERS: usize = 8;
/// How many views before and after its own it keeps headers outside the window of; of views further ahead it keeps nothing.
const VIEWS_AROUND: u64 = 8;

/// Where a statement stands: an honest author makes at most one for each place. A proposal has the same place whether
/// it is its primary's own or forced.
type Place = (View, Kind, SeqNum);

fn place_of(statement: &Statement) -> Place {
    let kind = if statement.kind == Kind::Forced { Kind::PrePrepare } else { statement.kind };
    (statement.view, kind, statement.seq)
}

/// A statement, and which replicas are known to have been told it. The batches of headers are kept apart.
#[derive(Clone)]
struct Heard {
    claim: Claim,
    told: ReplicaSet,
}

impl Heard {
    fn new(claim: &Claim, hearer: ReplicaId) -> Heard {
        Heard { claim: Claim { batch: None, ..*claim }, told: [hearer].into_iter().collect() }
    }
}

/// Two slots of a view that the same content was assigned to; the second one only if there is one.
#[derive(Clone, Copy)]
struct Slots {
    first: SeqNum,
    second: Option<SeqNum>,
}

impl Slots {
    fn other_than(self, seq: SeqNum) -> Option<SeqNum> {
        if self.first == seq { self.second } else { Some(self.first) }
    }
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
    /// Headers of each view's primary outside the window, newest last.
    strays: BTreeMap<View, VecDeque<Heard>>,
    /// The batches of headers that it keeps, where they are known. A view has one primary, so one header for each slot.
    batches: BTreeMap<(View, SeqNum), Batch>,
    /// How many submissions those name.
    digests: usize,
    /// Which slots of a view each batch and each submission was assigned to, of the primary's own accord. Every entry is
    /// of a header that is kept, and of its batch in `batches`.
    assigned: BTreeMap<(View, Digest), Slots>,
    /// The views, from the oldest one whose strays are kept on, whose primary is proved to have assigned something twice:
    /// one proof is enough.
    convicted: BTreeSet<View>,
    /// What the last message showed of the replica's own statements.
    own: Vec<OwnStatement>,
    work: Work,
}

/// Whether a statement was kept before it was heard now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Novelty {
    New,
    Repeated,
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
            batches: BTreeMap::new(),
            digests: 0,
            assigned: BTreeMap::new(),
            convicted: BTreeSet::new(),
            own: Vec::new(),
            work: Work::default(),
        }
    }

    /// Looks at a verified message that `from` sent; gives a proof for each of its statements that contradicts what was
    /// seen before, or for the whole if it convicts its author by itself.
    pub fn observe<M: Message>(&mut self, from: ReplicaId, message: &M) -> Vec<Finding<M>> {
        let by_itself = message.incriminates(self.committee).map(|accused| {
            let view = message.slot().map_or(View(0), |(view, _)| view);
            let summary = format!("{accused} began view {view} with slots that its view changes do not force");
            Finding { proof: Proof::SelfIncriminating(Box::new(message.clone())), summary }
        });
        let contradictions = self.remember_all(from, message.claims(self.committee));
        let asked = message.view_changes().into_iter().filter(|asked| asked.replica == self.me && from != self.me);
        self.own.extend(asked.map(|asked| OwnStatement::ViewChange(asked.view)));
        by_itself.into_iter().chain(contradictions).collect()
    }

    /// What the last message of another replica showed of this replica's own statements: as many as the message has at most.
    pub fn own(&self) -> &[OwnStatement] {
        &self.own
    }

    /// Remembers claims that one message of `from` brought; gives a proof for each that contradicts an earlier one.
    pub fn remember_all<M: Message>(&mut self, from: ReplicaId, claims: Vec<Claim>) -> Vec<Finding<M>> {
        self.own.clear();
        let mut findings = Vec::new();
        for claim in claims {
            if claim.replica() == Some(self.me) && from != self.me {
                self.own.push(OwnStatement::Signed(claim.statement));
            }
            findings.extend(self.remember(from, claim));
        }
        findings
    }

    /// Remembers one claim; gives a proof if it contradicts an earlier one.
    pub fn remember<M: Message>(&mut self, from: ReplicaId, claim: Claim) -> Option<Finding<M>> {
        self.work.add(1);
        let author = claim.replica().filter(|author| self.committee.contains(*author))?;
        let Statement { kind, view, seq, .. } = claim.statement;
        let is_header = kind == Kind::PrePrepare;
        // No message carries a header of anybody but the view's primary.
        if view.0 > self.view.0.saturating_add(VIEWS_AROUND) || is_header && author != self.committee.primary(view) {
            return None;
        }
        // Who repeats another's header was told it; who hears it from its author is this replica itself.
        let hearer = if from == author { self.me } else { from };
        if seq.0 != 0 && !self.is_in_window(seq) {
            return if is_header { self.remember_stray(author, hearer, claim) } else { None };
        }
        let place = place_of(&claim.statement);
        let novelty = match self.by_author.entry(author).or_default().entry(place) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                if known.claim.statement.digest != claim.statement.digest {
                    return Some(contradiction(author, known, &Heard::new(&claim, hearer)));
                }
                known.told.insert(hearer);
                if known.claim.statement.kind != kind {
                    return None;
                }
                Novelty::Repeated
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Heard::new(&claim, hearer));
                Novelty::New
            }
        };
        let finding = if is_header { self.check_assignment(claim, novelty) } else { None };
        self.forget_excess(author);
        finding
    }

    /// Keeps an author within its bound. What it says of views to come goes first, then what it said of the oldest: its
    /// statements of the current view fit, so nobody buries what it said by saying more.
    fn forget_excess(&mut self, author: ReplicaId) {
        while let Some(places) = self.by_author.get_mut(&author)
            && places.len() as u64 > PER_AUTHOR_WINDOWS * self.window_slots
        {
            let is_ahead = places.last_key_value().is_some_and(|((view, ..), _)| *view > self.view);
            let forgotten = if is_ahead { places.pop_last() } else { places.pop_first() };
            let Some((_, heard)) = forgotten else { return };
            self.forget_assignment(&heard.claim.statement);
        }
    }

    /// The replica has entered a view.
    pub fn enter_view(&mut self, view: View) {
        self.view = view;
        self.convicted = self.convicted.split_off(&self.oldest_view());
        let kept = self.strays.split_off(&self.oldest_view());
        for heard in std::mem::replace(&mut self.strays, kept).into_values().flatten() {
            self.forget_assignment(&heard.claim.statement);
        }
    }

    /// The oldest view whose headers outside the window are kept.
    fn oldest_view(&self) -> View {
        View(self.view.0.saturating_sub(VIEWS_AROUND))
    }

    /// A primary's header beyond the window: this is how the sequence-number form of equivocation looks to its victims.
    fn remember_stray<M: Message>(&mut self, author: ReplicaId, hearer: ReplicaId, claim: Claim) -> Option<Finding<M>> {
        let Statement { view, seq, digest, .. } = claim.statement;
        if view < self.oldest_view() {
            return None;
        }
        let strays = self.strays.entry(view).or_default();
        self.work.add(strays.len());
        let mut novelty = Novelty::New;
        if let Some(known) = strays.iter_mut().find(|stray| stray.claim.statement.seq == seq) {
            if known.claim.statement.digest != digest {
                return Some(contradiction(author, known, &Heard::new(&claim, hearer)));
            }
            known.told.insert(hearer);
            novelty = Novelty::Repeated;
        } else {
            strays.push_back(Heard::new(&claim, hearer));
            let forgotten = if strays.len() > STRAY_HEADERS { strays.pop_front() } else { None };
            forgotten.iter().for_each(|heard| self.forget_assignment(&heard.claim.statement));
        }
        self.check_assignment(claim, novelty)
    }

    /// Rule 8: whether the primary has assigned the same batch, or a submission in it, to another slot of the view. The
    /// header is kept already; a repetition is looked at only if it brings a batch that was not known.
    fn check_assignment<M: Message>(&mut self, claim: Claim, novelty: Novelty) -> Option<Finding<M>> {
        let Statement { view, seq, digest, .. } = claim.statement;
        let is_known = novelty == Novelty::Repeated && claim.batch.is_none() || self.batches.contains_key(&(view, seq));
        if digest == Digest::ZERO || is_known {
            return None;
        }
        let mut other = self.assign(view, seq, digest);
        if let Some(batch) = claim.batch {
            for content in &batch.submissions {
                other = other.or(self.assign(view, seq, *content));
            }
            self.digests += batch.submissions.len();
            self.batches.insert((view, seq), batch);
        }
        let is_open = view >= self.oldest_view() && !self.convicted.contains(&view);
        let finding = other.filter(|_| is_open).and_then(|other| self.double_assignment(view, seq, other));
        if finding.is_some() {
            self.convicted.insert(view);
        }
        self.forget_excess_batches();
        finding
    }

    /// Enters a slot that content was assigned to; gives another slot of the view that it was assigned to before.
    fn assign(&mut self, view: View, seq: SeqNum, content: Digest) -> Option<SeqNum> {
        self.work.add(1);
        let slots = self.assigned.entry((view, content)).or_insert(Slots { first: seq, second: None });
        if slots.first != seq {
            slots.second.get_or_insert(seq);
        }
        slots.other_than(seq)
    }

    /// The proof that two headers of a view assign the same, if the batches that are known show it.
    fn double_assignment<M: Message>(&mut self, view: View, seq: SeqNum, other: SeqNum) -> Option<Finding<M>> {
        let (mut first, mut second) = (self.header(view, seq.min(other))?, self.header(view, seq.max(other))?);
        // One batch has one digest: whoever knows its content knows it for both slots.
        if first.claim.statement.digest == second.claim.statement.digest {
            let batch = first.claim.batch.take().or_else(|| second.claim.batch.take());
            first.claim.batch.clone_from(&batch);
            second.claim.batch = batch;
        }
        let named = |heard: &Heard| heard.claim.batch.as_ref().map_or(0, |batch| batch.submissions.len());
        self.work.add(named(&first) + named(&second));
        shared_submission(&first.claim, &second.claim)?;
        let of_slot = |heard: &Heard| heard.claim.statement.seq == seq;
        let digest = if of_slot(&first) { first.claim.statement.digest } else { second.claim.statement.digest };
        let summary = format!(
            "{} equivocated in view {view}: it proposed batch {} to {} for slot {} and to {} for slot {}",
            self.committee.primary(view),
            digest.short(),
            first.told,
            first.claim.statement.seq,
            second.told,
            second.claim.statement.seq,
        );
        Some(Finding { proof: Proof::DoubleAssignment(first.claim, second.claim), summary })
    }

    /// Keeps the batches within their bound.
    fn forget_excess_batches(&mut self) {
        while self.digests > self.max_digests() {
            let is_ahead = self.batches.last_key_value().is_some_and(|((view, _), _)| *view > self.view);
            let forgotten = if is_ahead { self.batches.pop_last() } else { self.batches.pop_first() };
            let Some(((view, seq), batch)) = forgotten else { return };
            self.forget_contents(view, seq, &batch);
        }
    }

    /// A header is kept no longer, nor is what it assigned.
    fn forget_assignment(&mut self, header: &Statement) {
        let Statement { kind, view, seq, digest, .. } = *header;
        if kind != Kind::PrePrepare {
            return;
        }
        self.unassign(view, seq, digest);
        if let Some(batch) = self.batches.remove(&(view, seq)) {
            self.forget_contents(view, seq, &batch);
        }
    }

    /// A batch is kept no longer.
    fn forget_contents(&mut self, view: View, seq: SeqNum, batch: &Batch) {
        self.digests -= batch.submissions.len();
        for content in &batch.submissions {
            self.unassign(view, seq, *content);
        }
    }

    fn unassign(&mut self, view: View, seq: SeqNum, content: Digest) {
        self.work.add(1);
        let Entry::Occupied(mut entry) = self.assigned.entry((view, content)) else { return };
        let slots = entry.get_mut();
        match slots.second {
            Some(second) if slots.first == seq => *slots = Slots { first: second, second: None },
            None if slots.first == seq => drop(entry.remove()),
            _ => slots.second = slots.second.filter(|second| *second != seq),
        }
    }

    fn is_in_window(&self, seq: SeqNum) -> bool {
        seq > self.stable && seq <= self.stable.plus(2 * self.window_slots)
    }

    /// The header of a slot, with its batch if that is known.
    fn header(&self, view: View, seq: SeqNum) -> Option<Heard> {
        let places = self.by_author.get(&self.committee.primary(view));
        let in_window = places.and_then(|places| places.get(&(view, Kind::PrePrepare, seq)));
        let is_it = |heard: &&Heard| heard.claim.statement.seq == seq;
        let stray = || self.strays.get(&view)?.iter().find(is_it);
        let Heard { claim, told } = in_window.or_else(stray)?.clone();
        let batch = self.batches.get(&(view, seq)).cloned();
        Some(Heard { claim: Claim { batch, ..claim }, told })
    }

    /// A checkpoint is stable: statements about slots at or below it are not needed any more. Headers that the window has
    /// come to are kept within it from now on.
    pub fn collect(&mut self, stable: SeqNum) {
        self.stable = stable;
        let mut forgotten: Vec<Statement> = Vec::new();
        for places in self.by_author.values_mut() {
            places.retain(|(.., seq), heard| {
                let is_kept = seq.0 == 0 || *seq > stable;
                if !is_kept && heard.claim.statement.kind == Kind::PrePrepare {
                    forgotten.push(heard.claim.statement);
                }
                is_kept
            });
        }
        forgotten.iter().for_each(|header| self.forget_assignment(header));
        for (view, strays) in std::mem::take(&mut self.strays) {
            let (inside, outside): (VecDeque<Heard>, VecDeque<Heard>) =
                strays.into_iter().partition(|heard| self.is_in_window(heard.claim.statement.seq));
            let author = self.committee.primary(view);
            let places = self.by_author.entry(author).or_default();
            places.extend(inside.into_iter().map(|heard| (place_of(&heard.claim.statement), heard)));
            if !outside.is_empty() {
                self.strays.insert(view, outside);
            }
            self.forget_excess(author);
        }
    }

    /// How many statements it holds.
    pub fn len(&self) -> usize {
        let strays = self.strays.values().map(VecDeque::len).sum::<usize>();
        self.by_author.values().map(BTreeMap::len).sum::<usize>() + strays
    }

    /// The most that [`Auditor::len`] can be.
    pub fn bound(&self) -> usize {
        let in_window = self.committee.size() * (PER_AUTHOR_WINDOWS * self.window_slots) as usize;
        in_window + (2 * VIEWS_AROUND as usize + 1) * STRAY_HEADERS
    }

    /// How many digests of submissions it holds; the index has one entry for each, and one for each header.
    pub fn digests(&self) -> usize {
        self.digests
    }

    /// The most that [`Auditor::digests`] can be: what the headers of one view can assign.
    pub fn max_digests(&self) -> usize {
        (2 * self.window_slots as usize + STRAY_HEADERS) * Batch::MAX_SUBMISSIONS
    }

    /// What it has done so far: statements and digests that it looked up, compared or hashed.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn contradiction<M: Message>(author: ReplicaId, a: &Heard, b: &Heard) -> Finding<M> {
    let Statement { kind, view, seq, .. } = a.claim.statement;
    let mut summary = format!("{author} equivocated at ({view}, {seq}), {}:", kind.name());
    for (i, heard) in [a, b].into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _infallible = write!(summary, "{comma} {} to {}", heard.claim.statement.digest.short(), heard.told);
    }
    Finding { proof: Proof::Contradiction(a.claim.clone(), b.claim.clone()), summary }
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

    /// What the view's primary says.
    fn claim(kind: Kind, view: u64, seq: u64, content: u64, submissions: u16) -> Claim {
        let digest = |i: u16| Digest::of("submission", &[&content.to_le_bytes(), &i.to_le_bytes()]);
        let batch = Batch { submissions: (0..submissions).map(digest).collect() };
        let author = Author::Replica(Committee::new(4).unwrap().primary(View(view)));
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
        assert!(auditor.len() <= auditor.bound(), "{}", auditor.len());
        assert!(
            auditor.digests() <= 10 * auditor.bound() && auditor.assigned.len() <= auditor.len() + auditor.digests()
        );
    }

    #[test]
    fn rule_6_headers_beyond_the_window_are_bounded_and_those_of_the_view_stay() {
        let mut auditor = auditor();
        auditor.enter_view(View(50));
        hear(&mut auditor, claim(Kind::PrePrepare, 50, 5000, 7, 2));
        for view in 0..100 {
            for seq in 1000..1020 {
                hear(&mut auditor, claim(Kind::PrePrepare, view, seq + view, 100 * view + seq, u16::from(view != 50)));
            }
        }
        let outside: usize = auditor.strays.values().map(VecDeque::len).sum();
        assert_eq!(outside, (2 * VIEWS_AROUND as usize + 1) * STRAY_HEADERS);
        for seq in 1..8 {
            hear(&mut auditor, claim(Kind::PrePrepare, 58, 2000 + seq, 3000 + seq, 2));
        }
        assert!(hear(&mut auditor, claim(Kind::PrePrepare, 58, 2, 3007, 2)), "the last eight of a view are kept");
    }

    #[test]
    fn submissions_of_the_view_are_never_forgotten_for_those_of_others() {
        let mut auditor = auditor();
        auditor.enter_view(View(5));
        let most = Batch::MAX_SUBMISSIONS as u16;
        let content = |view: u64, seq: u64| 100 * view + seq;
        for view in [5, 1, 9, 13, 2, 3, 4, 6] {
            for seq in 1..=2 * WINDOW {
                hear(&mut auditor, claim(Kind::PrePrepare, view, seq, content(view, seq), most));
                assert!(auditor.digests() <= auditor.max_digests());
            }
        }
        assert!(auditor.digests() > auditor.max_digests() - Batch::MAX_SUBMISSIONS, "the bound is reached");
        assert!(auditor.assigned.len() <= auditor.len() + auditor.digests());
        for seq in 1..=2 * WINDOW {
            assert!(auditor.batches.contains_key(&(View(5), SeqNum(seq))), "slot {seq}");
        }
        assert!(hear(&mut auditor, claim(Kind::PrePrepare, 5, 4000, content(5, 1), most)));
    }

    #[test]
    fn nothing_is_left_of_what_lies_behind_a_checkpoint() {
        let mut auditor = auditor();
        for seq in 1..=8 {
            hear(&mut auditor, claim(Kind::PrePrepare, 0, seq, seq, 3));
            hear(&mut auditor, claim(Kind::Prepare, 0, seq, seq, 3));
        }
        hear(&mut auditor, claim(Kind::PrePrepare, 0, 12, 12, 3));
        auditor.collect(SeqNum(8));
        assert_eq!(
            (auditor.len(), auditor.digests(), auditor.assigned.len()),
            (1, 3, 4),
            "slot 12 is in the window now"
        );
        assert!(auditor.strays.is_empty());
        assert!(hear(&mut auditor, claim(Kind::PrePrepare, 0, 9, 12, 3)), "and what it assigned is known still");
        auditor.collect(SeqNum(12));
        assert_eq!((auditor.len(), auditor.digests(), auditor.assigned.len()), (0, 0, 0));
    }

    #[test]
    fn rule_8_a_batch_that_becomes_known_late_proves_the_double_assignment() {
        let mut auditor = auditor();
        let header = |seq| Claim { batch: None, ..claim(Kind::PrePrepare, 0, seq, 1, 2) };
        assert!(!hear(&mut auditor, header(1)) && !hear(&mut auditor, header(2)));
        assert!(hear(&mut auditor, claim(Kind::PrePrepare, 0, 1, 1, 2)));
        assert!(!hear(&mut auditor, claim(Kind::PrePrepare, 0, 2, 1, 2)), "one proof for a view is enough");
    }

    /// The worst that one header can cost, per digest that it carries: the look-ups of its own digests, those of the header
    /// that it displaces, and once in a view a proof.
    const WORK_PER_DIGEST: u64 = 4;

    #[test]
    fn rule_6_a_header_beyond_the_window_costs_as_much_as_it_is_long() {
        let most = Batch::MAX_SUBMISSIONS as u16;
        let mut auditor = auditor();
        for seq in 0..4 * STRAY_HEADERS as u64 {
            let before = auditor.work();
            hear(&mut auditor, claim(Kind::PrePrepare, 1, 1000 + seq, seq, most));
            let work = auditor.work().units() - before.units();
            assert!(work <= WORK_PER_DIGEST * u64::from(most), "{work} for {most} digests");
            let again = auditor.work();
            hear(&mut auditor, claim(Kind::PrePrepare, 1, 1000 + seq, seq, most));
            assert!(auditor.work().units() - again.units() <= 16, "what is known is looked up once");
        }
    }

    #[test]
    fn rule_8_headers_without_batches_make_one_proof_and_cost_little_after_it() {
        let mut auditor = auditor();
        hear(&mut auditor, claim(Kind::PrePrepare, 1, 1, 1, Batch::MAX_SUBMISSIONS as u16));
        let header = |seq| Claim { batch: None, ..claim(Kind::PrePrepare, 1, seq, 1, Batch::MAX_SUBMISSIONS as u16) };
        assert!(hear(&mut auditor, header(1000)));
        for seq in 1000..1100 {
            let before = auditor.work();
            assert!(!hear(&mut auditor, header(seq)));
            assert!(auditor.work().units() - before.units() <= 16);
        }
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
