//! Files of `/proc` that are read again and again: held open while descriptors last.
//!
//! Reading an open one costs a third of opening it. A program with thousands of threads has more such files
//! than we may hold; the rest is opened for each reading.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many files may still be held open.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// Of so many.
    pub(crate) fn of(files: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(files)))
    }

    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// One such file.
#[derive(Debug)]
pub(crate) struct KernelFile {
    path: PathBuf,
    held: Option<File>,
    allowance: Allowance,
}

impl KernelFile {
    /// `None` if there is no such file or it may not be read.
    pub(crate) fn open(path: PathBuf, allowance: &Allowance) -> Option<Self> {
        let file = File::open(&path).ok()?;
        Some(Self {
            path,
            held: allowance.take().then_some(file),
            allowance: allowance.clone(),
        })
    }

    /// Its text, as far as it fits into the buffer; `None` if what it told of is gone.
    pub(crate) fn read<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a str> {
        let length = match &self.held {
            Some(file) => file.read_at(buffer, 0).ok()?,
            None => File::open(&self.path).ok()?.read(buffer).ok()?,
        };
        crate::process::text(&buffer[..length])
    }
}

/// As much as most such files hold.
const USUAL_BYTES: usize = 8 * 1024;

/// The whole of a file that is read once.
///
/// Such files do not tell how long they are. Who begins with small pieces asks the kernel ten times for what it would
/// have told at once.
pub(crate) fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    // Of a file as it is, the library asks for its length first, in two more calls.
    File::open(path)?.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same as text.
pub(crate) fn whole_text(path: &Path) -> Option<String> {
    String::from_utf8(whole(path).ok()?).ok()
}

impl Drop for KernelFile {
    fn drop(&mut self) {
        if self.held.is_some() {
            self.allowance.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_held_than_are_allowed() {
        let allowance = Allowance::of(1);
        let open = || KernelFile::open("/proc/self/stat".into(), &allowance).expect("opens");
        let (one, two) = (open(), open());
        assert!(one.held.is_some() && two.held.is_none());
        let mut buffer = [0; 4096];
        assert!(
            one.read(&mut buffer)
                .is_some_and(|text| text.contains(") "))
        );
        assert!(
            two.read(&mut buffer)
                .is_some_and(|text| text.contains(") "))
        );
        drop(one);
        assert!(open().held.is_some());
        drop(two);
        assert_eq!(allowance.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_file_that_is_longer_than_most_is_read_to_its_end() {
        let path = std::env::temp_dir().join(format!("whole-{}", std::process::id()));
        let text = "0123456789".repeat(USUAL_BYTES);
        std::fs::write(&path, &text).expect("writes");
        let read = whole_text(&path);
        std::fs::remove_file(&path).expect("removes");
        assert_eq!(read, Some(text));
        assert!(whole(Path::new("/proc/self/nothing")).is_err());
    }

    #[test]
    fn what_is_not_there_is_none() {
        assert!(KernelFile::open("/proc/self/nothing".into(), &Allowance::of(1)).is_none());
    }
}
