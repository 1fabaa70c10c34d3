//! The example `web_server`, as one would run it: right answers, and 503 under overload.

mod example;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The server, which goes when this does.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(example::example("web_server", "tower"))
            .args(["--port", "0"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example was built with the tests");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .expect("an address")
            .to_owned();
        Self { child, address }
    }

    fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        .expect("it reads");
        stream
    }

    fn get(&self, path: &str) -> String {
        read(self.send(path))
    }

    fn metric(&self, name: &str) -> u64 {
        self.get("/metrics")
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .expect("it is among the metrics")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}

#[test]
fn it_answers_and_counts_right() {
    let server = Server::start(&["--max-wait-ms", "60000"]);
    assert!(server.get("/hello").ends_with("\r\n\r\nhello\n"));
    for (n, primes) in [
        (0, 0),
        (2, 1),
        (100, 25),
        (32_768, 3512),
        (1_000_000, 78_498),
    ] {
        let answer = server.get(&format!("/heavy?n={n}"));
        let expected = format!("{primes} primes up to {n}\n");
        assert!(answer.ends_with(&expected), "{answer}");
    }
    for wrong in ["/heavy?n=100000001", "/heavy?n=-1", "/heavy?n=x"] {
        assert!(server.get(wrong).starts_with("HTTP/1.1 400"), "{wrong}");
    }
}

#[test]
fn under_overload_it_sheds_and_does_what_it_accepted() {
    let server = Server::start(&["--threads", "1", "--queue", "2", "--max-wait-ms", "60000"]);
    let streams: Vec<_> = (0..40).map(|_| server.send("/heavy?n=2000000")).collect();
    let mut statuses = BTreeMap::<String, u64>::new();
    for answer in streams.into_iter().map(read) {
        let status = answer[9..12].to_owned();
        if status == "503" {
            assert!(answer.contains("\r\nretry-after: "), "{answer}");
        } else {
            assert!(
                answer.ends_with("148933 primes up to 2000000\n"),
                "{answer}"
            );
        }
        *statuses.entry(status).or_default() += 1;
    }
    assert_eq!(statuses.values().sum::<u64>(), 40, "{statuses:?}");
    assert!(statuses["200"] >= 2 && statuses["503"] >= 1, "{statuses:?}");
    assert_eq!(server.metric("offload_done_total"), statuses["200"]);
    assert_eq!(server.metric("offload_shed_total"), statuses["503"]);
}

#[test]
fn a_client_that_hangs_up_takes_its_work_along() {
    let server = Server::start(&["--threads", "1", "--queue", "100"]);
    let gone: Vec<_> = (0..4).map(|_| server.send("/heavy?n=100000000")).collect();
    while server.metric("offload_running") == 0 {
        std::thread::yield_now();
    }
    drop(gone);
    // Else this one would have to wait for all of them.
    loop {
        let (running, queued) = (
            server.metric("offload_running"),
            server.metric("offload_queued"),
        );
        if (running, queued) == (0, 0) {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(server.metric("offload_done_total"), 0);
}
