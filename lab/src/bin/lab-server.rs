//! An HTTP server on the loopback whose speed follows a curve that flags set.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use paceline_lab::curve::{Curve, Usl};
use paceline_lab::quantity::{size, time};
use paceline_lab::server::{Change, Plan, Service, Settings, reading, serve};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Answers HTTP on 127.0.0.1 as fast or slowly as it is told to.
///
/// Any path is a request for --latency. `/work?cpu_ms=N&wait_ms=N` asks for that instead, and
/// `/stats` says what was done so far. SIGTERM lets the requests in work end.
#[derive(Debug, Parser)]
#[command(name = "lab-server", version)]
struct Flags {
    /// Listen here; 0 takes a free port, which is printed
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Also write the port into this file
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// What a request takes at full speed, e.g. 50ms
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time)]
    latency: Duration,
    /// Let that vary, lognormal with this coefficient of variation, e.g. 0.5
    #[arg(long, value_name = "CV", default_value = "0", value_parser = reading::jitter)]
    jitter: f64,
    /// Serve N at full speed; more share that evenly
    #[arg(long, value_name = "N", value_parser = reading::capacity)]
    capacity: Option<u32>,
    /// Slow down with the number n of requests, as 1/(1 + σ(n−1) + κn(n−1))
    #[arg(long, value_name = "SIGMA,KAPPA", value_parser = reading::usl)]
    usl: Option<Usl>,
    /// Only those beyond the capacity slow each other down by --usl
    #[arg(long, requires_all = ["usl", "capacity"])]
    usl_beyond_capacity: bool,
    /// With N in service, answer further ones with 429
    #[arg(long, value_name = "N", value_parser = reading::reject_above)]
    reject_above: Option<u32>,
    /// What a rejection takes
    #[arg(long, value_name = "TIME", default_value = "2ms", value_parser = time)]
    reject_after: Duration,
    /// Tell those who are rejected to come back after so many seconds
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u64>,
    /// Let in so many a second; answer others with 429
    #[arg(long, value_name = "R/s", value_parser = reading::rate)]
    rate: Option<f64>,
    /// Let so many in at once in spite of --rate [default: a tenth of it]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    burst: Option<u32>,
    /// Those beyond the rate wait instead
    #[arg(long)]
    rate_queue: bool,
    /// Change settings after so many served requests (500:capacity=10) or a time since the first
    /// one (3s:latency=80ms,usl=0.1/0.001); several are separated by commas
    #[arg(long, value_name = "WHEN:KEY=VALUE,…")]
    change_at: Vec<Change>,
    /// Bytes of an answer, e.g. 64k
    #[arg(long, value_name = "BYTES", default_value = "3", value_parser = size)]
    size: u64,
    /// Begin the jitter with this, so that it can be repeated
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, flags.port))
            .await
            .map_err(|error| {
                let hint = "take another with --port, or a free one with --port 0";
                io::Error::other(format!(
                    "cannot listen on port {}: {error}; {hint}",
                    flags.port
                ))
            })?;
        let port = listener.local_addr()?.port();
        if let Some(path) = &flags.port_file {
            fs::write(path, format!("{port}\n")).map_err(|error| {
                io::Error::other(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        println!("{port}");
        serve(listener, Rc::new(Service::new(flags.plan()))).await
    })
}

impl Flags {
    fn plan(self) -> Plan {
        Plan {
            settings: Settings {
                latency: self.latency,
                jitter: self.jitter,
                curve: Curve {
                    capacity: self.capacity,
                    usl: self.usl,
                    usl_beyond_capacity: self.usl_beyond_capacity,
                },
                reject_above: self.reject_above,
                rate: self.rate,
                size: self.size,
            },
            changes: self.change_at,
            retry_after: self.retry_after,
            reject_after: self.reject_after,
            queue_at_rate: self.rate_queue,
            burst: self.burst,
            seed: self.seed,
        }
    }
}
