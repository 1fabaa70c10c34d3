//! Programs of the corpus that stand on tokio or on plain threads, each a subcommand.
//!
//! They are written as people write them, mistakes included; `lab/corpus/corpus.toml` says which.

mod compute;
mod requests;
mod threads;
mod timers;

use std::env;
use std::error::Error;

use clap::{Parser, Subcommand};

/// Services and scripts whose limits are known.
#[derive(Debug, Parser)]
#[command(name = "lab-tokio", version)]
struct Program {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Handlers that sleep the thread instead of the task
    SleepInHandler {
        /// Await the sleep, with so many at once
        #[arg(long)]
        workers: Option<usize>,
    },
    /// Tasks with a client that blocks
    BlockingClient { server: String },
    /// A loop on one thread whose handlers compute
    CpuInHandler { server: String },
    /// Blocking tasks that all hold one mutex while they compute
    MutexPool,
    /// Requests that are awaited one after another
    Sequential {
        server: String,
        /// So many at once instead
        #[arg(long, default_value_t = 1)]
        workers: usize,
    },
    /// Requests under a semaphore
    Semaphore {
        server: String,
        /// Permits
        #[arg(long, default_value_t = 3)]
        workers: usize,
    },
    /// All requests at once
    JoinAll { server: String },
    /// Downloads beside the one thread that works on them
    Overlapped { server: String },
    /// A tick now and then
    Ticker,
    /// As many blocking computations as there are cores
    BlockingPool,
    /// Sixteen worker threads that compute
    ManyWorkers,
    /// Halves of unequal weight on two threads, joined after each round
    UnevenHalves,
    /// A thread that fetches frames ahead of the one that hashes them
    Frames { server: String },
    /// Four threads that fetch thumbnails
    Thumbnails { server: String },
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    match Program::parse().what {
        What::SleepInHandler { workers } => timers::sleep_in_handler(workers),
        What::BlockingClient { server } => requests::blocking_client(&server),
        What::CpuInHandler { server } => requests::cpu_in_handler(&server),
        What::MutexPool => compute::mutex_pool(),
        What::Sequential { server, workers } => requests::at_once(&server, 60, workers),
        What::Semaphore { server, workers } => requests::at_once(&server, 100, workers),
        What::JoinAll { server } => requests::at_once(&server, 150, 150),
        What::Overlapped { server } => requests::overlapped(&server),
        What::Ticker => timers::ticker(),
        What::BlockingPool => compute::blocking_pool(),
        What::ManyWorkers => compute::many_workers(),
        What::UnevenHalves => compute::uneven_halves(),
        What::Frames { server } => threads::frames(&server),
        What::Thumbnails { server } => threads::thumbnails(&server),
    }
}

/// `amount` of work, scaled by `LAB_SCALE`, but at least 2.
fn scaled(amount: f64) -> usize {
    let scale = env::var("LAB_SCALE")
        .ok()
        .and_then(|text| text.parse().ok());
    ((amount * scale.unwrap_or(1.0_f64)) as usize).max(2)
}
