//! Whether the cores are all at work, so that to wake a thread takes one of them from it.
//!
//! An item for a stage that blocks need not have a thread woken at once while all cores compute: the
//! threads of that stage which are awake come for it when they are done with theirs, a moment later. To
//! wake one for each item costs the cores twice as much as all else that the stage does. As soon as a
//! core has nothing to compute, nothing is held back any more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, Weak};

use super::queue::Grow;

/// Those that compute, in all stages of a run.
pub(super) struct Crew {
    cores: usize,
    /// Workers that compute or are about to: not those that wait for items, or for room.
    computing: AtomicUsize,
    /// Stages that may hold items back.
    holds_back: Mutex<Vec<Weak<dyn Grow>>>,
}

impl Crew {
    pub(super) fn new(cores: f64) -> Self {
        Self {
            cores: cores.ceil().max(1.0) as usize,
            computing: AtomicUsize::new(0),
            holds_back: Mutex::default(),
        }
    }

    /// Calls on this stage when a core has nothing to do.
    pub(super) fn add(&self, stage: Weak<dyn Grow>) {
        let mut stages = self
            .holds_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        stages.push(stage);
    }

    /// All cores compute.
    pub(super) fn is_full(&self) -> bool {
        self.computing.load(Ordering::SeqCst) >= self.cores
    }

    /// A worker has something to compute.
    pub(super) fn computes(&self) {
        self.computing.fetch_add(1, Ordering::SeqCst);
    }

    /// It has no longer; others may have the core.
    pub(super) fn pauses(&self) {
        let before = self.computing.fetch_sub(1, Ordering::SeqCst);
        if before > self.cores {
            return;
        }
        let stages = self
            .holds_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stage in stages.iter().filter_map(Weak::upgrade) {
            stage.release();
        }
    }
}

/// A worker's place in the crew, if it is of a stage that computes; left when it is dropped.
pub(super) struct Place<'a> {
    crew: Option<&'a Crew>,
    taken: bool,
}

impl<'a> Place<'a> {
    pub(super) fn take(crew: Option<&'a Crew>) -> Self {
        let mut place = Self { crew, taken: false };
        place.computes();
        place
    }

    pub(super) fn computes(&mut self) {
        if let Some(crew) = self.crew.filter(|_| !self.taken) {
            crew.computes();
            self.taken = true;
        }
    }

    pub(super) fn pauses(&mut self) {
        if let Some(crew) = self.crew.filter(|_| self.taken) {
            self.taken = false;
            crew.pauses();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pauses();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Default)]
    struct Stage(AtomicUsize);

    impl Grow for Stage {
        fn grow(self: Arc<Self>) {}

        fn release(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }

        fn can_wait(&self, _queued: usize) -> bool {
            true
        }
    }

    #[test]
    fn stages_are_called_on_as_soon_as_a_core_is_free() {
        let stage = Arc::new(Stage::default());
        let as_seen: Arc<dyn Grow> = stage.clone();
        let crew = Crew::new(1.5);
        crew.add(Arc::downgrade(&as_seen));
        let mut places: Vec<_> = (0..3).map(|_| Place::take(Some(&crew))).collect();
        assert!(crew.is_full());
        // The third had to share.
        places.pop();
        assert!(crew.is_full());
        assert_eq!(stage.0.load(Ordering::SeqCst), 0);
        places[0].pauses();
        places[0].pauses();
        assert!(!crew.is_full());
        assert_eq!(stage.0.load(Ordering::SeqCst), 1);
        places[0].computes();
        assert!(crew.is_full());
        drop(places);
        assert!(!crew.is_full());
        assert_eq!(stage.0.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn stages_that_wait_have_no_place_in_it() {
        let crew = Crew::new(1.0);
        drop(Place::take(None));
        assert!(!crew.is_full());
    }
}
