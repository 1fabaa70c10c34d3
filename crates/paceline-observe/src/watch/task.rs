//! One thread under observation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::call::Now;
use super::clock;
use super::kernel_file::{Allowance, KernelFile, whole};
use super::ledger::WaitId;

/// A thread and its files.
pub(crate) struct Task {
    folder: PathBuf,
    pub(crate) name: String,
    schedstat: KernelFile,
    syscall: Option<KernelFile>,
    children: Option<KernelFile>,
    /// It was started while we watched.
    pub(crate) new: bool,
    /// It has ended; the process it belongs to has not been waited for, or has other threads.
    pub(crate) ended: bool,
    pub(crate) wait: Option<Asleep>,
    /// What it was just seen to do, if nothing has been made of it yet.
    pub(crate) glance: Option<Glance>,
}

/// What the kernel's files say of a thread at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    pub(crate) at: Duration,
    pub(crate) counters: Counters,
    pub(crate) sight: Sight,
}

/// What a glance sees.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight {
    /// It is still in this wait, which is known well enough.
    Same(Asleep),
    /// What it does is to be made out.
    Does(Does),
}

/// What a thread does, as the kernel's files say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Does {
    /// `None` if we may not know.
    pub(crate) now: Option<Now>,
    /// The letter of its state, where that has more to say.
    pub(crate) state: Option<char>,
}

/// The wait that a thread was seen in, and its counters then: while they stand still it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asleep {
    pub(crate) id: WaitId,
    pub(crate) socket: Option<u64>,
    pub(crate) counters: Counters,
    pub(crate) since: Duration,
    /// When to describe it anew.
    pub(crate) look_again: Duration,
}

/// What the scheduler counts for a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) ran: Duration,
    pub(crate) queued: Duration,
    pub(crate) slices: u64,
}

impl Glance {
    /// Reads the files of a thread now; `None` if it is gone.
    pub(crate) fn of(task: &Task, now: Duration, buffer: &mut [u8]) -> Option<Self> {
        // What it does is read first where it has to be read: it may be on for another moment only.
        let early = task.wait.is_none_or(|wait| now >= wait.look_again);
        let does = early.then(|| task.does(buffer));
        let counters = task.counters(buffer)?;
        let at = clock::now();
        let sight = match (does, task.same_wait(counters)) {
            (Some(does), _) => Sight::Does(does),
            (None, Some(wait)) => Sight::Same(wait),
            (None, None) => Sight::Does(task.does(buffer)),
        };
        Some(Self {
            at,
            counters,
            sight,
        })
    }
}

impl Task {
    /// Opens the files of a thread below `/proc/PID/task`; `None` if it is gone.
    pub(crate) fn open(folder: PathBuf, new: bool, allowance: &Allowance) -> Option<Self> {
        let file = |name: &str| KernelFile::open(folder.join(name), allowance);
        Some(Self {
            name: name_of(&folder),
            schedstat: file("schedstat")?,
            syscall: file("syscall"),
            children: file("children"),
            folder,
            new,
            ended: false,
            wait: None,
            glance: None,
        })
    }

    /// Its counters; `None` if it is gone.
    pub(crate) fn counters(&self, buffer: &mut [u8]) -> Option<Counters> {
        let mut fields = self.schedstat.read(buffer)?.split_ascii_whitespace();
        let mut next = || fields.next()?.parse::<u64>().ok();
        Some(Counters {
            ran: Duration::from_nanos(next()?),
            queued: Duration::from_nanos(next()?),
            slices: next()?,
        })
    }

    /// The wait that it was last seen in, if it still is.
    pub(crate) fn same_wait(&self, counters: Counters) -> Option<Asleep> {
        self.wait.filter(|wait| wait.counters == counters)
    }

    fn does(&self, buffer: &mut [u8]) -> Does {
        let file = self.syscall.as_ref();
        let now = file.and_then(|file| Now::parse(file.read(buffer)?));
        let state = match now {
            Some(Now::InCall(call)) if call.is_vague() => state_of(&self.folder),
            Some(Now::Running | Now::InCall(_)) => None,
            Some(Now::OutsideCalls) | None => state_of(&self.folder),
        };
        Does { now, state }
    }

    /// Adds the processes that it started.
    pub(crate) fn add_children(&self, buffer: &mut [u8], children: &mut Vec<i32>) {
        if let Some(text) = self.children.as_ref().and_then(|file| file.read(buffer)) {
            let pids = text.split_ascii_whitespace();
            children.extend(pids.filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }

    /// Threads often name themselves after they have started. One that has ended keeps its name.
    pub(crate) fn read_name(&mut self) {
        let name = name_of(&self.folder);
        if !name.is_empty() {
            self.name = name;
        }
    }
}

/// The letter of a thread's state, from its folder in `/proc`.
pub(crate) fn state_of(folder: &Path) -> Option<char> {
    let bytes = whole(&folder.join("stat")).ok()?;
    let end = bytes.iter().rposition(|byte| *byte == b')')?;
    bytes.get(end + 2).map(|byte| char::from(*byte))
}

/// The name that the kernel has for a thread or process, which may be any bytes.
pub(crate) fn name_of(folder: &Path) -> String {
    let bytes = whole(&folder.join("comm")).unwrap_or_default();
    let name = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_its_own_thread() {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let folder = PathBuf::from(format!("/proc/self/task/{thread}"));
        let task = Task::open(folder.clone(), false, &Allowance::of(9)).expect("is there");
        let mut buffer = [0; 256];
        let before = task.counters(&mut buffer).expect("counters");
        assert!(before.slices > 0);
        // Whoever asks runs.
        assert_eq!(state_of(&folder), Some('R'));
        // It is asleep in no call but the one that asks.
        let glance = Glance::of(&task, Duration::ZERO, &mut buffer).expect("is there");
        assert!(glance.counters.slices >= before.slices);
        let Sight::Does(Does { now, state }) = glance.sight else {
            panic!("it was in no wait before: {glance:?}");
        };
        assert!(matches!(now, Some(Now::InCall(_) | Now::Running)) && state.is_none());
        let mut children = Vec::new();
        task.add_children(&mut buffer, &mut children);
        let gone = PathBuf::from("/proc/self/task/0");
        assert!(Task::open(gone.clone(), false, &Allowance::of(9)).is_none());
        // One that has ended since.
        let mut task = task;
        let name = task.name.clone();
        task.folder = gone;
        task.read_name();
        assert!(!name.is_empty() && task.name == name);
    }
}
