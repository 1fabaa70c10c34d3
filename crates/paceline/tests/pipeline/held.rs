//! Items for a stage that blocks may lie for a moment while all cores compute, and no longer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use paceline::Pipeline;

/// Short ones, then one for each core that computes until the short ones have come out at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_back_comes_out_although_the_cores_go_on_computing() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let short = 400;
    let all_out = Arc::new(AtomicBool::new(false));
    let go_on = Arc::clone(&all_out);
    let mut run = Pipeline::from_iter(0..short + cores)
        .cpu("compute", move |_, n| {
            let began = Instant::now();
            let until = |long| if n < short { long } else { Duration::MAX };
            while began.elapsed() < until(Duration::from_micros(200))
                && !go_on.load(Ordering::SeqCst)
            {
                std::hint::spin_loop();
            }
            Ok::<_, Infallible>(n)
        })
        .blocking("write", |_, n| {
            std::thread::sleep(Duration::from_millis(1));
            Ok::<_, Infallible>(n)
        })
        .start();
    let mut out = Vec::new();
    while out.len() < short {
        let next = run.next().await;
        out.push(next.and_then(Result::ok).expect("nothing fails"));
    }
    all_out.store(true, Ordering::SeqCst);
    while let Some(n) = run.next().await {
        out.push(n.expect("nothing fails"));
    }
    out.sort_unstable();
    assert!(out.into_iter().eq(0..short + cores));
}
