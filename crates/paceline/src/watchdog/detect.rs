//! When a worker counts as held: a state machine over its counters, without a clock.

use std::time::Duration;

/// What tokio counts of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Odd while it is parked.
    pub(super) parks: u64,
    /// Written whenever it looks for events.
    pub(super) busy: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Worker {
    seen: Counters,
    /// When the counters were first seen as they are.
    since: Duration,
    held: bool,
}

/// A worker is held, or is no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) worker: usize,
    /// Since when, as far as we can tell: it may be earlier by the time between two looks.
    pub(super) since: Duration,
    pub(super) over: bool,
}

/// Compares counters from look to look.
#[derive(Debug)]
pub(super) struct Detector {
    threshold: Duration,
    workers: Vec<Worker>,
}

impl Detector {
    pub(super) fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            workers: Vec::new(),
        }
    }

    /// Takes the counters of all workers. Each hold is found twice: when it has lasted for the
    /// threshold, and when it is over.
    pub(super) fn look(&mut self, now: Duration, counters: &[Counters]) -> Vec<Finding> {
        let mut found = Vec::new();
        for (index, &seen) in counters.iter().enumerate() {
            let Some(worker) = self.workers.get_mut(index) else {
                self.workers.push(Worker {
                    seen,
                    since: now,
                    held: false,
                });
                continue;
            };
            if worker.seen != seen {
                if worker.held {
                    found.push(Finding {
                        worker: index,
                        since: worker.since,
                        over: true,
                    });
                }
                *worker = Worker {
                    seen,
                    since: now,
                    held: false,
                };
                continue;
            }
            let parked = seen.parks % 2 == 1;
            if !parked && !worker.held && now.saturating_sub(worker.since) >= self.threshold {
                worker.held = true;
                found.push(Finding {
                    worker: index,
                    since: worker.since,
                    over: false,
                });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn counters(parks: u64, busy: u64) -> Counters {
        Counters {
            parks,
            busy: ms(busy),
        }
    }

    #[test]
    fn a_worker_that_stands_still_is_found_once_and_again_when_it_moves() {
        let mut detector = Detector::new(ms(20));
        let still = [counters(4, 7)];
        assert_eq!(detector.look(ms(0), &still), []);
        assert_eq!(detector.look(ms(10), &still), []);
        let (since, worker) = (ms(0), 0);
        let found = |over| {
            [Finding {
                worker,
                since,
                over,
            }]
        };
        assert_eq!(detector.look(ms(20), &still), found(false));
        assert_eq!(detector.look(ms(30), &still), []);
        assert_eq!(detector.look(ms(40), &[counters(5, 40)]), found(true));
        assert_eq!(detector.look(ms(50), &[counters(6, 40)]), []);
    }

    #[test]
    fn a_parked_worker_is_not_held_however_long() {
        let mut detector = Detector::new(ms(20));
        for at in 0..100 {
            assert_eq!(detector.look(ms(at * 10), &[counters(5, 7)]), []);
        }
    }

    #[test]
    fn a_busy_worker_that_looks_for_events_is_not_held() {
        let mut detector = Detector::new(ms(20));
        for at in 0..100 {
            assert_eq!(detector.look(ms(at * 10), &[counters(4, at * 10)]), []);
        }
    }

    #[test]
    fn workers_are_told_apart() {
        let mut detector = Detector::new(ms(20));
        detector.look(ms(0), &[counters(4, 0), counters(4, 0), counters(5, 0)]);
        let found = detector.look(ms(25), &[counters(6, 1), counters(4, 0), counters(5, 0)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].worker, 1);
    }
}
