//! What a stage does about time limits and about answers that say "busy".

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paceline::{ErrorKind, FailureKind, Pipeline, Retry, Stage};

use crate::said::{SOON, Said};

#[test]
fn time_limits_end_futures_and_tell_closures() {
    let endless = Stage::named("wait").timeout(SOON);
    let error = Pipeline::from_iter([1])
        .io(endless.clone(), |_| async {
            std::future::pending::<()>().await;
            Ok::<(), Said>(())
        })
        .collect_blocking()
        .expect_err("it never ends");
    assert!(matches!(error.first.kind, FailureKind::TimedOut(SOON)));
    let error = Pipeline::from_iter([1])
        .cpu(endless, |cx, _| {
            loop {
                cx.checkpoint()?;
            }
            #[allow(unreachable_code)]
            Ok::<(), paceline::Cancelled>(())
        })
        .collect_blocking()
        .expect_err("it never ends");
    assert!(matches!(error.first.kind, FailureKind::TimedOut(SOON)));
}

#[test]
fn a_busy_service_lowers_the_level_and_all_is_served_in_the_end() {
    // Serves ten at once and turns away whoever comes beside them.
    let inside = Arc::new(AtomicUsize::new(0));
    let stage = Stage::named("ask")
        .classify(|_| ErrorKind::Busy)
        .busy_retry(Retry::exponential(1000, Duration::from_millis(2)));
    let (values, report) = Pipeline::from_iter(0..400)
        .io(stage, move |n| {
            let inside = Arc::clone(&inside);
            async move {
                let served = inside.fetch_add(1, Ordering::SeqCst) < 10;
                if served {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                inside.fetch_sub(1, Ordering::SeqCst);
                if served { Ok(n) } else { Err(Said::Busy) }
            }
        })
        .collect_blocking()
        .expect("all are served");
    assert_eq!(values.len(), 400);
    let stage = &report.stages[0];
    assert!(stage.turned_away > 0 && stage.failed == 0, "{report}");
    let first = stage.path.first().map(|step| step.level);
    let last = stage.path.last().map(|step| step.level);
    assert!(last < first, "{report}");
}
