//! Event loops that do not poll.

use super::program::{Program, line, peer, seconds};
use super::{expect, near};
use crate::profile::{Class, EventLoop, Profile, Target};
use crate::verdict::{Cause, Law, Model};

fn asyncio() -> EventLoop {
    EventLoop::Python("asyncio".into())
}

fn tokio() -> EventLoop {
    EventLoop::Runtime("tokio".into())
}

fn looping(class: Class, held: f64, polled: f64) -> Profile {
    Program::watched(10.0, 2.0)
        .thread(
            "python3",
            &[
                (class, held),
                (Class::Poll, polled),
                (Class::Cpu, 10.0 - held - polled),
            ],
        )
        .runs(asyncio())
        .last(|thread| thread.loop_blocked_by = Some(0))
        .wait(class, Target::Call("clock_nanosleep".into()), held, 10.0)
        .last_wait(|wait| wait.line = Some(line("handlers.py", 31)))
        .done()
}

#[test]
fn a_blocking_call_holds_the_loop() {
    let verdict = expect(&looping(Class::Sleep, 9.0, 0.8), Cause::BlockingCallInLoop);
    assert!(
        verdict.sentence.contains("handlers.py:31"),
        "{}",
        verdict.sentence
    );
    // Without switches the count may be one too low, and so would the level.
    let help = verdict.prescription;
    assert_eq!(
        (help.model, help.level, help.speedup.law),
        (Model::Async, 11, Law::MeanValueAnalysis)
    );
    near(help.speedup.point, 10.0 / 1.9, 0.1);
    for class in [
        Class::Network,
        Class::Disk,
        Class::Child,
        Class::Lock,
        Class::Pipe,
    ] {
        expect(&looping(class, 9.0, 0.8), Cause::BlockingCallInLoop);
    }
}

#[test]
fn a_blocking_call_met_before_its_socket_is_known_is_the_same_call() {
    let recv = |wait: &mut crate::profile::Wait, of_wall: f64| {
        wait.call = "recvfrom";
        wait.of_wall = seconds(of_wall);
    };
    let blocking = |other: &'static str| {
        Program::watched(10.0, 2.0)
            .thread("python3", &[(Class::Network, 9.5), (Class::Cpu, 0.5)])
            .runs(asyncio())
            .last(|thread| thread.loop_blocked_by = Some(0))
            .wait(Class::Network, peer(), 5.5, 55.0)
            .last_wait(|wait| recv(wait, 5.0))
            .wait(Class::Network, Target::Call(other.into()), 4.0, 40.0)
            .last_wait(|wait| {
                recv(wait, 3.5);
                wait.call = other;
            })
            .done()
    };
    let help = expect(&blocking("recvfrom"), Cause::BlockingCallInLoop).prescription;
    // Half a second of compute, and the first wait of 0.1 s.
    assert!(help.speedup.point > 10.0 / 0.8, "{:?}", help.speedup);
    // Another call is not known to hold it for the same reason, and stays.
    let help = expect(&blocking("connect"), Cause::BlockingCallInLoop).prescription;
    assert!(help.speedup.point < 10.0 / 4.0, "{:?}", help.speedup);
}

#[test]
fn the_loop_is_held_for_half_of_its_time() {
    expect(&looping(Class::Sleep, 5.1, 2.0), Cause::BlockingCallInLoop);
    expect(&looping(Class::Sleep, 5.1, 3.1), Cause::Timer);
    assert_ne!(
        super::judge(&looping(Class::Sleep, 4.9, 2.0)).cause,
        Cause::BlockingCallInLoop
    );
}

#[test]
fn compute_holds_the_loop() {
    let computing = |cores: f64, cpu: f64| {
        Program::watched(10.0, cores)
            .thread("python3", &[(Class::Cpu, cpu), (Class::Poll, 10.0 - cpu)])
            .runs(asyncio())
            .wait(
                Class::Poll,
                Target::Call("epoll_wait".into()),
                10.0 - cpu,
                100.0,
            )
            .done()
    };
    let verdict = expect(&computing(2.0, 8.6), Cause::CpuInLoop);
    assert_eq!(
        (verdict.prescription.model, verdict.prescription.level),
        (Model::Processes, 2)
    );
    expect(&computing(2.0, 8.4), Cause::SerialCpu);
    expect(&computing(1.0, 8.6), Cause::Saturated);
}

#[test]
fn a_thread_that_hardly_polls_runs_no_loop() {
    // A scheduler such as Go's touches epoll from any of its threads.
    let epoll = |polled: f64, second: bool| {
        let mut program = Program::watched(10.0, 4.0)
            .thread("app", &[(Class::Cpu, 10.0 - polled), (Class::Poll, polled)])
            .runs(EventLoop::Epoll);
        if second {
            program = program
                .thread("app", &[(Class::Poll, 1.0), (Class::Idle, 9.0)])
                .runs(EventLoop::Epoll);
        }
        program.done()
    };
    expect(&epoll(0.5, false), Cause::CpuInLoop);
    expect(&epoll(0.1, false), Cause::SerialCpu);
    expect(&epoll(0.5, true), Cause::SerialCpu);
}

fn runtime(
    workers: &[&[(Class, f64)]],
    main: &[(Class, f64)],
    loop_of_main: Option<EventLoop>,
) -> Profile {
    let mut program = Program::watched(10.0, 2.0)
        .thread("app", main)
        .last(|thread| thread.event_loop = loop_of_main)
        .wait(
            Class::Sleep,
            Target::Call("clock_nanosleep".into()),
            9.0,
            9.0,
        );
    for times in workers {
        program = program.thread("tokio-runtime-w", times).runs(tokio());
    }
    program.done()
}

#[test]
fn a_blocked_worker_of_a_runtime() {
    let held: &[_] = &[(Class::Sleep, 9.5), (Class::Poll, 0.5)];
    let parked: &[_] = &[(Class::Condition, 9.9), (Class::Cpu, 0.1)];
    let main: &[_] = &[(Class::Condition, 10.0)];
    expect(
        &runtime(&[held, parked], main, None),
        Cause::BlockingCallInLoop,
    );
    let never_polls: &[_] = &[(Class::Sleep, 9.5), (Class::Cpu, 0.5)];
    expect(
        &runtime(&[never_polls, parked], main, None),
        Cause::BlockingCallInLoop,
    );
}

#[test]
fn a_runtimes_threads_for_blocking_work_may_block() {
    let blocks: &[_] = &[(Class::Sleep, 9.5), (Class::Cpu, 0.5)];
    let parked: &[_] = &[(Class::Condition, 9.9), (Class::Cpu, 0.1)];
    let polls: &[_] = &[(Class::Poll, 9.9), (Class::Cpu, 0.1)];
    // As many at rest as there are workers: the others are for blocking work.
    expect(
        &runtime(
            &[parked, polls, blocks, blocks],
            &[(Class::Condition, 10.0)],
            None,
        ),
        Cause::Timer,
    );
    // The main thread runs the loop.
    expect(
        &runtime(&[blocks], polls, Some(EventLoop::Epoll)),
        Cause::Timer,
    );
}

#[test]
fn compute_in_one_worker_leaves_the_loop_to_another() {
    // Of a runtime's threads one computes; another polls for as long.
    let beside = |polls: f64, io: f64| {
        let program = Program::watched(10.0, 2.0)
            .thread("app", &[(Class::Condition, 10.0)])
            .thread("tokio-runtime-w", &[(Class::Cpu, 9.5), (Class::Poll, 0.2)])
            .runs(tokio())
            .thread(
                "tokio-runtime-w",
                &[
                    (Class::Poll, polls - 0.2),
                    (Class::Condition, 10.0 - polls + 0.2),
                ],
            )
            .runs(tokio());
        program.seen(|profile| {
            profile.overlap.io = seconds(io);
            profile.overlap.both = seconds(io - 0.2);
            profile.overlap.io_in_flight = seconds(io);
        })
    };
    expect(&beside(9.5, 5.0), Cause::OverlappedCpu);
    expect(&beside(9.5, 1.0), Cause::SerialCpu);
    // Nobody polls meanwhile: answers are left lying.
    expect(&beside(2.8, 5.0), Cause::CpuInLoop);
    expect(&beside(3.2, 5.0), Cause::OverlappedCpu);
}

#[test]
fn a_loop_that_polls_for_short_requests_waits_for_them() {
    // Connections too short for most of them to be met in flight.
    let polls = |io: f64, kind: Option<EventLoop>| {
        Program::watched(10.0, 2.0)
            .thread("node", &[(Class::Cpu, 0.2), (Class::Poll, 9.8)])
            .last(|thread| thread.event_loop = kind)
            .wait(Class::Poll, Target::Call("epoll_wait".into()), 9.8, 100.0)
            .seen(|profile| {
                profile.overlap.io = seconds(io);
                profile.overlap.io_in_flight = seconds(io);
            })
    };
    expect(&polls(1.6, Some(EventLoop::Epoll)), Cause::SerialWaits);
    expect(&polls(1.4, Some(EventLoop::Epoll)), Cause::Undetermined);
    // Whoever polls may wait for anything.
    expect(&polls(1.6, None), Cause::Undetermined);
}

#[test]
fn a_loop_at_rest_beside_an_executor_is_not_what_limits() {
    let profile = Program::watched(10.0, 4.0)
        .thread("python3", &[(Class::Poll, 9.9), (Class::Cpu, 0.1)])
        .runs(asyncio())
        .pool(1, &[(Class::Cpu, 9.8), (Class::Idle, 0.2)])
        .wait(Class::Poll, Target::Call("epoll_wait".into()), 9.9, 10.0)
        .done();
    let verdict = expect(&profile, Cause::SerialCpu);
    assert!(verdict.shares.cpu > 0.9, "{:?}", verdict.shares);
}

#[test]
fn a_loop_with_much_in_flight_waits_for_its_peer() {
    let profile = Program::watched(10.0, 2.0)
        .thread("node", &[(Class::Cpu, 2.0), (Class::Poll, 8.0)])
        .runs(EventLoop::Epoll)
        .wait(Class::Poll, peer(), 8.0, 500.0)
        .seen(|profile| {
            profile.overlap.io = seconds(9.8);
            profile.overlap.both = seconds(1.8);
            profile.overlap.io_in_flight = seconds(490.0);
        });
    expect(&profile, Cause::Peer);
}
