//! What the jobs seem to share, judged from what their threads wait for.
//!
//! Jobs that began since the last tick are left out where possible: they are still loading,
//! which looks like disk and CPU whatever they will do. Entering a verdict takes more than
//! staying in it, so that single odd ticks change nothing.

use std::time::Duration;

use crate::controller::Signals;
use crate::smooth::fade;

/// Seconds over which the shares are averaged.
const MEMORY: f64 = 0.06;
/// Share of the looked-at jobs that must wait on timers alone, and for how many ticks in a row.
const TIMERS_ENTER: (f64, u32) = (0.9, 2);
/// Average share below which the jobs no longer wait on timers alone.
const TIMERS_LEAVE: f64 = 0.6;
/// Cores per job up to which timer jobs count as using no CPU, and from which they do.
const BUSY: (f64, f64) = (0.2, 0.35);
/// Jobs that must be seen to be connected, at least, and as a share of those that are looked at.
const CONNECTED: (usize, f64) = (8, 0.5);
/// Average share of jobs in disk wait from which, and down to which, they are disk-bound.
const DISK: (f64, f64) = (0.5, 0.3);

/// What jobs in flight have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Something may be shared: a server, a lock, a pipe.
    #[default]
    Unknown,
    /// Most of them wait for the disk.
    Disk,
    /// They wait on timers alone.
    Nothing,
}

/// The evidence behind a [`Verdict`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Sharing {
    verdict: Verdict,
    timer_streak: u32,
    /// Ticks that went into the averages.
    looks: u32,
    timers: f64,
    disk: f64,
    spread: Option<f64>,
}

impl Sharing {
    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many jobs there are for each at the peer that has the most of them; `None` if unknown.
    pub(crate) fn spread(&self) -> Option<f64> {
        self.spread
    }

    /// Signals for the last `gap`, in which `started` jobs began. `busy` is what one job uses of
    /// a core, if known.
    pub(crate) fn tick(
        &mut self,
        gap: Duration,
        signals: &Signals,
        started: usize,
        busy: Option<f64>,
    ) {
        if signals.sampled == 0 {
            return;
        }
        let sampled = signals.sampled as f64;
        if let Some(peers) = signals.peers {
            let enough = peers.jobs >= CONNECTED.0 && peers.jobs as f64 >= CONNECTED.1 * sampled;
            let spread = peers.jobs as f64 / peers.heaviest.max(1) as f64;
            self.spread = enough.then_some(spread);
        }
        let timers = signals.timer_only as f64 / sampled;
        if timers >= TIMERS_ENTER.0 {
            self.timer_streak = self.timer_streak.saturating_add(1);
        } else {
            self.timer_streak = 0;
        }

        let young = (started as f64 * sampled / signals.in_flight.max(1) as f64).min(sampled);
        let settled = sampled - young;
        if settled >= (sampled / 4.0).max(1.0) {
            // The first look stands alone.
            self.looks = self.looks.saturating_add(1);
            let keep = fade(gap, MEMORY).min(1.0 - 1.0 / f64::from(self.looks));
            let timers = (signals.timer_only as f64 / settled).min(1.0);
            let disk = ((signals.disk_threads as f64 - young) / settled).clamp(0.0, 1.0);
            self.timers = keep * self.timers + (1.0 - keep) * timers;
            self.disk = keep * self.disk + (1.0 - keep) * disk;
        }
        self.judge(busy);
    }

    fn judge(&mut self, busy: Option<f64>) {
        let staying = self.verdict == Verdict::Nothing;
        let idle = busy.is_some_and(|busy| busy < if staying { BUSY.1 } else { BUSY.0 });
        let timers = if staying {
            self.timers >= TIMERS_LEAVE
        } else {
            self.timer_streak >= TIMERS_ENTER.1
        };
        let disk = self.disk
            >= if self.verdict == Verdict::Disk {
                DISK.1
            } else {
                DISK.0
            };
        let verdict = if timers && idle {
            Verdict::Nothing
        } else if disk {
            Verdict::Disk
        } else {
            Verdict::Unknown
        };
        if verdict == Verdict::Nothing && !staying {
            // The average may still remember what came before.
            self.timers = 1.0;
        }
        self.verdict = verdict;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::PeerLoad;

    const TICK: Duration = Duration::from_millis(5);
    const IDLE: Option<f64> = Some(0.01);

    fn signals(jobs: usize, timers: usize, disk: usize) -> Signals {
        Signals {
            in_flight: jobs,
            sampled: jobs,
            timer_only: timers,
            disk_threads: disk,
            ..Signals::default()
        }
    }

    #[test]
    fn two_ticks_of_timers() {
        let mut sharing = Sharing::default();
        sharing.tick(TICK, &signals(10, 9, 0), 0, IDLE);
        assert_eq!(sharing.verdict(), Verdict::Unknown);
        sharing.tick(TICK, &signals(10, 8, 0), 0, IDLE);
        sharing.tick(TICK, &signals(10, 9, 0), 0, IDLE);
        assert_eq!(sharing.verdict(), Verdict::Unknown, "in a row");
        sharing.tick(TICK, &signals(10, 9, 0), 0, IDLE);
        assert_eq!(sharing.verdict(), Verdict::Nothing);
    }

    #[test]
    fn one_odd_tick_or_new_jobs_change_nothing_but_a_change_does() {
        let mut sharing = Sharing::default();
        for _ in 0..2 {
            sharing.tick(TICK, &signals(10, 10, 0), 0, IDLE);
        }
        sharing.tick(TICK, &signals(10, 0, 0), 0, IDLE);
        assert_eq!(sharing.verdict(), Verdict::Nothing);
        for _ in 0..100 {
            sharing.tick(TICK, &signals(20, 10, 0), 10, IDLE);
        }
        assert_eq!(sharing.verdict(), Verdict::Nothing);
        for _ in 0..10 {
            sharing.tick(TICK, &signals(20, 2, 0), 0, IDLE);
        }
        assert_eq!(sharing.verdict(), Verdict::Unknown);
    }

    #[test]
    fn the_spread_over_peers_is_that_of_the_last_look() {
        let mut sharing = Sharing::default();
        let mut look = |peers: Option<(usize, usize)>| {
            let seen = Signals {
                peers: peers.map(|(jobs, heaviest)| PeerLoad { jobs, heaviest }),
                ..signals(32, 0, 0)
            };
            sharing.tick(TICK, &seen, 0, IDLE);
            sharing.spread()
        };
        assert_eq!(look(None), None);
        assert_eq!(look(Some((32, 4))), Some(8.0));
        assert_eq!(look(None), Some(8.0), "not looked up");
        assert_eq!(look(Some((15, 1))), None, "most have not connected");
        assert_eq!(look(Some((16, 1))), Some(16.0));
        assert_eq!(look(Some((0, 0))), None);
    }

    #[test]
    fn busy_jobs_share_the_cores() {
        let mut sharing = Sharing::default();
        for busy in [None, Some(0.3), Some(0.9)] {
            for _ in 0..5 {
                sharing.tick(TICK, &signals(10, 10, 0), 0, busy);
            }
            assert_eq!(sharing.verdict(), Verdict::Unknown);
        }
        for _ in 0..2 {
            sharing.tick(TICK, &signals(10, 10, 0), 0, IDLE);
        }
        sharing.tick(TICK, &signals(10, 10, 0), 0, Some(0.3));
        assert_eq!(
            sharing.verdict(),
            Verdict::Nothing,
            "harder to leave than to enter"
        );
        sharing.tick(TICK, &signals(10, 10, 0), 0, Some(0.5));
        assert_eq!(sharing.verdict(), Verdict::Unknown);
    }

    #[test]
    fn disk_needs_more_than_loading() {
        let mut sharing = Sharing::default();
        for _ in 0..50 {
            sharing.tick(TICK, &signals(10, 0, 6), 5, IDLE);
        }
        assert_eq!(sharing.verdict(), Verdict::Unknown);
        for _ in 0..20 {
            sharing.tick(TICK, &signals(10, 0, 8), 0, IDLE);
        }
        assert_eq!(sharing.verdict(), Verdict::Disk);
    }
}
