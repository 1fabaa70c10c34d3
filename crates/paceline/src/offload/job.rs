//! What a caller says about a job.

use std::time::{Duration, Instant};

use super::Priority;

/// What a caller says about a job: its priority, by when the result is wanted, what it is.
///
/// ```
/// use std::time::Duration;
/// use paceline::offload::{Job, Offload, Priority};
///
/// let cpu = Offload::builder().threads(1).build()?;
/// let job = Job::named("thumbnail")
///     .priority(Priority::High)
///     .within(Duration::from_secs(2));
/// assert_eq!(cpu.run_blocking_as(job, |_| 6 * 7), Ok(42));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct Job {
    pub(super) name: &'static str,
    pub(super) priority: Priority,
    pub(super) deadline: Option<Instant>,
}

impl Job {
    /// A job of normal priority, without a deadline or a name.
    ///
    /// ```
    /// let job = paceline::offload::Job::new();
    /// # let _ = job;
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// A job with a name. How long jobs take is measured for each name by itself, so jobs that
    /// differ much should differ in name, or short ones are refused because long ones are awaited.
    ///
    /// ```
    /// let job = paceline::offload::Job::named("thumbnail");
    /// # let _ = job;
    /// ```
    pub fn named(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// The same with another priority.
    ///
    /// ```
    /// use paceline::offload::{Job, Priority};
    /// let job = Job::new().priority(Priority::Batch);
    /// # let _ = job;
    /// ```
    pub fn priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// The same with a time by which the result is wanted. A job that is not expected to be done by
    /// then is refused at once; one that has not begun by then never will.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use paceline::offload::{Job, Offload, OffloadError};
    ///
    /// let cpu = Offload::builder().threads(1).build()?;
    /// let past = Job::new().deadline(Instant::now() - Duration::from_millis(1));
    /// assert_eq!(cpu.run_blocking_as(past, |_| ()), Err(OffloadError::DeadlinePassed));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn deadline(self, at: Instant) -> Self {
        Self {
            deadline: Some(at),
            ..self
        }
    }

    /// The same with a deadline so far from now. A time too far to be represented is none.
    ///
    /// ```
    /// use std::time::Duration;
    /// let job = paceline::offload::Job::new().within(Duration::from_millis(200));
    /// # let _ = job;
    /// ```
    pub fn within(self, time: Duration) -> Self {
        Self {
            deadline: Instant::now().checked_add(time),
            ..self
        }
    }
}
