//! The life of a thread.
//!
//! Under the lock it reports what it has done and asks the queue for more; outside of it, it wakes
//! the caller of what it has done and runs the next. In this order, because a caller that is woken
//! first would find the thread still busy with its last job, and wake another one for the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
#[cfg(not(all(test, paceline_loom)))]
use std::time::Instant;

use super::{MEMBER_OF, Phase, Pool, State};
use crate::offload::OffloadError;
use crate::offload::nice::Schedule;
use crate::offload::policy::{Next, Ticket};
use crate::offload::sync::{Condvar, MutexGuard, Ordering, lock};
use crate::offload::work::{Ended, Ran, Work, drop_safely};

/// How long a thread looks for work before it sleeps: about as long as waking it would take.
#[cfg(not(all(test, paceline_loom)))]
const LOOKS_FOR: Duration = Duration::from_micros(20);

/// What a thread takes along from one round to the next.
struct Done {
    ticket: Ticket,
    work: Arc<dyn Work>,
    at: Duration,
    ran: Ran,
}

/// What is left to do for a job that is over, outside of the lock.
#[derive(Default)]
struct Rests {
    waker: Option<Waker>,
    work: Option<Arc<dyn Work>>,
}

impl Rests {
    fn settle(self) {
        if let Some(waker) = self.waker {
            // Code of the caller's executor.
            let _ = catch_unwind(AssertUnwindSafe(move || waker.wake()));
        }
        drop_safely(self.work);
    }
}

impl Pool {
    /// The life of a thread of the pool.
    pub(in crate::offload) fn work(&self, thread: usize) {
        MEMBER_OF.set(self.address());
        if let Some(schedule) = Schedule::of_this_thread() {
            lock(&self.state).schedules.push(Arc::new(schedule));
        }
        let mut done = None;
        let mut state = lock(&self.state);
        loop {
            let (now, rests) = self.report(&mut state, thread, done.take());
            match state.queue.next(now, thread) {
                Next::Nothing if state.phase == Phase::Ending => {
                    drop(state);
                    rests.settle();
                    return;
                }
                Next::Nothing => state = self.rest(state, rests),
                next => {
                    let wake_others = self.work_waits(&mut state);
                    let round = Self::take(&mut state, thread, next);
                    drop(state);
                    self.wake(wake_others);
                    rests.settle();
                    done = self.round(thread, round);
                    state = lock(&self.state);
                }
            }
        }
    }

    /// The life of the thread in reserve: it works while [`State::lends`] says so.
    pub(in crate::offload) fn work_in_reserve(&self) {
        MEMBER_OF.set(self.address());
        let thread = self.reserve();
        let mut done = None;
        let mut state = lock(&self.state);
        loop {
            let (now, rests) = self.report(&mut state, thread, done.take());
            if state.phase == Phase::Ending {
                drop(state);
                return rests.settle();
            }
            let next = if state.lends {
                state.queue.next(now, thread)
            } else {
                Next::Nothing
            };
            if matches!(next, Next::Nothing) {
                drop(state);
                rests.settle();
                state = lock(&self.state);
                // Whoever changes what is asked for here does so under the lock.
                if state.phase != Phase::Ending && !(state.lends && state.queue.turns() > 0) {
                    state = wait(&self.lend, state);
                }
                continue;
            }
            self.work_waits(&mut state);
            let round = Self::take(&mut state, thread, next);
            drop(state);
            rests.settle();
            done = self.round(thread, round);
            state = lock(&self.state);
        }
    }

    /// Tells the queue what a thread has done. Returns the time, and what is left to do for it.
    fn report(&self, state: &mut State, thread: usize, done: Option<Done>) -> (Duration, Rests) {
        let Some(Done {
            ticket,
            work,
            at,
            ran,
        }) = done
        else {
            return (self.now(), Rests::default());
        };
        // Clones of `work`, so nothing of the user's is dropped here.
        state.running[thread] = None;
        if ran.exhausted {
            state.queue.exhausted(ticket);
        }
        state.queue.finished(at, thread, ran.left);
        let rests = Rests {
            waker: ran.waker,
            work: Some(work),
        };
        (at, rests)
    }

    /// Notes what a thread will run.
    fn take(state: &mut State, thread: usize, next: Next<Arc<dyn Work>>) -> Round {
        match next {
            Next::Run {
                ticket,
                work,
                waited,
                first,
            } => {
                state.running[thread] = Some(Arc::clone(&work));
                Round::Run {
                    ticket,
                    work,
                    waited: first.then_some(waited),
                }
            }
            Next::Late(work) => {
                state.late += 1;
                Round::Refuse(work)
            }
            Next::Nothing => Round::Nothing,
        }
    }

    /// Runs it, outside of the lock.
    fn round(&self, thread: usize, round: Round) -> Option<Done> {
        match round {
            Round::Run {
                ticket,
                work,
                waited,
            } => {
                if let Some(waited) = waited {
                    work.waited(waited);
                }
                let began = self.now();
                let ran = Arc::clone(&work).run();
                let at = self.now();
                self.tally(thread, waited, at.saturating_sub(began), &ran);
                Some(Done {
                    ticket,
                    work,
                    at,
                    ran,
                })
            }
            Round::Refuse(work) => {
                work.refuse(OffloadError::DeadlinePassed);
                drop_safely(work);
                None
            }
            Round::Nothing => None,
        }
    }

    fn tally(&self, thread: usize, waited: Option<Duration>, took: Duration, ran: &Ran) {
        let mut tally = lock(&self.tallies[thread]);
        tally.runs += 1;
        tally.service.record(took);
        if let Some(waited) = waited {
            tally.wait.record(waited);
        }
        tally.pieces += u64::from(ran.is_piece);
        if let Some(ended) = ran.ended {
            tally.done += 1;
            tally.panicked += u64::from(ended == Ended::Panicked);
        }
    }

    /// Looks for work for a moment, else sleeps until some comes. Settles the last job first.
    fn rest<'a>(&'a self, mut state: MutexGuard<'a, State>, rests: Rests) -> MutexGuard<'a, State> {
        let looks = state.rest.look();
        drop(state);
        rests.settle();
        if looks {
            self.look();
        }
        state = lock(&self.state);
        if looks {
            state.rest.looked();
        }
        if state.queue.turns() > 0 || state.phase == Phase::Ending {
            return state;
        }
        state.rest.sleep();
        loop {
            state = wait(&self.work_came, state);
            if state.rest.may_rise() {
                state.rest.looked();
                return state;
            }
            if state.phase == Phase::Ending {
                return state;
            }
        }
    }

    /// Until there is work, or looking longer would be dearer than sleeping.
    #[cfg(not(all(test, paceline_loom)))]
    fn look(&self) {
        if !self.looks {
            return;
        }
        let began = Instant::now();
        loop {
            for _ in 0..16 {
                if self.turns.load(Ordering::Relaxed) > 0 {
                    return;
                }
                std::hint::spin_loop();
            }
            if began.elapsed() > LOOKS_FOR {
                return;
            }
        }
    }

    #[cfg(all(test, paceline_loom))]
    fn look(&self) {
        if self.looks && self.turns.load(Ordering::Relaxed) == 0 {
            loom::thread::yield_now();
        }
    }
}

/// What a thread does outside of the lock.
enum Round {
    Run {
        ticket: Ticket,
        work: Arc<dyn Work>,
        /// If it is the first piece.
        waited: Option<Duration>,
    },
    Refuse(Arc<dyn Work>),
    Nothing,
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar
        .wait(state)
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
