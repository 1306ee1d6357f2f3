//! `time`: what a slow replica holds back.

use std::collections::BTreeMap;

use crate::replica::Output;
use crate::types::Time;

/// How many outputs a delaying replica holds back; beyond that the oldest leave early.
const MAX_DELAYED: usize = 1 << 16;

/// Outputs of a slow replica, in the order in which they may leave. At most [`MAX_DELAYED`].
pub(super) struct Delayed<M> {
    outputs: BTreeMap<(Time, u64), Output<M>>,
    count: u64,
}

impl<M> Default for Delayed<M> {
    fn default() -> Self {
        Delayed { outputs: BTreeMap::new(), count: 0 }
    }
}

impl<M> Delayed<M> {
    /// Keeps an output until a time; gives the oldest if there are too many.
    pub(super) fn hold_back(&mut self, until: Time, output: Output<M>) -> Option<Output<M>> {
        self.count += 1;
        self.outputs.insert((until, self.count), output);
        if self.outputs.len() <= MAX_DELAYED {
            return None;
        }
        self.outputs.pop_first().map(|(_, oldest)| oldest)
    }

    /// What was held back long enough.
    pub(super) fn release(&mut self, now: Time) -> impl Iterator<Item = Output<M>> + use<M> {
        let later = self.outputs.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.outputs, later).into_values()
    }

    /// Everything that was held back.
    pub(super) fn release_all(&mut self) -> impl Iterator<Item = Output<M>> + use<M> {
        std::mem::take(&mut self.outputs).into_values()
    }

    /// When the next output may leave.
    pub(super) fn next(&self) -> Option<Time> {
        self.outputs.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Event;

    #[test]
    fn what_is_held_back_is_bounded_and_leaves_in_order() {
        let mut delayed = Delayed::<()>::default();
        let note = |name: u64| Output::Note(Event::AttackEnded { name: name.to_string() });
        let early: Vec<_> = (0..MAX_DELAYED as u64 + 2).filter_map(|i| delayed.hold_back(Time(i), note(i))).collect();
        assert_eq!(early, [note(0), note(1)]);
        assert_eq!(delayed.release(Time(3)).collect::<Vec<_>>(), [note(2), note(3)]);
        assert_eq!(delayed.next(), Some(Time(4)));
        assert_eq!(delayed.release_all().count(), MAX_DELAYED - 2);
    }
}
