//! Additive increase, multiplicative decrease, as in Vector's adaptive request concurrency.
//!
//! Once per mean response time: one more if the mean of this interval is not above the smoothed
//! mean of those before and the limit was reached; nine tenths if it is 2.5 standard deviations
//! above it, or something was refused. Starts at one. After
//! <https://vector.dev/blog/adaptive-request-concurrency/> and the settings documented there:
//! `decrease_ratio` 0.9, `ewma_alpha` 0.4, `rtt_deviation_scale` 2.5.

use std::time::Duration;

use super::{MOST, Sample, decided};
use crate::controller::{Controller, Decision, Event};

const DECREASE: f64 = 0.9;
const ALPHA: f64 = 0.4;
const DEVIATIONS: f64 = 2.5;

/// Vector's adaptive request concurrency.
#[derive(Clone, Debug)]
pub struct Aimd {
    limit: usize,
    in_flight: usize,
    /// Smoothed mean and variance of the intervals before, in seconds.
    past: Option<(f64, f64)>,
    next_update: Duration,
    /// Sum in seconds, and how many, in this interval.
    current: (f64, u32),
    dropped: bool,
    reached: bool,
}

impl Default for Aimd {
    fn default() -> Self {
        Self {
            limit: 1,
            in_flight: 0,
            past: None,
            next_update: Duration::ZERO,
            current: (0.0, 0),
            dropped: false,
            reached: false,
        }
    }
}

impl Aimd {
    fn update(&mut self, now: Duration) {
        let current = (self.current.1 > 0).then(|| self.current.0 / f64::from(self.current.1));
        let Some((mean, variance)) = self.past else {
            if let Some(current) = current {
                self.past = Some((current, 0.0));
                self.next_update = now + Duration::from_secs_f64(current);
            }
            return;
        };
        if now < self.next_update {
            return;
        }
        let threshold = mean + DEVIATIONS * variance.sqrt();
        let calm = current.is_some_and(|current| current <= mean);
        if (self.limit as f64) < MOST && self.reached && !self.dropped && calm {
            self.limit += 1;
        } else if self.dropped || current.is_some_and(|current| current >= threshold) {
            self.limit = ((self.limit as f64 * DECREASE) as usize).max(1);
        }
        let mut mean = mean;
        if let Some(current) = current {
            let difference = current - mean;
            let step = ALPHA * difference;
            self.past = Some((mean + step, (1.0 - ALPHA) * (variance + difference * step)));
            mean += step;
        }
        self.next_update = now + Duration::from_secs_f64(mean.max(0.0));
        self.current = (0.0, 0);
        self.dropped = false;
        self.reached = false;
    }
}

impl Controller for Aimd {
    fn limit(&self) -> usize {
        self.limit
    }

    fn on(&mut self, now: Duration, event: Event) -> Option<Decision> {
        let was = self.limit;
        match event {
            Event::Started { .. } => {
                self.in_flight += 1;
                self.reached |= self.in_flight >= self.limit;
            }
            Event::Finished { attempt, .. } => {
                self.in_flight = self.in_flight.saturating_sub(1);
                match Sample::from(attempt.outcome) {
                    Sample::Good => {
                        self.current.0 += attempt.wall.as_secs_f64();
                        self.current.1 += 1;
                    }
                    Sample::Dropped => self.dropped = true,
                    Sample::Nothing => {}
                }
                self.update(now);
            }
            _ => {}
        }
        decided(now, was, self.limit)
    }

    fn tick_every(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{Attempt, Outcome};

    fn finish(aimd: &mut Aimd, at: f64, wall: f64, outcome: Outcome) {
        let attempt = Attempt {
            outcome,
            wall: Duration::from_secs_f64(wall),
            cpu: Duration::ZERO,
            run_queue_delay: None,
            peak_rss_bytes: 0,
        };
        aimd.on(
            Duration::from_secs_f64(at),
            Event::Finished { job: 1, attempt },
        );
    }

    /// Keeps the limit reached for some intervals of equal response times.
    fn steady(aimd: &mut Aimd, rounds: usize) -> f64 {
        let mut now = 0.0;
        for _ in 0..rounds {
            now += 0.125;
            let free = aimd.limit - aimd.in_flight;
            for _ in 0..free {
                aimd.on(Duration::from_secs_f64(now), Event::Started { job: 1 });
            }
            now += 0.001;
            finish(aimd, now, 0.125, Outcome::Done);
        }
        now
    }

    #[test]
    fn adds_one_per_interval_while_answers_come_as_fast() {
        let mut aimd = Aimd::default();
        steady(&mut aimd, 11);
        assert_eq!(aimd.limit(), 11);
    }

    #[test]
    fn takes_a_tenth_off_when_refused_or_slow() {
        let mut aimd = Aimd::default();
        let now = steady(&mut aimd, 20);
        assert_eq!(aimd.limit(), 20);
        finish(&mut aimd, now + 0.2, 0.002, Outcome::Busy);
        assert_eq!(aimd.limit(), 18);
        finish(&mut aimd, now + 0.4, 1.0, Outcome::Done);
        assert_eq!(aimd.limit(), 16);
    }
}
