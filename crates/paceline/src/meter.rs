//! What the workers of a stage spend their time on.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::threads::cpu_time;

/// The sums of a stage; workers add to them from their [`Tally`] now and then.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) done: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) turned_away: AtomicU64,
    /// In nanoseconds, over all workers; so are those below.
    busy: AtomicU64,
    cpu: AtomicU64,
    starved: AtomicU64,
    blocked: AtomicU64,
    in_work: AtomicUsize,
    peak: AtomicUsize,
}

impl Meter {
    /// An item is in work.
    pub(crate) fn works(&self) {
        let now = self.in_work.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    /// It no longer is.
    pub(crate) fn rests(&self) {
        self.in_work.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn in_work(&self) -> usize {
        self.in_work.load(Ordering::Relaxed)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Ordering::Relaxed))
    }

    /// How long an item takes on average; `None` before the first has been added.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let done = self.done.load(Ordering::Relaxed);
        (done > 0).then(|| Duration::from_nanos(self.busy.load(Ordering::Relaxed) / done))
    }

    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Ordering::Relaxed))
    }

    pub(crate) fn starved(&self) -> Duration {
        Duration::from_nanos(self.starved.load(Ordering::Relaxed))
    }

    pub(crate) fn blocked(&self) -> Duration {
        Duration::from_nanos(self.blocked.load(Ordering::Relaxed))
    }

    pub(crate) fn add_busy(&self, time: Duration) {
        add(&self.busy, time);
    }

    pub(crate) fn add_cpu(&self, time: Duration) {
        add(&self.cpu, time);
    }

    pub(crate) fn add_starved(&self, time: Duration) {
        add(&self.starved, time);
    }

    pub(crate) fn add_blocked(&self, time: Duration) {
        add(&self.blocked, time);
    }
}

fn add(sum: &AtomicU64, time: Duration) {
    sum.fetch_add(
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        Ordering::Relaxed,
    );
}

/// How often a worker adds its tally to the sums.
const EVERY: Duration = Duration::from_millis(1);

/// One worker thread's own sums, so that short items do not fight over the common ones.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    meter: &'a Meter,
    last: Instant,
    /// The thread's CPU time when it last added up.
    cpu: Duration,
    done: u64,
    failed: u64,
    busy: Duration,
}

impl<'a> Tally<'a> {
    /// For the calling thread.
    pub(crate) fn new(meter: &'a Meter) -> Self {
        Self {
            meter,
            last: Instant::now(),
            cpu: cpu_time(),
            done: 0,
            failed: 0,
            busy: Duration::ZERO,
        }
    }

    /// An attempt ended at `now`, after `wall`.
    pub(crate) fn attempt(&mut self, now: Instant, wall: Duration) {
        self.busy += wall;
        if now.saturating_duration_since(self.last) >= EVERY {
            self.add_up(now);
        }
    }

    pub(crate) fn done(&mut self) {
        self.done += 1;
    }

    pub(crate) fn failed(&mut self) {
        self.failed += 1;
    }

    /// Adds all to the sums.
    pub(crate) fn add_up(&mut self, now: Instant) {
        let cpu = cpu_time();
        self.meter.add_cpu(cpu.saturating_sub(self.cpu));
        self.meter.add_busy(self.busy);
        self.meter.done.fetch_add(self.done, Ordering::Relaxed);
        self.meter.failed.fetch_add(self.failed, Ordering::Relaxed);
        (self.cpu, self.last, self.busy) = (cpu, now, Duration::ZERO);
        (self.done, self.failed) = (0, 0);
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.add_up(Instant::now());
    }
}
