//! Records of several cores in one order of time, and how many there are.

use std::time::Duration;

use super::record::Switch;

/// Another core may still be writing a record of this age: it takes its time first and is published after.
/// Without a hypervisor that holds a core between the two, that is microseconds.
const SETTLED_AFTER: Duration = Duration::from_millis(1);

/// Records that wait for earlier ones of other cores.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: Vec<Switch>,
}

impl Order {
    pub(super) fn push(&mut self, switch: Switch) {
        self.held.push(switch);
    }

    /// Hands out what was settled when the rings began to be read at this time, in order.
    pub(super) fn take(&mut self, read_at: Duration, into: &mut Vec<Switch>) {
        self.take_until(read_at.saturating_sub(SETTLED_AFTER), into);
    }

    /// Hands out everything.
    pub(super) fn take_all(&mut self, into: &mut Vec<Switch>) {
        self.take_until(Duration::MAX, into);
    }

    fn take_until(&mut self, until: Duration, into: &mut Vec<Switch>) {
        // Stable: a core's own records stay in their order when the clock stands still.
        self.held.sort_by_key(|switch| switch.at);
        let settled = self.held.partition_point(|switch| switch.at <= until);
        into.extend(self.held.drain(..settled));
    }
}

/// How many switches a second there are, over half seconds.
#[derive(Debug)]
pub(super) struct Rate {
    since: Duration,
    count: u64,
}

/// Beyond this, at half a microsecond each, the records cost the program more than 2 % of a core.
pub(super) const MOST_PER_SECOND: u64 = 50_000;

const WINDOW: Duration = Duration::from_millis(500);

impl Rate {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            since: now,
            count: 0,
        }
    }

    /// Whether these were too many, with those before.
    pub(super) fn is_too_high(&mut self, now: Duration, more: u64) -> bool {
        self.count += more;
        let passed = now.saturating_sub(self.since);
        if passed < WINDOW {
            return false;
        }
        let too_high = self.count as f64 > MOST_PER_SECOND as f64 * passed.as_secs_f64();
        *self = Self::new(now);
        too_high
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Kind;
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn switch(at: Duration, tid: i32) -> Switch {
        Switch {
            at,
            pid: 1,
            tid,
            kind: Kind::In,
        }
    }

    #[test]
    fn what_is_not_settled_waits_for_the_next_time() {
        let mut order = Order::default();
        let mut taken = Vec::new();
        order.push(switch(ms(10), 1));
        order.push(switch(ms(20), 2));
        order.take(ms(20), &mut taken);
        assert_eq!(taken, [switch(ms(10), 1)]);
        // Another core's record of before the last reading.
        order.push(switch(ms(19) + Duration::from_nanos(1), 3));
        order.take(ms(30), &mut taken);
        let tids: Vec<_> = taken.iter().map(|switch| switch.tid).collect();
        assert_eq!(tids, [1, 3, 2]);
    }

    #[test]
    fn all_is_all() {
        let mut order = Order::default();
        let mut taken = Vec::new();
        order.push(switch(ms(20), 2));
        order.push(switch(ms(10), 1));
        order.take_all(&mut taken);
        assert_eq!(taken, [switch(ms(10), 1), switch(ms(20), 2)]);
        assert!(order.held.is_empty());
    }

    #[test]
    fn a_rate_is_of_half_a_second_or_more() {
        let mut rate = Rate::new(ms(0));
        // A burst at the start is no rate.
        assert!(!rate.is_too_high(ms(10), 20_000));
        assert!(!rate.is_too_high(ms(500), 5_000));
        assert!(!rate.is_too_high(ms(900), 25_000));
        assert!(rate.is_too_high(ms(1000), 1));
        assert!(!rate.is_too_high(ms(3000), 100_000));
        assert!(rate.is_too_high(ms(5000), 100_001));
    }

    proptest! {
        #[test]
        fn none_is_lost_and_the_order_is_kept(
            steps in proptest::collection::vec((0..40_u64, 0..4_u64), 0..60),
        ) {
            let mut order = Order::default();
            let mut taken = Vec::new();
            let mut now = 0;
            for (age_us, step_ms) in &steps {
                now += step_ms;
                // Written a little before the reading, by any core.
                order.push(switch(ms(now).saturating_sub(Duration::from_micros(*age_us)), 1));
                order.take(ms(now), &mut taken);
            }
            order.take_all(&mut taken);
            prop_assert_eq!(taken.len(), steps.len());
            prop_assert!(taken.is_sorted_by_key(|switch| switch.at));
        }
    }
}
