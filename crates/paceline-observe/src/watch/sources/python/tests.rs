//! Against real interpreters.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// Prints the number of the thread that calls it, with a name.
const PRELUDE: &str = "\
import ctypes, sys, threading, time
number = getattr(threading, 'get_native_id', None) or (lambda: ctypes.CDLL(None).syscall(186))
def here(name):
    sys.stdout.write('%s %d\\n' % (name, number()))
    sys.stdout.flush()
";

struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    path: String,
    _folder: tempfile::TempDir,
}

impl Program {
    /// Runs a script; None where there is no Python: the test ends there, having said so.
    fn start(script: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = folder.path().join("app.py");
        fs::write(&path, format!("{PRELUDE}{script}")).expect("writes");
        let started = Command::new("python3")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            println!("not tested: no python3");
            return None;
        };
        let stdout = child.stdout.take().expect("is piped");
        Some(Self {
            child,
            lines: BufReader::new(stdout).lines(),
            path: path.to_str().expect("is text").to_owned(),
            _folder: folder,
        })
    }

    /// The next thread that says who it is.
    fn next(&mut self) -> (String, i32) {
        let line = self.lines.next().expect("speaks").expect("reads");
        let (who, tid) = line.split_once(' ').expect("name and number");
        (who.to_owned(), tid.parse().expect("is a number"))
    }

    fn tid(&mut self, name: &str) -> i32 {
        let (who, tid) = self.next();
        assert_eq!(who, name);
        tid
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The number of the line with this mark.
    fn line(&self, mark: &str) -> u32 {
        let text = fs::read_to_string(&self.path).expect("reads");
        let found = text.lines().position(|line| line.ends_with(mark));
        found.expect("is marked") as u32 + 1
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The stack of a thread once it fits; what never does hangs until the test is ended from outside. None
/// where it may not be read.
fn until(lines: &PythonLines, tid: i32, fits: impl Fn(&Stack) -> bool) -> Option<Arc<Stack>> {
    loop {
        if let Some(stack) = lines.latest(tid).filter(|stack| fits(stack)) {
            return Some(stack);
        }
        if let Source::Missing(reason) = lines.source() {
            println!("not tested: {reason}");
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn user_line(stack: &Stack) -> Option<(&str, u32)> {
    let line = stack.user.as_ref()?;
    Some((line.file.as_str(), line.line))
}

#[test]
fn every_thread_has_its_line_and_what_it_waits_for() {
    let script = "
lock = threading.Lock()
lock.acquire()
event = threading.Event()
try:
    import queue
except ImportError:
    import Queue as queue
empty = queue.Queue()
def sleeps():
    here('sleeps')
    time.sleep(600)  # sleeps
def locked():
    here('locked')
    with lock:  # locked
        pass
def waits():
    here('waits')
    event.wait()  # waits
def gets():
    here('gets')
    empty.get()  # gets
threads = []
for call in (sleeps, locked, waits, gets):
    thread = threading.Thread(target=call)
    thread.daemon = True
    thread.start()
    threads.append(thread)
    time.sleep(0.05)
here('main')
threads[0].join()  # main
";
    let Some(mut program) = Program::start(script) else {
        return;
    };
    let named = ["sleeps", "locked", "waits", "gets", "main"].map(|name| (name, program.tid(name)));
    let lines = PythonLines::start();
    assert_eq!(lines.source(), Source::NotNeeded);
    lines.watch(program.pid());
    let waits = [
        None,
        Some(WaitsFor::Lock),
        Some(WaitsFor::Condition),
        Some(WaitsFor::Queue),
        Some(WaitsFor::Join),
    ];
    for ((name, tid), waits_for) in named.into_iter().zip(waits) {
        let line = program.line(&format!("# {name}"));
        let fits = |stack: &Stack| user_line(stack) == Some((program.path.as_str(), line));
        let Some(stack) = until(&lines, tid, fits) else {
            return;
        };
        assert_eq!(stack.waits_for, waits_for, "{name}");
        assert_eq!(stack.event_loop, None, "{name}");
    }
    assert_eq!(lines.source(), Source::Used);
    assert!(lines.cpu() > Duration::ZERO);
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid()));
    assert!(status.expect("reads").contains("TracerPid:\t0"));

    lines.forget(program.pid());
    while lines.latest(named[0].1).is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(lines.source(), Source::Used);
}

#[test]
fn a_loop_polls_or_is_held_by_a_line() {
    let script = "
import asyncio
async def held():
    here('held')
    time.sleep(600)  # held
async def main():
    here('polls')
    await asyncio.sleep(1)
    await held()
asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())
";
    let Some(mut program) = Program::start(script) else {
        return;
    };
    let tid = program.tid("polls");
    let lines = PythonLines::start();
    lines.watch(program.pid());
    let doing = |stack: &Stack| stack.event_loop.map(|turn| turn.doing);
    let polls = |stack: &Stack| doing(stack) == Some(Doing::Polling);
    let Some(stack) = until(&lines, tid, polls) else {
        return;
    };
    assert_eq!(stack.event_loop.map(|turn| turn.name), Some("asyncio"));
    assert_eq!(stack.user, None);
    assert_eq!(program.tid("held"), tid);
    let line = program.line("# held");
    let held = until(&lines, tid, |stack| {
        user_line(stack) == Some((program.path.as_str(), line))
    });
    assert_eq!(doing(&held.expect("reads")), Some(Doing::Callback));
}

#[test]
fn the_holder_of_the_interpreters_lock_is_known() {
    let script = "
def spins():
    here('spins')
    while True: pass
def sleeps():
    here('sleeps')
    while True: time.sleep(0.001)
for call in (spins, sleeps):
    threading.Thread(target=call).start()
";
    let Some(mut program) = Program::start(script) else {
        return;
    };
    // Whoever comes first.
    let tids: HashMap<_, _> = [program.next(), program.next()].into();
    let (spins, sleeps) = (tids["spins"], tids["sleeps"]);
    let lines = PythonLines::start();
    lines.watch(program.pid());
    if until(&lines, spins, |stack| stack.owns_gil).is_some() {
        until(&lines, sleeps, |stack| !stack.owns_gil);
    }
}

#[test]
fn a_process_is_read_when_it_becomes_python_and_dropped_when_it_ends() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("app.py");
    fs::write(
        &path,
        format!("{PRELUDE}here('main')\nsys.stdin.readline()\n"),
    )
    .expect("writes");
    let script = format!("sleep 0.1; exec python3 {}", path.display());
    let started = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = started.expect("starts");
    let pid = child.id().cast_signed();
    let lines = PythonLines::start();
    lines.watch(pid);
    let stdout = child.stdout.take().expect("is piped");
    if BufReader::new(stdout).lines().next().is_none() {
        println!("not tested: no python3");
        let _ = child.wait();
        return;
    }
    // A machine that is slow to start it may take longer than it is waited for.
    lines.watch(pid);
    let read = until(&lines, pid, |_| true).is_some();
    drop(child.stdin.take());
    child.wait().expect("ends");
    if read {
        while lines.latest(pid).is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn other_programs_need_no_python() {
    let mut child = Command::new("sleep").arg("60").spawn().expect("starts");
    let lines = PythonLines::start();
    lines.watch(child.id().cast_signed());
    lines.watch(i32::MAX);
    lines.forget(1);
    // It has looked at the program at least once when it has worked at all.
    while lines.cpu() == Duration::ZERO {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(lines.source(), Source::NotNeeded);
    assert_eq!(lines.latest(child.id().cast_signed()), None);
    child.kill().expect("ends");
    let _ = child.wait();
}

#[test]
fn the_thread_ends_with_its_owner() {
    let lines = PythonLines::start();
    lines.watch(std::process::id() as i32);
    let shared = Arc::clone(&lines.shared);
    drop(lines);
    assert_eq!(Arc::strong_count(&shared), 1);
}
