//! The workers of a `map`: threads that pull items, try them, and make more of themselves.
//!
//! All decisions are taken under one lock, [`State`]; items are pulled and tried outside of it. A
//! worker that finds more to do than workers for it starts another, up to the level; one too many
//! ends. Nobody else starts any, so a source that yields slowly is never met by a crowd.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use paceline_control::Left;

use super::{Failed, Options};
use crate::failure::{FailureKind, panic_message};
use crate::level::{Ending, Level, Nature, Shift};
use crate::meter::{Meter, Tally};
use crate::on_error::OnError;
use crate::retry::{ErrorKind, Tries};
use crate::threads::{Lookout, Roster};

/// No new item is pulled while so many rest before their next attempt.
const MOST_RESTING: usize = 1024;

/// A source that takes longer than this makes its worker wait.
const SLOW_SOURCE: Duration = Duration::from_micros(50);

/// What comes out.
pub(super) enum Out<T, U, E> {
    Value(u64, U),
    Failed(Failed<T, E>),
    /// No more will come. Whatever the source panicked with is passed on.
    Over(Option<Box<dyn Any + Send>>),
}

pub(super) struct Engine<I: Iterator, F, U, E> {
    source: Mutex<I>,
    work: F,
    options: Options<E>,
    stop_at_failure: bool,
    /// Items that may be pulled and not yet delivered.
    window: u64,
    state: Mutex<State<I::Item, E>>,
    changed: Condvar,
    /// The last worker has gone.
    over: Condvar,
    pub(super) level: Level,
    pub(super) meter: Meter,
    roster: Roster,
    out: Sender<Out<I::Item, U, E>>,
    pub(super) origin: Instant,
}

struct State<T, E> {
    pulled: u64,
    delivered: u64,
    resting: BinaryHeap<Reverse<Resting<T, E>>>,
    workers: usize,
    idle: usize,
    /// A worker is at the source.
    pulling: bool,
    exhausted: bool,
    stopped: bool,
    trying: usize,
    source_panic: Option<Box<dyn Any + Send>>,
}

impl<T, E> State<T, E> {
    fn is_over(&self) -> bool {
        self.exhausted && self.resting.is_empty() && self.trying == 0
    }
}

/// An item with its attempts.
struct Task<T> {
    seq: u64,
    item: T,
    tries: Tries,
}

/// A task that waits for its next attempt.
struct Resting<T, E> {
    due: Instant,
    task: Task<T>,
    last: FailureKind<E>,
}

impl<T, E> Resting<T, E> {
    fn rank(&self) -> (Instant, u64) {
        (self.due, self.task.seq)
    }
}

impl<T, E> PartialEq for Resting<T, E> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<T, E> Eq for Resting<T, E> {}

impl<T, E> PartialOrd for Resting<T, E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T, E> Ord for Resting<T, E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<I, F, U, E> Engine<I, F, U, E>
where
    I: Iterator,
    F: Fn(&I::Item) -> Result<U, E>,
{
    pub(super) fn new(
        source: I,
        work: F,
        options: Options<E>,
        on_error: OnError,
        window: Option<usize>,
        out: Sender<Out<I::Item, U, E>>,
    ) -> Self {
        let origin = Instant::now();
        let cores = paceline_observe::cores();
        let level = Level::new(origin, options.limit, Nature::Unknown, cores);
        let (least, most) = source.size_hint();
        level.left(match most {
            Some(most) if most == least => Left::Exactly(least as u64),
            _ => Left::AtLeast(u64::MAX),
        });
        Self {
            source: Mutex::new(source),
            work,
            options,
            stop_at_failure: on_error == OnError::Stop,
            window: window.map_or(u64::MAX, |items| items as u64),
            state: Mutex::new(State {
                pulled: 0,
                delivered: 0,
                resting: BinaryHeap::new(),
                // The first one, which whoever made us starts.
                workers: 1,
                idle: 0,
                pulling: false,
                exhausted: false,
                stopped: false,
                trying: 0,
                source_panic: None,
            }),
            changed: Condvar::new(),
            over: Condvar::new(),
            level,
            meter: Meter::default(),
            roster: Roster::default(),
            out,
            origin,
        }
    }

    /// Nothing new is begun.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Something was taken out.
    pub(super) fn delivered(&self) {
        let mut state = self.lock();
        let was_full = state.pulled - state.delivered >= self.window;
        state.delivered += 1;
        if was_full && state.idle > 0 {
            drop(state);
            self.changed.notify_one();
        }
    }

    /// A worker, from its start to its end. `more` starts another one and says whether it could.
    pub(super) fn work(&self, more: &dyn Fn() -> bool) {
        let mut shift = Shift::begin(&self.level, &self.roster);
        let mut tally = Tally::new(&self.meter);
        while let Some(task) = self.take(&mut shift, more) {
            shift.item_begins();
            let began = Instant::now();
            let tried = catch_unwind(AssertUnwindSafe(|| match (self.work)(&task.item) {
                Ok(value) => Ok(value),
                Err(error) => {
                    let kind = self.options.classify.as_ref().map(|judge| judge(&error));
                    Err((error, kind.unwrap_or(ErrorKind::Transient)))
                }
            }));
            let now = Instant::now();
            let wall = now.saturating_duration_since(began);
            shift.item_ended(
                wall,
                match &tried {
                    Ok(Ok(_)) => Ending::Done,
                    Ok(Err((_, ErrorKind::Busy | ErrorKind::BusyFor(_)))) => Ending::Busy,
                    _ => Ending::Failed,
                },
            );
            tally.attempt(now, wall);
            match tried {
                Ok(Ok(value)) => {
                    tally.done();
                    self.succeeded();
                    let _ = self.out.send(Out::Value(task.seq, value));
                }
                Ok(Err((error, kind))) => {
                    self.failed(task, FailureKind::Error(error), kind, &mut tally);
                }
                Err(panic) => {
                    let message = panic_message(&*panic);
                    // Dropping what was thrown may throw again.
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
                    self.failed(
                        task,
                        FailureKind::Panic(message),
                        ErrorKind::Transient,
                        &mut tally,
                    );
                }
            }
        }
    }

    /// Tells the level what the workers are seen to do, until the last has gone, and starts one where
    /// all are in work and more are allowed: those may be in work for long.
    pub(super) fn watch(&self, more: &dyn Fn() -> bool) {
        let mut lookout = Lookout::default();
        let mut state = self.lock();
        while state.workers > 0 {
            let Some(gap) = self.level.tick_every() else {
                return;
            };
            state = wait(&self.over, state, Some(gap));
            if state.workers == 0 {
                return;
            }
            drop(state);
            if let Some(signals) = lookout.look(&self.roster, Instant::now()) {
                self.level.tick(signals);
            }
            state = self.lock();
            if self.wants_worker(&state) {
                self.start_another(state, more);
                state = self.lock();
            }
        }
    }

    /// The next task for a worker, or `None` if it is to end.
    fn take(&self, shift: &mut Shift<'_>, more: &dyn Fn() -> bool) -> Option<Task<I::Item>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                self.give_up_resting(&mut state);
                self.leave(state);
                return None;
            }
            if state.workers > self.level.limit() {
                self.leave(state);
                return None;
            }
            let now = (!state.resting.is_empty()).then(Instant::now);
            let due = state.resting.peek().map(|Reverse(next)| next.due);
            if let (Some(now), Some(due)) = (now, due)
                && due <= now
                && let Some(Reverse(resting)) = state.resting.pop()
            {
                state.trying += 1;
                self.meter.works();
                self.multiply(state, more);
                return Some(resting.task);
            }
            if self.may_pull(&state) {
                state.pulling = true;
                drop(state);
                let pulled = self.pull(shift);
                state = self.lock();
                state.pulling = false;
                match pulled {
                    Ok(Some(item)) => {
                        let seq = state.pulled;
                        state.pulled += 1;
                        state.trying += 1;
                        self.meter.works();
                        self.multiply(state, more);
                        return Some(Task {
                            seq,
                            item,
                            tries: Tries::default(),
                        });
                    }
                    Ok(None) => state.exhausted = true,
                    Err(panic) => {
                        state.exhausted = true;
                        state.source_panic = Some(panic);
                    }
                }
                self.changed.notify_all();
                continue;
            }
            if state.is_over() {
                self.leave(state);
                return None;
            }
            shift.pauses();
            let waits_for_room = state.pulled - state.delivered >= self.window;
            let gap = due.map(|due| due.saturating_duration_since(Instant::now()));
            state.idle += 1;
            let began = Instant::now();
            state = wait(&self.changed, state, gap);
            let waited = began.elapsed();
            if waits_for_room {
                self.meter.add_blocked(waited);
            } else {
                self.meter.add_starved(waited);
            }
            state.idle -= 1;
        }
    }

    fn may_pull(&self, state: &State<I::Item, E>) -> bool {
        !state.exhausted
            && !state.pulling
            && state.resting.len() < MOST_RESTING
            && state.pulled - state.delivered < self.window
    }

    fn pull(&self, shift: &mut Shift<'_>) -> Result<Option<I::Item>, Box<dyn Any + Send>> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let pulled = catch_unwind(AssertUnwindSafe(|| source.next()));
        let waited = began.elapsed();
        if waited > SLOW_SOURCE {
            // A source that takes its time is no part of the work.
            shift.pauses();
            self.meter.add_starved(waited);
        }
        pulled
    }

    fn wants_worker(&self, state: &State<I::Item, E>) -> bool {
        state.idle == 0
            && state.workers < self.level.limit()
            && !state.stopped
            && self.may_pull(state)
    }

    /// With a task in hand: wakes or starts another worker if there may be more to do.
    fn multiply(&self, state: MutexGuard<'_, State<I::Item, E>>, more: &dyn Fn() -> bool) {
        if state.idle > 0 {
            drop(state);
            self.changed.notify_one();
            return;
        }
        if self.wants_worker(&state) {
            self.start_another(state, more);
        }
    }

    fn start_another(&self, mut state: MutexGuard<'_, State<I::Item, E>>, more: &dyn Fn() -> bool) {
        state.workers += 1;
        let in_flight = state.workers;
        drop(state);
        if !more() {
            self.leave(self.lock());
            self.level.refused(in_flight);
        }
    }

    fn succeeded(&self) {
        let mut state = self.lock();
        state.trying -= 1;
        self.meter.rests();
        if state.is_over() && state.idle > 0 {
            drop(state);
            self.changed.notify_all();
        }
    }

    fn failed(
        &self,
        mut task: Task<I::Item>,
        failure: FailureKind<E>,
        kind: ErrorKind,
        tally: &mut Tally<'_>,
    ) {
        let busy = matches!(kind, ErrorKind::Busy | ErrorKind::BusyFor(_));
        if busy {
            self.meter.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        let rest = self
            .options
            .patience
            .rest(&mut task.tries, kind, fastrand::f64());
        let mut state = self.lock();
        state.trying -= 1;
        self.meter.rests();
        if let Some(rest) = rest
            && !state.stopped
        {
            self.meter.retried.fetch_add(1, Ordering::Relaxed);
            state.resting.push(Reverse(Resting {
                due: Instant::now() + rest,
                task,
                last: failure,
            }));
            drop(state);
            // Whoever waits has to know until when.
            self.changed.notify_all();
            return;
        }
        if self.stop_at_failure {
            state.stopped = true;
        }
        drop(state);
        self.changed.notify_all();
        tally.failed();
        let _ = self.out.send(Out::Failed(Failed {
            item: task.item,
            seq: task.seq,
            attempts: task.tries.all,
            kind: failure,
        }));
    }

    /// What rests when all stops has failed with its last error.
    fn give_up_resting(&self, state: &mut State<I::Item, E>) {
        for Reverse(resting) in state.resting.drain() {
            self.meter.failed.fetch_add(1, Ordering::Relaxed);
            let _ = self.out.send(Out::Failed(Failed {
                item: resting.task.item,
                seq: resting.task.seq,
                attempts: resting.task.tries.all,
                kind: resting.last,
            }));
        }
    }

    /// A worker goes; the last one says so.
    fn leave(&self, mut state: MutexGuard<'_, State<I::Item, E>>) {
        state.workers -= 1;
        let last = state.workers == 0;
        let panic = state.source_panic.take_if(|_| last);
        drop(state);
        if last {
            self.over.notify_all();
            let _ = self.out.send(Out::Over(panic));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<I::Item, E>> {
        // Nothing that can panic runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a, S>(
    condition: &Condvar,
    guard: MutexGuard<'a, S>,
    gap: Option<Duration>,
) -> MutexGuard<'a, S> {
    match gap {
        None => condition
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner),
        Some(gap) => {
            condition
                .wait_timeout(guard, gap)
                .unwrap_or_else(PoisonError::into_inner)
                .0
        }
    }
}
