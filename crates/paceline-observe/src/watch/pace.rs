//! How often to look: as often as is useful, as rarely as it must be to stay cheap.

use std::time::Duration;

/// 200 looks a second.
const SHORTEST: Duration = Duration::from_millis(5);

/// Below 100 looks a second on average the user is told.
const USUAL: Duration = Duration::from_millis(10);

const LONGEST: Duration = Duration::from_millis(500);

/// Of one CPU, for looks alone; what is left below one hundredth is for the other sources.
const BUDGET: f64 = 0.004_2;

/// Spent in advance: opening the files of a program that has just been found, in seconds of CPU.
const CREDIT: f64 = 0.005;

const SMOOTHING: f64 = 0.1;

/// The pace of looking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Seconds of CPU that a look takes, smoothed.
    cost: f64,
    /// Seconds of CPU that may still be spent.
    credit: f64,
    last: Option<Duration>,
    looks: u32,
    watched: Duration,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            cost: 0.0,
            credit: CREDIT,
            last: None,
            looks: 0,
            watched: Duration::ZERO,
        }
    }

    /// A look that began at this time took so much CPU time. Says how long after its begin the next is
    /// due.
    pub(crate) fn after(&mut self, at: Duration, cost: Duration) -> Duration {
        let passed = self
            .last
            .map_or(Duration::ZERO, |last| at.saturating_sub(last));
        self.last = Some(at);
        self.looks += 1;
        self.watched += passed;
        let cost = cost.as_secs_f64();
        self.cost += SMOOTHING * (cost - self.cost);
        self.credit = (self.credit + BUDGET * passed.as_secs_f64() - cost).min(CREDIT);
        if self.credit > 0.0 {
            return SHORTEST;
        }
        let period = Duration::try_from_secs_f64(self.cost / BUDGET).unwrap_or(LONGEST);
        period.clamp(SHORTEST, LONGEST)
    }

    /// Looks a second on average, if that was less than usual.
    pub(crate) fn lowered_to(&self) -> Option<f64> {
        let average = self.watched / self.looks.max(1);
        (average > USUAL).then(|| 1.0 / average.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks of this cost for ten seconds, in made-up time. Says how much of a CPU they took.
    fn share(cost: Duration) -> (f64, Pace) {
        let mut pace = Pace::new();
        let mut now = Duration::ZERO;
        let mut spent = Duration::ZERO;
        while now < Duration::from_secs(10) {
            spent += cost;
            now += pace.after(now, cost);
        }
        (spent.as_secs_f64() / now.as_secs_f64(), pace)
    }

    #[test]
    fn cheap_looks_are_made_200_times_a_second() {
        let (_, pace) = share(Duration::from_micros(20));
        assert_eq!(pace.looks, 2000);
        assert_eq!(pace.lowered_to(), None);
    }

    #[test]
    fn dear_looks_stay_within_the_budget() {
        for cost in [100, 600, 2900] {
            let (share, pace) = share(Duration::from_micros(cost));
            assert!(share <= BUDGET + CREDIT / 10.0 + 0.003, "{cost}: {share}");
            assert!(pace.lowered_to().is_some(), "{cost}");
        }
    }

    #[test]
    fn looks_that_open_files_are_paid_from_what_cheap_ones_save() {
        let mut pace = Pace::new();
        let mut now = Duration::ZERO;
        for round in 0..1000 {
            let cost = Duration::from_micros(if round % 50 == 0 { 300 } else { 15 });
            let period = pace.after(now, cost);
            assert_eq!(period, SHORTEST, "{round}");
            now += period;
        }
    }

    #[test]
    fn no_cost_blinds_us() {
        let mut pace = Pace::new();
        assert!(pace.after(Duration::ZERO, Duration::from_secs(900)) <= LONGEST);
    }
}
