//! A `paceline` to run: in a directory of its own, with a journal of its own, and watched for the
//! processes that it leaves behind.
#![allow(dead_code, reason = "each file of tests uses a part of it")]

pub(crate) mod program;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tempfile::TempDir;

/// Only a test that hangs waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A variable in the environment of everything that a test starts.
const MARK: &str = "PACELINE_TEST_MARK";

/// Where one test happens.
pub(crate) struct Scratch {
    directory: TempDir,
    mark: String,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("work")).unwrap();
        fs::create_dir(directory.path().join("tmp")).unwrap();
        Self {
            directory,
            mark: fresh_mark(),
        }
    }

    /// Where `paceline` runs. Its journal and its temporary files lie elsewhere.
    pub(crate) fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work().join(name)
    }

    /// A path beside the working directory.
    pub(crate) fn outside(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.outside("journal.db")
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// A shell script that can be run.
    pub(crate) fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.outside(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// What is in a file; nothing if it is not there.
    pub(crate) fn text(&self, name: impl AsRef<Path>) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8(bytes).unwrap()
    }

    /// What a file says, whatever width its lines were broken for.
    pub(crate) fn flowing(&self, name: impl AsRef<Path>) -> String {
        flowing(&self.text(name))
    }

    /// The lines of a file; none if it is not there.
    pub(crate) fn lines(&self, name: impl AsRef<Path>) -> Vec<String> {
        self.text(name).lines().map(str::to_owned).collect()
    }

    pub(crate) fn sorted_lines(&self, name: impl AsRef<Path>) -> Vec<String> {
        let mut lines = self.lines(name);
        lines.sort();
        lines
    }

    pub(crate) fn exists(&self, name: impl AsRef<Path>) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// The names in the working directory, sorted.
    pub(crate) fn names(&self) -> Vec<OsString> {
        let mut names: Vec<OsString> = fs::read_dir(self.work())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    /// `paceline` without a command yet.
    pub(crate) fn paceline(&self) -> Paceline {
        self.program(env!("CARGO_BIN_EXE_paceline"))
    }

    /// `paceline run`.
    pub(crate) fn run(&self) -> Paceline {
        self.paceline().arg("run")
    }

    /// A shell with this script, in which `$PACELINE` is the program.
    pub(crate) fn shell(&self, script: &str) -> Paceline {
        self.program("/bin/sh").arg("-c").arg(script)
    }

    fn program(&self, program: &str) -> Paceline {
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env("PACELINE", env!("CARGO_BIN_EXE_paceline"))
            .env("PACELINE_JOURNAL", self.journal())
            .env("TMPDIR", self.outside("tmp"))
            .env("HOME", self.outside("home"))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env_remove("XDG_STATE_HOME")
            .env(MARK, &self.mark);
        Paceline {
            command,
            input: Vec::new(),
            input_stays_open: false,
        }
    }

    /// What `paceline runs show RUN --json` prints.
    pub(crate) fn shown(&self, run: &str) -> Value {
        let output = self.paceline().args(["runs", "show", run, "--json"]).end();
        assert_eq!(output.code, Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The records of the newest run.
    pub(crate) fn records(&self) -> Vec<Record> {
        records_of(&self.shown("last"))
    }

    /// The processes that were started from here and live.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes_marked(&self.mark)
    }

    /// Waits until nothing that was started from here lives.
    pub(crate) fn wait_until_alone(&self) {
        wait_until_gone(&self.mark);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        kill_marked(&self.mark);
    }
}

/// A job as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) args: Vec<String>,
    pub(crate) state: String,
    pub(crate) exit_code: Option<i64>,
    pub(crate) signal: Option<i64>,
    pub(crate) timed_out: bool,
    pub(crate) attempts: u64,
}

pub(crate) fn records_of(shown: &Value) -> Vec<Record> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    shown["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| Record {
            args: record["args"]
                .as_array()
                .map(|args| args.iter().map(text).collect())
                .unwrap_or_default(),
            state: text(&record["state"]),
            exit_code: record["exit_code"].as_i64(),
            signal: record["signal"].as_i64(),
            timed_out: record["timed_out"].as_bool().unwrap(),
            attempts: record["attempts"].as_u64().unwrap(),
        })
        .collect()
}

/// A program about to be started.
pub(crate) struct Paceline {
    command: Command,
    input: Vec<u8>,
    input_stays_open: bool,
}

impl Paceline {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Another mark than that of the place.
    pub(crate) fn marked(self, mark: &str) -> Self {
        self.env(MARK, mark)
    }

    pub(crate) fn in_directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What it gets on standard input, which then ends.
    pub(crate) fn input(mut self, input: impl AsRef<[u8]>) -> Self {
        self.input = input.as_ref().to_vec();
        self
    }

    /// What it gets on standard input, which does not end: see [`Running::write`].
    pub(crate) fn open_input(mut self, input: impl AsRef<[u8]>) -> Self {
        self.input_stays_open = true;
        self.input(input)
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        let stdin = if self.input_stays_open {
            stdin.write_all(&input).unwrap();
            Some(stdin)
        } else {
            // It may end without having read all of it.
            thread::spawn(move || drop(stdin.write_all(&input)));
            None
        };
        Running {
            stdin,
            stdout: Caught::new(child.stdout.take().unwrap()),
            stderr: Caught::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Starts it and waits for its end.
    pub(crate) fn end(self) -> Output {
        self.start().end()
    }
}

/// A stream that is read as it comes.
struct Caught {
    so_far: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Caught {
    fn new(mut stream: impl Read + Send + 'static) -> Self {
        let so_far = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&so_far);
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                theirs.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { so_far, reader }
    }

    fn so_far(&self) -> Vec<u8> {
        self.so_far.lock().unwrap().clone()
    }

    fn ended(&self) -> bool {
        self.reader.is_finished()
    }
}

/// A program that was started.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Caught,
    stderr: Caught,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Writes more to standard input, which stays open.
    pub(crate) fn write(&mut self, input: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
    }

    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout(&self) -> Vec<u8> {
        self.stdout.so_far()
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.so_far()).into_owned()
    }

    pub(crate) fn stderr_bytes(&self) -> Vec<u8> {
        self.stderr.so_far()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until this is so, which it cannot become once the program has ended.
    pub(crate) fn wait_until(&mut self, what: &str, mut so: impl FnMut() -> bool) {
        wait_until(what, || {
            let ended = self.has_ended();
            let so = so();
            assert!(so || !ended, "ended before {what}: {}", self.stderr());
            so
        });
    }

    /// Waits for its end and for that of its streams.
    pub(crate) fn end(mut self) -> Output {
        let status = self.wait();
        wait_until("the streams have ended", || {
            self.stdout.ended() && self.stderr.ended()
        });
        Output {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }

    fn wait(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) {
            let mut handles = [PollFd::new(&handle, PollFlags::IN)];
            let patience = Timespec::try_from(PATIENCE).unwrap();
            let ended = poll(&mut handles, Some(&patience)).unwrap();
            assert!(
                ended == 1,
                "it hangs; it wrote {:?} and {}",
                String::from_utf8_lossy(&self.stdout()),
                self.stderr()
            );
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// How a program ended.
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text().lines().collect()
    }

    pub(crate) fn sorted_lines(&self) -> Vec<&str> {
        let mut lines = self.lines();
        lines.sort_unstable();
        lines
    }

    /// With this exit code, and nothing unless it is so.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 1000;
        let stdout = &self.stdout[..self.stdout.len().min(SHOWN)];
        let end = match (self.code, self.signal) {
            (Some(code), _) => format!("exit {code}"),
            (None, signal) => format!("signal {signal:?}"),
        };
        write!(
            f,
            "{end}\n--- stdout\n{}\n--- stderr\n{}",
            String::from_utf8_lossy(stdout),
            self.stderr
        )
    }
}

/// A process found in `/proc`.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) command: String,
}

/// A mark that no other test has.
pub(crate) fn fresh_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}-", std::process::id())
}

/// The living processes whose environment carries a mark. A zombie has none.
pub(crate) fn processes_marked(mark: &str) -> Vec<Process> {
    let variable = format!("{MARK}={mark}");
    processes(|pid| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
            environment
                .split(|b| *b == 0)
                .any(|found| found == variable.as_bytes())
        })
    })
}

/// The guardian of the `paceline` that has or had this process id.
pub(crate) fn guardians_of(pid: u32) -> Vec<Process> {
    let name = format!("{pid}-");
    processes(|guardian| {
        fs::read(format!("/proc/{guardian}/cmdline")).is_ok_and(|line| {
            let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
            words.get(1) == Some(&b"__guardian".as_slice())
                && words
                    .get(2)
                    .is_some_and(|run| run.starts_with(name.as_bytes()))
        })
    })
}

fn processes(of_interest: impl Fn(i32) -> bool) -> Vec<Process> {
    let ours = std::process::id().cast_signed();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != ours && of_interest(*pid))
        .map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            Process {
                pid,
                command: String::from_utf8_lossy(&line).replace('\0', " "),
            }
        })
        .collect()
}

/// Waits until no living process carries a mark.
#[track_caller]
pub(crate) fn wait_until_gone(mark: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = processes_marked(mark);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Kills what carries a mark.
pub(crate) fn kill_marked(mark: &str) {
    loop {
        let left = processes_marked(mark);
        if left.is_empty() {
            return;
        }
        for process in left {
            let _ = Pid::from_raw(process.pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

/// Waits until this is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A text, whatever width its lines were broken for.
pub(crate) fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
