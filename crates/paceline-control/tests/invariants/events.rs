//! Orders of events, absurd ones and plausible ones.

use std::time::Duration;

use paceline_control::{
    Attempt, Bounds, CurvePoint, Event, Learned, Left, Outcome, PeerLoad, Resources, Signals,
};
use proptest::prelude::*;
use proptest::sample::Index;

pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0u64..2_000_000_000).prop_map(Duration::from_nanos),
        1 => Just(Duration::ZERO),
        1 => any::<u32>().prop_map(|s| Duration::from_secs(s.into())),
        1 => Just(Duration::MAX),
    ]
}

pub(crate) fn count() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..300, 1 => Just(usize::MAX)]
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![2 => 0u64..(8 << 30), 1 => Just(0), 1 => Just(u64::MAX)]
}

/// Finite or not, negative or not.
pub(crate) fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 0.0f64..1000.0,
        1 => any::<f64>(),
        1 => Just(0.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(-1.0),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        8 => Just(Outcome::Done),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::TimedOut),
        1 => Just(Outcome::Cancelled),
        1 => Just(Outcome::Busy),
        1 => Just(Outcome::Shed),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    (
        outcome(),
        duration(),
        duration(),
        proptest::option::of(duration()),
        bytes(),
    )
        .prop_map(
            |(outcome, wall, cpu, run_queue_delay, peak_rss_bytes)| Attempt {
                outcome,
                wall,
                cpu,
                run_queue_delay,
                peak_rss_bytes,
            },
        )
}

fn signals() -> impl Strategy<Value = Signals> {
    (
        (count(), count(), count(), count(), count()),
        (duration(), duration(), duration()),
        proptest::option::of(any::<u64>()),
        (bytes(), bytes(), bytes()),
        proptest::option::of((count(), count())),
    )
        .prop_map(|(counts, times, idle, memory, peers)| Signals {
            in_flight: counts.0,
            sampled: counts.1,
            runnable_threads: counts.2,
            disk_threads: counts.3,
            timer_only: counts.4,
            ran: times.0,
            run_queue_delay: times.1,
            observed: times.2,
            idle: idle.map(Duration::from_micros),
            rss_bytes: memory.0,
            grown_bytes: memory.1,
            memory_available_bytes: memory.2,
            peers: peers.map(|(jobs, heaviest)| PeerLoad { jobs, heaviest }),
        })
}

/// Few enough that starts and ends often meet, and shed ones come again.
fn job() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 0u64..40, 1 => any::<u64>()]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => job().prop_map(|job| Event::Started { job }),
        4 => (job(), attempt()).prop_map(|(job, attempt)| Event::Finished { job, attempt }),
        1 => any::<u64>().prop_map(|n| Event::Queue(Left::Exactly(n))),
        1 => (0u64..500).prop_map(|n| Event::Queue(Left::AtLeast(n))),
        4 => signals().prop_map(Event::Tick),
        1 => count().prop_map(|in_flight| Event::SpawnRefused { in_flight }),
    ]
}

pub(crate) fn resources() -> impl Strategy<Value = Resources> {
    let cores = prop_oneof![8 => 0.1f64..200.0, 1 => number()];
    (cores, bytes(), count(), count()).prop_map(|(cores, memory_bytes, files, processes)| {
        Resources {
            cores,
            memory_bytes,
            descriptor_jobs: files,
            process_jobs: processes,
        }
    })
}

pub(crate) fn bounds() -> impl Strategy<Value = Bounds> {
    (count(), proptest::option::of(count())).prop_map(|(min, max)| Bounds { min, max })
}

pub(crate) fn learned() -> impl Strategy<Value = Learned> {
    let point = (count(), number(), number(), any::<u64>());
    let curve = proptest::collection::vec(point, 0..8);
    (
        (count(), proptest::option::of(count()), any::<bool>(), curve),
        (
            proptest::option::of(number()),
            number(),
            bytes(),
            proptest::option::of(count()),
        ),
    )
        .prop_map(|((level, changed_to, settled, curve), rest)| {
            let mut learned = Learned::level(level, "cpu");
            learned.changed_to = changed_to;
            learned.settled = settled;
            learned.curve = curve
                .into_iter()
                .map(|(level, throughput, latency, jobs)| {
                    let mut point = CurvePoint::new(level, throughput, Duration::ZERO, jobs);
                    point.latency_seconds = latency;
                    point
                })
                .collect();
            (
                learned.busy_cores,
                learned.mean_wall_seconds,
                learned.job_bytes,
                learned.busy_above,
            ) = rest;
            learned
        })
}

/// Times that stand still, step, and sometimes jump.
pub(crate) fn absurd() -> impl Strategy<Value = Vec<(Duration, Event)>> {
    let step = prop_oneof![
        2 => Just(0u64),
        6 => 0u64..30_000_000,
        1 => 0u64..3_000_000_000,
        1 => any::<u64>(),
    ];
    proptest::collection::vec((step, event()), 0..200).prop_map(|steps| {
        let mut now = Duration::ZERO;
        steps
            .into_iter()
            .map(|(step, event)| {
                now = now.saturating_add(Duration::from_nanos(step));
                (now, event)
            })
            .collect()
    })
}

/// What an engine and its jobs may do next.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Time passes.
    Wait(Duration),
    /// Jobs are started until the limit is reached.
    Fill,
    /// The oldest jobs end, this share of all.
    End { share: f64, outcome: Outcome },
    /// One job ends.
    EndOne { which: Index, outcome: Outcome },
    /// A tick. Of the jobs, these shares wait on timers, wait for the disk, and compute; each
    /// holds so many bytes and took some of them since the last tick.
    Tick {
        timers: f64,
        disk: f64,
        computing: f64,
        bytes: u64,
        grown: u64,
    },
    /// Inputs arrive, or all are known.
    Queue(Left),
    /// Another process cannot be made.
    Refuse,
}

/// An engine that keeps to its part.
pub(crate) fn plausible() -> impl Strategy<Value = Vec<Action>> {
    let share = || prop_oneof![Just(0.0), Just(1.0), 0.0f64..1.0];
    let left = prop_oneof![
        (0u64..20_000).prop_map(Left::Exactly),
        (0u64..2000).prop_map(Left::AtLeast),
    ];
    let action = prop_oneof![
        6 => (0u64..60_000_000).prop_map(|ns| Action::Wait(Duration::from_nanos(ns))),
        8 => Just(Action::Fill),
        6 => (share(), outcome()).prop_map(|(share, outcome)| Action::End { share, outcome }),
        3 => (any::<Index>(), outcome())
            .prop_map(|(which, outcome)| Action::EndOne { which, outcome }),
        6 => (share(), share(), share(), 0u64..(64 << 20), 0u64..(16 << 20)).prop_map(
            |(timers, disk, computing, bytes, grown)| Action::Tick {
                timers, disk, computing, bytes, grown,
            }
        ),
        1 => left.prop_map(Action::Queue),
        1 => Just(Action::Refuse),
    ];
    proptest::collection::vec(action, 0..200)
}
