//! `map`: every item comes out once, whatever happens to it, and no thread stays behind.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use paceline::{ErrorKind, FailureKind, OnError, Retry, map};
use proptest::prelude::*;

/// What the work does with an item.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Value,
    Fails,
    Panics,
    /// Fails so often, then has a value.
    Late(u32),
    /// Is turned away so often, then has a value.
    Busy(u32),
    Sleeps,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Value),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Panics),
        1 => (1..6_u32).prop_map(Fate::Late),
        1 => (1..6_u32).prop_map(Fate::Busy),
        1 => Just(Fate::Sleeps),
    ]
}

#[derive(Debug, PartialEq)]
enum Said {
    No,
    Busy,
}

/// Does with item `at` what its fate says.
fn meet(fates: &[Fate], tries: &[AtomicUsize], at: usize) -> Result<usize, Said> {
    let tried = tries[at].fetch_add(1, Ordering::Relaxed) as u32;
    match fates[at] {
        Fate::Fails => Err(Said::No),
        Fate::Panics => panic!("as told"),
        Fate::Late(fails) if tried < fails => Err(Said::No),
        Fate::Busy(fails) if tried < fails => Err(Said::Busy),
        Fate::Value | Fate::Late(_) | Fate::Busy(_) => Ok(at),
        Fate::Sleeps => {
            std::thread::sleep(Duration::from_micros(200));
            Ok(at)
        }
    }
}

fn kind(said: &Said) -> ErrorKind {
    match said {
        Said::No => ErrorKind::Transient,
        Said::Busy => ErrorKind::Busy,
    }
}

fn tries(fates: &[Fate]) -> Vec<AtomicUsize> {
    fates.iter().map(|_| AtomicUsize::new(0)).collect()
}

fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"as told") {
                before(info);
            }
        }));
    });
}

const SOON: Duration = Duration::from_micros(300);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_item_comes_out_once(
        fates in proptest::collection::vec(fate(), 0..200),
        limit in prop_oneof![Just(None), (1..9_usize).prop_map(Some)],
        attempts in 1..4_u32,
        ordered: bool,
        known_length: bool,
    ) {
        quiet_panics();
        let tries = tries(&fates);
        let items: Box<dyn Iterator<Item = usize> + Send> = if known_length {
            Box::new(0..fates.len())
        } else {
            Box::new((0..fates.len()).filter(|_| true))
        };
        let mut work = map(items, |at| meet(&fates, &tries, *at))
            .retry(Retry::exponential(attempts, SOON))
            .busy_retry(Retry::exponential(4, SOON))
            .classify(kind)
            .on_error(OnError::Collect);
        if let Some(limit) = limit {
            work = work.limit(limit);
        }
        if ordered {
            work = work.ordered();
        }
        let mapped = work.run().expect("failures are collected");
        if ordered {
            prop_assert!(mapped.values.is_sorted());
        }
        let stage = &mapped.report.stages[0];
        prop_assert_eq!(stage.done as usize, mapped.values.len());
        prop_assert_eq!(stage.failed as usize, mapped.failures.len());
        prop_assert!(stage.peak <= limit.unwrap_or(usize::MAX), "{:?}", stage);
        let failed: BTreeSet<_> = mapped.failures.iter().map(|failed| failed.item).collect();
        let done: BTreeSet<_> = mapped.values.iter().copied().collect();
        prop_assert_eq!(failed.len() + done.len(), fates.len());
        prop_assert_eq!(mapped.failures.len() + mapped.values.len(), fates.len());
        for failed in &mapped.failures {
            prop_assert_eq!(failed.seq as usize, failed.item);
        }
        for (at, fate) in fates.iter().enumerate() {
            let may_be_done = match fate {
                Fate::Value | Fate::Sleeps => true,
                Fate::Fails | Fate::Panics => false,
                Fate::Late(fails) => *fails < attempts,
                Fate::Busy(fails) => *fails < 4,
            };
            prop_assert_eq!(done.contains(&at), may_be_done, "{}: {:?}", at, fate);
        }
    }

    #[test]
    fn so_it_does_one_by_one_and_a_drop_leaves_no_thread(
        fates in proptest::collection::vec(fate(), 0..100),
        limit in 1..5_usize,
        taken in 0..120_usize,
        ordered: bool,
        policy in prop_oneof![Just(OnError::Stop), Just(OnError::Collect), Just(OnError::Emit)],
    ) {
        quiet_panics();
        let shared = Arc::new((tries(&fates), fates));
        let there = Arc::clone(&shared);
        let mut work = map(0..shared.1.len(), move |at| meet(&there.1, &there.0, *at))
            .limit(limit)
            .retry(Retry::exponential(2, SOON))
            .on_error(policy);
        if ordered {
            work = work.ordered();
        }
        let mut results = work.results();
        let mut seen = BTreeSet::new();
        let mut last = None;
        for result in results.by_ref().take(taken) {
            let at = match result {
                Ok(at) => at,
                Err(failed) => failed.item,
            };
            prop_assert!(seen.insert(at), "{} twice", at);
            if ordered {
                prop_assert!(last < Some(at));
                last = Some(at);
            }
        }
        for failed in results.failures() {
            prop_assert_eq!(policy, OnError::Collect);
            prop_assert!(seen.insert(failed.item), "{} twice", failed.item);
        }
        if taken > shared.1.len() && policy != OnError::Stop {
            prop_assert_eq!(seen.len(), shared.1.len());
        }
        drop(results);
        prop_assert_eq!(Arc::strong_count(&shared), 1, "a worker still holds the closure");
    }
}

#[test]
fn a_failure_stops_what_has_not_begun() {
    let begun = AtomicUsize::new(0);
    let stopped = map(0..1_000_000, |n: &u32| {
        begun.fetch_add(1, Ordering::Relaxed);
        if *n == 10 { Err("ten") } else { Ok(*n) }
    })
    .limit(2)
    .run()
    .expect_err("one fails");
    assert_eq!((stopped.first.item, stopped.first.seq), (10, 10));
    assert!(matches!(stopped.first.kind, FailureKind::Error("ten")));
    let begun = begun.into_inner();
    assert!(begun < 1_000_000, "{begun}");
    assert_eq!(stopped.rest.values.len() + 1, begun);
}

#[test]
fn a_panic_is_the_items_error_and_nobody_elses() {
    quiet_panics();
    let mapped = map(0..10, |n| {
        if *n == 3 {
            panic!("as told")
        } else {
            Ok::<_, String>(*n)
        }
    })
    .on_error(OnError::Collect)
    .run()
    .expect("collected");
    assert_eq!(mapped.values.len(), 9);
    assert!(matches!(&mapped.failures[0].kind, FailureKind::Panic(said) if said == "as told"));
}

#[test]
fn a_panic_of_the_source_reaches_the_caller_after_all_is_done() {
    quiet_panics();
    let done = AtomicUsize::new(0);
    let items = (0..10).inspect(|n| assert!(*n < 5, "as told"));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        map(items, |_| {
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<_, String>(())
        })
        .run()
    }));
    assert!(caught.is_err());
    assert_eq!(done.into_inner(), 5);
}

/// Holds back those who come until so many are there.
struct Gate {
    inside: Mutex<usize>,
    full: Condvar,
}

impl Gate {
    fn pass(&self, wanted: usize) {
        let mut inside = self.inside.lock().expect("nobody panics inside");
        *inside += 1;
        self.full.notify_all();
        while *inside < wanted {
            inside = self.full.wait(inside).expect("nobody panics inside");
        }
    }
}

#[test]
fn work_that_waits_gets_slots_without_any_of_it_ending() {
    // Hangs if fewer than 40 are ever in work at once.
    let gate = Gate {
        inside: Mutex::new(0),
        full: Condvar::new(),
    };
    let mapped = map(0..40, |_| {
        gate.pass(40);
        Ok::<_, String>(())
    })
    .run()
    .expect("none fails");
    assert_eq!(mapped.report.stages[0].peak, 40);
}

#[test]
fn bounds_hold() {
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    map(0..60, |_| {
        most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        now.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, String>(())
    })
    .limit(..=3)
    .run()
    .expect("none fails");
    assert!(most.into_inner() <= 3);
}

#[test]
fn who_rests_holds_no_worker() {
    // With one slot, the others must come out while the first one rests, for ever as it were.
    let failed_once = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&failed_once);
    let results = map(0..20, move |n| match n {
        0 if !flag.swap(true, Ordering::Relaxed) => Err("rest"),
        n => Ok(*n),
    })
    .limit(1)
    .retry(Retry::exponential(2, Duration::from_secs(3600)).longest(Duration::from_secs(3600)))
    .results();
    let first: Vec<_> = results
        .take(19)
        .map(|result| result.expect("these do not fail"))
        .collect();
    assert_eq!(first, (1..20).collect::<Vec<_>>());
    assert!(failed_once.load(Ordering::Relaxed));
}

#[test]
fn an_endless_source_runs_ahead_so_far_and_no_further() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&begun);
    let mut results = map(0_u64.., move |n| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, String>(*n)
    })
    .limit(2)
    .results();
    for _ in 0..5000 {
        assert!(results.next().is_some());
    }
    let ahead = begun.load(Ordering::Relaxed);
    assert!(ahead <= 5000 + 1024, "{ahead}");
    drop(results);
    assert_eq!(Arc::strong_count(&begun), 1);
}
