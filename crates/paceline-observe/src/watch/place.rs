//! On which core we look.
//!
//! A thread that shares its core with us is seen to wait less often than it does: we get the core when it begins to
//! wait, and what ends a short wait is handled before we have looked. From another core it is seen as it is.

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Looks between two moves, at first and in the end: a move costs about as much as a look.
const FIRST_STAY: u32 = 8;
const LONGEST_STAY: u32 = 256;

/// The cores of the calling thread.
pub(crate) struct Place {
    /// Those that it might use before it was moved.
    allowed: Option<CpuSet>,
    /// So many looks more from here.
    stay: u32,
    next_stay: u32,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            allowed: None,
            stay: 0,
            next_stay: FIRST_STAY,
        }
    }
}

impl Place {
    /// After a look; `misses` if waits escape us here.
    pub(crate) fn after(&mut self, misses: bool) {
        self.stay = self.stay.saturating_sub(1);
        if misses && self.stay == 0 {
            self.change();
            self.stay = self.next_stay;
            self.next_stay = (self.next_stay * 2).min(LONGEST_STAY);
        }
    }

    /// Moves the calling thread away from its core, if there is another for it.
    fn change(&mut self) {
        let Some(allowed) = self.allowed.or_else(|| sched_getaffinity(None).ok()) else {
            return;
        };
        let mut others = allowed;
        others.unset(sched_getcpu());
        if others.count() > 0 && sched_setaffinity(None, &others).is_ok() {
            self.allowed = Some(allowed);
        }
    }

    /// Lets it run again wherever it might before.
    pub(crate) fn give_up(&mut self) {
        if let Some(allowed) = self.allowed.take() {
            // Its cores may have been taken away since; the kernel has given it others then.
            let _ = sched_setaffinity(None, &allowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_goes_to_another_core_and_may_come_back() {
        std::thread::spawn(|| {
            let cores = || sched_getaffinity(None).expect("is told");
            let before = cores();
            let mut place = Place::default();
            for _ in 0..3 {
                let here = sched_getcpu();
                place.change();
                if before.count() > 1 {
                    assert!(!cores().is_set(here) && sched_getcpu() != here);
                    assert_eq!(cores().count(), before.count() - 1);
                }
            }
            place.give_up();
            assert_eq!(cores(), before);
            place.give_up();
            assert_eq!(cores(), before);
        })
        .join()
        .expect("ends");
    }
}
