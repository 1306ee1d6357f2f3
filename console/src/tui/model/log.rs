//! The event log: what happened, in order of time, with equal events of several replicas told as one.

use std::collections::VecDeque;

use byztop_core::committee::Committee;
use byztop_core::protocol::Complaint;
use byztop_core::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum, Time, View};

use crate::tui::text::{grouped, span};

/// The most entries that are kept.
const MAX_ENTRIES: usize = 1000;

/// How many entries back an equal event is looked for.
const MERGE_DEPTH: usize = 64;

/// Events of different replicas this near in time tell of the same thing.
const MERGE_WITHIN: Micros = Micros::from_millis(5000);

/// What goes on all the time gets a new line this often.
const REPEAT_AFTER: Micros = Micros::from_millis(10_000);

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tui) enum Kind {
    Attack,
    Proof,
    /// A proof that one replica alone, or few, say they hold.
    Claim,
    View,
    Checkpoint,
    Reject,
    /// Refusals that honest peers cause.
    Noise,
    State,
    /// Replicas ask each other for what they missed, as they do all the time under load.
    CatchUp,
    Link,
    Process,
    Exit,
    /// A client of a test case submits or is told something.
    Client,
    /// A test case begins or ends.
    Case,
    /// A simulation is over, and all was well.
    End,
    Error,
}

impl Kind {
    /// The word in the log's second column; at most ten characters.
    pub(in crate::tui) fn word(self) -> &'static str {
        match self {
            Kind::Attack => "attack",
            Kind::Proof => "PROOF",
            Kind::Claim => "claim",
            Kind::View => "view",
            Kind::Checkpoint => "checkpoint",
            Kind::Reject | Kind::Noise => "reject",
            Kind::State | Kind::CatchUp => "state",
            Kind::Link => "link",
            Kind::Process | Kind::Exit => "process",
            Kind::Client => "client",
            Kind::Case => "case",
            Kind::End => "end",
            Kind::Error => "error",
        }
    }
}

/// What several replicas may tell alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Story {
    /// Nothing to merge.
    Told(Kind, String),
    /// The process runs.
    Started,
    /// The link is up.
    Connected,
    /// An attack was set; nothing if all were ended.
    Attacked { attack: String, by: Injector },
    /// A view is asked for.
    Asked { view: View, reasons: Vec<(Complaint, ReplicaSet)> },
    /// A view has begun.
    Begun { view: View, primary: ReplicaId, forced: u32, nulls: u32, without_progress: Micros },
    /// A checkpoint is stable; the line follows the newest.
    Stable { seq: SeqNum, digest: Digest, earlier: u64 },
    /// A replica is guilty.
    Proved { accused: ReplicaId, summary: String },
    /// Peers' messages are refused. What honest peers cause, too, is told in one line whoever they are.
    Rejected { from: ReplicaSet, why: String, is_harmless: bool, count: u64 },
    /// Replicas look for what they miss, the first time from this slot on.
    Missing { from: SeqNum, count: u64 },
    /// A replica fetches the state, so many times in a row, or has got it: so many leaves and bytes.
    Transfer { target: SeqNum, count: u64, got: Option<(u32, u64)> },
}

/// Who sets attacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Injector {
    /// Somebody at a console.
    Operator,
    /// A simulation's scenario.
    Scenario,
}

/// One line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::tui) struct Entry {
    /// When it first happened.
    pub at: Time,
    /// When it last happened.
    last: Time,
    who: ReplicaSet,
    story: Story,
}

/// The bounded log.
#[derive(Clone, Default, Debug)]
pub(in crate::tui) struct Log {
    entries: VecDeque<Entry>,
    /// How often it has changed.
    revision: u64,
}

impl Log {
    /// Appends a line that is like no other.
    pub(in crate::tui) fn push(&mut self, at: Time, kind: Kind, text: String) {
        self.revision += 1;
        self.insert(Entry { at, last: at, who: ReplicaSet::default(), story: Story::Told(kind, text) });
    }

    /// Takes in what a replica tells: into an entry that tells the same, or as a new one.
    pub(super) fn tell(&mut self, at: Time, who: ReplicaId, story: Story) {
        self.revision += 1;
        for (age, entry) in self.entries.iter_mut().rev().take(MERGE_DEPTH).enumerate() {
            if entry.absorb(at, who, &story, age == 0) {
                return;
            }
        }
        self.insert(Entry { at, last: at, who: ReplicaSet::from_iter([who]), story });
    }

    /// When a view was first asked for, if that was lately.
    pub(super) fn asked_at(&self, wanted: View) -> Option<Time> {
        let is_it = |entry: &&Entry| matches!(entry.story, Story::Asked { view, .. } if view == wanted);
        self.entries.iter().rev().take(MERGE_DEPTH).find(is_it).map(|entry| entry.at)
    }

    /// How often something was told.
    pub(in crate::tui) fn revision(&self) -> u64 {
        self.revision
    }

    /// The newest entries first.
    pub(in crate::tui) fn newest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    fn insert(&mut self, entry: Entry) {
        // Frames of different replicas come out of order, by a fraction of a second.
        let newer = self.entries.iter().rev().take(MERGE_DEPTH).take_while(|other| other.at > entry.at).count();
        self.entries.insert(self.entries.len() - newer, entry);
        if self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }
}

impl Entry {
    /// Whether this entry tells the same story and has taken it in.
    fn absorb(&mut self, at: Time, who: ReplicaId, story: &Story, is_newest: bool) -> bool {
        let is_near = at.since(self.last).max(self.at.since(at)) < MERGE_WITHIN;
        let is_recent = at.since(self.at) < REPEAT_AFTER;
        match (&mut self.story, story) {
            (Story::Asked { view, reasons }, Story::Asked { view: other, reasons: more })
                if view == other && is_near =>
            {
                for (why, _) in more {
                    match reasons.iter_mut().find(|(known, _)| known == why) {
                        Some((_, set)) => drop(set.insert(who)),
                        None => reasons.push((*why, ReplicaSet::from_iter([who]))),
                    }
                }
            }
            (Story::Begun { view, .. }, Story::Begun { view: other, .. }) if view == other && is_near => {}
            (Story::Stable { seq, digest, earlier }, Story::Stable { seq: newer, digest: new_digest, .. }) => {
                if seq == newer && digest != new_digest || !(is_recent || is_newest) {
                    return false;
                }
                // Once something else has happened the line stays as it is: the table of replicas has the newest.
                if newer > seq && is_newest {
                    *earlier += 1;
                    (*seq, *digest, self.who, self.at) = (*newer, *new_digest, ReplicaSet::default(), at);
                } else if newer != seq {
                    return true;
                }
            }
            (Story::Proved { accused, summary }, Story::Proved { accused: other, summary: more })
                if accused == other && is_near =>
            {
                // Whoever found it knows who was told what; the others know what they were shown.
                if more.len() > summary.len() {
                    summary.clone_from(more);
                }
            }
            (
                Story::Rejected { from, why, is_harmless, count },
                Story::Rejected { from: other, why: reason, count: more, .. },
            ) if why == reason && is_recent && (*is_harmless || from == other) => {
                *count += more;
                *from = from.iter().chain(other.iter()).collect();
            }
            (Story::Missing { count, .. }, Story::Missing { count: more, .. }) if is_recent => *count += more,
            (Story::Transfer { target, count, got }, Story::Transfer { target: newer, count: more, got: now })
                if is_recent && self.who.contains(who) =>
            {
                (*target, *got) = (*newer, *now);
                *count += more;
            }
            (Story::Started, Story::Started) | (Story::Connected, Story::Connected) if is_near => {}
            (Story::Attacked { attack, .. }, Story::Attacked { attack: other, .. }) if attack == other && is_near => {}
            _ => return false,
        }
        self.who.insert(who);
        self.last = self.last.max(at);
        true
    }

    /// What it is about, in a cluster of so many replicas.
    pub(in crate::tui) fn kind(&self, size: usize) -> Kind {
        match &self.story {
            Story::Told(kind, _) => *kind,
            Story::Started => Kind::Process,
            Story::Connected => Kind::Link,
            Story::Attacked { .. } => Kind::Attack,
            Story::Asked { .. } | Story::Begun { .. } => Kind::View,
            Story::Stable { .. } => Kind::Checkpoint,
            Story::Proved { .. } if is_believed(self.who, size) => Kind::Proof,
            Story::Proved { .. } => Kind::Claim,
            Story::Rejected { is_harmless: true, .. } => Kind::Noise,
            Story::Rejected { is_harmless: false, .. } => Kind::Reject,
            Story::Missing { .. } => Kind::CatchUp,
            Story::Transfer { .. } => Kind::State,
        }
    }

    /// What happened, in words, in a cluster of so many replicas.
    pub(in crate::tui) fn text(&self, size: usize) -> String {
        let who = names(self.who, size);
        match &self.story {
            Story::Told(_, text) => text.clone(),
            Story::Started => format!("{who} started"),
            Story::Connected => format!("{who} connected"),
            Story::Attacked { attack, .. } if attack.is_empty() => format!("{who} healed"),
            Story::Attacked { attack, by: Injector::Operator } => format!("operator: {who} {attack}"),
            Story::Attacked { attack, by: Injector::Scenario } => format!("{who} {attack}"),
            Story::Asked { view, reasons } => {
                let reason = |(why, set): &(Complaint, ReplicaSet)| match why {
                    Complaint::Joined => format!("{} joined", names(*set, size)),
                    _ => why.to_string(),
                };
                let mut reasons: Vec<&(Complaint, ReplicaSet)> = reasons.iter().collect();
                reasons.sort_by_key(|(why, _)| *why == Complaint::Joined);
                let reasons: Vec<String> = reasons.into_iter().map(reason).collect();
                format!("{who} {} for view {view} ({})", verb(self.who, "ask"), reasons.join("; "))
            }
            // What a replica says of a view is its own affair until f+1 say it.
            Story::Begun { view, .. } if !is_believed(self.who, size) => {
                format!("{who} {} to be in view {view}, nobody else does", verb(self.who, "believe"))
            }
            Story::Begun { view, primary, forced, nulls, without_progress } => {
                let carried = match (forced, nulls) {
                    (0, _) => "no slot to repeat".to_string(),
                    (1, 0) => "1 slot repeated".to_string(),
                    (forced, 0) => format!("{forced} slots repeated"),
                    (forced, nulls) => format!("{forced} slots repeated, {nulls} of them null"),
                };
                let without = span(*without_progress);
                format!("view {view} begins, primary {primary}: {without} without progress, {carried}")
            }
            Story::Stable { seq, digest, earlier } => {
                let earlier = match earlier {
                    0 => String::new(),
                    earlier => format!("; {} before it", grouped(*earlier)),
                };
                format!("slot {seq} stable on {}/{size}, state {}{earlier}", self.who.len(), digest.short())
            }
            Story::Proved { summary, .. } if is_believed(self.who, size) => format!("{summary} (held by {who})"),
            // A replica that lies can say of anybody that it holds a proof.
            Story::Proved { summary, .. } => {
                format!("{who} {} to hold a proof, nobody else does: {summary}", verb(self.who, "claim"))
            }
            Story::Rejected { from, why, count, .. } => {
                format!("{who} refused {} of {}: {why}", times(*count, "a message", "messages"), names(*from, size))
            }
            Story::Missing { from, count } => {
                let (ask, often) = (verb(self.who, "ask"), times(*count, "once", "times"));
                format!("{who} {ask} for commits that were missed: {often}, first from slot {from} on")
            }
            Story::Transfer { target, count, got: Some((leaves, bytes)) } => {
                let (often, leaves) = (times(*count, "once", "times"), grouped((*leaves).into()));
                format!(
                    "{who} fetched the state {often}, now at slot {target}: {leaves} leaves, {} bytes",
                    grouped(*bytes)
                )
            }
            Story::Transfer { target, count, got: None } => {
                let often = times(*count, "once", "times");
                format!("{who} fetches the state at slot {target}, asked {often}")
            }
        }
    }
}

/// Whether an honest replica is among them.
fn is_believed(who: ReplicaSet, size: usize) -> bool {
    Committee::new(size).is_none_or(|committee| who.len() >= committee.weak_quorum())
}

fn times(count: u64, one: &str, many: &str) -> String {
    if count == 1 { one.to_string() } else { format!("{} {many}", grouped(count)) }
}

fn verb(who: ReplicaSet, verb: &str) -> String {
    if who.len() == 1 { format!("{verb}s") } else { verb.to_string() }
}

/// The members by name, or how many if that would be long.
fn names(set: ReplicaSet, size: usize) -> String {
    match set.len() {
        all if all == size && size > 1 => format!("all {size}"),
        many if many > 8 => format!("{many} replicas"),
        _ => set.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N1: ReplicaId = ReplicaId(0);
    const N2: ReplicaId = ReplicaId(1);

    fn lines(log: &Log) -> Vec<String> {
        log.newest().map(|entry| format!("{} {}", entry.at.0 / 1000, entry.text(4))).collect()
    }

    fn ask(view: u64, why: Complaint, who: ReplicaId) -> Story {
        Story::Asked { view: View(view), reasons: vec![(why, ReplicaSet::from_iter([who]))] }
    }

    #[test]
    fn replicas_that_ask_for_one_view_share_a_line() {
        let mut log = Log::default();
        let proof = Complaint::Proof { accused: ReplicaId(2) };
        log.tell(Time(5000), N1, ask(3, proof, N1));
        log.tell(Time(6000), N2, ask(3, proof, N2));
        log.tell(Time(7000), ReplicaId(3), ask(3, Complaint::Joined, ReplicaId(3)));
        log.tell(Time(8000), N1, ask(4, proof, N1));
        assert_eq!(
            lines(&log),
            ["8 n1 asks for view 4 (proof against n3)", "5 n1,n2,n4 ask for view 3 (proof against n3; n4 joined)"]
        );
    }

    #[test]
    fn a_proof_is_one_once_f_plus_1_hold_it() {
        let mut log = Log::default();
        let proved = || Story::Proved { accused: ReplicaId(4), summary: "n5 equivocated".into() };
        let newest = |log: &Log| log.newest().next().map(|entry| (entry.kind(7).word(), entry.text(7))).unwrap();
        for (held_by, (word, text)) in [
            ("claim", "n1 claims to hold a proof, nobody else does: n5 equivocated"),
            ("claim", "n1,n2 claim to hold a proof, nobody else does: n5 equivocated"),
            ("PROOF", "n5 equivocated (held by n1,n2,n3)"),
        ]
        .into_iter()
        .enumerate()
        {
            log.tell(Time(1000), ReplicaId(held_by as u8), proved());
            assert_eq!(newest(&log), (word, text.to_string()));
        }
    }

    #[test]
    fn refusals_are_counted_for_some_seconds() {
        let mut log = Log::default();
        let refusal = || Story::Rejected {
            from: ReplicaSet::from_iter([N2]),
            why: "bad signature".into(),
            is_harmless: false,
            count: 1,
        };
        for ms in [0, 100, 9_999, 10_000] {
            log.tell(Time(ms * 1000), N1, refusal());
        }
        assert_eq!(
            lines(&log),
            ["10000 n1 refused a message of n2: bad signature", "0 n1 refused 3 messages of n2: bad signature"]
        );
    }

    #[test]
    fn checkpoints_move_one_line_along_until_something_else_happens() {
        let mut log = Log::default();
        let stable = |seq| Story::Stable { seq: SeqNum(seq), digest: Digest::ZERO, earlier: 0 };
        for (ms, seq) in [(0, 128), (400, 256), (30_000, 1280)] {
            log.tell(Time(ms * 1000), N1, stable(seq));
            log.tell(Time(ms * 1000 + 1), N2, stable(seq));
        }
        assert_eq!(lines(&log), ["30000 slot 1280 stable on 2/4, state 0000; 2 before it"]);
        log.push(Time(31_000_000), Kind::Link, "n3 lost".into());
        log.tell(Time(32_000_000), N1, stable(1408));
        assert_eq!(lines(&log)[1], "30000 slot 1280 stable on 2/4, state 0000; 2 before it");
        log.tell(Time(50_000_000), N1, stable(1536));
        assert_eq!(lines(&log)[0], "50000 slot 1536 stable on 1/4, state 0000");
    }

    #[test]
    fn the_log_is_bounded_and_in_order_of_time() {
        let mut log = Log::default();
        for i in 0..2 * MAX_ENTRIES as u64 {
            log.push(Time(i * 1000), Kind::Link, String::new());
        }
        log.push(Time(1_998_500), Kind::Link, "late".into());
        assert_eq!(log.entries.len(), MAX_ENTRIES);
        assert_eq!(lines(&log)[..2], ["1999 ", "1998 late"]);
    }
}
