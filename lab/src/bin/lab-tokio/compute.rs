//! Programs that compute.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use paceline_lab::work::burn;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::scaled;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const TASK: Duration = Duration::from_millis(10);

/// The mutex guards a counter, and is held for all of the work.
pub(crate) fn mutex_pool() -> Outcome {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let done = Arc::new(Mutex::new(0_usize));
    runtime.block_on(async {
        let permits = Arc::new(tokio::sync::Semaphore::new(6));
        let mut tasks = JoinSet::new();
        for _ in 0..scaled(330.0) {
            let permit = Arc::clone(&permits).acquire_owned().await?;
            let done = Arc::clone(&done);
            tasks.spawn_blocking(move || {
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                burn(TASK);
                *done += 1;
                drop(permit);
            });
        }
        while tasks.join_next().await.transpose()?.is_some() {}
        Outcome::Ok(())
    })?;
    println!("{}", done.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(())
}

/// `spawn_blocking` for each computation, with a permit for each core.
pub(crate) fn blocking_pool() -> Outcome {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let cores = thread::available_parallelism()?.get();
    runtime.block_on(async {
        let permits = Arc::new(tokio::sync::Semaphore::new(cores));
        let mut tasks = JoinSet::new();
        for _ in 0..scaled(340.0 * cores as f64) {
            let permit = Arc::clone(&permits).acquire_owned().await?;
            tasks.spawn_blocking(move || {
                burn(TASK);
                drop(permit);
            });
        }
        let mut done = 0;
        while tasks.join_next().await.transpose()?.is_some() {
            done += 1;
        }
        println!("{done}");
        Ok(())
    })
}

/// Tasks that compute, on a runtime with far more workers than cores.
pub(crate) fn many_workers() -> Outcome {
    let runtime = Builder::new_multi_thread().worker_threads(16).build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..scaled(340.0) {
            tasks.spawn(async {
                for _ in 0..4 {
                    burn(TASK / 2);
                    tokio::task::yield_now().await;
                }
            });
        }
        let mut done = 0;
        while tasks.join_next().await.transpose()?.is_some() {
            done += 1;
        }
        println!("{done}");
        Ok(())
    })
}

/// Fork and join, round after round, without a look at what the halves weigh.
pub(crate) fn uneven_halves() -> Outcome {
    let mut done = 0;
    for _ in 0..scaled(16.0) {
        let items: Vec<u32> = (0..20).map(|item| if item < 10 { 18 } else { 4 }).collect();
        thread::scope(|scope| {
            let halves: Vec<_> = items
                .chunks(items.len() / 2)
                .map(|half| {
                    scope.spawn(move || {
                        half.iter()
                            .for_each(|item| burn(Duration::from_millis(u64::from(*item))));
                        half.len()
                    })
                })
                .collect();
            for half in halves {
                done += half.join().map_err(|_| "a half has panicked")?;
            }
            Outcome::Ok(())
        })?;
    }
    println!("{done}");
    Ok(())
}
