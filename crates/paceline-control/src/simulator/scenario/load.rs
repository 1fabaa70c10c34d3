//! Reading scenario files, and saying what is wrong with them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Scenario;
use super::check::{Wrong, checked};
use super::file::File;

/// A scenario that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file or directory cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A line of the file makes no sense.
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The directory has no scenario.
    Nothing {
        /// Which directory.
        path: PathBuf,
    },
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(f, "cannot read {}: {why}", path.display()),
            Self::Wrong { path, line, what } => write!(f, "{}:{line}: {what}", path.display()),
            Self::Nothing { path } => {
                write!(f, "no scenario (a file *.toml) lies in {}", path.display())
            }
        }
    }
}

impl std::error::Error for ScenarioError {}

impl Scenario {
    /// All scenarios in a directory, by name.
    pub fn all_in(directory: &Path) -> Result<Vec<Self>, ScenarioError> {
        let unreadable = |error: std::io::Error| ScenarioError::Unreadable {
            path: directory.to_path_buf(),
            why: error.to_string(),
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(ScenarioError::Nothing {
                path: directory.to_path_buf(),
            });
        }
        paths.sort();
        paths.iter().map(|path| Self::from_file(path)).collect()
    }

    /// The scenario in one file.
    pub fn from_file(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable {
            path: path.to_path_buf(),
            why: error.to_string(),
        })?;
        Self::from_toml(&text, path)
    }

    /// The scenario in `text`, said to be from `path`.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, ScenarioError> {
        let read = || {
            let file: File = toml::from_str(text).map_err(|error| Wrong {
                span: error.span().unwrap_or_default(),
                what: error.message().to_owned(),
            })?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            checked(file, name.into_owned())
        };
        read().map_err(|wrong: Wrong| ScenarioError::Wrong {
            path: path.to_path_buf(),
            line: 1 + text
                .bytes()
                .take(wrong.span.start)
                .filter(|&b| b == b'\n')
                .count(),
            what: wrong.what,
        })
    }
}
