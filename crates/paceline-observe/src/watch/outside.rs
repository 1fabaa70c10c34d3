//! What a program did not cause itself: other work on the cores.

use std::fs;
use std::time::Duration;

use super::stat::tick;

/// The machine's busy time when watching began.
pub(crate) struct OutsideBase {
    busy: Option<Duration>,
}

impl OutsideBase {
    pub(crate) fn now() -> Self {
        Self { busy: busy() }
    }

    /// CPU time that the machine spent since, on whatever.
    pub(crate) fn busy_since(&self) -> Duration {
        let (Some(before), Some(now)) = (self.busy, busy()) else {
            return Duration::ZERO;
        };
        now.saturating_sub(before)
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
}
