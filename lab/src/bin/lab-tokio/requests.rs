//! Programs that ask a server.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use paceline_lab::client::get;
use paceline_lab::work::burn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::scaled;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Fetches one page and returns its size in bytes.
async fn fetch(server: &str, page: usize) -> io::Result<usize> {
    let host = server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET /page/{page} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await
}

/// `pages` requests, so many at once.
pub(crate) fn at_once(server: &str, pages: usize, limit: usize) -> Outcome {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let permits = Arc::new(Semaphore::new(limit));
        let mut tasks = JoinSet::new();
        let mut bytes = 0;
        for page in 0..scaled(pages as f64) {
            if limit == 1 {
                bytes += fetch(server, page).await?;
                continue;
            }
            let permits = Arc::clone(&permits);
            let server = server.to_owned();
            tasks.spawn(async move {
                let _permit = permits.acquire().await.map_err(io::Error::other)?;
                fetch(&server, page).await
            });
        }
        while let Some(size) = tasks.join_next().await {
            bytes += size??;
        }
        println!("{bytes}");
        Ok(())
    })
}

/// Every task asks with the standard library, which blocks the worker it is on.
pub(crate) fn blocking_client(server: &str) -> Outcome {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for page in 0..scaled(110.0) {
            let url = format!("{server}/page/{page}");
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                get(&url, &mut io::sink()).map(|answer| answer.body_bytes)
            });
        }
        let mut bytes = 0;
        while let Some(size) = tasks.join_next().await {
            bytes += size??;
        }
        println!("{bytes}");
        Ok(())
    })
}

/// Fetches in many tasks and computes in each, on one thread.
pub(crate) fn cpu_in_handler(server: &str) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let permits = Arc::new(Semaphore::new(8));
        let mut tasks = JoinSet::new();
        for page in 0..scaled(160.0) {
            let permits = Arc::clone(&permits);
            let server = server.to_owned();
            tasks.spawn(async move {
                let _permit = permits.acquire().await.map_err(io::Error::other)?;
                let size = fetch(&server, page).await?;
                burn(Duration::from_millis(20));
                io::Result::Ok(size)
            });
        }
        let mut bytes = 0;
        while let Some(size) = tasks.join_next().await {
            bytes += size??;
        }
        println!("{bytes}");
        Ok(())
    })
}

/// A few downloads in flight, and one blocking task that takes them from a channel.
pub(crate) fn overlapped(server: &str) -> Outcome {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (sender, mut receiver) = mpsc::channel(4);
        let computing = tokio::task::spawn_blocking(move || {
            let mut bytes = 0;
            while let Some(size) = receiver.blocking_recv() {
                burn(Duration::from_millis(30));
                bytes += size;
            }
            bytes
        });
        let permits = Arc::new(Semaphore::new(3));
        let mut tasks = JoinSet::new();
        for page in 0..scaled(110.0) {
            let (permits, sender, server) =
                (Arc::clone(&permits), sender.clone(), server.to_owned());
            tasks.spawn(async move {
                let _permit = permits.acquire().await.map_err(io::Error::other)?;
                let size = fetch(&server, page).await?;
                sender.send(size).await.map_err(io::Error::other)
            });
        }
        drop(sender);
        while let Some(sent) = tasks.join_next().await {
            sent??;
        }
        println!("{}", computing.await?);
        Ok(())
    })
}
