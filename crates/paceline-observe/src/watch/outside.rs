//! What a program did not cause itself: other work on the cores, and quotas.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::stat::tick;
use crate::cgroup::{Groups, Version};

/// The machine's busy time and the quota's, when watching began.
pub(crate) struct OutsideBase {
    busy: Option<Duration>,
    throttled: Duration,
    groups: Option<Groups>,
}

impl OutsideBase {
    /// For a program with this process.
    pub(crate) fn of(pid: i32) -> Self {
        let groups = Groups::of_process(Some(pid), "cpu");
        Self {
            busy: busy(),
            throttled: groups.as_ref().map_or(Duration::ZERO, throttled),
            groups,
        }
    }

    /// CPU time that the machine spent since, on whatever.
    pub(crate) fn busy_since(&self) -> Duration {
        let (Some(before), Some(now)) = (self.busy, busy()) else {
            return Duration::ZERO;
        };
        now.saturating_sub(before)
    }

    /// Time for which quotas have held the group's threads since.
    pub(crate) fn throttled_since(&self) -> Duration {
        let now = self.groups.as_ref().map_or(Duration::ZERO, throttled);
        now.saturating_sub(self.throttled)
    }
}

fn busy() -> Option<Duration> {
    busy_in(&fs::read_to_string("/proc/stat").ok()?)
}

/// The line `cpu user nice system idle iowait irq softirq steal …` of `/proc/stat`. Stolen time is that of
/// other guests of the host: cores that we had not.
fn busy_in(text: &str) -> Option<Duration> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<u32> = line
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .map(|field| {
            field
                .parse::<u64>()
                .map_or(0, |ticks| ticks.min(u64::from(u32::MAX)) as u32)
        })
        .collect();
    let busy = ticks
        .iter()
        .enumerate()
        .filter(|(n, _)| !matches!(n, 3 | 4));
    let busy: u64 = busy.map(|(_, ticks)| u64::from(*ticks)).sum();
    Some(Duration::from_secs_f64(tick().as_secs_f64() * busy as f64))
}

fn throttled(groups: &Groups) -> Duration {
    let of = |folder: &PathBuf| {
        let text = fs::read_to_string(folder.join("cpu.stat")).ok()?;
        throttled_in(&text, groups.version)
    };
    // A group's time is within that of those around it only if they have quotas of their own.
    groups
        .folders
        .iter()
        .filter_map(of)
        .max()
        .unwrap_or_default()
}

fn throttled_in(text: &str, version: Version) -> Option<Duration> {
    let (name, unit): (_, fn(u64) -> Duration) = match version {
        Version::One => ("throttled_time ", Duration::from_nanos),
        Version::Two => ("throttled_usec ", Duration::from_micros),
    };
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok().map(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_iowait_are_not_busy() {
        let text = "cpu  100 10 50 9999 888 1 2 3 77 0\ncpu0 1 1 1 1\n";
        assert_eq!(busy_in(text), Some(tick() * 166));
        assert_eq!(busy_in("junk"), None);
        assert!(busy().is_some());
    }

    #[test]
    fn both_versions_tell_of_throttling() {
        let one = "nr_periods 5\nnr_throttled 2\nthrottled_time 1500000\n";
        let two = "usage_usec 7\nnr_throttled 2\nthrottled_usec 1500\n";
        let time = Some(Duration::from_micros(1500));
        assert_eq!(throttled_in(one, Version::One), time);
        assert_eq!(throttled_in(two, Version::Two), time);
        assert_eq!(throttled_in("usage_usec 7\n", Version::Two), None);
    }
}
