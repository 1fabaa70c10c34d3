//! What a closure may ask while it works.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "tokio")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use thiserror::Error;

/// Handed to closures, of the stages of a pipeline and of jobs for a pool: whether they should give up.
///
/// Nobody can end a closure from outside. One that takes long should ask now and then, every
/// millisecond or so.
///
/// ```
/// use paceline::{Cancelled, Cx};
///
/// fn sum(cx: &Cx, n: u64) -> Result<u64, Cancelled> {
///     let mut sum = 0;
///     for i in 0..n {
///         if i % 100 == 0 {
///             cx.checkpoint()?;
///         }
///         sum += i;
///     }
///     Ok(sum)
/// }
///
/// let cpu = paceline::offload::Offload::builder().threads(1).build()?;
/// assert_eq!(cpu.run_blocking(|cx| sum(cx, 1000))?, Ok(499_500));
/// # #[cfg(feature = "tokio")] {
/// let (sums, _) = paceline::Pipeline::from_iter([1000]).cpu("sum", sum).collect_blocking()?;
/// assert_eq!(sums, [499_500]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cx {
    signal: Arc<dyn Signal>,
    deadline: Option<Instant>,
    attempt: u32,
}

/// The work goes on in vain: the run was cancelled, its caller is gone, or its time is over.
///
/// ```
/// use paceline::{Cancelled, Cx};
///
/// fn first_prime_above(cx: &Cx, n: u64) -> Result<u64, Cancelled> {
///     let mut candidate = n + 1;
///     while (2..candidate).any(|d| candidate % d == 0) {
///         cx.checkpoint()?;
///         candidate += 1;
///     }
///     Ok(candidate)
/// }
///
/// let cpu = paceline::offload::Offload::builder().threads(1).build()?;
/// assert_eq!(cpu.run_blocking(|cx| first_prime_above(cx, 13))?, Ok(17));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[error("nobody waits for the result")]
pub struct Cancelled;

/// Where a [`Cx`] learns that nobody waits for the result.
pub(crate) trait Signal: Send + Sync {
    fn is_cancelled(&self) -> bool;
}

#[cfg(feature = "tokio")]
impl Signal for AtomicBool {
    fn is_cancelled(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}

impl Cx {
    pub(crate) fn new(signal: Arc<dyn Signal>, deadline: Option<Instant>) -> Self {
        Self {
            signal,
            deadline,
            attempt: 1,
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn next(&mut self, attempt: u32, deadline: Option<Instant>) {
        self.attempt = attempt;
        self.deadline = deadline;
    }

    /// Whether the closure should give up: the run was cancelled or dropped, the caller of the job is
    /// gone, the pool is closing, or the [`deadline`](Self::deadline) has passed.
    ///
    /// ```
    /// let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// assert_eq!(cpu.run_blocking(|cx| cx.is_cancelled())?, false);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.signal.is_cancelled() || self.deadline.is_some_and(|at| at <= Instant::now())
    }

    /// The same, as an error to return early with.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use paceline::{FailureKind, Pipeline, Stage};
    /// use std::time::Duration;
    ///
    /// let error = Pipeline::from_iter([()])
    ///     .cpu(Stage::named("endless").timeout(Duration::from_millis(5)), |cx, ()| {
    ///         while cx.checkpoint().is_ok() {
    ///             std::thread::yield_now();
    ///         }
    ///         cx.checkpoint()
    ///     })
    ///     .collect_blocking()
    ///     .expect_err("its time is over");
    /// assert!(matches!(error.first.kind, FailureKind::TimedOut(_)));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the closure should give up.
    pub fn checkpoint(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }

    /// When the time is over, if it has a limit: that of the stage's
    #[cfg_attr(feature = "tokio", doc = "[`timeout`](crate::Stage::timeout),")]
    #[cfg_attr(not(feature = "tokio"), doc = "time-out,")]
    /// or the job's own [`deadline`](crate::offload::Job::deadline).
    ///
    /// ```
    /// use std::time::Duration;
    /// use paceline::offload::{Job, Offload};
    ///
    /// let cpu = Offload::builder().threads(1).build()?;
    /// let job = Job::new().within(Duration::from_secs(60));
    /// assert!(cpu.run_blocking_as(job, |cx| cx.deadline())?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Which attempt at the item this is, from 1. Jobs for a pool are tried once.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use paceline::{Pipeline, Retry, Stage};
    /// use std::time::Duration;
    ///
    /// let stage = Stage::named("flaky").retry(Retry::exponential(3, Duration::from_millis(1)));
    /// let (attempts, _) = Pipeline::from_iter([()])
    ///     .cpu(stage, |cx, ()| match cx.attempt() {
    ///         1 => Err("not yet"),
    ///         attempt => Ok(attempt),
    ///     })
    ///     .collect_blocking()?;
    /// assert_eq!(attempts, [2]);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("is_cancelled", &self.is_cancelled())
            .field("deadline", &self.deadline)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
