//! How many jobs fit in memory, and how many of those in flight do not.
//!
//! The expectation for one job lies somewhat below the mean peak, because jobs seldom peak
//! together, and rises with the spread of the peaks. What jobs hold right now counts as
//! available to jobs: it returns when they end.
//!
//! Before a few have ended, running jobs speak for what they will need; if they still grow, they
//! are taken to go on growing for as long as they have. And if the estimate was wrong all the
//! same, some must go before the kernel picks its own: [`MemoryCap::excess`] counts them.

use std::time::Duration;

use super::Cap;
use crate::controller::Signals;
use crate::reason::Reason;
use crate::smooth::{Mean, fade};

/// Peaks of this many finished jobs are trusted over the present size of the running ones.
const ENOUGH_PEAKS: u64 = 3;
/// Peaks older than about this many jobs have faded.
const PEAK_WINDOW: f64 = 64.0;
/// The share of the memory that is planned for; the rest absorbs surprises.
const PLANNED: f64 = 0.95;
/// The cap stays while the evidence moves it by less than this share.
const STEADY: f64 = 0.1;
/// For how long the size of running jobs is averaged: seconds at least, and mean durations.
const AVERAGED: (f64, f64) = (0.3, 2.0);
/// Generations of jobs after which their size while running is trusted over the peaks: that not
/// all peak together has then been seen.
const GENERATIONS: f64 = 3.0;
/// Running jobs of which an average is an average.
const ENOUGH_JOBS: f64 = 4.0;
/// Standard deviations of that size for which there is to be room.
const ROOM: f64 = 2.0;
/// Generations that must succeed after jobs had to go before one more is tried; doubles each time.
const PATIENCE: (u32, u32) = (2, 64);
/// More jobs than ever by this factor start the generations anew.
const STEADY_JOBS: f64 = 1.1;
/// Seconds over which growth is averaged.
const GROWTH: f64 = 0.01;
/// Jobs are taken to grow on for as long as they have, but no longer than this many seconds.
const GROWS_ON: f64 = 2.0;
/// Growing jobs of unknown size must find room for so many seconds before more are added.
const ROOM_SECONDS: f64 = 1.0;
/// The share of the memory that must stay free.
const RESERVE: f64 = 0.05;
/// Jobs that hold less than this share of the memory in all are not what fills it.
const GUILTY: f64 = 0.25;
/// For so many seconds those that stay should find room, as they grow now.
const AHEAD: f64 = 0.1;
/// Between seeing the shortage and the memory of an ended job coming back, in seconds, at least.
const REACTION: f64 = 0.015;

/// The memory cap.
#[derive(Clone, Debug)]
pub(crate) struct MemoryCap {
    /// Bytes that jobs may take in all, whatever is available at the moment.
    total: f64,
    /// Bytes that jobs may take at this moment.
    budget: f64,
    /// Finished jobs' peaks, in bytes.
    peaks: Mean,
    /// Seconds from start to end of jobs.
    wall: Mean,
    /// Jobs that ended since the limit was last so high.
    steady: f64,
    /// Resident bytes of one running job, on average over jobs and some time, and the variance
    /// over time of the average over jobs.
    live: f64,
    variance: f64,
    /// The same at the last tick.
    mean: f64,
    /// Running jobs then.
    jobs: f64,
    /// The most that were ever running.
    most: f64,
    /// Resident bytes of all of them.
    held: f64,
    /// By how many bytes per second they grow together.
    growth: f64,
    /// Seconds since the first tick that saw jobs.
    seen: f64,
    /// For how many seconds the running jobs have lived, on average; no limit if not told.
    age: f64,
    /// Bytes free at the last tick; `None` if unknown, or if jobs had to go since.
    free: Option<f64>,
    last_free: Option<f64>,
    /// By how many bytes per second that falls, whoever takes them.
    fall: f64,
    /// Seconds between the last two ticks.
    gap: f64,
    /// Jobs that proved to be all that fits, and how many have succeeded since.
    proved: Option<(usize, usize)>,
    patience: u32,
    published: Option<Published>,
}

#[derive(Clone, Copy, Debug)]
struct Published {
    jobs: usize,
    per_job: f64,
    budget: f64,
}

impl MemoryCap {
    /// `total` in bytes; 0 stands for unknown.
    pub(crate) fn new(total: u64) -> Self {
        let total = if total == 0 {
            f64::INFINITY
        } else {
            total as f64
        };
        Self {
            total,
            budget: total,
            peaks: Mean::default(),
            wall: Mean::default(),
            steady: 0.0,
            live: 0.0,
            variance: 0.0,
            mean: 0.0,
            jobs: 0.0,
            most: 0.0,
            held: 0.0,
            growth: 0.0,
            seen: 0.0,
            age: f64::INFINITY,
            free: None,
            last_free: None,
            fall: 0.0,
            gap: 0.0,
            proved: None,
            patience: PATIENCE.0 / 2,
            published: None,
        }
    }

    /// What jobs needed in an earlier run, in bytes each.
    pub(crate) fn recall(&mut self, job_bytes: u64) {
        for _ in 0..ENOUGH_PEAKS {
            self.finished(job_bytes, 0.0, 0);
        }
    }

    /// A job ended after `wall_seconds` having held `peak` bytes at most; 0 stands for unknown.
    pub(crate) fn finished(&mut self, peak: u64, wall_seconds: f64, in_flight: usize) {
        self.wall.add(wall_seconds.clamp(0.0, 1e6), PEAK_WINDOW);
        self.steady += 1.0;
        if let Some((jobs, successes)) = &mut self.proved {
            *successes += 1;
            // What jobs need may have changed; another is tried, rarely.
            if *successes >= *jobs * self.patience as usize {
                (*jobs, *successes) = (*jobs + 1, 0);
            }
        }
        if peak > 0 {
            self.peaks.add(peak as f64, PEAK_WINDOW);
            self.publish(in_flight);
        }
    }

    /// The jobs in flight have lived for so many seconds, on average.
    pub(crate) fn lived(&mut self, mean_age: f64) {
        self.age = mean_age;
    }

    /// Signals for the last `gap`.
    pub(crate) fn tick(&mut self, gap: Duration, signals: &Signals, in_flight: usize) {
        self.gap = gap.as_secs_f64().clamp(1e-4, 1.0);
        let free = (signals.memory_available_bytes > 0)
            .then_some((signals.memory_available_bytes as f64).min(self.total));
        let keep = fade(gap, GROWTH);
        let fall = match (self.last_free, free) {
            (Some(before), Some(now)) => (before - now) / self.gap,
            _ => 0.0,
        };
        self.fall = keep * self.fall + (1.0 - keep) * fall;
        self.free = free;
        self.last_free = free;
        if signals.sampled == 0 {
            // Nobody was looked at; what the jobs hold is not known better than before.
            if in_flight == 0 {
                self.growth = 0.0;
                self.seen = 0.0;
            }
            return;
        }
        let live = signals.rss_bytes as f64 / signals.sampled as f64;
        let jobs = signals.in_flight.max(signals.sampled) as f64;
        let held = live * jobs;
        let stays = fade(gap, AVERAGED.0.max(AVERAGED.1 * self.wall.mean()));
        let stays = if self.seen > 0.0 { stays } else { 0.0 };
        let off = live - self.live;
        self.live += (1.0 - stays) * off;
        self.variance = stays * (self.variance + (1.0 - stays) * off * off);
        let observed = signals.observed.as_secs_f64().max(self.gap);
        let growth = signals.grown_bytes as f64 / observed * jobs;
        self.growth = keep * self.growth + (1.0 - keep) * growth;
        self.mean = live;
        if jobs > STEADY_JOBS * self.most {
            self.steady = 0.0;
            self.most = jobs;
        }
        self.jobs = jobs;
        self.held = held;
        self.seen += self.gap;
        if let Some(free) = free {
            self.budget = self.total.min(free + held);
        }
        self.publish(in_flight);
    }

    /// `None` while nothing is known of the jobs' size.
    pub(crate) fn cap(&self) -> Option<Cap> {
        self.published.map(|now| match self.proved {
            Some((jobs, _)) if jobs < now.jobs => Cap {
                jobs,
                reason: Reason::MemoryShort { jobs },
            },
            _ => Cap {
                jobs: now.jobs,
                reason: Reason::Memory {
                    jobs: now.jobs,
                    per_job_bytes: now.per_job as u64,
                    memory_bytes: now.budget as u64,
                },
            },
        })
    }

    /// What one job is expected to need, in bytes; 0 if unknown.
    pub(crate) fn job_bytes(&self) -> u64 {
        if self.peaks.count() < ENOUGH_PEAKS {
            return 0;
        }
        self.expected() as u64
    }

    /// Memory is filling up: the next look should be soon.
    pub(crate) fn is_urgent(&self) -> bool {
        self.growth.max(self.fall) > 0.0 && self.held > 0.5 * self.budget
    }

    /// `next` jobs may be in flight instead of `in_flight`: it is known what jobs need, or they have
    /// stopped growing, or all that time there will be room.
    pub(crate) fn may_rise(&self, in_flight: usize, next: usize) -> bool {
        let (true, Some(free)) = (self.peaks.count() < ENOUGH_PEAKS, self.free) else {
            return true;
        };
        let growth = self.growth * next as f64 / in_flight.max(1) as f64;
        growth * ROOM_SECONDS < free
    }

    /// How many of `in_flight` jobs must go at once because memory is running out. They are then
    /// counted as not fitting.
    pub(crate) fn excess(&mut self, in_flight: usize) -> usize {
        let Some(free) = self.free else { return 0 };
        let fall = self.fall.max(0.0);
        let soon = fall * (1.5 * self.gap + REACTION);
        let all = if self.total.is_finite() {
            self.total
        } else {
            self.budget
        };
        let guilty = self.held >= GUILTY * all;
        if in_flight < 2 || !guilty || free - soon >= RESERVE * self.budget {
            return 0;
        }
        // One by one they would hardly go faster than the others grow.
        let ahead = fall * AHEAD;
        let each = (self.held + ahead.max(soon)) / in_flight as f64;
        let fit = (PLANNED * self.budget / each.max(1.0)) as usize;
        let keep = fit.clamp(1, in_flight - 1);
        self.proved = Some((keep, 0));
        self.patience = (self.patience * 2).min(PATIENCE.1);
        // Until the next look, and in it, as if they had never been.
        let stays = keep as f64 / in_flight as f64;
        self.free = None;
        self.held *= stays;
        self.growth *= stays;
        self.fall = 0.0;
        self.last_free = None;
        self.jobs = keep as f64;
        self.publish(in_flight);
        in_flight - keep
    }

    /// The kernel was faster, and has killed one of `in_flight` jobs.
    pub(crate) fn ran_out(&mut self, in_flight: usize) {
        let keep = in_flight.saturating_sub(in_flight.div_ceil(5)).max(1);
        let keep = self.proved.map_or(keep, |(old, _)| old.min(keep));
        self.proved = Some((keep, 0));
        self.patience = (self.patience * 2).min(PATIENCE.1);
        self.publish(in_flight);
    }

    /// What one more job is expected to need, in bytes.
    fn per_job(&self) -> f64 {
        if self.peaks.count() < ENOUGH_PEAKS {
            let jobs = self.jobs.max(1.0);
            return self.mean.max(self.live)
                + self.growth / jobs * self.seen.min(self.age).min(GROWS_ON);
        }
        if self.steady > GENERATIONS * self.most && self.most >= ENOUGH_JOBS {
            let running = self.live + ROOM * self.variance.max(0.0).sqrt();
            return running.clamp(0.5 * self.expected(), 1.05 * self.expected());
        }
        // The largest jobs end last: those still running may outgrow all that finished.
        self.expected().max(self.live)
    }

    /// The same, from the peaks of finished jobs alone.
    fn expected(&self) -> f64 {
        0.9 * self.peaks.mean() + 0.5 * self.peaks.deviation()
    }

    fn publish(&mut self, in_flight: usize) {
        let per_job = self.per_job();
        if per_job < 1.0 || self.budget.is_infinite() {
            return;
        }
        let fit = PLANNED * self.budget / per_job;
        let jobs = (fit as usize).max(1);
        let moved = self.published.is_none_or(|old| {
            let old = old.jobs as f64;
            let much = (fit - old).abs() >= STEADY * old;
            // A small cap moves in whole jobs: half a job to spare must be there to go up again.
            let up = fit >= old + 1.5;
            if jobs as f64 > old {
                much && up
            } else {
                much && (jobs as f64) < old
            }
        });
        let crowded = self
            .published
            .is_some_and(|old| jobs < old.jobs && jobs < in_flight);
        if moved || crowded {
            self.published = Some(Published {
                jobs,
                per_job,
                budget: self.budget,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;
    const TICK: Duration = Duration::from_secs(1);

    fn signals(in_flight: usize, sampled: usize, rss: u64, available: u64) -> Signals {
        Signals {
            in_flight,
            sampled,
            rss_bytes: rss,
            memory_available_bytes: available,
            ..Signals::default()
        }
    }

    fn jobs(cap: &MemoryCap) -> Option<usize> {
        cap.cap().map(|cap| cap.jobs)
    }

    #[test]
    fn nothing_known_nothing_capped() {
        let mut cap = MemoryCap::new(1000 * MIB);
        assert_eq!(cap.cap(), None);
        cap.finished(0, 0.1, 4);
        cap.tick(TICK, &Signals::default(), 4);
        assert_eq!(cap.cap(), None);
    }

    #[test]
    fn live_size_first_then_peaks() {
        let mut cap = MemoryCap::new(1000 * MIB);
        cap.tick(TICK, &signals(2, 2, 100 * MIB, 1900 * MIB), 2);
        cap.tick(TICK, &signals(2, 2, 100 * MIB, 1900 * MIB), 2);
        assert_eq!(jobs(&cap), Some(19));
        for _ in 0..3 {
            cap.finished(200 * MIB, 0.1, 2);
        }
        // 970 MiB / (0.9 × 200 MiB)
        assert_eq!(jobs(&cap), Some(5));
    }

    #[test]
    fn what_jobs_hold_is_theirs_and_is_scaled_up() {
        let mut cap = MemoryCap::new(10_000 * MIB);
        // 8 jobs, 4 looked at: 800 MiB held in all, 200 more to be had.
        cap.tick(TICK, &signals(8, 4, 400 * MIB, 200 * MIB), 8);
        cap.tick(TICK, &signals(8, 4, 400 * MIB, 200 * MIB), 8);
        assert_eq!(jobs(&cap), Some(9));
    }

    #[test]
    fn small_moves_are_ignored_unless_too_many_run() {
        let mut cap = MemoryCap::new(10_000 * MIB);
        cap.recall(100 * MIB);
        cap.tick(TICK, &signals(10, 10, 1000 * MIB, 9000 * MIB), 10);
        assert_eq!(jobs(&cap), Some(105));
        cap.tick(TICK, &signals(10, 10, 1000 * MIB, 9400 * MIB), 10);
        assert_eq!(jobs(&cap), Some(105));
        cap.tick(TICK, &signals(92, 92, 9200 * MIB, 0), 92);
        assert_eq!(jobs(&cap), Some(105), "0 available means unknown");
        cap.tick(TICK, &signals(96, 96, 9600 * MIB, 1), 96);
        assert_eq!(jobs(&cap), Some(91));
    }

    /// The same `ms` after the last tick, in which they grew by so much in all.
    fn grown(ms: u64, grown: u64, signals: Signals) -> Signals {
        Signals {
            grown_bytes: grown,
            observed: Duration::from_millis(ms) * signals.sampled as u32,
            ..signals
        }
    }

    #[test]
    fn growing_jobs_are_taken_to_grow_on() {
        let mut cap = MemoryCap::new(16_000 * MIB);
        let mut still = cap.clone();
        let tick = Duration::from_millis(5);
        for n in 1..=40 {
            let held = 8 * n * 5 * MIB;
            let signals = signals(8, 8, held, 16_000 * MIB - held);
            cap.tick(tick, &grown(5, 8 * 5 * MIB, signals), 8);
            still.tick(tick, &signals, 8);
        }
        // 200 MiB each after 200 ms, 1 MiB more each millisecond: twice that is expected.
        let expected = jobs(&cap).expect("they are known");
        assert!((38..=43).contains(&expected), "{expected}");
        assert!(jobs(&still) >= Some(77), "{:?}", still.cap());
    }

    #[test]
    fn young_jobs_are_not_taken_to_grow_for_as_long_as_the_run() {
        let grow = |age: Option<f64>| {
            let mut cap = MemoryCap::new(16_000 * MIB);
            let tick = Duration::from_millis(5);
            for n in 1..=200 {
                // Others take the place of those that end, every 100 ms.
                let held = 8 * (n % 20 + 1) * 5 * MIB;
                if let Some(age) = age {
                    cap.lived(age);
                }
                let signals = signals(8, 8, held, 16_000 * MIB - held);
                cap.tick(tick, &grown(5, 8 * 5 * MIB, signals), 8);
            }
            jobs(&cap).expect("they are known")
        };
        // 52 MiB each on average, and 50 more in the next 50 ms.
        let young = grow(Some(0.05));
        assert!((130..=160).contains(&young), "{young}");
        assert!(grow(None) < 20, "another second of it, after one second");
    }

    #[test]
    fn unknown_jobs_that_grow_may_not_rise_into_what_they_will_take() {
        let mut cap = MemoryCap::new(4000 * MIB);
        let tick = Duration::from_millis(5);
        assert!(cap.may_rise(2, 4), "nothing was seen");
        for _ in 0..20 {
            cap.tick(
                tick,
                &grown(5, 10 * MIB, signals(2, 2, 100 * MIB, 3900 * MIB)),
                2,
            );
        }
        // 2000 MiB per second with two of them.
        assert!(cap.may_rise(2, 3));
        assert!(!cap.may_rise(2, 4));
        (0..3).for_each(|_| cap.finished(50 * MIB, 0.1, 2));
        assert!(cap.may_rise(2, 4), "their peaks are known");
    }

    #[test]
    fn too_many_are_told_off_before_the_kernel_does() {
        let mut cap = MemoryCap::new(2000 * MIB);
        let tick = Duration::from_millis(5);
        cap.tick(tick, &signals(10, 10, 1000 * MIB, 1000 * MIB), 10);
        assert_eq!(cap.excess(10), 0, "one look is no growth");
        cap.tick(
            tick,
            &grown(5, 100 * MIB, signals(10, 10, 1100 * MIB, 900 * MIB)),
            10,
        );
        assert!(cap.is_urgent());
        assert_eq!(cap.excess(10), 0, "there is room until the next look");
        cap.tick(
            tick,
            &grown(5, 600 * MIB, signals(10, 10, 1700 * MIB, 300 * MIB)),
            10,
        );
        // More than 100 MiB per millisecond: full before the next look.
        let excess = cap.excess(10);
        assert!((2..=8).contains(&excess), "{excess}");
        assert!(jobs(&cap) <= Some(10 - excess), "{:?}", cap.cap());
        assert_eq!(cap.excess(10), 0, "not twice for one look");
    }

    #[test]
    fn what_proved_to_fit_is_exceeded_rarely() {
        let mut cap = MemoryCap::new(1000 * MIB);
        let full = signals(10, 10, 990 * MIB, 10 * MIB);
        cap.tick(TICK, &full, 10);
        let keep = 10 - cap.excess(10);
        let small = signals(keep, keep, 20 * MIB * keep as u64, 800 * MIB);
        (0..8).for_each(|_| cap.tick(TICK, &small, keep));
        assert_eq!(jobs(&cap), Some(keep));
        for _ in 0..2 * keep - 1 {
            cap.finished(20 * MIB, 0.1, keep);
        }
        assert_eq!(jobs(&cap), Some(keep), "however small they seem");
        cap.finished(20 * MIB, 0.1, keep);
        assert_eq!(jobs(&cap), Some(keep + 1));
    }

    #[test]
    fn what_others_fill_is_not_for_jobs_to_free() {
        let mut cap = MemoryCap::new(2000 * MIB);
        cap.tick(TICK, &signals(10, 10, 100 * MIB, MIB), 10);
        cap.tick(TICK, &signals(10, 10, 100 * MIB, MIB), 10);
        assert_eq!(cap.excess(10), 0);
    }

    #[test]
    fn one_job_may_always_run() {
        let mut cap = MemoryCap::new(MIB);
        cap.tick(TICK, &signals(1, 1, 100 * MIB, MIB), 1);
        cap.tick(TICK, &signals(1, 1, 100 * MIB, MIB), 1);
        assert_eq!(jobs(&cap), Some(1));
    }

    #[test]
    fn running_jobs_may_outgrow_the_finished() {
        let mut cap = MemoryCap::new(1000 * MIB);
        for _ in 0..3 {
            cap.finished(10 * MIB, 0.1, 3);
        }
        assert_eq!(jobs(&cap), Some(105));
        cap.tick(TICK, &signals(4, 4, 400 * MIB, 600 * MIB), 4);
        cap.tick(TICK, &signals(4, 4, 400 * MIB, 600 * MIB), 4);
        assert_eq!(jobs(&cap), Some(9));
    }

    fn bytes() -> impl Strategy<Value = u64> {
        prop_oneof![6 => 0u64..(8 << 30), 1 => Just(0), 1 => Just(u64::MAX)]
    }

    proptest! {
        #[test]
        fn at_least_one_may_stay_whatever_the_signals(
            total in bytes(),
            recalled in proptest::option::of(bytes()),
            steps in proptest::collection::vec(
                (0usize..60, 0usize..60, bytes(), bytes(), bytes(), any::<u32>(), any::<bool>()),
                0..100,
            ),
        ) {
            let mut cap = MemoryCap::new(total);
            if let Some(recalled) = recalled {
                cap.recall(recalled);
            }
            for (in_flight, sampled, rss, grown, free, micros, ends) in steps {
                if ends {
                    cap.finished(rss, f64::from(micros), in_flight);
                }
                let gap = Duration::from_micros(micros.into());
                let signals = Signals {
                    grown_bytes: grown,
                    observed: gap,
                    ..signals(in_flight, sampled, rss, free)
                };
                cap.tick(gap, &signals, in_flight);
                let excess = cap.excess(in_flight);
                prop_assert!(excess < in_flight.max(1), "{excess} of {in_flight}");
                prop_assert!(jobs(&cap) != Some(0));
                if excess > 0 {
                    prop_assert!(jobs(&cap) <= Some(in_flight - excess), "{cap:?}");
                    prop_assert_eq!(cap.excess(in_flight), 0);
                }
                let text = cap.cap().map(|cap| cap.reason.to_string());
                prop_assert!(text.is_none_or(|text| !text.is_empty()));
            }
        }
    }
}
