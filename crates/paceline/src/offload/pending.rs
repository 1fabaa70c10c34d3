//! A result that is still to come.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::OffloadError;
use super::outcome::Outcome;
use super::policy::Ticket;
use super::pool::Pool;
use super::work::{Work, drop_safely};

/// A result that is still to come, as a future for any executor.
///
/// The job was handed to the pool when this was made, not when it is first polled. Dropping it tells
/// the pool that nobody wants the result: if the job has not begun, it never will; if it runs, it
/// can ask ([`Cx::checkpoint`](crate::Cx::checkpoint)).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use paceline::offload::Offload;
///
/// let cpu = Offload::builder().threads(1).build()?;
/// let pending = cpu.run(|_| 6 * 7);
/// assert_eq!(pending.await, Ok(42));
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropping it cancels the job"]
pub struct Pending<T> {
    state: State<T>,
}

enum State<T> {
    Refused(OffloadError),
    Taken {
        job: Arc<dyn Promise<T>>,
        pool: Arc<Pool>,
        ticket: Ticket,
    },
    /// Run already, on the thread that waits for it.
    Here(Arc<dyn Promise<T>>),
    Over,
}

/// A job that leaves a result of type `T`.
pub(super) trait Promise<T>: Work {
    fn outcome(&self) -> &Outcome<T>;
}

impl<T> Pending<T> {
    pub(super) fn refused(error: OffloadError) -> Self {
        Self {
            state: State::Refused(error),
        }
    }

    pub(super) fn here(job: Arc<dyn Promise<T>>) -> Self {
        Self {
            state: State::Here(job),
        }
    }

    pub(super) fn taken(job: Arc<dyn Promise<T>>, pool: Arc<Pool>, ticket: Ticket) -> Self {
        Self {
            state: State::Taken { job, pool, ticket },
        }
    }
}

// It holds no `T` in place, and nothing in it is pinned.
impl<T> Unpin for Pending<T> {}

impl<T> Future for Pending<T> {
    type Output = Result<T, OffloadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Refused(error) => Poll::Ready(Err(error)),
            State::Taken { job, pool, ticket } => {
                let polled = job.outcome().poll(cx);
                if polled.is_pending() {
                    self.state = State::Taken { job, pool, ticket };
                }
                polled
            }
            State::Here(job) => job.outcome().poll(cx),
            // A future that has ended may do what it likes when asked again.
            State::Over => Poll::Pending,
        }
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        let State::Taken { job, pool, ticket } = std::mem::replace(&mut self.state, State::Over)
        else {
            return;
        };
        job.outcome().abandon();
        if let Some(work) = pool.cancel(ticket) {
            // It drops what it holds: nobody else will.
            work.refuse(OffloadError::ShutDown);
            drop_safely(work);
        }
        drop_safely(job);
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Refused(_) => "refused",
            State::Taken { .. } | State::Here(_) => "taken",
            State::Over => "over",
        };
        f.debug_tuple("Pending").field(&state).finish()
    }
}
