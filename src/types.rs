//! Ids, counters, digests and time as newtypes, so that a view can not be passed where a sequence number is meant.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A replica's place in the roster, counted from 0. It is written `n1` for 0, `n2` for 1, and so on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId(pub u8);

impl ReplicaId {
    /// The place as an index into per-replica vectors.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Reads `n3`, as people write it; `None` unless it is `n` and a number from 1 to 128.
    pub fn parse(text: &str) -> Option<ReplicaId> {
        let number: u8 = text.strip_prefix('n')?.parse().ok()?;
        (1..=128).contains(&number).then(|| ReplicaId(number - 1))
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("n{}", u16::from(self.0) + 1))
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A client key's place in the roster, counted from 0 and written `c1`, `c2`, ….
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u16);

impl ClientId {
    /// Reads `c2`, as people write it; `None` unless it is `c` and a number from 1 to 65536 without zeros before it.
    pub fn parse(text: &str) -> Option<ClientId> {
        let digits = text.strip_prefix('c')?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let number: u32 = if is_plain { digits.parse().ok()? } else { return None };
        u16::try_from(number.checked_sub(1)?).ok().map(ClientId)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", u32::from(self.0) + 1)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One line of work of one client key: at most one submission of a session is outstanding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The roster key that signs for this session.
    pub client: ClientId,
    /// Which of the key's sessions; below [`Session::PER_CLIENT`].
    pub index: u16,
}

impl Session {
    /// How many sessions one client key may have: the bound on its work in flight.
    pub const PER_CLIENT: u16 = 1024;
}

/// A session's own clock: grows by at least one with each submission. 0 is never used by a submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// The next one; stays at the largest rather than wrapping.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The one before; stays at 0.
            #[must_use]
            pub fn previous(self) -> Self {
                Self(self.0.saturating_sub(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter! {
    /// A view: the reign of one primary. Starts at 0 and only grows.
    View
}
counter! {
    /// A slot's number in the total order. The first slot is 1; 0 stands for "nothing yet".
    SeqNum
}

impl SeqNum {
    /// This number and `count` more; stays at the largest rather than wrapping.
    #[must_use]
    pub fn plus(self, count: u64) -> SeqNum {
        SeqNum(self.0.saturating_add(count))
    }

    /// Each number after this one, up to and including `last`.
    pub fn until(self, last: SeqNum) -> impl Iterator<Item = SeqNum> + use<> {
        (self.0.saturating_add(1)..=last.0).map(SeqNum)
    }
}

/// A SHA-256 digest. Its short form is the first four hex digits, as the console shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

/// Byte by byte, as an array is ordered. Digests nearly always differ in the first eight bytes, and ordered tables of
/// them compare a lot.
impl Ord for Digest {
    fn cmp(&self, other: &Digest) -> Ordering {
        let first = |digest: &Digest| digest.0.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        first(self).cmp(&first(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Digest) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Digest {
    /// No digest: the slot's digest of a null request, and the state before anything.
    pub const ZERO: Digest = Digest([0; 32]);

    /// SHA-256 over a domain label and parts, each preceded by its length, so that no two calls with different
    /// arguments hash the same bytes.
    pub fn of(domain: &str, parts: &[&[u8]]) -> Digest {
        let mut hasher = sha2::Sha256::new();
        for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Digest(hasher.finalize().into())
    }

    /// The first four hex digits.
    pub fn short(&self) -> String {
        format!("{:02x}{:02x}", self.0[0], self.0[1])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// A moment on the driver's monotonic clock, in microseconds from an origin of the driver's choice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// This moment and a span later.
    #[must_use]
    pub fn after(self, span: Micros) -> Time {
        Time(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; nothing if it lies ahead.
    pub fn since(self, earlier: Time) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

/// A span of time in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Micros(pub u64);

impl Micros {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Micros {
        Micros(millis * 1000)
    }

    /// Whole milliseconds, rounded down.
    pub fn as_millis(self) -> u64 {
        self.0 / 1000
    }
}

/// The ordering protocols, by name. What differs between them is behind [`crate::protocol::Protocol`];
/// [`crate::with_protocol!`] chooses the type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolName {
    /// Classic PBFT, all to all.
    Pbft,
    /// Linear PBFT: the primary collects the votes.
    Linear,
}

impl ProtocolName {
    /// Every protocol, in the order in which they were built.
    pub const ALL: [ProtocolName; 2] = [ProtocolName::Pbft, ProtocolName::Linear];

    /// What it is called on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            ProtocolName::Pbft => "pbft",
            ProtocolName::Linear => "linear",
        }
    }

    /// The protocol of this name; `None` if there is none.
    pub fn parse(text: &str) -> Option<ProtocolName> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == text)
    }
}

impl fmt::Display for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of replicas, as bits: cheap to copy, send and draw. Holds ids below 128.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ReplicaSet(u128);

impl ReplicaSet {
    /// Adds a replica and says whether it was new.
    pub fn insert(&mut self, replica: ReplicaId) -> bool {
        let bit = 1u128 << replica.0.min(127);
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }

    /// Whether the replica is in the set.
    pub fn contains(&self, replica: ReplicaId) -> bool {
        self.0 & (1u128 << replica.0.min(127)) != 0
    }

    /// How many are in the set.
    pub fn len(&self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether none is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ReplicaId> + use<> {
        let bits = self.0;
        (0..128u8).filter(move |i| bits & (1u128 << i) != 0).map(ReplicaId)
    }
}

impl FromIterator<ReplicaId> for ReplicaSet {
    fn from_iter<I: IntoIterator<Item = ReplicaId>>(members: I) -> Self {
        let mut set = ReplicaSet::default();
        for member in members {
            set.insert(member);
        }
        set
    }
}

impl fmt::Display for ReplicaSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(|r| r.to_string()).collect();
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for ReplicaSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_from_one() {
        assert_eq!(ReplicaId(0).to_string(), "n1");
        assert_eq!(ReplicaId::parse("n7"), Some(ReplicaId(6)));
        for bad in ["n0", "n129", "7", "n", "n-1", "N1", "n1 "] {
            assert_eq!(ReplicaId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn clients_are_counted_from_one_too() {
        assert_eq!(
            [ClientId(0), ClientId(u16::MAX)].map(|id| ClientId::parse(&id.to_string())),
            [Some(ClientId(0)), Some(ClientId(u16::MAX))]
        );
        for bad in ["c0", "c65537", "c", "c-1", "c+1", "c01", "1", "C1", "c1 "] {
            assert_eq!(ClientId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn digests_keep_parts_apart() {
        assert_ne!(Digest::of("t", &[b"ab", b"c"]), Digest::of("t", &[b"a", b"bc"]));
        assert_ne!(Digest::of("t", &[b"a"]), Digest::of("u", &[b"a"]));
    }

    #[test]
    fn digests_are_ordered_like_their_bytes() {
        let mut digests: Vec<Digest> = (0..100u8).map(|i| Digest::of("t", &[&[i]])).collect();
        for place in [0, 7, 8, 31] {
            let mut altered = digests[0];
            altered.0[place] ^= 0x80;
            digests.push(altered);
        }
        for (a, b) in digests.iter().flat_map(|a| digests.iter().map(move |b| (a, b))) {
            assert_eq!(a.cmp(b), a.0.cmp(&b.0), "{a} {b}");
        }
    }

    #[test]
    fn counters_stay_at_their_ends() {
        assert_eq!(View(u64::MAX).next(), View(u64::MAX));
        assert_eq!(SeqNum(0).previous(), SeqNum(0));
        assert_eq!(SeqNum(3).until(SeqNum(5)).collect::<Vec<_>>(), [SeqNum(4), SeqNum(5)]);
        assert_eq!(SeqNum(u64::MAX).until(SeqNum(5)).count(), 0);
    }

    #[test]
    fn sets_count_each_replica_once() {
        let mut set = ReplicaSet::default();
        assert!(set.insert(ReplicaId(3)));
        assert!(!set.insert(ReplicaId(3)));
        assert_eq!((set.len(), set.to_string()), (1, "n4".to_string()));
    }
}
