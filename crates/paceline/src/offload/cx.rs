//! What a running job can ask.

use std::sync::Arc;
use std::time::Instant;

use super::work::Work;

/// Given to a running job, so that it can notice that nobody wants its result any more.
///
/// A thread cannot be stopped from outside, so a long job should look from time to time, every
/// millisecond or so.
///
/// ```
/// use paceline::offload::Offload;
///
/// let cpu = Offload::builder().threads(1).build()?;
/// let sum = cpu.run_blocking(|cx| {
///     let mut sum = 0_u64;
///     for block in 0..100_u64 {
///         cx.checkpoint()?;
///         sum += (0..1000).map(|i| block * 1000 + i).sum::<u64>();
///     }
///     Ok::<_, paceline::offload::Cancelled>(sum)
/// });
/// assert_eq!(sum, Ok(Ok(4_999_950_000)));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Cx {
    work: Arc<dyn Work>,
    deadline: Option<Instant>,
}

/// The job goes on in vain: its caller is gone, its deadline has passed, or the pool is closing.
///
/// ```
/// use paceline::offload::Cancelled;
/// assert_eq!(Cancelled.to_string(), "nobody waits for the result");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody waits for the result")]
pub struct Cancelled;

impl Cx {
    pub(super) fn new(work: Arc<dyn Work>, deadline: Option<Instant>) -> Self {
        Self { work, deadline }
    }

    /// Whether the job goes on in vain: its caller is gone, its deadline has passed, or the last
    /// handle of the pool is being dropped.
    ///
    /// ```
    /// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// assert_eq!(cpu.run_blocking(|cx| cx.is_cancelled()), Ok(false));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.work.is_cancelled() || self.deadline.is_some_and(|at| at <= Instant::now())
    }

    /// The same, as an error to return early with.
    ///
    /// ```
    /// # use paceline::offload::Cancelled;
    /// # let cpu = paceline::offload::Offload::builder().threads(1).build()?;
    /// let done = cpu.run_blocking(|cx| {
    ///     cx.checkpoint()?;
    ///     Ok::<_, Cancelled>("done")
    /// });
    /// assert_eq!(done, Ok(Ok("done")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn checkpoint(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }
}

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
