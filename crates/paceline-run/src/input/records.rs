//! Cutting a stream of bytes into records.

use std::io::{self, Read};

use memchr::memmem::Finder;

use super::source::Pulled;

const READ_BYTES: usize = 64 * 1024;

/// Records of a stream, as they arrive.
pub(super) struct Records<R> {
    stream: R,
    delimiter: Finder<'static>,
    buffer: Vec<u8>,
    /// Where the unread part of the buffer begins.
    at: usize,
    /// Up to where the unread part is known to hold no delimiter.
    searched: usize,
    ended: bool,
}

impl<R: Read> Records<R> {
    pub(super) fn new(stream: R, delimiter: &[u8]) -> Self {
        Self {
            stream,
            delimiter: Finder::new(delimiter).into_owned(),
            buffer: Vec::new(),
            at: 0,
            searched: 0,
            ended: false,
        }
    }

    /// Appends the next record to `record`, if it is there already.
    pub(super) fn pull(&mut self, record: &mut Vec<u8>) -> Pulled {
        let delimiter_length = self.delimiter.needle().len();
        let from = self.searched.max(self.at);
        if let Some(found) = self.delimiter.find(&self.buffer[from..]) {
            let end = from + found;
            record.extend_from_slice(&self.buffer[self.at..end]);
            self.at = end + delimiter_length;
            self.searched = self.at;
            return Pulled::Record;
        }
        // A delimiter of several bytes may have been cut in two by the read.
        self.searched = self
            .buffer
            .len()
            .saturating_sub(delimiter_length - 1)
            .max(self.at);
        if !self.ended {
            return Pulled::WouldWait;
        }
        if self.at == self.buffer.len() {
            return Pulled::End;
        }
        record.extend_from_slice(&self.buffer[self.at..]);
        self.at = self.buffer.len();
        Pulled::Record
    }

    /// The stream, before anything was read.
    pub(super) fn into_stream(self) -> R {
        self.stream
    }

    /// Reads on; may wait.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.searched -= self.at;
        self.at = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + READ_BYTES, 0);
        loop {
            match self.stream.read(&mut self.buffer[length..]) {
                Ok(count) => {
                    self.buffer.truncate(length + count);
                    self.ended = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(length);
                    return Err(error);
                }
            }
        }
    }
}

/// What a look through a whole stream found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    pub(super) records: u64,
    pub(super) empty: u64,
    /// The first record with a NUL byte in it, counted from 1.
    pub(super) nul_in_record: Option<u64>,
}

/// Counts the records of a stream.
pub(super) fn survey(stream: impl Read, delimiter: &[u8]) -> io::Result<Survey> {
    let mut survey = Survey::default();
    let mut records = Records::new(stream, delimiter);
    let mut record = Vec::new();
    loop {
        record.clear();
        match records.pull(&mut record) {
            Pulled::Record => {
                survey.records += 1;
                survey.empty += u64::from(record.is_empty());
                if survey.nul_in_record.is_none() && memchr::memchr(0, &record).is_some() {
                    survey.nul_in_record = Some(survey.records);
                }
            }
            Pulled::WouldWait => records.fill()?,
            Pulled::End => return Ok(survey),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives its bytes in the pieces it was told to.
    struct Trickle(Vec<Vec<u8>>);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn all(stream: impl Read, delimiter: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Records::new(stream, delimiter);
        let mut all = Vec::new();
        let mut record = Vec::new();
        loop {
            match records.pull(&mut record) {
                Pulled::Record => all.push(std::mem::take(&mut record)),
                Pulled::WouldWait => records.fill().expect("reads"),
                Pulled::End => return all,
            }
        }
    }

    #[test]
    fn the_last_delimiter_is_optional() {
        assert_eq!(
            all(&b"a\n\nb"[..], b"\n"),
            [b"a".to_vec(), b"".to_vec(), b"b".to_vec()]
        );
        assert_eq!(all(&b"a\n"[..], b"\n"), [b"a".to_vec()]);
        assert!(all(&b""[..], b"\n").is_empty());
    }

    #[test]
    fn counts_and_finds_nul() {
        let survey = survey(&b"a\n\nb\0\nc"[..], b"\n").expect("reads");
        assert_eq!(
            survey,
            Survey {
                records: 4,
                empty: 1,
                nul_in_record: Some(3)
            }
        );
    }

    proptest! {
        #[test]
        fn how_the_bytes_arrive_makes_no_difference(
            pieces in proptest::collection::vec(proptest::collection::vec(0_u8..4, 1..5), 0..30),
            delimiter in proptest::collection::vec(0_u8..3, 1..3),
        ) {
            let whole = pieces.concat();
            let split = all(Trickle(pieces), &delimiter);
            prop_assert_eq!(&split, &all(whole.as_slice(), &delimiter));
            let mut joined = split.join(&delimiter[..]);
            if whole.ends_with(&delimiter) && joined.len() < whole.len() {
                joined.extend_from_slice(&delimiter);
            }
            prop_assert_eq!(joined, whole);
        }
    }
}
