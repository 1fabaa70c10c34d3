//! The thread that reads ahead.

use std::io::Read;
use std::mem;

use paceline_journal::JournalError;
use regex::bytes::Regex;

use super::blocks::{BlockOptions, Blocks};
use super::combine::Combinations;
use super::feed::{Chunk, Inlet};
use super::source::{OpenSource, Pulled};
use super::{InputError, InputOptions};

/// Tells which items need not run again.
pub trait AlreadyDone: Send {
    /// Whether this item, its arguments joined by NUL bytes, is done; each done item counts for one
    /// of its kind only.
    fn take(&mut self, joined: &[u8]) -> Result<bool, JournalError>;
}

/// A run from the beginning.
#[derive(Clone, Copy, Debug)]
pub struct NothingDone;

impl AlreadyDone for NothingDone {
    fn take(&mut self, _joined: &[u8]) -> Result<bool, JournalError> {
        Ok(false)
    }
}

impl AlreadyDone for paceline_journal::Finished {
    fn take(&mut self, joined: &[u8]) -> Result<bool, JournalError> {
        paceline_journal::Finished::take(self, joined)
    }
}

/// Cuts the one source into blocks.
pub(super) struct BlockReader {
    blocks: Blocks<Box<dyn Read + Send>>,
}

impl BlockReader {
    /// Opens the first source.
    pub(super) fn open(options: &InputOptions, blocks: BlockOptions) -> Result<Self, InputError> {
        let stream: Box<dyn Read + Send> = match options.sources.first() {
            Some(source) => OpenSource::open(&source.origin, &options.delimiter)?.into_stream(),
            None => Box::new(std::io::empty()),
        };
        Ok(Self {
            blocks: Blocks::new(stream, blocks),
        })
    }

    /// Reads to the end, into the feed. Stops early when nobody wants more.
    pub(super) fn run(
        mut self,
        inlet: &Inlet,
        mut done: Box<dyn AlreadyDone>,
    ) -> Result<(), InputError> {
        let mut seq = 0;
        while let Some(block) = self.blocks.take_next().map_err(InputError::Block)? {
            seq += 1;
            if done.take(&block.name)? {
                inlet.skipped();
            } else if !inlet.push(Chunk::of_block(seq, block)) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Turns sources into items.
pub(super) struct Reader {
    combinations: Combinations,
    column_separator: Option<Regex>,
    per_item: usize,
    skip_empty: bool,
    shuffle: bool,
    seq: u64,
}

impl Reader {
    /// Opens every source; nothing is read from pipes yet. The second value is the number of items
    /// to come, where it can be told.
    pub(super) fn open(options: &InputOptions) -> Result<(Self, Option<u64>), InputError> {
        let opened = options
            .sources
            .iter()
            .map(|source| OpenSource::open(&source.origin, &options.delimiter))
            .collect::<Result<Vec<_>, _>>()?;
        let mut surveys = Vec::with_capacity(opened.len());
        for source in &opened {
            surveys.push(source.survey(&options.delimiter)?);
        }
        let combinations = Combinations::new(&options.sources, opened, options.link)?;
        let records = combinations.held().or_else(|| {
            let survey = (*surveys.first()?)?;
            Some(survey.records - if options.skip_empty { survey.empty } else { 0 })
        });
        let total = records
            .and_then(|records| records.checked_mul(combinations.per_first()?))
            .map(|lists| lists.div_ceil(options.per_item as u64));
        let reader = Self {
            combinations,
            column_separator: options.column_separator.clone(),
            per_item: options.per_item,
            skip_empty: options.skip_empty,
            shuffle: options.shuffle,
            seq: 0,
        };
        Ok((reader, total))
    }

    /// Reads to the end, into the feed. Stops early when nobody wants more.
    pub(super) fn run(
        mut self,
        inlet: &Inlet,
        mut done: Box<dyn AlreadyDone>,
    ) -> Result<(), InputError> {
        let mut chunk = Chunk::default();
        let mut list = Vec::new();
        let mut item = Vec::new();
        let mut in_item = 0;
        let mut held: Vec<(u64, Vec<u8>)> = Vec::new();
        loop {
            list.clear();
            match self.combinations.pull(&mut list)? {
                Pulled::WouldWait => {
                    if !inlet.push(mem::take(&mut chunk)) {
                        return Ok(());
                    }
                    self.combinations.wait()?;
                    continue;
                }
                Pulled::End => break,
                Pulled::Record => {}
            }
            if self.skip_empty && list.is_empty() {
                continue;
            }
            if in_item > 0 {
                item.push(0);
            }
            self.append_columns(&list, &mut item);
            in_item += 1;
            if in_item == self.per_item {
                in_item = 0;
                self.emit(&mut item, &mut chunk, &mut held, inlet, &mut *done)?;
            }
            if chunk.is_full() && !inlet.push(mem::take(&mut chunk)) {
                return Ok(());
            }
        }
        if in_item > 0 {
            self.emit(&mut item, &mut chunk, &mut held, inlet, &mut *done)?;
        }
        fastrand::shuffle(&mut held);
        for (seq, joined) in held {
            chunk.push(seq, &joined);
            if chunk.is_full() && !inlet.push(mem::take(&mut chunk)) {
                return Ok(());
            }
        }
        inlet.push(chunk);
        Ok(())
    }

    fn append_columns(&self, list: &[u8], item: &mut Vec<u8>) {
        let Some(separator) = &self.column_separator else {
            item.extend_from_slice(list);
            return;
        };
        for (index, column) in list
            .split(|b| *b == 0)
            .flat_map(|record| separator.split(record))
            .enumerate()
        {
            if index > 0 {
                item.push(0);
            }
            item.extend_from_slice(column);
        }
    }

    fn emit(
        &mut self,
        item: &mut Vec<u8>,
        chunk: &mut Chunk,
        held: &mut Vec<(u64, Vec<u8>)>,
        inlet: &Inlet,
        done: &mut dyn AlreadyDone,
    ) -> Result<(), InputError> {
        self.seq += 1;
        if done.take(item)? {
            inlet.skipped();
        } else if self.shuffle {
            held.push((self.seq, mem::take(item)));
        } else {
            chunk.push(self.seq, item);
        }
        item.clear();
        Ok(())
    }
}
