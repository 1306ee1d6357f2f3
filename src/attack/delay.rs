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
