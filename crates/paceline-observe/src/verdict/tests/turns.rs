//! Threads that take turns: the interpreter's lock and others.

use super::program::{Program, peer, seconds};
use super::{expect, near};
use crate::profile::{Class, Futex, Profile, Target};
use crate::verdict::{Bound, Cause, Model};

/// Four threads of Python compute on `cores` cores.
fn four_tasks(cores: f64, waits: f64) -> Profile {
    Program::watched(4.0, cores)
        .thread("python3", &[(Class::Join, 4.0)])
        .pool(4, &[(Class::Cpu, 1.0), (Class::Gil, waits)])
        .done()
}

#[test]
fn pythons_threads_wait_for_the_interpreter() {
    let verdict = expect(&four_tasks(2.0, 3.0), Cause::Gil);
    assert_eq!(verdict.bound, Bound::Cpu);
    near(verdict.shares.gil, 0.75, 0.001);
    let help = verdict.prescription;
    assert_eq!((help.model, help.level), (Model::Processes, 2));
    near(help.speedup.point, 2.0, 0.05);
}

#[test]
fn who_is_ready_while_another_has_the_interpreter_adds_no_work() {
    // Woken to take the interpreter over, each is ready for a while beside the one that computes.
    let profile = Program::watched(4.0, 2.0)
        .thread("python3", &[(Class::Join, 4.0)])
        .pool(
            4,
            &[
                (Class::Cpu, 1.0),
                (Class::RunQueue, 0.25),
                (Class::Gil, 2.75),
            ],
        )
        .seen(|profile| profile.overlap.compute = seconds(4.0));
    let help = expect(&profile, Cause::Gil).prescription;
    near(help.speedup.point, 2.0, 0.05);
    // None ran in three tenths of the time: it was lost to others, who may still be there.
    let profile = Program::watched(4.0, 2.0)
        .thread("python3", &[(Class::Join, 4.0)])
        .pool(
            4,
            &[(Class::Cpu, 0.7), (Class::RunQueue, 0.3), (Class::Gil, 3.0)],
        )
        .seen(|profile| profile.overlap.compute = seconds(4.0));
    near(
        expect(&profile, Cause::Gil).prescription.speedup.point,
        2.0,
        0.05,
    );
}

#[test]
fn the_interpreter_has_to_be_waited_for_half_of_the_time() {
    expect(&four_tasks(2.0, 0.52), Cause::Gil);
    expect(&four_tasks(2.0, 0.48), Cause::SerialCpu);
}

#[test]
fn beside_others_pythons_threads_wait_for_the_interpreter_and_for_a_core() {
    // A hog has one of two cores. Whoever is ready beside the one that runs would not find the interpreter
    // free, however many cores there were.
    let beside = |cores: f64, cpu: f64, queued: f64, gil: f64| {
        Program::watched(4.0, cores)
            .thread("python3", &[(Class::Join, 4.0)])
            .pool(
                4,
                &[
                    (Class::Cpu, cpu / 4.0),
                    (Class::RunQueue, queued / 4.0),
                    (Class::Gil, gil / 4.0),
                    (Class::Idle, 4.0 - (cpu + queued + gil) / 4.0),
                ],
            )
            .seen(|profile| {
                profile.overlap.compute = seconds(3.9);
                profile.outside.others_cpu = seconds(4.0 * cores - cpu);
            })
    };
    expect(&beside(2.0, 3.8, 9.6, 2.1), Cause::Gil);
    // They seldom wait for each other, and never get the cores.
    expect(&beside(2.0, 2.0, 8.0, 1.9), Cause::OutsideContention);
    // None of them runs for half of the time in which one is ready.
    expect(&beside(2.0, 1.9, 8.0, 3.0), Cause::OutsideContention);
    // They use the cores all the same, in code that needs no interpreter.
    expect(&beside(2.0, 6.5, 5.0, 2.1), Cause::Saturated);
    expect(&beside(4.0, 6.5, 5.0, 2.1), Cause::Gil);
}

#[test]
fn on_one_core_the_interpreter_limits_nothing() {
    expect(&four_tasks(1.0, 3.0), Cause::Saturated);
}

#[test]
fn the_interpreter_limits_only_those_who_compute() {
    let with_cpu = |cpu: f64| {
        Program::watched(10.0, 2.0)
            .pool(
                2,
                &[
                    (Class::Cpu, cpu / 2.0),
                    (Class::Gil, 2.6),
                    (Class::Network, 7.4 - cpu / 2.0),
                ],
            )
            .wait(Class::Network, peer(), 14.8 - cpu, 100.0)
            .done()
    };
    expect(&with_cpu(7.1), Cause::Gil);
    assert_ne!(super::judge(&with_cpu(6.8)).cause, Cause::Gil);
}

/// Threads that do `work` in turns under a lock.
fn locked(work: Class, waits: f64, class: Class) -> Program {
    Program::watched(8.0, 4.0)
        .pool(
            4,
            &[(work, 2.0), (class, waits), (Class::Idle, 6.0 - waits)],
        )
        .wait(
            class,
            Target::Lock {
                pid: Some(100),
                address: 0x7f00_1000,
            },
            4.0 * waits,
            40.0,
        )
        .last_wait(|wait| {
            wait.threads = 4;
            wait.slices = 400;
            wait.futex = Some(if class == Class::Lock {
                Futex::Mutex
            } else {
                Futex::Untimed
            });
        })
}

#[test]
fn threads_wait_for_a_lock() {
    let verdict = expect(&locked(Class::Cpu, 6.0, Class::Lock).done(), Cause::Lock);
    assert_eq!(verdict.bound, Bound::Cpu);
    assert!(
        verdict.sentence.contains("0x7f001000"),
        "{}",
        verdict.sentence
    );
    assert!(
        verdict
            .prescription
            .advice
            .contains("more than 1 thread at once"),
        "{}",
        verdict.prescription.advice
    );
    near(verdict.prescription.speedup.point, 4.0, 0.01);
    let sleeping = expect(&locked(Class::Sleep, 6.0, Class::Lock).done(), Cause::Lock);
    assert_eq!(sleeping.bound, Bound::Io);
    // Forty requests under it, ten rounds of four without.
    let asking = locked(Class::Network, 6.0, Class::Lock).wait(Class::Network, peer(), 8.0, 40.0);
    let help = expect(&asking.done(), Cause::Lock).prescription;
    near(help.speedup.point, 4.0, 0.05);
    let more = locked(Class::Network, 6.0, Class::Lock).wait(Class::Network, peer(), 8.0, 41.0);
    let help = expect(&more.done(), Cause::Lock).prescription;
    near(help.speedup.point, 41.0 / 11.0, 0.05);
}

#[test]
fn a_main_thread_that_prepares_work_under_a_lock_stays_alone() {
    // It computes for 0.4 s and waits for its four workers then, of whose requests few moments are known.
    let asking = locked(Class::Network, 6.0, Class::Lock)
        .thread("main", &[(Class::Cpu, 0.4), (Class::Condition, 7.6)])
        .wait(Class::Network, peer(), 8.0, 40.0)
        .seen(|profile| profile.overlap.io = seconds(2.0));
    let help = expect(&asking, Cause::Lock).prescription;
    assert_eq!(help.level, 4);
    near(help.speedup.point, 1.0 / (0.05 + 0.95 / 4.0), 0.02);
}

#[test]
fn a_lock_has_to_be_waited_for_a_quarter_of_the_time() {
    expect(&locked(Class::Cpu, 0.52, Class::Lock).done(), Cause::Lock);
    expect(
        &locked(Class::Cpu, 0.48, Class::Lock).done(),
        Cause::SerialCpu,
    );
}

#[test]
fn many_threads_that_each_wait_a_little_are_not_limited_by_it() {
    let waiting = |each: f64| {
        Program::watched(10.0, 40.0)
            .pool(30, &[(Class::Network, 10.0 - each), (Class::Lock, each)])
            .wait(Class::Network, peer(), 30.0 * (10.0 - each), 10_000.0)
            .wait(
                Class::Lock,
                Target::Lock {
                    pid: Some(100),
                    address: 64,
                },
                30.0 * each,
                1000.0,
            )
            .done()
    };
    expect(&waiting(1.1), Cause::Lock);
    expect(&waiting(0.9), Cause::Peer);
}

#[test]
fn a_pool_at_rest_waits_for_no_lock() {
    let profile = locked(Class::Cpu, 6.0, Class::Lock)
        .last_wait(|wait| wait.slices = 0)
        .done();
    expect(&profile, Cause::SerialCpu);
}

#[test]
fn a_lock_of_python_is_known_by_those_who_take_turns() {
    let python = |program: Program| program.last(|thread| thread.name = "python3".into()).done();
    expect(
        &python(locked(Class::Cpu, 6.0, Class::Condition)),
        Cause::Lock,
    );
    // Workers that wait for work from a busy main thread share a queue, not a lock.
    let starved = Program::watched(8.0, 4.0)
        .thread("python3", &[(Class::Cpu, 7.9), (Class::Gil, 0.1)])
        .pool(4, &[(Class::Cpu, 0.2), (Class::Condition, 7.8)])
        .wait(
            Class::Condition,
            Target::Lock {
                pid: Some(100),
                address: 64,
            },
            31.2,
            400.0,
        )
        .last_wait(|wait| {
            wait.threads = 4;
            wait.futex = Some(Futex::Untimed);
        })
        .seen(|profile| profile.overlap.compute = seconds(8.0));
    assert_ne!(super::judge(&starved).cause, Cause::Lock);
}

#[test]
fn workers_that_compute_in_turns_share_a_lock_by_whatever_name() {
    // Java's threads park on a condition variable each.
    let turns = |crowd: f64, waits: f64| {
        Program::watched(8.0, 4.0)
            .thread("java", &[(Class::Join, 8.0)])
            .pool(
                4,
                &[
                    (Class::Cpu, 2.0),
                    (Class::Condition, waits),
                    (Class::Idle, 6.0 - waits),
                ],
            )
            .seen(|profile| profile.overlap.compute = seconds(8.0 / crowd))
    };
    let help = expect(&turns(1.0, 6.0), Cause::Lock).prescription;
    near(help.speedup.point, 4.0, 0.01);
    expect(&turns(1.14, 6.0), Cause::Lock);
    expect(&turns(1.16, 6.0), Cause::Imbalance);
    expect(&turns(1.0, 1.9), Cause::SerialCpu);
}

#[test]
fn a_main_thread_that_waits_at_a_lock_fights_over_nothing() {
    let profile = Program::watched(10.0, 4.0)
        .thread("app", &[(Class::Lock, 9.99), (Class::Cpu, 0.01)])
        .pool(4, &[(Class::Network, 9.9), (Class::Cpu, 0.1)])
        .wait(Class::Network, peer(), 39.6, 396.0)
        .wait(
            Class::Lock,
            Target::Lock {
                pid: Some(100),
                address: 64,
            },
            9.99,
            1.0,
        )
        .done();
    expect(&profile, Cause::TooFewWorkers);
}

#[test]
fn a_process_waits_for_a_locked_file_for_the_sake_of_its_child() {
    // Three run `flock FILE COMMAND`, and the commands compute one at a time.
    let at_work = |cpu: f64| {
        let mut program = Program::watched(10.0, 2.0).thread("sh", &[(Class::Child, 10.0)]);
        for _ in 0..3 {
            let waits = [(Class::Lock, 6.6), (Class::Child, 3.4)];
            program = program.child("flock", 0.0, &waits);
        }
        for n in 0..3 {
            program = program.child("sort", 3.4 * f64::from(n), &[(Class::Cpu, cpu / 3.0)]);
        }
        program
            .wait(
                Class::Lock,
                Target::File("/tmp/import.lock".into()),
                19.8,
                30.0,
            )
            .done()
    };
    let verdict = expect(&at_work(9.9), Cause::Lock);
    assert!(
        verdict.sentence.contains("while 1.0 work"),
        "{}",
        verdict.sentence
    );
    // Somebody else holds it if next to nothing is done under it.
    let held = expect(&at_work(3.0), Cause::Lock);
    assert!(held.sentence.contains("nobody"), "{}", held.sentence);
}

#[test]
fn a_lock_that_nobody_seen_holds() {
    let held = |waits: f64| {
        Program::watched(10.0, 2.0)
            .thread("apt", &[(Class::Lock, waits), (Class::Other, 10.0 - waits)])
            .wait(
                Class::Lock,
                Target::File("/var/lib/dpkg/lock".into()),
                waits,
                1.0,
            )
            .last_wait(|wait| wait.slices = 0)
            .done()
    };
    assert!(
        expect(&held(5.1), Cause::Lock)
            .sentence
            .contains("/var/lib/dpkg/lock")
    );
    expect(&held(4.9), Cause::Undetermined);
}
