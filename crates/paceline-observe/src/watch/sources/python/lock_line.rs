//! Whether a line of source takes a lock.
//!
//! Locks are of C: `with lock:` leaves no frame but the one of the line itself. So the line is read.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;

/// No source file is longer.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Lines that are remembered.
const MOST_LINES: usize = 4096;

/// Names of locks are made of these words.
const WORDS: [&str; 9] = [
    "lock",
    "locks",
    "rlock",
    "mutex",
    "semaphore",
    "sem",
    "cond",
    "condition",
    "cv",
];

/// The lines of one process's sources that were looked at.
#[derive(Debug, Default)]
pub(super) struct LockLines {
    known: HashMap<(String, u32), bool>,
}

impl LockLines {
    /// Whether this line takes a lock; no if it cannot be read.
    pub(super) fn takes_lock(&mut self, pid: i32, file: &str, line: u32) -> bool {
        let key = (file.to_owned(), line);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let text = open(pid, file).and_then(|file| nth_line(file, line));
        let takes = text.is_some_and(|text| text_takes_lock(&text));
        if self.known.len() >= MOST_LINES {
            self.known.clear();
        }
        self.known.insert(key, takes);
        takes
    }
}

/// As the process would find it, which may see another root.
fn open(pid: i32, file: &str) -> Option<File> {
    if file.starts_with('<') {
        return None;
    }
    let path = if file.starts_with('/') {
        format!("/proc/{pid}/root{file}")
    } else {
        format!("/proc/{pid}/cwd/{file}")
    };
    // The name comes from the program's memory: it may be that of a pipe.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

fn nth_line(file: impl Read, line: u32) -> Option<String> {
    let before = usize::try_from(line.checked_sub(1)?).ok()?;
    let mut reader = BufReader::new(file.take(MOST_BYTES));
    let mut bytes = Vec::new();
    for _ in 0..=before {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn text_takes_lock(text: &str) -> bool {
    let code = text.split('#').next().unwrap_or_default().trim();
    if code.contains(".acquire(") {
        return true;
    }
    let Some(rest) = code.strip_prefix("with ") else {
        return false;
    };
    // The locks of `with a, b:`, not what they are called.
    rest.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(names_lock)
}

/// `lock`, `_lock`, `db_lock`, `LOCK_A`, `stateLock`; not `block` or `clock`.
fn names_lock(name: &str) -> bool {
    name.ends_with("Lock")
        || name.ends_with("Mutex")
        || name
            .split('_')
            .any(|part| WORDS.contains(&part.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_that_take_locks_are_known() {
        for text in [
            "    with lock:",
            "with self._lock:",
            "with db_lock, other:  # both",
            "with LOCK_A:",
            "with state.stateLock:",
            "with pool.get_lock():",
            "with threading.RLock():",
            "if not lock.acquire(timeout=3):",
            "with self.cond:",
        ] {
            assert!(text_takes_lock(text), "{text}");
        }
        for text in [
            "with open('clock.txt') as f:",
            "with block:",
            "lock = 3",
            "async with lock:",
            "x()  # with lock:",
            "with_lock(f)",
            "",
        ] {
            assert!(!text_takes_lock(text), "{text}");
        }
    }

    #[test]
    fn sources_are_found_as_the_process_would() {
        let pid = std::process::id() as i32;
        let mut file = tempfile::NamedTempFile::new().expect("makes a file");
        file.write_all(b"import x\nwith lock:\n    pass")
            .expect("writes");
        let path = file.path().to_str().expect("is text").to_owned();
        let mut lines = LockLines::default();
        for (line, takes) in [(0, false), (1, false), (2, true), (3, false), (4, false)] {
            assert_eq!(lines.takes_lock(pid, &path, line), takes, "{line}");
        }
        drop(file);
        assert!(lines.takes_lock(pid, &path, 2));
        assert!(!lines.takes_lock(pid, "/dev/tty", 1));
        assert!(!lines.takes_lock(pid, "<string>", 1));
        assert!(!lines.takes_lock(pid, "no/such/file.py", 1));
        // This one is relative.
        assert!(nth_line(&b"a\nb"[..], 2).is_some_and(|text| text == "b"));
        assert!(open(pid, "Cargo.toml").is_some());
    }
}
