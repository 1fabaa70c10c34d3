//! Items for a stage that blocks may lie for a moment while all cores compute, and no longer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use paceline::{Pipeline, Stage};

const COMPUTES: Duration = Duration::from_micros(20);
/// By then the other worker sleeps; if not, it may come by.
const SETTLES: Duration = Duration::from_millis(30);
/// Only against hanging for ever.
const AT_MOST: Duration = Duration::from_secs(20);

/// The one worker of the blocking stage that is awake waits for the very item that lies, and no core is
/// ever free: all but one compute from the beginning, and the last one from behind that item.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_is_seen_to_although_no_core_is_free_and_nobody_comes_for_it() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let first = cores - 1;
    let (waits, lies, last) = (first + 400, first + 401, first + 402);
    let done = Arc::new(AtomicBool::new(false));
    let go_on = Arc::clone(&done);
    let is_waiting = Arc::new(AtomicBool::new(false));
    let waited_for = Arc::clone(&is_waiting);
    let (opens, opened) = channel();
    let opened = std::sync::Mutex::new(opened);
    let run = Pipeline::from_iter(0..=last)
        .cpu("compute", move |_, n| {
            let goes_on = |began: Instant| {
                if n < first || n == last {
                    !go_on.load(Ordering::SeqCst)
                } else if n == lies {
                    !waited_for.load(Ordering::SeqCst) || began.elapsed() < SETTLES
                } else {
                    // So that it is known how long the others take.
                    began.elapsed() < COMPUTES
                }
            };
            let began = Instant::now();
            while goes_on(began) {
                std::hint::spin_loop();
            }
            Ok::<_, Infallible>(n)
        })
        .blocking(Stage::named("write").limit(1..=2), move |_, n| {
            if n == waits {
                is_waiting.store(true, Ordering::SeqCst);
                let opened = opened.lock().expect("no panic before");
                return Ok(opened.recv_timeout(AT_MOST).is_ok());
            }
            if n == lies {
                let _ = opens.send(());
            }
            Ok::<_, Infallible>(true)
        })
        .start();
    let out = results(run, last + 1 - cores, done).await;
    assert_eq!(out.len(), last + 1);
    assert!(
        out.into_iter().all(|in_time| in_time),
        "it lay until a core was free"
    );
}

/// All results; once `short` have come out, those that compute on may end.
async fn results(mut run: paceline::Run<bool>, short: usize, done: Arc<AtomicBool>) -> Vec<bool> {
    let mut out = Vec::new();
    while let Some(value) = run.next().await {
        out.push(value.expect("nothing fails"));
        if out.len() == short {
            done.store(true, Ordering::SeqCst);
        }
    }
    out
}
