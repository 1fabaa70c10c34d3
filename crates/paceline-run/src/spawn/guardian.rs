//! A process that outlives us by a moment, so that nothing of ours outlives us for longer.
//!
//! We may be killed at any instant without a last word (SIGKILL, the OOM killer). The guardian is a
//! copy of this program in a session of its own that waits for the end of a pipe whose other end we
//! alone hold. When it ends without our good-bye, the guardian kills every process of the run. It
//! knows them by three marks:
//!
//! 1. the process groups that we noted in a table the two share, one word per job;
//! 2. the run's name in their environment, which a process that left its group still carries;
//! 3. their parents: whatever descends from a process found so.
//!
//! It also shares our lock on the run, and lets go of it last: a resumed run begins when the jobs of
//! the killed one are gone, not before.
//!
//! The whole story: `docs/design/death.md`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use super::child::{Leads, Spawn, Spawner};
use super::environment::{carries, run_mark};
use super::tree::{Process, descendants_among, processes, signal_process};
use crate::template::Argv;

/// As the program's first argument: be the guardian of the run named by the second.
pub const GUARDIAN_ARG: &str = "__guardian";

/// What the guardian is called in lists of processes. Not our own name: whoever kills by name
/// (`pkill paceline`) wants the jobs dead too, and it sees to that.
const PROCESS_NAME: &std::ffi::CStr = c"pl-guardian";

/// The last word of a run that ended by itself.
const GOOD_BYE: u8 = b'.';

/// Our end of the guardian.
pub struct Guardian {
    lifeline: File,
    groups: File,
    pid: i32,
    run: String,
}

impl Guardian {
    /// Starts the guardian. `run_lock` is shared with it until it is done.
    pub fn start(run_lock: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        let run = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let groups = File::from(rustix::fs::memfd_create(
            "paceline-groups",
            MemfdFlags::CLOEXEC,
        )?);
        let third = match run_lock {
            Some(lock) => lock.try_clone_to_owned()?,
            None => OwnedFd::from(File::options().write(true).open("/dev/null")?),
        };
        let mut argv = Argv::new();
        argv.push(PROCESS_NAME.to_bytes());
        argv.push(GUARDIAN_ARG.as_bytes());
        argv.push(run.as_bytes());
        let mut pointers = Vec::new();
        argv.pointers(&mut pointers);
        // Three descriptors under the numbers that every program has open, and no environment, so
        // that it does not carry the mark of a run that we may be a job of.
        let pid = Spawner::new()?.spawn(&Spawn {
            program: c"/proc/self/exe",
            argv: &pointers,
            envp: &[std::ptr::null()],
            stdin: read_end.as_fd(),
            stdout: Some(groups.as_fd()),
            stderr: Some(third.as_fd()),
            directory: Some(c"/"),
            nice: 0,
            open_files: None,
            handled_signals: &[],
            leads: Leads::Session,
        })?;
        Ok(Self {
            lifeline: File::from(write_end),
            groups,
            pid,
            run,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The run's name, which jobs carry in their environment.
    pub fn run_name(&self) -> &str {
        &self.run
    }

    /// Notes the process group of the job in `slot` (counted from 0), or with 0 that it is gone.
    pub(crate) fn note(&self, slot: usize, group: i32) {
        // Memory of our own: a failure could only mean that none is left, and the two other marks
        // still hold.
        let _ = self
            .groups
            .write_all_at(&group.to_ne_bytes(), (slot * 4) as u64);
    }

    /// Ends the guardian and waits until it is gone: what still runs was left running on purpose.
    pub fn dismiss(self) {
        let said = rustix::io::write(&self.lifeline, &[GOOD_BYE]);
        if let (Ok(1), Some(pid)) = (said, Pid::from_raw(self.pid)) {
            // Left to others, it would be a zombie where init does not reap, as in many containers.
            while matches!(
                rustix::process::waitpid(Some(pid), WaitOptions::empty()),
                Err(Errno::INTR)
            ) {}
        }
    }
}

/// The guardian's whole life, in its own process.
pub fn guard(run: &str) -> ExitCode {
    // Nothing that is meant for the run's terminal or process group reaches its session; what is sent
    // to it alone does not end it either.
    let _ = rustix::thread::set_name(PROCESS_NAME);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        let _ = signal_hook::flag::register(signal, std::sync::Arc::default());
    }
    let mut word = [0];
    let mut lifeline = io::stdin();
    let farewell = loop {
        match lifeline.read(&mut word) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    if matches!(farewell, Ok(1)) && word[0] == GOOD_BYE {
        return ExitCode::SUCCESS;
    }
    let groups = noted_groups();
    kill_all(run, &groups, Instant::now() + Duration::from_secs(30));
    ExitCode::SUCCESS
}

fn noted_groups() -> Vec<i32> {
    let Ok(table) = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(|fd: OwnedFd| File::from(fd))
    else {
        return Vec::new();
    };
    let length = table.metadata().map_or(0, |m| m.len()) as usize;
    let mut bytes = vec![0; length];
    if table.read_exact_at(&mut bytes, 0).is_err() {
        return Vec::new();
    }
    bytes
        .chunks_exact(4)
        .filter_map(|word| word.try_into().ok().map(i32::from_ne_bytes))
        .filter(|group| *group > 1)
        .collect()
}

/// Kills until nothing is left: a process may be forking while we look.
fn kill_all(run: &str, groups: &[i32], deadline: Instant) {
    let mark = run_mark(run);
    while Instant::now() < deadline {
        let targets = targets(&processes(), groups, &mark);
        if targets.is_empty() {
            return;
        }
        for pid in targets {
            signal_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn targets(all: &[Process], groups: &[i32], mark: &[u8]) -> Vec<i32> {
    let ours = std::process::id().cast_signed();
    let marked: Vec<i32> = all
        .iter()
        .filter(|process| process.pid != ours)
        .filter(|process| groups.contains(&process.group) || carries(process.pid, &[mark]))
        .map(|process| process.pid)
        .collect();
    let mut targets: Vec<i32> = all
        .iter()
        .filter(|p| !p.is_zombie && marked.contains(&p.pid))
        .map(|p| p.pid)
        .collect();
    targets.extend(descendants_among(all, &marked));
    // A job may itself be a run of ours, whose guardian has work to do now.
    targets.retain(|pid| *pid != ours && !is_guardian(*pid));
    targets
}

/// Whether a process is the guardian of some run.
pub(super) fn is_guardian(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.trim_ascii() == PROCESS_NAME.to_bytes())
}
