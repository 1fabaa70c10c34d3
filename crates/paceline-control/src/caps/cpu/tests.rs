//! The CPU cap on jobs of known needs.

use super::*;
use crate::controller::Outcome;

const TICK: Duration = Duration::from_millis(5);

/// When the `n`-th tick comes.
fn at(n: u32) -> Duration {
    TICK * (n + 1)
}

fn attempt(cpu_ms: f64, wall_ms: f64) -> Attempt {
    Attempt {
        outcome: Outcome::Done,
        wall: Duration::from_secs_f64(wall_ms / 1e3),
        cpu: Duration::from_secs_f64(cpu_ms / 1e3),
        run_queue_delay: None,
        peak_rss_bytes: 0,
    }
}

/// Signals of `jobs` single-threaded jobs of which `want` are running or runnable on `cores`.
fn signals(jobs: usize, want: usize, cores: usize) -> Signals {
    let running = want.min(cores) as u32;
    Signals {
        in_flight: jobs,
        sampled: jobs,
        ran: TICK * running,
        run_queue_delay: TICK * (want as u32 - running),
        observed: TICK * jobs as u32,
        runnable_threads: want,
        ..Signals::default()
    }
}

#[test]
fn one_per_core_before_any_evidence() {
    let cap = CpuCap::new(8.0);
    assert_eq!(cap.cap().jobs, 8);
    assert_eq!(cap.cap().reason, Reason::CpuUnknown { cores: 8.0 });
    assert_eq!(CpuCap::new(0.4).cap().jobs, 1);
    assert_eq!(CpuCap::new(f64::NAN).cap().jobs, 1);
}

#[test]
fn start_up_is_not_taken_for_work() {
    let mut cap = CpuCap::new(2.0);
    // Two jobs load for most of the first tick, then wait.
    cap.tick(
        at(0),
        TICK,
        &Signals {
            ran: Duration::from_millis(3),
            ..signals(2, 0, 2)
        },
        2,
    );
    assert_eq!(cap.cap().jobs, 2);
    cap.tick(at(1), TICK, &signals(2, 0, 2), 0);
    assert!(cap.cap().jobs > 100, "{:?}", cap.cap());
}

#[test]
fn running_jobs_speak_before_any_has_finished() {
    let mut cap = CpuCap::new(2.0);
    for n in 0..40 {
        cap.tick(at(n), TICK, &signals(6, 6, 2), if n == 0 { 6 } else { 0 });
    }
    assert_eq!(cap.cap().jobs, 2);
    assert!(cap.busy().is_some_and(|busy| busy > 0.99));
}

#[test]
fn queueing_does_not_look_like_waiting() {
    // Four computing jobs on two cores: half a core each. All ways to know must agree.
    let exact = |mut attempt: Attempt| {
        attempt.run_queue_delay = Some(Duration::from_millis(100));
        attempt
    };
    let mut carried = CpuCap::new(2.0);
    let mut ticked = CpuCap::new(2.0);
    let mut blind = CpuCap::new(2.0);
    let mut mixed = CpuCap::new(2.0);
    for n in 0..60 {
        ticked.tick(at(n), TICK, &signals(4, 4, 2), 0);
        carried.finished(at(n), &exact(attempt(100.0, 200.0)), 4, 4);
        ticked.finished(at(n), &attempt(100.0, 200.0), 4, 4);
        blind.finished(at(n), &attempt(100.0, 200.0), 4, 4);
        let other = attempt(100.0, 200.0);
        mixed.finished(at(n), &if n % 3 == 0 { exact(other) } else { other }, 4, 4);
    }
    for cap in [carried, ticked, blind, mixed] {
        assert_eq!(cap.cap().jobs, 2, "{cap:?}");
    }
}

#[test]
fn waits_not_booked_yet_are_seen_in_the_states_and_the_other_way_round() {
    let unbooked = Signals {
        run_queue_delay: Duration::ZERO,
        ..signals(6, 6, 2)
    };
    let between_slices = Signals {
        runnable_threads: 0,
        ..signals(6, 6, 2)
    };
    for signals in [unbooked, between_slices] {
        let mut cap = CpuCap::new(2.0);
        for n in 0..40 {
            cap.tick(at(n), TICK, &signals, 0);
            cap.finished(at(n), &attempt(50.0, 150.0), 6, 6);
        }
        assert_eq!(cap.cap().jobs, 2, "{cap:?}");
    }
}

#[test]
fn a_little_idle_is_not_worth_another_job_on_few_cores() {
    for (cores, expected) in [(2.0, 2), (32.0, 32)] {
        let mut cap = CpuCap::new(cores);
        for n in 0..30 {
            cap.finished(at(n), &attempt(97.0, 100.0), 2, 2);
        }
        assert_eq!(cap.cap().jobs, expected);
    }
}

#[test]
fn a_leaders_delay_does_not_hide_its_childrens() {
    let mut cap = CpuCap::new(2.0);
    for n in 0..30 {
        cap.tick(at(n), TICK, &signals(4, 4, 2), 0);
        let mut shell = attempt(100.0, 200.0);
        shell.run_queue_delay = Some(Duration::ZERO);
        cap.finished(at(n), &shell, 4, 4);
    }
    assert_eq!(cap.cap().jobs, 2);
}

#[test]
fn waiting_jobs_get_headroom() {
    let mut cap = CpuCap::new(8.0);
    for n in 0..30 {
        cap.finished(at(n), &attempt(29.8, 100.0), 8, 8);
    }
    // 8 / 0.3 × 1.45 = 38.6
    assert_eq!(cap.cap().jobs, 39);
}

#[test]
fn jobs_of_several_threads_need_fewer() {
    for (cores, expected) in [(8.0, 2), (9.0, 3), (3.0, 1), (1.0, 1)] {
        let mut cap = CpuCap::new(cores);
        for n in 0..30 {
            cap.finished(at(n), &attempt(400.0, 100.0), 2, 2);
        }
        assert_eq!(cap.cap().jobs, expected, "{cores} cores");
    }
}

/// Two jobs of two threads on two cores: each gets one core, and its threads queue as long as it lives.
#[test]
fn threads_that_queue_for_each_other_are_seen_as_such() {
    let mut cap = CpuCap::new(2.0);
    for n in 0..40 {
        let both = Signals {
            in_flight: 2,
            sampled: 2,
            ran: 2 * TICK,
            run_queue_delay: 2 * TICK,
            observed: 2 * TICK,
            runnable_threads: 4,
            ..Signals::default()
        };
        cap.tick(at(n), TICK, &both, 0);
        if n % 2 == 0 {
            cap.finished(at(n), &attempt(100.0, 100.0), 2, 2);
        }
    }
    assert_eq!(cap.cap().jobs, 1, "{:?}", cap.cap());
    assert!((1.9..2.1).contains(&cap.threads()), "{}", cap.threads());
}

#[test]
fn an_earlier_run_speaks_until_enough_have_finished() {
    let mut cap = CpuCap::new(2.0);
    cap.recall(0.01, 0.1);
    assert_eq!(cap.cap().jobs, 377);
    // Young jobs are still loading, which looks like computing.
    cap.tick(at(0), TICK, &signals(64, 64, 2), 0);
    assert_eq!(cap.cap().jobs, 377);
    let mut wrong = cap.clone();
    // But if they never stop, that is what they do.
    for n in 0..300 {
        wrong.tick(at(n), TICK, &signals(64, 64, 2), 0);
    }
    assert!(wrong.cap().jobs <= 7, "{:?}", wrong.cap());
    for n in 0..30 {
        cap.finished(at(n), &attempt(100.0, 100.0), 2, 2);
    }
    assert_eq!(cap.cap().jobs, 2);
}

#[test]
fn a_generation_in_step_does_not_undo_what_an_earlier_run_has_learned() {
    // A hundred jobs that wait began at once, and most of what they live is queueing.
    let after = |jobs: u32, cpu_ms: f64| {
        let mut cap = CpuCap::new(2.0);
        cap.recall(0.02, 0.05);
        for n in 0..jobs {
            let mut ended = attempt(cpu_ms, 60.0);
            ended.run_queue_delay = Some(Duration::from_secs_f64(0.06 - cpu_ms / 1e3));
            cap.finished(at(n), &ended, 100, 100);
        }
        cap.cap().jobs
    };
    assert!(after(8, 1.5) > 100, "{}", after(8, 1.5));
    assert!(after(60, 1.5) < after(8, 1.5));
    assert!(after(400, 1.5) < 4, "they keep saying so");
    // Other jobs are taken for what they are.
    assert!(after(8, 30.0) < 4, "{}", after(8, 30.0));
}

#[test]
fn jobs_in_step_do_not_hold_down_what_idle_cores_could_take() {
    // Five compute together and then wait together, so that each queues for long.
    let after = |idle: Option<f64>| {
        let mut cap = CpuCap::new(2.0);
        for n in 0..600 {
            let idle = idle.map(|part| TICK.mul_f64(2.0 * part));
            cap.tick(
                at(n),
                TICK,
                &Signals {
                    idle,
                    ..signals(5, 3, 2)
                },
                0,
            );
            if n % 26 == 0 {
                let mut ended = attempt(250.0, 650.0);
                ended.run_queue_delay = Some(Duration::from_millis(350));
                cap.finished(at(n), &ended, 5, 5);
            }
        }
        cap.cap().jobs
    };
    assert!(after(None) < 5, "{}", after(None));
    assert_eq!(after(Some(0.01)), after(None), "no room at all");
    assert_eq!(after(Some(0.1)), after(None), "hardly any");
    assert!((6..=7).contains(&after(Some(0.3))), "{}", after(Some(0.3)));
}

#[test]
fn nonsense_from_an_earlier_run_is_not_recalled() {
    for busy in [f64::NAN, f64::INFINITY, -1.0] {
        let mut cap = CpuCap::new(4.0);
        cap.recall(busy, 0.1);
        assert_eq!(cap.busy(), None);
    }
    let mut cap = CpuCap::new(4.0);
    cap.recall(1.0, f64::NAN);
    assert_eq!(cap.cap().jobs, 4);
}

/// `true` on two cores as measured: (in flight, wall in ms, CPU in ms).
#[test]
fn tiny_jobs_cannot_run_away() {
    for (in_flight, wall, cpu) in [
        (2, 0.53, 0.45),
        (3, 0.96, 0.47),
        (4, 1.34, 0.49),
        (6, 1.91, 0.46),
        (8, 2.52, 0.46),
    ] {
        for ticks in [false, true] {
            let mut cap = CpuCap::new(2.0);
            for n in 0..200 {
                if ticks && n % 10 == 0 {
                    // The tick meets jobs in the act of exiting, and sees them idle.
                    cap.tick(at(n), TICK, &signals(in_flight, 1, 2), in_flight);
                }
                cap.finished(at(n), &attempt(cpu, wall), in_flight, in_flight);
            }
            assert!(
                cap.cap().jobs <= 3,
                "{in_flight} in flight: {:?}",
                cap.cap()
            );
        }
    }
}

#[test]
fn sleepers_seen_by_no_tick_still_get_many() {
    let mut cap = CpuCap::new(2.0);
    let mut level = 2;
    for n in 0..2000 {
        cap.finished(at(n), &attempt(0.6, 101.0), level, level);
        level = cap.cap().jobs.min(level * 2);
    }
    assert!((60..400).contains(&level), "{level}");
}

#[test]
fn the_edge_of_saturation_does_not_flap() {
    let mut cap = CpuCap::new(2.0);
    let mut moves = 0;
    let mut last = cap.cap().jobs;
    for n in 0..2000 {
        let wall = if n % 40 < 20 { 112.0 } else { 110.0 };
        cap.finished(at(n), &attempt(100.0, wall), 2, 2);
        moves += usize::from(cap.cap().jobs != last);
        last = cap.cap().jobs;
    }
    assert!(moves <= 2, "{moves}");
}

#[test]
fn running_jobs_object_when_they_turn_to_computing() {
    let mut cap = CpuCap::new(2.0);
    for n in 0..50 {
        cap.finished(at(n), &attempt(1.0, 1000.0), 2, 2);
    }
    assert!(cap.cap().jobs > 500);
    for n in 50..1050 {
        cap.tick(at(n), TICK, &signals(64, 64, 2), 0);
    }
    assert!(cap.cap().jobs <= 7, "{:?}", cap.cap());
}

#[test]
fn the_longest_jobs_of_a_run_are_not_taken_for_all_when_they_end_last() {
    let mut cap = CpuCap::new(8.0);
    let unqueued = |cpu_ms: f64, wall_ms: f64| Attempt {
        run_queue_delay: Some(Duration::ZERO),
        ..attempt(cpu_ms, wall_ms)
    };
    for n in 0..400 {
        cap.finished(at(n), &unqueued(60.0, 1500.0), 200, 200);
    }
    // No more are begun: those that live for 10 ms end first, those for 4 s last.
    for n in 0..200 {
        let wall = 10.0 + 20.0 * f64::from(n);
        cap.finished(
            at(400 + n),
            &unqueued(wall.min(60.0), wall),
            200 - n as usize,
            200,
        );
    }
    let busy = cap.busy_at_the_end().expect("jobs have ended");
    assert!((0.03..0.045).contains(&busy), "{busy}");
}

#[test]
fn jobs_begun_beside_few_soon_tell_of_other_work_though_many_are_in_flight_by_now() {
    let after = |beside: usize| {
        let mut cap = CpuCap::new(2.0);
        for n in 0..80 {
            cap.finished(at(n), &attempt(100.0, 100.0), 2, 2);
        }
        for n in 0..16 {
            cap.finished(at(80 + n), &attempt(1.0, 200.0), 200, beside);
        }
        cap.cap().jobs
    };
    assert!(after(4) > 3 * after(200), "{} {}", after(4), after(200));
}
