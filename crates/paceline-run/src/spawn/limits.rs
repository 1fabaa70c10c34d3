//! How many jobs the system lets us hold at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a running job may cost us: two pipes, two files for long output.
const DESCRIPTORS_PER_JOB: u64 = 4;
/// Descriptors that we need besides: our own streams, the journal, the inputs.
const DESCRIPTORS_OURS: u64 = 64;
/// More would not help anyone, and some kernels refuse it.
const MOST_OPEN_FILES: u64 = 262_144;
/// A job is often a shell and a program.
const PROCESSES_PER_JOB: u64 = 2;

/// Limits that hold for the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Jobs that the open-file limit has room for.
    pub descriptor_jobs: usize,
    /// Jobs that the limits on processes have room for.
    pub process_jobs: usize,
}

/// Raises our soft limit on open files as far as it goes, and returns the one that was in force,
/// which jobs are to get: programs that use `select` break above 1,024.
pub fn raise_open_files() -> Option<u64> {
    let was = getrlimit(Resource::Nofile);
    let soft = was.current?;
    let wanted = was.maximum.unwrap_or(MOST_OPEN_FILES).min(MOST_OPEN_FILES);
    if wanted <= soft {
        return None;
    }
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum: was.maximum,
        },
    )
    .ok()?;
    Some(soft)
}

impl ProcessLimits {
    /// Reads them.
    pub fn read() -> Self {
        let open_files = getrlimit(Resource::Nofile)
            .current
            .unwrap_or(MOST_OPEN_FILES);
        let by_user = getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX);
        let by_ids = number_in("/proc/sys/kernel/pid_max").unwrap_or(32_768);
        let by_group = number_in("/sys/fs/cgroup/pids.max")
            .or_else(|| number_in("/sys/fs/cgroup/pids/pids.max"))
            .unwrap_or(u64::MAX);
        // Others need processes too: leave them half.
        let processes = by_user.min(by_ids).min(by_group) / 2;
        Self {
            descriptor_jobs: (open_files.saturating_sub(DESCRIPTORS_OURS) / DESCRIPTORS_PER_JOB)
                .max(1) as usize,
            process_jobs: (processes / PROCESSES_PER_JOB).max(1) as usize,
        }
    }
}

/// `max` in such a file means no limit, and is no number.
fn number_in(file: &str) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}
