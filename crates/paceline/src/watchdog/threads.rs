//! Which threads are workers, and since when each is awake.
//!
//! Tokio says what a worker counts by its index and runs hooks on its thread, but does not say which
//! thread has which index. A worker's counters last moved when its thread last woke up, so the
//! thread whose waking is nearest to that moment is the one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The workers of one runtime, by the kernel's numbers of their threads.
#[derive(Debug)]
pub(super) struct Threads {
    epoch: Instant,
    /// When each last woke up; `None` while it is parked.
    awake: Mutex<BTreeMap<i32, Option<Duration>>>,
}

/// Takes the thread off the list when it ends: its number may be given to another.
struct Leaves {
    threads: Weak<Threads>,
    thread: i32,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.upgrade() {
            threads.lock().remove(&self.thread);
        }
    }
}

thread_local! {
    static LEAVES: RefCell<Option<Leaves>> = const { RefCell::new(None) };
}

impl Threads {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            awake: Mutex::new(BTreeMap::new()),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The calling thread is about to park.
    pub(super) fn parks(self: &Arc<Self>) {
        self.note(None);
    }

    /// The calling thread has woken up.
    pub(super) fn wakes(self: &Arc<Self>) {
        self.note(Some(self.now()));
    }

    fn note(self: &Arc<Self>, awake: Option<Duration>) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.lock().insert(thread, awake);
        // While a thread ends it has no such variable any more, and need not leave.
        let _ = LEAVES.try_with(|leaves| {
            let mut leaves = leaves.borrow_mut();
            if leaves.is_none() {
                *leaves = Some(Leaves {
                    threads: Arc::downgrade(self),
                    thread,
                });
            }
        });
    }

    /// The thread that woke up nearest to `since`, of those that are awake.
    pub(super) fn awake_since(&self, since: Duration) -> Option<i32> {
        self.lock()
            .iter()
            .filter_map(|(thread, awake)| awake.map(|awake| (awake.abs_diff(since), *thread)))
            .min()
            .map(|nearest| nearest.1)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Option<Duration>>> {
        self.awake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_awake_thread_is_named_and_ended_ones_are_not() {
        let threads = Arc::new(Threads::new());
        assert_eq!(threads.awake_since(Duration::ZERO), None);
        threads.wakes();
        let here = rustix::thread::gettid().as_raw_nonzero().get();
        assert_eq!(threads.awake_since(threads.now()), Some(here));
        let other = Arc::clone(&threads);
        std::thread::spawn(move || other.wakes())
            .join()
            .expect("no panic");
        assert_eq!(threads.lock().len(), 1);
        threads.parks();
        assert_eq!(threads.awake_since(threads.now()), None);
    }
}
