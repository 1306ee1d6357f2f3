//! What is known of one replica.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byztop_core::protocol::{SlotPhase, SlotVotes};
use byztop_core::telemetry::{ClockOffset, Frame};
use byztop_core::types::{Micros, ReplicaId, SeqNum, Time, View};

/// A link that is up but brings no frame for so long tells nothing about now: less than a second, so that the screen says
/// so within one, and longer than frames are apart while the screen is held.
const STALE_AFTER: Micros = Micros::from_millis(700);

/// A kill that was ordered is believed for so long without being confirmed.
const DIES_WITHIN: Micros = Micros::from_millis(3000);

/// How long a replica may take to answer a request before the console complains.
const ANSWER_WITHIN: Micros = Micros::from_millis(3000);

/// Frames made before an answer may arrive after it; for so long the answer is believed.
const SETTLE: Micros = Micros::from_millis(1000);

/// Replica clocks this near to ours are taken to be the same clock.
const SAME_CLOCK: Micros = Micros::from_millis(500);

/// Rates are means over about so long.
const RATE_WINDOW: Micros = Micros::from_millis(1000);

/// How many samples of the counters are kept: more than a second's at any sensible frame rate.
const MAX_SAMPLES: usize = 64;

/// How many frames' slots and votes are kept.
const MAX_FRAMES: usize = 8;

/// How many slots of the fast path are remembered: more than a screen is wide.
const MAX_FAST: usize = 1024;

/// How far apart the samples of what was sent are, and how many are kept.
const SENT_EVERY: Micros = Micros::from_millis(400);
const MAX_SENT: usize = 6;

/// How many seconds of throughput are kept.
const MAX_SECONDS: usize = 60;

/// The link to a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::tui) enum Link {
    /// Not up yet, or again, since.
    Connecting(Time),
    /// Up since.
    Up(Time),
    /// Lost since, and why.
    Down(Time, String),
}

/// The process of a replica, if it was started here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::tui) enum Process {
    /// Somebody else's.
    Unknown,
    /// It runs.
    Running,
    /// It was started again, then, and has said nothing yet.
    Starting(Time),
    /// It was killed from here, then.
    Killed(Time),
    /// It has ended otherwise, then, and how.
    Exited(Time, String),
}

/// An attack that was asked for and is not visible in a frame yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::tui) struct Pending {
    /// What will hold, in the attack language.
    pub attack: String,
    since: Time,
    /// How many requests are not answered yet.
    unanswered: usize,
}

/// The slots of a replica as they were at one moment.
#[derive(Clone, Debug)]
pub(in crate::tui) struct SlotsThen {
    at: Time,
    executed: SeqNum,
    unexecuted: Vec<(SeqNum, SlotPhase)>,
}

impl SlotsThen {
    /// The newest slot that had begun.
    pub(in crate::tui) fn newest(&self) -> SeqNum {
        self.unexecuted.last().map_or(self.executed, |(seq, _)| self.executed.max(*seq))
    }

    /// How far a slot was.
    pub(in crate::tui) fn phase(&self, slot: SeqNum) -> SlotPhase {
        if slot <= self.executed {
            return SlotPhase::Executed;
        }
        let place = self.unexecuted.binary_search_by_key(&slot, |(seq, _)| *seq);
        place.map_or(SlotPhase::Empty, |place| self.unexecuted[place].1)
    }
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Time,
    executed: SeqNum,
    operations: u64,
    cpu: Micros,
}

/// What was sent by a moment.
#[derive(Clone, Debug)]
struct Sent {
    at: Time,
    executed: SeqNum,
    by_name: BTreeMap<String, u64>,
}

/// What is known of one replica.
#[derive(Clone, Debug)]
pub(in crate::tui) struct Replica {
    pub id: ReplicaId,
    pub link: Link,
    pub process: Process,
    /// When its process was ordered to be killed, until that is confirmed.
    dying_since: Option<Time>,
    /// The slot until which it only watches, as it last said.
    pub watches_until: Option<SeqNum>,
    pub rtt: Option<Micros>,
    /// How its clock differs from the console's.
    pub clock: ClockOffset,
    /// Whether it takes attacks from this console.
    pub may_attack: bool,
    /// What was asked for and is not confirmed.
    pub pending: Option<Pending>,
    /// Since when the attack that it shows now has been set.
    pub attacked_since: Option<Time>,
    /// The last frame and when it came, without its events and latencies.
    frame: Option<(Time, Box<Frame>)>,
    samples: VecDeque<Sample>,
    slots: VecDeque<SlotsThen>,
    votes: VecDeque<SlotVotes>,
    /// Whether the last frame had votes.
    shows_votes: bool,
    /// Operations in each second of the last minute, oldest first, and the second that the last entry is about.
    throughput: VecDeque<Option<f64>>,
    second: u64,
    /// The newest slots that it decided on the fast path, at most [`MAX_FAST`].
    fast: BTreeSet<SeqNum>,
    /// What it had executed, and sent by name, twice a second or so, for about two seconds.
    sent: VecDeque<Sent>,
    /// Slots that were newest when somebody refused a bad signature of this replica.
    pub bad_signatures: VecDeque<SeqNum>,
}

impl Replica {
    pub(super) fn new(id: ReplicaId, now: Time) -> Replica {
        Replica {
            id,
            link: Link::Connecting(now),
            process: Process::Unknown,
            dying_since: None,
            watches_until: None,
            rtt: None,
            clock: ClockOffset::default(),
            may_attack: false,
            pending: None,
            attacked_since: None,
            frame: None,
            samples: VecDeque::new(),
            slots: VecDeque::new(),
            votes: VecDeque::new(),
            shows_votes: false,
            throughput: VecDeque::new(),
            second: now.0 / 1_000_000,
            fast: BTreeSet::new(),
            sent: VecDeque::new(),
            bad_signatures: VecDeque::new(),
        }
    }

    /// The last frame, if it still tells how things are.
    pub(in crate::tui) fn known(&self, now: Time) -> Option<&Frame> {
        let (received, frame) = self.frame.as_ref()?;
        (self.is_up() && now.since(*received) < STALE_AFTER).then_some(frame)
    }

    /// Whether the link is up.
    pub(in crate::tui) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Whether it counts against the fault budget: an attack is set, or it takes no part.
    pub(in crate::tui) fn is_faulty(&self) -> bool {
        self.is_out() || self.attack().is_some_and(|attack| !attack.is_empty())
    }

    /// Whether it takes no part: its process is dead, was started again just now, or has lost its log and only watches.
    pub(in crate::tui) fn is_out(&self) -> bool {
        let frame = self.frame.as_ref().filter(|_| self.is_up());
        let watches = frame.is_some_and(|(_, frame)| frame.status.observing_until.is_some());
        self.is_dead() || watches || matches!(self.process, Process::Starting(_))
    }

    /// Whether its process has ended, or is about to.
    pub(in crate::tui) fn is_dead(&self) -> bool {
        self.dying_since.is_some() || matches!(self.process, Process::Killed(_) | Process::Exited(..))
    }

    /// Whether its process was killed from here, or is about to be.
    pub(in crate::tui) fn was_killed(&self) -> bool {
        self.dying_since.is_some() || matches!(self.process, Process::Killed(_))
    }

    /// Its process was ordered to be killed.
    pub(in crate::tui) fn expect_death(&mut self, now: Time) {
        self.dying_since = Some(now);
    }

    /// Something has happened to its process. A link to one that is dead is gone, whatever may still come over it.
    pub(super) fn on_process(&mut self, now: Time, process: Process) {
        (self.process, self.dying_since) = (process, None);
        if self.is_dead() && self.is_up() {
            self.on_down(now, "its process has ended");
        }
    }

    /// The attack that holds or is about to, in the attack language; empty if none, `None` if unknown.
    pub(in crate::tui) fn attack(&self) -> Option<&str> {
        match (&self.pending, &self.frame) {
            (Some(pending), _) => Some(&pending.attack),
            (None, Some((_, frame))) if self.is_up() => Some(&frame.attack),
            _ => None,
        }
    }

    /// A request was sent that will make this the attack.
    pub(in crate::tui) fn expect(&mut self, now: Time, attack: String) {
        let unanswered = 1 + self.pending.as_ref().map_or(0, |pending| pending.unanswered);
        self.pending = Some(Pending { attack, since: now, unanswered });
        self.follow_attack(now);
    }

    pub(super) fn on_connecting(&mut self) {
        if let Link::Up(since) = self.link {
            self.link = Link::Connecting(since);
        }
    }

    pub(super) fn on_up(&mut self, now: Time, may_attack: bool) {
        self.may_attack = may_attack;
        self.link = Link::Up(now);
        // Somebody has started it again; from outside, since nobody here does.
        if self.is_dead() {
            self.process = Process::Unknown;
        }
        self.forget();
    }

    pub(super) fn on_down(&mut self, now: Time, why: &str) {
        let since = match self.link {
            Link::Down(since, _) => since,
            Link::Connecting(since) => since,
            Link::Up(_) => now,
        };
        self.link = Link::Down(since, why.to_string());
        self.forget();
    }

    /// What the link told is not known any more.
    fn forget(&mut self) {
        (self.frame, self.rtt, self.pending, self.attacked_since) = (None, None, None, None);
        self.samples.clear();
        self.slots.clear();
        self.votes.clear();
        self.fast.clear();
        self.sent.clear();
    }

    pub(super) fn on_done(&mut self, now: Time, attack: String) {
        if let Some(pending) = &mut self.pending {
            pending.unanswered = pending.unanswered.saturating_sub(1);
            if pending.unanswered == 0 {
                (pending.attack, pending.since) = (attack, now);
            }
        }
        self.follow_attack(now);
    }

    pub(super) fn on_frame(&mut self, now: Time, mut frame: Box<Frame>) {
        let is_same_clock = now.since(frame.at).max(frame.at.since(now)) < SAME_CLOCK;
        let at = if is_same_clock { frame.at } else { now };
        let operations = frame.counters.operations;
        if self.samples.back().is_some_and(|last| last.operations > operations) {
            self.samples.clear();
        }
        let (began, before) = self.samples.back().map_or((at, operations), |last| (last.at, last.operations));
        self.roll(now);
        self.spread(began, at, operations - before);
        push(
            &mut self.samples,
            MAX_SAMPLES,
            Sample { at, executed: frame.status.executed, operations, cpu: frame.counters.cpu },
        );
        let slots = SlotsThen { at, executed: frame.status.executed, unexecuted: std::mem::take(&mut frame.slots) };
        push(&mut self.slots, MAX_FRAMES, slots);
        self.fast.extend(frame.fast.drain(..));
        while self.fast.len() > MAX_FAST {
            self.fast.pop_first();
        }
        if self.sent.back().is_none_or(|last| at.since(last.at) >= SENT_EVERY) {
            let (executed, by_name) = (frame.status.executed, frame.messages.drain(..).collect());
            push(&mut self.sent, MAX_SENT, Sent { at, executed, by_name });
        }
        if self.is_up() && matches!(self.process, Process::Starting(_)) {
            self.process = Process::Running;
        }
        self.shows_votes = frame.votes.is_some();
        if let Some(votes) = frame.votes.take() {
            push(&mut self.votes, MAX_FRAMES, votes);
        }
        if self.pending.as_ref().is_some_and(|pending| pending.attack == frame.attack) {
            self.pending = None;
        }
        self.frame = Some((now, frame));
        self.follow_attack(now);
    }

    /// Time passes; gives a complaint if a request was not answered in time.
    pub(super) fn tick(&mut self, now: Time) -> Option<String> {
        self.roll(now);
        self.dying_since.take_if(|since| now.since(*since) >= DIES_WITHIN);
        let pending = self.pending.as_ref()?;
        let waited = now.since(pending.since);
        let is_late = pending.unanswered > 0 && waited >= ANSWER_WITHIN;
        let complaint = is_late.then(|| format!("{} did not answer: {}", self.id, or_heal(&pending.attack)));
        if is_late || (pending.unanswered == 0 && waited >= SETTLE) {
            self.pending = None;
            self.follow_attack(now);
        }
        complaint
    }

    fn follow_attack(&mut self, now: Time) {
        let is_attacked = self.attack().is_some_and(|attack| !attack.is_empty());
        self.attacked_since = is_attacked.then(|| self.attacked_since.unwrap_or(now));
    }

    fn roll(&mut self, now: Time) {
        let second = now.0 / 1_000_000;
        let missing = usize::try_from(second.saturating_sub(self.second)).unwrap_or(usize::MAX);
        for _ in 0..missing.min(MAX_SECONDS + 1) {
            push(&mut self.throughput, MAX_SECONDS + 1, None);
        }
        self.second = self.second.max(second);
    }

    /// Counts operations in the seconds in which they were executed, as if evenly between two frames.
    fn spread(&mut self, began: Time, ended: Time, operations: u64) {
        let (first, last) = (began.0 / 1_000_000, ended.0 / 1_000_000);
        for (back, count) in self.throughput.iter_mut().rev().enumerate() {
            let second = self.second.saturating_sub(back as u64);
            if second < first {
                break;
            }
            if second <= last {
                let from = began.0.max(second * 1_000_000);
                let until = ended.0.min((second + 1) * 1_000_000);
                let share = until.saturating_sub(from) as f64 / ended.since(began).0.max(1) as f64;
                *count = Some(count.unwrap_or(0.0) + operations as f64 * share);
            }
        }
    }

    /// The second after the last whole one, and operations of each of the last 60 whole seconds, newest first; `None` where nothing
    /// is known.
    pub(in crate::tui) fn last_minute(&self) -> (u64, impl Iterator<Item = Option<f64>>) {
        (self.second, self.throughput.iter().rev().skip(1).copied())
    }

    /// When it last spoke, and what it had executed by then.
    pub(super) fn last_sample(&self) -> Option<(Time, SeqNum)> {
        self.samples.back().map(|sample| (sample.at, sample.executed))
    }

    /// What it had executed at a moment, interpolated, and how much was executed between the frames around it.
    pub(super) fn executed_at(&self, at: Time) -> Option<(f64, f64)> {
        let after = self.samples.iter().position(|sample| sample.at > at).unwrap_or(self.samples.len());
        let before = self.samples.get(after.checked_sub(1)?)?;
        let Some(after) = self.samples.get(after) else { return Some((before.executed.0 as f64, 0.0)) };
        let share = at.since(before.at).0 as f64 / after.at.since(before.at).0.max(1) as f64;
        let step = after.executed.0.saturating_sub(before.executed.0) as f64;
        Some((before.executed.0 as f64 + share * step, step))
    }

    /// The slots of the frame nearest to a moment.
    pub(super) fn slots_near(&self, at: Time) -> Option<&SlotsThen> {
        self.slots.iter().min_by_key(|slots| slots.at.since(at).max(at.since(slots.at)))
    }

    /// The newest slot that it has begun.
    pub(super) fn newest_slot(&self) -> Option<SeqNum> {
        self.slots.back().map(SlotsThen::newest)
    }

    /// Whether it decided a slot on the fast path.
    pub(in crate::tui) fn is_fast(&self, slot: SeqNum) -> bool {
        self.fast.contains(&slot)
    }

    /// Whether it decided any slot on the fast path.
    pub(in crate::tui) fn has_fast_slots(&self) -> bool {
        !self.fast.is_empty()
    }

    /// Messages that it has sent in each second, by name, over the last seconds.
    pub(super) fn sent_per_second(&self) -> Option<impl Iterator<Item = (&str, f64)>> {
        let (first, last) = self.sent_between()?;
        let seconds = last.at.since(first.at).0 as f64 / 1e6;
        let before = |name: &str| first.by_name.get(name).copied().unwrap_or_default();
        let rate = move |name: &str, count: u64| count.saturating_sub(before(name)) as f64 / seconds;
        Some(last.by_name.iter().map(move |(name, count)| (name.as_str(), rate(name, *count))))
    }

    /// Slots that it has executed in each second, over the same time.
    pub(super) fn slots_per_second(&self) -> Option<f64> {
        let (first, last) = self.sent_between()?;
        let slots = last.executed.0.saturating_sub(first.executed.0);
        Some(slots as f64 * 1e6 / last.at.since(first.at).0 as f64)
    }

    fn sent_between(&self) -> Option<(&Sent, &Sent)> {
        let (first, last) = (self.sent.front()?, self.sent.back()?);
        (last.at > first.at).then_some((first, last))
    }

    /// Whether it has seen votes for different digests in one phase of a slot.
    pub(in crate::tui) fn has_conflict(&self, slot: SeqNum) -> bool {
        let votes = self.votes.iter().rev().find(|votes| votes.seq == slot);
        votes.is_some_and(|votes| votes.phases.iter().any(|phase| phase.by_digest.len() > 1))
    }

    /// The votes that it shows now.
    pub(in crate::tui) fn newest_votes(&self) -> Option<&SlotVotes> {
        self.votes.back().filter(|_| self.shows_votes)
    }

    /// The votes that it last showed for a slot and view.
    pub(super) fn votes_of(&self, slot: SeqNum, view: View) -> Option<&SlotVotes> {
        self.votes.iter().rev().find(|votes| votes.seq == slot && votes.view == view)
    }

    /// Operations executed per second.
    pub(super) fn ops_per_second(&self) -> Option<u64> {
        let (first, last) = self.rate_samples()?;
        Some(per_second(last.operations.saturating_sub(first.operations), last.at.since(first.at)))
    }

    /// Processor use in percent of one core.
    pub(in crate::tui) fn cpu_percent(&self) -> Option<u64> {
        let (first, last) = self.rate_samples()?;
        Some(last.cpu.0.saturating_sub(first.cpu.0).saturating_mul(100) / last.at.since(first.at).0)
    }

    fn rate_samples(&self) -> Option<(&Sample, &Sample)> {
        let last = self.samples.back()?;
        let first = self.samples.iter().rev().find(|s| last.at.since(s.at) >= RATE_WINDOW).or(self.samples.front())?;
        (last.at > first.at).then_some((first, last))
    }
}

/// A rate of so many in such a span, which is not none.
pub(super) fn per_second(count: u64, span: Micros) -> u64 {
    let rate = u128::from(count) * 1_000_000 / u128::from(span.0.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn or_heal(attack: &str) -> &str {
    if attack.is_empty() { "heal" } else { attack }
}

fn push<T>(queue: &mut VecDeque<T>, limit: usize, item: T) {
    if queue.len() >= limit {
        queue.pop_front();
    }
    queue.push_back(item);
}
