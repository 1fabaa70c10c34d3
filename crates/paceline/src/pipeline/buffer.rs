//! A bounded buffer between those that make items and those that use them, for threads and tasks alike.
//!
//! What sets it apart from a channel is when it wakes those that wait for room: not for each item that
//! is taken, but for half a buffer of them at once. Behind a slow stage all before it wait for room most
//! of the time, and to wake a task or a thread takes a core from the work twice as long as it takes
//! to put an item in. Half a buffer of items is left meanwhile, so that nobody runs out of them.
//!
//! Nobody is woken under the lock: who wakes on the same core would run into it at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::sync::{Semaphore, TryAcquireError};
use tokio_util::sync::PollSemaphore;

#[derive(Debug)]
pub(super) struct Buffer<T> {
    state: Mutex<State<T>>,
    /// One permit for each item that nobody has claimed and that is not held back; closed when no more
    /// may be put in.
    filled: Arc<Semaphore>,
    /// One permit for each place that may be claimed.
    room: Semaphore,
    /// So many places are made free at once.
    share: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Places that are empty but not yet in [`Buffer::room`].
    emptied: usize,
    /// Items for which nobody has been woken: who comes by may have them.
    held: usize,
}

/// Why nothing could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    Yet,
    /// It is closed, and what was in it has been taken.
    Ever,
}

/// Why an item could not be put in; here it is again.
#[derive(Debug)]
pub(super) enum Refused<T> {
    Full(T),
    Closed,
}

impl<T> Buffer<T> {
    /// For so many items, one at least.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                emptied: 0,
                held: 0,
            }),
            filled: Arc::new(Semaphore::new(0)),
            room: Semaphore::new(capacity),
            share: (capacity / 2).max(1),
        }
    }

    /// Items that nobody has claimed and that are not held back.
    pub(super) fn len(&self) -> usize {
        self.filled.available_permits()
    }

    /// Puts it in if there is room; who waits for items is not woken if `can_wait` says so, which is
    /// told how many would wait by then.
    pub(super) fn try_put(
        &self,
        item: T,
        can_wait: impl FnOnce(usize) -> bool,
    ) -> Result<(), Refused<T>> {
        match self.room.try_acquire() {
            Ok(place) => {
                place.forget();
                self.fill(item, can_wait);
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => Err(Refused::Full(item)),
            Err(TryAcquireError::Closed) => Err(Refused::Closed),
        }
    }

    /// Waits for room; says whether there was any before it was closed.
    pub(super) async fn put(&self, item: T) -> bool {
        let Ok(place) = self.room.acquire().await else {
            return false;
        };
        place.forget();
        self.fill(item, |_| false);
        true
    }

    fn fill(&self, item: T, can_wait: impl FnOnce(usize) -> bool) {
        let mut state = self.lock();
        state.items.push_back(item);
        // Asked under the lock: who goes to sleep looks for what is held back under it as well, so
        // either that one or this one sees the other.
        if can_wait(state.held + self.filled.available_permits() + 1) {
            state.held += 1;
            return;
        }
        drop(state);
        self.filled.add_permits(1);
    }

    /// Whoever waits for items is woken for those that were held back.
    pub(super) fn release(&self) {
        let held = std::mem::take(&mut self.lock().held);
        if held > 0 {
            self.filled.add_permits(held);
        }
    }

    pub(super) fn try_take(&self) -> Result<T, Nothing> {
        match self.filled.try_acquire() {
            Ok(claim) => claim.forget(),
            Err(TryAcquireError::NoPermits) => {
                let mut state = self.lock();
                if state.held == 0 {
                    return Err(Nothing::Yet);
                }
                state.held -= 1;
            }
            Err(TryAcquireError::Closed) => {}
        }
        self.first().ok_or(Nothing::Ever)
    }

    /// Waits for an item; `None` if it is closed, and all that were in it have been taken.
    pub(super) async fn take(&self) -> Option<T> {
        if let Ok(item) = self.try_take() {
            return Some(item);
        }
        if let Ok(claim) = self.filled.acquire().await {
            claim.forget();
        }
        self.first()
    }

    /// The first item. It is there for whoever has a claim, which a closed buffer does not ask for.
    fn first(&self) -> Option<T> {
        let mut state = self.lock();
        let item = state.items.pop_front()?;
        state.emptied += 1;
        let emptied = if state.emptied >= self.share {
            std::mem::take(&mut state.emptied)
        } else {
            0
        };
        drop(state);
        if emptied > 0 {
            self.room.add_permits(emptied);
        }
        Some(item)
    }

    /// Nothing more may be put in; what is in it may be taken.
    pub(super) fn close(&self) {
        self.room.close();
        self.filled.close();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what comes out at the end, as a stream does.
#[derive(Debug)]
pub(super) struct Outlet<T> {
    buffer: Arc<Buffer<T>>,
    claims: PollSemaphore,
}

impl<T> Outlet<T> {
    pub(super) fn new(buffer: &Arc<Buffer<T>>) -> Self {
        Self {
            buffer: Arc::clone(buffer),
            claims: PollSemaphore::new(Arc::clone(&buffer.filled)),
        }
    }

    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(claim) = ready!(self.claims.poll_acquire(cx)) {
            claim.forget();
        }
        Poll::Ready(self.buffer.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Nothing is held back.
    fn now(_queued: usize) -> bool {
        false
    }

    #[test]
    fn nobody_is_woken_for_what_is_held_back_but_who_comes_by_may_have_it() {
        let buffer = Buffer::new(8);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut waits = Box::pin(buffer.take());
        let mut poll = || waits.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        for n in 0..4 {
            assert!(buffer.try_put(n, |queued| queued <= 3).is_ok());
        }
        assert_eq!(
            wakes.0.load(Ordering::SeqCst),
            1,
            "the fourth is one too many"
        );
        assert_eq!(buffer.try_take(), Ok(0));
        assert_eq!(poll(), Poll::Ready(Some(1)), "the one that was woken");
        assert_eq!(pollster::block_on(buffer.take()), Some(2));
        assert_eq!(buffer.try_take(), Ok(3));
        assert_eq!(buffer.try_take(), Err(Nothing::Yet));
    }

    #[test]
    fn what_was_held_back_is_released_once() {
        let buffer = Buffer::new(8);
        for n in 0..3 {
            assert!(buffer.try_put(n, |_| true).is_ok());
        }
        assert_eq!(buffer.len(), 0);
        assert_eq!(buffer.try_take(), Ok(0));
        buffer.release();
        buffer.release();
        assert_eq!(buffer.len(), 2);
        assert!(buffer.try_put(3, |_| true).is_ok());
        buffer.close();
        let rest: Vec<_> = std::iter::from_fn(|| buffer.try_take().ok()).collect();
        assert_eq!(rest, [1, 2, 3]);
    }

    #[test]
    fn who_waits_for_room_is_woken_when_half_of_it_is_empty() {
        let buffer = Buffer::new(8);
        for n in 0..8 {
            assert!(buffer.try_put(n, now).is_ok());
        }
        assert!(matches!(buffer.try_put(8, now), Err(Refused::Full(8))));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut waiting: Vec<_> = (8..14).map(|n| Box::pin(buffer.put(n))).collect();
        let mut poll = |waits: usize| {
            let waits = waiting[waits].as_mut();
            waits.poll(&mut Context::from_waker(&waker))
        };
        for waits in 0..6 {
            assert!(poll(waits).is_pending());
        }
        for n in 0..3 {
            assert_eq!(buffer.try_take(), Ok(n));
        }
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        assert_eq!(buffer.try_take(), Ok(3));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 4);
        for waits in 0..4 {
            assert!(poll(waits).is_ready());
        }
        assert!(poll(4).is_pending());
    }

    #[test]
    fn one_place_is_filled_again_and_again() {
        let buffer = Buffer::new(0);
        for n in 0..9 {
            assert!(buffer.try_put(n, now).is_ok());
            assert!(buffer.try_put(n, now).is_err());
            assert_eq!(buffer.try_take(), Ok(n));
            assert_eq!(buffer.try_take(), Err(Nothing::Yet));
        }
    }

    #[test]
    fn what_is_in_it_when_it_is_closed_can_be_taken() {
        let buffer = Buffer::new(2);
        assert!(buffer.try_put(1, now).is_ok());
        assert!(buffer.try_put(2, now).is_ok());
        buffer.close();
        assert!(matches!(buffer.try_put(3, now), Err(Refused::Closed)));
        assert!(!pollster::block_on(buffer.put(3)));
        assert_eq!(buffer.try_take(), Ok(1));
        assert_eq!(pollster::block_on(buffer.take()), Some(2));
        assert_eq!(pollster::block_on(buffer.take()), None);
        assert_eq!(buffer.try_take(), Err(Nothing::Ever));
    }

    #[test]
    fn who_gives_up_waiting_leaves_its_item_to_others() {
        let buffer = Buffer::new(2);
        {
            let mut gives_up = pin!(buffer.take());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(gives_up.as_mut().poll(&mut cx).is_pending());
            assert!(buffer.try_put(1, now).is_ok());
            // It is meant for the one that waits.
            assert_eq!(buffer.try_take(), Err(Nothing::Yet));
        }
        assert_eq!(buffer.try_take(), Ok(1));
    }

    #[test]
    fn threads_lose_nothing_and_see_it_end() {
        for capacity in [1, 2, 3, 7, 128] {
            let buffer = Buffer::new(capacity);
            let (sum, takers) = (AtomicUsize::new(0), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                let makers: Vec<_> = (0..3)
                    .map(|first| {
                        let buffer = &buffer;
                        scope.spawn(move || {
                            for n in (first..3000).step_by(3) {
                                assert!(pollster::block_on(buffer.put(n)));
                            }
                        })
                    })
                    .collect();
                for _ in 0..3 {
                    scope.spawn(|| {
                        while let Some(n) = pollster::block_on(buffer.take()) {
                            sum.fetch_add(n, Ordering::SeqCst);
                        }
                        takers.fetch_add(1, Ordering::SeqCst);
                    });
                }
                for maker in makers {
                    maker.join().expect("no assertion failed");
                }
                buffer.close();
            });
            assert_eq!(sum.into_inner(), 2999 * 3000 / 2);
            assert_eq!(takers.into_inner(), 3);
        }
    }
}
