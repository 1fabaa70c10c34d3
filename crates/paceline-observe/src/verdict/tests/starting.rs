//! Programs that start others.

use super::program::{Program, seconds};
use super::{expect, near};
use crate::profile::{Class, Profile, Source, Target};
use crate::verdict::{Cause, Model};

/// A shell that starts `count` processes in ten seconds, too short to be seen one by one.
fn starting(count: usize, cores: f64) -> Profile {
    Program::watched(10.0, cores)
        .thread("sh", &[(Class::Cpu, 4.0), (Class::Child, 6.0)])
        .wait(
            Class::Child,
            Target::Child("true".into()),
            6.0,
            count as f64,
        )
        .seen(|profile| {
            profile.processes_seen = count + 1;
            profile.time[Class::Cpu] = seconds(9.0);
            profile.cpu.user = seconds(3.0);
            profile.cpu.system = seconds(6.0);
            profile.overlap.compute = seconds(9.0);
        })
}

#[test]
fn many_short_children() {
    let verdict = expect(&starting(5000, 2.0), Cause::Child);
    assert!(
        verdict.sentence.contains("500 processes a second"),
        "{}",
        verdict.sentence
    );
    assert_eq!(verdict.prescription.model, Model::Processes);
    near(verdict.prescription.speedup.point, 2.0, 0.15);
    // 5 s of CPU time: 8.2 ms and 8.5 ms for each, of which starting takes 5.
    expect(&starting(610, 2.0), Cause::Child);
    expect(&starting(590, 2.0), Cause::SerialCpu);
    expect(&starting(5000, 1.0), Cause::Saturated);
}

#[test]
fn many_short_children_of_one_who_computes_itself() {
    let of = |own: f64| {
        let mut profile = starting(5000, 2.0);
        profile.threads[0].time[Class::Cpu] = seconds(own);
        profile
    };
    // They have 2.8 and 2.6 of 9 seconds.
    expect(&of(6.2), Cause::Child);
    expect(&of(6.4), Cause::SerialCpu);
}

#[test]
fn what_takes_a_child_down_is_a_part_of_starting_it() {
    // All of them were described, and more than half of what they used comes after their ends.
    let mut program =
        Program::watched(10.0, 2.0).thread("sh", &[(Class::Cpu, 1.0), (Class::Child, 9.0)]);
    for n in 0..900 {
        program = program.child("true", f64::from(n) * 0.01, &[(Class::Cpu, 0.003)]);
    }
    let profile = program.seen(|profile| {
        profile.time[Class::Cpu] = seconds(7.5);
        profile.overlap.compute = seconds(7.5);
    });
    expect(&profile, Cause::Child);
}

#[test]
fn many_short_children_beside_others() {
    let beside = |queued: f64| {
        let mut profile = starting(5000, 2.0);
        profile.threads[0].time[Class::Cpu] = seconds(1.0);
        profile.time[Class::Cpu] = seconds(3.0);
        profile.overlap.compute = seconds(3.0 + queued);
        profile.time[Class::RunQueue] = seconds(queued);
        profile.of_wall[Class::RunQueue] = seconds(queued.min(10.0));
        profile.outside.others_cpu = seconds(16.0);
        profile
    };
    expect(&beside(4.4), Cause::Child);
    expect(&beside(4.6), Cause::OutsideContention);
}

#[test]
fn children_that_compute_speak_for_themselves() {
    // A compiler: its driver and assembler are short, but that is not where the time goes.
    let mut program =
        Program::watched(10.0, 4.0).thread("make", &[(Class::Cpu, 0.2), (Class::Child, 9.8)]);
    for n in 0..40 {
        let began = f64::from(n) * 0.245;
        program = program
            .child("cc", began, &[(Class::Cpu, 0.002), (Class::Child, 0.24)])
            .child("cc1", began, &[(Class::Cpu, 0.225)])
            .child("as", began + 0.225, &[(Class::Cpu, 0.015)]);
    }
    let verdict = expect(&program.done(), Cause::SerialCpu);
    assert!(verdict.shares.cpu > 0.9, "{:?}", verdict.shares);
}

fn sleepers(count: usize, wall: f64) -> Profile {
    let each = wall / count as f64;
    let mut program = Program::watched(wall, 2.0)
        .thread("python3", &[(Class::Cpu, 0.1), (Class::Child, wall - 0.1)])
        .wait(
            Class::Child,
            Target::Child("sleep".into()),
            wall - 0.1,
            count as f64,
        )
        .wait(
            Class::Sleep,
            Target::Call("clock_nanosleep".into()),
            0.98 * wall,
            count as f64,
        );
    for n in 0..count {
        program = program.child(
            "sleep",
            n as f64 * each,
            &[(Class::Cpu, 0.001), (Class::Sleep, 0.98 * each)],
        );
    }
    program.done()
}

#[test]
fn children_that_sleep_one_after_the_other() {
    let verdict = expect(&sleepers(5, 5.0), Cause::Child);
    assert!(verdict.sentence.contains("(sleep)"));
    assert_eq!(
        (verdict.prescription.model, verdict.prescription.level),
        (Model::Processes, 5)
    );
    near(verdict.prescription.speedup.point, 5.0, 0.15);
    expect(&sleepers(3, 5.0), Cause::Child);
    // For a shell that is how to wait for time to pass.
    let mut script = sleepers(5, 5.0);
    script.threads[0].name = "bash".into();
    expect(&script, Cause::Timer);
    // A shell around one program says nothing about that program.
    expect(&sleepers(1, 5.0), Cause::Timer);
}

#[test]
fn children_that_wait_for_what_has_no_name() {
    let waiting = |count: usize, nameless: f64| {
        let mut program = Program::watched(5.0, 2.0).thread(
            "python3",
            &[(Class::Child, nameless), (Class::Cpu, 5.0 - nameless)],
        );
        let each = nameless / count as f64;
        for n in 0..count {
            program = program.child("spool", n as f64 * each, &[(Class::Other, each)]);
        }
        program
    };
    expect(&waiting(5, 4.9).done(), Cause::Child);
    expect(&waiting(3, 2.6).done(), Cause::Child);
    expect(&waiting(3, 2.4).done(), Cause::SerialCpu);
    // One child is no sequence.
    expect(&waiting(1, 4.9).done(), Cause::Undetermined);
    // Nobody is told in which calls they sleep: it may be anything.
    let blind = waiting(5, 4.9)
        .seen(|profile| profile.sources.proc = Source::Missing("not allowed".into()));
    expect(&blind, Cause::Undetermined);
}

#[test]
fn a_child_of_which_nothing_is_seen() {
    let waiting = |child: f64| {
        Program::watched(10.0, 2.0)
            .thread(
                "sudo",
                &[
                    (Class::Child, child),
                    (Class::Sleep, 0.2),
                    (Class::Cpu, 9.8 - child),
                ],
            )
            .wait(Class::Child, Target::Child("passwd".into()), child, 1.0)
            .done()
    };
    let verdict = expect(&waiting(5.1), Cause::Child);
    assert!(verdict.sentence.contains("passwd"));
    assert!(verdict.shares.child > 0.5);
    expect(&waiting(4.5), Cause::SerialCpu);
}

#[test]
fn less_than_half_of_anything_is_said_with_doubt() {
    let verdict = expect(
        &Program::watched(10.0, 2.0)
            .thread(
                "sh",
                &[(Class::Child, 4.5), (Class::Cpu, 3.0), (Class::Other, 2.5)],
            )
            .done(),
        Cause::Child,
    );
    assert!(verdict.confidence < 0.6);
}
