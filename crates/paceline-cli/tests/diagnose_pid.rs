//! What runs already is watched and left as it is, or refused with a word on what to do.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Output, Paceline, Scratch, flowing, program, wait_until};

#[test]
fn be_a_program() {
    program::be();
}

fn attach(scratch: &Scratch, pid: impl ToString) -> Paceline {
    scratch
        .paceline()
        .args(["diagnose", "--pid", &pid.to_string()])
}

/// A process that ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        Self(command.arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn refused(output: Output, what: &str, hint: &str) {
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(output.text(), "", "{output:?}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{output:?}");
    assert!(
        lines[0].starts_with("paceline: ") && lines[0].contains(what),
        "{output:?}"
    );
    assert!(
        lines[1].starts_with("  hint: ") && lines[1].contains(hint),
        "{output:?}"
    );
}

#[test]
fn the_verdict_is_what_standard_output_has() {
    let scratch = Scratch::new();
    let sleeper = Sleeper::start();
    let output = attach(&scratch, sleeper.pid())
        .args(["--duration", "300ms"])
        .end()
        .with_code(0);
    assert_eq!(output.stderr, "");
    assert!(output.text().starts_with("paceline: "), "{output:?}");
    assert!(
        flowing(output.text()).contains("sleep 1000 (process "),
        "{output:?}"
    );
    assert!(flowing(output.text()).contains("it goes on"), "{output:?}");
    assert_eq!(sleeper.state(), 'S');

    let output = attach(&scratch, sleeper.pid())
        .args(["--duration", "300ms", "--format", "json"])
        .end()
        .with_code(0);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["ending"], "time-up");
    assert_eq!(verdict["program"]["pid"], sleeper.pid());
    assert!(verdict["program"]["exit_code"].is_null());
    assert_eq!(verdict["cause"], "timer");
}

#[test]
fn what_ends_while_it_is_watched_is_told_at_once() {
    let scratch = Scratch::new();
    let sleeper = Sleeper::start();
    let mut running = attach(&scratch, sleeper.pid())
        .args(["--duration", "1000s", "-o", "v"])
        .start();
    running.wait_until("it watches", || {
        watches(running_id(&scratch), sleeper.pid())
    });
    drop(sleeper);
    running.end().with_code(0);
    assert!(scratch.flowing("v").contains("until it ended"));
}

#[test]
fn an_interrupt_shows_the_verdict_so_far() {
    let scratch = Scratch::new();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let sleeper = Sleeper::start();
        let mut running = attach(&scratch, sleeper.pid())
            .args(["--duration", "1000s"])
            .start();
        running.wait_until("it watches", || {
            watches(running_id(&scratch), sleeper.pid())
        });
        running.signal(signal);
        let output = running.end().with_code(code);
        assert!(
            flowing(output.text()).contains("until you stopped it"),
            "{output:?}"
        );
        assert_eq!(sleeper.state(), 'S');
    }
}

/// The `paceline` of this test.
fn running_id(scratch: &Scratch) -> Option<i32> {
    let processes = scratch.processes();
    let found = processes
        .iter()
        .find(|process| process.command.contains("diagnose"));
    found.map(|process| process.pid)
}

/// Whether it has a file of the other open.
fn watches(watcher: Option<i32>, watched: i32) -> bool {
    let Some(watcher) = watcher else {
        return false;
    };
    let Ok(files) = fs::read_dir(format!("/proc/{watcher}/fd")) else {
        return false;
    };
    let folder = format!("/proc/{watched}/");
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|file| file.to_string_lossy().starts_with(&folder))
}

#[test]
fn a_stopped_process_stays_stopped() {
    let scratch = Scratch::new();
    let sleeper = Sleeper::start();
    sleeper.signal(Signal::STOP);
    wait_until("it is stopped", || sleeper.state() == 'T');
    let output = attach(&scratch, sleeper.pid())
        .args(["--duration", "300ms"])
        .end()
        .with_code(0);
    assert!(
        output.stderr.contains("is stopped and will do nothing"),
        "{output:?}"
    );
    assert!(output.text().contains("\n  cause  "), "{output:?}");
    assert_eq!(sleeper.state(), 'T');
}

#[test]
fn a_process_that_is_gone() {
    let scratch = Scratch::new();
    let gone = Sleeper::start().pid();
    refused(attach(&scratch, gone).end(), "there is no process", "ps");
    let never = i32::MAX;
    refused(attach(&scratch, never).end(), "there is no process", "ps");
}

#[test]
fn a_process_that_has_ended_and_was_not_waited_for() {
    let scratch = Scratch::new();
    let sleeper = Sleeper::start();
    sleeper.signal(Signal::KILL);
    wait_until("it is a zombie", || sleeper.state() == 'Z');
    refused(
        attach(&scratch, sleeper.pid()).end(),
        "has ended",
        "nothing left",
    );
}

#[test]
fn a_thread_of_the_kernel() {
    if !fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        eprintln!("skipped: no thread of the kernel is seen from here");
        return;
    }
    let scratch = Scratch::new();
    refused(
        attach(&scratch, 2).end(),
        "thread of the kernel",
        "programs",
    );
}

#[test]
fn a_thread_of_a_process() {
    let scratch = Scratch::new();
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get())
            .unwrap();
        let _ = ended.recv();
    });
    let thread_id = told.recv().unwrap();
    let process = std::process::id();
    let refusal = attach(&scratch, thread_id).end();
    drop(end);
    thread.join().unwrap();
    refused(
        refusal,
        &format!("is a thread of process {process}"),
        &format!("--pid {process}"),
    );
}

#[test]
fn a_process_of_somebody_else() {
    let sleeper = Sleeper::start();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    // Where nobody may go: the scratch directory is ours alone.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let ours = place.path().join("paceline");
    fs::copy(env!("CARGO_BIN_EXE_paceline"), &ours).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&ours)
        .args(["diagnose", "--pid", &sleeper.pid().to_string()])
        .current_dir("/")
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: there is no setpriv");
        return;
    };
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("may not be watched"), "{said}");
    assert!(said.contains("root"), "{said}");
}

#[test]
fn we_are_not_part_of_what_we_watch() {
    let scratch = Scratch::new();
    // The shell waits for us, and we stand below it.
    let output = scratch
        .shell("\"$PACELINE\" diagnose --pid $$ --duration 400ms --format json; exit $?")
        .end()
        .with_code(0);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["processes"], 1, "{verdict:#}");
}

/// A client that asks again and again, on new and on kept connections; every answer must be right.
fn client(port: u16, stop: &AtomicBool, answers: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..20 {
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "HTTP/1.1 200 OK\r\n");
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
            }
            let mut body = [0; 5];
            reader.read_exact(&mut body).unwrap();
            assert_eq!(&body, b"hello");
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_server_goes_on_serving() {
    let scratch = Scratch::new();
    let nothing = scratch.shell("exec \"$@\"").arg("sh");
    let server = program::program(nothing, "server").start();
    wait_until("it listens", || scratch.exists("port"));
    let port = scratch.text("port").parse().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            thread::spawn(move || client(port, &stop, &answers))
        })
        .collect();
    wait_until("it answers", || answers.load(Ordering::Relaxed) > 10);
    let before = answers.load(Ordering::Relaxed);
    let output = attach(&scratch, server.id())
        .args(["--duration", "3s", "--format", "json"])
        .end()
        .with_code(0);
    let during = answers.load(Ordering::Relaxed) - before;
    wait_until("it answers after it", || {
        answers.load(Ordering::Relaxed) > before + during + 10
    });
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no client saw an error");
    }
    assert!(during > 100, "{during} answers");
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["ending"], "time-up");
    assert!(verdict["threads"].as_u64().unwrap() > 4, "{verdict:#}");
    server.signal(Signal::TERM);
    let output = server.end();
    assert_eq!(output.signal, Some(15), "{output:?}");
}
