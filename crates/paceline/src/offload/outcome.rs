//! The place where a result is left by a thread and found by its caller.

use std::task::{Context, Poll, Waker};

use super::OffloadError;
use super::sync::{AtomicBool, Mutex, Ordering, lock};

/// Where the result of one job is left. It is left once; what comes later is dropped.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    state: Mutex<State<T>>,
    /// The caller is gone.
    abandoned: AtomicBool,
}

#[derive(Debug)]
enum State<T> {
    /// No result yet; the waker of the caller, once it has asked.
    Awaited(Option<Waker>),
    Ready(Result<T, OffloadError>),
    /// Taken, or nobody wants it.
    Over,
}

impl<T> Outcome<T> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State::Awaited(None)),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Leaves the result; the caller is to be woken with what is returned.
    #[must_use]
    pub(super) fn put(&self, result: Result<T, OffloadError>) -> Option<Waker> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Over) {
            State::Awaited(waker) => {
                *state = State::Ready(result);
                waker
            }
            // Dropping it is left to after the lock: it runs code of the user.
            State::Over => {
                drop(state);
                drop(result);
                None
            }
            first @ State::Ready(_) => {
                *state = first;
                drop(state);
                drop(result);
                None
            }
        }
    }

    /// Whether the result is there, or was taken.
    pub(super) fn is_set(&self) -> bool {
        !matches!(*lock(&self.state), State::Awaited(_))
    }

    /// Takes the result, or sees to it that `cx` is woken when it is there.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, OffloadError>> {
        let mut state = lock(&self.state);
        match &mut *state {
            State::Awaited(Some(waker)) if waker.will_wake(cx.waker()) => Poll::Pending,
            State::Awaited(waker) => {
                let old = waker.replace(cx.waker().clone());
                drop(state);
                drop(old);
                Poll::Pending
            }
            State::Ready(_) => match std::mem::replace(&mut *state, State::Over) {
                State::Ready(result) => Poll::Ready(result),
                State::Awaited(_) | State::Over => Poll::Pending,
            },
            // A future that has ended may do what it likes when asked again.
            State::Over => Poll::Pending,
        }
    }

    /// The caller is gone; a result that is there is dropped.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        let state = std::mem::replace(&mut *lock(&self.state), State::Over);
        drop(state);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}
