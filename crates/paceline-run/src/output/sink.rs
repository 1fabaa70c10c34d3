//! The way out: our standard output and error, written by one thread so that a reader who takes his
//! time never holds up the jobs, their time limits, or Ctrl-C.
//!
//! Waking a thread for every short output would cost more than writing it. So as long as the thread
//! has nothing to do, small pieces are written directly, if the system says that they will not wait.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use paceline_journal::{JobRecord, Writer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::capture::{Captured, Spool};
use super::{Destination, OutputOptions, Tag, results};

/// A pipe that is ready takes this much without waiting.
const DIRECT_BYTES: usize = 4096;
/// With more than this in memory, no new jobs are started until the reader has caught up.
const CONGESTED_BYTES: usize = 1 << 20;
const CONGESTED_DELIVERIES: usize = 4096;

/// Called around every write, so that a progress line can step aside.
pub trait Gate: Send + Sync {
    /// Calls `write` once, with the terminal free for it.
    fn around(&self, write: &mut dyn FnMut());
}

/// Nobody else writes.
#[derive(Clone, Copy, Debug)]
pub struct NoGate;

impl Gate for NoGate {
    fn around(&self, write: &mut dyn FnMut()) {
        write();
    }
}

/// Output to pass on, and what to record when that is done.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    /// Written before each line, if asked for.
    pub(crate) tag: Option<Vec<u8>>,
    /// An unfinished last line is ended, so that the next job's does not begin in it.
    pub(crate) end_line: bool,
    /// The job that has ended with this, its arguments joined by NUL bytes.
    pub(crate) ended: Option<Box<Ended>>,
}

/// A job whose output is complete.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) seq: u64,
    pub(crate) joined: Vec<u8>,
    pub(crate) record: Option<JobRecord>,
}

impl Delivery {
    /// What it holds in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.stdout.memory_bytes() + self.stderr.memory_bytes()
    }

    /// How many files of their own its streams hold.
    pub(crate) fn files(&self) -> usize {
        usize::from(self.stdout.has_file()) + usize::from(self.stderr.has_file())
    }

    /// Moves what is in memory to `spool`.
    pub(crate) fn unload(&mut self, spool: &mut Spool) -> io::Result<()> {
        self.stdout.unload(spool)?;
        self.stderr.unload(spool)
    }

    fn is_silent(&self) -> bool {
        self.stdout.is_empty() && self.stderr.is_empty()
    }
}

/// Why nothing can be written any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkTrouble {
    /// Whoever read our output has gone.
    #[error("nobody reads the output any more")]
    ReaderGone,
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    #[error("cannot write results: {0}")]
    Results(io::Error),
}

/// Where deliveries go.
pub(crate) struct Sink {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stdout: OwnedFd,
    stderr: OwnedFd,
    gate: Arc<dyn Gate>,
    results: Option<PathBuf>,
    /// Taken away when the output is abandoned, so that the journal can be closed.
    journal: Mutex<Option<Arc<Writer>>>,
    /// Streams that a progress line may be on; only these need it out of the way. Holding it back
    /// during a write to a slow pipe would hold the run up.
    stdout_shows: bool,
    stderr_shows: bool,
    /// Trouble was met: nothing more is written, and nothing more counts as done.
    broken: AtomicBool,
    queue: Mutex<Queue>,
    work: Condvar,
    /// Deliveries that the thread has not finished with.
    pending: AtomicUsize,
    pending_bytes: AtomicUsize,
    /// Written to when pending work has been done.
    wake: OwnedFd,
}

#[derive(Default)]
struct Queue {
    deliveries: VecDeque<Delivery>,
    closed: bool,
    trouble: Option<SinkTrouble>,
}

impl Sink {
    pub(crate) fn new(
        gate: Arc<dyn Gate>,
        options: &OutputOptions,
        journal: Option<Arc<Writer>>,
    ) -> io::Result<Self> {
        let wake = rustix::event::eventfd(
            0,
            rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK,
        )?;
        let (stdout, stderr) = match options.destination {
            Destination::Ours => (
                io::stdout().as_fd().try_clone_to_owned()?,
                io::stderr().as_fd().try_clone_to_owned()?,
            ),
            Destination::StandardError => (
                io::stderr().as_fd().try_clone_to_owned()?,
                io::stderr().as_fd().try_clone_to_owned()?,
            ),
            Destination::Nowhere => (null_sink()?, null_sink()?),
        };
        let shared = Arc::new(Shared {
            stdout_shows: stdout.is_terminal(),
            stderr_shows: stderr.is_terminal(),
            stdout,
            stderr,
            gate,
            results: options.results.clone(),
            journal: Mutex::new(journal),
            broken: AtomicBool::new(false),
            queue: Mutex::default(),
            work: Condvar::new(),
            pending: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
            wake,
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("output".to_owned())
            .stack_size(256 << 10)
            .spawn(move || theirs.work_off())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Passes a delivery on, after all those before it.
    pub(crate) fn deliver(&self, mut delivery: Delivery) {
        let shared = &self.shared;
        if shared.broken.load(Ordering::Acquire) {
            return;
        }
        if shared.pending.load(Ordering::Acquire) == 0 && shared.goes_directly(&delivery) {
            let done = shared.write_out(&mut delivery);
            shared.settle(done, delivery);
            return;
        }
        shared.pending.fetch_add(1, Ordering::AcqRel);
        shared
            .pending_bytes
            .fetch_add(delivery.memory_bytes(), Ordering::AcqRel);
        shared.lock().deliveries.push_back(delivery);
        shared.work.notify_one();
    }

    /// Whether the reader of our output is far behind.
    pub(crate) fn is_congested(&self) -> bool {
        self.shared.pending_bytes.load(Ordering::Acquire) > CONGESTED_BYTES
            || self.shared.pending.load(Ordering::Acquire) > CONGESTED_DELIVERIES
    }

    /// Whether everything has been written.
    pub(crate) fn is_idle(&self) -> bool {
        self.shared.pending.load(Ordering::Acquire) == 0
    }

    /// Becomes readable when congestion or trouble may have changed.
    pub(crate) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }

    pub(crate) fn clear_wake(&self) {
        let _ = rustix::io::read(&self.shared.wake, &mut [0_u8; 8]);
    }

    /// Trouble, said once.
    pub(crate) fn take_trouble(&self) -> Option<SinkTrouble> {
        self.shared.lock().trouble.take()
    }

    /// Writes what is left, and tells of trouble on the way.
    pub(crate) fn close(mut self) -> Option<SinkTrouble> {
        self.join();
        self.take_trouble()
    }

    fn join(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Gives up on what has not been written: nobody waits for it any more.
    pub(crate) fn abandon(mut self) {
        self.shared.broken.store(true, Ordering::Release);
        self.shared.journal().take();
        let mut queue = self.shared.lock();
        queue.closed = true;
        queue.deliveries.clear();
        drop(queue);
        self.shared.work.notify_one();
        // The thread may be held up in a write for good; it ends with the process.
        drop(self.thread.take());
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Option<Arc<Writer>>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One short piece for one stream: two could share a pipe that has room for one.
    fn goes_directly(&self, delivery: &Delivery) -> bool {
        self.results.is_none()
            && (delivery.stdout.is_empty() || delivery.stderr.is_empty())
            && [
                (&self.stdout, &delivery.stdout),
                (&self.stderr, &delivery.stderr),
            ]
            .into_iter()
            .all(|(fd, captured)| {
                captured.is_empty()
                    || (delivery.tag.is_none()
                        && captured.memory().len() <= DIRECT_BYTES
                        && captured.is_in_memory()
                        && is_ready(fd))
            })
    }

    fn work_off(&self) {
        loop {
            let mut queue = self.lock();
            let mut delivery = loop {
                if let Some(delivery) = queue.deliveries.pop_front() {
                    break delivery;
                }
                if queue.closed {
                    return;
                }
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            let bytes = delivery.memory_bytes();
            if !self.broken.load(Ordering::Acquire) {
                let done = self.write_out(&mut delivery);
                self.settle(done, delivery);
            }
            let bytes_before = self.pending_bytes.fetch_sub(bytes, Ordering::AcqRel);
            let before = self.pending.fetch_sub(1, Ordering::AcqRel);
            let was_congested = bytes_before > CONGESTED_BYTES || before > CONGESTED_DELIVERIES;
            if before == 1 || was_congested {
                self.wake_up();
            }
        }
    }

    /// After a delivery: the job is done, or nothing goes any more.
    fn settle(&self, done: Result<(), SinkTrouble>, mut delivery: Delivery) {
        match done {
            Ok(()) => {
                if let (Some(journal), Some(ended)) = (&*self.journal(), &mut delivery.ended)
                    && let Some(record) = ended.record.take()
                {
                    journal.record(record);
                }
            }
            Err(trouble) => {
                if !self.broken.swap(true, Ordering::AcqRel) {
                    self.lock().trouble = Some(trouble);
                }
                self.wake_up();
            }
        }
    }

    fn wake_up(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn write_out(&self, delivery: &mut Delivery) -> Result<(), SinkTrouble> {
        if let (Some(below), Some(ended)) = (&self.results, &delivery.ended) {
            results::write(
                below,
                &ended.joined,
                ended.seq,
                &mut delivery.stdout,
                &mut delivery.stderr,
            )
            .map_err(SinkTrouble::Results)?;
        }
        if delivery.is_silent() && !delivery.end_line {
            return Ok(());
        }
        let shows = (self.stdout_shows && !delivery.stdout.is_empty())
            || (self.stderr_shows && !delivery.stderr.is_empty());
        if !shows {
            return self.write_streams(delivery);
        }
        let mut written = Ok(());
        self.gate.around(&mut || {
            written = self.write_streams(delivery);
        });
        written
    }

    fn write_streams(&self, delivery: &mut Delivery) -> Result<(), SinkTrouble> {
        for (fd, captured) in [
            (&self.stdout, &mut delivery.stdout),
            (&self.stderr, &mut delivery.stderr),
        ] {
            let mut tag = delivery.tag.as_deref().map(Tag::new);
            let mut tagged = Vec::new();
            let mut ends_line = true;
            let written = captured.for_each_piece(|piece| {
                ends_line = piece.ends_with(b"\n");
                match &mut tag {
                    None => write_all(fd, piece),
                    Some(tag) => {
                        tagged.clear();
                        tag.write(piece, &mut tagged);
                        write_all(fd, &tagged)
                    }
                }
            });
            let written = written.and_then(|()| {
                let unfinished = !ends_line && (delivery.end_line || tag.is_some());
                if unfinished {
                    write_all(fd, b"\n")
                } else {
                    Ok(())
                }
            });
            written.map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => SinkTrouble::ReaderGone,
                _ => SinkTrouble::Output(error),
            })?;
        }
        Ok(())
    }
}

fn null_sink() -> io::Result<OwnedFd> {
    let file = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(file.into())
}

/// Whether a short write would not wait. Files and most devices are always ready.
fn is_ready(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // A stream whose reader has gone is ready too: writing tells.
    matches!(poll(&mut fds, Some(&now)), Ok(1..))
}

/// Writes all of it, waiting where the stream was made non-blocking by somebody who shares it.
fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(fd, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
