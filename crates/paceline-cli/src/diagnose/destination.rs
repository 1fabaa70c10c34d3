//! Where the verdict goes.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use super::course::Relation;
use crate::exit::{BROKEN, Code, Failure, READER_GONE};
use crate::plot::Characters;

/// Where the verdict goes.
pub(super) enum Destination {
    /// What we say ourselves, beside what the program writes.
    StandardError,
    /// Nobody else writes there.
    StandardOutput,
    File(File, PathBuf),
}

/// How text may look there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) colours: bool,
    pub(super) characters: Characters,
}

impl Style {
    /// For a terminal, if it is one.
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        // https://no-color.org
        let unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty())
            || variable("TERM").is_some_and(|term| term == "dumb");
        Self {
            colours: stream.is_terminal() && !unwanted,
            characters: Characters::ours(),
        }
    }
}

impl Destination {
    /// Opens the file, if one is named.
    pub(super) fn open(file: Option<PathBuf>, relation: Relation) -> Result<Self, Failure> {
        match (file, relation) {
            (Some(path), _) => match File::create(&path) {
                Ok(file) => Ok(Self::File(file, path)),
                Err(error) => Err(Failure::usage(
                    format!("cannot write the verdict {}: {error}", path.display()),
                    "check the directory and its permissions; nothing was run",
                )),
            },
            (None, Relation::Started) => Ok(Self::StandardError),
            (None, Relation::Attached) => Ok(Self::StandardOutput),
        }
    }

    /// Writes it, as one piece so that nothing comes in between. What cannot be written where it
    /// should go is shown where somebody may see it. Returns the exit code that this calls for.
    pub(super) fn write(&mut self, tell: impl Fn(Style) -> String) -> Result<Code, Failure> {
        match self {
            Self::StandardError => {
                let mut stderr = io::stderr();
                // Whoever has closed it does not want to know.
                let _ = stderr.write_all(tell(Style::of(&stderr)).as_bytes());
                Ok(Code(0))
            }
            Self::StandardOutput => {
                let mut stdout = io::stdout();
                let text = tell(Style::of(&stdout));
                match stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush())
                {
                    Ok(()) => Ok(Code(0)),
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(READER_GONE),
                    Err(error) => Err(cannot_write("standard output", &error)),
                }
            }
            Self::File(file, path) => {
                let text = tell(Style::of(file));
                match file.write_all(text.as_bytes()) {
                    Ok(()) => Ok(Code(0)),
                    Err(error) => {
                        let mut stderr = io::stderr();
                        let _ = stderr.write_all(tell(Style::of(&stderr)).as_bytes());
                        Err(cannot_write(&path.display().to_string(), &error))
                    }
                }
            }
        }
    }
}

fn cannot_write(what: &str, error: &io::Error) -> Failure {
    Failure::new(
        BROKEN,
        format!("cannot write the verdict to {what}: {error}"),
    )
}
