//! Lower priority for a single thread, and what the scheduler gave it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Lowers the priority of the calling thread by `by`, down to 19 at most.
///
/// On Linux niceness belongs to a thread, whatever POSIX says (`setpriority(2)`, "C library/kernel
/// differences").
pub(super) fn lower(by: u8) -> io::Result<()> {
    if by == 0 {
        return Ok(());
    }
    // The thread itself, not 0: to some systems 0 is the whole process.
    let thread = Some(rustix::thread::gettid());
    let now = rustix::process::getpriority_process(thread)?;
    let wanted = (now + i32::from(by)).min(19);
    rustix::process::setpriority_process(thread, wanted)?;
    Ok(())
}

/// The times of one thread, from a file that is held open.
#[derive(Debug)]
pub(super) struct Schedule(File);

impl Schedule {
    /// Of the calling thread; `None` if the kernel does not tell.
    pub(super) fn of_this_thread() -> Option<Self> {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        File::open(format!("/proc/self/task/{thread}/schedstat"))
            .ok()
            .map(Self)
    }

    /// Time on a core, and time runnable without one, since the thread began.
    pub(super) fn read(&self) -> Option<(Duration, Duration)> {
        let mut buffer = [0; 96];
        let length = self.0.read_at(&mut buffer, 0).ok()?;
        parse(std::str::from_utf8(&buffer[..length]).ok()?)
    }
}

/// `schedstat` of a thread: nanoseconds on a core, nanoseconds in a run queue, slices.
fn parse(text: &str) -> Option<(Duration, Duration)> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let ran = numbers.next()?.ok()?;
    let queued = numbers.next()?.ok()?;
    Some((Duration::from_nanos(ran), Duration::from_nanos(queued)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_is_read_and_nonsense_is_not() {
        let (ran, queued) = parse("1500 25 3\n").expect("three numbers");
        assert_eq!((ran.as_nanos(), queued.as_nanos()), (1500, 25));
        for text in ["", "1", "a b c", "-1 2 3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_calling_thread_is_lowered() {
        let priority = |thread| rustix::process::getpriority_process(Some(thread));
        let here = rustix::thread::gettid();
        let before = priority(here).expect("our own");
        let lowered = std::thread::spawn(|| {
            lower(3)?;
            rustix::process::getpriority_process(Some(rustix::thread::gettid()))
                .map_err(io::Error::from)
        });
        let lowered = lowered
            .join()
            .expect("no panic")
            .expect("lowering is allowed");
        assert_eq!(lowered, (before + 3).min(19));
        assert_eq!(priority(here).expect("our own"), before);
    }
}
