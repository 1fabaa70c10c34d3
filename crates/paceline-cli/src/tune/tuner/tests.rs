use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

const CAP: Cap = Cap {
    level: 64,
    bound: Bound::MaxLevel,
};

/// Runs a tuner over so many inputs, in made-up time.
struct Bench<'a> {
    inputs: u64,
    /// How long a job takes that is started beside so many.
    wall: &'a dyn Fn(usize) -> Duration,
    /// How the n-th job ends, started beside so many.
    outcome: &'a dyn Fn(u64, usize) -> Outcome,
    peak_rss_bytes: u64,
    available_bytes: u64,
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Bench<'_> {
    fn new() -> Self {
        Self {
            inputs: 100_000,
            wall: &|_| ms(100),
            outcome: &|_, _| Outcome::Done,
            peak_rss_bytes: 1 << 20,
            available_bytes: 1 << 40,
        }
    }

    fn run(&self, mut tuner: Tuner) -> Tuner {
        let mut now = Duration::ZERO;
        let mut begun = 0;
        let mut ends: BinaryHeap<Reverse<(Duration, u64, usize, Duration)>> = BinaryHeap::new();
        let mut next_tick = TICK;
        loop {
            let left = Left::Exactly(self.inputs - begun);
            tuner.on(now, Event::Queue(left));
            while ends.len() < tuner.limit() && begun < self.inputs && !tuner.is_over() {
                begun += 1;
                tuner.on(now, Event::Started { job: begun });
                let beside = ends.len() + 1;
                let wall = (self.wall)(tuner.limit());
                ends.push(Reverse((now + wall, begun, beside, wall)));
            }
            let Some(Reverse((end, job, beside, wall))) = ends.pop() else {
                return tuner;
            };
            while next_tick < end {
                now = next_tick;
                next_tick += TICK;
                tuner.on(now, Event::Tick(self.signals(ends.len() + 1)));
            }
            now = end;
            let attempt = Attempt {
                outcome: (self.outcome)(job, beside),
                wall,
                cpu: ms(10),
                run_queue_delay: None,
                peak_rss_bytes: self.peak_rss_bytes,
            };
            tuner.on(now, Event::Finished { job, attempt });
        }
    }

    fn signals(&self, in_flight: usize) -> Signals {
        let held = self.peak_rss_bytes * in_flight as u64;
        Signals {
            in_flight,
            sampled: in_flight,
            observed: TICK * in_flight as u32,
            rss_bytes: held,
            memory_available_bytes: self.available_bytes.saturating_sub(held),
            ..Signals::default()
        }
    }
}

fn tuner(per_level: PerLevel) -> Tuner {
    Tuner::new(None, per_level, CAP)
}

fn levels(tuner: &Tuner) -> Vec<usize> {
    tuner.measured.iter().map(|point| point.level).collect()
}

const SECOND: PerLevel = PerLevel::Time(Duration::from_secs(1));

#[test]
fn measures_each_level_in_its_steady_state() {
    let found = Bench::new().run(tuner(SECOND));
    assert_eq!(levels(&found), [1, 2, 4, 8, 16, 32, 64]);
    for point in &found.measured {
        let expected = point.level as f64 * 10.0;
        assert!(
            (point.throughput / expected - 1.0).abs() < 0.02,
            "{point:?}"
        );
        assert!(point.time >= Duration::from_secs(1), "{point:?}");
        assert!((point.cores_used / (point.level as f64 * 0.1) - 1.0).abs() < 0.02);
    }
    assert_eq!(found.stop, Some(Stop::Capped(CAP)));
    let counted: u64 = found.measured.iter().map(|point| point.jobs).sum();
    assert_eq!(counted + found.outside, found.started, "no job is lost");
}

#[test]
fn finds_where_it_stops_to_pay() {
    // The whole serves 200 jobs per second, however many there are at once.
    let bench = Bench {
        wall: &|level| ms(100).max(ms(5) * level as u32),
        ..Bench::new()
    };
    let found = bench.run(tuner(SECOND));
    assert_eq!(found.stop, Some(Stop::NoGain));
    let best = found
        .measured
        .iter()
        .map(|point| point.throughput)
        .fold(0.0, f64::max);
    assert!((best / 200.0 - 1.0).abs() < 0.1, "{best}");
    let short = found
        .measured
        .iter()
        .find(|point| point.level == 8)
        .expect("was measured");
    assert!((short.throughput / 80.0 - 1.0).abs() < 0.05, "{short:?}");
}

#[test]
fn slow_jobs_get_the_time_that_they_need() {
    let bench = Bench {
        wall: &|_| Duration::from_secs(60),
        ..Bench::new()
    };
    let found = bench.run(Tuner::new(Some(vec![1, 4]), SECOND, CAP));
    let jobs: Vec<u64> = found.measured.iter().map(|point| point.jobs).collect();
    assert_eq!(jobs, [8, 8]);
    assert_eq!(found.stop, Some(Stop::ListDone));
}

#[test]
fn few_inputs_mean_fewer_levels_and_are_shared_out() {
    let bench = Bench {
        inputs: 120,
        ..Bench::new()
    };
    let found = bench.run(tuner(PerLevel::Time(Duration::from_secs(5))));
    let measured = levels(&found);
    assert!(measured.len() >= 3 && measured.len() < 7, "{measured:?}");
    assert!(
        matches!(found.stop, Some(Stop::Inputs { .. })),
        "{:?}",
        found.stop
    );
    assert!(found.started <= 120);
    for point in &found.measured {
        assert!(point.jobs >= least_jobs(point.level), "{point:?}");
    }
}

#[test]
fn too_few_inputs_for_anything_measure_nothing() {
    for inputs in [1, 5, 7] {
        let bench = Bench {
            inputs,
            ..Bench::new()
        };
        let found = bench.run(tuner(SECOND));
        assert!(levels(&found).is_empty());
        assert_eq!(found.stop, Some(Stop::Inputs { level: 1 }), "{inputs}");
        assert_eq!(found.dropped.len(), 1);
    }
}

#[test]
fn so_many_jobs_per_level_if_asked_for() {
    let found = Bench::new().run(Tuner::new(Some(vec![4, 2]), PerLevel::Jobs(20), CAP));
    let jobs: Vec<_> = found.measured.iter().map(|m| (m.level, m.jobs)).collect();
    assert_eq!(jobs, [(4, 20), (2, 20)]);
    for point in &found.measured {
        let expected = point.level as f64 * 10.0;
        assert!(
            (point.throughput / expected - 1.0).abs() < 0.05,
            "also on the way down: {point:?}"
        );
    }
}

#[test]
fn failures_end_it_and_their_level_is_told() {
    let bench = Bench {
        outcome: &|_, beside| {
            if beside > 8 {
                Outcome::Failed
            } else {
                Outcome::Done
            }
        },
        ..Bench::new()
    };
    let found = bench.run(tuner(SECOND));
    assert_eq!(levels(&found), [1, 2, 4, 8]);
    assert!(
        matches!(found.stop, Some(Stop::Failing { level: 16, .. })),
        "{:?}",
        found.stop
    );
    assert_eq!(found.dropped.len(), 1);
    assert_eq!(found.dropped[0].level, 16);
}

#[test]
fn a_command_that_always_fails_is_not_run_often() {
    let bench = Bench {
        outcome: &|_, _| Outcome::Failed,
        ..Bench::new()
    };
    let found = bench.run(tuner(SECOND));
    assert_eq!(
        found.stop,
        Some(Stop::Failing {
            level: 1,
            failed: 3,
            ended: 3
        })
    );
    assert_eq!(found.started, 3);
}

#[test]
fn a_few_failures_are_no_reason_to_stop() {
    let bench = Bench {
        outcome: &|job, _| {
            if job % 20 == 0 {
                Outcome::Failed
            } else {
                Outcome::Done
            }
        },
        ..Bench::new()
    };
    let found = bench.run(tuner(SECOND));
    assert_eq!(levels(&found).len(), 7);
    assert!(found.measured[6].failed > 0);
}

#[test]
fn busy_answers_end_it() {
    let bench = Bench {
        outcome: &|_, beside| {
            if beside > 20 {
                Outcome::Busy
            } else {
                Outcome::Done
            }
        },
        ..Bench::new()
    };
    let found = bench.run(tuner(SECOND));
    assert!(
        matches!(found.stop, Some(Stop::Busy { level: 32, .. })),
        "{:?}",
        found.stop
    );
}

#[test]
fn never_goes_where_memory_would_run_out() {
    let bench = Bench {
        peak_rss_bytes: 100 << 20,
        available_bytes: 2000 << 20,
        ..Bench::new()
    };
    let found = bench.run(tuner(SECOND));
    assert_eq!(levels(&found), [1, 2, 4, 8, 16, 18]);
    let cap = Cap {
        level: 18,
        bound: Bound::Memory,
    };
    assert_eq!(found.stop, Some(Stop::Capped(cap)));
}

#[test]
fn memory_that_runs_low_all_the_same_ends_it() {
    let mut low = tuner(SECOND);
    low.on(ms(0), Event::Started { job: 1 });
    low.on(
        ms(25),
        Event::Tick(Signals {
            in_flight: 1,
            sampled: 1,
            rss_bytes: 95 << 20,
            memory_available_bytes: 5 << 20,
            ..Signals::default()
        }),
    );
    assert_eq!(low.stop, Some(Stop::MemoryLow { level: 1 }));
    assert!(low.is_over());
}

#[test]
fn a_refused_process_ends_it() {
    let mut refused = tuner(SECOND);
    refused.on(ms(0), Event::SpawnRefused { in_flight: 0 });
    assert_eq!(refused.stop, Some(Stop::Refused { level: 1 }));
    assert_eq!(refused.standing(ms(1)), None);
}

#[test]
fn what_stood_still_is_measured_again() {
    let mut tuner = tuner(SECOND);
    tuner.on(ms(0), Event::Started { job: 1 });
    assert!(tuner.standing(ms(10)).expect("not over").measuring);
    tuner.stood_still(ms(10));
    assert!(!tuner.standing(ms(10)).expect("not over").measuring);
    let attempt = Attempt {
        outcome: Outcome::Done,
        wall: ms(100),
        cpu: ms(1),
        run_queue_delay: None,
        peak_rss_bytes: 0,
    };
    tuner.on(ms(99_000), Event::Finished { job: 1, attempt });
    tuner.on(ms(99_001), Event::Started { job: 2 });
    let standing = tuner.standing(ms(99_002)).expect("not over");
    assert!(standing.measuring && standing.time < ms(10), "{standing:?}");
    tuner.break_off(None);
    assert_eq!(tuner.dropped.len(), 1);
    assert_eq!(tuner.stop, None);
}
