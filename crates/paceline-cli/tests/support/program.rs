//! Programs for tests to watch. The test's own binary, started once more, is one: so nothing needs to
//! be installed for it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::Paceline;

/// In the environment of a test binary that is to be a program: which.
const BE: &str = "PACELINE_TEST_BE";

/// What a test file must have as a test of this name, which calls [`be`].
const DOOR: &str = "be_a_program";

/// As the end of a command: the program of this name.
pub(crate) fn program(paceline: Paceline, name: &str) -> Paceline {
    let binary = std::env::current_exe().unwrap();
    paceline
        .env(BE, name)
        .arg(binary)
        .args([DOOR, "--exact", "--nocapture"])
}

/// Becomes the program that the environment names; nothing if it names none.
pub(crate) fn be() {
    match std::env::var(BE).as_deref() {
        Ok("server") => server(),
        Ok("threads") => threads(2000),
        Ok("odd-thread") => odd_thread(),
        Ok("memory") => memory(48, Duration::from_millis(600)),
        _ => {}
    }
}

/// Says that it has begun, and returns when it is let go.
fn until_let_go() {
    std::fs::write("begun", "").unwrap();
    while !Path::new("go").exists() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Many threads that wait.
fn threads(count: usize) {
    for _ in 0..count {
        thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(|| thread::sleep(Duration::from_secs(1000)))
            .unwrap();
    }
    until_let_go();
    std::process::exit(5);
}

/// A thread whose name is not for terminals, which waits for a file whose name is not either.
fn odd_thread() {
    let named = thread::Builder::new().name("t\n\u{1b}[31m".to_owned());
    named
        .spawn(|| std::fs::read("f\n\u{1b}[32m").unwrap())
        .unwrap();
    until_let_go();
    std::process::exit(0);
}

/// Holds so many MiB, which it takes bit by bit during the first half of the time.
fn memory(mib: u32, time: Duration) {
    let mut held = Vec::new();
    for _ in 0..mib {
        held.push(vec![1_u8; 1 << 20]);
        thread::sleep(time / 2 / mib);
    }
    thread::sleep(time / 2);
    std::hint::black_box(held);
    std::process::exit(0);
}

/// Answers requests, a thread each, and writes its port into a file.
fn server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::fs::write("port.new", port.to_string()).unwrap();
    std::fs::rename("port.new", "port").unwrap();
    for stream in listener.incoming() {
        thread::spawn(move || answer(stream.unwrap()));
    }
}

fn answer(mut stream: TcpStream) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        if line.is_empty() {
            thread::sleep(Duration::from_millis(1));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    }
}
