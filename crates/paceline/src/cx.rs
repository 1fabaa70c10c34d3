//! What a closure may ask while it works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use thiserror::Error;

/// Handed to the closures of stages: whether they should give up.
///
/// Nobody can end a closure from outside. One that takes long can ask now and then.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (sums, _) = paceline::Pipeline::from_iter([1000_u64])
///     .cpu("sum", |cx, n| {
///         let mut sum = 0;
///         for i in 0..n {
///             if i % 100 == 0 {
///                 cx.checkpoint()?;
///             }
///             sum += i;
///         }
///         Ok::<_, paceline::Interrupted>(sum)
///     })
///     .collect()
///     .await
///     .expect("nobody interrupts");
/// assert_eq!(sums, [499_500]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Cx {
    cancelled: Arc<AtomicBool>,
    deadline: Option<Instant>,
    attempt: u32,
}

/// The run was cancelled, or the item's time is over.
///
/// ```
/// fn first_prime_above(cx: &paceline::Cx, n: u64) -> Result<u64, paceline::Interrupted> {
///     let mut candidate = n + 1;
///     while (2..candidate).any(|d| candidate % d == 0) {
///         cx.checkpoint()?;
///         candidate += 1;
///     }
///     Ok(candidate)
/// }
/// let (primes, _) = paceline::Pipeline::from_iter([13])
///     .cpu("prime", first_prime_above)
///     .collect_blocking()
///     .expect("nobody interrupts");
/// assert_eq!(primes, [17]);
/// ```
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("interrupted")]
#[non_exhaustive]
pub struct Interrupted;

impl Cx {
    pub(crate) fn new(cancelled: Arc<AtomicBool>) -> Self {
        Self {
            cancelled,
            deadline: None,
            attempt: 1,
        }
    }

    pub(crate) fn next(&mut self, attempt: u32, deadline: Option<Instant>) {
        self.attempt = attempt;
        self.deadline = deadline;
    }

    /// Whether the run was cancelled or dropped.
    ///
    /// ```
    /// let done = paceline::Pipeline::from_iter([()])
    ///     .cpu(paceline::Stage::named("work").timeout(std::time::Duration::from_secs(60)), |cx, ()| {
    ///         Ok::<_, paceline::Interrupted>(assert!(!cx.is_cancelled()))
    ///     })
    ///     .collect_blocking();
    /// assert!(done.is_ok());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// When the item's time is over, if it has a limit.
    ///
    /// ```
    /// let done = paceline::Pipeline::from_iter([()])
    ///     .cpu(paceline::Stage::named("work").timeout(std::time::Duration::from_secs(60)), |cx, ()| {
    ///         Ok::<_, paceline::Interrupted>(assert!(cx.deadline().is_some()))
    ///     })
    ///     .collect_blocking();
    /// assert!(done.is_ok());
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Which attempt this is, from 1.
    ///
    /// ```
    /// use paceline::{Pipeline, Retry, Stage};
    /// use std::time::Duration;
    ///
    /// let stage = Stage::named("flaky").retry(Retry::exponential(3, Duration::from_millis(1)));
    /// let (attempts, _) = Pipeline::from_iter([()])
    ///     .cpu(stage, |cx, ()| match cx.attempt() {
    ///         1 => Err("not yet"),
    ///         attempt => Ok(attempt),
    ///     })
    ///     .collect_blocking()
    ///     .expect("the second attempt succeeds");
    /// assert_eq!(attempts, [2]);
    /// ```
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Fails if the closure should give up.
    ///
    /// ```
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
    /// ```
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if the run was cancelled or the item's time is over.
    pub fn checkpoint(&self) -> Result<(), Interrupted> {
        let late = self.deadline.is_some_and(|at| Instant::now() >= at);
        if late || self.is_cancelled() {
            return Err(Interrupted);
        }
        Ok(())
    }
}
