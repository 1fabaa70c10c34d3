//! What is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Things with a time, soonest first. Times are since the start of the run.
#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Duration, u64, T)>>,
    count: u64,
}

impl<T: Ord> Timers<T> {
    pub(super) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(super) fn set(&mut self, at: Duration, thing: T) {
        self.count += 1;
        self.heap.push(Reverse((at, self.count, thing)));
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes out one that is due.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, thing))| thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_comes_first() {
        let mut timers = Timers::new();
        let at = Duration::from_secs;
        timers.set(at(3), 'c');
        timers.set(at(1), 'a');
        timers.set(at(1), 'b');
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.pop_due(at(0)), None);
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(2))).collect();
        assert_eq!(due, ['a', 'b']);
        assert_eq!(timers.next(), Some(at(3)));
    }
}
