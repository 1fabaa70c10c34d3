//! `--tag`: each line with its input before it.

/// Writes a tag before each line of a stream that comes in pieces.
#[derive(Debug)]
pub(crate) struct Tag {
    prefix: Vec<u8>,
    in_line: bool,
}

impl Tag {
    /// A tag for the job with these arguments, joined by NUL bytes.
    pub(crate) fn new(joined: &[u8]) -> Self {
        let mut prefix: Vec<u8> = joined
            .iter()
            .map(|b| if *b == 0 { b' ' } else { *b })
            .collect();
        prefix.push(b'\t');
        Self {
            prefix,
            in_line: false,
        }
    }

    /// Appends `piece` to `tagged`, with a tag wherever a line begins.
    pub(crate) fn write(&mut self, piece: &[u8], tagged: &mut Vec<u8>) {
        for line in piece.split_inclusive(|b| *b == b'\n') {
            if !self.in_line {
                tagged.extend_from_slice(&self.prefix);
            }
            tagged.extend_from_slice(line);
            self.in_line = !line.ends_with(b"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_each_line_once() {
        let mut tag = Tag::new(b"a\0b");
        let mut out = Vec::new();
        for piece in ["1\n2", "2\n", "\n3"] {
            tag.write(piece.as_bytes(), &mut out);
        }
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "a b\t1\na b\t22\na b\t\na b\t3"
        );
    }
}
