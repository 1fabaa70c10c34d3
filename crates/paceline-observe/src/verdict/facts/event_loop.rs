//! The event loop that is worst off: what its thread does instead of polling.

use super::{lifetime, ratio, seconds_in};
use crate::profile::{Class, EventLoop, Profile, ThreadProfile};

const COMPUTE: [Class; 2] = [Class::Cpu, Class::RunQueue];
const BLOCKING: [Class; 8] = [
    Class::Disk,
    Class::Network,
    Class::Pipe,
    Class::Lock,
    Class::Condition,
    Class::Sleep,
    Class::Child,
    Class::Other,
];
/// A loop that is held for less than this share of the wall is not what limits.
const HELD: f64 = 0.3;
/// A thread that polls for more than this share of its life keeps its loop going.
const POLLS: f64 = 0.3;
/// A bare epoll loop shows itself as one by at least this share of polling.
const SHOWN: f64 = 0.02;
/// Run-time systems that put another thread in the place of one that blocks.
const FORGIVING: [&str; 3] = ["go", "java", "erlang"];

/// The shares of a loop's thread-time that was not idle.
#[derive(Clone, Copy, Debug)]
pub(in crate::verdict) struct Loop {
    /// In calls that are not its poll.
    pub(in crate::verdict) blocked: f64,
    /// In its poll.
    pub(in crate::verdict) polled: f64,
    /// Of its life, for which one of the threads that run the loop polls, whichever.
    pub(in crate::verdict) polled_by_any: f64,
    /// Computing, or ready to; of the whole time, and of all threads of a loop that several run.
    pub(in crate::verdict) computed: f64,
    /// The call that blocked it longest, as an index into the profile's waits.
    pub(in crate::verdict) blocked_by: Option<usize>,
    /// Python's.
    pub(in crate::verdict) python: bool,
    /// Several threads run it.
    pub(in crate::verdict) shared: bool,
}

/// The loop that is held for longest.
pub(super) fn worst(profile: &Profile, cores: f64) -> Option<Loop> {
    let wall = profile.wall.as_secs_f64();
    let held = |(seconds, _): &(f64, Loop)| *seconds;
    profile
        .threads
        .iter()
        .filter_map(|thread| Some((thread, thread.event_loop.as_ref()?)))
        .filter(|(thread, kind)| is_a_loop(thread, kind, profile, cores))
        .map(|(thread, kind)| of(thread, kind, profile))
        .filter(|looped| held(looped) >= HELD * wall)
        .max_by(|a, b| held(a).total_cmp(&held(b)))
        .or_else(|| {
            // None is held: any of them tells that there is one.
            let (thread, kind) = profile.threads.iter().find_map(|thread| {
                let kind = thread.event_loop.as_ref()?;
                is_a_loop(thread, kind, profile, cores).then_some((thread, kind))
            })?;
            let (_, looped) = of(thread, kind, profile);
            Some((
                0.0,
                Loop {
                    blocked: 0.0,
                    computed: 0.0,
                    blocked_by: None,
                    ..looped
                },
            ))
        })
        .map(|(_, looped)| looped)
}

/// The seconds for which a thread is held outside of its poll, and its loop.
fn of(thread: &ThreadProfile, kind: &EventLoop, profile: &Profile) -> (f64, Loop) {
    let shared = matches!(kind, EventLoop::Runtime(_));
    let computed = seconds_in(thread, &COMPUTE);
    // Timers of the loop itself hold up nobody.
    let slept = thread.slept_in_poll.as_secs_f64();
    let mut blocked = (seconds_in(thread, &BLOCKING) - slept).max(0.0);
    let mut idle = seconds_in(thread, &[Class::Idle, Class::Join]);
    if shared {
        // Workers of a run-time system park on a futex while another of them polls.
        let parked = thread.time[Class::Condition].as_secs_f64();
        blocked -= parked;
        idle += parked;
    }
    let active = lifetime(thread) - idle;
    // A task moves from worker to worker, and so does the poll.
    let by_all = |own: f64, of: &dyn Fn(&ThreadProfile) -> f64| {
        if shared {
            let workers = profile
                .threads
                .iter()
                .filter(|other| other.pid == thread.pid && other.event_loop.as_ref() == Some(kind));
            workers.map(of).sum()
        } else {
            own
        }
    };
    let computed_by_all: f64 = by_all(computed, &|worker| seconds_in(worker, &COMPUTE));
    let polled_by_any: f64 = by_all(polled(thread), &polled);
    let looped = Loop {
        blocked: ratio(blocked, active).min(1.0),
        polled: ratio(polled(thread), active).min(1.0),
        polled_by_any: ratio(polled_by_any, lifetime(thread)).min(1.0),
        computed: ratio(computed_by_all, lifetime(thread)).min(1.0),
        blocked_by: thread
            .loop_blocked_by
            .filter(|index| *index < profile.waits.len())
            .or_else(|| super::requests::longest(profile, |wait| BLOCKING.contains(&wait.class))),
        python: matches!(kind, EventLoop::Python(_)),
        shared,
    };
    ((blocked + computed_by_all).max(0.0), looped)
}

fn is_a_loop(thread: &ThreadProfile, kind: &EventLoop, profile: &Profile, cores: f64) -> bool {
    let same_process = || {
        profile
            .threads
            .iter()
            .filter(|other| other.pid == thread.pid)
    };
    match kind {
        EventLoop::Python(_) | EventLoop::SeldomPolls => true,
        // Several threads that use epoll in turns are a scheduler of their own, such as Go's.
        EventLoop::Epoll => {
            polling(thread) >= SHOWN
                && same_process()
                    .filter(|other| other.event_loop == Some(EventLoop::Epoll))
                    .count()
                    == 1
        }
        EventLoop::Runtime(name) if FORGIVING.contains(&name.as_str()) => false,
        // Threads for blocking work bear the same name as the workers. They are told apart by what
        // else is there: another thread that runs the loop, or as many at rest as there are workers.
        EventLoop::Runtime(_) => {
            polling(thread) > 0.0 || {
                let elsewhere = same_process().any(|other| {
                    other.event_loop == Some(EventLoop::Epoll) && polling(other) >= POLLS
                });
                let at_rest = same_process()
                    .filter(|other| {
                        let rests = [Class::Poll, Class::Idle, Class::Condition];
                        other.event_loop.as_ref() == Some(kind)
                            && ratio(seconds_in(other, &rests), lifetime(other)) >= 0.7
                    })
                    .count();
                !elsewhere && (at_rest as f64) < cores.round()
            }
        }
    }
}

fn polling(thread: &ThreadProfile) -> f64 {
    ratio(polled(thread), lifetime(thread))
}

/// Seconds in its poll.
fn polled(thread: &ThreadProfile) -> f64 {
    (thread.time[Class::Poll] + thread.slept_in_poll).as_secs_f64()
}
