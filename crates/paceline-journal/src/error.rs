//! What can go wrong with a journal, told so that a person knows what to do.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::RunId;

/// An error of the journal. Those about the file carry its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// There is no file, and the caller asked for an existing one.
    #[error("there is no journal at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The directory for the file is missing and cannot be made.
    #[error("cannot create the directory {} for the journal: {source}", path.display())]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of the file does not let us create files in it.
    #[error("cannot create the journal {}: {source}", path.display())]
    Create {
        /// The journal's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file exists but cannot be opened.
    #[error("cannot open the journal {}: {detail}", path.display())]
    Open {
        /// The journal's file.
        path: PathBuf,
        /// What `SQLite` said.
        detail: String,
    },
    /// The file is something else than an `SQLite` database.
    #[error("{} is not a journal: the file is not a database", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is an `SQLite` database of another program.
    #[error("{} is not a journal: the database belongs to another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version of paceline.
    #[error(
        "the journal {} is of a newer paceline (format {found}, this one knows up to {supported}); \
         use that version or another journal file",
        path.display()
    )]
    NewerSchema {
        /// The journal's file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The newest format this version knows.
        supported: i64,
    },
    /// The database is damaged.
    #[error("the journal {} is damaged ({detail}); move it away to start a new one", path.display())]
    Corrupt {
        /// The journal's file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The file, its directory or the file system allows no writing.
    #[error("the journal {} is read-only", path.display())]
    ReadOnly {
        /// The journal's file.
        path: PathBuf,
    },
    /// No space is left where the journal lies, or for its temporary data.
    #[error("no space is left for the journal {}", path.display())]
    DiskFull {
        /// The journal's file.
        path: PathBuf,
    },
    /// Other processes kept the database locked for longer than the busy timeout (10 s).
    #[error("the journal {} is locked by another process", path.display())]
    Locked {
        /// The journal's file.
        path: PathBuf,
    },
    /// Reading or writing the file failed.
    #[error("reading or writing the journal {} failed: {detail}", path.display())]
    Io {
        /// The journal's file.
        path: PathBuf,
        /// What `SQLite` said.
        detail: String,
    },
    /// A run's lock file cannot be made or locked.
    #[error("cannot use the lock file {}: {source}", path.display())]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A session is working on the run, or its guardian is still cleaning up after it.
    #[error("run {run} is in use{}", pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    RunBusy {
        /// The run.
        run: RunId,
        /// The process of its last session, unless that has recorded its end.
        pid: Option<u32>,
    },
    /// The journal holds no such run.
    #[error("there is no run {run}")]
    NoSuchRun {
        /// The run that was asked for.
        run: RunId,
    },
    /// The thread that writes the journal cannot be started.
    #[error("cannot start the thread that writes the journal: {source}")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// Any other failure of `SQLite`.
    #[error("the journal {} failed: {source}", path.display())]
    Sqlite {
        /// The journal's file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
}

impl JournalError {
    /// Sorts an error of `SQLite` on the file `path` into the kinds above.
    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let Some(code) = source.sqlite_error_code() else {
            return Self::Sqlite { path, source };
        };
        match code {
            ErrorCode::NotADatabase => Self::NotADatabase { path },
            ErrorCode::DatabaseCorrupt => Self::Corrupt {
                path,
                detail: source.to_string(),
            },
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly { path },
            ErrorCode::DiskFull => Self::DiskFull { path },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked { path },
            ErrorCode::CannotOpen => Self::Open {
                path,
                detail: source.to_string(),
            },
            ErrorCode::SystemIoFailure => Self::Io {
                path,
                detail: source.to_string(),
            },
            _ => Self::Sqlite { path, source },
        }
    }
}
