//! How often stacks are read, and how many interpreters are opened, so that it stays cheap.

use std::time::Duration;

/// Part of a CPU that reading may take: 0.4 %.
const SHARE: u32 = 250;

/// Fifty times a second at most. Hundreds of threads with deep stacks take tens of milliseconds, and are
/// many samples at once: then seldom is enough.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The pause between two rounds, by what they cost.
#[derive(Debug, Default)]
pub(super) struct Pace {
    cost: Option<Duration>,
}

impl Pace {
    /// The pause after a round of this CPU time.
    pub(super) fn pause_after(&mut self, cost: Duration) -> Duration {
        // Single rounds may be disturbed: the mean over some decides.
        let mean = match self.cost {
            None => cost,
            Some(mean) => (mean * 3 + cost) / 4,
        };
        self.cost = Some(mean);
        (mean * SHARE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

/// CPU time to find interpreters with, which reads the symbols of a program each time: enough for some at
/// the start, then a share of the time that passes.
#[derive(Debug)]
pub(super) struct Allowance {
    left: Duration,
    refilled: Duration,
}

const FULL_ALLOWANCE: Duration = Duration::from_millis(200);

impl Allowance {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            left: FULL_ALLOWANCE,
            refilled: now,
        }
    }

    /// Whether there is some.
    pub(super) fn is_there(&mut self, now: Duration) -> bool {
        self.left += now.saturating_sub(self.refilled) / SHARE;
        self.left = self.left.min(FULL_ALLOWANCE);
        self.refilled = now;
        !self.left.is_zero()
    }

    pub(super) fn spend(&mut self, cost: Duration) {
        self.left = self.left.saturating_sub(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn rounds_take_no_more_than_their_share() {
        let mut pace = Pace::default();
        assert_eq!(pace.pause_after(us(10)), SHORTEST_PAUSE);
        let mut pace = Pace::default();
        assert_eq!(pace.pause_after(us(140)), us(35_000));
        // One that was disturbed moves it by a quarter.
        assert_eq!(pace.pause_after(us(540)), us(60_000));
        assert_eq!(pace.pause_after(Duration::from_secs(1)), LONGEST_PAUSE);
    }

    #[test]
    fn interpreters_are_opened_while_there_is_time() {
        let start = Duration::from_secs(100);
        let mut allowance = Allowance::new(start);
        let mut opened = 0;
        while allowance.is_there(start) {
            allowance.spend(Duration::from_millis(20));
            opened += 1;
        }
        assert_eq!(opened, 10);
        assert!(allowance.is_there(start + Duration::from_secs(1)));
        assert_eq!(allowance.left, Duration::from_millis(4));
        assert!(allowance.is_there(start + Duration::from_secs(9999)));
        assert_eq!(allowance.left, FULL_ALLOWANCE);
    }
}
