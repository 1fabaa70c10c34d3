//! One stream of one job, held until it is passed on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::io::Errno;

/// What a stream may hold in memory; the rest goes to a file.
const IN_MEMORY_BYTES: usize = 64 << 10;

/// How much is read from a pipe at once: all that one holds.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// A job's stream and what has come out of it.
#[derive(Debug)]
pub(crate) struct Capture {
    /// `None` once its end was seen.
    pipe: Option<OwnedFd>,
    held: Captured,
    /// The end of what was handed over line by line.
    handed_over: Vec<u8>,
    total_bytes: u64,
}

/// What came out of a job's stream.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    /// The beginning, if it was moved out of memory.
    spooled: Option<Spooled>,
    memory: Vec<u8>,
    /// What did not fit, after what is in memory.
    file: Option<File>,
    /// How many of the bytes in memory and file belong to complete lines.
    lines_end: u64,
}

/// A file shared by many short outputs that have to wait long.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    file: Option<Arc<File>>,
    end: u64,
}

/// A stretch of a spool.
#[derive(Debug)]
struct Spooled {
    file: Arc<File>,
    start: u64,
    length: usize,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Nothing more at this moment.
    Open,
    /// Every process that could write to it has closed it.
    Ended,
}

impl Capture {
    /// `pipe` must not block.
    pub(crate) fn new(pipe: OwnedFd) -> Self {
        Self {
            pipe: Some(pipe),
            held: Captured::default(),
            handed_over: Vec::new(),
            total_bytes: 0,
        }
    }

    pub(crate) fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    pub(crate) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Takes in what the pipe holds, using `buffer` on the way: everything if `all`, else what comes
    /// in a while, for the other streams' sake. `before_closing` gets a pipe that has ended.
    pub(crate) fn fill(
        &mut self,
        buffer: &mut [u8],
        all: bool,
        before_closing: impl FnOnce(&OwnedFd),
    ) -> io::Result<Fill> {
        const ROUNDS: usize = 16;
        let mut rounds = 0;
        loop {
            let Some(pipe) = &self.pipe else {
                return Ok(Fill::Ended);
            };
            match rustix::io::read(pipe, &mut *buffer) {
                Ok(0) => {
                    before_closing(pipe);
                    self.pipe = None;
                    return Ok(Fill::Ended);
                }
                Ok(count) => {
                    self.total_bytes += count as u64;
                    self.held.push(&buffer[..count])?;
                    rounds += 1;
                    if !all && (rounds == ROUNDS || count < buffer.len() / 2) {
                        return Ok(Fill::Open);
                    }
                }
                Err(Errno::AGAIN) => return Ok(Fill::Open),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stops listening to a stream that somebody else keeps open.
    pub(crate) fn close(&mut self) {
        self.pipe = None;
    }

    /// Hands over all that has come so far.
    pub(crate) fn take(&mut self) -> Captured {
        std::mem::take(&mut self.held)
    }

    /// Hands over the complete lines that have come so far, and remembers the last `tail` bytes.
    pub(crate) fn take_lines(&mut self, tail: usize) -> io::Result<Captured> {
        let mut lines = self.held.split_off_lines()?;
        self.handed_over.extend_from_slice(&lines.tail(tail));
        let excess = self.handed_over.len().saturating_sub(tail);
        self.handed_over.drain(..excess);
        Ok(lines)
    }

    /// The last bytes, at most `count`.
    pub(crate) fn tail(&mut self, count: usize) -> Vec<u8> {
        let mut tail = self.handed_over.clone();
        tail.extend_from_slice(&self.held.tail(count));
        tail.split_off(tail.len().saturating_sub(count))
    }
}

impl Captured {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(at) = memchr::memrchr(b'\n', bytes) {
            self.lines_end = self.len()? + at as u64 + 1;
        }
        let mut rest = bytes;
        if self.file.is_none() {
            let room = IN_MEMORY_BYTES
                .saturating_sub(self.memory.len())
                .min(bytes.len());
            self.memory.extend_from_slice(&bytes[..room]);
            rest = &bytes[room..];
        }
        if rest.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile()?);
        }
        match &mut self.file {
            Some(file) => file.write_all(rest),
            None => Ok(()),
        }
    }

    /// The bytes in memory and file.
    fn len(&mut self) -> io::Result<u64> {
        let in_file = match &mut self.file {
            Some(file) => file.stream_position()?,
            None => 0,
        };
        Ok(self.memory.len() as u64 + in_file)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spooled.is_none() && self.memory.is_empty() && self.file.is_none()
    }

    /// Moves what is in memory to `spool`.
    pub(crate) fn unload(&mut self, spool: &mut Spool) -> io::Result<()> {
        if self.memory.is_empty() || self.spooled.is_some() {
            return Ok(());
        }
        let file = match &spool.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(spool.file.insert(Arc::new(tempfile::tempfile()?))),
        };
        file.write_all_at(&self.memory, spool.end)?;
        self.spooled = Some(Spooled {
            file,
            start: spool.end,
            length: self.memory.len(),
        });
        spool.end += self.memory.len() as u64;
        self.memory = Vec::new();
        Ok(())
    }

    /// What it holds in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.capacity()
    }

    /// Whether all of it is in memory.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.spooled.is_none() && self.file.is_none()
    }

    /// Whether it holds a file of its own open.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The part that is held in memory.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Passes everything to `write`, a piece at a time.
    pub(crate) fn for_each_piece(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if let Some(spooled) = &self.spooled {
            let mut piece = vec![0; spooled.length];
            spooled.file.read_exact_at(&mut piece, spooled.start)?;
            write(&piece)?;
        }
        if !self.memory.is_empty() {
            write(&self.memory)?;
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => write(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes out everything up to the last newline and keeps the unfinished line.
    fn split_off_lines(&mut self) -> io::Result<Self> {
        let lines_end = std::mem::take(&mut self.lines_end);
        if lines_end == 0 {
            return Ok(Self::default());
        }
        let in_memory = self.memory.len() as u64;
        if lines_end <= in_memory {
            let rest = self.memory.split_off(lines_end as usize);
            let lines = std::mem::replace(&mut self.memory, rest);
            return Ok(Self {
                memory: lines,
                ..Self::default()
            });
        }
        let mut unfinished = Self::default();
        if let Some(file) = &mut self.file {
            let lines_in_file = lines_end - in_memory;
            file.seek(SeekFrom::Start(lines_in_file))?;
            let mut buffer = vec![0; READ_BYTES];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => unfinished.push(&buffer[..count])?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            file.set_len(lines_in_file)?;
            file.seek(SeekFrom::Start(lines_in_file))?;
        }
        Ok(std::mem::replace(self, unfinished))
    }

    fn tail(&mut self, count: usize) -> Vec<u8> {
        let from_memory =
            |memory: &[u8], count: usize| memory[memory.len().saturating_sub(count)..].to_vec();
        let Some(file) = &mut self.file else {
            return from_memory(&self.memory, count);
        };
        let Ok(length) = file.seek(SeekFrom::End(0)) else {
            return Vec::new();
        };
        let in_file = count.min(length as usize);
        let mut tail = vec![0; in_file];
        let read = file
            .seek(SeekFrom::End(-(in_file as i64)))
            .and_then(|_| file.read_exact(&mut tail));
        if read.is_err() {
            return Vec::new();
        }
        let mut whole = from_memory(&self.memory, count - in_file);
        whole.append(&mut tail);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(mut captured: Captured) -> Vec<u8> {
        let mut text = Vec::new();
        captured
            .for_each_piece(|piece| {
                text.extend_from_slice(piece);
                Ok(())
            })
            .expect("reads back");
        text
    }

    #[test]
    fn a_line_is_passed_on_though_what_follows_it_fills_the_memory() {
        let mut held = Captured::default();
        held.push(b"line\n").expect("holds");
        held.push(&vec![b'x'; IN_MEMORY_BYTES]).expect("holds");
        assert!(held.has_file());
        assert_eq!(text(held.split_off_lines().expect("splits")), b"line\n");
        held.push(b"y").expect("holds");
        assert!(held.split_off_lines().expect("splits").is_empty());
        let mut rest = vec![b'x'; IN_MEMORY_BYTES];
        rest.push(b'y');
        assert_eq!(text(held), rest);
    }

    #[test]
    fn a_line_is_passed_on_though_much_follows_it_in_the_file() {
        let mut held = Captured::default();
        held.push(&vec![b'x'; 2 * IN_MEMORY_BYTES]).expect("holds");
        held.push(b"\n").expect("holds");
        held.push(&vec![b'y'; 3 * IN_MEMORY_BYTES]).expect("holds");
        let lines = text(held.split_off_lines().expect("splits"));
        assert_eq!(lines.len(), 2 * IN_MEMORY_BYTES + 1);
        assert!(lines.ends_with(b"x\n"));
        held.push(b"z").expect("holds");
        let rest = text(held);
        assert_eq!(rest.len(), 3 * IN_MEMORY_BYTES + 1);
        assert!(rest.ends_with(b"yz"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn nothing_is_lost_however_long(sizes in proptest::collection::vec(0_usize..50_000, 0..8), tail in 0_usize..100_000) {
            let mut held = Captured::default();
            let mut whole = Vec::new();
            for (n, size) in sizes.into_iter().enumerate() {
                let piece: Vec<u8> = (0..size).map(|i| (i * 7 + n) as u8).collect();
                held.push(&piece).expect("holds");
                whole.extend_from_slice(&piece);
            }
            prop_assert!(held.memory.len() <= IN_MEMORY_BYTES);
            prop_assert_eq!(held.tail(tail), &whole[whole.len().saturating_sub(tail)..]);
            let mut spool = Spool::default();
            let mut other = Captured::default();
            other.push(b"other").expect("holds");
            other.unload(&mut spool).expect("spools");
            held.unload(&mut spool).expect("spools");
            prop_assert_eq!(held.memory_bytes(), 0);
            prop_assert_eq!(text(held), whole);
            prop_assert_eq!(text(other), b"other");
        }

        #[test]
        fn lines_come_whole_and_in_order(
            pieces in proptest::collection::vec((0_usize..40_000, any::<bool>()), 0..10),
        ) {
            let mut held = Captured::default();
            let mut whole = Vec::new();
            let mut passed = Vec::new();
            for (length, newline) in pieces {
                let mut piece = vec![b'x'; length];
                if newline {
                    piece.push(b'\n');
                    piece.extend_from_slice(b"begun");
                }
                held.push(&piece).expect("holds");
                whole.extend_from_slice(&piece);
                let lines = text(held.split_off_lines().expect("splits"));
                prop_assert!(lines.is_empty() || lines.ends_with(b"\n"));
                passed.extend(lines);
            }
            let unfinished = text(held);
            prop_assert!(!unfinished.contains(&b'\n'));
            passed.extend(unfinished);
            prop_assert_eq!(passed, whole);
        }
    }
}
