//! Which level to measure next, and when to stop.
//!
//! Up by doubling until two levels in a row bring no gain or a cap is met; then up to two levels
//! around the best one. A list of levels is followed as it is.

use std::collections::VecDeque;
use std::fmt;

use paceline_control::{Measured, Usl};

use super::window::Measurement;

/// A level must be this much better than all below it to count as a gain.
const GAIN: f64 = 0.03;
/// So many levels in a row without a gain end the way up.
const LEVELS_WITHOUT_GAIN: usize = 2;
/// Levels that are measured around the best one.
const REFINEMENTS: usize = 2;
/// Levels that differ by less are the same, in log.
const DISTINCT: f64 = 0.1;
/// A level is not believed to be measured more exactly than this.
const LEAST_ERROR: f64 = 0.01;

/// What forbids a higher level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// `--max-level`, or what stands for it.
    MaxLevel,
    /// The open-file limit.
    Descriptors,
    /// The process limits.
    Processes,
    /// More jobs would not fit in memory.
    Memory,
}

/// The highest level allowed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    pub(crate) level: usize,
    pub(crate) bound: Bound,
}

/// Why no further level is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Throughput grows no more.
    NoGain,
    /// It may still grow, but this forbids more.
    Capped(Cap),
    /// All levels of the list are measured.
    ListDone,
    /// There are not enough inputs for this level.
    Inputs { level: usize },
    /// Too many jobs failed at this level.
    Failing {
        level: usize,
        failed: u64,
        ended: u64,
    },
    /// Too many jobs said "busy" at this level.
    Busy { level: usize, busy: u64, ended: u64 },
    /// Memory ran low at this level.
    MemoryLow { level: usize },
    /// The system refused to make another process at this level.
    Refused { level: usize },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGain => f.write_str("higher levels get no more done"),
            Self::Capped(Cap { level, bound }) => match bound {
                Bound::MaxLevel => write!(f, "--max-level allows {level}"),
                Bound::Descriptors => write!(f, "the open-file limit allows {level} jobs"),
                Bound::Processes => write!(f, "the process limit allows {level} jobs"),
                Bound::Memory => write!(f, "{level} jobs fit in memory"),
            },
            Self::ListDone => f.write_str("all levels asked for are measured"),
            Self::Inputs { level } => write!(
                f,
                "too few inputs are left to measure level {level}; give more, or --repeat to use them again"
            ),
            Self::Failing {
                level,
                failed,
                ended,
            } => write!(f, "{failed} of {ended} jobs failed at level {level}"),
            Self::Busy { level, busy, ended } => {
                write!(f, "{busy} of {ended} jobs said busy at level {level}")
            }
            Self::MemoryLow { level } => write!(f, "memory ran low at level {level}"),
            Self::Refused { level } => {
                write!(f, "the system refused another process at level {level}")
            }
        }
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Measure(usize),
    Stop(Stop),
}

/// The levels to come.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    listed: Option<VecDeque<usize>>,
    cap: Cap,
    rising: bool,
    refined: usize,
}

impl Schedule {
    /// A list of levels, or a search.
    pub(super) fn new(listed: Option<Vec<usize>>, cap: Cap) -> Self {
        Self {
            listed: listed.map(VecDeque::from),
            cap,
            rising: true,
            refined: 0,
        }
    }

    /// Takes a further cap into account.
    pub(super) fn bind(&mut self, cap: Cap) {
        if cap.level < self.cap.level {
            self.cap = cap;
        }
    }

    /// What to measure after these, given in the order in which they were measured.
    pub(super) fn next(&mut self, measured: &[Measurement]) -> Next {
        if let Some(listed) = &mut self.listed {
            return match listed.front() {
                None => Next::Stop(Stop::ListDone),
                Some(level) if *level > self.cap.level => Next::Stop(Stop::Capped(self.cap)),
                Some(_) => listed
                    .pop_front()
                    .map_or(Next::Stop(Stop::ListDone), Next::Measure),
            };
        }
        let Some(last) = measured.last() else {
            return Next::Measure(1);
        };
        if self.rising {
            if without_gain(measured) < LEVELS_WITHOUT_GAIN && last.level < self.cap.level {
                return Next::Measure((last.level * 2).min(self.cap.level));
            }
            self.rising = false;
        }
        let stop = if without_gain(measured) == 0 && self.refined == 0 {
            Stop::Capped(self.cap)
        } else {
            Stop::NoGain
        };
        if self.refined < REFINEMENTS
            && stop == Stop::NoGain
            && let Some(level) = between(measured).filter(|level| *level <= self.cap.level)
        {
            self.refined += 1;
            return Next::Measure(level);
        }
        Next::Stop(stop)
    }

    /// The levels that may yet come from this one on, the likeliest number of them.
    pub(super) fn outlook(&self, level: usize) -> Vec<usize> {
        if let Some(listed) = &self.listed {
            return std::iter::once(level)
                .chain(listed.iter().copied())
                .collect();
        }
        if !self.rising {
            return vec![level; 1 + REFINEMENTS - self.refined.min(REFINEMENTS)];
        }
        let mut levels = vec![level];
        let mut next = level;
        while next < self.cap.level {
            next = (next * 2).min(self.cap.level);
            levels.push(next);
        }
        levels
    }
}

/// How many of the last levels were no better than all before them.
fn without_gain(measured: &[Measurement]) -> usize {
    let mut best: f64 = 0.0;
    let mut row = 0;
    for point in measured {
        if point.throughput > best * (1.0 + GAIN) {
            row = 0;
        } else {
            row += 1;
        }
        best = best.max(point.throughput);
    }
    row
}

/// A level beside the best one that is worth measuring: where the law peaks, or else half-way to
/// the better neighbour. `None` if all those are measured, or nothing is above the best.
fn between(measured: &[Measurement]) -> Option<usize> {
    let mut points: Vec<(usize, f64)> = measured.iter().map(|m| (m.level, m.throughput)).collect();
    points.sort_by_key(|(level, _)| *level);
    let best = points
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.1.total_cmp(&b.1.1))
        .map(|(place, _)| place)?;
    let above = points.get(best + 1)?;
    let below = best.checked_sub(1).map(|place| points[place]);
    let lowest = below.map_or(points[best].0, |(level, _)| level);
    let distinct = |level: usize| {
        points
            .iter()
            .all(|(known, _)| (level as f64 / *known as f64).ln().abs() > DISTINCT)
    };
    let peak = law(measured)
        .and_then(|law| law.peak())
        .map(|peak| peak.round() as usize)
        .filter(|peak| (lowest..=above.0).contains(peak) && distinct(*peak));
    let neighbour = match below {
        Some(below) if below.1 > above.1 => below,
        _ => *above,
    };
    let middle = ((points[best].0 * neighbour.0) as f64).sqrt().round() as usize;
    peak.or_else(|| Some(middle).filter(|middle| distinct(*middle)))
}

/// The law that lies nearest to what was measured, if three levels were.
pub(super) fn law(measured: &[Measurement]) -> Option<Usl> {
    let points: Vec<Measured> = measured
        .iter()
        .map(|point| Measured {
            level: point.level as f64,
            throughput: point.throughput,
            weight: point.relative_error().max(LEAST_ERROR).powi(-2),
        })
        .collect();
    Usl::fit(&points)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    pub(crate) fn measured(level: usize, throughput: f64) -> Measurement {
        Measurement {
            level,
            time: Duration::from_secs(5),
            jobs: 100,
            failed: 0,
            busy: 0,
            throughput,
            error: 0.01 * throughput,
            mean_wall: Duration::from_millis(100),
            p50: Duration::from_millis(100),
            p95: Duration::from_millis(120),
            cores_used: 0.1,
            queued_share: Some(0.0),
            disk_share: 0.0,
            peak_rss_bytes: 10 << 20,
        }
    }

    const CAP: Cap = Cap {
        level: 100,
        bound: Bound::MaxLevel,
    };

    /// The levels measured where throughput follows a law, and why it ended.
    fn search(throughput: impl Fn(f64) -> f64, cap: Cap) -> (Vec<usize>, Stop) {
        let mut schedule = Schedule::new(None, cap);
        let mut points = Vec::new();
        loop {
            match schedule.next(&points) {
                Next::Measure(level) => points.push(measured(level, throughput(level as f64))),
                Next::Stop(stop) => {
                    return (points.iter().map(|point| point.level).collect(), stop);
                }
            }
        }
    }

    #[test]
    fn doubles_while_it_pays_up_to_the_cap() {
        let (levels, stop) = search(|level| level, CAP);
        assert_eq!(levels, [1, 2, 4, 8, 16, 32, 64, 100]);
        assert_eq!(stop, Stop::Capped(CAP));
    }

    #[test]
    fn stops_after_two_levels_without_gain_and_looks_around_the_peak() {
        let law = Usl {
            lambda: 10.0,
            sigma: 0.05,
            kappa: 0.004,
        };
        let (levels, stop) = search(|level| law.throughput(level), CAP);
        assert_eq!(levels[..7], [1, 2, 4, 8, 16, 32, 64]);
        assert!(levels.len() <= 9, "{levels:?}");
        assert!(levels[7..].iter().all(|level| (8..32).contains(level)));
        assert_eq!(stop, Stop::NoGain);
    }

    #[test]
    fn a_flat_curve_ends_soon() {
        let (levels, stop) = search(|level| level.min(2.0), CAP);
        assert_eq!(levels[..4], [1, 2, 4, 8]);
        assert!(levels.len() <= 6, "{levels:?}");
        assert_eq!(stop, Stop::NoGain);
    }

    #[test]
    fn one_at_a_time_may_be_best() {
        let (levels, stop) = search(|level| 1.0 / level, CAP);
        assert_eq!(levels, [1, 2, 4]);
        assert_eq!(stop, Stop::NoGain);
    }

    #[test]
    fn a_cap_that_comes_later_binds() {
        let mut schedule = Schedule::new(None, CAP);
        let points = [measured(1, 1.0), measured(2, 2.0), measured(4, 4.0)];
        let memory = Cap {
            level: 5,
            bound: Bound::Memory,
        };
        schedule.bind(memory);
        schedule.bind(CAP);
        assert_eq!(schedule.next(&points), Next::Measure(5));
        let points = [points.as_slice(), &[measured(5, 5.0)]].concat();
        assert_eq!(schedule.next(&points), Next::Stop(Stop::Capped(memory)));
    }

    #[test]
    fn a_list_is_followed_as_far_as_the_cap_allows() {
        let mut schedule = Schedule::new(Some(vec![8, 2, 200, 4]), CAP);
        assert_eq!(schedule.outlook(1), [1, 8, 2, 200, 4]);
        let mut points = Vec::new();
        for level in [8, 2] {
            assert_eq!(schedule.next(&points), Next::Measure(level));
            points.push(measured(level, 1.0));
        }
        assert_eq!(schedule.next(&points), Next::Stop(Stop::Capped(CAP)));
        let mut short = Schedule::new(Some(vec![1]), CAP);
        assert_eq!(short.next(&[]), Next::Measure(1));
        assert_eq!(short.next(&points[..1]), Next::Stop(Stop::ListDone));
    }
}
