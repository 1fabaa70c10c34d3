//! The command line of `bare`, and the words of each job made from it.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// `LEVEL COUNT -- PROG [ARG…]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// How many jobs are kept in flight, at least one.
    pub(crate) level: u64,
    /// How many jobs run in all, at least one.
    pub(crate) count: u64,
    command: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Fixed(CString),
    /// The place of the job's number, written `{}`.
    Number,
}

impl Args {
    /// Parses what follows the program's own name. A command without `{}` gets one at its end.
    pub(crate) fn parse(words: Vec<OsString>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let level = number("LEVEL", words.next())?;
        let count = number("COUNT", words.next())?;
        if words.next().is_none_or(|word| word != "--") {
            return Err("`--` must stand between COUNT and the command".to_owned());
        }
        let mut command = words.map(word).collect::<Result<Vec<_>, _>>()?;
        if command.is_empty() {
            return Err("the command is missing".to_owned());
        }
        if !command.contains(&Word::Number) {
            command.push(Word::Number);
        }
        Ok(Self {
            level,
            count,
            command,
        })
    }

    /// The argument vector of job `number`.
    pub(crate) fn words_for(&self, number: u64) -> Vec<CString> {
        let digits = CString::new(number.to_string()).expect("digits hold no NUL");
        self.command
            .iter()
            .map(|word| match word {
                Word::Fixed(text) => text.clone(),
                Word::Number => digits.clone(),
            })
            .collect()
    }
}

fn number(name: &str, word: Option<OsString>) -> Result<u64, String> {
    word.and_then(|word| word.to_str()?.parse().ok())
        .filter(|&number| number > 0)
        .ok_or_else(|| format!("{name} must be a number above 0"))
}

fn word(word: OsString) -> Result<Word, String> {
    if word == "{}" {
        return Ok(Word::Number);
    }
    CString::new(word.into_vec())
        .map(Word::Fixed)
        .map_err(|_| "an argument holds a NUL byte".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(OsString::from).collect())
    }

    fn words(line: &str, number: u64) -> Vec<String> {
        let args = parse(line).expect("a valid line");
        args.words_for(number)
            .into_iter()
            .map(|word| word.into_string().expect("text"))
            .collect()
    }

    #[test]
    fn the_number_stands_where_the_braces_stood() {
        assert_eq!(words("2 9 -- prog {} end", 7), ["prog", "7", "end"]);
    }

    #[test]
    fn without_braces_the_number_comes_last() {
        assert_eq!(words("2 9 -- prog arg", 7), ["prog", "arg", "7"]);
    }

    #[test]
    fn lines_that_make_no_sense_are_refused() {
        for line in [
            "", "2", "0 5 -- a", "2 0 -- a", "x 5 -- a", "2 5 a", "2 5 --",
        ] {
            assert!(parse(line).is_err(), "accepted {line:?}");
        }
    }
}
