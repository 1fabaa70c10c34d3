//! `--pipe`: standard input cut into blocks of whole records, each the standard input of a job.
//!
//! A block waits in an unnamed file, not in memory, and a job that is tried again reads it again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use memchr::memmem::{Finder, FinderRev};

/// How input is cut into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOptions {
    /// About how long a block is: it ends with the last record that fits.
    pub bytes: usize,
    /// This many records per block instead.
    pub records: Option<usize>,
    /// What ends a record.
    pub record_end: Vec<u8>,
}

/// A block on its way to a job.
#[derive(Clone, Debug)]
pub struct Block {
    /// What the job reads; shared by its attempts, one at a time.
    pub(crate) file: Arc<File>,
    /// Its length.
    pub(crate) length: usize,
    /// Names its content, so that a resumed run knows it again wherever it stands.
    pub(crate) name: Vec<u8>,
}

/// Cuts a stream.
pub(super) struct Blocks<R> {
    stream: R,
    options: BlockOptions,
    buffer: Vec<u8>,
    /// Up to where the buffer was searched for ends of records, and how many were found.
    searched: usize,
    found: usize,
    ended: bool,
}

const READ_BYTES: usize = 64 << 10;

impl<R: Read> Blocks<R> {
    pub(super) fn new(stream: R, options: BlockOptions) -> Self {
        Self {
            stream,
            options,
            buffer: Vec::new(),
            searched: 0,
            found: 0,
            ended: false,
        }
    }

    /// The next block; waits for it.
    pub(super) fn take_next(&mut self) -> io::Result<Option<Block>> {
        loop {
            if let Some(end) = self.end_of_block() {
                let block = save(&self.buffer[..end])?;
                self.buffer.drain(..end);
                (self.searched, self.found) = (0, 0);
                return Ok(Some(block));
            }
            if self.ended {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                let block = save(&self.buffer)?;
                self.buffer.clear();
                (self.searched, self.found) = (0, 0);
                return Ok(Some(block));
            }
            self.fill()?;
        }
    }

    /// Where the first block in the buffer ends; `None` if that cannot be told yet.
    fn end_of_block(&mut self) -> Option<usize> {
        let mark = &self.options.record_end;
        if self.options.records.is_none() && self.searched == 0 {
            let within = self.buffer.get(..self.options.bytes)?;
            if let Some(at) = FinderRev::new(mark).rfind(within) {
                return Some(at + mark.len());
            }
            // A record that is longer than a block is a block by itself.
            self.searched = within.len().saturating_sub(mark.len() - 1);
        }
        let wanted = self.options.records.unwrap_or(1);
        let finder = Finder::new(mark);
        while let Some(at) = finder.find(&self.buffer[self.searched..]) {
            self.searched += at + mark.len();
            self.found += 1;
            if self.found == wanted {
                return Some(self.searched);
            }
        }
        // A mark may have been cut in two by the read.
        self.searched = self
            .searched
            .max(self.buffer.len().saturating_sub(mark.len() - 1));
        None
    }

    fn fill(&mut self) -> io::Result<()> {
        let length = self.buffer.len();
        self.buffer.resize(length + READ_BYTES, 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer
            .truncate(length + read.as_ref().map_or(0, |count| *count));
        self.ended = read? == 0;
        Ok(())
    }
}

fn save(bytes: &[u8]) -> io::Result<Block> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    let key = paceline_journal::input_key(bytes);
    let name = format!(
        "block {:032x} of {} bytes",
        u128::from_be_bytes(*key.as_bytes()),
        bytes.len()
    );
    Ok(Block {
        file: Arc::new(file),
        length: bytes.len(),
        name: name.into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::FileExt;

    fn all(text: &[u8], options: BlockOptions) -> Vec<Vec<u8>> {
        let mut blocks = Blocks::new(text, options);
        let mut all = Vec::new();
        while let Some(block) = blocks.take_next().expect("reads") {
            let mut bytes = vec![0; block.length];
            block.file.read_exact_at(&mut bytes, 0).expect("reads back");
            all.push(bytes);
        }
        all
    }

    #[test]
    fn by_records() {
        let options = BlockOptions {
            bytes: 1,
            records: Some(2),
            record_end: b"\n".to_vec(),
        };
        assert_eq!(
            all(b"a\nb\nc\nd\ne", options),
            [&b"a\nb\n"[..], b"c\nd\n", b"e"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn blocks_are_whole_records_and_lose_nothing(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400),
            bytes in 1_usize..50,
        ) {
            let cut = all(&text, BlockOptions { bytes, records: None, record_end: b"\n".to_vec() });
            prop_assert_eq!(cut.concat(), text);
            for (index, block) in cut.iter().enumerate() {
                let last = index + 1 == cut.len();
                prop_assert!(last || block.ends_with(b"\n"));
                prop_assert!(last || block.len() <= bytes || block.iter().filter(|b| **b == b'\n').count() == 1);
            }
        }
    }
}
