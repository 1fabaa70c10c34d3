//! One job split over all threads, and its results put together in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::error::panicked;
use super::outcome::Outcome;
use super::pending::Promise;
use super::policy::Splitter;
use super::sync::{AtomicBool, Mutex, Ordering, lock};
use super::trace::Span;
use super::work::{Ended, Ran, Work, drop_safely, put_safely};
use super::{Job, OffloadError};
use crate::cx::{Cx, Signal};

/// A job whose items are mapped in pieces by any thread and reduced in their order.
pub(super) struct MapReduce<I: Iterator, M, T, A, R> {
    map: M,
    source: Mutex<Source<I>>,
    fold: Mutex<Fold<T, A, R>>,
    deadline: Option<Instant>,
    span: Span,
    /// It failed, was refused, or the pool is closing: go on with nothing.
    stopped: AtomicBool,
    outcome: Outcome<A>,
}

/// Where pieces are cut from.
struct Source<I> {
    /// Gone when it has ended.
    items: Option<I>,
    /// A piece is being cut; for ever, if the iterator panicked at it. Items are lost then, so nobody
    /// may go on with the rest.
    cutting: bool,
    splitter: Splitter,
    /// Pieces cut so far.
    pieces: u64,
}

/// Where results are put together.
struct Fold<T, A, R> {
    /// Away while a thread reduces.
    reducer: Option<(A, R)>,
    /// Mapped pieces whose turn has not come, by number.
    parked: BTreeMap<u64, Vec<T>>,
    /// The piece whose turn it is.
    next: u64,
    /// How many there are, once that is known.
    pieces: Option<u64>,
}

impl<I: Iterator, M, T, A, R> MapReduce<I, M, T, A, R> {
    pub(super) fn new(items: I, map: M, init: A, reduce: R, threads: usize, job: &Job) -> Self {
        Self {
            map,
            source: Mutex::new(Source {
                items: Some(items),
                cutting: false,
                splitter: Splitter::new(threads),
                pieces: 0,
            }),
            fold: Mutex::new(Fold {
                reducer: Some((init, reduce)),
                parked: BTreeMap::new(),
                next: 0,
                pieces: None,
            }),
            deadline: job.deadline,
            span: Span::new(job),
            stopped: AtomicBool::new(false),
            outcome: Outcome::new(),
        }
    }

    /// Cuts a piece: its number and its items; `None` if there are no more.
    fn cut(&self) -> Option<(u64, Vec<I::Item>)> {
        let mut source = lock(&self.source);
        if source.cutting || source.items.is_none() {
            return None;
        }
        source.cutting = true;
        let left = source.items.as_ref()?.size_hint().1;
        let size = source.splitter.next(left);
        let items = source.items.as_mut()?;
        let mut piece = Vec::with_capacity(size.min(left.unwrap_or(size)));
        piece.extend(items.by_ref().take(size));
        // Looked at once more, so that nobody comes for a piece that is not there.
        let over = piece.len() < size || items.size_hint().1 == Some(0);
        let number = source.pieces;
        source.pieces += u64::from(!piece.is_empty());
        source.cutting = false;
        let pieces = source.pieces;
        let ended = if over { source.items.take() } else { None };
        drop(source);
        if over {
            drop_safely(ended);
            lock(&self.fold).pieces = Some(pieces);
        }
        (!piece.is_empty()).then_some((number, piece))
    }

    fn is_exhausted(&self) -> bool {
        let source = lock(&self.source);
        source.cutting || source.items.is_none()
    }

    /// Ends it without a value.
    fn fail(&self, why: OffloadError) -> Option<Waker> {
        // First, since whoever sees that it is stopped, and knows no reason, takes it for a shutdown.
        let waker = put_safely(&self.outcome, Err(why));
        self.stopped.store(true, Ordering::Relaxed);
        let items = lock(&self.source).items.take();
        drop_safely(items);
        let mut fold = lock(&self.fold);
        let parked = std::mem::take(&mut fold.parked);
        // If another thread has it, that one drops it.
        let reducer = fold.reducer.take();
        drop(fold);
        drop_safely((parked, reducer));
        waker
    }
}

impl<I, M, T, A, R> MapReduce<I, M, T, A, R>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    M: Fn(&Cx, I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
    A: Send + 'static,
    R: FnMut(A, T) -> A + Send + 'static,
{
    /// Maps one piece. `None` if there was none, or it is not to be gone on with.
    fn map_piece(self: &Arc<Self>) -> Option<(u64, Vec<T>)> {
        let (number, items) = self.cut()?;
        let cx = Cx::new(Arc::<Self>::clone(self), self.deadline);
        let began = Instant::now();
        let count = items.len();
        let mut mapped = Vec::with_capacity(count);
        for item in items {
            if self.is_cancelled() {
                return None;
            }
            mapped.push((self.map)(&cx, item));
        }
        lock(&self.source).splitter.ran(count, began.elapsed());
        Some((number, mapped))
    }

    /// Reduces all whose turn it is, unless another thread is at it: that one will come upon what
    /// is parked now. Returns the value if all is done.
    fn reduce(&self, number: u64, mapped: Vec<T>) -> Option<A> {
        let mut fold = lock(&self.fold);
        if self.stopped.load(Ordering::Relaxed) {
            drop(fold);
            drop(mapped);
            return None;
        }
        fold.parked.insert(number, mapped);
        let (mut value, mut reduce) = fold.reducer.take()?;
        loop {
            let next = fold.next;
            let Some(mapped) = fold.parked.remove(&next) else {
                break;
            };
            fold.next += 1;
            drop(fold);
            for one in mapped {
                value = reduce(value, one);
            }
            fold = lock(&self.fold);
        }
        if self.stopped.load(Ordering::Relaxed) {
            drop(fold);
            return None;
        }
        if fold.pieces == Some(fold.next) {
            drop(fold);
            return Some(value);
        }
        fold.reducer = Some((value, reduce));
        None
    }
}

impl<I, M, T, A, R> MapReduce<I, M, T, A, R>
where
    I: Iterator,
    R: FnMut(A, T) -> A,
{
    /// The value, if the items turned out to have ended with the pieces that are reduced already.
    fn value_at_end(&self) -> Option<A> {
        let mut fold = lock(&self.fold);
        let reducer = if fold.pieces == Some(fold.next) {
            fold.reducer.take()
        } else {
            None
        };
        drop(fold);
        reducer.map(|(value, _)| value)
    }
}

impl<I, M, T, A, R> Work for MapReduce<I, M, T, A, R>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    M: Fn(&Cx, I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
    A: Send + 'static,
    R: FnMut(A, T) -> A + Send + 'static,
{
    fn run(self: Arc<Self>) -> Ran {
        let mut ran = Ran {
            exhausted: true,
            left: None,
            is_piece: true,
            ended: None,
            waker: None,
        };
        if self.deadline.is_some_and(|at| at <= Instant::now()) {
            ran.waker = self.fail(OffloadError::DeadlinePassed);
            return ran;
        }
        if self.is_cancelled() {
            ran.waker = self.fail(OffloadError::ShutDown);
            return ran;
        }
        let turn = catch_unwind(AssertUnwindSafe(|| {
            self.span.run(|| {
                self.map_piece()
                    .and_then(|(number, mapped)| self.reduce(number, mapped))
                    .or_else(|| self.value_at_end())
            })
        }));
        match turn {
            Err(panic) => {
                ran.ended = (!self.outcome.is_set()).then_some(Ended::Panicked);
                ran.waker = self.fail(panicked(panic));
            }
            Ok(Some(value)) => {
                ran.ended = Some(Ended::Well);
                ran.waker = put_safely(&self.outcome, Ok(value));
            }
            // Threads that are stopped leave no value behind.
            Ok(None) if self.stopped.load(Ordering::Relaxed) => {
                ran.waker = self.fail(OffloadError::ShutDown);
            }
            Ok(None) => {
                ran.exhausted = self.is_exhausted();
                let source = lock(&self.source);
                let left = source.items.as_ref().and_then(|items| items.size_hint().1);
                ran.left = left.and_then(|left| source.splitter.needs(left));
            }
        }
        ran
    }

    fn waited(&self, time: Duration) {
        self.span.waited(time);
    }

    fn refuse(&self, why: OffloadError) {
        if let Some(waker) = self.fail(why) {
            waker.wake();
        }
    }

    fn cancel(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl<I, M, T, A, R> Signal for MapReduce<I, M, T, A, R>
where
    I: Iterator + Send,
    M: Send + Sync,
    T: Send,
    A: Send,
    R: Send,
{
    fn is_cancelled(&self) -> bool {
        self.outcome.is_abandoned() || self.stopped.load(Ordering::Relaxed)
    }
}

impl<I, M, T, A, R> Promise<A> for MapReduce<I, M, T, A, R>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
    M: Fn(&Cx, I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
    A: Send + 'static,
    R: FnMut(A, T) -> A + Send + 'static,
{
    fn outcome(&self) -> &Outcome<A> {
        &self.outcome
    }
}
