//! The clocks: that of the kernel's records, and what this thread has cost.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since some moment in the past, by `CLOCK_MONOTONIC`.
pub(crate) fn now() -> Duration {
    read(ClockId::Monotonic)
}

/// CPU time of this thread.
pub(crate) fn of_this_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        time.tv_sec.try_into().unwrap_or(0),
        time.tv_nsec.try_into().unwrap_or(0),
    )
}
