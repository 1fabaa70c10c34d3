//! The lock that says a run is being worked on.
//!
//! `<journal>.locks/<run>` is locked for as long as a session lives. The lock belongs to the open
//! file description, not to the process: whoever was handed a duplicate of the descriptor keeps
//! the run locked, even when the process that took the lock has been killed. That is how a guardian
//! keeps others away until it has cleaned up. Hence nothing here ever unlocks: closing does.
//!
//! A lock file may be removed by whoever holds its lock. Someone may have opened the file just
//! before; so after locking, one checks that the file is still the one at the path.
//!
//! The whole story: `docs/design/journal.md`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::{JournalError, RunId, connection};

/// A listing locks a file for some microseconds to see whether it is free. Trying again after
/// this long, this often, keeps a resume from taking that for a session.
const AGAIN: Duration = Duration::from_millis(2);
const TRIES: u32 = 4;

/// The lock of a run, held until this value *and all duplicates of its descriptor* are closed.
#[derive(Debug)]
pub struct RunLock {
    run: RunId,
    path: PathBuf,
    file: File,
}

impl RunLock {
    /// The run it locks.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Removes the lock file and gives the run free.
    ///
    /// For a session that has ended in order and left no guardian behind: a guardian's lock would
    /// no longer be seen. Without this call the file stays until the run is pruned, at no other
    /// cost than its directory entry.
    pub fn remove(self) {
        // Nothing is lost if it stays.
        let _ = fs::remove_file(&self.path);
    }
}

impl AsFd for RunLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The directory of lock files beside a journal.
#[derive(Debug, Clone)]
pub(crate) struct Locks {
    directory: PathBuf,
}

/// Whether to wait for a lock that another holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until it is free.
    Forever,
    /// A few milliseconds, for listings.
    Briefly,
    /// Not at all.
    No,
}

impl Locks {
    /// Those of the journal at `path`, which must be the same for all names of the file.
    pub(crate) fn of(path: &Path) -> Self {
        let mut directory = path.as_os_str().to_owned();
        directory.push(".locks");
        Self {
            directory: directory.into(),
        }
    }

    /// Takes the lock of a run; nothing if another holds it.
    pub(crate) fn take(&self, run: RunId, wait: Wait) -> Result<Option<RunLock>, JournalError> {
        let path = self.directory.join(run.to_string());
        let file = self.lock_file(&path, wait)?;
        Ok(file.map(|file| RunLock { run, path, file }))
    }

    /// Takes the lock under which runs are pruned; nothing if another prunes.
    pub(crate) fn take_prune(&self) -> Result<Option<File>, JournalError> {
        self.lock_file(&self.directory.join("prune"), Wait::No)
    }

    /// Whether somebody holds the lock of a run. Makes no file.
    pub(crate) fn is_held(&self, run: RunId) -> Result<bool, JournalError> {
        let path = self.directory.join(run.to_string());
        let failed = |source| lock_error(&path, source);
        match File::open(&path) {
            // Shared, so that listings do not disturb each other.
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(source)) => Err(failed(source)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(failed(source)),
        }
    }

    fn lock_file(&self, path: &Path, wait: Wait) -> Result<Option<File>, JournalError> {
        connection::make_directory(&self.directory)
            .map_err(|source| lock_error(&self.directory, source))?;
        let failed = |source| lock_error(path, source);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(failed)?;
            if !lock(&file, wait).map_err(failed)? {
                return Ok(None);
            }
            if is_at(&file, path).map_err(failed)? {
                return Ok(Some(file));
            }
        }
    }
}

fn lock(file: &File, wait: Wait) -> io::Result<bool> {
    if wait == Wait::Forever {
        loop {
            match file.lock() {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    let tries = if wait == Wait::Briefly { TRIES } else { 1 };
    for attempt in 1..=tries {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if attempt < tries => thread::sleep(AGAIN),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether the path still names this very file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn lock_error(path: &Path, source: io::Error) -> JournalError {
    JournalError::LockFile {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn locks() -> (tempfile::TempDir, Locks) {
        let directory = tempfile::tempdir().unwrap();
        let locks = Locks::of(&directory.path().join("journal.db"));
        (directory, locks)
    }

    #[test]
    fn a_duplicate_of_the_descriptor_keeps_the_lock() {
        let (_directory, locks) = locks();
        let run = RunId(7);
        let lock = locks.take(run, Wait::No).unwrap().unwrap();
        let guardian = lock.as_fd().try_clone_to_owned().unwrap();
        drop(lock);
        assert!(locks.is_held(run).unwrap());
        assert!(locks.take(run, Wait::Briefly).unwrap().is_none());
        drop(guardian);
        assert!(!locks.is_held(run).unwrap());
        assert!(locks.take(run, Wait::No).unwrap().is_some());
    }

    #[test]
    fn a_removed_file_is_not_taken_for_the_lock() {
        let (_directory, locks) = locks();
        let run = RunId(1);
        let lock = locks.take(run, Wait::No).unwrap().unwrap();
        // The latecomer has the file open when it is removed.
        let late = File::open(&lock.path).unwrap();
        let path = lock.path.clone();
        lock.remove();
        late.try_lock().unwrap();
        assert!(!is_at(&late, &path).unwrap());
        let first = locks.take(run, Wait::Forever).unwrap();
        assert!(first.is_some());
        assert!(!is_at(&late, &path).unwrap());
        assert!(locks.take(run, Wait::No).unwrap().is_none());
    }

    #[test]
    fn looking_at_a_lock_makes_no_file() {
        let (_directory, locks) = locks();
        assert!(!locks.is_held(RunId(3)).unwrap());
        assert!(!locks.directory.exists());
    }
}
