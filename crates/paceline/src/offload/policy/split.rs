//! How many items the next piece of a split job has.

use std::time::Duration;

/// What a piece should take: long against the microsecond that handing it out costs, short against
/// what a job of another priority would mind waiting.
const TARGET: f64 = 0.001;
/// A piece is at most so many times the one before: a few cheap items say little of the rest.
const GROWTH: usize = 8;
/// Items of a piece at most, since they are held in memory.
const MOST: usize = 1 << 16;
/// The newest piece counts this much.
const NEWEST: f64 = 0.3;

/// Sizes pieces by what their items were seen to cost.
#[derive(Clone, Debug)]
pub(in crate::offload) struct Splitter {
    threads: usize,
    last: usize,
    /// Seconds per item.
    cost: Option<f64>,
}

impl Splitter {
    pub(in crate::offload) fn new(threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            last: 0,
            cost: None,
        }
    }

    /// How many items to cut off next, at least 1, if at most `left` are left. The first pieces are
    /// small; later ones take about a millisecond; the last ones shrink, so that all threads end
    /// together (guided self-scheduling, Polychronopoulos and Kuck 1987).
    pub(in crate::offload) fn next(&mut self, left: Option<usize>) -> usize {
        let by_cost = match self.cost {
            None => 1,
            Some(cost) => (TARGET / cost.max(1e-10)) as usize,
        };
        let grown = if self.cost.is_none() {
            1
        } else {
            self.last.saturating_mul(GROWTH)
        };
        let even = left.map_or(usize::MAX, |left| left.div_ceil(2 * self.threads));
        let size = by_cost.min(grown).min(even).clamp(1, MOST);
        // The shrinking of the tail says nothing about what a piece may be.
        self.last = self.last.max(size);
        size
    }

    /// A piece of so many items took so long.
    pub(in crate::offload) fn ran(&mut self, items: usize, took: Duration) {
        if items == 0 {
            return;
        }
        let cost = took.as_secs_f64() / items as f64;
        self.cost = Some(match self.cost {
            None => cost,
            // A costly piece counts at once: too large a piece keeps others waiting, too small a
            // one costs next to nothing.
            Some(known) if cost > known => cost,
            Some(known) => known + (cost - known) * NEWEST,
        });
    }

    /// The time that one thread would need for so many items.
    pub(in crate::offload) fn needs(&self, items: usize) -> Option<Duration> {
        self.cost
            .and_then(|cost| Duration::try_from_secs_f64(cost * items as f64).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts a job whose items cost what `cost` says, in seconds; returns the pieces.
    fn cut(items: usize, threads: usize, cost: impl Fn(usize) -> f64) -> Vec<(usize, f64)> {
        let mut splitter = Splitter::new(threads);
        let (mut at, mut pieces) = (0, Vec::new());
        while at < items {
            let size = splitter.next(Some(items - at)).min(items - at);
            let took: f64 = (at..at + size).map(&cost).sum();
            splitter.ran(size, Duration::from_secs_f64(took));
            pieces.push((size, took));
            at += size;
        }
        pieces
    }

    #[test]
    fn pieces_of_cheap_items_grow_to_a_millisecond() {
        let pieces = cut(1_000_000, 2, |_| 1e-6);
        assert_eq!(pieces[0].0, 1);
        let most = pieces.iter().map(|piece| piece.0).max();
        assert!(
            most.is_some_and(|most| (800..=1000).contains(&most)),
            "{most:?}"
        );
        assert!(pieces.len() < 1100, "{}", pieces.len());
    }

    #[test]
    fn costly_items_go_one_by_one() {
        assert!(cut(50, 2, |_| 0.02).iter().all(|piece| piece.0 == 1));
    }

    #[test]
    fn the_last_pieces_are_small() {
        let pieces = cut(10_000, 4, |_| 1e-6);
        assert_eq!(pieces.last().map(|piece| piece.0), Some(1));
    }

    #[test]
    fn items_that_become_costly_are_noticed_within_a_piece() {
        let pieces = cut(20_000, 2, |item| if item < 5_000 { 1e-6 } else { 1e-4 });
        let long = pieces.iter().filter(|piece| piece.1 > 0.004).count();
        assert!(long <= 2, "{long} pieces took over 4 ms");
    }

    proptest! {
        #[test]
        fn a_piece_is_never_empty_nor_without_bound(
            seen in prop::collection::vec((0usize..5000, 0u64..10_000_000_000), 0..40),
            left in prop::option::of(0usize..1_000_000),
        ) {
            let mut splitter = Splitter::new(3);
            for (items, nanos) in seen {
                let size = splitter.next(left);
                prop_assert!((1..=MOST).contains(&size));
                splitter.ran(items, Duration::from_nanos(nanos));
            }
        }
    }
}
