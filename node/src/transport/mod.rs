//! Frames over QUIC: who is connected to whom, on which streams, and what is refused before anything is decoded.
//!
//! A replica has one endpoint for replicas and clients and one for operators and observers; certificates decide who
//! comes in at which. Of two replicas the one with the smaller id dials. Each direction of a link between replicas has
//! three streams, one per [`Class`](byztop_core::protocol::Class), told apart by their first byte, so that a body never
//! delays a vote. On each travel frames: a length, 4 bytes in little endian, and as many bytes.
//!
//! What is wrong with a *frame* ends the connection. What is wrong with a *message* is counted and shown, and the link
//! stays: an attacker must not be able to make two honest replicas hang up on each other.

pub(crate) mod admission;
mod appetite;
pub(crate) mod checks;
pub(crate) mod client_door;
pub(crate) mod dial;
pub(crate) mod endpoint;
pub(crate) mod frame;
pub(crate) mod link;
pub(crate) mod mesh;
pub(crate) mod outbox;
pub(crate) mod trust;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use byztop_certs::Role;
use quinn::VarInt;

/// Why a connection is closed, as the code in its last packet.
pub(crate) mod close {
    use super::VarInt;

    /// The process ends.
    pub(crate) const STOPPING: VarInt = VarInt::from_u32(0);
    /// The peer broke the framing.
    pub(crate) const FRAMING: VarInt = VarInt::from_u32(1);
    /// A newer connection of the same peer took its place.
    pub(crate) const REPLACED: VarInt = VarInt::from_u32(2);
    /// The peer should have been dialled instead, or has no business here.
    pub(crate) const WRONG_SIDE: VarInt = VarInt::from_u32(3);
    /// There are too many connections of this kind.
    pub(crate) const TOO_MANY: VarInt = VarInt::from_u32(4);
    /// Too much of what the peer sent was refused.
    pub(crate) const DOUBTED: VarInt = VarInt::from_u32(5);
}

/// Tells connections apart: grows with each, so that the end of an old one does not end its successor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LinkId(u64);

impl LinkId {
    /// The next one of this process.
    pub(crate) fn fresh() -> LinkId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        LinkId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Who may write lines into the log about coming and going: each identity a few within ten seconds, so that none fills the disk by
/// it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chatter(Arc<Mutex<BTreeMap<Role, (Instant, u32)>>>);

impl Chatter {
    /// So many lines, the last of which should say that there are more.
    const LINES: u32 = 8;
    const WITHIN: Duration = Duration::from_secs(10);

    /// Writes a line about an identity if it has one left.
    pub(crate) fn tell(&self, now: Instant, role: Role, line: impl FnOnce() -> String) {
        match self.take(now, role) {
            left @ 2.. if left <= Self::LINES => tracing::info!("{}", line()),
            1 => tracing::info!("{}; what {role} does is left out for some seconds", line()),
            _ => {}
        }
    }

    /// How many lines it had left before this one.
    fn take(&self, now: Instant, role: Role) -> u32 {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, lines) = told.entry(role).or_insert((now, Self::LINES));
        if now.duration_since(*since) >= Self::WITHIN {
            (*since, *lines) = (now, Self::LINES);
        }
        let left = *lines;
        *lines = lines.saturating_sub(1);
        left
    }
}

/// Says how rarely what happens again and again is worth a line in the log.
#[derive(Debug, Default)]
struct Rarely {
    told_at: Option<Instant>,
}

impl Rarely {
    const PAUSE: Duration = Duration::from_secs(10);

    /// Whether the last line was long enough ago, which makes this the last one.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.told_at.is_none_or(|at| now.duration_since(at) >= Self::PAUSE);
        if is_due {
            self.told_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use byztop_core::types::ReplicaId;

    use super::*;

    #[test]
    fn who_comes_and_goes_all_the_time_writes_a_few_lines_and_then_none_for_a_while() {
        let (chatter, now) = (Chatter::default(), Instant::now());
        let [n1, n2] = [0, 1].map(|id| Role::Replica(ReplicaId(id)));
        let left: Vec<u32> = (0..10).map(|_| chatter.take(now, n1)).collect();
        assert_eq!(left, [8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
        assert_eq!(chatter.take(now, n2), 8, "others have lines of their own");
        assert_eq!(chatter.take(now + Chatter::WITHIN, n1), 8);
    }
}
