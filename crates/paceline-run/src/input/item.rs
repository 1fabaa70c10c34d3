//! One job's worth of input.

use super::Block;

/// A list of arguments, and where it stood among the inputs.
///
/// The arguments are kept in one piece, joined by NUL bytes, which no argument can contain. That is
/// also the form in which the journal knows them.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// The position, counted from 1 over all items, those left out by a resume included.
    pub seq: u64,
    /// The arguments, joined by NUL bytes.
    pub joined: Vec<u8>,
    /// What the job reads as its standard input, if that is where its input goes.
    pub block: Option<Block>,
}

impl Item {
    /// The arguments; at least one.
    pub fn args(&self) -> Vec<&[u8]> {
        let mut args = Vec::with_capacity(1);
        let mut rest = self.joined.as_slice();
        while let Some(nul) = memchr::memchr(0, rest) {
            args.push(&rest[..nul]);
            rest = &rest[nul + 1..];
        }
        args.push(rest);
        args
    }

    /// Adds another item's arguments to this one's.
    pub fn append(&mut self, other: &Self) {
        self.joined.push(0);
        self.joined.extend_from_slice(&other.joined);
    }

    /// The arguments as a person would read them, on one line.
    pub fn display(&self) -> String {
        display_joined(&self.joined)
    }
}

/// Arguments joined by NUL bytes, as one line for people: separated by spaces, with control
/// characters escaped so that an input cannot write to the terminal.
pub fn display_joined(joined: &[u8]) -> String {
    let mut shown = String::with_capacity(joined.len());
    for chunk in joined.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\0' => shown.push(' '),
                c if c.is_control() => shown.extend(c.escape_default()),
                c => shown.push(c),
            }
        }
        for byte in chunk.invalid() {
            use std::fmt::Write as _;
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_empty_arguments() {
        let item = |joined: &[u8]| Item {
            seq: 1,
            joined: joined.to_vec(),
            block: None,
        };
        assert_eq!(item(b"").args(), [b""]);
        assert_eq!(item(b"a\0\0b").args(), [b"a".as_slice(), b"", b"b"]);
        let mut both = item(b"a");
        both.append(&item(b""));
        assert_eq!(both.args(), [b"a".as_slice(), b""]);
    }

    #[test]
    fn display_is_one_safe_line() {
        assert_eq!(
            display_joined(b"a\0b c\n\x1b[31m\xff"),
            "a b c\\n\\u{1b}[31m\\xff"
        );
    }
}
