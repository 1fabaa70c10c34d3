//! What holds for every order of events, however absurd.

use std::time::Duration;

use paceline_control::{
    Attempt, Auto, Bounds, Controller, Decision, Event, Fixed, Left, Outcome, Resources, Signals,
};
use proptest::prelude::*;

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0u64..2_000_000_000).prop_map(Duration::from_nanos),
        1 => Just(Duration::ZERO),
        1 => any::<u32>().prop_map(|s| Duration::from_secs(s.into())),
        1 => Just(Duration::MAX),
    ]
}

fn count() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..300, 1 => Just(usize::MAX)]
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![2 => 0u64..(8 << 30), 1 => Just(0), 1 => Just(u64::MAX)]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Done),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::TimedOut),
        1 => Just(Outcome::Cancelled),
    ];
    (
        outcome,
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
        (bytes(), bytes()),
    )
        .prop_map(|(counts, times, memory)| Signals {
            in_flight: counts.0,
            sampled: counts.1,
            runnable_threads: counts.2,
            disk_threads: counts.3,
            timer_only: counts.4,
            ran: times.0,
            run_queue_delay: times.1,
            observed: times.2,
            rss_bytes: memory.0,
            memory_available_bytes: memory.1,
        })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any::<u64>().prop_map(|job| Event::Started { job }),
        4 => (any::<u64>(), attempt()).prop_map(|(job, attempt)| Event::Finished { job, attempt }),
        1 => any::<u64>().prop_map(|n| Event::Queue(Left::Exactly(n))),
        1 => (0u64..500).prop_map(|n| Event::Queue(Left::AtLeast(n))),
        4 => signals().prop_map(Event::Tick),
        1 => count().prop_map(|in_flight| Event::SpawnRefused { in_flight }),
    ]
}

fn resources() -> impl Strategy<Value = Resources> {
    let cores = prop_oneof![
        8 => 0.1f64..200.0,
        1 => Just(0.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(-1.0),
    ];
    (cores, bytes(), count(), count()).prop_map(|(cores, memory_bytes, files, processes)| {
        Resources {
            cores,
            memory_bytes,
            descriptor_jobs: files,
            process_jobs: processes,
        }
    })
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (count(), proptest::option::of(count())).prop_map(|(min, max)| Bounds { min, max })
}

/// Times that stand still, step, and sometimes jump.
fn events() -> impl Strategy<Value = Vec<(Duration, Event)>> {
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

fn outer_limits(resources: &Resources, bounds: Bounds) -> usize {
    resources
        .descriptor_jobs
        .min(resources.process_jobs)
        .min(bounds.max.unwrap_or(usize::MAX))
        .max(1)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limit_stays_inside_everything(
        resources in resources(),
        bounds in bounds(),
        events in events(),
    ) {
        let mut auto = Auto::new(resources, bounds);
        let outer = outer_limits(&resources, bounds);
        let mut limit = auto.limit();
        let mut refused = false;
        prop_assert!((1..=outer).contains(&limit));
        for (now, event) in events {
            refused |= matches!(event, Event::SpawnRefused { .. });
            let decision = auto.on(now, event);
            let (top, reason) = auto.binding();
            prop_assert!((1..=outer).contains(&auto.limit()));
            prop_assert!(auto.limit() <= top, "{} > {top}: {reason}", auto.limit());
            prop_assert!(auto.tick_every().is_some_and(|every| !every.is_zero()));
            match decision {
                None => prop_assert_eq!(auto.limit(), limit),
                Some(Decision { at, was, limit: new, reason }) => {
                    prop_assert_eq!(at, now);
                    prop_assert_eq!(was, limit);
                    prop_assert_ne!(was, new);
                    prop_assert_eq!(new, auto.limit());
                    prop_assert!(!reason.to_string().is_empty());
                    limit = new;
                }
            }
            // Without refusals and with memory unknown, only outer limits beat the user's wish.
            if !refused && resources.memory_bytes == 0 && top >= bounds.min {
                prop_assert!(auto.limit() >= bounds.min.min(outer));
            }
        }
    }

    #[test]
    fn a_refusal_is_obeyed_at_once(
        resources in resources(),
        bounds in bounds(),
        events in events(),
        in_flight in 0usize..1000,
    ) {
        let mut auto = Auto::new(resources, bounds);
        let mut last = Duration::ZERO;
        for (now, event) in events {
            auto.on(now, event);
            last = now;
        }
        auto.on(last, Event::SpawnRefused { in_flight });
        prop_assert!(auto.limit() <= (in_flight * 9 / 10).max(1));
    }

    #[test]
    fn fixed_never_moves(limit in count(), events in events()) {
        let mut fixed = Fixed::new(limit);
        for (now, event) in events {
            prop_assert_eq!(fixed.on(now, event), None);
            prop_assert_eq!(fixed.limit(), limit.max(1));
        }
    }

    #[test]
    fn limits_rise_at_most_twofold_and_never_right_after_a_fall(
        resources in resources(),
        events in events(),
    ) {
        let mut auto = Auto::new(resources, Bounds::default());
        let mut fell = None;
        for (now, event) in events {
            let Some(decision) = auto.on(now, event) else { continue };
            if decision.limit < decision.was {
                fell = Some(now);
            } else {
                prop_assert!(decision.limit <= decision.was.saturating_mul(2));
                let quiet = fell.map_or(Duration::MAX, |fell| now.saturating_sub(fell));
                prop_assert!(quiet >= Duration::from_millis(100));
            }
        }
    }
}
