//! Telling the command's words from its inputs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use paceline_run::input::{Joined, Origin, Source};
use paceline_run::template::CommandLine;

/// The words after the flags, told apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) command: CommandLine,
    pub(crate) sources: Vec<Source>,
}

impl Words {
    /// `words` are those after the flags, `all` the whole command line that ends with them.
    pub(crate) fn split(words: Vec<OsString>, all: &[OsString]) -> Self {
        // The parser takes a -- away; it shows in what stood before the words.
        let as_argv = all
            .len()
            .checked_sub(words.len() + 1)
            .is_some_and(|before| all[before] == "--");
        let mut command = Vec::new();
        let mut sources: Vec<Source> = Vec::new();
        let mut reading_files = false;
        for word in words {
            let (joined, files) = match word.to_str() {
                Some(":::") => (Joined::Product, false),
                Some(":::+") => (Joined::Linked, false),
                Some("::::") => (Joined::Product, true),
                Some("::::+") => (Joined::Linked, true),
                _ => {
                    add(word, reading_files, &mut command, &mut sources);
                    continue;
                }
            };
            reading_files = files;
            sources.push(Source {
                origin: Origin::Words(Vec::new()),
                joined,
            });
        }
        let command = if as_argv {
            CommandLine::Argv(command)
        } else {
            CommandLine::Words(command)
        };
        Self { command, sources }
    }
}

fn add(word: OsString, reading_files: bool, command: &mut Vec<Vec<u8>>, sources: &mut Vec<Source>) {
    let Some(last) = sources.last_mut() else {
        command.push(word.into_vec());
        return;
    };
    if !reading_files {
        if let Origin::Words(words) = &mut last.origin {
            words.push(word.into_vec());
        }
        return;
    }
    let origin = file_or_stdin(PathBuf::from(word));
    if matches!(&last.origin, Origin::Words(words) if words.is_empty()) {
        last.origin = origin;
    } else {
        let joined = last.joined;
        sources.push(Source { origin, joined });
    }
}

/// `-` is standard input.
pub(crate) fn file_or_stdin(path: PathBuf) -> Origin {
    if path.as_os_str() == "-" {
        Origin::Stdin
    } else {
        Origin::File(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Words {
        let all: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let first = all.iter().position(|w| w == "--").map_or(1, |at| at + 1);
        Words::split(all[first..].to_vec(), &all)
    }

    fn words(words: &[&str]) -> Origin {
        Origin::Words(words.iter().map(|w| w.as_bytes().to_vec()).collect())
    }

    #[test]
    fn tells_command_from_inputs() {
        let Words { command, sources } = split("run echo {} ::: a b :::+ 1 2 :::: f - ::: x");
        assert_eq!(
            command,
            CommandLine::Words(vec![b"echo".to_vec(), b"{}".to_vec()])
        );
        let expected = [
            (words(&["a", "b"]), Joined::Product),
            (words(&["1", "2"]), Joined::Linked),
            (Origin::File("f".into()), Joined::Product),
            (Origin::Stdin, Joined::Product),
            (words(&["x"]), Joined::Product),
        ];
        let found: Vec<_> = sources.into_iter().map(|s| (s.origin, s.joined)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn two_dashes_mean_no_shell() {
        assert!(matches!(
            split("run -- echo {}").command,
            CommandLine::Argv(_)
        ));
        let all: Vec<OsString> = ["run", "git", "rm", "--", "{}"]
            .map(OsString::from)
            .to_vec();
        let inner = Words::split(all[1..].to_vec(), &all);
        assert!(matches!(inner.command, CommandLine::Words(words) if words.len() == 4));
    }

    #[test]
    fn no_inputs_after_the_operator_is_a_source_without_any() {
        assert_eq!(
            split("run echo :::").sources,
            [Source {
                origin: words(&[]),
                joined: Joined::Product
            }]
        );
    }
}
