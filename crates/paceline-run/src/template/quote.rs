//! Writing an input into a shell script so that the shell reads it back unchanged.

/// Where in a script a placeholder stands, which decides how its input must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// No shell reads it: the bytes as they are.
    Verbatim,
    /// Outside quotes.
    Bare,
    /// Between double quotes.
    Double,
    /// Between single quotes.
    Single,
    /// Inside `$((…))`, where no quoting exists: only a plain number may go in.
    Arithmetic,
}

/// An input that has no safe form at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotANumber;

impl Quoting {
    /// Appends `input` to `script`, quoted for this place.
    pub(crate) fn write(self, input: &[u8], script: &mut Vec<u8>) -> Result<(), NotANumber> {
        match self {
            Self::Verbatim => script.extend_from_slice(input),
            // Always quoted, however plain: `{}>out` with the input 2 would redirect, and a bare
            // `if` is no argument.
            Self::Bare => {
                script.push(b'\'');
                write_between_single_quotes(input, script);
                script.push(b'\'');
            }
            Self::Single => write_between_single_quotes(input, script),
            Self::Double => {
                for &byte in input {
                    if matches!(byte, b'"' | b'\\' | b'$' | b'`') {
                        script.push(b'\\');
                    }
                    script.push(byte);
                }
            }
            Self::Arithmetic if is_number(input) => script.extend_from_slice(input),
            Self::Arithmetic => return Err(NotANumber),
        }
        Ok(())
    }
}

/// Bytes that mean nothing to any shell, in a word that stands alone.
fn is_plain(input: &[u8]) -> bool {
    !input.is_empty()
        && input.iter().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(
                    b,
                    b'_' | b'-' | b'.' | b'/' | b',' | b':' | b'@' | b'+' | b'%'
                )
        })
}

/// A quote ends the string, stands alone escaped, and begins it again.
fn write_between_single_quotes(input: &[u8], script: &mut Vec<u8>) {
    for &byte in input {
        if byte == b'\'' {
            script.extend_from_slice(b"'\\''");
        } else {
            script.push(byte);
        }
    }
}

/// A name would be looked up as a variable, and an index in it evaluated: digits alone are data.
fn is_number(input: &[u8]) -> bool {
    let digits = input.strip_prefix(b"-").unwrap_or(input);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// A word as a person would type it into a shell, for messages and `--dry-run`.
pub fn shell_quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    if is_plain(word) || Quoting::Bare.write(word, &mut quoted).is_err() {
        return word.to_vec();
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(quoting: Quoting, input: &str) -> String {
        let mut script = Vec::new();
        quoting
            .write(input.as_bytes(), &mut script)
            .expect("has a safe form");
        String::from_utf8(script).expect("text")
    }

    #[test]
    fn every_place_has_its_quotes() {
        assert_eq!(written(Quoting::Bare, "2"), "'2'");
        assert_eq!(written(Quoting::Bare, ""), "''");
        assert_eq!(written(Quoting::Bare, "a b"), "'a b'");
        assert_eq!(written(Quoting::Bare, "it's"), "'it'\\''s'");
        assert_eq!(written(Quoting::Double, "$(x) \"`\\"), "\\$(x) \\\"\\`\\\\");
        assert_eq!(written(Quoting::Single, "it's $x"), "it'\\''s $x");
    }

    #[test]
    fn words_for_people_stay_readable() {
        assert_eq!(shell_quoted(b"dir/a-b_c.txt"), b"dir/a-b_c.txt");
        assert_eq!(shell_quoted(b"a b"), b"'a b'");
    }

    #[test]
    fn arithmetic_takes_numbers_alone() {
        assert_eq!(written(Quoting::Arithmetic, "-12"), "-12");
        for bad in ["", "-", "x", "a[$(id)]", "1+1", "1 "] {
            assert_eq!(
                Quoting::Arithmetic.write(bad.as_bytes(), &mut Vec::new()),
                Err(NotANumber),
                "{bad}"
            );
        }
    }
}
