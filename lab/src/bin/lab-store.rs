//! An object store on the loopback, with S3's protocol and a latency of one's choice.

use std::io;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use paceline_lab::quantity::time;
use paceline_lab::store::{Store, serve};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Keeps objects in memory and speaks S3's protocol on 127.0.0.1, with any credentials.
///
/// Every bucket is there. The address of an object is `http://127.0.0.1:PORT/BUCKET/KEY`.
#[derive(Debug, Parser)]
#[command(name = "lab-store", version)]
struct Flags {
    /// Listen here; 0 takes a free port, which is printed
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// What a request takes, e.g. 30ms
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time)]
    latency: Duration,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-store: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, flags.port)).await?;
        println!("{}", listener.local_addr()?.port());
        serve(listener, Rc::new(Store::new(flags.latency))).await
    })
}
