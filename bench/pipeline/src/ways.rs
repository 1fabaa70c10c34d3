//! The ways through the workloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use futures_util::stream::iter;
use paceline::{Budget, Pipeline, Report};
use tokio::runtime::Runtime;

use crate::work::{block, compute, steps, wait};

/// What the best hand-set levels are on two cores, by trying them out.
const WAITING: usize = 32;
const BLOCKING: usize = 8;

type Never = std::convert::Infallible;

fn runtime() -> Runtime {
    match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    }
}

fn shown(result: paceline::Collected<u64>, report: bool) -> u64 {
    match result {
        Ok((values, of)) => {
            show(&of, report);
            values.len() as u64
        }
        Err(error) => panic!("{error}"),
    }
}

fn show(report: &Report, wanted: bool) {
    if wanted {
        eprintln!("{report}");
    }
}

/// Nothing is tuned.
pub(crate) fn paceline_mixed(items: u64, report: bool) -> u64 {
    let steps = steps();
    let pipeline = Pipeline::from_iter(0..items)
        .io(
            "wait",
            |item| async move { Ok::<_, Never>(wait(item).await) },
        )
        .cpu("compute", move |_, item| {
            Ok::<_, Never>(compute(item, steps))
        })
        .blocking("block", |_, item| Ok::<_, Never>(block(item)));
    shown(runtime().block_on(pipeline.collect()), report)
}

/// One window of futures, each going all the way.
pub(crate) fn spawn_blocking(items: u64) -> u64 {
    let steps = steps();
    let run = async move {
        let results = iter(0..items)
            .map(move |item| async move {
                let item = wait(item).await;
                let item = on_blocking_pool(move || compute(item, steps)).await;
                on_blocking_pool(move || block(item)).await
            })
            .buffer_unordered(WAITING);
        results.count().await as u64
    };
    runtime().block_on(run)
}

async fn on_blocking_pool<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// The same with rayon for the computing.
pub(crate) fn tokio_rayon(items: u64) -> u64 {
    let steps = steps();
    let run = async move {
        let results = iter(0..items)
            .map(move |item| async move {
                let item = wait(item).await;
                let item = tokio_rayon::spawn(move || compute(item, steps)).await;
                on_blocking_pool(move || block(item)).await
            })
            .buffer_unordered(WAITING);
        results.count().await as u64
    };
    runtime().block_on(run)
}

/// Spawned stages with channels in between, and levels set by hand.
pub(crate) fn channels(items: u64) -> u64 {
    let steps = steps();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (to_wait, waits) = async_channel::bounded(64);
    let (to_compute, computes) = async_channel::bounded(64);
    let (to_block, blocks) = async_channel::bounded(64);
    let runtime = runtime();
    for _ in 0..WAITING {
        let (waits, to_compute) = (waits.clone(), to_compute.clone());
        runtime.spawn(async move {
            while let Ok(item) = waits.recv().await {
                let _ = to_compute.send(wait(item).await).await;
            }
        });
    }
    drop(to_compute);
    let done = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for _ in 0..cores {
        let (computes, to_block): (async_channel::Receiver<u64>, _) =
            (computes.clone(), to_block.clone());
        threads.push(std::thread::spawn(move || {
            while let Ok(item) = computes.recv_blocking() {
                let _ = to_block.send_blocking(compute(item, steps));
            }
        }));
    }
    drop(to_block);
    for _ in 0..BLOCKING {
        let (blocks, done): (async_channel::Receiver<u64>, _) = (blocks.clone(), Arc::clone(&done));
        threads.push(std::thread::spawn(move || {
            while let Ok(item) = blocks.recv_blocking() {
                block(item);
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for item in 0..items {
        let _ = to_wait.send_blocking(item);
    }
    drop(to_wait);
    for thread in threads {
        let _ = thread.join();
    }
    done.load(Ordering::Relaxed)
}

/// The computing alone, one thread per core: what no way can beat here and now.
pub(crate) fn computing_alone(items: u64) -> u64 {
    let steps = steps();
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let shares = (0..cores).map(|core| (core * items / cores)..((core + 1) * items / cores));
    let threads: Vec<_> = shares
        .map(|share| {
            std::thread::spawn(move || {
                let mut done = 0;
                for item in share {
                    compute(item, steps);
                    done += 1;
                }
                done
            })
        })
        .collect();
    let done = threads.into_iter().map(std::thread::JoinHandle::join);
    done.map(|done| done.unwrap_or(0)).sum()
}

/// Nothing to do at three stages: what an item costs.
pub(crate) fn paceline_tiny(items: u64, report: bool) -> u64 {
    let pipeline = Pipeline::from_iter(0..items)
        .io("io", |item: u64| async move { Ok::<_, Never>(item + 1) })
        .cpu("cpu", |_, item| Ok::<_, Never>(item + 1))
        .blocking("blocking", |_, item| Ok::<_, Never>(item + 1));
    shown(runtime().block_on(pipeline.collect()), report)
}

/// The same by hand, with one task or thread per stage.
pub(crate) fn channels_tiny(items: u64) -> u64 {
    let (to_io, io) = async_channel::bounded::<u64>(128);
    let (to_cpu, cpu) = async_channel::bounded::<u64>(128);
    let (to_blocking, blocking) = async_channel::bounded::<u64>(128);
    let runtime = runtime();
    runtime.spawn(async move {
        while let Ok(item) = io.recv().await {
            let _ = to_cpu.send(item + 1).await;
        }
    });
    let computing = std::thread::spawn(move || {
        while let Ok(item) = cpu.recv_blocking() {
            let _ = to_blocking.send_blocking(item + 1);
        }
    });
    let blocks = std::thread::spawn(move || {
        let mut done = 0;
        while blocking.recv_blocking().is_ok() {
            done += 1;
        }
        done
    });
    for item in 0..items {
        let _ = to_io.send_blocking(item);
    }
    drop(to_io);
    let _ = computing.join();
    blocks.join().unwrap_or(0)
}

/// A megabyte is fetched for each item, looked at, and dropped.
pub(crate) fn paceline_payload(items: u64, budget: u64, report: bool) -> u64 {
    let pipeline = Pipeline::from_iter(0..items)
        .io("fetch", |item| async move {
            let item = wait(item).await;
            Ok::<_, Never>(vec![item as u8 | 1; 1 << 20])
        })
        .weigh(Vec::len)
        .cpu("look", |_, body: Vec<u8>| {
            let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
            Ok::<_, Never>((body, sum))
        })
        .blocking("store", |_, (body, sum): (Vec<u8>, u64)| {
            block(sum);
            drop(body);
            Ok::<_, Never>(sum)
        })
        .budget(Budget::default().bytes(budget));
    shown(runtime().block_on(pipeline.collect()), report)
}
