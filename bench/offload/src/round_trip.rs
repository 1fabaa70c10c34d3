//! What it costs to hand a job that does nothing to a pool and get its result back.
//!
//! Tasks on one runtime each hand over a job, await it, and begin again. Prints one JSON object per
//! measurement: nanoseconds per round trip, which at 64 in flight is the time between two results.

use std::future::Future;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use paceline::offload::Offload;

#[derive(Parser)]
struct Args {
    /// What to measure; all of them, in turn, unless given.
    #[arg(long, value_delimiter = ',')]
    pools: Vec<Pool>,
    /// Round trips under way at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    in_flight: Vec<usize>,
    /// How often to measure each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Round trips per measurement.
    #[arg(long, default_value_t = 200_000)]
    trips: usize,
    /// Threads of each pool.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Workers of the event loop.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pool {
    Paceline,
    TokioRayon,
    SpawnBlocking,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let pools = if args.pools.is_empty() {
        Pool::value_variants().to_vec()
    } else {
        args.pools.clone()
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build_global()
        .map_err(std::io::Error::other)?;
    let cpu = Offload::builder()
        .threads(args.threads)
        .queue(4096)
        .build()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.workers)
        .max_blocking_threads(args.threads)
        .enable_all()
        .build()?;
    for round in 0..args.rounds {
        for &in_flight in &args.in_flight {
            for offset in 0..pools.len() {
                let pool = pools[(round + offset) % pools.len()];
                let trips = args.trips / in_flight;
                let took = match pool {
                    Pool::Paceline => {
                        let cpu = cpu.clone();
                        measure(&runtime, in_flight, trips, move || {
                            let pending = cpu.run(|_| std::hint::black_box(1));
                            async move { pending.await.is_ok() }
                        })
                    }
                    Pool::TokioRayon => measure(&runtime, in_flight, trips, || async {
                        tokio_rayon::spawn_fifo(|| std::hint::black_box(1)).await == 1
                    }),
                    Pool::SpawnBlocking => measure(&runtime, in_flight, trips, || async {
                        tokio::task::spawn_blocking(|| std::hint::black_box(1))
                            .await
                            .is_ok()
                    }),
                };
                let name = pool.to_possible_value();
                println!(
                    "{}",
                    serde_json::json!({
                        "pool": name.as_ref().map(clap::builder::PossibleValue::get_name),
                        "in_flight": in_flight,
                        "round": round,
                        "ns": took.as_nanos() as f64 / (trips * in_flight) as f64,
                    })
                );
            }
        }
    }
    Ok(())
}

/// Runs so many tasks with so many round trips each.
fn measure<F, Fut>(
    runtime: &tokio::runtime::Runtime,
    tasks: usize,
    trips: usize,
    trip: F,
) -> Duration
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    let run = |trips: usize| {
        let trip = trip.clone();
        runtime.block_on(async move {
            let tasks: Vec<_> = (0..tasks)
                .map(|_| {
                    let trip = trip.clone();
                    tokio::spawn(async move {
                        for _ in 0..trips {
                            assert!(trip().await, "every round trip must come back");
                        }
                    })
                })
                .collect();
            for task in tasks {
                assert!(task.await.is_ok(), "a task failed");
            }
        });
    };
    run(trips / 10 + 1);
    let began = Instant::now();
    run(trips);
    began.elapsed()
}
