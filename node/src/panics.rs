//! What panics in a replica's process ends it, whichever thread it is in: half a replica that goes on is worse than none.

use std::cell::Cell;
use std::panic;

/// The exit status of a process that a panic has ended; Rust's own.
pub const STATUS: i32 = 101;

thread_local! {
    /// Whether somebody on this thread is about to catch it.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// From now on a panic in any thread ends the process with [`STATUS`], after its message.
pub fn end_the_process() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |about| {
        tell(about);
        if !IS_CAUGHT.get() {
            tracing::error!("this replica ends: a part of it has panicked; this is a bug in byztop");
            std::process::exit(STATUS);
        }
    }));
}

/// Does something that may panic on this thread over bytes that are not what was written, and goes on if it does.
///
/// # Errors
///
/// Nothing is left of it that could be half done: whoever calls makes sure of that.
pub(crate) fn caught<T>(done: impl FnOnce() -> T + panic::UnwindSafe) -> Result<T, ()> {
    IS_CAUGHT.set(true);
    let done = panic::catch_unwind(done);
    IS_CAUGHT.set(false);
    done.map_err(drop)
}
