//! A pipeline under way.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::buffer::Outlet;
use super::control::Control;
use super::failure::{Failure, RunError};
use super::order::Order;
use super::queue::{Cargo, Packet, Queue};
use crate::report::Report;

/// A pipeline under way: a [`Stream`] of its results.
///
/// Dropping it begins nothing new, drops the futures that run and kills the processes; closures that
/// run come to their end on their own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut run = paceline::Pipeline::from_iter(1..=3)
///     .io("double", |n| async move { Ok::<u32, std::io::Error>(2 * n) })
///     .start();
/// let mut sum = 0;
/// while let Some(result) = run.next().await {
///     sum += result.expect("none fails");
/// }
/// assert_eq!(sum, 12);
/// let report = run.finish().await.expect("none fails");
/// assert_eq!(report.stages[0].done, 3);
/// # }
/// ```
#[must_use = "dropping it ends the run"]
pub struct Run<T: Send + 'static> {
    control: Arc<Control>,
    _gives_up: GivesUp,
    queue: Arc<Queue<T>>,
    outlet: Outlet<Packet<T>>,
    order: Order<T>,
    over: bool,
}

impl<T: Send + 'static> Run<T> {
    pub(super) fn new(control: Arc<Control>, queue: Arc<Queue<T>>) -> Self {
        Self {
            outlet: queue.outlet(),
            order: Order::new(control.ordered),
            _gives_up: GivesUp(Arc::clone(&control)),
            control,
            queue,
            over: false,
        }
    }

    /// The next result; `None` at the end. An item that failed comes out here only if failures are
    /// emitted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut run = paceline::Pipeline::from_iter(["7"])
    ///     .cpu("parse", |_cx, text| text.parse::<u32>())
    ///     .start();
    /// assert_eq!(run.next().await.and_then(Result::ok), Some(7));
    /// assert!(run.next().await.is_none());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The failure of an item, or, as the last result, what ended the run.
    pub async fn next(&mut self) -> Option<Result<T, Failure>> {
        poll_fn(|cx| self.poll_one(cx)).await
    }

    /// How it goes so far.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let run = paceline::Pipeline::from_iter(0..3).cpu("add", |_, n| Ok::<_, String>(n + 1)).start();
    /// println!("{}", run.snapshot());
    /// # run.finish().await.expect("none fails");
    /// # }
    /// ```
    pub fn snapshot(&self) -> Report {
        self.control.report()
    }

    /// Lets all that is left come to its end without keeping it, waits for all threads and tasks, and
    /// says how it went.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let run = paceline::Pipeline::from_iter(0..3).cpu("add", |_, n| Ok::<_, String>(n + 1)).start();
    /// let report = run.finish().await.expect("none fails");
    /// assert_eq!(report.stages[0].done, 3);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What ended the run early, with the report.
    pub async fn finish(mut self) -> Result<Report, RunError> {
        while self.next().await.is_some() {}
        self.end().await
    }

    /// Ends it at once, waits for what cannot be ended, and says how far it came.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let run = paceline::Pipeline::from_iter(0_u64..)
    ///     .cpu("add", |_, n| Ok::<_, String>(n + 1))
    ///     .start();
    /// let report = run.cancel().await;
    /// assert_eq!(report.stages[0].failed, 0);
    /// # }
    /// ```
    pub async fn cancel(self) -> Report {
        self.control.cancel();
        self.control.join().await;
        self.control.report()
    }

    pub(crate) async fn end(self) -> Result<Report, RunError> {
        end(&self.control).await
    }

    fn poll_one(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Failure>>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            let packet = match self.order.take() {
                Some(packet) => Some(packet),
                None => match ready!(self.outlet.poll_take(cx)) {
                    // Taken out of the queue: it has not come out of its turn yet.
                    Some(packet) => match self.order.put(packet) {
                        Some(packet) => Some(packet),
                        None => continue,
                    },
                    None => None,
                },
            };
            let Some(packet) = packet.filter(|_| !self.control.is_cancelled()) else {
                self.over = true;
                return Poll::Ready(self.control.first().map(Err));
            };
            self.queue.settle();
            match packet.cargo {
                Cargo::Item(value) => return Poll::Ready(Some(Ok(value))),
                Cargo::Failed(failure) => return Poll::Ready(Some(Err(*failure))),
                Cargo::Gone => {}
            }
        }
    }
}

impl<T: Send + 'static> Stream for Run<T> {
    type Item = Result<T, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_one(cx)
    }
}

impl<T: Send + 'static> Unpin for Run<T> {}

impl<T: Send + 'static> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("control", &self.control)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// Gives the run up when it is dropped, if it is not over.
pub(super) struct GivesUp(pub(super) Arc<Control>);

impl Drop for GivesUp {
    fn drop(&mut self) {
        self.0.end();
        self.0.cancel();
    }
}

/// Waits for all that is under way; what ended the run early, or the report.
pub(super) async fn end(control: &Control) -> Result<Report, RunError> {
    control.join().await;
    let report = control.report();
    match control.first() {
        Some(first) => Err(RunError {
            first,
            report: Box::new(report),
        }),
        None => Ok(report),
    }
}
