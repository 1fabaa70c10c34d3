//! Whom to watch: a program to be started, or a process that runs already.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ExitStatus};

use paceline_observe::watch::{AttachError, Options, Scope, Watcher};
use paceline_run::input::display_joined;
use paceline_run::spawn::{find_program, raise_open_files};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::course::Relation;
use super::trampoline::{Held, Released};
use crate::exit::{BROKEN, Code, Failure};

/// We may stand below what we watch, as with `--pid` and the shell that we were typed into.
fn ourselves() -> i32 {
    process::id().cast_signed()
}

/// How to watch, without looking at this one process of ours.
pub(super) fn but_for(pid: i32) -> Options {
    let mut options = Options::default();
    options.leave_out.push(pid);
    options
}

/// Whom a verdict is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) pid: i32,
    /// Its name and its arguments; not text, and of any length.
    pub(super) words: Vec<OsString>,
}

/// A program or a process.
pub(super) struct Target {
    pub(super) subject: Subject,
    started: Option<Released>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
}

impl Target {
    /// Starts a program and watches it from its first instruction on. The program gets all that we got:
    /// our streams, our directory, our environment, our place in the terminal.
    pub(super) fn start(words: Vec<OsString>) -> Result<(Self, Watcher), Failure> {
        let name = words.first().map_or(OsStr::new(""), OsString::as_os_str);
        let path = std::env::var_os("PATH");
        let file = find_program(name.as_bytes(), path.as_deref(), None).map_err(|error| {
            let looks_like_script = name.as_bytes().contains(&b' ');
            Failure {
                code: Code(error.exit_code()),
                message: error.to_string(),
                hint: Some(if looks_like_script {
                    "this is one word; give a program and its arguments as words, or a shell: sh -c '…'; nothing was run".to_owned()
                } else {
                    "check the spelling and PATH; nothing was run".to_owned()
                }),
            }
        })?;
        let file = OsString::from_vec(file.into_bytes());
        let held = Held::start(&file, &words).map_err(|error| cannot_start(name, &error))?;
        let pid = held.pid();
        // After the program has got its own limit: many threads are many files to us.
        raise_open_files();
        let mut options = but_for(ourselves());
        options.starting = true;
        let watcher = match Watcher::attach(pid, Scope::Tree, options) {
            Ok(watcher) => watcher,
            Err(error) => {
                held.give_up();
                let message = format!("cannot watch the program, so it was not run: {error}");
                return Err(Failure::new(BROKEN, message));
            }
        };
        let released = held.release().map_err(|error| cannot_start(name, &error))?;
        let_go_of_streams();
        let target = Self {
            subject: Subject { pid, words },
            started: Some(released),
        };
        Ok((target, watcher))
    }

    /// Watches a process that runs already.
    pub(super) fn attach(pid: i32) -> Result<(Self, Watcher), Failure> {
        raise_open_files();
        if let Some(process) = process_of_thread(pid) {
            return Err(Failure::usage(
                format!("{pid} is a thread of process {process}"),
                format!("watch the whole process: --pid {process}"),
            ));
        }
        if is_zombie(pid) {
            return Err(Failure::usage(
                format!("process {pid} has ended and only waits for its parent to take note of it"),
                "there is nothing left to watch",
            ));
        }
        let watcher = Watcher::attach(pid, Scope::Tree, but_for(ourselves()))
            .map_err(|error| refused(&error))?;
        let target = Self {
            subject: Subject {
                pid,
                words: words_of(pid),
            },
            started: None,
        };
        Ok((target, watcher))
    }

    pub(super) fn relation(&self) -> Relation {
        match self.started {
            Some(_) => Relation::Started,
            None => Relation::Attached,
        }
    }

    /// Whether the program that we started has ended. It stays in the process table, with its last
    /// counts, until [`reap`](Self::reap).
    pub(super) fn has_ended(&self) -> bool {
        let Some(pid) = self.started.as_ref().and(Pid::from_raw(self.subject.pid)) else {
            return false;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let ended =
            rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), options));
        // An error means that somebody else has reaped it.
        !matches!(ended, Ok(None))
    }

    /// Takes it out of the process table.
    pub(super) fn reap(&mut self) -> Result<Option<Exit>, Failure> {
        let Some(started) = &mut self.started else {
            return Ok(None);
        };
        let status = started.child.wait().map_err(|error| {
            Failure::new(BROKEN, format!("cannot wait for the program: {error}"))
        })?;
        if let Some(error) = started.failure() {
            let name = self.subject.words.first();
            return Err(cannot_start(
                name.map_or(OsStr::new(""), OsString::as_os_str),
                &error,
            ));
        }
        Ok(Some(Exit::of(status)))
    }

    /// Sends a signal to the program that we started.
    pub(super) fn signal(&self, signal: i32) {
        let pid = self.started.as_ref().and(Pid::from_raw(self.subject.pid));
        if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
            // It may have ended, but has not been reaped: no other process has its number.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Whether somebody has stopped it, as with Ctrl-Z.
    pub(super) fn is_stopped(&self) -> bool {
        status_field(self.subject.pid, "State:").is_some_and(|state| state.starts_with('T'))
    }
}

impl Exit {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or(0)),
        }
    }

    /// What we end with after it.
    pub(super) fn code(self) -> Code {
        match self {
            Self::Code(code) => Code(u8::try_from(code).unwrap_or(u8::MAX)),
            Self::Signal(signal) => Code::of_signal(signal),
        }
    }
}

/// The program alone holds its streams now: when it closes them, whoever is at their other end sees it.
fn let_go_of_streams() {
    let null = fs::File::options().read(true).write(true).open("/dev/null");
    if let Ok(null) = null {
        // If this fails, they stay open until we end.
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

fn cannot_start(name: &OsStr, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    };
    Failure {
        code: Code(code),
        message: format!(
            "cannot be executed ({error}): {}",
            display_joined(name.as_bytes())
        ),
        hint: Some("nothing was run".to_owned()),
    }
}

fn refused(error: &AttachError) -> Failure {
    let hint = match error {
        AttachError::Gone { .. } => "find it with ps or pgrep; it may have ended meanwhile",
        AttachError::NotPermitted { .. } => "watch it as its owner or as root, e.g. with sudo",
        AttachError::KernelThread { .. } => {
            "only programs can be watched; name one of those that give the kernel its work"
        }
        _ => "check that /proc is mounted and that the process still runs",
    };
    Failure::usage(error, hint)
}

/// The process that `pid` is a thread of, if it is not a process itself.
fn process_of_thread(pid: i32) -> Option<i32> {
    let process = status_field(pid, "Tgid:")?.parse().ok()?;
    (process != pid).then_some(process)
}

/// Whether nothing of it runs any more: its first thread may end before others.
fn is_zombie(pid: i32) -> bool {
    status_field(pid, "State:").is_some_and(|state| state.starts_with('Z'))
        && status_field(pid, "Threads:").is_none_or(|threads| threads == "1")
}

fn status_field(pid: i32, name: &str) -> Option<String> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    // The name in the first line may be any bytes.
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

fn words_of(pid: i32) -> Vec<OsString> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    // A program that renames itself leaves NUL bytes behind.
    let end = line
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    line[..end]
        .split(|byte| *byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_told_from_its_process() {
        let own = std::process::id().cast_signed();
        assert_eq!(process_of_thread(own), None);
        let thread = std::thread::spawn(|| rustix::thread::gettid().as_raw_nonzero().get());
        let ended = thread.join().expect("ends");
        // The kernel takes it away a moment after it can be joined.
        while process_of_thread(ended).is_some() {
            std::thread::yield_now();
        }
        let this = rustix::thread::gettid().as_raw_nonzero().get();
        assert_eq!(process_of_thread(this), (this != own).then_some(own));
    }

    #[test]
    fn exits_become_codes() {
        assert_eq!(Exit::Code(0).code(), Code(0));
        assert_eq!(Exit::Code(255).code(), Code(255));
        assert_eq!(Exit::Signal(9).code(), Code(137));
        assert_eq!(Exit::of(ExitStatus::from_raw(3 << 8)), Exit::Code(3));
        assert_eq!(Exit::of(ExitStatus::from_raw(15)), Exit::Signal(15));
    }
}
