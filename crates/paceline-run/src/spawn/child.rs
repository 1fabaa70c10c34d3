//! The one place that talks to the kernel about children: start one, reap one.
//!
//! Starting is a `clone` that shares our memory and holds this thread until the child has called
//! `execve`, as `posix_spawn` does it inside. Doing it here lets the child do four things between
//! the two that `posix_spawn` has no word for: ask to be killed if we die, take a lower priority,
//! change directory, and get back the open-file limit that we raised for ourselves. `pre_exec`
//! could do those too, but makes the standard library copy our page tables for each job.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// The child needs a few calls' worth of stack; the rest stays untouched.
const STACK_BYTES: usize = 64 << 10;

/// The shortest turn on a core that the kernel grants.
const SHORT_TURN: Duration = Duration::from_micros(100);
/// Well before the jobs, but not before what an administrator has put ahead of everything.
const AHEAD_NICE: i32 = -10;

/// A program about to be started.
pub(crate) struct Spawn<'a> {
    pub(crate) program: &'a CStr,
    /// Ended by a null, as are the strings they point to.
    pub(crate) argv: &'a [*const c_char],
    /// Ended by a null, as are the strings they point to.
    pub(crate) envp: &'a [*const c_char],
    pub(crate) stdin: BorrowedFd<'a>,
    /// Where standard output goes; `None` leaves it as ours.
    pub(crate) stdout: Option<BorrowedFd<'a>>,
    pub(crate) stderr: Option<BorrowedFd<'a>>,
    pub(crate) directory: Option<&'a CStr>,
    /// Added to our own niceness.
    pub(crate) nice: i32,
    /// The soft limit on open files that the program gets.
    pub(crate) open_files: Option<u64>,
    /// Signals that we handle. Until `execve` the child would run our handlers, in our memory.
    pub(crate) handled_signals: &'a [c_int],
    /// What it leads, and whether it goes with us.
    pub(crate) leads: Leads,
}

/// How a child stands to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    /// A process group of its own; killed when we die.
    Group,
    /// A session of its own, which outlives us.
    Session,
}

/// Starts children from one thread.
pub(crate) struct Spawner {
    stack: *mut c_void,
}

/// What the child needs, in memory that it shares with the parent until `execve`.
struct Plan {
    program: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    stdin: RawFd,
    stdout: Option<RawFd>,
    stderr: Option<RawFd>,
    directory: *const c_char,
    nice: i32,
    open_files: Option<libc::rlimit>,
    leads: Leads,
    parent: libc::pid_t,
    mask: libc::sigset_t,
    handled_signals: *const c_int,
    handled_count: usize,
    /// Set by the child if it fails; 0 otherwise.
    error: c_int,
}

impl Spawner {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping aliases nothing.
        let stack = unsafe {
            libc::mmap(
                ptr::null_mut(),
                STACK_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if stack == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { stack })
    }

    /// Starts a process in a group of its own and returns its id. Errors are those of `clone` and
    /// of everything that the child does up to and including `execve`.
    pub(crate) fn spawn(&mut self, spawn: &Spawn<'_>) -> io::Result<i32> {
        debug_assert!(spawn.argv.last().is_some_and(|p| p.is_null()));
        debug_assert!(spawn.envp.last().is_some_and(|p| p.is_null()));
        let mut old_mask = MaybeUninit::<libc::sigset_t>::uninit();
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: both sets are written before they are read. All signals are blocked in this
        // thread while the child borrows its memory, so that no handler runs in the child.
        let old_mask = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old_mask.as_mut_ptr());
            old_mask.assume_init()
        };
        let mut empty = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: written by `sigemptyset` before it is read.
        let mask = unsafe {
            libc::sigemptyset(empty.as_mut_ptr());
            empty.assume_init()
        };
        let mut plan = Plan {
            program: spawn.program.as_ptr(),
            argv: spawn.argv.as_ptr(),
            envp: spawn.envp.as_ptr(),
            stdin: spawn.stdin.as_raw_fd(),
            stdout: spawn.stdout.map(|fd| fd.as_raw_fd()),
            stderr: spawn.stderr.map(|fd| fd.as_raw_fd()),
            directory: spawn.directory.map_or(ptr::null(), CStr::as_ptr),
            nice: spawn.nice,
            open_files: spawn.open_files.map(limit_of_open_files),
            leads: spawn.leads,
            // SAFETY: no arguments, cannot fail.
            parent: unsafe { libc::getpid() },
            mask,
            handled_signals: spawn.handled_signals.as_ptr(),
            handled_count: spawn.handled_signals.len(),
            error: 0,
        };
        // SAFETY: CLONE_VFORK holds this thread until the child has called execve or _exit, so
        // `plan`, what it points to, and the stack outlive the child's use of them, and nobody else
        // uses that stack. `in_child` calls async-signal-safe functions alone. The stack grows down
        // from its end, which is aligned to a page.
        let pid = unsafe {
            libc::clone(
                in_child,
                self.stack.byte_add(STACK_BYTES),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                ptr::from_mut(&mut plan).cast(),
            )
        };
        let cloned = if pid < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(pid)
        };
        // SAFETY: restores the mask that was read above.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old_mask, ptr::null_mut());
        }
        let pid = cloned?;
        // SAFETY: the child is gone or runs another program; the read is volatile because it wrote
        // behind the compiler's back.
        let error = unsafe { ptr::read_volatile(&raw const plan.error) };
        if error == 0 {
            return Ok(pid);
        }
        // It never became a job: take it away here, so that nobody hears of it.
        let mut status = 0;
        // SAFETY: waits for our own child, which has called _exit.
        while unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        Err(io::Error::from_raw_os_error(error))
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; no child uses it outside of `spawn`.
        unsafe {
            libc::munmap(self.stack, STACK_BYTES);
        }
    }
}

fn limit_of_open_files(soft: u64) -> libc::rlimit {
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard.unwrap_or(libc::RLIM_INFINITY),
    }
}

/// Runs in the child, on its own stack, in the parent's memory.
///
/// Only async-signal-safe calls, no allocation, no lock, no panic: the parent's other threads may
/// have been anywhere when this began.
extern "C" fn in_child(plan: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes its `Plan`, alive and not looked at until we exec or exit. All pointers
    // in it are ended by nulls and outlive this call, and the descriptors are open.
    unsafe {
        let plan = plan.cast::<Plan>();
        macro_rules! check {
            ($result:expr) => {
                if $result < 0 {
                    ptr::write_volatile(&raw mut (*plan).error, *libc::__errno_location());
                    libc::_exit(127);
                }
            };
        }
        match (*plan).leads {
            Leads::Session => check!(libc::setsid()),
            Leads::Group => {
                check!(libc::setpgid(0, 0));
                check!(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
                if libc::getppid() != (*plan).parent {
                    libc::_exit(127);
                }
            }
        }
        // Rust ignores SIGPIPE, which would stay so. Signals are still blocked: no handler of ours has
        // run in here, and none can once they are reset.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
        for index in 0..(*plan).handled_count {
            libc::signal(*(*plan).handled_signals.add(index), libc::SIG_DFL);
        }
        check!(libc::dup2((*plan).stdin, 0));
        if let Some(fd) = (*plan).stdout {
            check!(libc::dup2(fd, 1));
        }
        if let Some(fd) = (*plan).stderr {
            check!(libc::dup2(fd, 2));
        }
        if !(*plan).directory.is_null() {
            check!(libc::chdir((*plan).directory));
        }
        if (*plan).nice != 0 {
            let now = libc::getpriority(libc::PRIO_PROCESS, 0);
            check!(libc::setpriority(libc::PRIO_PROCESS, 0, now + (*plan).nice));
        }
        if let Some(limit) = &(*plan).open_files {
            check!(libc::setrlimit(libc::RLIMIT_NOFILE, limit));
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const (*plan).mask, ptr::null_mut());
        check!(libc::execve((*plan).program, (*plan).argv, (*plan).envp));
        libc::_exit(127)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

/// A process that is gone, and what it used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reaped {
    pub(crate) pid: i32,
    pub(crate) exit: Exit,
    /// Its own and that of the children it waited for.
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// The largest of its own and of the children it waited for.
    pub(crate) peak_rss_bytes: u64,
}

/// Takes away one child that has ended, if there is one.
pub(crate) fn reap() -> Option<Reaped> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both are valid for writing, and `usage` is valid when zeroed.
    let (pid, usage) = unsafe {
        let pid = libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr());
        (pid, usage.assume_init())
    };
    if pid <= 0 {
        return None;
    }
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    Some(Reaped {
        pid,
        exit,
        user: duration_of(usage.ru_utime),
        system: duration_of(usage.ru_stime),
        peak_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    })
}

/// The journal's word for an exit.
pub(crate) fn exit_record(exit: Exit) -> paceline_journal::Exit {
    match exit {
        Exit::Code(code) => paceline_journal::Exit::Code(code),
        Exit::Signal(signal) => paceline_journal::Exit::Signal(signal),
    }
}

fn duration_of(time: libc::timeval) -> Duration {
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
        + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

/// Has this thread, which does little, be served before the jobs, which may do much: with thirty busy
/// jobs on two cores it would else wait 50 ms and more for its turn, and a job can take 100 MiB in that
/// time. It asks for short turns (Linux 6.12), and for a higher priority, which only root gets. Neither
/// is handed down to jobs.
pub(crate) fn be_served_first() {
    // SAFETY: the structure is plain numbers, valid when zeroed.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: the kernel writes at most `size` bytes into the structure; 0 is this thread.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    // What somebody set on purpose stays. A negative niceness would be lost for the jobs.
    if read != 0
        || attributes.sched_policy != libc::SCHED_OTHER.cast_unsigned()
        || attributes.sched_nice < 0
    {
        return;
    }
    attributes.size = size;
    attributes.sched_flags = libc::SCHED_FLAG_RESET_ON_FORK as u64;
    attributes.sched_runtime = SHORT_TURN.as_nanos() as u64;
    let set = |attributes: &libc::sched_attr| {
        // SAFETY: the kernel reads `size` bytes of a structure that is that long.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, ptr::from_ref(attributes), 0) == 0 }
    };
    if !set(&attributes) {
        return;
    }
    if attributes.sched_nice == 0 {
        attributes.sched_nice = AHEAD_NICE;
        set(&attributes);
    }
}

/// Whether our starter had this signal ignored (as nohup does, and shells for background jobs).
pub fn signal_is_ignored(signal: c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only reads the present action into memory that is valid when zeroed.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Stops this process, as Ctrl-Z asks; returns when it is continued.
pub(crate) fn stop_self() {
    // SAFETY: no memory is involved.
    unsafe {
        libc::raise(libc::SIGSTOP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Argv;
    use std::fs::File;
    use std::os::fd::AsFd;

    fn spawn(words: &[&[u8]], stdout: Option<BorrowedFd<'_>>) -> io::Result<i32> {
        let mut argv = Argv::new();
        words.iter().for_each(|word| argv.push(word));
        let mut pointers = Vec::new();
        argv.pointers(&mut pointers);
        let null = File::open("/dev/null").expect("opens");
        Spawner::new().expect("a stack").spawn(&Spawn {
            program: argv.program(),
            argv: &pointers,
            envp: &[ptr::null()],
            stdin: null.as_fd(),
            stdout,
            stderr: None,
            directory: Some(c"/"),
            nice: 1,
            open_files: Some(64),
            handled_signals: &[libc::SIGINT],
            leads: Leads::Group,
        })
    }

    // One test, since reaping takes any child of the process.
    #[test]
    fn children_get_what_was_asked_and_are_reaped() {
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        let pid = spawn(
            &[b"/bin/sh", b"-c", b"pwd; ulimit -n; exit 3"],
            Some(writer.as_fd()),
        )
        .expect("starts");
        drop(writer);
        let output = io::read_to_string(File::from(reader)).expect("text");
        assert_eq!(output, "/\n64\n");
        let reaped = loop {
            if let Some(reaped) = reap() {
                break reaped;
            }
            std::thread::yield_now();
        };
        assert_eq!((reaped.pid, reaped.exit), (pid, Exit::Code(3)));
        assert!(reaped.peak_rss_bytes > 0);

        let missing = spawn(&[b"/no/such/program"], None).expect_err("is not there");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let long = vec![b'x'; 200_000];
        let too_long = spawn(&[b"/bin/true", &long], None).expect_err("is too long");
        assert_eq!(too_long.raw_os_error(), Some(libc::E2BIG));
        assert!(
            reap().is_none(),
            "a program that never started leaves nothing to reap"
        );
    }
}
