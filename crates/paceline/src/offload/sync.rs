//! The locks and atomics that the hand-over between threads is made of: those of the standard
//! library, or loom's, which tries every order in which threads may use them.

#[cfg(not(all(test, paceline_loom)))]
pub(super) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[cfg(all(test, paceline_loom))]
pub(super) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Locks, also after a panic of another holder: what these locks guard is never left half-done,
/// since code of the user runs under none of them.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
