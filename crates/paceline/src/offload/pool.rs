//! What the threads and the handles of a pool share: the queue under one lock, and who sleeps.
//!
//! Code of the user, wakers and drops of what belongs to users never run under the lock.

mod keeper;
#[cfg(all(test, paceline_loom))]
mod model;
mod worker;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::metrics::{Snapshot, Tally};
use super::nice::Schedule;
use super::policy::{Limits, Queue, Refusal, Request, Shape, Ticket};
use super::rest::Rest;
use super::sync::{AtomicUsize, Condvar, Mutex, Ordering, lock};
use super::work::Work;
use super::{Job, OffloadError};

thread_local! {
    /// The address of the pool whose thread this is; 0 if of none.
    static MEMBER_OF: Cell<usize> = const { Cell::new(0) };
}

/// What all threads and handles of a pool share.
pub(super) struct Pool {
    state: Mutex<State>,
    /// Wakes sleeping threads.
    work_came: Condvar,
    /// Wakes the keeper.
    keep: Condvar,
    /// Wakes the thread in reserve.
    lend: Condvar,
    /// [`Queue::turns`], for those who look without the lock.
    turns: AtomicUsize,
    epoch: Instant,
    limits: Limits,
    /// By the number of the thread; the last is that of the one in reserve.
    tallies: Vec<Mutex<Tally>>,
    looks: bool,
}

struct State {
    queue: Queue<Arc<dyn Work>>,
    rest: Rest,
    /// What each thread runs, to tell it when the pool is closing.
    running: Vec<Option<Arc<dyn Work>>>,
    phase: Phase,
    /// The keeper is watching.
    kept: bool,
    /// The thread in reserve may work.
    lends: bool,
    schedules: Vec<Arc<Schedule>>,
    shed: u64,
    late: u64,
    cancelled: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Threads end as soon as nothing waits.
    Ending,
}

impl Pool {
    pub(super) fn new(limits: Limits, looks: bool) -> Self {
        let threads = limits.threads + 1;
        Self {
            state: Mutex::new(State {
                queue: Queue::new(limits),
                rest: Rest::default(),
                running: (0..threads).map(|_| None).collect(),
                phase: Phase::Open,
                kept: false,
                lends: false,
                schedules: Vec::new(),
                shed: 0,
                late: 0,
                cancelled: 0,
            }),
            work_came: Condvar::new(),
            keep: Condvar::new(),
            lend: Condvar::new(),
            turns: AtomicUsize::new(0),
            epoch: Instant::now(),
            limits,
            tallies: (0..threads).map(|_| Mutex::new(Tally::new())).collect(),
            looks,
        }
    }

    pub(super) fn threads(&self) -> usize {
        self.limits.threads
    }

    /// The number of the thread in reserve.
    fn reserve(&self) -> usize {
        self.limits.threads
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Whether the calling thread is one of this pool.
    pub(super) fn is_member(&self) -> bool {
        MEMBER_OF.get() == self.address()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Takes a job in, or says why not.
    pub(super) fn offer(
        &self,
        job: &Job,
        shape: Shape,
        work: Arc<dyn Work>,
    ) -> Result<Ticket, OffloadError> {
        let request = Request {
            name: job.name,
            priority: job.priority,
            deadline: job
                .deadline
                .map(|at| at.saturating_duration_since(self.epoch)),
            shape,
        };
        let mut state = lock(&self.state);
        // Read under the lock, so that the queue never sees time go back.
        let offered = state.queue.offer(self.now(), request, work);
        match offered {
            Ok(ticket) => {
                let wake = self.work_waits(&mut state);
                let keep = !std::mem::replace(&mut state.kept, true);
                drop(state);
                self.wake(wake);
                if keep {
                    self.keep.notify_all();
                }
                Ok(ticket)
            }
            Err((refusal, work)) => {
                let error = match refusal {
                    Refusal::Overloaded {
                        queued,
                        retry_after,
                    } => {
                        state.shed += 1;
                        OffloadError::Overloaded {
                            queued,
                            retry_after,
                        }
                    }
                    Refusal::DeadlinePassed => {
                        state.late += 1;
                        OffloadError::DeadlinePassed
                    }
                    Refusal::Closed => OffloadError::ShutDown,
                };
                drop(state);
                drop(work);
                Err(error)
            }
        }
    }

    /// Takes a job out that nobody wants any more; `None` if it was begun already and is not split.
    pub(super) fn cancel(&self, ticket: Ticket) -> Option<Arc<dyn Work>> {
        let mut state = lock(&self.state);
        let work = state.queue.remove(ticket)?;
        state.cancelled += 1;
        self.work_waits(&mut state);
        Some(work)
    }

    /// Takes no more jobs; those that wait are done.
    pub(super) fn close(&self) {
        lock(&self.state).queue.close();
    }

    /// Takes no more jobs, refuses those that wait, tells those that run, and lets the threads end.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.queue.close();
        state.phase = Phase::Ending;
        let waiting = state.queue.clear();
        let running: Vec<_> = state.running.iter().flatten().cloned().collect();
        drop(state);
        self.work_came.notify_all();
        self.keep.notify_all();
        self.lend.notify_all();
        for work in running {
            work.cancel();
        }
        for work in waiting {
            work.cancel();
            work.refuse(OffloadError::ShutDown);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot {
            threads: self.limits.threads,
            ..Snapshot::default()
        };
        for tally in &self.tallies {
            lock(tally).add_to(&mut sum);
        }
        sum.lent = lock(&self.tallies[self.reserve()]).runs;
        let state = lock(&self.state);
        sum.running = state.queue.busy();
        sum.queued = state.queue.queued();
        sum.expected_wait = state.queue.expected_wait(self.now());
        sum.shed = state.shed;
        sum.late = state.late;
        sum.cancelled = state.cancelled;
        sum
    }

    /// The queue has changed: shows it to those who look, and says how many sleepers to wake.
    fn work_waits(&self, state: &mut State) -> usize {
        let turns = state.queue.turns();
        self.turns.store(turns, Ordering::Relaxed);
        state.rest.wake_for(turns)
    }

    fn wake(&self, sleepers: usize) {
        for _ in 0..sleepers {
            self.work_came.notify_one();
        }
    }
}
