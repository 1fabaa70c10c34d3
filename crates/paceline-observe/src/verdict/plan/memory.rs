//! What each concurrency model takes in memory.

use super::super::MemoryNeed;
use crate::profile::Profile;

/// The stack that a thread touches, where it was not measured: a few calls deep, with buffers.
const STACK: u64 = 64 << 10;
/// A task's frames and the buffers of its connection.
const TASK: u64 = 16 << 10;
/// The private part of a small process, where it was not measured.
const PROCESS: u64 = 2 << 20;

/// What each model would take at this level. A process takes its private part; what it shares with
/// its parent comes for free.
pub(in crate::verdict) fn need(profile: &Profile, level: usize) -> MemoryNeed {
    let measured = |bytes: u64, otherwise: u64| if bytes > 0 { bytes } else { otherwise };
    let of_all = profile.memory.rss_bytes / (profile.processes_seen as u64).max(1);
    let process = measured(profile.memory.private_bytes, measured(of_all, PROCESS));
    let times = |bytes: u64| bytes.saturating_mul(level as u64);
    MemoryNeed {
        threads: times(measured(profile.memory.stack_bytes, STACK)),
        r#async: times(TASK),
        processes: times(process),
    }
}
