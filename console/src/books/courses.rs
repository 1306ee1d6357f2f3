//! The courses of slots and view changes, message by message: what both ends of each link tell is put together.

use std::collections::{BTreeMap, VecDeque};

use byztop_core::protocol::Topic;
use byztop_core::rejection::Rejection;
use byztop_core::telemetry::{Course, Fate, LogEntry, Trace};
use byztop_core::types::{Digest, Micros, ReplicaId, ReplicaSet, SeqNum, Time, View};

/// The courses that were told last. At most [`Courses::MAX`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Courses {
    /// The one that was begun last stands last.
    sheets: VecDeque<Sheet>,
}

impl Courses {
    /// The one that is being told, the one before it, and a few to go back to.
    const MAX: usize = 6;

    /// A replica has told what it saw.
    pub(crate) fn insert(&mut self, trace: Trace) {
        match self.sheets.iter_mut().find(|sheet| sheet.course == trace.course) {
            Some(sheet) => drop(sheet.traces.insert(trace.replica, trace)),
            None => {
                if self.sheets.len() == Self::MAX {
                    // Who tells of courses that nobody asked about displaces its own.
                    let by = ReplicaSet::from_iter([trace.replica]);
                    let own = self.sheets.iter().position(|sheet| sheet.tellers() == by);
                    self.sheets.remove(own.unwrap_or(0));
                }
                let course = trace.course;
                self.sheets.push_back(Sheet { course, traces: BTreeMap::from([(trace.replica, trace)]) });
            }
        }
    }

    /// What was told of a course.
    pub(crate) fn of(&self, course: Course) -> Option<&Sheet> {
        self.sheets.iter().find(|sheet| sheet.course == course)
    }

    /// The newest slot of which so many have told, or of which most have, if none has so many.
    pub(crate) fn newest_slot(&self, enough: usize) -> Option<&Sheet> {
        let slots = || self.sheets.iter().filter(|sheet| matches!(sheet.course, Course::Slot(_)));
        let whole = slots().rev().find(|sheet| sheet.traces.len() >= enough);
        whole.or_else(|| slots().max_by_key(|sheet| sheet.traces.len()))
    }
}

/// What replicas have told of one course.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sheet {
    /// Of what.
    pub(crate) course: Course,
    traces: BTreeMap<ReplicaId, Trace>,
}

/// One message on its way from one replica to another. Times are the console's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Journey {
    /// What it is called.
    pub(crate) name: String,
    /// What it is about.
    pub(crate) topic: Topic,
    /// From whom.
    pub(crate) from: ReplicaId,
    /// To whom.
    pub(crate) to: ReplicaId,
    /// When it would have left but for an attack, and which that is.
    pub(crate) held: Option<(Time, String)>,
    /// When it left; or when it would have, if it did not.
    pub(crate) left: Option<Time>,
    /// When it came.
    pub(crate) came: Option<Time>,
    /// How that ended.
    pub(crate) end: End,
}

/// How a journey ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It came, and was not refused.
    Arrived,
    /// It came, and was refused.
    Refused(Rejection),
    /// It left, and has not come.
    NotThere,
    /// It left, and nobody can say whether it came.
    Unknown,
    /// It could not leave: no link, or no room.
    Unsent,
    /// An attack of this name kept it.
    Withheld(String),
}

/// What two replicas have told of the messages of one name and topic between them.
#[derive(Default)]
struct Ends<'a> {
    left: Vec<Time>,
    came: Vec<(Time, Option<&'a Rejection>)>,
    /// When it was to leave, when it may, and the attack's name.
    held: VecDeque<(Time, Time, &'a str)>,
    unsent: Vec<Time>,
    withheld: Vec<(Time, &'a str)>,
}

/// A message that was held back leaves when its time has come, at the latest so long after that.
const PUNCTUAL: Micros = Micros::from_millis(1);

impl Sheet {
    /// Who has told something.
    pub(crate) fn tellers(&self) -> ReplicaSet {
        self.traces.keys().copied().collect()
    }

    /// How the slot went at a replica, by its clock.
    pub(crate) fn entry(&self, id: ReplicaId) -> Option<&LogEntry> {
        self.traces.get(&id)?.entry.as_ref()
    }

    /// Whether a replica can not say what came after this time: it was not asked, or has forgotten.
    fn has_forgotten(&self, id: ReplicaId, time: Time) -> bool {
        self.traces.get(&id).is_none_or(|trace| trace.since > time)
    }

    /// Every message from one replica to another, in the order of their times; `correct` turns a replica's time into the
    /// console's.
    pub(crate) fn journeys<'a>(&'a self, correct: impl Fn(ReplicaId, Time) -> Time) -> Vec<Journey> {
        let mut ends: BTreeMap<(ReplicaId, ReplicaId, &str, Topic), Ends<'a>> = BTreeMap::new();
        for (id, trace) in &self.traces {
            for passage in &trace.passages {
                let at = correct(*id, passage.at);
                let mut note = |from: ReplicaId, to: ReplicaId, note: &dyn Fn(&mut Ends<'a>)| {
                    note(ends.entry((from, to, &passage.name, passage.topic)).or_default());
                };
                match &passage.fate {
                    Fate::Left { to } => to.iter().for_each(|to| note(*id, to, &|ends| ends.left.push(at))),
                    Fate::Unsent { to } => to.iter().for_each(|to| note(*id, to, &|ends| ends.unsent.push(at))),
                    Fate::Withheld { to, by } => {
                        to.iter().for_each(|to| note(*id, to, &|ends| ends.withheld.push((at, by))));
                    }
                    Fate::HeldBack { to, until, by } => {
                        let until = correct(*id, *until);
                        to.iter().for_each(|to| note(*id, to, &|ends| ends.held.push_back((at, until, by))));
                    }
                    Fate::Came { from } => note(*from, *id, &|ends| ends.came.push((at, None))),
                    Fate::Refused { from, why } => note(*from, *id, &|ends| ends.came.push((at, Some(why)))),
                }
            }
        }
        let mut journeys = Vec::new();
        for ((from, to, name, topic), mut ends) in ends {
            let journey =
                |held, left, came, end| Journey { name: name.to_string(), topic, from, to, held, left, came, end };
            let held = |(at, _, by): (Time, Time, &str)| (at, by.to_string());
            for place in 0..ends.left.len().max(ends.came.len()) {
                let left = ends.left.get(place).copied();
                let was_held = left
                    .is_some_and(|left| ends.held.front().is_some_and(|(_, until, _)| left.after(PUNCTUAL) >= *until));
                let held = if was_held { ends.held.pop_front().map(held) } else { None };
                let (came, end) = match (ends.came.get(place), left) {
                    // What is wrong with clocks must not turn time round.
                    (Some((came, why)), left) => {
                        let came = left.map_or(*came, |left| left.max(*came));
                        (Some(came), why.map_or(End::Arrived, |why| End::Refused(why.clone())))
                    }
                    (None, Some(left)) if self.has_forgotten(to, left) => (None, End::Unknown),
                    (None, _) => (None, End::NotThere),
                };
                journeys.push(journey(held, left, came, end));
            }
            journeys.extend(ends.held.into_iter().map(|still| journey(Some(held(still)), None, None, End::NotThere)));
            journeys.extend(ends.unsent.into_iter().map(|at| journey(None, Some(at), None, End::Unsent)));
            let kept = |(at, by): (Time, &str)| journey(None, Some(at), None, End::Withheld(by.to_string()));
            journeys.extend(ends.withheld.into_iter().map(kept));
        }
        journeys.sort_by_key(|journey| (journey.begin(), journey.from, journey.to));
        journeys
    }
}

impl Journey {
    /// The first that is known of it.
    pub(crate) fn begin(&self) -> Option<Time> {
        self.held.as_ref().map(|(at, _)| *at).or(self.left).or(self.came)
    }

    /// The last that is known of it.
    pub(crate) fn finish(&self) -> Option<Time> {
        self.came.or(self.left).or(self.begin())
    }

    /// The batch that it speaks for, if it is about a slot.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self.topic {
            Topic::Slot { digest, .. } => Some(digest),
            Topic::View(_) => None,
        }
    }
}

/// The batch that most messages of a view speak for; the others speak for another one.
pub(crate) fn main_digests(journeys: &[Journey]) -> BTreeMap<(View, SeqNum), Digest> {
    let mut counts: BTreeMap<(View, SeqNum), BTreeMap<Digest, usize>> = BTreeMap::new();
    for journey in journeys {
        if let Topic::Slot { view, seq, digest } = journey.topic {
            *counts.entry((view, seq)).or_default().entry(digest).or_default() += 1;
        }
    }
    let most = |counts: BTreeMap<Digest, usize>| counts.into_iter().max_by_key(|(_, count)| *count);
    counts.into_iter().filter_map(|(slot, counts)| Some((slot, most(counts)?.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::telemetry::Passage;

    const SLOT: Course = Course::Slot(SeqNum(7));
    const N: [ReplicaId; 3] = [ReplicaId(0), ReplicaId(1), ReplicaId(2)];

    fn topic(digest: u8) -> Topic {
        Topic::Slot { view: View(0), seq: SeqNum(7), digest: Digest([digest; 32]) }
    }

    fn set(members: &[ReplicaId]) -> ReplicaSet {
        members.iter().copied().collect()
    }

    fn sheet(told: &[(ReplicaId, &[(u64, Fate)])]) -> Sheet {
        let mut courses = Courses::default();
        for (replica, passages) in told {
            let passage = |(at, fate): &(u64, Fate)| Passage {
                at: Time(*at),
                name: "prepare".into(),
                topic: topic(1),
                fate: fate.clone(),
            };
            let passages = passages.iter().map(passage).collect();
            courses.insert(Trace { replica: *replica, course: SLOT, since: Time(0), entry: None, passages });
        }
        courses.of(SLOT).expect("something was told").clone()
    }

    /// From, to, left, came, end.
    type Told = (ReplicaId, ReplicaId, Option<u64>, Option<u64>, End);

    fn told(sheet: &Sheet) -> Vec<Told> {
        let journeys = sheet.journeys(|_, time| time);
        let of = |journey: Journey| {
            let times = (journey.left.map(|time| time.0), journey.came.map(|time| time.0));
            (journey.from, journey.to, times.0, times.1, journey.end)
        };
        journeys.into_iter().map(of).collect()
    }

    #[test]
    fn what_left_here_is_what_came_there() {
        let left = Fate::Left { to: set(&[N[1], N[2]]) };
        let refused = Fate::Refused { from: N[0], why: Rejection::BadSignature };
        let sheet = sheet(&[
            (N[0], &[(10, left.clone()), (50, left)]),
            (N[1], &[(14, Fate::Came { from: N[0] }), (55, refused)]),
        ]);
        assert_eq!(
            told(&sheet),
            [
                (N[0], N[1], Some(10), Some(14), End::Arrived),
                (N[0], N[2], Some(10), None, End::Unknown),
                (N[0], N[1], Some(50), Some(55), End::Refused(Rejection::BadSignature)),
                (N[0], N[2], Some(50), None, End::Unknown),
            ]
        );
    }

    #[test]
    fn what_an_attack_kept_or_held_back_is_told_apart_from_what_got_lost() {
        let sheet = sheet(&[
            (
                N[0],
                &[
                    (10, Fate::Withheld { to: set(&[N[1]]), by: "dark".into() }),
                    (10, Fate::HeldBack { to: set(&[N[2]]), until: Time(510), by: "time".into() }),
                    (511, Fate::Left { to: set(&[N[2]]) }),
                ],
            ),
            (N[1], &[(20, Fate::Left { to: set(&[N[2]]) }), (20, Fate::Unsent { to: set(&[N[0]]) })]),
            (N[2], &[(515, Fate::Came { from: N[0] })]),
        ]);
        assert_eq!(
            told(&sheet),
            [
                (N[0], N[1], Some(10), None, End::Withheld("dark".into())),
                (N[0], N[2], Some(511), Some(515), End::Arrived),
                (N[1], N[0], Some(20), None, End::Unsent),
                (N[1], N[2], Some(20), None, End::NotThere),
            ]
        );
        let journeys = sheet.journeys(|_, time| time);
        assert_eq!(journeys[1].held, Some((Time(10), "time".into())));
    }

    #[test]
    fn clocks_are_put_right_and_never_turn_a_journey_round() {
        let sheet = sheet(&[
            (N[0], &[(1000, Fate::Left { to: set(&[N[1], N[2]]) })]),
            (N[1], &[(5400, Fate::Came { from: N[0] })]),
            (N[2], &[(990, Fate::Came { from: N[0] })]),
        ]);
        let correct = |id, time: Time| if id == N[1] { Time(time.0 - 4000) } else { time };
        let came: Vec<_> = sheet.journeys(correct).into_iter().map(|journey| journey.came).collect();
        assert_eq!(came, [Some(Time(1400)), Some(Time(1000))]);
    }

    #[test]
    fn few_courses_are_kept_and_the_newest_that_is_whole_is_shown() {
        let mut courses = Courses::default();
        let trace = |replica, seq| Trace {
            replica,
            course: Course::Slot(SeqNum(seq)),
            since: Time(0),
            entry: None,
            passages: Vec::new(),
        };
        for seq in 0..20 {
            courses.insert(trace(N[0], seq));
            courses.insert(trace(N[1], seq));
        }
        courses.insert(trace(N[0], 20));
        assert_eq!(courses.sheets.len(), Courses::MAX);
        let newest = |courses: &Courses, enough| courses.newest_slot(enough).map(|sheet| sheet.course);
        assert_eq!(newest(&courses, 2), Some(Course::Slot(SeqNum(19))));
        assert_eq!(newest(&courses, 1), Some(Course::Slot(SeqNum(20))));
        assert!(newest(&courses, 3).is_some(), "better than nothing");
        assert_eq!(courses.of(Course::View(View(1))), None);
    }

    #[test]
    fn what_most_speak_for_is_the_main_batch() {
        let journey = |digest, to| Journey {
            name: "pre-prepare".into(),
            topic: topic(digest),
            from: N[0],
            to,
            held: None,
            left: None,
            came: None,
            end: End::Unknown,
        };
        let journeys = [journey(1, N[1]), journey(2, N[2]), journey(2, N[1])];
        let main = main_digests(&journeys);
        assert_eq!(main[&(View(0), SeqNum(7))], Digest([2; 32]));
    }

    #[test]
    fn who_tells_what_nobody_asked_displaces_only_its_own() {
        let mut courses = Courses::default();
        let mut tell = |replica, slot| {
            let course = Course::Slot(SeqNum(slot));
            courses.insert(Trace { replica, course, since: Time(0), entry: None, passages: Vec::new() });
        };
        (1..=3).for_each(|slot| N.into_iter().for_each(|replica| tell(replica, slot)));
        (100..200).for_each(|slot| tell(N[0], slot));
        assert!((1..=3).all(|slot| courses.of(Course::Slot(SeqNum(slot))).is_some()));
        assert_eq!(courses.sheets.len(), Courses::MAX);
    }
}
