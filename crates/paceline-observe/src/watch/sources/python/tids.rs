//! The numbers that we know a process's threads by, from what its interpreter knows of them.
//!
//! Since 3.11 Python keeps the number that the kernel gave each thread, in the process's own namespace.
//! Older ones keep only the handle of the C library, which is the address of a structure that holds the
//! number: at a place that has not moved in the GNU library for twenty years. What is found there counts
//! only if it is a thread of the process.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Of `tid` in glibc's `struct pthread`.
#[cfg(target_arch = "x86_64")]
const TID_OFFSET: Option<u64> = Some(720);
#[cfg(target_arch = "aarch64")]
const TID_OFFSET: Option<u64> = Some(208);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const TID_OFFSET: Option<u64> = None;

/// The threads of one process.
pub(super) struct Tids {
    folder: PathBuf,
    pid: i32,
    memory: Option<File>,
    /// From the numbers inside the namespace to ours, if it has one of its own.
    inside: Option<HashMap<i32, i32>>,
}

impl Tids {
    pub(super) fn of(pid: i32) -> Self {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        Self {
            memory: File::open(folder.join("mem")).ok(),
            inside: has_namespace(&folder).then(HashMap::new),
            folder,
            pid,
        }
    }

    /// Our number of a thread, by the interpreter's number or its handle.
    pub(super) fn resolve(&mut self, number: Option<u64>, handle: u64) -> Option<i32> {
        if let Some(number) = number {
            return self.ours(i32::try_from(number).ok()?);
        }
        let behind = self.behind(handle).and_then(|number| self.ours(number));
        behind.or_else(|| self.is_alone().then_some(self.pid))
    }

    fn ours(&mut self, number: i32) -> Option<i32> {
        let Some(inside) = &mut self.inside else {
            let task = self.folder.join(format!("task/{number}"));
            return (number > 0 && task.exists()).then_some(number);
        };
        if !inside.contains_key(&number) {
            *inside = numbers_inside(&self.folder);
        }
        inside.get(&number).copied()
    }

    fn behind(&self, handle: u64) -> Option<i32> {
        let mut bytes = [0; 4];
        let at = handle.checked_add(TID_OFFSET?)?;
        self.memory.as_ref()?.read_exact_at(&mut bytes, at).ok()?;
        Some(i32::from_ne_bytes(bytes))
    }

    fn is_alone(&self) -> bool {
        fs::read_dir(self.folder.join("task")).is_ok_and(|tasks| tasks.count() == 1)
    }
}

fn has_namespace(folder: &Path) -> bool {
    numbers(&folder.join("status")).is_some_and(|numbers| numbers.len() > 1)
}

fn numbers_inside(folder: &Path) -> HashMap<i32, i32> {
    let tasks = fs::read_dir(folder.join("task")).into_iter().flatten();
    tasks
        .flatten()
        .filter_map(|task| {
            let numbers = numbers(&task.path().join("status"))?;
            Some((*numbers.last()?, *numbers.first()?))
        })
        .collect()
}

/// A thread's numbers from our namespace inwards.
fn numbers(status: &Path) -> Option<Vec<i32>> {
    let text = fs::read(status).ok()?;
    parse_numbers(&String::from_utf8_lossy(&text))
}

fn parse_numbers(status: &str) -> Option<Vec<i32>> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace()
        .map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_from_here_inwards() {
        let status = "Name:\tpython\nPid:\t812\nNSpid:\t812\t7\nThreads:\t1\n";
        assert_eq!(parse_numbers(status), Some(vec![812, 7]));
        assert_eq!(parse_numbers("Name:\tx\n"), None);
        assert_eq!(parse_numbers("NSpid:\tx\n"), None);
    }

    #[test]
    fn only_threads_of_the_process_count() {
        let pid = std::process::id() as i32;
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        let mut tids = Tids::of(pid);
        assert_eq!(tids.resolve(Some(tid as u64), 0), Some(tid));
        assert_eq!(tids.resolve(Some(1), 0), None);
        assert_eq!(tids.resolve(Some(u64::MAX), 0), None);
        assert_eq!(tids.resolve(None, 0), None);
        assert_eq!(tids.resolve(None, u64::MAX), None);
    }
}
