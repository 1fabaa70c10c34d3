//! Where inputs come from.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

use super::InputError;
use super::records::{self, Survey};

/// One source of inputs, and how it goes with the ones before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where its records come from.
    pub origin: Origin,
    /// How it goes with the source before it.
    pub joined: Joined,
}

/// Where a source's records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Standard input, cut at the delimiter.
    Stdin,
    /// A file, cut at the delimiter.
    File(PathBuf),
    /// Words of the command line, each a record.
    Words(Vec<Vec<u8>>),
}

/// How a source goes with the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Joined {
    /// `:::`: every record of the one with every record of the other.
    #[default]
    Product,
    /// `:::+`: the first with the first, the second with the second, as far as both go.
    Linked,
}

impl Origin {
    fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Words(_) => "the command line".to_owned(),
        }
    }

    fn error(&self, error: io::Error) -> InputError {
        match self {
            Self::File(path) => InputError::File {
                path: path.clone(),
                error,
            },
            Self::Stdin | Self::Words(_) => InputError::Stdin(error),
        }
    }
}

/// A source that has been opened, so that a missing file is known before any job starts.
pub(super) struct OpenSource {
    origin: Origin,
    stream: Stream,
    records_seen: u64,
}

enum Stream {
    Bytes(records::Records<Box<dyn Read + Send>>),
    Words(std::vec::IntoIter<Vec<u8>>),
}

/// What came of asking for a record.
pub(super) enum Pulled {
    Record,
    /// The next record may be long in coming.
    WouldWait,
    End,
}

impl OpenSource {
    pub(super) fn open(origin: &Origin, delimiter: &[u8]) -> Result<Self, InputError> {
        let stream = match origin {
            Origin::Words(words) => Stream::Words(words.clone().into_iter()),
            Origin::Stdin => {
                let stdin = io::stdin();
                let reader: Box<dyn Read + Send> =
                    match std::os::fd::AsFd::as_fd(&stdin).try_clone_to_owned() {
                        Ok(fd) => Box::new(File::from(fd)),
                        Err(error) => return Err(origin.error(error)),
                    };
                Stream::Bytes(records::Records::new(reader, delimiter))
            }
            Origin::File(path) => {
                let file = File::open(path).map_err(|error| origin.error(error))?;
                if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    return Err(origin.error(io::Error::from(io::ErrorKind::IsADirectory)));
                }
                Stream::Bytes(records::Records::new(Box::new(file), delimiter))
            }
        };
        Ok(Self {
            origin: origin.clone(),
            stream,
            records_seen: 0,
        })
    }

    /// How many records are to come, where that can be told without waiting. Finds a NUL byte in
    /// them on the way, before any job has started.
    pub(super) fn survey(&self, delimiter: &[u8]) -> Result<Option<Survey>, InputError> {
        let counted = match (&self.stream, &self.origin) {
            (Stream::Words(words), _) => {
                return Ok(Some(Survey {
                    records: words.len() as u64,
                    empty: words.as_slice().iter().filter(|w| w.is_empty()).count() as u64,
                    nul_in_record: None,
                }));
            }
            (Stream::Bytes(_), Origin::File(path)) => {
                // A second description: the reader's own position must not move.
                File::open(path).and_then(|file| survey_regular(file, 0, delimiter))
            }
            (Stream::Bytes(_), _) => survey_stdin(delimiter),
        };
        let survey = counted.map_err(|error| self.origin.error(error))?;
        match survey {
            Some(Survey {
                nul_in_record: Some(record),
                ..
            }) => Err(InputError::Nul {
                record,
                origin: self.origin.name(),
            }),
            other => Ok(other),
        }
    }

    /// Appends the next record to `record`.
    pub(super) fn pull(&mut self, record: &mut Vec<u8>) -> Result<Pulled, InputError> {
        let start = record.len();
        match &mut self.stream {
            Stream::Words(words) => match words.next() {
                Some(word) => record.extend_from_slice(&word),
                None => return Ok(Pulled::End),
            },
            Stream::Bytes(records) => match records.pull(record) {
                Pulled::Record => {}
                other => return Ok(other),
            },
        }
        self.records_seen += 1;
        if memchr::memchr(0, &record[start..]).is_some() {
            return Err(InputError::Nul {
                record: self.records_seen,
                origin: self.origin.name(),
            });
        }
        Ok(Pulled::Record)
    }

    /// The stream itself, for whoever cuts it in his own way.
    pub(super) fn into_stream(self) -> Box<dyn Read + Send> {
        match self.stream {
            Stream::Bytes(records) => records.into_stream(),
            Stream::Words(_) => Box::new(io::empty()),
        }
    }

    /// Waits for more after [`Pulled::WouldWait`].
    pub(super) fn wait(&mut self) -> Result<(), InputError> {
        match &mut self.stream {
            Stream::Words(_) => Ok(()),
            Stream::Bytes(records) => records.fill().map_err(|error| self.origin.error(error)),
        }
    }

    /// The next record, however long it takes.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, InputError> {
        let mut record = Vec::new();
        loop {
            match self.pull(&mut record)? {
                Pulled::Record => return Ok(Some(record)),
                Pulled::End => return Ok(None),
                Pulled::WouldWait => self.wait()?,
            }
        }
    }
}

/// Standard input redirected from a regular file, from where it stands.
fn survey_stdin(delimiter: &[u8]) -> io::Result<Option<Survey>> {
    let stdin = io::stdin();
    let fd = std::os::fd::AsFd::as_fd(&stdin);
    let stat = rustix::fs::fstat(fd)?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(None);
    }
    let position = rustix::fs::tell(fd)?;
    match File::open("/proc/self/fd/0") {
        Ok(file) => survey_regular(file, position, delimiter),
        Err(_) => Ok(None),
    }
}

/// A pipe or a device would be used up by looking; a huge file would take too long.
fn survey_regular(mut file: File, from: u64, delimiter: &[u8]) -> io::Result<Option<Survey>> {
    const TOO_LONG_BYTES: u64 = 256 << 20;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len().saturating_sub(from) > TOO_LONG_BYTES {
        return Ok(None);
    }
    file.seek(io::SeekFrom::Start(from))?;
    records::survey(file, delimiter).map(Some)
}
