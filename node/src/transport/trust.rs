//! How far a peer is trusted to send what verifies. Nobody honest sends anything else: replicas verify what they pass on, and
//! so does a client with what it signs.
//!
//! Who sends what is refused at the door is checked by itself, so that others pay nothing for it, and waits after each piece
//! that it brings: a core costs it little more than a hundredth of what it could spend. A replica is never hung up on for it.
//! A client is, for a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Rarely;

/// So many good messages make up for one that was refused.
const GOOD_FOR_ONE_BAD: u32 = 16;
/// Beyond this doubt does not grow: a second of waiting, and so many good messages until there is none.
const MOST: u32 = 1000;
/// How long a doubted peer waits after each piece, for each message that it owes.
const PAUSE_PER_OWED: Duration = Duration::from_millis(1);
/// How long a client that was hung up on stays out.
const OUT: Duration = Duration::from_secs(10);

/// What is known of one peer. It outlives its connections: who comes again is who it was.
#[derive(Debug, Default)]
pub(crate) struct Trust(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    /// How many good messages are owed.
    owed: u32,
    line: Rarely,
    out_until: Option<Instant>,
}

/// What follows from how a piece was judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Consequence {
    /// Whether this is worth a line in the log.
    pub(crate) is_news: bool,
    /// Whether it has spent all its credit.
    pub(crate) is_spent: bool,
}

impl Trust {
    /// Whether what it sends is checked by itself.
    pub(crate) fn is_doubted(&self) -> bool {
        self.record().owed > 0
    }

    /// How long it waits before more is taken from it.
    pub(crate) fn pause(&self) -> Duration {
        PAUSE_PER_OWED * self.record().owed
    }

    /// A long message was refused: who makes others check thousands of signatures in vain owes all that can be owed.
    pub(crate) fn judge_long(&self, now: Instant, good: usize) -> Consequence {
        self.judge(now, good, usize::MAX)
    }

    /// So many messages were good and so many refused.
    pub(crate) fn judge(&self, now: Instant, good: usize, bad: usize) -> Consequence {
        let mut record = self.record();
        let (good, bad) = (u32::try_from(good).unwrap_or(MOST), u32::try_from(bad).unwrap_or(MOST));
        if record.owed == 0 && bad == 0 {
            return Consequence::default();
        }
        record.owed = record.owed.saturating_sub(good).saturating_add(bad.saturating_mul(GOOD_FOR_ONE_BAD)).min(MOST);
        Consequence { is_news: bad > 0 && record.line.is_due(now), is_spent: record.owed == MOST }
    }

    /// It was hung up on, and stays out for a while. Half of its debt is forgiven when it comes back.
    pub(crate) fn keep_out(&self, now: Instant) {
        let mut record = self.record();
        record.out_until = Some(now + OUT);
        record.owed /= 2;
    }

    /// Whether it is kept out now.
    pub(crate) fn is_out(&self, now: Instant) -> bool {
        self.record().out_until.is_some_and(|until| now < until)
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_message_costs_a_moment_and_is_made_up_for_by_good_ones() {
        let (trust, began) = (Trust::default(), Instant::now());
        assert_eq!(trust.judge(began, 64, 0), Consequence::default());
        assert!(!trust.is_doubted());
        let first = trust.judge(began, 0, 1);
        assert_eq!(first, Consequence { is_news: true, is_spent: false });
        assert_eq!((trust.is_doubted(), trust.pause()), (true, Duration::from_millis(16)));
        trust.judge(began, 10, 0);
        assert_eq!(trust.pause(), Duration::from_millis(6));
        trust.judge(began, 6, 0);
        assert_eq!(trust.pause(), Duration::ZERO);
        assert!(!trust.is_doubted());
    }

    #[test]
    fn nothing_but_junk_waits_a_second_each_time_and_is_told_every_ten_seconds() {
        let (trust, began) = (Trust::default(), Instant::now());
        let (mut taken, mut lines, mut now) = (0, 0, began);
        while now < began + Duration::from_secs(60) {
            lines += u32::from(trust.judge(now, 0, 64).is_news);
            taken += 64;
            now += trust.pause();
        }
        assert!((60 * 64..=64 * 64).contains(&taken), "{taken} messages a minute");
        assert_eq!(lines, 6);
        trust.judge(began, usize::MAX, usize::MAX);
        assert_eq!(trust.pause(), Duration::from_secs(1), "bounded");
    }

    #[test]
    fn a_long_message_that_is_refused_costs_all_credit_at_once() {
        let (trust, began) = (Trust::default(), Instant::now());
        assert!(trust.judge_long(began, 64).is_spent);
        assert_eq!(trust.pause(), Duration::from_secs(1));
    }

    #[test]
    fn who_alternates_stays_in_doubt() {
        let (trust, began) = (Trust::default(), Instant::now());
        for _ in 0..100 {
            trust.judge(began, 1, 1);
        }
        trust.judge(began, 64, 0);
        assert!(trust.pause() > Duration::from_millis(900));
    }

    #[test]
    fn who_was_hung_up_on_stays_out_for_a_while() {
        let (trust, began) = (Trust::default(), Instant::now());
        assert!(trust.judge(began, 0, 1000).is_spent && !trust.is_out(began));
        trust.keep_out(began);
        assert!(trust.is_out(began));
        assert!(!trust.is_out(began + OUT) && trust.is_doubted());
        assert!(!trust.judge(began, 0, 1).is_spent, "it begins with a little credit");
    }
}
