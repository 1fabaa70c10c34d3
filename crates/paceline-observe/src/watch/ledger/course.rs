//! How compute and input/output went on over time: which came first, and which last.

use std::time::Duration;

use super::waits::seconds;
use crate::profile::Progress;

/// So many points are kept; beyond, every second one is dropped.
const MOST: usize = 512;

/// Sums at the ends of rounds.
#[derive(Default)]
pub(super) struct Course {
    points: Vec<Point>,
    /// Of so many rounds, one is kept; 0 before the first.
    every: usize,
    passed: usize,
}

#[derive(Clone, Copy)]
struct Point {
    at: Duration,
    compute: f64,
    io: f64,
    disk: f64,
}

impl Course {
    /// A round is over, with these seconds of the wall so far.
    pub(super) fn add(&mut self, at: Duration, compute: f64, io: f64, disk: f64) {
        self.every = self.every.max(1);
        self.passed += 1;
        if !self.passed.is_multiple_of(self.every) {
            return;
        }
        self.points.push(Point {
            at,
            compute,
            io,
            disk,
        });
        if self.points.len() >= MOST {
            // The last one stays.
            let mut nth = 0;
            self.points.retain(|_| {
                nth += 1;
                nth % 2 == 0
            });
            self.every *= 2;
        }
    }

    /// As a profile has it. Times are those of the looks' clock still.
    pub(super) fn into_profile(self) -> Vec<Progress> {
        let points = self.points.into_iter();
        points
            .map(|point| Progress {
                at: point.at,
                compute: seconds(point.compute),
                io: seconds(point.io),
                disk: seconds(point.disk),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_bounded_number_of_points_from_all_of_the_time() {
        for rounds in [1, 2, 511, 512, 513, 5000, 100_000_u32] {
            let mut course = Course::default();
            for n in 1..=rounds {
                course.add(Duration::from_millis(n.into()), f64::from(n), 0.0, 0.0);
            }
            let points = course.into_profile();
            assert!(points.len() < MOST && !points.is_empty());
            assert!(points.windows(2).all(|two| two[0].at < two[1].at));
            let last = points.last().expect("one").at.as_millis() as u32;
            assert!(rounds - last <= rounds / 200, "{last} of {rounds}");
        }
    }
}
