//! `map` over futures and processes: failures give their items back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paceline::{ErrorKind, FailureKind, OnError, Retry, map_async, map_command};
use proptest::prelude::*;
use tokio::process::Command;

const SOON: Duration = Duration::from_micros(200);

#[tokio::test]
async fn each_item_comes_out_once_with_its_error() {
    let tries = Arc::new(AtomicUsize::new(0));
    let tried = Arc::clone(&tries);
    let work = move |n: u32| {
        let tried = Arc::clone(&tried);
        async move {
            tokio::task::yield_now().await;
            match n % 10 {
                3 => Err(n),
                7 if tried.fetch_add(1, Ordering::Relaxed) < 5 => Err(503),
                _ => Ok(n),
            }
        }
    };
    let mapped = map_async(0..100, work)
        .retry(Retry::exponential(2, SOON))
        .busy_retry(Retry::exponential(100, SOON))
        .classify(|error| match error {
            503 => ErrorKind::Busy,
            _ => ErrorKind::Transient,
        })
        .on_error(OnError::Collect)
        .ordered()
        .run()
        .await
        .expect("failures are collected");
    let expected: Vec<_> = (0..100).filter(|n| n % 10 != 3).collect();
    assert_eq!(mapped.values, expected);
    assert_eq!(mapped.failures.len(), 10);
    for failed in &mapped.failures {
        assert!(matches!(failed.kind, FailureKind::Error(n) if n == failed.item));
        assert_eq!((failed.seq, failed.attempts), (u64::from(failed.item), 2));
    }
    assert_eq!(mapped.report.stages[0].turned_away, 5);
}

#[tokio::test]
async fn results_are_a_stream() {
    let results = map_async(0..100_u32, |n| async move { Ok::<_, String>(n) })
        .ordered()
        .results();
    let values: Vec<_> = futures_util::TryStreamExt::try_collect(results)
        .await
        .expect("none fails");
    assert_eq!(values, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
#[should_panic(expected = "source: item 5: panicked: as told")]
async fn a_panic_of_the_source_reaches_the_caller() {
    quiet_panics();
    let items = (0..10).inspect(|n| assert!(*n < 5, "as told"));
    let mut results = map_async(items, |n| async move { Ok::<_, String>(n) }).results();
    while results.next().await.is_some() {}
}

#[tokio::test]
async fn the_first_failure_ends_it() {
    let stopped = map_async(0.., |n: u32| async move {
        if n == 20 { Err("twenty") } else { Ok(n) }
    })
    .limit(1)
    .run()
    .await
    .expect_err("one fails");
    assert_eq!((stopped.first.item, stopped.first.attempts), (20, 1));
    assert!(stopped.rest.values.len() <= 20);
}

#[tokio::test]
async fn futures_that_take_too_long_are_dropped() {
    let mapped = map_async(["slow", "quick"], |item| async move {
        if item == "slow" {
            std::future::pending::<()>().await;
        }
        Ok::<_, String>(item)
    })
    .timeout(Duration::from_millis(50))
    .on_error(OnError::Collect)
    .run()
    .await
    .expect("failures are collected");
    assert_eq!(mapped.values, ["quick"]);
    assert!(matches!(mapped.failures[0].kind, FailureKind::TimedOut(_)));
    assert_eq!(mapped.failures[0].item, "slow");
}

#[tokio::test]
async fn processes_give_their_items_back_too() {
    let shell = |code: &i32| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "echo out; echo err >&2; exit $0"])
            .arg(code.to_string());
        shell
    };
    let mapped = map_command([0, 3, 75], shell)
        .busy_retry(Retry::exponential(3, SOON))
        .on_error(OnError::Collect)
        .run()
        .await
        .expect("failures are collected");
    assert_eq!(
        (mapped.values[0].0, &*mapped.values[0].1.stdout),
        (0, &b"out\n"[..])
    );
    let mut failed: Vec<_> = mapped
        .failures
        .iter()
        .map(|failed| (failed.item, failed.attempts, failed.kind.to_string()))
        .collect();
    failed.sort();
    let expected = [
        (3, 1, "exit status: 3: err".to_owned()),
        (75, 3, "exit status: 75: err".to_owned()),
    ];
    assert_eq!(failed, expected);
}

/// What the work does with an item.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Value,
    Fails,
    Panics,
    /// Fails once, then has a value.
    Late,
    /// Is turned away once, then has a value.
    Busy,
    Sleeps,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Value),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Panics),
        1 => Just(Fate::Late),
        1 => Just(Fate::Busy),
        1 => Just(Fate::Sleeps),
    ]
}

/// Does with item `at` what its fate says. The shared part tells how many futures there are.
async fn meet(shared: Arc<(Vec<AtomicUsize>, Vec<Fate>)>, at: usize) -> Result<usize, u16> {
    let first = shared.0[at].fetch_add(1, Ordering::Relaxed) == 0;
    match shared.1[at] {
        Fate::Fails => Err(500),
        Fate::Panics => panic!("as told"),
        Fate::Late if first => Err(500),
        Fate::Busy if first => Err(503),
        Fate::Value | Fate::Late | Fate::Busy => Ok(at),
        Fate::Sleeps => {
            tokio::time::sleep(SOON).await;
            Ok(at)
        }
    }
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_item_comes_out_once_and_a_drop_leaves_no_future(
        fates in proptest::collection::vec(fate(), 0..200),
        policy in prop_oneof![Just(OnError::Stop), Just(OnError::Collect), Just(OnError::Emit)],
        limit in prop_oneof![Just(None), (1..9_usize).prop_map(Some)],
        attempts in 1..3_u32,
        taken in prop_oneof![Just(usize::MAX), 0..100_usize],
        ordered: bool,
    ) {
        quiet_panics();
        let tries = fates.iter().map(|_| AtomicUsize::new(0)).collect();
        let shared = Arc::new((tries, fates));
        let there = Arc::clone(&shared);
        let mut work = map_async(0..shared.1.len(), move |at| meet(Arc::clone(&there), at))
            .retry(Retry::exponential(attempts, SOON))
            .busy_retry(Retry::exponential(attempts, SOON))
            .classify(|status| match status {
                503 => ErrorKind::Busy,
                _ => ErrorKind::Transient,
            })
            .on_error(policy);
        if let Some(limit) = limit {
            work = work.limit(limit);
        }
        if ordered {
            work = work.ordered();
        }
        let may_be_done = |at: usize| match shared.1[at] {
            Fate::Value | Fate::Sleeps => true,
            Fate::Fails | Fate::Panics => false,
            Fate::Late | Fate::Busy => attempts > 1,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut results = work.results();
            let mut seen = BTreeSet::new();
            let mut last = None;
            let mut come_out = 0;
            let over = loop {
                if come_out == taken {
                    break false;
                }
                let (at, done) = match results.next().await {
                    None => break true,
                    Some(Ok(at)) => (at, true),
                    Some(Err(failed)) => {
                        assert_eq!(failed.seq as usize, failed.item);
                        (failed.item, false)
                    }
                };
                come_out += 1;
                assert_eq!(done, may_be_done(at), "{at}");
                assert!(seen.insert(at), "{at} twice");
                // What ends the run is told out of turn.
                if ordered && (done || policy != OnError::Stop) {
                    assert!(last < Some(at));
                    last = Some(at);
                }
            };
            for failed in results.failures() {
                assert!(!may_be_done(failed.item) && policy == OnError::Collect);
                assert!(seen.insert(failed.item), "{} twice", failed.item);
            }
            if over && policy != OnError::Stop {
                assert_eq!(seen.len(), shared.1.len());
                let report = results.snapshot();
                assert_eq!((report.stages[0].done + report.stages[0].failed) as usize, seen.len());
            }
            drop(results);
            // Hangs if any stays.
            while Arc::strong_count(&shared) > 1 {
                tokio::task::yield_now().await;
            }
        });
    }
}
