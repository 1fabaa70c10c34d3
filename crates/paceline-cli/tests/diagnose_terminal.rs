//! `paceline diagnose` in a terminal: the keys reach the program, and the verdict may be in colour.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use support::{Scratch, flowing, wait_until};

/// A program in a terminal of its own.
struct InTerminal {
    keys: File,
    shown: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

impl InTerminal {
    fn start(scratch: &Scratch, variables: &[(&str, &str)], words: &[&str]) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let screen = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
        let stream = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        // Makes the terminal that of a new session.
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_paceline"), "diagnose"])
            .args(words)
            .current_dir(scratch.work())
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .stdin(stream(&screen))
            .stdout(stream(&screen))
            .stderr(stream(&screen))
            .spawn()
            .unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&shown);
        let keys = File::from(keys);
        let mut output = keys.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It fails when nobody has the terminal open any more.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                theirs.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { keys, shown, child }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits for its end, which comes after all that it shows.
    fn end(mut self, last: &str) -> (Option<i32>, String) {
        wait_until("it has said all", || self.shown().contains(last));
        let status = self.child.wait().unwrap();
        (status.code(), self.shown())
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CTRL_C: &[u8] = b"\x03";

/// Counts interrupts, and ends when it is let go.
const COUNTS: &str = "trap 'echo int >> ints' INT; touch begun; \
    until test -e go; do sleep 0.005; done; exit 4";

fn last_line() -> &'static str {
    "  cost        watching took"
}

#[test]
fn ctrl_c_reaches_the_program_once() {
    let scratch = Scratch::new();
    let mut terminal = InTerminal::start(&scratch, &[], &["--", "sh", "-c", COUNTS]);
    wait_until("it has begun", || scratch.exists("begun"));
    terminal.press(CTRL_C);
    wait_until("it was interrupted", || scratch.exists("ints"));
    wait_until("somebody explains", || {
        terminal.shown().contains("Ctrl-C again shows the verdict")
    });
    scratch.write("go", "");
    let (code, shown) = terminal.end(last_line());
    assert_eq!(code, Some(4), "{shown}");
    assert_eq!(scratch.lines("ints"), ["int"], "{shown}");
}

#[test]
fn ctrl_c_ends_a_program_that_does_not_care_and_shows_the_verdict_so_far() {
    let scratch = Scratch::new();
    let words = ["--", "sh", "-c", "touch begun; exec sleep 1000"];
    let mut terminal = InTerminal::start(&scratch, &[], &words);
    wait_until("it has begun", || scratch.exists("begun"));
    terminal.press(CTRL_C);
    let (code, shown) = terminal.end(last_line());
    assert_eq!(code, Some(130), "{shown}");
    // Its lines are broken to fit the terminal.
    assert!(
        flowing(&shown).contains("until it ended (SIGINT)"),
        "{shown}"
    );
}

#[test]
fn a_terminal_gets_colours_unless_it_is_told_not_to() {
    let scratch = Scratch::new();
    let words = ["--", "sh", "-c", "test -t 0 && test -t 1 && test -t 2"];
    let (code, shown) = InTerminal::start(&scratch, &[], &words).end(last_line());
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("\u{1b}[1mpaceline: "), "{shown:?}");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let (_, shown) = InTerminal::start(&scratch, &[variable], &words).end(last_line());
        assert!(shown.contains("paceline: "), "{shown:?}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}

#[test]
fn the_time_that_is_left_is_shown_for_what_runs_already() {
    let scratch = Scratch::new();
    let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = sleeper.id().to_string();
    let words = ["--duration", "300ms", "--pid", &pid, "-o", "v"];
    let mut terminal = InTerminal::start(&scratch, &[], &words);
    let code = terminal.child.wait().unwrap().code();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(code, Some(0));
    wait_until("it was shown", || {
        terminal.shown().contains("watching sleep 1000 (process")
    });
    assert!(scratch.text("v").ends_with('\n'));
}
