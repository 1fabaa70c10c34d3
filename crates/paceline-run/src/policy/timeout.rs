//! `--timeout`: how long one attempt may take.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::{ParseError, parse_duration};

/// A time limit for each attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Timeout {
    /// This long.
    After(Duration),
    /// This many times the median of the jobs that have succeeded.
    OfMedian(f64),
}

impl std::str::FromStr for Timeout {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            value: text.to_owned(),
            expected: "a time limit such as 30s, 2m, or 200% of the median",
        };
        let limit = match text.trim().strip_suffix('%') {
            Some(percent) => match percent.trim().parse::<f64>() {
                Ok(percent) if (1e-3..=1e6).contains(&percent) => Self::OfMedian(percent / 100.0),
                _ => return Err(error()),
            },
            None => Self::After(parse_duration(text).map_err(|_| error())?),
        };
        if limit == Self::After(Duration::ZERO) {
            return Err(error());
        }
        Ok(limit)
    }
}

/// The limit in force, which for a share of the median moves as jobs end.
#[derive(Debug)]
pub(crate) struct TimeLimit {
    timeout: Option<Timeout>,
    /// Of the walls of successful jobs, in microseconds.
    walls: Option<Histogram<u32>>,
}

/// A median of fewer would be chance.
const MEDIAN_NEEDS: u64 = 3;

impl TimeLimit {
    pub(crate) fn new(timeout: Option<Timeout>) -> Self {
        let walls = match timeout {
            // Two significant digits, from 1 µs to about a month.
            Some(Timeout::OfMedian(_)) => Histogram::new_with_bounds(1, 1 << 41, 2).ok(),
            _ => None,
        };
        Self { timeout, walls }
    }

    /// Takes in how long a successful attempt took.
    pub(crate) fn succeeded(&mut self, wall: Duration) {
        if let Some(walls) = &mut self.walls {
            walls.saturating_record(wall.as_micros().clamp(1, 1 << 41) as u64);
        }
    }

    /// How long an attempt may take, as far as is known now.
    pub(crate) fn now(&self) -> Option<Duration> {
        match self.timeout? {
            Timeout::After(limit) => Some(limit),
            Timeout::OfMedian(share) => {
                let walls = self
                    .walls
                    .as_ref()
                    .filter(|walls| walls.len() >= MEDIAN_NEEDS)?;
                Some(Duration::from_micros(walls.value_at_quantile(0.5)).mul_f64(share))
            }
        }
    }

    /// Whether the limit may still change for attempts that have started.
    pub(crate) fn moves(&self) -> bool {
        self.walls.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits() {
        assert_eq!("2m".parse(), Ok(Timeout::After(Duration::from_secs(120))));
        assert_eq!("250%".parse(), Ok(Timeout::OfMedian(2.5)));
        for bad in ["5x", "0", "0%", "-5%", "%", "", "inf%"] {
            assert!(bad.parse::<Timeout>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_of_the_median_waits_for_a_median() {
        let mut limit = TimeLimit::new(Some(Timeout::OfMedian(2.0)));
        assert_eq!(limit.now(), None);
        for seconds in [1, 10, 3] {
            limit.succeeded(Duration::from_secs(seconds));
        }
        let now = limit.now().expect("three have ended").as_secs_f64();
        assert!((now / 6.0 - 1.0).abs() < 0.02, "{now}");
    }
}
