//! Recording jobs without slowing down those who dispatch them.
//!
//! ```text
//! record() ──push──► Queue ──all at once──► the writer's thread ──one transaction──► SQLite
//!                      ▲                            │
//!                      └── room again ◄─────────────┘
//! ```
//!
//! The thread sleeps for as long as the queue is empty. The first record wakes it; it then lets
//! more come together for [`GATHER`], or until [`queue::BATCH_ROWS`] are there, and commits them as
//! one transaction. So a busy dispatcher pays for a wake-up once per batch and else only for an
//! uncontended lock.
//!
//! If a commit fails, the batch is kept and tried again every [`RETRY`], while new records queue
//! up behind it. Without trouble a full queue makes the sender wait: the writer is merely slower.
//! In trouble it must not, because the disk may stay full for ever and jobs should go on: what
//! finds no room is counted as unrecorded. Such inputs run again on resume; nothing is lost but
//! work.
//!
//! The whole story: `docs/design/journal.md`.

mod batch;
mod queue;

use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use crate::{JobRecord, Journal, JournalError, RunId, SessionEnd, SessionId, connection};
use batch::Target;
use queue::{Closing, Queue, Received};

/// How long records gather before they are committed.
const GATHER: Duration = Duration::from_millis(25);

/// How long after a failed commit the next is tried.
const RETRY: Duration = Duration::from_secs(1);

/// Records the jobs of one session. It may be shared by threads.
///
/// Dropping it commits what it can but records no end of the session; [`Self::finish`] does both.
#[derive(Debug)]
pub struct Writer {
    session: SessionId,
    shared: Arc<Shared>,
    /// Taken when the writer ends.
    thread: Option<JoinHandle<u64>>,
}

/// What the writer could not do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct FinishReport {
    /// Finished jobs that are not in the journal; a resumed run runs them again.
    pub unrecorded: u64,
    /// The first thing that went wrong, even if it was overcome later.
    pub trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Queue,
    committed: AtomicU64,
    trouble: OnceLock<String>,
}

impl Writer {
    pub(crate) fn start(
        journal: &Journal,
        run: RunId,
        session: SessionId,
        packed: bool,
        supersedable: i64,
    ) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared::default());
        let committer = Committer {
            connection: connection::open(&journal.path)?,
            path: journal.path.clone(),
            target: Target {
                run,
                session,
                packed,
                supersedable,
            },
            shared: Arc::clone(&shared),
            kept: Vec::new(),
        };
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || committer.work())
            .map_err(|source| JournalError::Thread { source })?;
        Ok(Self {
            session,
            shared,
            thread: Some(thread),
        })
    }

    /// The session whose jobs it records.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Hands a finished job over to be recorded.
    ///
    /// Returns at once; only when 10,000 jobs (or 16 MiB of them) wait and the journal is slow but
    /// not in trouble, it waits for room.
    pub fn record(&self, record: JobRecord) {
        self.shared.queue.push(record);
    }

    /// How many jobs of this session are committed: they are in the journal whatever becomes of
    /// this process.
    pub fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::Acquire)
    }

    /// The first thing that went wrong, if something did. Cheap enough to be asked all the time.
    ///
    /// It stays when the trouble is over: meant to be told the user once.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.get().cloned()
    }

    /// Commits what is queued together with the end of the session, and stops the thread.
    pub fn finish(mut self, end: SessionEnd) -> FinishReport {
        let unrecorded = self.close(Closing::With(end));
        FinishReport {
            unrecorded,
            trouble: self.trouble(),
        }
    }

    fn close(&mut self, closing: Closing) -> u64 {
        let Some(thread) = self.thread.take() else {
            return 0;
        };
        self.shared.queue.close(closing);
        thread.join().unwrap_or_else(|_| {
            let message = "the thread that writes the journal has failed";
            self.shared.trouble.get_or_init(|| message.into());
            self.shared.queue.unrecorded()
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close(Closing::Dropped);
    }
}

/// The thread's side.
struct Committer {
    connection: Connection,
    path: PathBuf,
    target: Target,
    shared: Arc<Shared>,
    /// The batch in work; after a failed commit it stays.
    kept: Vec<JobRecord>,
}

impl Committer {
    /// Commits until the queue is closed; tells how many records could not be.
    fn work(mut self) -> u64 {
        loop {
            let received = if self.kept.is_empty() {
                self.shared.queue.receive(GATHER)
            } else {
                self.shared.queue.pause(RETRY)
            };
            match received {
                Received::More(records) => {
                    self.keep(records);
                    self.commit(None);
                }
                Received::Last(records, closing) => {
                    self.keep(records);
                    self.commit_last(closing);
                    return self.kept.len() as u64 + self.shared.queue.unrecorded();
                }
            }
        }
    }

    fn keep(&mut self, records: Vec<JobRecord>) {
        if self.kept.is_empty() {
            self.kept = records;
        } else {
            self.kept.extend(records);
        }
    }

    fn commit_last(&mut self, closing: Closing) {
        let end = match closing {
            Closing::With(end) => Some(end),
            Closing::Dropped => None,
        };
        if end.is_none() && self.kept.is_empty() {
            return;
        }
        self.commit(end.as_ref());
    }

    fn commit(&mut self, end: Option<&SessionEnd>) {
        match batch::commit(&self.connection, &self.target, &self.kept, end) {
            Ok(supersedable) => {
                self.target.supersedable = supersedable;
                let rows = self.kept.len();
                self.shared
                    .committed
                    .fetch_add(rows as u64, Ordering::Release);
                // The allocation is not kept: a large one would stay for a long run's life.
                drop(mem::take(&mut self.kept));
                self.shared.queue.settled();
            }
            Err(source) => {
                let error = JournalError::from_sqlite(&self.path, source);
                self.shared.trouble.get_or_init(|| error.to_string());
                self.shared.queue.in_trouble();
            }
        }
    }
}
