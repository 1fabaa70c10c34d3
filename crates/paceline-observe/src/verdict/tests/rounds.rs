//! Workers that are even in sum and not in each round, and processes made for each round.

use super::program::{Program, seconds};
use super::{expect, near};
use crate::profile::{Class, Profile};
use crate::verdict::Cause;

/// A pool of two, watched for ten seconds: one of them or the other computes alone for so long in all, while the
/// other one is in this class; else both do, or what others compute alone goes on.
fn pool(cores: f64, alone: f64, meanwhile: Class, others_alone: f64) -> Profile {
    let together = 10.0 - alone - others_alone;
    let each = [
        (Class::Cpu, together + 0.5 * alone),
        (meanwhile, 0.5 * alone + others_alone),
    ];
    Program::watched(10.0, cores)
        .thread(
            "app",
            &[
                (Class::Cpu, others_alone),
                (Class::Join, 10.0 - others_alone),
            ],
        )
        .last(|main| main.spare = seconds((cores - 1.0) * others_alone))
        .pool(2, &each)
        .seen(|profile| {
            let spare = (cores - 1.0) * alone + (cores - 2.0) * together;
            for worker in &mut profile.threads[1..] {
                worker.spare = seconds(0.5 * spare);
            }
            profile.overlap.compute = seconds(10.0);
        })
}

#[test]
fn a_straggler_in_each_round_leaves_the_sums_even() {
    let judged = |alone, cause| expect(&pool(2.0, alone, Class::Idle, 0.0), cause);
    let verdict = judged(6.0, Cause::Imbalance);
    assert!(
        verdict.sentence.contains("of 2, 1.4 compute at once"),
        "{}",
        verdict.sentence
    );
    near(verdict.prescription.speedup.point, 10.0 / 7.0, 0.01);
    judged(4.1, Cause::Imbalance);
    // With less than that to gain the cores are busy.
    judged(3.9, Cause::Saturated);
    // A task at a time, with hardly any overlap: that is one thread.
    judged(8.4, Cause::Imbalance);
    judged(8.6, Cause::SerialCpu);
}

#[test]
fn rounds_beside_a_hog_are_as_uneven_as_without_one() {
    let judged = |alone: f64, cause| {
        let mut profile = pool(2.0, alone, Class::Idle, 0.0);
        // While both compute they share a core and a third.
        let queued = seconds((10.0 - alone) / 3.0);
        for worker in &mut profile.threads[1..] {
            worker.time[Class::Cpu] -= queued;
            worker.time[Class::RunQueue] += queued;
        }
        profile.time[Class::Cpu] -= 2 * queued;
        profile.time[Class::RunQueue] += 2 * queued;
        profile.outside.others_cpu = seconds(8.0);
        expect(&profile, cause)
    };
    judged(3.2, Cause::Imbalance);
    judged(3.0, Cause::Saturated);
}

#[test]
fn what_others_compute_alone_is_no_round_of_theirs() {
    // A main thread that puts together what even workers do.
    expect(&pool(2.0, 0.0, Class::Idle, 4.5), Cause::SerialCpu);
    // The rounds are most of the compute, or not.
    let uneven = |others| pool(2.0, 0.8 * (10.0 - others), Class::Idle, others);
    expect(&uneven(3.3), Cause::Imbalance);
    expect(&uneven(3.5), Cause::SerialCpu);
}

#[test]
fn cores_that_they_are_too_few_for_are_not_missed() {
    expect(&pool(8.0, 0.0, Class::Idle, 0.0), Cause::SerialCpu);
    expect(&pool(8.0, 6.0, Class::Idle, 0.0), Cause::Imbalance);
    // There is no core to miss.
    let mut profile = pool(2.0, 6.0, Class::Idle, 0.0);
    profile.cores = 1.0;
    expect(&profile, Cause::Saturated);
}

#[test]
fn who_waits_for_something_else_does_not_wait_for_the_slowest() {
    let held_up = |seconds_asleep: f64| {
        let mut profile = pool(2.0, 6.0, Class::Idle, 0.0);
        for worker in &mut profile.threads[1..] {
            worker.time[Class::Idle] -= seconds(0.5 * seconds_asleep);
            worker.time[Class::Sleep] = seconds(0.5 * seconds_asleep);
        }
        profile
    };
    expect(&held_up(2.9), Cause::Imbalance);
    expect(&held_up(3.1), Cause::SerialCpu);
}

#[test]
fn a_thread_that_helps_now_and_then_is_no_worker() {
    let helped = |help: f64| {
        Program::watched(10.0, 2.0)
            .thread("app", &[(Class::Join, 10.0)])
            .pool(1, &[(Class::Cpu, 9.9), (Class::Condition, 0.1)])
            .pool(1, &[(Class::Cpu, help), (Class::Condition, 10.0 - help)])
            .seen(|profile| profile.overlap.compute = seconds(9.95))
    };
    expect(&helped(1.05), Cause::Imbalance);
    expect(&helped(0.95), Cause::SerialCpu);
}

/// Ten rounds of a second, in each of which a shell starts two processes in the background that do this, and
/// let a child compute for so long.
fn in_the_background(parent: &str, own: (Class, f64), parts: [f64; 2]) -> Profile {
    let mut program = Program::watched(10.0, 2.0).thread(parent, &[(Class::Child, 10.0)]);
    let mut next = 101;
    for round in 0..10 {
        let began = f64::from(round);
        for part in parts {
            let (class, time) = own;
            program = program
                .child("sh", began, &[(class, time), (Class::Child, part)])
                .child("awk", began, &[(Class::Cpu, part)])
                .last(|thread| thread.parent = next);
            next += 2;
        }
    }
    program.seen(|profile| profile.overlap.compute = seconds(9.9))
}

#[test]
fn what_children_of_processes_do_is_the_work_of_these() {
    let nothing = (Class::Other, 0.0);
    let verdict = expect(
        &in_the_background("sh", nothing, [0.97, 0.2]),
        Cause::Imbalance,
    );
    assert!(
        verdict
            .sentence
            .contains("of 2, the busiest computes for 9.7 s, the average for 5.8 s"),
        "{}",
        verdict.sentence
    );
    expect(
        &in_the_background("sh", nothing, [0.9, 0.9]),
        Cause::Saturated,
    );
}

#[test]
fn compilers_below_one_make_after_the_other_are_of_a_kind() {
    let mut program = Program::watched(10.0, 2.0).thread("sh", &[(Class::Child, 10.0)]);
    let mut next = 101;
    for round in 0..10 {
        let began = f64::from(round);
        program = program.child("make", began, &[(Class::Child, 0.99)]);
        for part in [0.97, 0.2] {
            program = program
                .child("cc1", began, &[(Class::Cpu, part)])
                .last(|thread| thread.parent = next);
        }
        next += 3;
    }
    let profile = program.seen(|profile| profile.overlap.compute = seconds(9.8));
    expect(&profile, Cause::Imbalance);
}

#[test]
fn a_stage_of_a_pipeline_has_other_work_than_the_next() {
    let waits = |parent, pipe| in_the_background(parent, (Class::Pipe, pipe), [0.97, 0.2]);
    // Both wait for others, or one of the two.
    expect(&waits("sh", 1.2), Cause::SerialCpu);
    expect(&waits("sh", 0.25), Cause::SerialCpu);
    // What they read is what their own children write.
    expect(&waits("sh", 0.24), Cause::Imbalance);
    // Workers of another program may have their tasks from a pipe.
    expect(&waits("python3", 0.25), Cause::Imbalance);
}

#[test]
fn processes_beyond_those_described_are_of_the_same_kinds() {
    let some = |seen: usize| {
        let mut profile = in_the_background("sh", (Class::Other, 0.0), [0.97, 0.2]);
        profile.processes_seen = seen;
        profile.wall = seconds(40.0);
        profile.time[Class::Cpu] = seconds(46.8);
        profile.overlap.compute = seconds(39.6);
        profile
    };
    expect(&some(161), Cause::Imbalance);
    expect(&some(41), Cause::SerialCpu);
}
