//! Fetching pages and processing each: one by one, all first and then processed, overlapped by hand,
//! and as a pipeline that finds its levels. Over real HTTP, to a server that is started beside it.
//!
//! `cargo run --release -p paceline --example download_and_process [PAGES] [LATENCY_MS]`

use std::error::Error;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use paceline::{Cx, Pipeline, Report, Stage};
use paceline_lab::curve::Curve;
use paceline_lab::server::{Plan, Service, Settings, serve};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// At most so many requests at once, where a person sets it.
const AT_ONCE: usize = 3;
const PAGE_BYTES: u64 = 64 << 10;

type Failed = Box<dyn Error + Send + Sync>;
type Http = Client<HttpConnector, Empty<Bytes>>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let pages: usize = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let latency: u64 = arguments.next().map_or(Ok(30), |text| text.parse())?;
    let latency = Duration::from_millis(latency);
    let urls = start_server(pages, latency)?;

    let cores = thread::available_parallelism()?.get() as f64;
    let one = measure_processing();
    let computing = one.mul_f64(pages as f64);
    let bound = |at_once: usize| {
        let waiting = latency.mul_f64((pages as f64 / at_once as f64).ceil());
        waiting.max(computing.div_f64(cores))
    };
    println!(
        "{pages} pages, {} ms each to fetch and {:.1} ms to process, {cores} cores",
        latency.as_millis(),
        one.as_secs_f64() * 1e3
    );
    println!("ideal: what this way would take if nothing got in its way\n");
    println!("{:30} {:>8} {:>8} {:>6}", "way", "wall", "ideal", "÷");

    let expected = row("one by one, blocking", bound(1) + computing, || {
        one_by_one(&urls)
    })?;
    let runtime = tokio::runtime::Runtime::new()?;
    let all_first = || runtime.block_on(fetch_then_process(urls.clone()));
    assert_eq!(
        row("3 at once, processed after", bound(AT_ONCE), all_first)?,
        expected
    );
    let by_hand = || runtime.block_on(overlapped(urls.clone()));
    assert_eq!(
        row("3 at once, overlapped by hand", bound(AT_ONCE), by_hand)?,
        expected
    );
    let mut report = None;
    let mut pipeline = |fetch| runtime.block_on(pipelined(urls.clone(), fetch, &mut report));
    let three = || pipeline(Stage::named("fetch").limit(AT_ONCE));
    assert_eq!(row("3 at once, paceline", bound(AT_ONCE), three)?, expected);
    let found = || pipeline(Stage::named("fetch"));
    assert_eq!(row("paceline, level found", bound(pages), found)?, expected);
    if let Some(report) = report {
        println!("\n{report}");
    }
    Ok(())
}

/// Runs one way and prints its row.
fn row(
    way: &str,
    ideal: Duration,
    run: impl FnOnce() -> Result<u64, Failed>,
) -> Result<u64, Failed> {
    let began = Instant::now();
    let sum = run()?;
    let wall = began.elapsed();
    let ratio = wall.as_secs_f64() / ideal.as_secs_f64();
    let (wall, ideal) = (wall.as_secs_f64(), ideal.as_secs_f64());
    println!("{way:30} {wall:>6.2} s {ideal:>6.2} s {ratio:>6.2}");
    Ok(sum)
}

fn one_by_one(urls: &[String]) -> Result<u64, Failed> {
    let mut sum = 0_u64;
    for url in urls {
        let mut body = Vec::new();
        paceline_lab::client::get(url, &mut body)?;
        sum = sum.wrapping_add(process(&body));
    }
    Ok(sum)
}

async fn fetch_then_process(urls: Vec<String>) -> Result<u64, Failed> {
    let http = client();
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut fetches = JoinSet::new();
    for url in urls {
        let (http, gate) = (http.clone(), Arc::clone(&gate));
        fetches.spawn(async move {
            let permit = gate.acquire().await?;
            let body = fetch(&http, url).await;
            drop(permit);
            body
        });
    }
    let mut sum = 0_u64;
    let bodies: Vec<_> = fetches.join_all().await;
    for body in bodies {
        sum = sum.wrapping_add(process(&body?));
    }
    Ok(sum)
}

async fn overlapped(urls: Vec<String>) -> Result<u64, Failed> {
    let http = client();
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut pages = JoinSet::new();
    for url in urls {
        let (http, gate) = (http.clone(), Arc::clone(&gate));
        pages.spawn(async move {
            let permit = gate.acquire().await?;
            let body = fetch(&http, url).await?;
            drop(permit);
            let sum = tokio::task::spawn_blocking(move || process(&body)).await?;
            Ok::<_, Failed>(sum)
        });
    }
    let mut sum = 0_u64;
    while let Some(page) = pages.join_next().await {
        sum = sum.wrapping_add(page??);
    }
    Ok(sum)
}

async fn pipelined(
    urls: Vec<String>,
    stage: Stage,
    kept: &mut Option<Report>,
) -> Result<u64, Failed> {
    let http = client();
    let (sums, report) = Pipeline::from_iter(urls)
        .label(String::clone)
        .io(stage, move |url| {
            let http = http.clone();
            async move { fetch(&http, url).await }
        })
        .cpu("process", |_: &Cx, body: Bytes| {
            Ok::<_, Failed>(process(&body))
        })
        .collect()
        .await?;
    *kept = Some(report);
    Ok(sums.into_iter().fold(0, u64::wrapping_add))
}

fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn fetch(http: &Http, url: String) -> Result<Bytes, Failed> {
    let answer = http.get(url.parse()?).await?;
    if !answer.status().is_success() {
        return Err(format!("{url}: {}", answer.status()).into());
    }
    Ok(answer.into_body().collect().await?.to_bytes())
}

/// Some milliseconds of computing on a page: it is hashed again and again.
fn process(body: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for _ in 0..50 {
        for byte in body {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

/// What processing one page takes on one core, at best.
fn measure_processing() -> Duration {
    let body = vec![b'x'; PAGE_BYTES as usize];
    let times = (0..10).map(|_| {
        let began = Instant::now();
        std::hint::black_box(process(std::hint::black_box(&body)));
        began.elapsed()
    });
    times.min().unwrap_or_default()
}

/// Starts a server on a free port, on a thread of its own, and says where its pages are.
fn start_server(pages: usize, latency: Duration) -> Result<Vec<String>, Failed> {
    let (sender, receiver) = mpsc::channel();
    let plan = Plan {
        settings: Settings {
            latency,
            jitter: 0.0,
            curve: Curve {
                capacity: None,
                usl: None,
                usl_beyond_capacity: false,
            },
            reject_above: None,
            rate: None,
            size: PAGE_BYTES,
        },
        changes: Vec::new(),
        retry_after: None,
        reject_after: Duration::ZERO,
        queue_at_rate: false,
        burst: None,
        seed: 1,
    };
    thread::spawn(move || {
        let serve = async || {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let _ = sender.send(listener.local_addr()?.port());
            serve(listener, Rc::new(Service::new(plan))).await
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        tokio::task::LocalSet::new().block_on(&runtime, serve())
    });
    let port = receiver.recv()?;
    Ok((0..pages)
        .map(|page| format!("http://127.0.0.1:{port}/page/{page}"))
        .collect())
}
