//! The jobs that ran at one level, and only at it.

use std::collections::VecDeque;

/// Durations kept of an epoch; later ones take the place of earlier ones.
const KEPT: usize = 2048;
/// Jobs that began so shortly before the first level was reached count as of that level, in
/// seconds.
pub(super) const LEAD_IN: f64 = 0.01;
/// So do jobs that began on the way to any other level, if the way took no longer than this part
/// of their life.
const SHORT_WAY: f64 = 0.1;

/// Jobs that ended last.
const LAST: usize = 8;

/// Since the level last changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Epoch {
    /// When the level changed, in seconds.
    changed: f64,
    /// From when on jobs count; `None` until as many are in flight as the level says.
    since: Option<f64>,
    /// Seconds from start to end.
    durations: Vec<f64>,
    count: usize,
    /// All that have ended since the level changed, wherever they began.
    gone: usize,
    /// How long the last few of these lived, in seconds.
    last: VecDeque<f64>,
    failed: usize,
}

impl Epoch {
    pub(crate) fn new(now: f64) -> Self {
        Self {
            changed: now,
            ..Self::default()
        }
    }

    /// In flight is what the level says. `mean` is how long jobs live, if known.
    pub(crate) fn settle(&mut self, now: f64, mean: Option<f64>) {
        if self.since.is_none() {
            let way = now - self.changed;
            self.since = Some(match mean {
                None => self.changed.max(now - LEAD_IN),
                Some(mean) if way <= SHORT_WAY * mean => self.changed,
                Some(_) => now,
            });
        }
    }

    /// Jobs that begin in the next so many seconds do not count.
    pub(crate) fn skip(&mut self, seconds: f64) {
        self.since = self.since.map(|since| since + seconds);
    }

    /// From when on jobs count, in seconds.
    pub(crate) fn since(&self) -> Option<f64> {
        self.since
    }

    /// How long it has been since the level changed, in seconds.
    pub(crate) fn waited(&self, now: f64) -> f64 {
        now - self.changed
    }

    /// How long it has been measuring, in seconds.
    pub(crate) fn measured(&self, now: f64) -> f64 {
        self.since.map_or(0.0, |since| now - since)
    }

    /// A job that began at `began` ended.
    pub(crate) fn ended(&mut self, began: f64, duration: f64, failed: bool) {
        self.gone += 1;
        self.last.push_back(duration);
        if self.last.len() > LAST {
            self.last.pop_front();
        }
        if self.since.is_none_or(|since| began < since) {
            return;
        }
        if self.durations.len() < KEPT {
            self.durations.push(duration);
        } else {
            self.durations[self.count % KEPT] = duration;
        }
        self.count += 1;
        self.failed += usize::from(failed);
    }

    /// Seconds from start to end of the jobs that count and have ended.
    pub(crate) fn durations(&self) -> &[f64] {
        &self.durations
    }

    /// All that have ended since the level changed, before it was reached as well.
    pub(super) fn gone(&self) -> usize {
        self.gone
    }

    /// The jobs that ended last lived longer than this many seconds, all but one of them.
    pub(super) fn lately_above(&self, seconds: f64) -> bool {
        let above = self.last.iter().filter(|lived| **lived > seconds).count();
        self.last.len() == LAST && above + 1 >= LAST
    }

    /// How many these are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The share of them that failed.
    pub(crate) fn failed_share(&self) -> f64 {
        self.failed as f64 / self.count.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_jobs_of_this_level_count() {
        let mut epoch = Epoch::new(1.0);
        epoch.ended(1.0, 0.5, false);
        assert_eq!(epoch.count(), 0, "the level is not reached yet");
        epoch.settle(2.0, Some(0.1));
        epoch.settle(3.0, Some(0.1));
        assert_eq!(epoch.since(), Some(2.0));
        epoch.ended(1.9, 0.5, false);
        epoch.ended(2.0, 0.5, true);
        epoch.ended(2.1, 0.7, false);
        assert_eq!(epoch.durations(), [0.5, 0.7]);
        assert!((epoch.failed_share() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_last_few_are_known_wherever_they_began() {
        let mut epoch = Epoch::new(1.0);
        (0..8).for_each(|_| epoch.ended(0.0, 9.0, false));
        assert_eq!((epoch.gone(), epoch.count()), (8, 0));
        assert!(epoch.lately_above(5.0));
        epoch.ended(0.0, 1.0, false);
        assert!(epoch.lately_above(5.0), "one may be an exception");
        epoch.ended(0.0, 1.0, false);
        assert!(
            !epoch.lately_above(5.0),
            "long jobs have most slots, and others live as ever"
        );
    }

    #[test]
    fn a_short_way_to_the_level_counts_too() {
        let mut epoch = Epoch::new(1.0);
        epoch.settle(1.05, Some(1.0));
        assert_eq!(epoch.since(), Some(1.0));
        let mut first = Epoch::new(1.0);
        first.settle(1.005, None);
        assert_eq!(first.since(), Some(1.0));
    }

    #[test]
    fn those_of_the_first_crowd_may_be_left_out() {
        let mut epoch = Epoch::new(0.0);
        epoch.settle(1.0, None);
        epoch.skip(0.5);
        let since = epoch.since().expect("it was reached");
        epoch.ended(since - 0.1, 1.0, false);
        epoch.ended(since + 0.1, 2.0, false);
        assert_eq!(epoch.durations(), [2.0]);
        assert!(epoch.measured(since - 0.2) < 0.0, "not yet");
        epoch.settle(5.0, None);
        assert_eq!(epoch.since(), Some(since), "settled once");
    }

    #[test]
    fn old_durations_make_room() {
        let mut epoch = Epoch::new(0.0);
        epoch.settle(0.0, None);
        (0..KEPT + 3).for_each(|n| epoch.ended(0.0, n as f64, false));
        assert_eq!(epoch.durations().len(), KEPT);
        assert!((epoch.durations()[2] - (KEPT + 2) as f64).abs() < 1e-9);
        assert_eq!(epoch.count(), KEPT + 3);
    }
}
