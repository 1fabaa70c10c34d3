//! TCP Vegas for jobs, as in Netflix's concurrency-limits: estimates how many jobs are queued
//! somewhere by comparing response times with the shortest, and keeps that number between two
//! bounds that grow with the logarithm of the limit.
//!
//! After Brakmo and Peterson, "TCP Vegas: end to end congestion avoidance on a global Internet"
//! (1995) and <https://github.com/Netflix/concurrency-limits>: alpha 3·log₁₀, beta 6·log₁₀, a step
//! of log₁₀, starting at 20; the shortest time is taken anew now and then.

use std::time::Duration;

use super::{MOST, Sample, decided};
use crate::controller::{Controller, Decision, Event};

const FIRST: f64 = 20.0;
/// The shortest time is taken anew after so many times the limit, times ½ to 1.
const PROBE: f64 = 30.0;

/// Netflix's Vegas.
#[derive(Clone, Debug)]
pub struct Vegas {
    limit: f64,
    in_flight: usize,
    shortest: Option<f64>,
    since_probe: f64,
    jitter: f64,
    random: fastrand::Rng,
}

impl Default for Vegas {
    fn default() -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        Self {
            limit: FIRST,
            in_flight: 0,
            shortest: None,
            since_probe: 0.0,
            jitter: 0.5 + random.f64() / 2.0,
            random,
        }
    }
}

impl Vegas {
    /// `in_flight` counts the job that ended.
    fn update(&mut self, wall: f64, in_flight: usize, dropped: bool) {
        if wall <= 0.0 {
            return;
        }
        self.since_probe += 1.0;
        if self.jitter * PROBE * self.limit <= self.since_probe {
            self.jitter = 0.5 + self.random.f64() / 2.0;
            self.since_probe = 0.0;
            self.shortest = Some(wall);
            return;
        }
        let shortest = match self.shortest {
            Some(shortest) if wall >= shortest => shortest,
            _ => {
                self.shortest = Some(wall);
                return;
            }
        };
        let step = self.limit.log10().floor().max(1.0);
        let queue = (self.limit * (1.0 - shortest / wall)).ceil();
        let (alpha, beta) = (3.0 * step, 6.0 * step);
        let limit = if dropped {
            self.limit - step
        } else if ((in_flight * 2) as f64) < self.limit {
            return;
        } else if queue <= step {
            self.limit + beta
        } else if queue < alpha {
            self.limit + step
        } else if queue > beta {
            self.limit - step
        } else {
            return;
        };
        self.limit = limit.clamp(1.0, MOST);
    }
}

impl Controller for Vegas {
    fn limit(&self) -> usize {
        self.limit as usize
    }

    fn on(&mut self, now: Duration, event: Event) -> Option<Decision> {
        let was = self.limit();
        match event {
            Event::Started { .. } => self.in_flight += 1,
            Event::Finished { attempt, .. } => {
                let in_flight = self.in_flight;
                self.in_flight = in_flight.saturating_sub(1);
                let wall = attempt.wall.as_secs_f64();
                match Sample::from(attempt.outcome) {
                    Sample::Good => self.update(wall, in_flight, false),
                    Sample::Dropped => self.update(wall, in_flight, true),
                    Sample::Nothing => {}
                }
            }
            _ => {}
        }
        decided(now, was, self.limit())
    }

    fn tick_every(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vegas(limit: f64) -> Vegas {
        Vegas {
            limit,
            shortest: Some(0.1),
            ..Vegas::default()
        }
    }

    #[test]
    fn grows_fast_without_a_queue_and_slowly_with_a_small_one() {
        let mut none = vegas(100.0);
        none.update(0.1, 100, false);
        assert_eq!(none.limit(), 112);
        let mut small = vegas(100.0);
        small.update(0.104, 100, false);
        assert_eq!(small.limit(), 102);
    }

    #[test]
    fn stays_between_the_bounds_and_shrinks_above() {
        let mut between = vegas(100.0);
        between.update(0.11, 100, false);
        assert_eq!(between.limit(), 100);
        let mut above = vegas(100.0);
        above.update(0.2, 100, false);
        assert_eq!(above.limit(), 98);
        let mut dropped = vegas(100.0);
        dropped.update(0.1, 10, true);
        assert_eq!(dropped.limit(), 98);
    }

    #[test]
    fn the_first_and_any_shorter_time_only_set_the_shortest() {
        let mut vegas = Vegas::default();
        vegas.update(0.2, 20, false);
        vegas.update(0.1, 20, false);
        assert_eq!((vegas.limit(), vegas.shortest), (20, Some(0.1)));
    }

    #[test]
    fn half_used_limits_do_not_grow() {
        let mut vegas = vegas(100.0);
        vegas.update(0.1, 40, false);
        assert_eq!(vegas.limit(), 100);
    }
}
