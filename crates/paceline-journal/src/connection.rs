//! Connections to the file: the journal's own, the writer's, and one per set of finished inputs.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::JournalError;

/// How long a statement waits while another process writes.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The page cache of a connection, in KiB; negative as `SQLite` wants it for KiB.
const CACHE_KIB: i64 = -2048;

/// Beyond this the write-ahead file is cut back after a checkpoint, in bytes.
const WAL_KEPT_BYTES: i64 = 8 << 20;

/// Opens a file that exists.
pub(crate) fn open(path: &Path) -> Result<Connection, JournalError> {
    // No URI flag: a file may be called `file:x?mode=ro`. No mutex: a connection is used by one
    // thread at a time, which the type system sees to.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = |connection: Connection| -> rusqlite::Result<Connection> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "temp_store", "FILE")?;
        // Answers with the value it set.
        let limit = format!("PRAGMA journal_size_limit = {WAL_KEPT_BYTES}");
        connection.query_row(&limit, (), |_| Ok(()))?;
        Ok(connection)
    };
    Connection::open_with_flags(path, flags)
        .and_then(set_up)
        .map_err(|source| JournalError::from_sqlite(path, source))
}

/// Makes the file and the directories above it, unless they exist. Only the user may read them:
/// inputs can be private.
pub(crate) fn create_file(path: &Path) -> Result<(), JournalError> {
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make_directory(parent).map_err(|source| JournalError::CreateDirectory {
            path: parent.into(),
            source,
        })?;
    }
    // An existing file is not even opened here: closing it again would drop the locks that other
    // connections of this process hold on it (POSIX locks belong to the process).
    match create_new(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(creation_error(path, error)),
        _ => Ok(()),
    }
}

/// Makes a directory for the user alone, and those above it, unless it exists.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn creation_error(path: &Path, source: io::Error) -> JournalError {
    let path = path.to_path_buf();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => JournalError::DiskFull { path },
        _ => JournalError::Create { path, source },
    }
}
