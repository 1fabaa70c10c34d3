//! A leg of the way through a pipeline: from where items are numbered to where they are next put in
//! order or gathered.
//!
//! It counts those on the way. Who puts them in order needs no more room than the leg lets in, and
//! who gathers knows when nothing more can come before it lets go of what it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Items that may be on the way where order is kept.
const WINDOW: usize = 1024;

#[derive(Debug)]
pub(super) struct Way {
    on_it: AtomicUsize,
    pub(super) empty: Notify,
    /// Where order is kept.
    window: Option<Arc<Semaphore>>,
}

/// One item's share of a leg, until it is dropped.
#[derive(Debug)]
pub(super) struct Leg {
    way: Arc<Way>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Way {
    pub(super) fn new(ordered: bool) -> Arc<Self> {
        Arc::new(Self {
            on_it: AtomicUsize::new(0),
            empty: Notify::new(),
            window: ordered.then(|| Arc::new(Semaphore::new(WINDOW))),
        })
    }

    /// Waits for room, and lets one more in.
    pub(super) async fn enter(self: &Arc<Self>) -> Leg {
        let room = match &self.window {
            // It is never closed.
            Some(window) => Arc::clone(window).acquire_owned().await.ok(),
            None => None,
        };
        self.on_it.fetch_add(1, Ordering::AcqRel);
        Leg {
            way: Arc::clone(self),
            _room: room,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.on_it.load(Ordering::Acquire) == 0
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        if self.way.on_it.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.way.empty.notify_waiters();
        }
    }
}
