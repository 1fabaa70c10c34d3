//! The inputs: where they come from, how they are cut, combined and queued.
//!
//! A reader thread turns the sources into *items*: lists of arguments, one list per job (or, with
//! packing, one argument per item). It runs ahead of the jobs by a bounded number of bytes, so that
//! a million inputs never stand in memory at once.

mod blocks;
mod combine;
mod feed;
mod item;
mod reader;
mod records;
mod source;

use std::path::PathBuf;

pub use blocks::{Block, BlockOptions};
pub use feed::{Feed, FeedEnd, Next, OpenInputs, Progress};
pub use item::{Item, display_joined};
pub use reader::{AlreadyDone, NothingDone};
pub use source::{Joined, Origin, Source};

use regex::bytes::Regex;

/// All about the inputs that the user can say.
#[derive(Clone, Debug)]
pub struct InputOptions {
    /// Where inputs come from, in order; several make every combination.
    pub sources: Vec<Source>,
    /// `--link`: take one from each source at a time instead of every combination.
    pub link: bool,
    /// What ends a record in files and on standard input.
    pub delimiter: Vec<u8>,
    /// Cuts each record into columns, which become arguments of their own.
    pub column_separator: Option<Regex>,
    /// How many records make one item.
    pub per_item: usize,
    /// Leave out empty records.
    pub skip_empty: bool,
    /// Take the items in random order; holds them all in memory.
    pub shuffle: bool,
    /// Cut the one source into blocks that jobs read, instead of into arguments.
    pub blocks: Option<BlockOptions>,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            link: false,
            delimiter: b"\n".to_vec(),
            column_separator: None,
            per_item: 1,
            skip_empty: false,
            shuffle: false,
            blocks: None,
        }
    }
}

/// Inputs that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A file that cannot be opened or read.
    #[error("cannot read inputs from {}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Standard input cannot be read.
    #[error("cannot read inputs from standard input: {0}")]
    Stdin(std::io::Error),
    /// An argument ends at its first NUL, so an input with one can never arrive whole.
    #[error("input {record} of {origin} holds a NUL byte, which no argument can carry")]
    Nul {
        /// Counted from 1.
        record: u64,
        /// The file, or "standard input".
        origin: String,
    },
    /// What was done before cannot be looked up.
    #[error("cannot look up what was done before: {0}")]
    Journal(#[from] paceline_journal::JournalError),
    /// A block cannot be kept.
    #[error("cannot keep a block of input (is the temporary directory full?): {0}")]
    Block(std::io::Error),
    /// The reader thread could not be started.
    #[error("cannot start the thread that reads inputs: {0}")]
    Thread(std::io::Error),
}

impl InputError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "check the name and its permissions",
            Self::Stdin(_) => "check what is piped in",
            Self::Nul { .. } => "if the inputs are separated by NUL bytes (find -print0), add -0",
            Self::Block(_) => "make room, or name another directory in TMPDIR",
            Self::Journal(_) => "run without --resume, or name another --journal",
            Self::Thread(_) => {
                "the system has no room for another thread: raise the limit on processes"
            }
        }
    }
}
