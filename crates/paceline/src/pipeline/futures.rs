//! Stages of futures, `.io` and `.command`: worker tasks of their own, so that a slow consumer never
//! keeps a connection from being read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::buffer::Nothing;
use super::control::Armed;
use super::core::{Core, Launch, Tried, unpack};
use super::queue::Packet;
use crate::failure::{FailureKind, SharedError, panic_message};
use crate::level::{Ending, Level, Stint};
use crate::retry::ErrorKind;

/// A function that makes futures.
pub(super) struct Futures<F>(pub(super) F);

impl<T, U, F, Fut> Launch for Core<T, U, Futures<F>>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<U, SharedError>> + Send + 'static,
{
    fn launch(self: Arc<Self>) -> bool {
        let control = Arc::clone(&self.control);
        control.task(self.work());
        true
    }
}

impl<T, U, F, Fut> Core<T, U, Futures<F>>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<U, SharedError>> + Send + 'static,
{
    /// A worker task, from its start to its end.
    async fn work(self: Arc<Self>) {
        let armed = Armed::new(&self.control);
        let station = Arc::clone(&self.station);
        let mut stints = Stints::new(&station.level);
        loop {
            let Some(packet) = self.next(&mut stints).await else {
                self.leave();
                break;
            };
            let out = match unpack(packet) {
                Ok((packet, item)) => {
                    let in_work = InWork::new(&station.meter);
                    let out = self.attempt(packet, item, &mut stints).await;
                    drop(in_work);
                    out
                }
                Err(passed_on) => Some(passed_on),
            };
            if let Some(out) = out {
                let put = self.out.put(out).await;
                self.queue.settle();
                match put {
                    Ok(waited) if waited.is_zero() => {}
                    Ok(waited) => station.meter.add_blocked(waited),
                    Err(_) => {
                        self.leave();
                        break;
                    }
                }
            }
            if self.is_surplus() {
                break;
            }
            // Items that are ready at once must not keep others from the runtime.
            tokio::task::coop::consume_budget().await;
        }
        armed.disarm();
    }

    async fn next(self: &Arc<Self>, stints: &mut Stints<'_>) -> Option<Packet<T>> {
        let packet = match self.queue.try_take() {
            Ok(packet) => {
                self.resumes(false);
                packet
            }
            Err(Nothing::Ever) => return None,
            Err(Nothing::Yet) => {
                stints.pause();
                let began = Instant::now();
                self.idles();
                let packet = self.queue.take().await;
                self.resumes(true);
                self.station.meter.add_starved(began.elapsed());
                packet?
            }
        };
        (!self.control.is_cancelled()).then_some(packet)
    }

    async fn attempt(
        self: &Arc<Self>,
        packet: Packet<()>,
        item: T,
        stints: &mut Stints<'_>,
    ) -> Option<Packet<U>> {
        let spare = self.spare(&item);
        stints.item_begins();
        let began = Instant::now();
        let future = Polled {
            // The function itself is user code too.
            begin: Some(|| (self.kind.0)(item)),
            future: None,
            took: Duration::ZERO,
        };
        let mut future = pin!(future);
        let result = match self.config.timeout {
            Some(timeout) => tokio::time::timeout(timeout, future.as_mut()).await,
            None => Ok(future.as_mut().await),
        };
        let took = future.took();
        let wall = began.elapsed();
        let tried = match result {
            Ok(Ok(Ok(value))) => Tried::Value(value),
            Ok(Ok(Err(error))) => match catch_unwind(AssertUnwindSafe(|| self.judge(error))) {
                Ok((failure, kind)) => Tried::Failed(failure, kind),
                Err(panic) => panicked(&*panic),
            },
            Ok(Err(panic)) => panicked(&*panic),
            Err(_) => Tried::Failed(
                FailureKind::TimedOut(self.config.timeout.unwrap_or_default()),
                ErrorKind::Transient,
            ),
        };
        stints.item_ended(wall, took, tried.ending());
        let meter = &self.station.meter;
        meter.add_busy(wall);
        if self.station.kind == crate::report::StageKind::Io {
            meter.add_cpu(took);
        }
        if matches!(tried, Tried::Value(_)) {
            meter
                .done
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        self.settle(packet, spare, tried)
    }
}

fn panicked<U>(panic: &(dyn std::any::Any + Send)) -> Tried<U> {
    Tried::Failed(
        FailureKind::Panic(panic_message(panic)),
        ErrorKind::Transient,
    )
}

/// Counts an item as in work, also if its future is dropped.
struct InWork<'a>(&'a crate::meter::Meter);

impl<'a> InWork<'a> {
    fn new(meter: &'a crate::meter::Meter) -> Self {
        meter.works();
        Self(meter)
    }
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        self.0.rests();
    }
}

/// A worker task's account of its items, told to the level in stints.
struct Stints<'a> {
    level: &'a Level,
    stint: Option<Stint>,
    polled: Duration,
}

impl<'a> Stints<'a> {
    fn new(level: &'a Level) -> Self {
        Self {
            level,
            stint: None,
            polled: Duration::ZERO,
        }
    }

    fn item_begins(&mut self) {
        if !self.level.is_constant() && self.stint.is_none() {
            self.polled = Duration::ZERO;
            self.stint = Some(self.level.begin());
        }
    }

    fn item_ended(&mut self, wall: Duration, polled: Duration, ending: Ending) {
        self.polled += polled;
        let Some(mut stint) = self.stint.take() else {
            return;
        };
        let full = self.level.count(&mut stint, wall, ending == Ending::Failed);
        if ending == Ending::Busy {
            self.level.turned_away(stint, self.polled);
        } else if full {
            self.level.end(stint, self.polled);
        } else {
            self.stint = Some(stint);
        }
    }

    fn pause(&mut self) {
        if let Some(stint) = self.stint.take() {
            self.level.end_early(stint, self.polled);
        }
    }
}

impl Drop for Stints<'_> {
    fn drop(&mut self) {
        self.pause();
    }
}

pin_project_lite::pin_project! {
    /// A future whose panics are caught, and whose polls are timed.
    struct Polled<B, Fut> {
        begin: Option<B>,
        #[pin]
        future: Option<Fut>,
        took: Duration,
    }
}

impl<B, Fut> Polled<B, Fut> {
    fn took(&self) -> Duration {
        self.took
    }
}

impl<B: FnOnce() -> Fut, Fut: Future> Future for Polled<B, Fut> {
    type Output = std::thread::Result<Fut::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let began = Instant::now();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let Some(begin) = this.begin.take() {
                this.future.set(Some(begin()));
            }
            match this.future.as_mut().as_pin_mut() {
                Some(future) => future.poll(cx),
                None => Poll::Pending,
            }
        }));
        *this.took += began.elapsed();
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
