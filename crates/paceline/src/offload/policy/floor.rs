//! When niced threads need help.
//!
//! Niced threads give way to the event loop. If that, or another program, fills all the cores, they
//! are left with a tenth of a core or less, and what was accepted misses its deadline. A thread may
//! not take back niceness without privileges, so the pool keeps one thread of normal priority in
//! reserve. This decides when that one may work.

use std::time::Duration;

/// Less run-queue time than this says nothing.
const ENOUGH: f64 = 0.020;
/// Older glances count less by this factor for each new one.
const FORGETS: f64 = 0.7;

/// What the niced threads got since the last glance.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::offload) struct Glance {
    /// Time they ran on a core.
    pub(in crate::offload) ran: Duration,
    /// Time they were runnable, but had no core.
    pub(in crate::offload) queued: Duration,
    /// How many of them have work.
    pub(in crate::offload) busy: usize,
}

/// Keeps the share of niced threads above a floor.
#[derive(Debug)]
pub(in crate::offload) struct Floor {
    share: f64,
    cores: f64,
    ran: f64,
    wanted: f64,
    open: bool,
}

impl Floor {
    /// Niced threads are starved if they get less than `share` of what they would have if nothing
    /// else ran on the `cores`.
    pub(in crate::offload) fn new(share: f64, cores: usize) -> Self {
        Self {
            share,
            cores: cores.max(1) as f64,
            ran: 0.0,
            wanted: 0.0,
            open: false,
        }
    }

    /// Takes a glance and says whether the thread in reserve may work.
    pub(in crate::offload) fn on(&mut self, glance: Glance) -> bool {
        if glance.busy == 0 {
            (self.ran, self.wanted, self.open) = (0.0, 0.0, false);
            return false;
        }
        let ran = glance.ran.as_secs_f64();
        // Alone on the machine they would have queued for one another only.
        let alone = (self.cores / glance.busy as f64).min(1.0);
        self.ran = self.ran * FORGETS + ran;
        self.wanted = self.wanted * FORGETS + (ran + glance.queued.as_secs_f64()) * alone;
        if self.wanted >= ENOUGH {
            let bar = if self.open {
                // It must be clearly better before the help is taken away: the help itself frees
                // no core for them.
                2.0 * self.share
            } else {
                self.share
            };
            self.open = self.ran < bar.min(1.0) * self.wanted;
        }
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(ran: u64, queued: u64, busy: usize) -> Glance {
        Glance {
            ran: Duration::from_millis(ran),
            queued: Duration::from_millis(queued),
            busy,
        }
    }

    #[test]
    fn opens_when_they_starve_and_closes_when_they_do_not() {
        let mut floor = Floor::new(0.2, 2);
        assert!(!floor.on(glance(20, 0, 2)), "all they want");
        let opened = (0..10).position(|_| floor.on(glance(2, 18, 2)));
        assert!(opened.is_some_and(|glances| glances > 0), "{opened:?}");
        let closed = (0..20).position(|_| !floor.on(glance(20, 0, 2)));
        assert!(closed.is_some());
    }

    #[test]
    fn queueing_for_one_another_is_no_starvation() {
        let mut floor = Floor::new(0.2, 2);
        for _ in 0..50 {
            // Sixteen threads on two cores, alone.
            assert!(!floor.on(glance(20, 140, 16)));
        }
    }

    #[test]
    fn a_short_wait_says_nothing_and_idleness_forgets() {
        let mut floor = Floor::new(0.2, 2);
        assert!(!floor.on(glance(0, 1, 1)));
        for _ in 0..10 {
            floor.on(glance(1, 19, 2));
        }
        assert!(!floor.on(glance(0, 0, 0)));
        assert!(!floor.on(glance(0, 1, 1)));
    }
}
