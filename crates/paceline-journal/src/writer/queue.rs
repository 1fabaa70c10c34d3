//! Where records wait for the writer's thread.
//!
//! The thread is in one of two sleeps. In the *idle* one it waits without end for a first record,
//! and the sender of that record wakes it. In the *gathering* one it wakes by itself; a sender
//! wakes it only when a whole batch is there. No wake-up is lost, because all of it happens under
//! the one lock, which the sleep itself gives up.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{JobRecord, SessionEnd};

/// So many records end the gathering early.
pub(super) const BATCH_ROWS: usize = 512;

/// So many bytes end it, too.
const BATCH_BYTES: usize = 1 << 20;

/// So many records may wait, those of a failed batch included.
const ROOM_ROWS: usize = 10_000;

/// They may be so large together.
const ROOM_BYTES: usize = 16 << 20;

/// What a record takes beside its blobs, about.
const RECORD_BYTES: usize = 200;

/// How the queue was closed.
#[derive(Debug)]
pub(super) enum Closing {
    /// The session is over.
    With(SessionEnd),
    /// The writer was dropped; the session has no end.
    Dropped,
}

/// What the thread gets.
#[derive(Debug)]
pub(super) enum Received {
    /// Records, and the queue goes on.
    More(Vec<JobRecord>),
    /// The last records.
    Last(Vec<JobRecord>, Closing),
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Wakes the thread.
    news: Condvar,
    /// Wakes senders that wait.
    room: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Vec<JobRecord>,
    waiting_bytes: usize,
    /// What the thread has taken and not settled.
    taken_rows: usize,
    taken_bytes: usize,
    /// Whether the thread waits for a first record.
    idle: bool,
    trouble: bool,
    unrecorded: u64,
    closing: Option<Closing>,
}

impl Inner {
    fn is_full(&self) -> bool {
        self.waiting.len() + self.taken_rows >= ROOM_ROWS
            || self.waiting_bytes + self.taken_bytes >= ROOM_BYTES
    }

    fn has_batch(&self) -> bool {
        self.waiting.len() >= BATCH_ROWS || self.waiting_bytes >= BATCH_BYTES
    }

    fn take(&mut self) -> Received {
        let records = mem::take(&mut self.waiting);
        self.taken_rows += records.len();
        self.taken_bytes += mem::take(&mut self.waiting_bytes);
        match self.closing.take() {
            Some(closing) => Received::Last(records, closing),
            None => Received::More(records),
        }
    }
}

impl Queue {
    /// Adds a record; waits for room unless the journal is in trouble.
    pub(super) fn push(&self, record: JobRecord) {
        let mut inner = self.lock();
        while inner.is_full() && !inner.trouble {
            inner = self
                .room
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if inner.is_full() {
            inner.unrecorded += 1;
            return;
        }
        let had_batch = inner.has_batch();
        inner.waiting_bytes += size(&record);
        inner.waiting.push(record);
        let wake = mem::take(&mut inner.idle) || (!had_batch && inner.has_batch());
        drop(inner);
        if wake {
            self.news.notify_one();
        }
    }

    /// Waits for records and lets more come together for `gather`.
    pub(super) fn receive(&self, gather: Duration) -> Received {
        let mut inner = self.lock();
        while inner.waiting.is_empty() && inner.closing.is_none() {
            inner.idle = true;
            inner = self
                .news
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner.idle = false;
        let end = Instant::now() + gather;
        while !inner.has_batch() && inner.closing.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.wait(inner, left);
        }
        inner.take()
    }

    /// Waits out `pause`, unless the queue is closed meanwhile.
    pub(super) fn pause(&self, pause: Duration) -> Received {
        let mut inner = self.lock();
        let end = Instant::now() + pause;
        while inner.closing.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.wait(inner, left);
        }
        inner.take()
    }

    /// What was taken is in the journal.
    pub(super) fn settled(&self) {
        let mut inner = self.lock();
        inner.taken_rows = 0;
        inner.taken_bytes = 0;
        inner.trouble = false;
        drop(inner);
        self.room.notify_all();
    }

    /// What was taken could not be committed: no sender waits from now on.
    pub(super) fn in_trouble(&self) {
        self.lock().trouble = true;
        self.room.notify_all();
    }

    pub(super) fn close(&self, closing: Closing) {
        self.lock().closing = Some(closing);
        self.news.notify_one();
    }

    /// How many records found no room.
    pub(super) fn unrecorded(&self) -> u64 {
        self.lock().unrecorded
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, longest: Duration) -> MutexGuard<'a, Inner> {
        let waited = self.news.wait_timeout(inner, longest);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(record: &JobRecord) -> usize {
    let tail = record.stderr_tail.as_ref().map_or(0, Vec::len);
    let note = record.note.as_ref().map_or(0, String::len);
    RECORD_BYTES + record.args.len() + tail + note
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Exit, JobState};

    /// Long enough that a test that waits for it has hung.
    const NEVER: Duration = Duration::from_secs(3600);

    fn record(seq: u64, args: usize) -> JobRecord {
        JobRecord {
            seq,
            args: vec![b'x'; args],
            state: JobState::Done,
            exit: Exit::Code(0),
            timed_out: false,
            started_at: SystemTime::UNIX_EPOCH,
            wall: Duration::ZERO,
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_rss_bytes: 0,
            attempts: 1,
            bytes_out: 0,
            stderr_tail: None,
            note: None,
        }
    }

    fn rows(received: &Received) -> usize {
        match received {
            Received::More(records) | Received::Last(records, _) => records.len(),
        }
    }

    #[test]
    fn a_whole_batch_is_taken_at_once() {
        let queue = Queue::default();
        for seq in 0..BATCH_ROWS as u64 {
            queue.push(record(seq, 1));
        }
        assert_eq!(rows(&queue.receive(NEVER)), BATCH_ROWS);
    }

    #[test]
    fn large_records_make_a_batch_sooner() {
        let queue = Queue::default();
        queue.push(record(1, BATCH_BYTES));
        assert_eq!(rows(&queue.receive(NEVER)), 1);
    }

    #[test]
    fn an_idle_thread_is_woken_by_the_first_record_and_by_the_end() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let mut seen = 0;
                loop {
                    let received = queue.receive(Duration::ZERO);
                    seen += rows(&received);
                    if matches!(received, Received::Last(_, Closing::Dropped)) {
                        return seen;
                    }
                }
            });
            // Whether they come before the thread sleeps or after must not matter.
            queue.push(record(1, 1));
            queue.close(Closing::Dropped);
            assert_eq!(thread.join().unwrap(), 1);
        });
    }

    #[test]
    fn in_trouble_what_finds_no_room_is_counted() {
        let queue = Queue::default();
        queue.push(record(0, 1));
        let taken = rows(&queue.receive(Duration::ZERO));
        queue.in_trouble();
        for seq in 0..ROOM_ROWS as u64 {
            queue.push(record(seq, 1));
        }
        assert_eq!(queue.unrecorded(), 1);
        queue.settled();
        assert_eq!(taken + rows(&queue.receive(NEVER)), ROOM_ROWS);
    }

    #[test]
    fn room_is_bounded_in_bytes() {
        let queue = Queue::default();
        queue.in_trouble();
        for seq in 0..100 {
            queue.push(record(seq, 1 << 20));
        }
        assert!(queue.unrecorded() >= 84);
    }

    #[test]
    fn without_trouble_a_full_queue_makes_the_sender_wait_and_loses_nothing() {
        let queue = Queue::default();
        let all = 3 * ROOM_ROWS;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for seq in 0..all as u64 {
                    queue.push(record(seq, 1));
                }
                queue.close(Closing::Dropped);
            });
            let mut seen = 0;
            loop {
                let received = queue.receive(NEVER);
                let batch = rows(&received);
                assert!(batch <= ROOM_ROWS);
                seen += batch;
                queue.settled();
                if matches!(received, Received::Last(..)) {
                    break;
                }
            }
            assert_eq!(seen, all);
        });
        assert_eq!(queue.unrecorded(), 0);
    }
}
