//! A web server that computes, and stays responsive while it does.
//!
//! ```sh
//! cargo run --release -p paceline --features tower --example web_server
//! curl localhost:8080/hello
//! curl 'localhost:8080/heavy?n=5000000'     # counts primes on all cores
//! curl localhost:8080/metrics
//! ```
//!
//! `/heavy` hands its work to an `Offload`: it is split over all threads, which give way to the
//! event loop, so `/hello` goes on being answered. When more is asked of it than can be
//! done in time, it answers 503 at once and says when to come back. A client that hangs up takes
//! its work along.

mod metrics;
mod primes;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clap::Parser;
use paceline::offload::{Job, Offload, OffloadError};
use paceline::tower::service_unavailable;
use serde::Deserialize;
use tokio::net::TcpListener;

/// A web server that computes, and stays responsive while it does.
#[derive(Parser)]
struct Args {
    /// Where to listen.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address to listen at.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Threads that compute; one per core unless given.
    #[arg(long)]
    threads: Option<usize>,
    /// Requests that may wait for a thread.
    #[arg(long, default_value_t = 64)]
    queue: usize,
    /// How long a request may wait for a thread, in milliseconds.
    #[arg(long, default_value_t = 500)]
    max_wait_ms: u64,
}

/// What `/heavy` may be asked for.
const LARGEST: u64 = 100_000_000;

#[derive(Deserialize)]
struct Heavy {
    #[serde(default = "five_million")]
    n: u64,
}

fn five_million() -> u64 {
    5_000_000
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let mut cpu = Offload::builder()
        .queue(args.queue)
        .max_wait(Duration::from_millis(args.max_wait_ms));
    if let Some(threads) = args.threads {
        cpu = cpu.threads(threads);
    }
    let cpu = cpu.build()?;

    let app = Router::new()
        .route("/hello", get(async || "hello\n"))
        .route("/heavy", get(heavy))
        .route("/metrics", get(metrics))
        .with_state(cpu);
    let listener = TcpListener::bind((args.address, args.port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            if tokio::signal::ctrl_c().await.is_err() {
                // Then there is no such signal, and nothing to wait for.
                std::future::pending::<()>().await;
            }
        })
        .await
}

/// Counts the primes up to `n`: the numbers are cut into blocks, blocks are counted on all threads,
/// and the counts are added up.
async fn heavy(State(cpu): State<Offload>, Query(Heavy { n }): Query<Heavy>) -> Response {
    if n > LARGEST {
        let message = format!("n is {LARGEST} at most\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    let small = primes::up_to_root(n);
    let counted = cpu
        .map_reduce(
            Job::named("primes"),
            primes::blocks(n),
            move |_, block| primes::count(block, &small),
            0_u64,
            |sum, count| sum + count,
        )
        .await;
    match counted {
        Ok(primes) => format!("{primes} primes up to {n}\n").into_response(),
        Err(error) => refuse(&error),
    }
}

/// Each way in which work can fail to be done, as a response.
fn refuse(error: &OffloadError) -> Response {
    let retry_after = match error {
        OffloadError::Overloaded { retry_after, .. } => *retry_after,
        OffloadError::DeadlinePassed | OffloadError::ShutDown => Duration::from_secs(1),
        _ => return (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    };
    let mut response = service_unavailable(retry_after);
    *response.body_mut() = format!("{error}\n").into();
    response
}

async fn metrics(State(cpu): State<Offload>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics::prometheus(&cpu.snapshot()),
    )
}
