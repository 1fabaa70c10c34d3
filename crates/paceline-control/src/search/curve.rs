//! Throughput by level, as far as it has been measured.

use std::time::Duration;

use crate::learned::CurvePoint;
use crate::usl::{Measured, Usl};

/// A level's throughput fades into a new measurement of it by this part.
const RENEWED: f64 = 0.7;
/// Levels kept; the ones measured longest ago go first.
const KEPT: usize = 24;

/// Measured throughputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    points: Vec<Point>,
    measured: u64,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    level: usize,
    /// Jobs per second.
    throughput: f64,
    jobs: f64,
    /// Counts measurements, to know the oldest.
    when: u64,
    /// Of the search that goes on, and not of an earlier one.
    current: bool,
    /// Of an earlier run of the same command.
    recalled: bool,
}

impl Curve {
    /// `jobs` ended at `throughput` jobs per second.
    pub(crate) fn measure(&mut self, level: usize, throughput: f64, jobs: f64) {
        if throughput <= 0.0 || !throughput.is_finite() {
            return;
        }
        self.measured += 1;
        let when = self.measured;
        if let Some(old) = self.points.iter_mut().find(|point| point.level == level) {
            let keep = if old.current { 1.0 - RENEWED } else { 0.0 };
            old.throughput = keep * old.throughput + (1.0 - keep) * throughput;
            old.jobs = keep * old.jobs + jobs;
            old.when = when;
            old.current = true;
            old.recalled = false;
            return;
        }
        if self.points.len() >= KEPT {
            let oldest = self.points.iter().enumerate().min_by_key(|(_, p)| p.when);
            if let Some((at, _)) = oldest {
                self.points.swap_remove(at);
            }
        }
        self.points.push(Point {
            level,
            throughput,
            jobs,
            when,
            current: true,
            recalled: false,
        });
    }

    /// What was measured is of an earlier run: worth keeping, but no guide.
    pub(crate) fn recall(&mut self) {
        for point in &mut self.points {
            (point.current, point.recalled) = (false, true);
        }
    }

    /// An earlier run's curve guides this one as well, as high as `level` has now been measured.
    pub(crate) fn adopt(&mut self, level: usize, before: Option<f64>) {
        let (Some(now), Some(before)) = (self.at(level), before) else {
            return;
        };
        for point in self.points.iter_mut().filter(|point| point.recalled) {
            point.throughput *= now / before;
            (point.current, point.recalled) = (true, false);
        }
    }

    /// The throughput at a level in an earlier run.
    pub(crate) fn recalled(&self, level: usize) -> Option<f64> {
        let mut recalled = self.points.iter().filter(|point| point.recalled);
        Some(recalled.find(|point| point.level == level)?.throughput)
    }

    /// What was measured no longer guides the search: the work has changed.
    pub(crate) fn outdate(&mut self) {
        for point in &mut self.points {
            (point.current, point.recalled) = (false, false);
        }
    }

    /// The throughput at a level, if it was measured since the work last changed.
    pub(crate) fn at(&self, level: usize) -> Option<f64> {
        let point = self.current().find(|point| point.level == level)?;
        Some(point.throughput)
    }

    /// Levels measured since the work last changed.
    pub(crate) fn levels(&self) -> usize {
        self.current().count()
    }

    /// The law that the points follow, those near `level` the closest.
    pub(crate) fn law(&self, level: usize) -> Option<Usl> {
        let points: Vec<Measured> = self
            .current()
            .map(|point| {
                let away = (point.level as f64 / level.max(1) as f64).ln();
                Measured {
                    level: point.level as f64,
                    throughput: point.throughput,
                    weight: 1.0 / (1.0 + away * away),
                }
            })
            .collect();
        Usl::fit(&points)
    }

    /// The nearest levels below and above, by this factor at least, that were measured since the work
    /// last changed, with their throughput.
    pub(crate) fn neighbours(&self, level: usize, factor: f64) -> [Option<(usize, f64)>; 2] {
        let here = level as f64;
        let entry = |point: &Point| (point.level, point.throughput);
        [
            self.current()
                .filter(|point| factor * point.level as f64 <= here)
                .max_by_key(|point| point.level)
                .map(entry),
            self.current()
                .filter(|point| point.level as f64 >= factor * here)
                .min_by_key(|point| point.level)
                .map(entry),
        ]
    }

    /// Log gain of throughput per log step of level, between the two highest levels.
    pub(crate) fn elasticity(&self) -> Option<f64> {
        let mut points: Vec<&Point> = self.current().collect();
        points.sort_by_key(|point| std::cmp::Reverse(point.level));
        let (high, low) = (points.first()?, points.get(1)?);
        let step = (high.level as f64 / low.level as f64).ln();
        Some((high.throughput / low.throughput).ln() / step.max(1e-9))
    }

    fn current(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(|point| point.current)
    }

    /// All points, lowest level first; those of work that has changed only if there are no others.
    pub(crate) fn points(&self) -> Vec<CurvePoint> {
        let any = self.current().next().is_some();
        let mut points: Vec<CurvePoint> = self
            .points
            .iter()
            .filter(|point| point.current || point.recalled || !any)
            .map(|point| {
                let latency = (point.level as f64 / point.throughput).clamp(0.0, 1e9);
                CurvePoint::new(
                    point.level,
                    point.throughput,
                    Duration::from_secs_f64(latency),
                    point.jobs as u64,
                )
            })
            .collect();
        points.sort_by_key(|point| point.level);
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_a_law_to_what_was_measured() {
        let law = Usl {
            lambda: 20.0,
            sigma: 0.05,
            kappa: 0.004,
        };
        let mut curve = Curve::default();
        for level in [64, 32, 8] {
            assert_eq!(curve.law(16), None);
            curve.measure(level, law.throughput(level as f64), 30.0);
        }
        let peak = curve.law(16).and_then(|law| law.peak()).expect("a peak");
        assert!((peak - 15.4).abs() < 0.1, "{peak}");
        let points = curve.points();
        assert_eq!(points.len(), 3);
        assert_eq!((points[0].level, points[2].level), (8, 64));
    }

    #[test]
    fn a_change_of_work_starts_anew() {
        let mut curve = Curve::default();
        curve.measure(8, 100.0, 30.0);
        curve.measure(8, 200.0, 30.0);
        assert_eq!(curve.at(8), Some(170.0));
        curve.outdate();
        assert_eq!((curve.at(8), curve.levels()), (None, 0));
        assert_eq!(curve.points().len(), 1, "better than nothing");
        curve.measure(8, 50.0, 30.0);
        assert_eq!(curve.at(8), Some(50.0));
        curve.measure(16, f64::NAN, 30.0);
        curve.measure(16, 0.0, 30.0);
        assert_eq!(curve.levels(), 1);
    }

    #[test]
    fn the_oldest_levels_go() {
        let mut curve = Curve::default();
        (1..=KEPT + 1).for_each(|level| curve.measure(level, 1.0, 1.0));
        assert_eq!((curve.levels(), curve.at(1)), (KEPT, None));
    }
}
