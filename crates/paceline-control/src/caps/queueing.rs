//! How much the jobs queued for the cores, over any stretch of the past.
//!
//! An attempt's wall time holds the queueing of its own lifetime, not of this moment: after the
//! limit came down, jobs that began under the old one would be judged by an empty queue, and
//! jobs that began since by a full one. So running totals are kept for a while, and each attempt
//! is compared over its own span.

use std::time::Duration;

/// Totals kept. When they are full, every second one goes, so that old ones lie further apart.
const KEPT: usize = 128;

/// Totals over the jobs in flight since the run began, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// On a core.
    pub(crate) ran: f64,
    /// In the run queue, as the kernel booked it.
    pub(crate) queued: f64,
    /// Running or queueing, from the states at the moment of each tick.
    pub(crate) runnable: f64,
    /// Time looked at.
    pub(crate) observed: f64,
}

impl Totals {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            ran: self.ran + other.ran,
            queued: self.queued + other.queued,
            runnable: self.runnable + other.runnable,
            observed: self.observed + other.observed,
        }
    }

    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            ran: self.ran * factor,
            queued: self.queued * factor,
            runnable: self.runnable * factor,
            observed: self.observed * factor,
        }
    }

    /// Seconds in the run queue.
    ///
    /// The kernel books a wait only when it ends, so the threads found queueing at the ticks
    /// speak where they contradict it plainly. They do not elsewhere: a few glances scatter, and
    /// always believing the larger figure would add that scatter to the wait.
    pub(crate) fn waited(self) -> f64 {
        let glanced = self.runnable - self.ran;
        if glanced > 2.0 * self.queued {
            glanced
        } else {
            self.queued
        }
    }
}

/// The running totals at past ticks.
#[derive(Clone, Debug)]
pub(crate) struct Queueing {
    /// Oldest first; the first is the start of the run.
    past: Vec<(Duration, Totals)>,
}

impl Queueing {
    pub(crate) fn new() -> Self {
        let mut past = Vec::with_capacity(KEPT);
        past.push((Duration::ZERO, Totals::default()));
        Self { past }
    }

    /// What the tick at `now` adds.
    pub(crate) fn add(&mut self, now: Duration, seen: Totals) {
        if self.past.len() >= KEPT {
            let mut keep = false;
            self.past.retain(|_| {
                keep = !keep;
                keep
            });
        }
        let last = self.past.last().map_or(Totals::default(), |last| last.1);
        self.past.push((now, last.plus(seen)));
    }

    /// Seconds in the run queue per second on a core since `start`, or since a little earlier if
    /// less than `enough` job seconds were looked at; `None` if there never were as many.
    pub(crate) fn since(&self, start: Duration, enough: f64) -> Option<f64> {
        let (_, last) = self.past.last()?;
        let after = self.past.partition_point(|(at, _)| *at <= start);
        self.past[..after]
            .iter()
            .rev()
            .map(|(_, then)| last.plus(then.times(-1.0)))
            .find(|span| span.observed >= enough)
            .map(|span| span.waited() / span.ran.max(0.001))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn seen(ran: f64, queued: f64) -> Totals {
        Totals {
            ran,
            queued,
            runnable: ran,
            observed: 1.0,
        }
    }

    #[test]
    fn nothing_seen_nothing_said() {
        let mut queueing = Queueing::new();
        assert_eq!(queueing.since(ms(0), 0.01), None);
        queueing.add(ms(5), Totals::default());
        assert_eq!(queueing.since(ms(0), 0.01), None);
    }

    #[test]
    fn each_span_has_its_own_ratio() {
        let mut queueing = Queueing::new();
        for tick in 1..=10 {
            let queued = if tick <= 5 { 4.0 } else { 0.0 };
            queueing.add(ms(tick * 10), seen(1.0, queued));
        }
        let ratio = |from| queueing.since(ms(from), 0.5).expect("enough was seen");
        assert!((ratio(0) - 2.0).abs() < 1e-9);
        assert!(ratio(50) < 1e-9);
        assert!((ratio(40) - 4.0 / 6.0).abs() < 1e-9);
        assert!(
            ratio(1000) < 1e-9,
            "the last tick, if none is within the span"
        );
    }

    #[test]
    fn too_little_seen_reaches_further_back() {
        let mut queueing = Queueing::new();
        queueing.add(ms(10), seen(1.0, 3.0));
        queueing.add(ms(20), Totals::default());
        assert!((queueing.since(ms(15), 0.5).expect("enough was seen") - 3.0).abs() < 1e-9);
    }

    #[test]
    fn the_past_is_thinned_not_lost() {
        let mut queueing = Queueing::new();
        for tick in 1..=10_000 {
            queueing.add(ms(tick), seen(1.0, 2.0));
        }
        assert!(queueing.past.len() <= KEPT);
        assert!((queueing.since(ms(0), 0.5).expect("enough was seen") - 2.0).abs() < 1e-9);
        assert!((queueing.since(ms(9_990), 0.5).expect("enough was seen") - 2.0).abs() < 1e-9);
    }
}
