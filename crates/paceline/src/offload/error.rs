//! Why a job has no result.

use std::time::Duration;

/// Why a job has no result.
///
/// ```
/// use paceline::offload::{Offload, OffloadError};
///
/// let cpu = Offload::builder().threads(1).build()?;
/// let outcome = cpu.run_blocking(|_| -> u32 { panic!("no such page") });
/// assert_eq!(outcome, Err(OffloadError::Panicked("no such page".into())));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OffloadError {
    /// The job was not taken, because it would have had to wait too long. Nothing of it ran.
    #[error("overloaded with {queued} jobs waiting; try again in {} ms", retry_after.as_millis())]
    Overloaded {
        /// Jobs that were waiting.
        queued: usize,
        /// When a new attempt is expected to be taken. Callers refused together are given
        /// different times, so that they do not all come back at once.
        retry_after: Duration,
    },
    /// The job's deadline passed, or it waited for the longest time allowed, before it was begun;
    /// or, if it is split, before all of it was done.
    #[error("the deadline passed before the job was done")]
    DeadlinePassed,
    /// The job panicked, with this message.
    #[error("the job panicked: {0}")]
    Panicked(String),
    /// The pool was closed before the job was begun.
    #[error("the pool is shut down")]
    ShutDown,
}

/// The message of a panic.
pub(super) fn panicked(payload: Box<dyn std::any::Any + Send>) -> OffloadError {
    let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "without a message".to_owned()
    };
    // Whatever a panic carries may panic again when it is dropped; that must not end a thread.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(payload)));
    OffloadError::Panicked(message)
}
