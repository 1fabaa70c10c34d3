//! Programs that let time pass.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::scaled;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const BACK_END: Duration = Duration::from_millis(25);

/// Handlers that stand in for a slow back end: with a sleep of the thread, as it comes out when a
/// function is made `async` and its body left alone, or with one that is awaited.
pub(crate) fn sleep_in_handler(workers: Option<usize>) -> Outcome {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let permits = Arc::new(Semaphore::new(workers.unwrap_or(Semaphore::MAX_PERMITS)));
        let mut handlers = JoinSet::new();
        for _ in 0..scaled(250.0) {
            let permits = Arc::clone(&permits);
            handlers.spawn(async move {
                let _permit = permits.acquire().await;
                if workers.is_some() {
                    sleep(BACK_END).await;
                } else {
                    thread::sleep(BACK_END);
                }
            });
        }
        let mut done = 0;
        while handlers.join_next().await.transpose()?.is_some() {
            done += 1;
        }
        println!("{done}");
        Ok(())
    })
}

/// Does next to nothing, ten times a second.
pub(crate) fn ticker() -> Outcome {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut ticks = interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut done = 0_usize;
        for _ in 0..scaled(34.0) {
            ticks.tick().await;
            done += 1;
        }
        println!("{done}");
        Ok(())
    })
}
