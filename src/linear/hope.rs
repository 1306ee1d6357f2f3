//! When a primary waits for the votes of all (SBFT's fast path, §V-C), and what a backup that votes now and then can cost.
//!
//! SBFT waits in every slot. Here a wait in vain ends the waiting until all have voted in time in a number of slots: one
//! after the first wait in vain, twice as many after each further one, [`Hope::MAX_SLOTS`] at most. So of S slots at most
//! about log₂ S wait in vain, and in the long run one in [`Hope::MAX_SLOTS`]. Only a new view forgets this.

/// Whether to wait for all replicas once a quorum has prepared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Hope {
    /// In how many slots all have to vote in time before it waits again; none while it waits.
    missing_slots: u32,
    /// How many that were after the last wait in vain.
    required_slots: u32,
}

impl Hope {
    /// The most slots in which all have to vote in time before it waits again.
    pub(super) const MAX_SLOTS: u32 = 1024;

    /// Whether it waits.
    pub(super) fn is_alive(self) -> bool {
        self.missing_slots == 0
    }

    /// It waited in vain. Of several slots that waited at the same time the first one counts.
    pub(super) fn disappoint(&mut self) {
        if self.is_alive() {
            self.required_slots = (2 * self.required_slots).clamp(1, Self::MAX_SLOTS);
            self.missing_slots = self.required_slots;
        }
    }

    /// All have voted in time in one more slot.
    pub(super) fn encourage(&mut self) {
        self.missing_slots = self.missing_slots.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many slots all have to vote in before it waits again.
    fn slots_until_alive(mut hope: Hope) -> u32 {
        let mut slots = 0;
        while !hope.is_alive() {
            hope.encourage();
            slots += 1;
        }
        slots
    }

    #[test]
    fn rule_l5_each_wait_in_vain_doubles_the_slots_until_the_next_up_to_a_bound() {
        let mut hope = Hope::default();
        assert!(hope.is_alive(), "a view begins with hope");
        let mut required = Vec::new();
        for _ in 0..13 {
            hope.disappoint();
            required.push(slots_until_alive(hope));
            (0..Hope::MAX_SLOTS).for_each(|_| hope.encourage());
        }
        assert_eq!(required, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
    }

    #[test]
    fn rule_l5_slots_that_waited_together_count_as_one_wait_in_vain() {
        let mut hope = Hope::default();
        (0..8).for_each(|_| hope.disappoint());
        assert_eq!(slots_until_alive(hope), 1);
    }
}
