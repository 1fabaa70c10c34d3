//! What is measured at one level.
//!
//! A window opens when the level is filled and ends before it empties, so that neither filling up
//! nor emptying counts. A job that lies partly within it counts for that part: jobs that end in
//! bursts, as jobs of one length do, would otherwise make the rate depend on where the edges fall.

use std::time::Duration;

use paceline_control::{Attempt, Outcome, Signals};

/// A window that is open.
#[derive(Clone, Debug)]
pub(super) struct Window {
    level: usize,
    opened: Duration,
    /// Successful jobs, in parts.
    parts: f64,
    walls: Vec<Duration>,
    cpu: Duration,
    peak_rss_bytes: u64,
    failed: u64,
    busy: u64,
    queued: Duration,
    observed: Duration,
    disk_threads: u64,
    sampled: u64,
}

/// A level that was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement {
    /// Jobs in flight.
    pub(crate) level: usize,
    /// How long it was measured.
    pub(crate) time: Duration,
    /// Jobs that ended well in that time.
    pub(crate) jobs: u64,
    /// Jobs that failed in that time.
    pub(crate) failed: u64,
    /// Jobs that said "busy" in that time.
    pub(crate) busy: u64,
    /// Jobs per second.
    pub(crate) throughput: f64,
    /// Its standard error, in jobs per second, by the spread of the jobs' times.
    pub(crate) error: f64,
    /// From start to end of a job.
    pub(crate) mean_wall: Duration,
    /// Half of the jobs took no longer.
    pub(crate) p50: Duration,
    /// 95 % of the jobs took no longer.
    pub(crate) p95: Duration,
    /// Cores that the jobs kept busy together.
    pub(crate) cores_used: f64,
    /// The share of their time that jobs were ready to run and had no core; `None` if they were
    /// too short to be looked at.
    pub(crate) queued_share: Option<f64>,
    /// Threads waiting for the disk, per job looked at.
    pub(crate) disk_share: f64,
    /// The largest resident set of a job, in bytes.
    pub(crate) peak_rss_bytes: u64,
}

impl Measurement {
    /// The standard error as a share.
    pub(crate) fn relative_error(&self) -> f64 {
        if self.throughput > 0.0 {
            self.error / self.throughput
        } else {
            0.0
        }
    }

    /// CPU seconds of a job.
    pub(crate) fn cpu_per_job(&self) -> f64 {
        if self.throughput > 0.0 {
            self.cores_used / self.throughput
        } else {
            0.0
        }
    }
}

impl Window {
    pub(super) fn open(level: usize, now: Duration) -> Self {
        Self {
            level,
            opened: now,
            parts: 0.0,
            walls: Vec::new(),
            cpu: Duration::ZERO,
            peak_rss_bytes: 0,
            failed: 0,
            busy: 0,
            queued: Duration::ZERO,
            observed: Duration::ZERO,
            disk_threads: 0,
            sampled: 0,
        }
    }

    /// Jobs that have ended well.
    pub(super) fn jobs(&self) -> u64 {
        self.walls.len() as u64
    }

    /// How long it has been open.
    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.opened)
    }

    /// An attempt ended.
    pub(super) fn ended(&mut self, now: Duration, attempt: &Attempt) {
        match attempt.outcome {
            Outcome::Done => {}
            Outcome::Busy => {
                self.busy += 1;
                return;
            }
            Outcome::Failed | Outcome::TimedOut => {
                self.failed += 1;
                return;
            }
            _ => return,
        }
        let within = attempt.wall.min(self.age(now));
        self.parts += share(within, attempt.wall);
        self.walls.push(attempt.wall);
        self.cpu = self.cpu.saturating_add(attempt.cpu);
        self.peak_rss_bytes = self.peak_rss_bytes.max(attempt.peak_rss_bytes);
    }

    /// What the kernel says.
    pub(super) fn tick(&mut self, signals: &Signals) {
        self.queued += signals.run_queue_delay;
        self.observed += signals.observed;
        self.disk_threads += signals.disk_threads as u64;
        self.sampled += signals.sampled as u64;
    }

    /// Closes it, with the times when the jobs still in flight were started. `None` if nothing
    /// has ended well.
    pub(super) fn close(
        mut self,
        now: Duration,
        running: impl Iterator<Item = Duration>,
    ) -> Option<Measurement> {
        let time = self.age(now);
        let count = self.walls.len() as f64;
        if self.walls.is_empty() || time.is_zero() {
            return None;
        }
        let mean = self.walls.iter().map(Duration::as_secs_f64).sum::<f64>() / count;
        let spread = self
            .walls
            .iter()
            .map(|wall| (wall.as_secs_f64() - mean).powi(2))
            .sum::<f64>()
            / (count - 1.0).max(1.0);
        for started in running {
            // It will take about as long as the others, unless it has taken longer already.
            let age = now.saturating_sub(started);
            let whole = mean.max(age.as_secs_f64());
            if whole > 0.0 {
                self.parts += age.min(time).as_secs_f64() / whole;
            }
        }
        let throughput = self.parts / time.as_secs_f64();
        let relative_error = if mean > 0.0 {
            spread.sqrt() / mean / count.sqrt()
        } else {
            0.0
        };
        self.walls.sort_unstable();
        Some(Measurement {
            level: self.level,
            time,
            jobs: self.walls.len() as u64,
            failed: self.failed,
            busy: self.busy,
            throughput,
            error: throughput * relative_error,
            mean_wall: Duration::from_secs_f64(mean),
            p50: quantile(&self.walls, 0.5),
            p95: quantile(&self.walls, 0.95),
            cores_used: throughput * self.cpu.as_secs_f64() / count,
            queued_share: (!self.observed.is_zero())
                .then(|| self.queued.as_secs_f64() / self.observed.as_secs_f64()),
            disk_share: self.disk_threads as f64 / self.sampled.max(1) as f64,
            peak_rss_bytes: self.peak_rss_bytes,
        })
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        1.0
    } else {
        part.as_secs_f64() / whole.as_secs_f64()
    }
}

/// The least of the sorted times that this share of them does not exceed.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn attempt(outcome: Outcome, wall: Duration) -> Attempt {
        Attempt {
            outcome,
            wall,
            cpu: wall / 2,
            run_queue_delay: None,
            peak_rss_bytes: 1000,
        }
    }

    /// Four slots, jobs of 100 ms that all start together: bursts.
    fn bursts(opened: u64, closed: u64) -> Measurement {
        let mut window = Window::open(4, ms(opened));
        for burst in 1..=closed / 100 {
            if burst * 100 <= opened {
                continue;
            }
            for _ in 0..4 {
                window.ended(ms(burst * 100), &attempt(Outcome::Done, ms(100)));
            }
        }
        let running = [ms(closed / 100 * 100); 4];
        window
            .close(ms(closed), running.into_iter())
            .expect("something ended")
    }

    #[test]
    fn bursts_do_not_make_the_rate_depend_on_the_edges() {
        for (opened, closed) in [(0, 400), (50, 450), (99, 401), (1, 499), (30, 370)] {
            let found = bursts(opened, closed);
            assert!((found.throughput - 40.0).abs() < 1e-6, "{found:?}");
            assert!((found.cores_used - 2.0).abs() < 1e-6, "{found:?}");
            assert!(found.error < 1e-9, "all took the same time");
        }
    }

    #[test]
    fn quantiles_are_times_that_occurred() {
        let walls: Vec<Duration> = (1..=20).map(ms).collect();
        assert_eq!(quantile(&walls, 0.5), ms(10));
        assert_eq!(quantile(&walls, 0.95), ms(19));
        assert_eq!(quantile(&walls[..1], 0.95), ms(1));
        assert_eq!(quantile(&[], 0.5), ms(0));
    }

    #[test]
    fn failures_are_counted_and_make_no_throughput() {
        let mut window = Window::open(2, ms(0));
        window.ended(ms(100), &attempt(Outcome::Done, ms(100)));
        window.ended(ms(101), &attempt(Outcome::Failed, ms(1)));
        window.ended(ms(102), &attempt(Outcome::TimedOut, ms(1)));
        window.ended(ms(103), &attempt(Outcome::Busy, ms(1)));
        window.ended(ms(104), &attempt(Outcome::Cancelled, ms(1)));
        let found = window
            .close(ms(200), std::iter::empty())
            .expect("one ended");
        assert_eq!((found.jobs, found.failed, found.busy), (1, 2, 1));
        assert!((found.throughput - 5.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_no_measurement() {
        let close = |window: Window, at| window.close(ms(at), std::iter::empty());
        assert_eq!(close(Window::open(1, ms(0)), 100), None);
        let mut at_once = Window::open(1, ms(5));
        at_once.ended(ms(5), &attempt(Outcome::Done, ms(0)));
        assert_eq!(close(at_once, 5), None);
    }

    #[test]
    fn ticks_tell_what_jobs_waited_for() {
        let mut window = Window::open(2, ms(0));
        for _ in 0..3 {
            window.tick(&Signals {
                sampled: 2,
                observed: ms(100),
                run_queue_delay: ms(25),
                disk_threads: 1,
                ..Signals::default()
            });
        }
        window.ended(ms(100), &attempt(Outcome::Done, ms(100)));
        let found = window
            .close(ms(100), std::iter::empty())
            .expect("one ended");
        assert_eq!(found.queued_share, Some(0.25));
        assert!((found.disk_share - 0.5).abs() < 1e-9);
        let mut unseen = Window::open(1, ms(0));
        unseen.ended(ms(9), &attempt(Outcome::Done, ms(9)));
        let found = unseen.close(ms(10), std::iter::empty()).expect("one ended");
        assert_eq!(found.queued_share, None);
    }
}
