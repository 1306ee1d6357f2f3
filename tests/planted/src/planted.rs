//! Which bug acts in this thread.

use std::cell::Cell;

use crate::types::ProtocolName;

/// A planted bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bug {
    /// Its place in [`BUGS`].
    pub index: usize,
    /// Its name in bugs.toml.
    pub name: &'static str,
    /// Under which protocol it is hunted.
    pub protocol: ProtocolName,
    /// The rule of that protocol that it breaks.
    pub rule: &'static str,
    /// Whether it is hunted with disks that fail.
    pub disk: bool,
    /// What is wrong, in a line.
    pub wrong: &'static str,
    /// Within so many seeds, from 0 on, the simulator must find it.
    pub seeds: u64,
}

include!(concat!(env!("OUT_DIR"), "/bugs.rs"));

thread_local! {
    static CHOSEN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Whether the bug at this place of the list acts.
#[inline]
pub(crate) fn is(index: usize) -> bool {
    CHOSEN.get() == Some(index)
}

/// Lets a bug act in this thread while `run` runs.
pub fn with<T>(bug: &Bug, run: impl FnOnce() -> T) -> T {
    /// Ends the bug even if the run panics.
    struct Honest;
    impl Drop for Honest {
        fn drop(&mut self) {
            CHOSEN.set(None);
        }
    }
    let _honest_again = Honest;
    CHOSEN.set(Some(bug.index));
    run()
}
