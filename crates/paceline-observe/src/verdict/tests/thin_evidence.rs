//! Too little evidence, and what helps it.

use super::program::{Program, seconds};
use super::{expect, judge};
use crate::profile::{Class, Ending, Profile, Source};
use crate::verdict::{Cause, Model};

fn computing(wall: f64) -> Program {
    Program::watched(wall, 2.0).thread("app", &[(Class::Cpu, wall)])
}

#[test]
fn too_short() {
    let verdict = expect(
        &computing(0.099).seen(|p| p.observer.looks = 50),
        Cause::Undetermined,
    );
    assert!(verdict.sentence.contains("99 ms"), "{}", verdict.sentence);
    assert!(verdict.prescription.advice.contains("more inputs"));
    assert_eq!(verdict.prescription.model, Model::AsIs);
    expect(
        &computing(0.101).seen(|p| p.observer.looks = 50),
        Cause::SerialCpu,
    );
    let attached = judge(&computing(0.05).seen(|p| p.ending = Ending::Interrupted));
    assert!(attached.prescription.advice.contains("longer"));
}

#[test]
fn too_few_looks() {
    let looked = |looks: u64, switches: Source| {
        computing(1.0).seen(|profile| {
            profile.observer.looks = looks;
            profile.sources.switches = switches;
        })
    };
    expect(&looked(9, Source::NotNeeded), Cause::Undetermined);
    expect(&looked(10, Source::NotNeeded), Cause::SerialCpu);
    expect(&looked(9, Source::Used), Cause::SerialCpu);
}

#[test]
fn more_looks_make_surer() {
    let with = |looks: u64| judge(&computing(1.0).seen(|p| p.observer.looks = looks)).confidence;
    assert!(with(1000) > with(20));
    let blind =
        judge(&computing(1.0).seen(|p| p.sources.proc = Source::Missing("no /proc".into())));
    assert!(blind.confidence < with(100));
}

#[test]
fn nothing_to_do() {
    let idle = |cpu: f64| {
        Program::watched(10.0, 2.0)
            .thread("server", &[(Class::Idle, 10.0 - cpu), (Class::Cpu, cpu)])
            .pool(4, &[(Class::Idle, 10.0)])
            .done()
    };
    let verdict = expect(&idle(0.1), Cause::Undetermined);
    assert!(
        verdict.sentence.contains("5 threads stood by"),
        "{}",
        verdict.sentence
    );
    assert!(!judge(&idle(0.3)).sentence.contains("stood by"));
}

#[test]
fn a_server_without_a_client_has_nothing_to_do_whoever_started_it() {
    // timeout 10 python3 -m http.server
    let wrapped = |works: f64| {
        Program::watched(10.0, 2.0)
            .thread("timeout", &[(Class::Child, 10.0)])
            .child(
                "python3",
                0.0,
                &[
                    (Class::Cpu, 0.01),
                    (Class::Pipe, works),
                    (Class::Idle, 9.99 - works),
                ],
            )
            .seen(|profile| profile.foremost[Class::Child] = profile.wall)
    };
    let verdict = expect(&wrapped(0.0), Cause::Undetermined);
    assert!(
        verdict.sentence.contains("nothing to do"),
        "{}",
        verdict.sentence
    );
    // It waits for something for more than a tenth of its life.
    expect(&wrapped(1.1), Cause::Child);
}

#[test]
fn says_which_sources_are_missing() {
    let profile = Program::watched(10.0, 2.0)
        .thread("app", &[(Class::Other, 9.8), (Class::Cpu, 0.2)])
        .seen(|p| p.sources.sockets = Source::Missing("not permitted".into()));
    let verdict = expect(&profile, Cause::Undetermined);
    assert!(
        verdict
            .prescription
            .advice
            .contains("sockets (not permitted)")
    );
}

#[test]
fn nothing_at_all_is_undetermined() {
    let verdict = expect(&Profile::default(), Cause::Undetermined);
    assert!(verdict.confidence < 0.01);
    assert_eq!(verdict.overlap, None);
}

#[test]
fn memory_is_said_for_all_three_models() {
    let profile = computing(1.0).seen(|profile| {
        profile.memory.stack_bytes = 1 << 20;
        profile.memory.private_bytes = 50 << 20;
        profile.wall = seconds(1.0);
    });
    let memory = judge(&profile).prescription.memory;
    assert_eq!((memory.threads, memory.processes), (2 << 20, 100 << 20));
    assert!(memory.r#async > 0);
    assert_eq!(
        memory.to_string(),
        "2 MiB as threads, 32 KiB as async tasks, 100 MiB as processes"
    );
}
