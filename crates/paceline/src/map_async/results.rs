//! The results of a `map` over futures or processes, one by one.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::carried::Take;
use crate::failure::FailureKind;
use crate::map::Failed;
use crate::on_error::OnError;
use crate::pipeline::{Failure, Run};
use crate::report::Report;

/// A stream of the results of a [`map_async`](crate::map_async) or [`map_command`](crate::map_command);
/// see [`MapAsync::results`](crate::MapAsync::results).
///
/// Dropping it begins nothing new, drops the futures that run and kills the processes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let double = |n: u32| async move { Ok::<_, String>(2 * n) };
/// let mut results = paceline::map_async(1..=3, double).ordered().results();
/// assert_eq!(results.next().await.and_then(Result::ok), Some(2));
/// # }
/// ```
#[must_use = "dropping it ends the run"]
pub struct ResultStream<T, U: Send + 'static, E> {
    run: Run<(u64, U)>,
    kept: Kept<T>,
    take: Take<E>,
    on_error: OnError,
    collected: Vec<Failed<T, E>>,
}

/// Items under way, by their place.
#[derive(Debug)]
pub(super) struct Kept<T>(Arc<Mutex<HashMap<u64, T>>>);

impl<T> Kept<T> {
    pub(super) fn put(&self, seq: u64, item: T) {
        self.lock().insert(seq, item);
    }

    fn take(&self, seq: u64) -> Option<T> {
        self.lock().remove(&seq)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T, U: Send + 'static, E> ResultStream<T, U, E> {
    pub(super) fn new(run: Run<(u64, U)>, kept: Kept<T>, take: Take<E>, on_error: OnError) -> Self {
        Self {
            run,
            kept,
            take,
            on_error,
            collected: Vec::new(),
        }
    }

    /// The next result; `None` at the end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut results = paceline::map_async(["7", "x"], |text| async move { text.parse::<u32>() })
    ///     .ordered()
    ///     .results();
    /// assert_eq!(results.next().await.and_then(Result::ok), Some(7));
    /// let failed = results.next().await.and_then(Result::err).expect("x is no number");
    /// assert_eq!(failed.item, "x");
    /// assert!(results.next().await.is_none());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// An item that failed, unless failures are collected. Where the first one stops the run it is the
    /// last result.
    ///
    /// # Panics
    ///
    /// If the iterator over the items panics.
    pub async fn next(&mut self) -> Option<Result<U, Failed<T, E>>> {
        poll_fn(|cx| self.poll_one(cx)).await
    }

    /// How it goes so far.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut results = paceline::map_async([7], |n| async move { Ok::<_, String>(n) }).results();
    /// while results.next().await.is_some() {}
    /// assert_eq!(results.snapshot().stages[0].done, 1);
    /// # }
    /// ```
    pub fn snapshot(&self) -> Report {
        self.run.snapshot()
    }

    /// The failures so far, where they are collected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut results = paceline::map_async(["7", "x"], |text| async move { text.parse::<u32>() })
    ///     .on_error(paceline::OnError::Collect)
    ///     .results();
    /// assert_eq!(results.next().await.and_then(Result::ok), Some(7));
    /// assert!(results.next().await.is_none());
    /// assert_eq!(results.failures()[0].item, "x");
    /// # }
    /// ```
    pub fn failures(&self) -> &[Failed<T, E>] {
        &self.collected
    }

    /// Waits for all that is left to end.
    pub(super) async fn end(self) -> Report {
        match self.run.end().await {
            Ok(report) => report,
            Err(error) => *error.report,
        }
    }

    fn poll_one(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<U, Failed<T, E>>>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.run).poll_next(cx)) {
                Some(Ok((seq, value))) => {
                    self.kept.take(seq);
                    Some(Ok(value))
                }
                Some(Err(failure)) => {
                    let failed = self.given_back(failure);
                    if self.on_error == OnError::Collect {
                        self.collected.push(failed);
                        continue;
                    }
                    Some(Err(failed))
                }
                None => None,
            });
        }
    }

    fn given_back(&self, failure: Failure) -> Failed<T, E> {
        // What fails elsewhere is the source, or something that panicked when it was dropped.
        let item = (*failure.stage == *super::STAGE)
            .then(|| self.kept.take(failure.seq))
            .flatten();
        let Some(item) = item else {
            panic!("{failure}");
        };
        let kind = match failure.kind {
            FailureKind::Error(error) => match (self.take)(error) {
                Some(error) => FailureKind::Error(error),
                None => FailureKind::Cancelled,
            },
            FailureKind::Panic(message) => FailureKind::Panic(message),
            FailureKind::TimedOut(after) => FailureKind::TimedOut(after),
            FailureKind::Exit { status, stderr } => FailureKind::Exit { status, stderr },
            FailureKind::Cancelled => FailureKind::Cancelled,
        };
        Failed::new(item, failure.seq, failure.attempts, kind)
    }
}

impl<T, U: Send + 'static, E> Stream for ResultStream<T, U, E> {
    type Item = Result<U, Failed<T, E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_one(cx)
    }
}

// Nothing in it is pinned.
impl<T, U: Send + 'static, E> Unpin for ResultStream<T, U, E> {}

impl<T, U: Send + 'static, E> fmt::Debug for ResultStream<T, U, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultStream")
            .field("run", &self.run)
            .field("on_error", &self.on_error)
            .field("collected", &self.collected.len())
            .finish_non_exhaustive()
    }
}
