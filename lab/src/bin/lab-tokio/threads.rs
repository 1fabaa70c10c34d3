//! Programs on plain threads.

use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use paceline_lab::client::get;

use crate::scaled;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Bytes of each frame, over and over, that are hashed.
const HASHED_BYTES: usize = 40_000_000;

/// Steps of FNV-1a, which need one another.
fn hash(before: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(before, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// One thread fetches up to four frames ahead; the main thread hashes each at length.
pub(crate) fn frames(server: &str) -> Outcome {
    let (sender, receiver) = mpsc::sync_channel(4);
    thread::scope(|scope| {
        let fetcher = scope.spawn(move || {
            for frame in 0..scaled(60.0) {
                let mut body = Vec::new();
                get(&format!("{server}/frame/{frame}"), &mut body)?;
                if sender.send(body).is_err() {
                    break;
                }
            }
            Outcome::Ok(())
        });
        let mut state = 0xcbf2_9ce4_8422_2325;
        for frame in receiver {
            state = hash(state, frame.iter().copied().cycle().take(HASHED_BYTES));
        }
        println!("{state:x}");
        fetcher.join().map_err(|_| "the fetcher has panicked")?
    })
}

/// A pool of four threads that take the next thumbnail when they have got the last.
pub(crate) fn thumbnails(server: &str) -> Outcome {
    let queue = Mutex::new(0..scaled(180.0));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let bytes = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut bytes = 0;
                    while let Some(thumbnail) = next() {
                        let url = format!("{server}/thumbnail/{thumbnail}");
                        bytes += get(&url, &mut io::sink())?.body_bytes;
                    }
                    Result::<_, Box<dyn Error + Send + Sync>>::Ok(bytes)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a worker has panicked")?)
            .sum::<Result<u64, _>>()
    })?;
    println!("{bytes}");
    Ok(())
}
