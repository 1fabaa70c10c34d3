//! What a pool has done, counted and measured.

use std::fmt;
use std::time::Duration;

/// Times from a microsecond to an hour, to within a hundredth.
const LONGEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 2;

/// How a pool is doing, and what it has done so far.
///
/// ```
/// use paceline::offload::Offload;
///
/// let cpu = Offload::builder().threads(1).build()?;
/// for n in 0..10 {
///     assert_eq!(cpu.run_blocking(move |_| n * 2), Ok(n * 2));
/// }
/// let seen = cpu.snapshot();
/// assert_eq!((seen.done, seen.shed, seen.queued), (10, 0, 0));
/// assert_eq!(seen.wait.count(), 10);
/// println!("{seen}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// Threads that work.
    pub threads: usize,
    /// Threads that have work at this moment.
    pub running: usize,
    /// Jobs that wait at this moment, split ones with pieces left among them.
    pub queued: usize,
    /// How long a job that came now is expected to wait.
    pub expected_wait: Duration,
    /// Jobs that ended, with a value or a panic.
    pub done: u64,
    /// Jobs of these that panicked.
    pub panicked: u64,
    /// Jobs that were refused at once, because they would have had to wait too long.
    pub shed: u64,
    /// Jobs that were taken, but whose time passed before they were begun (or, if split, done).
    pub late: u64,
    /// Jobs that were dropped before they were begun, because their callers had gone.
    pub cancelled: u64,
    /// Pieces of split jobs that were run.
    pub pieces: u64,
    /// Jobs and pieces that the thread in reserve ran, because the others got too little time.
    pub lent: u64,
    /// Times that jobs waited before they were begun.
    pub wait: Histogram,
    /// Times that jobs, and pieces of split ones, took once begun.
    pub service: Histogram,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} threads busy, {} queued | {} done, {} shed, {} late, {} cancelled, {} panicked | \
             wait p50 {:.1?} p99 {:.1?}, service p50 {:.1?} p99 {:.1?}",
            self.running,
            self.threads,
            self.queued,
            self.done,
            self.shed,
            self.late,
            self.cancelled,
            self.panicked,
            self.wait.quantile(0.5),
            self.wait.quantile(0.99),
            self.service.quantile(0.5),
            self.service.quantile(0.99),
        )
    }
}

/// A distribution of times, from a microsecond to an hour, to within a hundredth.
///
/// ```
/// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
/// # cpu.run_blocking(|_| ()).expect("an idle pool takes it");
/// let service = cpu.snapshot().service;
/// assert_eq!(service.count(), 1);
/// assert!(service.quantile(0.5) <= service.max());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Histogram(Option<hdrhistogram::Histogram<u64>>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self(hdrhistogram::Histogram::new_with_max(LONGEST_US, DIGITS).ok())
    }

    pub(super) fn record(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Some(sum), Some(other)) => {
                // Both have the same bounds, so this cannot fail.
                let _ = sum.add(other);
            }
            (None, Some(other)) => self.0 = Some(other.clone()),
            (_, None) => {}
        }
    }

    /// How many times were recorded.
    ///
    /// ```
    /// # use paceline::offload::Histogram;
    /// assert_eq!(Histogram::default().count(), 0);
    /// ```
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, hdrhistogram::Histogram::len)
    }

    /// The time that this share of all, from 0 to 1, did not exceed; zero if there are none.
    ///
    /// ```
    /// # use paceline::offload::Histogram;
    /// assert!(Histogram::default().quantile(0.99).is_zero());
    /// ```
    pub fn quantile(&self, share: f64) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |histogram| {
            Duration::from_micros(histogram.value_at_quantile(share.clamp(0.0, 1.0)))
        })
    }

    /// The longest.
    ///
    /// ```
    /// # use paceline::offload::Histogram;
    /// assert!(Histogram::default().max().is_zero());
    /// ```
    pub fn max(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |histogram| {
            Duration::from_micros(histogram.max())
        })
    }

    /// The mean.
    ///
    /// ```
    /// # use paceline::offload::Histogram;
    /// assert!(Histogram::default().mean().is_zero());
    /// ```
    pub fn mean(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |histogram| {
            Duration::try_from_secs_f64(histogram.mean() / 1e6).unwrap_or_default()
        })
    }
}

/// What one thread has done.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) done: u64,
    pub(super) panicked: u64,
    pub(super) pieces: u64,
    pub(super) runs: u64,
    pub(super) wait: Histogram,
    pub(super) service: Histogram,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            done: 0,
            panicked: 0,
            pieces: 0,
            runs: 0,
            wait: Histogram::new(),
            service: Histogram::new(),
        }
    }

    pub(super) fn add_to(&self, sum: &mut Snapshot) {
        sum.done += self.done;
        sum.panicked += self.panicked;
        sum.pieces += self.pieces;
        sum.wait.add(&self.wait);
        sum.service.add(&self.service);
    }
}
