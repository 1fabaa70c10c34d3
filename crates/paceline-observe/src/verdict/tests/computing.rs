//! Ways to be busy.

use super::program::{Program, peer, seconds};
use super::{expect, near};
use crate::profile::{Class, Profile};
use crate::verdict::{Bound, Cause, Law, Model};

#[test]
fn one_thread_computes() {
    let verdict = expect(
        &Program::watched(4.0, 2.0)
            .thread("app", &[(Class::Cpu, 3.95), (Class::Disk, 0.05)])
            .done(),
        Cause::SerialCpu,
    );
    assert_eq!(verdict.bound, Bound::Cpu);
    let help = verdict.prescription;
    assert_eq!(
        (help.model, help.level, help.speedup.law),
        (Model::CpuPool, 2, Law::Amdahl)
    );
    near(help.speedup.point, 2.0, 0.05);
    near(help.speedup.low, 1.0, 0.001);
}

#[test]
fn python_computes_in_processes() {
    let verdict = expect(
        &Program::watched(4.0, 8.0)
            .thread("python3", &[(Class::Cpu, 4.0)])
            .done(),
        Cause::SerialCpu,
    );
    assert_eq!(
        (verdict.prescription.model, verdict.prescription.level),
        (Model::Processes, 8)
    );
}

#[test]
fn compute_of_processes_is_cut_into_more_of_them() {
    let by_child = |cpu: f64| {
        Program::watched(4.0, 2.0)
            .thread("sh", &[(Class::Cpu, 4.0 - cpu), (Class::Child, cpu)])
            .child("xz", 4.0 - cpu, &[(Class::Cpu, cpu)])
            .done()
    };
    let advice = |cpu| expect(&by_child(cpu), Cause::SerialCpu).prescription.advice;
    assert!(advice(2.1).contains("xargs -P"), "{}", advice(2.1));
    assert!(advice(1.9).contains("threads"), "{}", advice(1.9));
}

#[test]
fn beside_a_hog_one_thread_still_computes() {
    let profile = Program::watched(4.0, 2.0)
        .thread("app", &[(Class::Cpu, 2.7), (Class::RunQueue, 1.3)])
        .seen(|profile| profile.outside.others_cpu = seconds(4.0));
    let verdict = expect(&profile, Cause::SerialCpu);
    near(verdict.prescription.speedup.point, 2.0, 0.05);
}

#[test]
fn one_thread_on_one_core_has_them_all() {
    expect(
        &Program::watched(4.0, 1.0)
            .thread("app", &[(Class::Cpu, 4.0)])
            .done(),
        Cause::Saturated,
    );
}

fn with_threads(count: usize, cores: f64, cpu: f64, queued: f64) -> Profile {
    Program::watched(10.0, cores)
        .thread("app", &[(Class::Join, 10.0)])
        .pool(count, &[(Class::Cpu, cpu), (Class::RunQueue, queued)])
        .done()
}

#[test]
fn all_cores_are_busy() {
    let verdict = expect(&with_threads(4, 4.0, 8.1, 0.0), Cause::Saturated);
    assert_eq!(verdict.prescription.model, Model::AsIs);
    near(verdict.prescription.speedup.high, 1.0, 0.001);
    near(verdict.utilisation, 0.81, 0.001);
    expect(&with_threads(4, 4.0, 7.9, 0.0), Cause::SerialCpu);
    // A hog takes a third of the cores: the work wants them all the same.
    expect(&with_threads(2, 2.0, 6.7, 3.3), Cause::Saturated);
    // A thread more than cores, or two for each, are in good order.
    expect(&with_threads(4, 2.0, 5.0, 5.0), Cause::Saturated);
}

#[test]
fn more_threads_than_cores_queue() {
    let verdict = expect(&with_threads(16, 2.0, 1.25, 8.75), Cause::Oversubscribed);
    assert_eq!(verdict.prescription.level, 2);
    assert!(
        verdict.sentence.contains("16 on average for 2 cores"),
        "{}",
        verdict.sentence
    );
    // Their queue is 1.3 and 1.2 times what they run.
    expect(&with_threads(5, 2.0, 4.0, 5.2), Cause::Oversubscribed);
    expect(&with_threads(5, 2.0, 4.0, 4.8), Cause::Saturated);
}

#[test]
fn others_have_the_cores() {
    let beside = |run: f64, queued: f64, others: f64| {
        Program::watched(10.0, 2.0)
            .thread("app", &[(Class::Cpu, run), (Class::RunQueue, queued)])
            .seen(|profile| profile.outside.others_cpu = seconds(others))
    };
    let verdict = expect(&beside(3.3, 6.7, 16.7), Cause::OutsideContention);
    assert_eq!(verdict.prescription.model, Model::AsIs);
    // One hog for each core: they share evenly.
    expect(&beside(5.0, 5.0, 15.0), Cause::OutsideContention);
    expect(&beside(5.9, 4.1, 14.0), Cause::SerialCpu);
    // Nobody else was there.
    expect(&beside(3.3, 6.7, 1.0), Cause::SerialCpu);
    // Queues before short bursts limit nothing.
    let waits = Program::watched(10.0, 2.0)
        .thread(
            "app",
            &[
                (Class::Cpu, 0.5),
                (Class::RunQueue, 1.5),
                (Class::Network, 8.0),
            ],
        )
        .wait(Class::Network, peer(), 8.0, 80.0)
        .seen(|profile| profile.outside.others_cpu = seconds(18.0));
    expect(&waits, Cause::SerialWaits);
}

#[test]
fn own_threads_explain_their_queue() {
    // Four threads on two cores, beside a hog: 1.6 cores for them.
    let profile = Program::watched(10.0, 2.0)
        .pool(4, &[(Class::Cpu, 4.0), (Class::RunQueue, 6.0)])
        .seen(|profile| profile.outside.others_cpu = seconds(4.0));
    expect(&profile, Cause::Oversubscribed);
}

#[test]
fn a_quota_holds_it() {
    let held = |throttled: f64| {
        Program::watched(10.0, 0.5)
            .thread("app", &[(Class::Cpu, 5.0), (Class::RunQueue, 5.0)])
            .seen(|profile| profile.outside.throttled = seconds(throttled))
    };
    assert!(
        expect(&held(5.0), Cause::OutsideContention)
            .sentence
            .contains("quota")
    );
    expect(&held(1.9), Cause::Saturated);
    // Others are there too, but the quota is what holds it.
    let beside = Program::watched(10.0, 0.5)
        .thread("app", &[(Class::Cpu, 3.0), (Class::RunQueue, 7.0)])
        .seen(|profile| {
            profile.outside.throttled = seconds(4.0);
            profile.outside.others_cpu = seconds(15.0);
        });
    assert!(
        expect(&beside, Cause::OutsideContention)
            .sentence
            .contains("quota")
    );
    // Too many threads for the quota are the program's own affair.
    let crowd = Program::watched(10.0, 2.0)
        .pool(8, &[(Class::Cpu, 2.5), (Class::RunQueue, 7.5)])
        .seen(|profile| profile.outside.throttled = seconds(7.0));
    expect(&crowd, Cause::Oversubscribed);
}

fn copying(change: impl FnOnce(&mut Profile)) -> Profile {
    Program::watched(4.0, 4.0)
        .thread("cp", &[(Class::Cpu, 3.6), (Class::Disk, 0.4)])
        .seen(|profile| {
            profile.cpu.user = seconds(0.4);
            profile.cpu.system = seconds(3.2);
            profile.file_bytes.read_calls = 8 << 30;
            profile.file_bytes.write_calls = 8 << 30;
            profile.file_bytes.read_count = 65_536;
            profile.file_bytes.write_count = 65_536;
            change(profile);
        })
}

#[test]
fn the_kernel_copies() {
    let verdict = expect(&copying(|_| {}), Cause::PageCache);
    assert_eq!(verdict.bound, Bound::Cpu);
    assert!(verdict.sentence.contains("8 GiB"), "{}", verdict.sentence);
    expect(
        &copying(|p| p.file_bytes.from_disk = 1 << 30),
        Cause::PageCache,
    );
    expect(
        &copying(|p| p.file_bytes.from_disk = 2 << 30),
        Cause::SerialCpu,
    );
    expect(
        &copying(|p| p.overlap.compute = seconds(3.3)),
        Cause::SerialCpu,
    );
    expect(
        &copying(|p| {
            p.cpu.user = seconds(1.5);
            p.cpu.system = seconds(2.1);
        }),
        Cause::SerialCpu,
    );
}

#[test]
fn a_busy_kernel_that_does_not_copy_is_plain_compute() {
    let calls = |bytes: u64, count: u64| {
        copying(|p| {
            p.file_bytes.read_calls = bytes;
            p.file_bytes.write_calls = 0;
            p.file_bytes.read_count = count;
            p.file_bytes.write_count = 0;
        })
    };
    expect(&calls(100 << 20, 2000), Cause::SerialCpu);
    expect(&calls(400 << 20, 2000), Cause::PageCache);
    // A byte at a time.
    let verdict = expect(&calls(3_000_000, 3_000_000), Cause::PageCache);
    assert!(
        verdict
            .prescription
            .advice
            .contains("larger pieces than 1 B"),
        "{}",
        verdict.prescription.advice
    );
}

#[test]
fn waits_that_hide_behind_compute() {
    let hidden = |compute: f64, io: f64, both: f64| {
        Program::watched(10.0, 4.0)
            .thread(
                "app",
                &[(Class::Cpu, compute), (Class::Condition, 10.0 - compute)],
            )
            .thread("fetch", &[(Class::Network, io), (Class::Idle, 10.0 - io)])
            .wait(Class::Network, peer(), io, 100.0)
            .seen(|profile| profile.overlap.both = seconds(both))
    };
    let verdict = expect(&hidden(9.5, 5.0, 4.8), Cause::OverlappedCpu);
    assert_eq!(verdict.bound, Bound::Cpu);
    near(verdict.prescription.speedup.point, 2.0, 0.01);
    near(verdict.overlap.expect("some"), 0.96, 0.001);
    expect(&hidden(8.4, 5.0, 4.8), Cause::Peer);
    expect(&hidden(9.5, 2.9, 2.8), Cause::SerialCpu);
    expect(&hidden(9.5, 5.0, 3.4), Cause::SerialCpu);
}

fn uneven(first: f64, rest: f64) -> Profile {
    Program::watched(10.0, 4.0)
        .thread("app", &[(Class::Join, 10.0)])
        .pool(1, &[(Class::Cpu, first), (Class::Condition, 10.0 - first)])
        .pool(3, &[(Class::Cpu, rest), (Class::Condition, 10.0 - rest)])
        .seen(|profile| profile.overlap.compute = seconds(first))
}

#[test]
fn workers_wait_for_the_slowest() {
    let verdict = expect(&uneven(10.0, 2.0), Cause::Imbalance);
    near(verdict.prescription.speedup.point, 10.0 / 4.0, 0.01);
    // Even work that has a signal to wait for now and then.
    expect(&uneven(7.6, 7.6), Cause::SerialCpu);
}

#[test]
fn workers_wait_for_each_other_in_turn() {
    let in_turn = |waits: f64| {
        Program::watched(10.0, 8.0)
            .pool(4, &[(Class::Cpu, 10.0 - waits), (Class::Condition, waits)])
            .seen(|profile| profile.overlap.compute = seconds(9.9))
    };
    expect(&in_turn(2.6), Cause::Imbalance);
    expect(&in_turn(2.4), Cause::SerialCpu);
}

#[test]
fn what_is_held_on_several_cores_at_once_is_held_once() {
    // Three threads on a quota of 2.5 cores: the kernel counts for each core that it held one.
    let held = |throttled: f64| {
        Program::watched(10.0, 2.5)
            .pool(3, &[(Class::Cpu, 8.0), (Class::RunQueue, 2.0)])
            .seen(|profile| profile.outside.throttled = seconds(throttled))
    };
    expect(&held(6.1), Cause::OutsideContention);
    expect(&held(5.9), Cause::Saturated);
}

/// Two workers on two cores, one of which others have half of the time, the second done after `second`
/// seconds.
fn beside_a_hog(first: f64, second: [f64; 2]) -> Profile {
    let [cpu, queued] = second;
    Program::watched(10.0, 2.0)
        .thread("app", &[(Class::Join, 10.0)])
        .pool(1, &[(Class::Cpu, first), (Class::RunQueue, 10.0 - first)])
        .pool(
            1,
            &[
                (Class::Cpu, cpu),
                (Class::RunQueue, queued),
                (Class::Idle, 10.0 - cpu - queued),
            ],
        )
        .seen(|profile| {
            profile.overlap.compute = seconds(10.0);
            profile.outside.others_cpu = seconds(7.0);
        })
}

#[test]
fn beside_others_uneven_workers_still_wait_for_the_slowest() {
    // All of both cores is wanted for most of the time, until the one with less to do is done.
    let verdict = expect(&beside_a_hog(8.0, [4.0, 3.5]), Cause::Imbalance);
    // On a free machine: 8 s, or 6 s if they were even.
    near(verdict.prescription.speedup.point, 8.0 / 6.0, 0.01);
    // They take one piece after the other: who has less of a core does less, until the end.
    expect(&beside_a_hog(8.0, [4.0, 5.7]), Cause::Saturated);
    // They do the same.
    expect(&beside_a_hog(7.0, [6.0, 2.0]), Cause::Saturated);
}

#[test]
fn processes_that_end_early_are_uneven_too() {
    let processes = |began: [f64; 2]| {
        Program::watched(4.0, 4.0)
            .thread("python3", &[(Class::Cpu, 0.05), (Class::Child, 3.95)])
            .child("python3", began[0], &[(Class::Cpu, 3.0)])
            .child("python3", began[1], &[(Class::Cpu, 0.9)])
            .seen(|profile| {
                let together = (3.0_f64 - began[1]).clamp(0.0, 0.9);
                profile.overlap.compute = seconds(3.95 - together);
            })
    };
    expect(&processes([0.0, 0.0]), Cause::Imbalance);
    // One after the other they are just one thread that computes.
    let verdict = expect(&processes([0.0, 3.05]), Cause::SerialCpu);
    assert_eq!(verdict.bound, Bound::Cpu);
    assert!(verdict.shares.cpu > 0.95, "{:?}", verdict.shares);
}

/// A team of threads without names, the main one among them, that compute for so long each.
fn team(main: f64, others: &[f64], compute: f64) -> Profile {
    let mut program = Program::watched(10.0, 4.0).thread(
        "app",
        &[(Class::Cpu, main), (Class::Condition, 10.0 - main)],
    );
    for work in others {
        program = program
            .pool(1, &[(Class::Cpu, *work), (Class::Condition, 10.0 - work)])
            .last(|thread| thread.name = "app".into());
    }
    program.seen(|profile| profile.overlap.compute = seconds(compute))
}

#[test]
fn the_main_thread_works_with_its_team() {
    // A loop cut into equal ranges of unequal work, as OpenMP does.
    let verdict = expect(&team(9.9, &[3.5], 9.9), Cause::Imbalance);
    near(verdict.prescription.speedup.point, 10.0 / 6.8, 0.01);
    expect(&team(9.9, &[7.0, 4.2, 1.4], 9.9), Cause::Imbalance);
    expect(&team(1.4, &[4.2, 7.0, 9.9], 9.9), Cause::Imbalance);
    // It has a part of its own: all others do alike, and wait for it.
    expect(&team(9.9, &[2.0, 2.0, 2.0], 9.9), Cause::SerialCpu);
    // A thread that helps a little.
    expect(&team(9.9, &[0.9], 9.9), Cause::SerialCpu);
}

#[test]
fn a_thread_with_a_name_has_work_of_its_own() {
    let mut profile = team(9.9, &[3.5], 9.9);
    profile.threads[1].name = "logger".into();
    expect(&profile, Cause::SerialCpu);
}

#[test]
fn work_that_moves_from_thread_to_thread_is_not_uneven() {
    // One goroutine, on whichever thread of the scheduler is free.
    expect(&team(1.8, &[6.0, 2.0], 9.8), Cause::SerialCpu);
    expect(&team(6.0, &[1.9, 1.9], 9.6), Cause::SerialCpu);
}

#[test]
fn workers_made_anew_for_each_round_are_uneven_in_each() {
    let rounds = |second: f64| {
        let mut program = Program::watched(10.0, 2.0).thread("app", &[(Class::Join, 10.0)]);
        for round in 0..10 {
            for work in [0.95, second] {
                program = program
                    .pool(1, &[(Class::Cpu, work)])
                    .last(|thread| thread.began = seconds(f64::from(round)));
            }
        }
        program.seen(|profile| profile.overlap.compute = seconds(9.5))
    };
    let verdict = expect(&rounds(0.2), Cause::Imbalance);
    near(verdict.prescription.speedup.point, 10.0 / 6.25, 0.01);
    expect(&rounds(0.55), Cause::Imbalance);
    expect(&rounds(0.58), Cause::SerialCpu);
    expect(&rounds(0.8), Cause::Saturated);
}

/// Ten rounds of a second, each with threads made for it that compute for so long. The main thread computes for so
/// long in all, and waits for so long for the others.
fn main_in_rounds(main: f64, joins: f64, parts: &[f64]) -> Profile {
    let mut program =
        Program::watched(10.0, 2.0).thread("app", &[(Class::Cpu, main), (Class::Join, joins)]);
    for round in 0..10 {
        for work in parts {
            program = program.pool(1, &[(Class::Cpu, *work)]).last(|thread| {
                thread.name = "app".into();
                thread.began = seconds(f64::from(round));
            });
        }
    }
    program.seen(|profile| profile.overlap.compute = seconds(9.9))
}

#[test]
fn a_main_thread_that_waits_for_each_round_makes_it_ready() {
    let judged =
        |main, joins, parts: &[f64], cause| expect(&main_in_rounds(main, joins, parts), cause);
    let verdict = judged(2.0, 7.9, &[0.79, 0.2], Cause::Imbalance);
    assert!(
        verdict
            .sentence
            .contains("of 2, the busiest computes for 7.9 s"),
        "{}",
        verdict.sentence
    );
    // What it makes ready is most of the work: even rounds would not help it.
    judged(6.0, 3.9, &[0.39, 0.1], Cause::SerialCpu);
    judged(4.0, 5.9, &[0.59, 0.58], Cause::SerialCpu);
    // One thread in each round: nothing is done side by side.
    judged(2.0, 7.9, &[0.79], Cause::SerialCpu);
}

#[test]
fn a_main_thread_that_works_in_each_round_is_one_of_the_workers() {
    let judged = |main, joins, part, cause| expect(&main_in_rounds(main, joins, &[part]), cause);
    // It has the larger part, or the smaller one.
    judged(9.9, 0.1, 0.3, Cause::Imbalance);
    judged(3.0, 6.9, 0.98, Cause::Imbalance);
    // It works for less than half of what it does while the other lives.
    judged(3.0, 8.4, 0.98, Cause::SerialCpu);
}

#[test]
fn threads_beyond_those_described_are_of_the_same_kinds() {
    let some = |seen: usize| {
        let mut program = Program::watched(40.0, 2.0).thread("app", &[(Class::Join, 40.0)]);
        for round in 0..10 {
            for work in [0.95, 0.2] {
                program = program
                    .pool(1, &[(Class::Cpu, work)])
                    .last(|thread| thread.began = seconds(f64::from(round)));
            }
        }
        program.seen(|profile| {
            profile.threads_seen = seen;
            profile.time[Class::Cpu] = seconds(46.0);
            profile.overlap.compute = seconds(38.0);
        })
    };
    expect(&some(81), Cause::Imbalance);
    // All threads are there: something else computes.
    expect(&some(21), Cause::SerialCpu);
}

#[test]
fn one_after_the_other_on_each_lane_is_even() {
    // A pool of two takes pieces as they come: a long one beside two short ones.
    let mut program =
        Program::watched(8.0, 4.0).thread("xargs", &[(Class::Cpu, 0.01), (Class::Child, 7.9)]);
    for n in 0..4 {
        let began = 2.0 * f64::from(n);
        program = program
            .child("gzip", began, &[(Class::Cpu, 1.98)])
            .child("gzip", began, &[(Class::Cpu, 0.98)])
            .child("gzip", began + 1.0, &[(Class::Cpu, 0.98)]);
    }
    let profile = program.seen(|profile| profile.overlap.compute = seconds(7.95));
    expect(&profile, Cause::SerialCpu);
}

#[test]
fn a_compiler_of_the_run_time_system_is_no_worker() {
    let profile = Program::watched(10.0, 4.0)
        .thread("java", &[(Class::Cpu, 9.8), (Class::Other, 0.2)])
        .pool(2, &[(Class::Cpu, 1.0), (Class::Idle, 9.0)])
        .done();
    expect(&profile, Cause::SerialCpu);
}
