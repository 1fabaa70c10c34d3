//! `map` over futures and processes: failures give their items back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paceline::{ErrorKind, FailureKind, OnError, Retry, map_async, map_command};
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
