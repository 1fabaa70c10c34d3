//! Ways to wait: one by one, with too few workers, for a peer, a disk, a timer.

use super::program::{Program, line, peer, seconds};
use super::{expect, near};
use crate::profile::{Class, EventLoop, PeerUse, Profile, Progress, Source, Target};
use crate::verdict::{Bound, Cause, Law, Model};

/// A Python script with five calls of a second.
fn five_calls() -> Program {
    Program::watched(5.1, 2.0)
        .thread("python3", &[(Class::Cpu, 0.1), (Class::Network, 5.0)])
        .wait(Class::Network, peer(), 5.0, 5.0)
        .last_wait(|wait| wait.line = Some(line("fetch.py", 12)))
}

/// `workers` threads that fetch `jobs` pieces of a second each.
fn fetching(workers: usize, jobs: f64, wall: f64, cpu: f64) -> Program {
    let each = jobs / workers as f64;
    Program::watched(wall, 2.0)
        .thread("python3", &[(Class::Cpu, cpu), (Class::Join, wall - cpu)])
        .pool(workers, &[(Class::Network, each)])
        .wait(Class::Network, peer(), jobs, jobs)
}

#[test]
fn five_calls_one_after_another() {
    let verdict = expect(&five_calls().done(), Cause::SerialWaits);
    assert_eq!(verdict.bound, Bound::Io);
    assert!(
        verdict
            .sentence
            .contains("10.0.0.7:80 at fetch.py:12 (work)"),
        "{}",
        verdict.sentence
    );
    assert!(verdict.confidence > 0.9, "{}", verdict.confidence);
    let help = verdict.prescription;
    assert_eq!((help.model, help.level), (Model::Threads, 5));
    assert_eq!(help.speedup.law, Law::MeanValueAnalysis);
    near(help.speedup.point, 5.1 / 1.06, 0.05);
    assert!(help.speedup.high >= 5.0 && help.speedup.low >= 1.5);
}

fn calls(count: f64, cpu: f64) -> Profile {
    Program::watched(5.0, 8.0)
        .thread("curl", &[(Class::Network, 5.0 - cpu), (Class::Cpu, cpu)])
        .wait(Class::Network, peer(), 5.0 - cpu, count)
        .done()
}

#[test]
fn one_answer_leaves_nothing_to_have_at_once() {
    let verdict = expect(&calls(1.0, 0.1), Cause::Peer);
    assert_eq!(verdict.bound, Bound::Io);
    assert!(
        verdict.sentence.contains("one answer"),
        "{}",
        verdict.sentence
    );
    let help = verdict.prescription;
    assert_eq!((help.model, help.level), (Model::AsIs, 1));
    near(help.speedup.high, 1.0, 0.001);
    // A handshake or a name that was looked up before it does not matter.
    expect(&calls(1.4, 0.1), Cause::Peer);
    // With much to compute it is the compute that one can do something about.
    expect(&calls(1.0, 2.6), Cause::SerialCpu);
}

#[test]
fn the_level_never_exceeds_the_work() {
    let help = expect(&calls(2.0, 0.1), Cause::SerialWaits).prescription;
    assert_eq!(help.level, 2);
    near(help.speedup.point, 2.0, 0.05);
    // It is not known how many there were.
    expect(&calls(0.0, 0.1), Cause::SerialWaits);
}

#[test]
fn many_short_requests_go_up_to_what_the_client_can_do() {
    // 200 requests of 20 ms, of which the client computes 1 ms.
    let many = Program::watched(4.2, 2.0)
        .thread("python3", &[(Class::Cpu, 0.2), (Class::Network, 4.0)])
        .wait(Class::Network, peer(), 4.0, 200.0);
    let help = expect(&many.done(), Cause::SerialWaits).prescription;
    assert!((20..=40).contains(&help.level), "{}", help.level);
    near(help.speedup.point, 4.2 / 0.22, 0.15);
}

/// `count` requests of 50 ms, which a script asks for one after the other.
fn requests(count: f64, cpu: f64) -> Program {
    let waits = 0.05 * count;
    Program::watched(cpu + waits, 2.0)
        .thread("python3", &[(Class::Cpu, cpu), (Class::Network, waits)])
        .wait(Class::Network, peer(), waits, count)
}

#[test]
fn start_up_hides_behind_no_request() {
    // 0.1 s of imports before sixty requests, each with 1 ms of compute; or 0.1 s more of the latter.
    let start = Progress {
        at: seconds(0.1),
        compute: seconds(0.1),
        ..Progress::default()
    };
    let first = Progress {
        at: seconds(0.15),
        compute: seconds(0.1),
        io: seconds(0.05),
        ..Progress::default()
    };
    let before = requests(60.0, 0.16).seen(|profile| profile.course = vec![start, first]);
    let between = requests(60.0, 0.16).done();
    let point = |profile| {
        expect(profile, Cause::SerialWaits)
            .prescription
            .speedup
            .point
    };
    // All at once: what comes before, one wait, and what follows it of each, one after the other.
    near(point(&before), 3.16 / (0.1 + 0.051 + 0.03 + 0.006), 0.4);
    // The wait hides behind what the others compute meanwhile.
    near(point(&between), 3.16 / (0.16 + 0.006), 0.4);
    let cold = expect(&before, Cause::SerialWaits)
        .prescription
        .speedup
        .high;
    assert!(cold <= 3.16 / 0.16 + 0.01, "{cold}");
}

#[test]
fn what_is_lost_between_looks_limits_nothing() {
    let lost = |share: f64| {
        let profile = requests(60.0, 0.02).seen(|profile| {
            profile.wall = profile.wall.mul_f64(1.0 / (1.0 - share));
        });
        expect(&profile, Cause::SerialWaits).prescription.speedup
    };
    let (none, little, much) = (lost(0.0), lost(0.005), lost(0.12));
    near(little.point, none.point, 0.02 * none.point);
    assert!(little.low < 0.95 * none.low, "{little:?} {none:?}");
    // That much is something else.
    assert!(much.point < 10.0, "{much:?}");
}

#[test]
fn a_loop_wakes_for_many_at_once() {
    // A hundred requests of 20 ms, one by one, with 0.4 ms of compute each.
    let profile = Program::watched(2.04, 2.0)
        .thread("server", &[(Class::Cpu, 0.04), (Class::Poll, 2.0)])
        .runs(EventLoop::Epoll)
        .wait(Class::Poll, Target::Call("epoll_wait".into()), 2.0, 100.0)
        .seen(|profile| {
            profile.overlap.io = seconds(2.0);
            profile.overlap.io_in_flight = seconds(2.0);
        });
    let help = expect(&profile, Cause::SerialWaits).prescription;
    assert_eq!(help.model, Model::Async);
    // 0.25 ms of it stay, half of it after the wait, and 5 µs for a task.
    near(help.speedup.point, 2.04 / (0.02 + 100.0 * 0.000_130), 1.0);
}

#[test]
fn levels_make_whole_rounds_of_what_a_server_lets_queue() {
    let level = |count, switches| {
        let profile = requests(count, 0.02).seen(|profile| profile.sources.switches = switches);
        expect(&profile, Cause::SerialWaits).prescription.level
    };
    // Two rounds of 75, and some to spare.
    assert_eq!(level(150.0, Source::Used), 78);
    assert_eq!(level(150.0, Source::NotNeeded), 86);
    assert_eq!(level(60.0, Source::Used), 62);
    assert_eq!(level(5.0, Source::Used), 5);
    assert!(level(5000.0, Source::Used) <= 128);
}

#[test]
fn serial_waits_need_enough_io() {
    let with_io = |io: f64| {
        Program::watched(10.0, 4.0)
            .thread("app", &[(Class::Cpu, 10.0 - io), (Class::Network, io)])
            .wait(Class::Network, peer(), io, 20.0)
            .done()
    };
    expect(&with_io(3.1), Cause::SerialWaits);
    let verdict = expect(&with_io(2.9), Cause::SerialCpu);
    assert!(verdict.confidence < 0.6, "it lies between the borders");
}

#[test]
fn an_async_program_that_awaits_one_by_one() {
    // One thread polls; the sockets tell that one request is in flight.
    let one_by_one = |in_flight: f64, most| {
        Program::watched(10.0, 2.0)
            .thread("python3", &[(Class::Cpu, 0.3), (Class::Poll, 9.7)])
            .runs(EventLoop::Python("asyncio".into()))
            .wait(Class::Poll, Target::Call("epoll_wait".into()), 9.7, 50.0)
            .seen(|profile| {
                profile.overlap.io = seconds(9.6);
                profile.overlap.io_in_flight = seconds(9.6 * in_flight);
                profile.network.peers.push(PeerUse {
                    address: "tcp 10.0.0.7:443".into(),
                    in_flight: seconds(9.6 * in_flight),
                    effective_count: 50.0 * in_flight,
                    most_in_flight: most,
                    ..PeerUse::default()
                });
            })
    };
    let verdict = expect(&one_by_one(1.0, 1), Cause::SerialWaits);
    assert_eq!(verdict.prescription.model, Model::Async);
    assert!(verdict.sentence.contains("10.0.0.7:443"));
    assert_eq!(verdict.bound, Bound::Io);
    let verdict = expect(&one_by_one(64.0, 64), Cause::Peer);
    assert_eq!(verdict.prescription.model, Model::AsIs);
    near(verdict.concurrency, 64.0, 0.01);
}

#[test]
fn one_answer_in_many_pieces_is_one() {
    // 200 waits, and for so much of their time, for so many answers, nothing was sent in between.
    let streaming = |unasked: f64, answers: f64| {
        Program::watched(10.0, 2.0)
            .thread("app", &[(Class::Cpu, 0.3), (Class::Network, 9.7)])
            .wait(Class::Network, peer(), 9.7, 200.0)
            .seen(|profile| {
                profile.network.peers.push(PeerUse {
                    address: "tcp 10.0.0.7:80".into(),
                    waited_for_answers: seconds(unasked),
                    answers,
                    ..PeerUse::default()
                });
            })
    };
    let verdict = expect(&streaming(9.6, 1.0), Cause::Peer);
    assert!(verdict.confidence > 0.8, "{}", verdict.confidence);
    assert_eq!(verdict.prescription.level, 1);
    near(verdict.prescription.speedup.high, 1.0, 1e-9);
    assert!(verdict.sentence.contains("10.0.0.7:80"));
    // Several of them may be had at once.
    let verdict = expect(&streaming(9.6, 5.0), Cause::SerialWaits);
    assert!((5..8).contains(&verdict.prescription.level), "{verdict:?}");
    // Of most of the time it is not known.
    let verdict = expect(&streaming(1.0, 1.0), Cause::SerialWaits);
    assert!(verdict.prescription.level > 50, "{verdict:?}");
    // As many answers as waits.
    let plain = expect(&streaming(0.0, 0.0), Cause::SerialWaits).prescription;
    let counted = expect(&streaming(9.6, 180.0), Cause::SerialWaits).prescription;
    assert_eq!(plain.level, counted.level);
}

#[test]
fn a_small_pool_with_all_in_waits() {
    let verdict = expect(&fetching(4, 50.0, 13.0, 0.2).done(), Cause::TooFewWorkers);
    let help = verdict.prescription;
    // As many as there were, and some for those that were not counted.
    assert_eq!(help.level, 57);
    near(help.speedup.point, 13.0 / 1.11, 0.15);
    // Two of them, one always waiting: not yet one after another.
    expect(&fetching(2, 40.0, 20.0, 0.2).done(), Cause::TooFewWorkers);
}

#[test]
fn a_large_pool_waits_for_the_peer() {
    expect(
        &fetching(11, 1100.0, 100.0, 0.2).done(),
        Cause::TooFewWorkers,
    );
    let verdict = expect(&fetching(13, 1300.0, 100.0, 0.2).done(), Cause::Peer);
    near(verdict.prescription.speedup.point, 1.0, 0.001);
    assert!(
        verdict.prescription.speedup.high > 2.0,
        "more may help, which nobody can know"
    );
}

#[test]
fn three_downloads_with_three_workers_are_all_there_is() {
    expect(&fetching(3, 3.0, 1.0, 0.01).done(), Cause::Peer);
}

#[test]
fn workers_that_keep_the_cores_busy_are_not_too_few() {
    let with_cpu = |cpu: f64| {
        Program::watched(10.0, 2.0)
            .thread("app", &[(Class::Join, 10.0)])
            .pool(4, &[(Class::Cpu, cpu), (Class::Network, 10.0 - cpu)])
            .wait(Class::Network, peer(), 4.0 * (10.0 - cpu), 400.0)
            .seen(|profile| profile.overlap.compute = seconds(3.0 * cpu))
    };
    expect(&with_cpu(2.4), Cause::TooFewWorkers);
    expect(&with_cpu(2.6), Cause::Peer);
}

#[test]
fn one_wait_behind_compute_is_hidden() {
    // A thread fetches ahead while another computes.
    let with_overlap = |both: f64| {
        Program::watched(10.0, 4.0)
            .thread("app", &[(Class::Cpu, 6.0), (Class::Condition, 4.0)])
            .thread("fetch", &[(Class::Network, 9.5), (Class::Idle, 0.5)])
            .wait(Class::Network, peer(), 9.5, 95.0)
            .seen(|profile| profile.overlap.both = seconds(both))
    };
    expect(&with_overlap(5.6), Cause::Peer);
    expect(&with_overlap(2.9), Cause::SerialWaits);
}

#[test]
fn a_little_compute_inside_of_the_waits_hides_none_of_them() {
    // Others work on what one fetches, for a part of the time in which it fetches the next.
    let with_compute = |cpu: f64| {
        Program::watched(10.0, 4.0)
            .thread("fetch", &[(Class::Network, 9.5), (Class::Idle, 0.5)])
            .thread("work", &[(Class::Cpu, cpu), (Class::Condition, 10.0 - cpu)])
            .wait(Class::Network, peer(), 9.5, 95.0)
            .seen(|profile| profile.overlap.both = seconds(0.9 * cpu))
    };
    expect(&with_compute(3.7), Cause::SerialWaits);
    expect(&with_compute(3.9), Cause::Peer);
}

#[test]
fn overlap_with_next_to_no_compute_tells_nothing() {
    // Background threads of a run-time system compute a little while the one call waits.
    let profile = Program::watched(10.0, 4.0)
        .thread("app", &[(Class::Network, 10.0)])
        .thread("gc", &[(Class::Cpu, 0.4), (Class::Idle, 9.6)])
        .wait(Class::Network, peer(), 10.0, 100.0)
        .seen(|profile| profile.overlap.both = seconds(0.4));
    expect(&profile, Cause::SerialWaits);
}

#[test]
fn download_then_process_is_helped_by_fetching_ahead() {
    let verdict = expect(
        &Program::watched(10.0, 2.0)
            .thread("python3", &[(Class::Cpu, 5.0), (Class::Network, 5.0)])
            .wait(Class::Network, peer(), 5.0, 50.0)
            .done(),
        Cause::SerialWaits,
    );
    assert_eq!(verdict.bound, Bound::Mixed);
    assert_eq!(verdict.prescription.speedup.law, Law::Prefetch);
    near(verdict.prescription.speedup.point, 2.0, 0.05);
    assert!(verdict.prescription.advice.contains("ahead"));
}

#[test]
fn a_loop_of_curls_is_run_as_processes() {
    let mut program =
        Program::watched(10.0, 2.0).thread("sh", &[(Class::Cpu, 0.1), (Class::Child, 9.9)]);
    for n in 0..10 {
        program = program.child(
            "curl",
            f64::from(n),
            &[(Class::Cpu, 0.02), (Class::Network, 0.96)],
        );
    }
    let profile = program.wait(Class::Network, peer(), 9.6, 10.0).done();
    let verdict = expect(&profile, Cause::SerialWaits);
    assert_eq!(
        (verdict.prescription.model, verdict.prescription.level),
        (Model::Processes, 11)
    );
    assert!(
        verdict.shares.child < 0.1,
        "the children explain the wait for them"
    );
    assert!(verdict.shares.network > 0.9);
}

#[test]
fn reading_a_cold_disk_gains_as_far_as_a_disk_goes() {
    let profile = Program::watched(10.0, 8.0)
        .thread("app", &[(Class::Cpu, 1.0), (Class::Disk, 9.0)])
        .wait(Class::Disk, Target::File("/data/a".into()), 9.0, 3000.0)
        .done();
    let help = expect(&profile, Cause::SerialWaits).prescription;
    assert!(help.speedup.point < 4.5, "{:?}", help.speedup);
}

#[test]
fn waits_for_safety_are_commits() {
    let syncing = |syncs: f64, reads: f64| {
        Program::watched(10.0, 2.0)
            .thread(
                "db",
                &[
                    (Class::Cpu, 10.0 - syncs - reads),
                    (Class::Disk, syncs + reads),
                ],
            )
            .wait(Class::Disk, Target::File("/data/wal".into()), syncs, 500.0)
            .last_wait(|wait| wait.syncs = true)
            .wait(
                Class::Disk,
                Target::File("/data/table".into()),
                reads,
                500.0,
            )
            .done()
    };
    let verdict = expect(&syncing(5.1, 4.0), Cause::CommitLatency);
    assert!(verdict.sentence.contains("/data/wal"));
    near(
        verdict.prescription.speedup.point,
        1.0 / (1.0 - 0.51 * 0.9),
        0.02,
    );
    expect(&syncing(4.0, 5.1), Cause::SerialWaits);
    expect(&syncing(3.1, 0.0), Cause::CommitLatency);
    expect(&syncing(2.5, 0.0), Cause::SerialCpu);
}

fn sleeping(time: f64, count: f64) -> Profile {
    Program::watched(10.0, 2.0)
        .thread(
            "python3",
            &[
                (Class::Cpu, 0.2),
                (Class::Sleep, time),
                (Class::Network, 9.8 - time),
            ],
        )
        .wait(
            Class::Sleep,
            Target::Call("clock_nanosleep".into()),
            time,
            count,
        )
        .wait(Class::Network, peer(), 9.8 - time, 100.0)
        .done()
}

#[test]
fn sleeping_half_of_the_time_is_a_timer() {
    let verdict = expect(&sleeping(5.1, 100.0), Cause::Timer);
    assert_eq!(verdict.prescription.model, Model::AsIs);
    assert!(verdict.prescription.advice.contains("event"));
    expect(&sleeping(4.8, 100.0), Cause::SerialWaits);
}

#[test]
fn long_sleeps_may_stand_for_work() {
    let help = expect(&sleeping(9.8, 10.0), Cause::Timer).prescription;
    assert_eq!(help.level, 11);
    near(help.speedup.low, 1.0, 0.001);
    near(help.speedup.point, 10.0 / 1.09, 0.05);
}

#[test]
fn an_event_loop_that_only_has_timers() {
    let with_limit = |timed: f64| {
        Program::watched(10.0, 2.0)
            .thread("node", &[(Class::Cpu, 0.2), (Class::Poll, 9.8)])
            .runs(EventLoop::Epoll)
            .wait(Class::Poll, Target::Call("epoll_wait".into()), 9.8, 20.0)
            .last_wait(|wait| wait.timed = seconds(timed))
            .done()
    };
    expect(&with_limit(9.0), Cause::Timer);
    let verdict = expect(&with_limit(0.5), Cause::Undetermined);
    assert!(verdict.sentence.contains("event"), "{}", verdict.sentence);
}

#[test]
fn a_housekeeper_that_wakes_now_and_then_is_no_timer() {
    // Go's monitor sleeps 10 ms at a time, beside the one thread that waits for a peer or computes.
    let beside = |work: Class| {
        Program::watched(10.0, 4.0)
            .thread("server", &[(Class::Cpu, 0.4), (work, 9.6)])
            .thread("server", &[(Class::Cpu, 0.05), (Class::Sleep, 9.95)])
            .last(|thread| thread.slices = 1000)
            .wait(Class::Sleep, Target::Call("nanosleep".into()), 9.95, 1000.0)
            .wait(
                work,
                peer(),
                if work == Class::Network { 9.6 } else { 0.0 },
                96.0,
            )
            .done()
    };
    let verdict = expect(&beside(Class::Network), Cause::SerialWaits);
    assert!(verdict.shares.sleep < 0.01);
    expect(&beside(Class::Cpu), Cause::SerialCpu);
}

#[test]
fn the_other_end_of_a_pipe_is_a_peer() {
    let piped = |pipe: f64| {
        Program::watched(10.0, 2.0)
            .thread("sort", &[(Class::Pipe, pipe), (Class::Cpu, 10.0 - pipe)])
            .wait(
                Class::Pipe,
                Target::Pipe {
                    name: "pipe:[7]".into(),
                    other: Some("zcat".into()),
                },
                pipe,
                50.0,
            )
            .done()
    };
    assert!(expect(&piped(5.1), Cause::Peer).sentence.contains("zcat"));
    expect(&piped(4.9), Cause::SerialCpu);
}

#[test]
fn what_comes_from_outside_is_not_known() {
    // Lines from a process that is not watched, and some from one that is.
    let reads = |outside: f64, own: f64| {
        let piped = |other: Option<&str>| Target::Pipe {
            name: "pipe:[8]".into(),
            other: other.map(Into::into),
        };
        Program::watched(10.0, 2.0)
            .thread(
                "sh",
                &[
                    (Class::Pipe, outside + own),
                    (Class::Cpu, 10.0 - outside - own),
                ],
            )
            .wait(Class::Pipe, piped(None), outside, 40.0)
            .wait(Class::Pipe, piped(Some("zcat")), own, 40.0)
            .done()
    };
    let verdict = expect(&reads(5.1, 0.0), Cause::Undetermined);
    assert!(
        verdict.sentence.contains("pipe:[8]"),
        "{}",
        verdict.sentence
    );
    expect(&reads(4.9, 0.0), Cause::SerialCpu);
    expect(&reads(3.1, 2.9), Cause::Undetermined);
    expect(&reads(2.9, 3.1), Cause::Peer);
}

#[test]
fn a_pipeline_that_computes_at_one_end_waits_for_nobody() {
    let profile = Program::watched(10.0, 4.0)
        .thread("sh", &[(Class::Child, 10.0)])
        .child("cat", 0.0, &[(Class::Pipe, 9.5), (Class::Cpu, 0.5)])
        .child("gzip", 0.0, &[(Class::Cpu, 9.9), (Class::Pipe, 0.1)])
        .done();
    expect(&profile, Cause::SerialCpu);
}

#[test]
fn all_answers_first_and_all_compute_after() {
    let phases = |compute: f64, both: f64| {
        Program::watched(10.0, 2.0)
            .thread(
                "python3",
                &[(Class::Cpu, compute), (Class::Poll, 10.0 - compute)],
            )
            .runs(EventLoop::Python("asyncio".into()))
            .wait(
                Class::Poll,
                Target::Call("epoll_wait".into()),
                10.0 - compute,
                40.0,
            )
            .seen(|profile| {
                profile.overlap.io = seconds(10.0 - compute + both);
                profile.overlap.both = seconds(both);
                profile.overlap.io_in_flight = seconds(30.0 * (10.0 - compute));
            })
    };
    let verdict = expect(&phases(5.0, 0.2), Cause::SerialWaits);
    assert_eq!(
        (verdict.prescription.model, verdict.prescription.speedup.law),
        (Model::Async, Law::Prefetch)
    );
    near(verdict.prescription.speedup.point, 2.0, 0.05);
    expect(&phases(5.0, 1.6), Cause::Peer);
    expect(&phases(2.4, 0.2), Cause::Peer);
}
