//! A flood of refused messages is a few lines on the screen, not a thousand; each says for how many it stands.

use std::mem::{Discriminant, discriminant};

use crate::rejection::Rejection;
use crate::types::{Micros, ReplicaId, Time};

/// Lets a few rejections per second through for each peer and kind.
#[derive(Debug, Default)]
pub(super) struct RejectionLimiter {
    /// One entry per peer and kind of rejection, so at most some two thousand.
    seen: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    from: ReplicaId,
    kind: Discriminant<Rejection>,
    since: Time,
    shown: u32,
    /// How many were not shown since the last one that was.
    hidden: u32,
}

impl RejectionLimiter {
    const PER_WINDOW: u32 = 2;
    const WINDOW: Micros = Micros::from_millis(1000);

    /// If this one is to be shown, for how many it stands: itself and those that were not shown before it.
    pub(super) fn admit(&mut self, now: Time, from: ReplicaId, why: &Rejection) -> Option<u32> {
        let kind = discriminant(why);
        let Some(seen) = self.seen.iter_mut().find(|seen| seen.from == from && seen.kind == kind) else {
            self.seen.push(Seen { from, kind, since: now, shown: 1, hidden: 0 });
            return Some(1);
        };
        if now.since(seen.since) >= Self::WINDOW {
            (seen.since, seen.shown) = (now, 0);
        }
        if seen.shown == Self::PER_WINDOW {
            seen.hidden += 1;
            return None;
        }
        seen.shown += 1;
        Some(std::mem::take(&mut seen.hidden) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SeqNum, View};

    #[test]
    fn two_per_second_peer_and_kind_are_shown_and_stand_for_all() {
        let mut limiter = RejectionLimiter::default();
        let (n1, n2) = (ReplicaId(0), ReplicaId(1));
        let admitted = |limiter: &mut RejectionLimiter, at, from, why: &Rejection| {
            (0..100).filter_map(|_| limiter.admit(Time(at), from, why)).collect::<Vec<u32>>()
        };
        assert_eq!(admitted(&mut limiter, 5, n1, &Rejection::BadSignature), [1, 1]);
        assert_eq!(admitted(&mut limiter, 6, n2, &Rejection::BadSignature), [1, 1], "another peer");
        assert_eq!(admitted(&mut limiter, 6, n1, &Rejection::WrongView(View(1))), [1, 1], "another kind");
        assert_eq!(admitted(&mut limiter, 7, n1, &Rejection::WrongView(View(2))), [], "the same kind");
        assert_eq!(
            admitted(&mut limiter, 1_000_005, n1, &Rejection::BadSignature),
            [99, 1],
            "a second later, and for those in between"
        );
        for seq in 0..1000 {
            limiter.admit(Time(seq), n1, &Rejection::OutsideWatermarks(SeqNum(seq)));
        }
        assert_eq!(limiter.seen.len(), 4, "bounded by peers and kinds");
    }
}
