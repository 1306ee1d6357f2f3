//! Which proposals wait for which bodies: a body that comes is looked up, and the slots are not searched for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{Digest, SeqNum};

/// The bodies that the proposals of the current view lack.
///
/// Bounds: slots between the watermarks, and for each as many digests as its batch has.
#[derive(Clone, Debug, Default)]
pub(super) struct AwaitedBodies {
    by_slot: BTreeMap<SeqNum, BTreeSet<Digest>>,
    by_digest: BTreeMap<Digest, BTreeSet<SeqNum>>,
}

impl AwaitedBodies {
    /// A slot lacks these, and nothing else.
    pub(super) fn wait(&mut self, seq: SeqNum, missing: &[Digest]) {
        self.forget(seq);
        for digest in missing {
            self.by_digest.entry(*digest).or_default().insert(seq);
        }
        self.by_slot.insert(seq, missing.iter().copied().collect());
    }

    /// A body is here; gives the slots that lack nothing any more.
    pub(super) fn on_arrived(&mut self, digest: Digest) -> Vec<SeqNum> {
        let slots = self.by_digest.remove(&digest).unwrap_or_default();
        let is_complete = |seq: &SeqNum| {
            let missing = self.by_slot.get_mut(seq).expect("both maps name the same pairs");
            missing.remove(&digest);
            missing.is_empty()
        };
        let complete: Vec<SeqNum> = slots.into_iter().filter(is_complete).collect();
        complete.iter().for_each(|seq| drop(self.by_slot.remove(seq)));
        complete
    }

    /// Slots at or below a stable checkpoint wait for nothing.
    pub(super) fn collect(&mut self, stable: SeqNum) {
        while let Some(seq) = self.by_slot.first_key_value().map(|(seq, _)| *seq).filter(|seq| *seq <= stable) {
            self.forget(seq);
        }
    }

    /// How many slots wait, and for how many digests in all.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.by_slot.len(), self.by_slot.values().map(BTreeSet::len).sum())
    }

    fn forget(&mut self, seq: SeqNum) {
        for digest in self.by_slot.remove(&seq).into_iter().flatten() {
            if let Some(slots) = self.by_digest.get_mut(&digest) {
                slots.remove(&seq);
                if slots.is_empty() {
                    self.by_digest.remove(&digest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(content: u8) -> Digest {
        Digest([content; 32])
    }

    #[test]
    fn a_slot_is_complete_once_its_last_body_has_come() {
        let mut awaited = AwaitedBodies::default();
        awaited.wait(SeqNum(1), &[digest(1), digest(2)]);
        awaited.wait(SeqNum(2), &[digest(2)]);
        assert_eq!(awaited.len(), (2, 3));
        assert_eq!(awaited.on_arrived(digest(9)), []);
        assert_eq!(awaited.on_arrived(digest(2)), [SeqNum(2)]);
        assert_eq!(awaited.on_arrived(digest(2)), []);
        assert_eq!(awaited.on_arrived(digest(1)), [SeqNum(1)]);
        assert_eq!(awaited.len(), (0, 0));
    }

    #[test]
    fn what_a_slot_waits_for_is_replaced_and_forgotten_with_it() {
        let mut awaited = AwaitedBodies::default();
        awaited.wait(SeqNum(1), &[digest(1), digest(2)]);
        awaited.wait(SeqNum(1), &[digest(3)]);
        awaited.wait(SeqNum(2), &[digest(3)]);
        assert_eq!((awaited.len(), awaited.by_digest.len()), ((2, 2), 1));
        awaited.collect(SeqNum(1));
        assert_eq!(awaited.on_arrived(digest(3)), [SeqNum(2)]);
        assert!(awaited.by_digest.is_empty() && awaited.by_slot.is_empty());
    }
}
