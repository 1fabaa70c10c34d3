//! What a run has found out, for the next one like it.

use std::time::Duration;

/// What a controller knows at the end of a run: where the next one should start.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Learned {
    /// The level to start at, in jobs.
    pub level: usize,
    /// The level at the end, if the work changed midway.
    pub changed_to: Option<usize>,
    /// A higher level was tried or was not allowed; if not, the run was too short to tell.
    #[cfg_attr(feature = "serde", serde(default))]
    pub settled: bool,
    /// Throughput by level, lowest level first.
    pub curve: Vec<CurvePoint>,
    /// [`Reason::label`](crate::Reason::label) of what set the level.
    pub limited_by: String,
    /// Cores that one job keeps busy while it does not queue for them.
    pub busy_cores: Option<f64>,
    /// Seconds from start to end of a job, on average.
    pub mean_wall_seconds: f64,
    /// What one job is expected to need of memory, in bytes; 0 if unknown.
    pub job_bytes: u64,
    /// The highest number of jobs that nobody answered with "busy", if somebody did.
    pub busy_above: Option<usize>,
}

/// Throughput at one level.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CurvePoint {
    /// Jobs in flight.
    pub level: usize,
    /// Jobs per second.
    pub throughput: f64,
    /// Mean time from start to end of a job, in seconds.
    pub latency_seconds: f64,
    /// Jobs that ended while it was measured.
    pub jobs: u64,
}

impl CurvePoint {
    /// `jobs` ended at `throughput` jobs per second, after `latency` on average.
    pub fn new(level: usize, throughput: f64, latency: Duration, jobs: u64) -> Self {
        Self {
            level,
            throughput,
            latency_seconds: latency.as_secs_f64(),
            jobs,
        }
    }
}

impl Learned {
    /// Only a level is known.
    pub fn level(level: usize, limited_by: impl Into<String>) -> Self {
        Self {
            level,
            changed_to: None,
            settled: true,
            curve: Vec::new(),
            limited_by: limited_by.into(),
            busy_cores: None,
            mean_wall_seconds: 0.0,
            job_bytes: 0,
            busy_above: None,
        }
    }
}
