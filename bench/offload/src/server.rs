//! One server, four ways to compute: `/hello` does nothing, `/heavy` uses a core for a while.
//!
//! Prints its address. The ways differ in nothing but where the work runs.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::{Parser, ValueEnum};
use paceline::offload::{Offload, OffloadError};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Args {
    /// Where the work runs.
    #[arg(long)]
    way: Way,
    /// How much of it there is per request, in rounds of the same sum.
    #[arg(long, default_value_t = 50_000_000)]
    rounds: u64,
    /// Threads that compute, and workers of the event loop.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// For paceline: requests that may wait.
    #[arg(long, default_value_t = 256)]
    queue: usize,
    /// For paceline: how long one may wait, in milliseconds.
    #[arg(long)]
    max_wait_ms: Option<u64>,
    /// Says how many rounds take so many milliseconds on a core of this machine, and ends.
    #[arg(long)]
    calibrate: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    Inline,
    SpawnBlocking,
    Rayon,
    Paceline,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    if let Some(ms) = args.calibrate {
        println!("{}", calibrate(Duration::from_millis(ms)));
        return Ok(());
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build_global()
        .map_err(std::io::Error::other)?;
    let mut cpu = Offload::builder().threads(args.threads).queue(args.queue);
    if let Some(ms) = args.max_wait_ms {
        cpu = cpu.max_wait(Duration::from_millis(ms));
    }
    let cpu = cpu.build()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads)
        .enable_all()
        .build()?
        .block_on(serve(args.way, args.rounds, cpu))
}

async fn serve(way: Way, rounds: u64, cpu: Offload) -> std::io::Result<()> {
    let app = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/heavy", get(move || heavy(way, rounds, cpu.clone())));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

async fn heavy(way: Way, rounds: u64, cpu: Offload) -> Response {
    let sum = match way {
        Way::Inline => work(rounds),
        Way::SpawnBlocking => match tokio::task::spawn_blocking(move || work(rounds)).await {
            Ok(sum) => sum,
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        Way::Rayon => tokio_rayon::spawn_fifo(move || work(rounds)).await,
        Way::Paceline => match cpu.run(move |_| work(rounds)).await {
            Ok(sum) => sum,
            Err(OffloadError::Overloaded { retry_after, .. }) => {
                // As precise as HTTP allows; the load does not come back in an open loop.
                let seconds = HeaderValue::from(retry_after.as_secs() + 1);
                let headers = [(header::RETRY_AFTER, seconds)];
                return (StatusCode::SERVICE_UNAVAILABLE, headers).into_response();
            }
            Err(OffloadError::DeadlinePassed) => {
                return StatusCode::GATEWAY_TIMEOUT.into_response();
            }
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    };
    sum.to_string().into_response()
}

/// Keeps a core busy, touches no memory, and cannot be left out.
fn work(rounds: u64) -> u64 {
    let mut state = std::hint::black_box(0x9E37_79B9_7F4A_7C15_u64);
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    std::hint::black_box(state)
}

/// The best of a few, so that a disturbed one does not count.
fn calibrate(time: Duration) -> u64 {
    const TRIED: u64 = 10_000_000;
    let best = (0..10)
        .map(|_| {
            let began = Instant::now();
            work(TRIED);
            began.elapsed()
        })
        .min()
        .unwrap_or(time);
    (TRIED as f64 * time.as_secs_f64() / best.as_secs_f64().max(1e-9)) as u64
}
