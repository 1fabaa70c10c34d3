//! A `lab-server` that tests have started, and requests to it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;

use paceline_lab::client::{Answer, get};
use serde_json::Value;

/// It is killed when it is dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts one on a free port.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lab-server"))
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = process.stdout.take().expect("it has a pipe");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it prints its port");
        let port: u16 = line.trim().parse().expect("that is a port");
        Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.url), &mut io::sink()).expect("it answers")
    }

    pub(crate) fn stats(&self) -> Value {
        let mut json = Vec::new();
        get(&format!("{}/stats", self.url), &mut json).expect("it answers");
        serde_json::from_slice(&json).expect("that is JSON")
    }

    /// Asks `clients` at once, each `times` one after another, and returns all answers.
    pub(crate) fn ask(&self, clients: usize, times: usize, path: &str) -> Vec<Answer> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..clients)
                .map(|_| scope.spawn(|| (0..times).map(|_| self.get(path)).collect::<Vec<_>>()))
                .collect();
            let answers = threads.into_iter().map(thread::ScopedJoinHandle::join);
            answers.flat_map(|one| one.expect("no panic")).collect()
        })
    }

    /// Asks without waiting for the answer.
    pub(crate) fn send(&self, path: &str) -> TcpStream {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        stream
    }

    /// Waits until so many are in service.
    pub(crate) fn until_in_flight(&self, count: u64) {
        while self.stats()["in_flight"] != count {
            thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
