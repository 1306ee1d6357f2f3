//! A flood of refused messages is one line on the screen, not a thousand: the counters tell the rest.

use std::mem::{Discriminant, discriminant};

use byztop_core::rejection::Rejection;
use byztop_core::types::{Micros, ReplicaId, Time};

/// Lets a few rejections per second through for each peer and kind.
#[derive(Debug, Default)]
pub(crate) struct RejectionLimiter {
    /// One entry per peer and kind of rejection, so at most some two thousand.
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    from: ReplicaId,
    kind: Discriminant<Rejection>,
    since: Time,
    shown: u32,
}

impl RejectionLimiter {
    const PER_WINDOW: u32 = 2;
    const WINDOW: Micros = Micros::from_millis(1000);

    /// Whether this one is to be shown.
    pub(crate) fn admit(&mut self, now: Time, from: ReplicaId, why: &Rejection) -> bool {
        let kind = discriminant(why);
        let Some(seen) = self.seen.iter_mut().find(|seen| seen.from == from && seen.kind == kind) else {
            self.seen.push(Seen { from, kind, since: now, shown: 1 });
            return true;
        };
        if now.since(seen.since) >= Self::WINDOW {
            (seen.since, seen.shown) = (now, 0);
        }
        seen.shown += 1;
        seen.shown <= Self::PER_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byztop_core::types::{SeqNum, View};

    #[test]
    fn two_per_second_peer_and_kind_are_shown() {
        let mut limiter = RejectionLimiter::default();
        let (n1, n2) = (ReplicaId(0), ReplicaId(1));
        let admitted = |limiter: &mut RejectionLimiter, at, from, why: &Rejection| {
            (0..100).filter(|_| limiter.admit(Time(at), from, why)).count()
        };
        assert_eq!(admitted(&mut limiter, 5, n1, &Rejection::BadSignature), 2);
        assert_eq!(admitted(&mut limiter, 6, n2, &Rejection::BadSignature), 2, "another peer");
        assert_eq!(admitted(&mut limiter, 6, n1, &Rejection::WrongView(View(1))), 2, "another kind");
        assert_eq!(admitted(&mut limiter, 7, n1, &Rejection::WrongView(View(2))), 0, "the same kind");
        assert_eq!(admitted(&mut limiter, 1_000_005, n1, &Rejection::BadSignature), 2, "a second later");
        for seq in 0..1000 {
            limiter.admit(Time(seq), n1, &Rejection::OutsideWatermarks(SeqNum(seq)));
        }
        assert_eq!(limiter.seen.len(), 4, "bounded by peers and kinds");
    }
}
