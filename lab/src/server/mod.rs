//! The loopback server: HTTP/1.1 on one thread, as slow as it is told to be.

mod body;
mod changes;
mod respond;
mod service;
mod settings;
mod stats;

use std::io;
use std::rc::Rc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_local;

pub use changes::{Change, ChangeError, When};
pub use service::{Plan, Service};
pub use settings::{Setting, SettingError, Settings, reading};
pub use stats::{PathStats, Stats};

/// Answers on `listener` until SIGINT or SIGTERM comes, then lets the requests in work end. A
/// second signal ends these too.
///
/// Must run inside a `LocalSet` of a runtime with one thread.
pub async fn serve(listener: TcpListener, service: Rc<Service>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let clock = spawn_local(Rc::clone(&service).keep_time());
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors, or the client is gone again: the next one may fare better.
                Err(error) => {
                    eprintln!("lab-server: cannot accept a connection: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                }
            },
            () = either(&mut interrupt, &mut terminate) => break,
        };
        stream.set_nodelay(true)?;
        let service = Rc::clone(&service);
        let connection = http1::Builder::new().serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| respond::respond(Rc::clone(&service), request)),
        );
        let connection = connections.watch(connection);
        // A client that goes away is its own business.
        spawn_local(async move { drop(connection.await) });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = either(&mut interrupt, &mut terminate) => {}
    }
    clock.abort();
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
