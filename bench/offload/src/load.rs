//! Load on a server: `/hello` in an open loop, timed from the moment it should have been sent, and
//! `/heavy` beside it, from clients that wait for their answer or in an open loop too.
//!
//! A client that waits for an answer before it sends the next request does not see how many it would
//! have sent meanwhile ("coordinated omission"). So each request has its moment beforehand, and
//! counts from it, however late it is sent. Part of that may be the client's own: it shares the cores
//! with the server, and its threads may be woken late. So it says how late they were, and how long
//! answers took once the request was sent. Prints one JSON object.

mod http;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use hdrhistogram::Histogram;
use http::Connection;

#[derive(Clone, Parser)]
struct Args {
    /// The server.
    #[arg(long)]
    address: SocketAddr,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// `/hello` per second.
    #[arg(long, default_value_t = 400.0)]
    hello: f64,
    /// Connections for it.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Clients that ask for `/heavy` again and again.
    #[arg(long, default_value_t = 0)]
    heavy: usize,
    /// `/heavy` per second in an open loop, from as many connections as `--heavy` says.
    #[arg(long)]
    heavy_rate: Option<f64>,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What an open loop sees.
#[derive(Default)]
struct Loop {
    /// From the moment when it should have been sent to the answer.
    times: Seen,
    /// From when it was sent to the answer.
    answers: Seen,
    /// How late its thread was woken, where it slept until the moment came.
    wakes: Seen,
}

/// Times in microseconds, by status.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<u16, Histogram<u64>>>);

impl Seen {
    fn add(&self, status: u16, time: Duration) {
        let mut by_status = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Ok(new) = Histogram::new_with_max(600_000_000, 3) {
            let times = by_status.entry(status).or_insert(new);
            times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn json(&self) -> serde_json::Value {
        let by_status = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        by_status
            .iter()
            .map(|(status, times)| {
                let us = |quantile| times.value_at_quantile(quantile);
                (
                    status.to_string(),
                    serde_json::json!({
                        "count": times.len(),
                        "p50_us": us(0.5),
                        "p99_us": us(0.99),
                        "p999_us": us(0.999),
                        "max_us": times.max(),
                    }),
                )
            })
            .collect()
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    // Moments are kept to within a microsecond, not within the 50 that the kernel takes by itself.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000))?;
    let began = Instant::now();
    let counts_from = began + Duration::from_secs_f64(args.warm_up);
    let ends = counts_from + Duration::from_secs_f64(args.seconds);
    let (hello, heavy) = (Arc::new(Loop::default()), Arc::new(Loop::default()));
    let over = Arc::new(AtomicBool::new(false));

    let mut threads = Vec::new();
    for index in 0..args.heavy {
        let (seen, address, over) = (Arc::clone(&heavy), args.address, Arc::clone(&over));
        let rate = args.heavy_rate.map(|rate| rate / args.heavy as f64);
        let offset = index as f64 / args.heavy as f64;
        threads.push(thread::spawn(move || match rate {
            Some(rate) => open_loop(
                address,
                "/heavy",
                rate,
                offset,
                began,
                counts_from,
                ends,
                &seen,
            ),
            None => again_and_again(address, counts_from, &over, &seen.times),
        }));
    }
    let each = args.hello / args.connections.max(1) as f64;
    let mut clients = Vec::new();
    for index in 0..args.connections {
        let (seen, address) = (Arc::clone(&hello), args.address);
        let offset = index as f64 / args.connections as f64;
        clients.push(thread::spawn(move || {
            open_loop(
                address,
                "/hello",
                each,
                offset,
                began,
                counts_from,
                ends,
                &seen,
            )
        }));
    }
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    thread::sleep(ends.saturating_duration_since(Instant::now()));
    over.store(true, Ordering::Relaxed);
    // What is answered after the end was not done in the time that counts.
    let seen = heavy.times.json();
    let took = counts_from.elapsed();
    for thread in threads {
        thread.join().map_err(|_| "a client panicked")??;
    }
    let after = heavy.times.json();
    println!(
        "{}",
        serde_json::json!({
            "seconds": took.as_secs_f64(),
            "hello": hello.times.json(),
            "hello_answers": hello.answers.json(),
            "hello_wakes": hello.wakes.json(),
            "heavy": seen,
            "heavy_at_last": after,
        })
    );
    Ok(())
}

/// Sends at moments that are set beforehand.
#[expect(
    clippy::too_many_arguments,
    reason = "a plan and a place, each said once"
)]
fn open_loop(
    address: SocketAddr,
    path: &str,
    rate: f64,
    offset: f64,
    began: Instant,
    counts_from: Instant,
    ends: Instant,
    seen: &Loop,
) -> Result<()> {
    let mut connection = Connection::open(address)?;
    for number in 0_u64.. {
        let due = began + Duration::from_secs_f64((number as f64 + offset) / rate);
        if due >= ends {
            break;
        }
        let pause = due.saturating_duration_since(Instant::now());
        thread::sleep(pause);
        let sent = Instant::now();
        // Once the time is over, what should have been sent and was not has waited until now.
        let status = if sent < ends {
            connection.get(path)?.status
        } else {
            200
        };
        if due >= counts_from {
            seen.times.add(status, due.elapsed());
            seen.answers.add(status, sent.elapsed());
            if !pause.is_zero() {
                seen.wakes.add(status, sent.saturating_duration_since(due));
            }
        }
    }
    Ok(())
}

/// Asks again as soon as it was answered, or when it was told to.
fn again_and_again(
    address: SocketAddr,
    counts_from: Instant,
    over: &AtomicBool,
    seen: &Seen,
) -> Result<()> {
    let mut connection = Connection::open(address)?;
    while !over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let response = connection.get("/heavy")?;
        if Instant::now() >= counts_from {
            seen.add(response.status, sent.elapsed());
        }
        if let Some(pause) = response.retry_after {
            thread::sleep(pause.min(Duration::from_secs(1)));
        }
    }
    Ok(())
}
