//! What a replica's log says of its protocol: views that are asked for and begin, with why and by whom, proofs, refusals; and of
//! recovery when it begins, about each tenth of it, and when it is done.
//!
//! What others can make happen at any rate has so many lines in some seconds, each of them by itself.

use std::collections::BTreeMap;

use byztop_core::protocol::{Event, Status, Topic};
use byztop_core::telemetry::Heading;
use byztop_core::types::{Micros, ReplicaId, Time, View};

/// So many lines of one kind within so long.
const LINES: u32 = 8;
const WITHIN: Micros = Micros::from_millis(10_000);

/// What lines are counted by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    /// This replica asks for views, and enters them.
    Views,
    /// A peer's messages about views.
    Asks(ReplicaId),
    /// Messages of a peer are refused.
    Refused(ReplicaId),
    /// Proofs against a replica.
    Proofs(ReplicaId),
}

/// Writes down what a replica notes.
#[derive(Debug, Default)]
pub(crate) struct ProgressLog {
    /// How many tenths of the current transfer were written down.
    tenths: u8,
    /// Since when lines of a kind are counted, and how many there were.
    lines: BTreeMap<Kind, (Time, u32)>,
    /// The newest view that each peer was heard to speak of.
    heard: BTreeMap<ReplicaId, View>,
}

impl ProgressLog {
    /// The replica notes something.
    pub(crate) fn note(&mut self, now: Time, me: ReplicaId, event: &Event) {
        match event {
            Event::ViewChangeAsked { .. } | Event::ViewEntered { .. } => {
                self.write(now, Kind::Views, || format!("{me} {event}"))
            }
            Event::Proved { accused, .. } => {
                self.write(now, Kind::Proofs(*accused), || format!("{me} holds a {event}"))
            }
            Event::Rejected { from, why, .. } if !why.is_a_matter_of_time() => {
                self.write(now, Kind::Refused(*from), || format!("{me} {event}"));
            }
            Event::Diverged { .. } => tracing::warn!("{me} {event}"),
            Event::TransferBegan { .. } => {
                self.tenths = 0;
                tracing::info!("{me} {event}");
            }
            Event::TransferDone { .. } | Event::Observing { .. } | Event::Rejoined | Event::OldLog { .. } => {
                tracing::info!("{me} {event}")
            }
            _ => {}
        }
    }

    /// A peer's message has come. What it says of a view is written down when it is the first.
    pub(crate) fn hear(&mut self, now: Time, me: ReplicaId, from: ReplicaId, heading: Heading) {
        let Topic::View(view) = heading.topic else { return };
        if self.heard.insert(from, view) != Some(view) {
            self.write(now, Kind::Asks(from), || format!("{me} has a {} for v{view} from {from}", heading.name));
        }
    }

    /// Writes a line if its kind has one left.
    fn write(&mut self, now: Time, kind: Kind, line: impl FnOnce() -> String) {
        match self.take(now, kind) {
            left @ 2.. if left <= LINES => tracing::info!("{}", line()),
            1 => tracing::info!("{}; more of the same is left out for some seconds", line()),
            _ => {}
        }
    }

    /// How many lines a kind had left before this one.
    fn take(&mut self, now: Time, kind: Kind) -> u32 {
        let (since, lines) = self.lines.entry(kind).or_insert((now, LINES));
        if now.since(*since) >= WITHIN {
            (*since, *lines) = (now, LINES);
        }
        let left = *lines;
        *lines = lines.saturating_sub(1);
        left
    }

    /// Where the replica stands now. One that follows the others to a newer checkpoint begins again.
    pub(crate) fn look(&mut self, me: ReplicaId, status: &Status) {
        if let Some(progress) = status.transfer
            && self.is_news(progress.percent())
        {
            tracing::info!("{me} fetches the state of s{}: {progress}", progress.target);
        }
    }

    fn is_news(&mut self, percent: u8) -> bool {
        let tenths = percent / 10;
        let is_news = tenths > self.tenths;
        self.tenths = tenths;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::types::SeqNum;

    #[test]
    fn each_tenth_is_written_down_once() {
        let mut log = ProgressLog::default();
        let mut news = |percents: &[u8]| percents.iter().filter(|percent| log.is_news(**percent)).count();
        assert_eq!(news(&[0, 3, 9]), 0);
        assert_eq!(news(&[10, 12, 19, 45, 49]), 2, "what comes at once is told at once");
        assert_eq!(news(&[0, 10]), 1, "of another checkpoint");
        log.note(Time(0), ReplicaId(0), &Event::TransferBegan { target: SeqNum(7) });
        assert!(log.is_news(10), "of another transfer");
    }

    #[test]
    fn each_kind_of_line_has_some_and_then_none_for_a_while() {
        let mut log = ProgressLog::default();
        let n2 = ReplicaId(1);
        let left: Vec<u32> = (0..10).map(|_| log.take(Time(5), Kind::Refused(n2))).collect();
        assert_eq!(left, [8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
        assert_eq!(log.take(Time(5), Kind::Views), 8);
        assert_eq!(log.take(Time(5).after(WITHIN), Kind::Refused(n2)), 8);
    }
}
