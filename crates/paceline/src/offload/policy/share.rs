//! Which priority is served next: the highest, but none is starved.
//!
//! While a lower priority waits, it earns a share of the time that is spent on higher ones. As
//! soon as it has earned what its next job is expected to cost, that job is next.

use std::time::Duration;

use crate::offload::Priority;

pub(super) const CLASSES: usize = 3;

/// What a waiting class earns of each second that is spent on a higher one: a ninth of the time
/// for [`Priority::Normal`] below a full load of [`Priority::High`], a seventeenth for
/// [`Priority::Batch`].
const EARNS: [f64; CLASSES] = [0.0, 1.0 / 8.0, 1.0 / 16.0];

/// A turn is reckoned to take as many seconds at least, above all while nothing is measured.
const LEAST: f64 = 0.001;
/// Seconds that a class can have earned at most, so that it does not take over after long waiting.
const MOST: f64 = 0.25;

/// What each class has earned.
#[derive(Debug, Default)]
pub(super) struct Shares {
    earned: [f64; CLASSES],
}

/// A class that waits, with the seconds that its next turn is expected to take.
pub(super) type Waiting = [Option<f64>; CLASSES];

impl Shares {
    /// The class to serve next, of those that wait.
    pub(super) fn pick(&mut self, waiting: Waiting) -> Option<usize> {
        let highest = waiting.iter().position(Option::is_some)?;
        let earned = (highest + 1..CLASSES).find(|&class| {
            waiting[class].is_some_and(|cost| self.earned[class] >= cost.clamp(LEAST, MOST))
        });
        if let Some(class) = earned {
            // The rest of its price is taken when its turn has been measured.
            self.earned[class] = 0.0;
        }
        Some(earned.unwrap_or(highest))
    }

    /// A turn of `class` took so long, while these waited.
    pub(super) fn spent(&mut self, class: Priority, took: Duration, waiting: Waiting) {
        let took = took.as_secs_f64();
        for lower in class.index() + 1..CLASSES {
            self.earned[lower] = match waiting[lower] {
                Some(_) => (self.earned[lower] + took * EARNS[lower]).min(MOST),
                None => 0.0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Waiting = [Some(0.001), Some(0.001), Some(0.001)];

    /// How often each class is served in `turns` turns of a millisecond.
    fn served(turns: usize, waiting: Waiting) -> [usize; CLASSES] {
        let mut shares = Shares::default();
        let mut served = [0; CLASSES];
        for _ in 0..turns {
            let class = shares.pick(waiting).expect("someone waits");
            served[class] += 1;
            shares.spent(Priority::ALL[class], Duration::from_millis(1), waiting);
        }
        served
    }

    #[test]
    fn the_highest_is_served_and_the_others_get_their_share() {
        let [high, normal, batch] = served(1700, ALL);
        assert!(high > 1300, "{high} {normal} {batch}");
        assert!((140..=260).contains(&normal), "{high} {normal} {batch}");
        assert!((80..=140).contains(&batch), "{high} {normal} {batch}");
    }

    #[test]
    fn alone_each_gets_everything() {
        for class in 0..CLASSES {
            let mut waiting = [None; CLASSES];
            waiting[class] = Some(1.0);
            assert_eq!(served(10, waiting)[class], 10);
        }
    }

    #[test]
    fn a_long_job_waits_longer_for_its_turn_but_gets_one() {
        let [_, _, batch] = served(2000, [Some(0.001), None, Some(0.050)]);
        assert_eq!(batch, 2, "50 ms are earned in 800 ms");
        let [_, _, huge] = served(10_000, [Some(0.001), None, Some(100.0)]);
        assert!(huge > 0);
    }

    #[test]
    fn nobody_earns_while_absent() {
        let mut shares = Shares::default();
        shares.spent(
            Priority::High,
            Duration::from_secs(9),
            [Some(0.1), None, None],
        );
        assert_eq!(shares.pick(ALL), Some(0));
    }
}
