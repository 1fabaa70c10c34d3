//! Netflix's Gradient2: the limit times the ratio of the long mean of response times to the
//! present one, plus room for a queue.
//!
//! After <https://github.com/Netflix/concurrency-limits> and its description in
//! <https://netflixtechblog.medium.com/performance-under-load-3e6fa9a60581>: windows of a second
//! and ten samples, gradient between ½ and 1, smoothing 0.2, a long mean over 600 windows, a queue
//! of the square root of the limit (as described; the newest code has 4), starting at 20.

use std::time::Duration;

use super::{MOST, Sample, decided};
use crate::controller::{Controller, Decision, Event};

const FIRST: f64 = 20.0;
const SMOOTHING: f64 = 0.2;
const LONG: f64 = 600.0;
const WARM_UP: f64 = 10.0;

/// Netflix's Gradient2.
#[derive(Clone, Debug)]
pub struct Gradient2 {
    limit: f64,
    in_flight: usize,
    window: Window,
    /// The long mean in seconds.
    long: f64,
    windows: f64,
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self {
            limit: FIRST,
            in_flight: 0,
            window: Window::default(),
            long: 0.0,
            windows: 0.0,
        }
    }
}

/// Response times of about a second.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    ends: Duration,
    sum: f64,
    count: u32,
    shortest: Option<Duration>,
    most_in_flight: usize,
}

/// What a window showed.
struct Seen {
    mean: f64,
    most_in_flight: usize,
}

const WINDOW: Duration = Duration::from_secs(1);
const ENOUGH: u32 = 10;
const TOO_SHORT: Duration = Duration::from_micros(100);

impl Window {
    /// `in_flight` counts the job that ended.
    fn add(&mut self, now: Duration, wall: Duration, in_flight: usize) -> Option<Seen> {
        if wall < TOO_SHORT {
            return None;
        }
        self.sum += wall.as_secs_f64();
        self.count += 1;
        self.most_in_flight = self.most_in_flight.max(in_flight);
        self.shortest = Some(self.shortest.map_or(wall, |shortest| shortest.min(wall)));
        if now <= self.ends {
            return None;
        }
        let seen = (self.count >= ENOUGH).then(|| Seen {
            mean: self.sum / f64::from(self.count),
            most_in_flight: self.most_in_flight,
        });
        *self = Self {
            ends: now + WINDOW,
            ..Self::default()
        };
        seen
    }
}

impl Gradient2 {
    fn update(&mut self, seen: &Seen) {
        let queue = self.limit.sqrt().max(4.0);
        if self.windows < WARM_UP {
            self.windows += 1.0;
            self.long += (seen.mean - self.long) / self.windows;
        } else {
            self.long += (seen.mean - self.long) * 2.0 / (LONG + 1.0);
        }
        let long = self.long;
        if long / seen.mean > 2.0 {
            self.long *= 0.9;
        }
        if (seen.most_in_flight as f64) < self.limit / 2.0 {
            return;
        }
        let gradient = (long / seen.mean).clamp(0.5, 1.0);
        let wanted = self.limit * gradient + queue;
        self.limit = (self.limit * (1.0 - SMOOTHING) + wanted * SMOOTHING).clamp(1.0, MOST);
    }
}

impl Controller for Gradient2 {
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
                // A drop means no more to this algorithm than its response time.
                if Sample::from(attempt.outcome) != Sample::Nothing
                    && let Some(seen) = self.window.add(now, attempt.wall, in_flight)
                {
                    self.update(&seen);
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

    fn seen(mean: f64, most_in_flight: usize) -> Seen {
        Seen {
            mean,
            most_in_flight,
        }
    }

    #[test]
    fn grows_by_a_fifth_of_the_root_while_nothing_slows() {
        let mut gradient = Gradient2::default();
        gradient.update(&seen(0.1, 20));
        let expected = 20.0 + 0.2 * 20f64.sqrt();
        assert!((gradient.limit - expected).abs() < 1e-9, "{gradient:?}");
    }

    #[test]
    fn shrinks_at_most_by_half_of_the_smoothing() {
        let mut gradient = Gradient2 {
            limit: 100.0,
            ..Gradient2::default()
        };
        gradient.update(&seen(0.1, 100));
        let before = gradient.limit;
        gradient.update(&seen(10.0, 100));
        let expected = before * 0.8 + 0.2 * (before * 0.505 / 1.0 + before.sqrt());
        assert!(
            (gradient.limit - expected).abs() < 0.2,
            "{gradient:?} {expected}"
        );
    }

    #[test]
    fn does_not_grow_beyond_twice_what_is_used() {
        let mut gradient = Gradient2::default();
        gradient.update(&seen(0.1, 9));
        assert_eq!(gradient.limit(), 20);
    }

    #[test]
    fn a_window_takes_a_second_and_ten() {
        let mut window = Window::default();
        let wall = Duration::from_millis(10);
        assert!(window.add(Duration::from_millis(1), wall, 1).is_none());
        for _ in 0..9 {
            assert!(window.add(Duration::from_millis(500), wall, 3).is_none());
        }
        let seen = window.add(Duration::from_millis(1002), wall, 2);
        assert_eq!(seen.map(|seen| seen.most_in_flight), Some(3));
    }
}
