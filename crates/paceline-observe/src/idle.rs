//! Time in which cores had nothing to do.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::cores::{allowed_to, cores};

/// Where to read for how long the machine's cores have been idle, held open.
#[derive(Debug)]
pub struct Idle {
    file: File,
    last: Option<Duration>,
}

impl Idle {
    /// `None` where it says nothing of what jobs of this process could use: it may not run on all
    /// cores, or not all the time.
    pub fn of_this_machine() -> Option<Self> {
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
        let all = count(online.trim())? as f64;
        if allowed_to(None) < all || cores() < all {
            return None;
        }
        let file = File::open("/proc/uptime").ok()?;
        Some(Self { file, last: None })
    }

    /// Core seconds without anything to do since the last call; `None` at the first one, and if the
    /// kernel does not tell.
    pub fn since_last(&mut self) -> Option<Duration> {
        let mut text = [0; 64];
        let length = self.file.read_at(&mut text, 0).ok()?;
        let now = idle(std::str::from_utf8(&text[..length]).ok()?)?;
        let last = self.last.replace(now)?;
        Some(now.saturating_sub(last))
    }
}

/// The second number of `/proc/uptime` (`proc_uptime(5)`): seconds that cores were idle, summed up.
fn idle(text: &str) -> Option<Duration> {
    let seconds = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// How many numbers a list like `0-3,6` has.
fn count(list: &str) -> Option<usize> {
    list.split(',')
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            Some(last.checked_sub(first)? + 1)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_and_sums_are_read() {
        assert_eq!(count("0-3,6"), Some(5));
        assert_eq!(count("0"), Some(1));
        for nonsense in ["", "a", "3-1", "0-"] {
            assert_eq!(count(nonsense), None, "{nonsense}");
        }
        assert_eq!(idle("8.25 12.50\n"), Some(Duration::from_millis(12_500)));
        for nonsense in ["", "8.25", "8.25 x", "8.25 -1", "8.25 inf"] {
            assert_eq!(idle(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn idle_time_grows_no_faster_than_cores_allow() {
        let Some(mut idle) = Idle::of_this_machine() else {
            return;
        };
        assert_eq!(idle.since_last(), None, "nothing to compare with");
        let began = std::time::Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        let seen = idle.since_last().expect("it was read before");
        // The kernel's figure has two digits, and may be a tick of each core behind, at each end.
        let blur = Duration::from_millis(20);
        let most = (began.elapsed() + blur).mul_f64(allowed_to(None));
        assert!(seen <= most, "{seen:?} of {most:?}");
    }
}
