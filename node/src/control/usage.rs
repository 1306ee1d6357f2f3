//! What this process takes from the machine.

use byztop_core::types::Micros;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::{SysconfVar, sysconf};

/// Processor time and memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Usage {
    /// Of all threads since the start, in user and system mode.
    pub(crate) cpu: Micros,
    /// What is resident now.
    pub(crate) memory_bytes: u64,
}

/// Asks the system. What it does not tell is 0.
pub(crate) fn usage() -> Usage {
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
    let cpu = getrusage(UsageWho::RUSAGE_SELF)
        .map_or(Micros(0), |usage| Micros(micros(usage.user_time()) + micros(usage.system_time())));
    Usage { cpu, memory_bytes: resident_bytes().unwrap_or(0) }
}

/// The second number of /proc/self/statm, in pages.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten()?;
    pages.checked_mul(u64::try_from(page_bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_takes_memory() {
        if cfg!(target_os = "linux") {
            assert!(usage().memory_bytes > 100_000, "{:?}", usage());
        }
    }
}
