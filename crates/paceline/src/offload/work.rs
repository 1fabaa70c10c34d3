//! What a thread of the pool is given: a job, or a piece of one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::error::panicked;
use super::outcome::Outcome;
use super::pending::Promise;
use super::sync::{AtomicBool, Mutex, Ordering, lock};
use super::trace::Span;
use super::{Job, OffloadError};
use crate::cx::{Cx, Signal};

/// A job as the pool sees it: nobody waits for its result any more, or the pool is closing, if it is
/// cancelled. None of these panics.
pub(super) trait Work: Signal {
    /// Runs it, or a piece of it.
    fn run(self: Arc<Self>) -> Ran;

    /// It waited so long and is about to be run.
    fn waited(&self, time: Duration);

    /// It will not be run, or not be gone on with.
    fn refuse(&self, why: OffloadError);

    /// The pool is closing: who looks should stop.
    fn cancel(&self);
}

/// How it went.
#[derive(Debug)]
pub(super) struct Ran {
    /// No piece is left for anyone.
    pub(super) exhausted: bool,
    /// What one thread would need for the rest, if that is known.
    pub(super) left: Option<Duration>,
    /// It was a piece of a split job.
    pub(super) is_piece: bool,
    /// The job has ended, with a panic or without.
    pub(super) ended: Option<Ended>,
    /// Its caller, to be woken.
    pub(super) waker: Option<Waker>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Panicked,
}

/// A job that one thread runs from beginning to end.
pub(super) struct Call<F, T> {
    function: Mutex<Option<F>>,
    deadline: Option<Instant>,
    span: Span,
    closing: AtomicBool,
    outcome: Outcome<T>,
}

impl<F, T> Call<F, T> {
    pub(super) fn new(call: F, job: &Job) -> Self {
        Self {
            function: Mutex::new(Some(call)),
            deadline: job.deadline,
            span: Span::new(job),
            closing: AtomicBool::new(false),
            outcome: Outcome::new(),
        }
    }
}

impl<F, T> Work for Call<F, T>
where
    F: FnOnce(&Cx) -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>) -> Ran {
        let mut ran = Ran {
            exhausted: true,
            left: None,
            is_piece: false,
            ended: None,
            waker: None,
        };
        let call = lock(&self.function).take();
        let Some(call) = call else {
            return ran;
        };
        if self.outcome.is_abandoned() {
            drop_safely(call);
            return ran;
        }
        let cx = Cx::new(Arc::<Self>::clone(&self), self.deadline);
        let result =
            catch_unwind(AssertUnwindSafe(|| self.span.run(|| call(&cx)))).map_err(panicked);
        ran.ended = Some(match &result {
            Ok(_) => Ended::Well,
            Err(_) => Ended::Panicked,
        });
        ran.waker = put_safely(&self.outcome, result);
        ran
    }

    fn waited(&self, time: Duration) {
        self.span.waited(time);
    }

    fn refuse(&self, why: OffloadError) {
        let call = lock(&self.function).take();
        drop_safely(call);
        if let Some(waker) = put_safely(&self.outcome, Err(why)) {
            waker.wake();
        }
    }

    fn cancel(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

impl<F, T> Signal for Call<F, T>
where
    F: Send,
    T: Send,
{
    fn is_cancelled(&self) -> bool {
        self.outcome.is_abandoned() || self.closing.load(Ordering::Relaxed)
    }
}

impl<F, T> Promise<T> for Call<F, T>
where
    F: FnOnce(&Cx) -> T + Send + 'static,
    T: Send + 'static,
{
    fn outcome(&self) -> &Outcome<T> {
        &self.outcome
    }
}

/// Leaves a result. If nobody wants it, it is dropped, and that is code of the user too.
pub(super) fn put_safely<T>(
    outcome: &Outcome<T>,
    result: Result<T, OffloadError>,
) -> Option<Waker> {
    catch_unwind(AssertUnwindSafe(|| outcome.put(result))).unwrap_or_default()
}

/// Drops what belongs to the user, which may panic.
pub(super) fn drop_safely<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(move || drop(value)));
}
