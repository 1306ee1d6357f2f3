//! The course of single messages: when each left, when it came, and what became of it, for whoever draws a slot or a view
//! change message by message.
//!
//! A replica keeps the last of them in a ring, and gives those of one slot or one view change when it is asked. Times are
//! those of its own clock; who puts several replicas side by side has to know how their clocks differ.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::protocol::Topic;
use crate::rejection::Rejection;
use crate::types::{ReplicaId, ReplicaSet, SeqNum, Time, View};
use crate::wire;

use super::LogEntry;

/// The most messages in one trace; a slot takes some 3n.
pub const MAX_TRACE: usize = 1024;

/// What a console wants to see message by message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Course {
    /// The ordering of a slot, in whatever views.
    Slot(SeqNum),
    /// The way into a view.
    View(View),
}

impl Course {
    /// Whether a message belongs to it.
    pub fn has(self, topic: Topic) -> bool {
        match (self, topic) {
            (Course::Slot(wanted), Topic::Slot { seq, .. }) => seq == wanted,
            (Course::View(wanted), Topic::View(view)) => view == wanted,
            _ => false,
        }
    }
}

/// A message as one replica saw it leave or come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Passage {
    /// When it left, was to leave, or had come with its last byte: microseconds of Unix time by the replica's clock.
    pub at: Time,
    /// What it is called.
    pub name: Cow<'static, str>,
    /// What it is about.
    pub topic: Topic,
    /// What became of it here.
    pub fate: Fate,
}

/// What became of a message at one replica.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Fate {
    /// It was handed to these links. That it arrived is for the others to say.
    Left {
        /// To whom.
        to: ReplicaSet,
    },
    /// It could not leave to these: no link, or no room in its queue.
    Unsent {
        /// To whom.
        to: ReplicaSet,
    },
    /// It came, and was not refused.
    Came {
        /// From whom.
        from: ReplicaId,
    },
    /// It came, and was refused.
    Refused {
        /// From whom.
        from: ReplicaId,
        /// Why.
        why: Rejection,
    },
    /// An attack on the replica that was to send it kept it.
    Withheld {
        /// From whom.
        to: ReplicaSet,
        /// The attack's name.
        by: String,
    },
    /// An attack on the replica that was to send it lets it leave late.
    HeldBack {
        /// From whom.
        to: ReplicaSet,
        /// When it will leave.
        until: Time,
        /// The attack's name.
        by: String,
    },
}

/// What a replica has seen of a slot's or a view change's messages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trace {
    /// Whose.
    pub replica: ReplicaId,
    /// Of what.
    pub course: Course,
    /// Since when the replica can tell: what passed before is forgotten, or nobody wanted to know it.
    pub since: Time,
    /// How the slot went here, if it is about one and that is known.
    pub entry: Option<LogEntry>,
    /// In the order in which it saw them; the first ones, if there were more.
    #[serde(deserialize_with = "wire::at_most::<_, _, MAX_TRACE>")]
    pub passages: Vec<Passage>,
}

/// What is kept of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heading {
    /// What it is called.
    pub name: &'static str,
    /// What it is about.
    pub topic: Topic,
}

/// The last messages of a replica, by the clock that it runs by. Those of view changes are few and far between: they do
/// not have to make room for those of slots.
#[derive(Debug)]
pub(super) struct Passages {
    slots: Ring,
    views: Ring,
    /// Which the last one belongs to, if it has come just now, so that a refusal is about it.
    open: Option<Topic>,
}

impl Default for Passages {
    fn default() -> Self {
        Passages { slots: Ring::keeping(Self::MAX_OF_SLOTS), views: Ring::keeping(Self::MAX_OF_VIEWS), open: None }
    }
}

impl Passages {
    /// Some seconds of them under full load, and two megabytes.
    const MAX_OF_SLOTS: usize = 1 << 14;
    const MAX_OF_VIEWS: usize = 1 << 10;

    /// Keeps one; the oldest makes room.
    pub(super) fn keep(&mut self, at: Time, Heading { name, topic }: Heading, fate: Fate) {
        self.open = matches!(fate, Fate::Came { .. }).then_some(topic);
        self.ring(topic).push(Passage { at, name: Cow::Borrowed(name), topic, fate });
    }

    /// An attack has done something to a message on its way out.
    pub(super) fn tamper(&mut self, at: Time, name: &str, topic: Topic, fate: Fate) {
        self.open = None;
        self.ring(topic).push(Passage { at, name: Cow::Owned(name.to_string()), topic, fate });
    }

    /// Whoever sent the message that came last sees it refused.
    pub(super) fn refuse_last(&mut self, by_sender: ReplicaId, why: &Rejection) {
        if let Some(topic) = self.open.take()
            && let Some(Passage { fate, .. }) = self.ring(topic).kept.back_mut()
            && *fate == (Fate::Came { from: by_sender })
        {
            *fate = Fate::Refused { from: by_sender, why: why.clone() };
        }
    }

    /// Nobody wants to know any more.
    pub(super) fn forget(&mut self) {
        *self = Passages::default();
    }

    fn ring(&mut self, topic: Topic) -> &mut Ring {
        match topic {
            Topic::Slot { .. } => &mut self.slots,
            Topic::View(_) => &mut self.views,
        }
    }

    /// Those of a course, in order, with their times by another clock; and since when there are any.
    pub(super) fn of(&self, course: Course, by_clock: impl Fn(Time) -> Time) -> (Time, Vec<Passage>) {
        let ring = match course {
            Course::Slot(_) => &self.slots,
            Course::View(_) => &self.views,
        };
        let wanted = ring.kept.iter().filter(|passage| course.has(passage.topic)).take(MAX_TRACE);
        let read = |passage: &Passage| {
            let mut read = Passage { at: by_clock(passage.at), ..passage.clone() };
            if let Fate::HeldBack { until, .. } = &mut read.fate {
                *until = by_clock(*until);
            }
            read
        };
        (by_clock(ring.since), wanted.map(read).collect())
    }
}

/// Passages, of which the oldest make room.
#[derive(Debug)]
struct Ring {
    kept: VecDeque<Passage>,
    most: usize,
    /// When the first of them was kept.
    since: Time,
}

impl Ring {
    fn keeping(most: usize) -> Ring {
        Ring { kept: VecDeque::new(), most, since: Time(0) }
    }

    fn push(&mut self, passage: Passage) {
        if self.kept.is_empty() {
            self.since = passage.at;
        }
        if self.kept.len() == self.most {
            self.since = self.kept.pop_front().map_or(self.since, |oldest| oldest.at);
        }
        self.kept.push_back(passage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Digest;

    const N2: ReplicaId = ReplicaId(1);

    fn heading(seq: u64) -> Heading {
        Heading { name: "prepare", topic: Topic::Slot { view: View(0), seq: SeqNum(seq), digest: Digest::ZERO } }
    }

    fn came(from: ReplicaId) -> Fate {
        Fate::Came { from }
    }

    #[test]
    fn a_course_is_told_by_another_clock_and_in_order() {
        let mut passages = Passages::default();
        passages.keep(Time(10), heading(1), came(N2));
        passages.keep(Time(11), heading(2), came(N2));
        let left = Fate::Left { to: ReplicaSet::from_iter([N2]) };
        passages.keep(Time(12), heading(1), left.clone());
        let held = Fate::HeldBack { to: ReplicaSet::from_iter([N2]), until: Time(20), by: "time".into() };
        passages.tamper(Time(13), "commit", heading(1).topic, held);
        let (since, told) = passages.of(Course::Slot(SeqNum(1)), |time| Time(time.0 + 100));
        assert_eq!(since, Time(110));
        assert_eq!(told.iter().map(|passage| passage.at.0).collect::<Vec<_>>(), [110, 112, 113]);
        assert_eq!(told[1].fate, left);
        assert!(matches!(told[2].fate, Fate::HeldBack { until: Time(120), .. }), "{:?}", told[2]);
        assert!(passages.of(Course::View(View(0)), |time| time).1.is_empty());
    }

    #[test]
    fn only_the_message_that_came_last_can_be_refused_and_only_its_sender_is_told_so() {
        let fates = |passages: &Passages| -> Vec<Fate> {
            passages.of(Course::Slot(SeqNum(1)), |time| time).1.into_iter().map(|passage| passage.fate).collect()
        };
        let why = Rejection::Conflicting(N2);
        let refused = Fate::Refused { from: N2, why: why.clone() };
        let mut passages = Passages::default();
        passages.keep(Time(1), heading(1), came(N2));
        passages.refuse_last(ReplicaId(2), &why);
        assert_eq!(fates(&passages), [came(N2)], "another one's");
        passages.keep(Time(2), heading(1), came(N2));
        passages.refuse_last(N2, &why);
        passages.refuse_last(N2, &why);
        assert_eq!(fates(&passages), [came(N2), refused.clone()]);
        passages.keep(Time(3), heading(1), Fate::Unsent { to: ReplicaSet::default() });
        passages.refuse_last(N2, &why);
        assert_eq!(fates(&passages).len(), 3);
        assert_eq!(fates(&passages)[1], refused);
    }

    #[test]
    fn the_oldest_make_room_and_it_is_said_since_when_there_are_any() {
        let mut passages = Passages::default();
        let view = Heading { name: "view-change", topic: Topic::View(View(1)) };
        passages.keep(Time(0), view, came(N2));
        for at in 0..Passages::MAX_OF_SLOTS as u64 + 2 {
            passages.keep(Time(at), heading(at), came(N2));
        }
        assert_eq!(passages.slots.kept.len(), Passages::MAX_OF_SLOTS);
        assert_eq!(passages.of(Course::Slot(SeqNum(1)), |time| time), (Time(1), Vec::new()));
        assert_eq!(passages.of(Course::View(View(1)), |time| time).1.len(), 1, "slots do not push it out");
        passages.forget();
        assert!(passages.slots.kept.is_empty() && passages.views.kept.is_empty());
    }
}
