//! The queue between the reader thread and the jobs.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use super::reader::{AlreadyDone, BlockReader, Reader};
use super::{Block, InputError, InputOptions, Item};

/// How far the reader may run ahead of the jobs. Most lists fit whole, so that their length is
/// known; the longest cost no more than this.
const READ_AHEAD_BYTES: usize = 3 << 20;

/// Items are handed over this many bytes at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// What comes next from the inputs.
#[derive(Debug)]
pub enum Next {
    /// An item.
    Item(Item),
    /// None now; [`Feed::wake_fd`] becomes readable when that changes.
    Wait,
    /// There are no more.
    End,
    /// The inputs cannot be read on. Said once; [`Next::End`] follows.
    Failed(InputError),
}

/// How far the inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Items that wait to be taken.
    pub queued: u64,
    /// Items left out because they were done before.
    pub skipped: u64,
    /// Items in all, those left out included, once that is known.
    pub total: Option<u64>,
}

/// The receiving end, for the thread that starts jobs.
pub struct Feed {
    shared: Arc<Shared>,
    front: Chunk,
    at: usize,
    taken: u64,
}

/// Ends a feed from where it is not at hand.
#[derive(Clone)]
pub struct FeedEnd {
    shared: Arc<Shared>,
}

/// The giving end, for the reader thread.
pub(super) struct Inlet {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    space: Condvar,
    hungry: AtomicBool,
    /// Ended by a [`FeedEnd`].
    cut: AtomicBool,
    skipped: AtomicU64,
    wake: OwnedFd,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// Items ever pushed.
    pushed: u64,
    total: Option<u64>,
    ended: bool,
    failure: Option<InputError>,
    /// Nobody takes any more.
    closed: bool,
}

/// Items in one piece of memory.
#[derive(Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    items: Vec<(u32, u64)>,
    /// The block of the only item.
    block: Option<Block>,
}

impl Chunk {
    pub(super) fn push(&mut self, seq: u64, joined: &[u8]) {
        self.bytes.extend_from_slice(joined);
        self.items.push((self.bytes.len() as u32, seq));
    }

    pub(super) fn is_full(&self) -> bool {
        self.cost() >= CHUNK_BYTES
    }

    /// A chunk of one item that is a block.
    pub(super) fn of_block(seq: u64, block: Block) -> Self {
        let mut chunk = Self::default();
        chunk.push(seq, &block.name);
        chunk.block = Some(block);
        chunk
    }

    fn cost(&self) -> usize {
        self.block
            .as_ref()
            .map_or(0, |block| block.length.max(CHUNK_BYTES))
            + self.bytes.capacity()
            + self.items.capacity() * size_of::<(u32, u64)>()
    }

    fn get(&self, index: usize) -> Option<Item> {
        let (end, seq) = *self.items.get(index)?;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.items[before].0);
        Some(Item {
            seq,
            joined: self.bytes[start as usize..end as usize].to_vec(),
            block: self.block.clone(),
        })
    }
}

type Reading = Box<dyn FnOnce(&Inlet, Box<dyn AlreadyDone>) -> Result<(), InputError> + Send>;

/// Inputs whose sources are open and, as far as that goes without waiting, looked through.
pub struct OpenInputs {
    reading: Reading,
    total: Option<u64>,
}

impl OpenInputs {
    /// Opens all sources. What can be wrong with them is found now, as far as it can be.
    pub fn open(options: &InputOptions) -> Result<Self, InputError> {
        let (reading, total): (Reading, Option<u64>) = if let Some(blocks) = &options.blocks {
            let reader = BlockReader::open(options, blocks.clone())?;
            (Box::new(|inlet, done| reader.run(inlet, done)), None)
        } else {
            let (reader, total) = Reader::open(options)?;
            (Box::new(|inlet, done| reader.run(inlet, done)), total)
        };
        Ok(Self { reading, total })
    }

    /// These items, again and again. They are held in memory. Not for blocks: two jobs that read
    /// one at the same time would each get a part of it.
    pub fn repeating(items: Vec<Item>) -> Self {
        Self {
            reading: Box::new(move |inlet, _done| {
                let mut chunk = Chunk::default();
                for item in items.iter().cycle() {
                    chunk.push(item.seq, &item.joined);
                    if chunk.is_full() && !inlet.push(std::mem::take(&mut chunk)) {
                        break;
                    }
                }
                Ok(())
            }),
            total: None,
        }
    }

    /// Starts reading; what is `done` is left out.
    pub fn start(self, done: Box<dyn AlreadyDone>) -> Result<Feed, InputError> {
        Feed::start(self, done)
    }
}

impl Feed {
    fn start(inputs: OpenInputs, done: Box<dyn AlreadyDone>) -> Result<Self, InputError> {
        let OpenInputs { reading, total } = inputs;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| InputError::Thread(error.into()))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                total,
                ..State::default()
            }),
            space: Condvar::new(),
            hungry: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            skipped: AtomicU64::new(0),
            wake,
        });
        let inlet = Inlet {
            shared: Arc::clone(&shared),
        };
        thread::Builder::new()
            .name("inputs".to_owned())
            .stack_size(256 << 10)
            .spawn(move || {
                let result = reading(&inlet, done);
                inlet.end(result.err());
            })
            .map_err(InputError::Thread)?;
        Ok(Self {
            shared,
            front: Chunk::default(),
            at: 0,
            taken: 0,
        })
    }

    /// Becomes readable when there may be news after [`Next::Wait`].
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }

    /// Forgets the news that [`Feed::wake_fd`] told of.
    pub fn clear_wake(&self) {
        let _ = rustix::io::read(&self.shared.wake, &mut [0_u8; 8]);
    }

    /// What ends it from elsewhere.
    pub fn end(&self) -> FeedEnd {
        FeedEnd {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Takes all items. Waits for them.
    pub fn take_all(mut self) -> Result<Vec<Item>, InputError> {
        let mut items = Vec::new();
        loop {
            match self.take_next() {
                Next::Item(item) => items.push(item),
                Next::End => return Ok(items),
                Next::Failed(error) => return Err(error),
                Next::Wait => {
                    // Interrupted or not, there is another look.
                    let _ = poll(&mut [PollFd::new(&self.wake_fd(), PollFlags::IN)], None);
                    self.clear_wake();
                }
            }
        }
    }

    /// Takes the next item.
    pub fn take_next(&mut self) -> Next {
        if self.shared.cut.load(Ordering::Acquire) {
            self.close();
            return Next::End;
        }
        loop {
            if let Some(item) = self.front.get(self.at) {
                self.at += 1;
                self.taken += 1;
                return Next::Item(item);
            }
            let mut state = self.shared.lock();
            // An input that cannot be read ends the run: what was read before it is left alone.
            if let Some(failure) = state.failure.take() {
                state.closed = true;
                state.chunks.clear();
                return Next::Failed(failure);
            }
            let Some(chunk) = state.chunks.pop_front() else {
                if state.ended || state.closed {
                    return Next::End;
                }
                self.shared.hungry.store(true, Ordering::Release);
                return Next::Wait;
            };
            state.bytes -= chunk.cost();
            drop(state);
            self.shared.space.notify_one();
            self.front = chunk;
            self.at = 0;
        }
    }

    /// How far the inputs are.
    pub fn progress(&self) -> Progress {
        let state = self.shared.lock();
        let skipped = self.shared.skipped.load(Ordering::Acquire);
        let total = if state.ended {
            Some(state.pushed + skipped)
        } else {
            state.total
        };
        Progress {
            queued: state.pushed - self.taken,
            skipped,
            total,
        }
    }

    /// Whether all items have been read, if not yet taken.
    pub fn all_read(&self) -> bool {
        self.shared.lock().ended
    }

    /// Takes no more; the reader stops when it next has something to give.
    pub fn close(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.chunks.clear();
        drop(state);
        self.shared.space.notify_one();
        self.front = Chunk::default();
        self.at = 0;
    }
}

impl FeedEnd {
    /// What has not been taken never will be. The feed notices when it is next asked.
    pub fn end(&self) {
        self.shared.cut.store(true, Ordering::Release);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inlet {
    /// Hands a chunk over, waiting for room. False if nobody wants it.
    pub(super) fn push(&self, chunk: Chunk) -> bool {
        let mut state = self.shared.lock();
        while state.bytes >= READ_AHEAD_BYTES && !state.closed {
            // The jobs may be waiting for a full load that this queue has no room for.
            self.shared.wake_if_hungry();
            state = self
                .shared
                .space
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return false;
        }
        if !chunk.items.is_empty() {
            state.bytes += chunk.cost();
            state.pushed += chunk.items.len() as u64;
            state.chunks.push_back(chunk);
            drop(state);
            self.shared.wake_if_hungry();
        }
        true
    }

    pub(super) fn skipped(&self) {
        self.shared.skipped.fetch_add(1, Ordering::AcqRel);
    }

    fn end(&self, failure: Option<InputError>) {
        let mut state = self.shared.lock();
        state.failure = failure;
        state.ended = true;
        drop(state);
        self.shared.hungry.store(true, Ordering::Release);
        self.shared.wake_if_hungry();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_if_hungry(&self) {
        if self.hungry.swap(false, Ordering::AcqRel) {
            // A full counter already wakes; nothing else can fail here.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NothingDone, Origin, Source};
    use super::*;

    fn all(options: &InputOptions) -> Vec<(u64, Vec<u8>)> {
        let feed = OpenInputs::open(options)
            .and_then(|inputs| inputs.start(Box::new(NothingDone)))
            .expect("opens");
        let items = feed.take_all().expect("can be read");
        items
            .into_iter()
            .map(|item| (item.seq, item.joined))
            .collect()
    }

    fn words(words: &[&str]) -> Vec<Source> {
        vec![Source {
            origin: Origin::Words(words.iter().map(|w| w.as_bytes().to_vec()).collect()),
            joined: super::super::Joined::Product,
        }]
    }

    #[test]
    fn groups_and_columns() {
        let options = InputOptions {
            sources: words(&["a:b", "c", "d:e"]),
            per_item: 2,
            column_separator: Some(regex::bytes::Regex::new(":").expect("a pattern")),
            ..InputOptions::default()
        };
        assert_eq!(
            all(&options),
            [(1, b"a\0b\0c".to_vec()), (2, b"d\0e".to_vec())]
        );
    }

    #[test]
    fn more_than_the_read_ahead_flows_through() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let count = 400_000_u64;
        let text: String = (0..count).fold(String::new(), |text, n| {
            text + &format!("line number {n}\n")
        });
        std::fs::write(file.path(), text).expect("writes");
        let options = InputOptions {
            sources: vec![Source {
                origin: Origin::File(file.path().into()),
                joined: super::super::Joined::Product,
            }],
            ..InputOptions::default()
        };
        let items = all(&options);
        assert_eq!(items.len() as u64, count);
        assert!(items.iter().enumerate().all(|(n, (seq, text))| {
            *seq == n as u64 + 1 && *text == format!("line number {n}").into_bytes()
        }));
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let options = InputOptions {
            sources: words(&["a", "b", "c", "d"]),
            shuffle: true,
            ..InputOptions::default()
        };
        let mut items = all(&options);
        items.sort();
        assert_eq!(
            items.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
    }

    #[test]
    fn items_can_be_repeated_until_somebody_ends_it() {
        let item = |seq: u64| Item {
            seq,
            joined: seq.to_string().into_bytes(),
            block: None,
        };
        let mut feed = OpenInputs::repeating(vec![item(1), item(2), item(3)])
            .start(Box::new(NothingDone))
            .expect("starts");
        let end = feed.end();
        let mut seen = Vec::new();
        while seen.len() < 1000 {
            match feed.take_next() {
                Next::Item(item) => seen.push(item.seq),
                Next::Wait => std::thread::yield_now(),
                other => panic!("{other:?}"),
            }
        }
        assert!(seen.chunks(3).all(|three| [1, 2, 3].starts_with(three)));
        end.end();
        assert!(matches!(feed.take_next(), Next::End));
        assert!(matches!(feed.take_next(), Next::End));
        let none = OpenInputs::repeating(Vec::new()).start(Box::new(NothingDone));
        assert!(none.and_then(Feed::take_all).expect("ends").is_empty());
    }
}
