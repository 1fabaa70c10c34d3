//! Cores that this process and its children may use.

use std::fs;
use std::path::Path;

use crate::cgroup::{Groups, Version};

/// Cores that this process may use: the least of its affinity and the quotas of all cgroups around
/// it, not the host's count. A quota can leave a fraction.
pub fn cores() -> f64 {
    let quota = Groups::of_this_process("cpu").and_then(|groups| {
        let quotas = groups
            .folders
            .iter()
            .filter_map(|folder| quota_of(folder, groups.version));
        quotas.reduce(f64::min)
    });
    let allowed = allowed_to(None);
    quota.map_or(allowed, |quota| quota.min(allowed))
}

/// Cores that a process may run on, of this one if none is given, whatever its quotas.
pub(crate) fn allowed_to(pid: Option<i32>) -> f64 {
    let affinity = rustix::thread::sched_getaffinity(pid.and_then(rustix::process::Pid::from_raw));
    let allowed = affinity.map_or_else(
        // The set of a machine with very many cores does not fit.
        |_| std::thread::available_parallelism().map_or(1, usize::from),
        |set| set.count() as usize,
    );
    allowed.max(1) as f64
}

/// The cores' worth of time that a group gets, if it has a quota.
pub(crate) fn quota_of(folder: &Path, version: Version) -> Option<f64> {
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let (quota, period) = match version {
        Version::One => (text("cpu.cfs_quota_us")?, text("cpu.cfs_period_us")?),
        Version::Two => {
            let max = text("cpu.max")?;
            let (quota, period) = max.split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
    };
    // None is -1 in version 1 and "max" in version 2.
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(version: Version, files: &[(&str, &str)]) -> Option<f64> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("writes");
        }
        quota_of(folder.path(), version)
    }

    #[test]
    fn quotas() {
        let one = |us| {
            let files = [("cpu.cfs_quota_us", us), ("cpu.cfs_period_us", "100000\n")];
            quota(Version::One, &files)
        };
        assert_eq!(one("150000\n"), Some(1.5));
        assert_eq!(one("-1\n"), None);
        let two = |max| quota(Version::Two, &[("cpu.max", max)]);
        assert_eq!(two("50000 100000\n"), Some(0.5));
        assert_eq!(two("max 100000\n"), None);
        assert_eq!(quota(Version::Two, &[]), None);
    }

    #[test]
    fn there_is_some_core() {
        assert!(cores() > 0.0);
    }
}
