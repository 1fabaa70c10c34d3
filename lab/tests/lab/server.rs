//! The real server on real sockets: what it counts, what it rejects, and in which order it ends.

use std::fs;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use crate::started::Server;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn counts_what_it_serves() {
    let server = Server::start(&["--size", "200000", "--latency", "1ms", "--jitter", "1"]);
    let answers = server.ask(4, 5, "/a?x=1");
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| answer.body_bytes == 200_000));
    server.get("/b");
    let stats = server.stats();
    assert_eq!(stats["served"], 21);
    assert_eq!(stats["rejected"], 0);
    assert_eq!(stats["in_flight"], 0);
    assert_eq!(stats["by_path"]["/a"]["served"], 20);
    assert_eq!(stats["by_path"]["/b"]["served"], 1);
    let most = stats["max_in_flight"].as_u64().expect("a number");
    assert!((1..=4).contains(&most), "{most}");
}

#[test]
fn rejects_above_the_limit() {
    // The one that is let in stays for as long as the test needs.
    let server = Server::start(&[
        "--latency",
        "60s",
        "--reject-above",
        "1",
        "--retry-after",
        "7",
    ]);
    let inside = server.send("/in");
    server.until_in_flight(1);
    for answer in server.ask(3, 2, "/out") {
        assert_eq!(answer.status, 429);
        assert_eq!(answer.retry_after, Some(7));
    }
    // A client that goes away makes room.
    drop(inside);
    server.until_in_flight(0);
    let stats = server.stats();
    assert_eq!(stats["rejected"], 6);
    assert_eq!(stats["by_path"]["/out"]["rejected"], 6);
    assert_eq!(stats["abandoned"], 1);
    assert_eq!(stats["max_in_flight"], 1);
}

#[test]
fn those_in_service_share_the_capacity() {
    // Ten at a capacity of one take ten times as long as each would alone. A request elsewhere that
    // takes five times as long alone ends before them all.
    let shared = Server::start(&["--latency", "60ms", "--capacity", "1"]);
    let free = Server::start(&["--latency", "300ms"]);
    let (tell, order) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..10 {
            let tell = tell.clone();
            let shared = &shared;
            scope.spawn(move || {
                shared.get("/");
                tell.send("shared").expect("someone listens");
            });
        }
        shared.until_in_flight(10);
        free.get("/");
        tell.send("free").expect("someone listens");
    });
    let order: Vec<_> = order.iter().take(11).collect();
    assert_eq!(order[0], "free", "{order:?}");
}

#[test]
fn a_short_request_overtakes_a_long_one() {
    // A queue would serve the long one first, since it came first.
    let server = Server::start(&["--capacity", "1"]);
    let (tell, order) = mpsc::channel();
    thread::scope(|scope| {
        let (server, late) = (&server, tell.clone());
        scope.spawn(move || {
            server.get("/work?wait_ms=1000");
            late.send("long").expect("someone listens");
        });
        server.until_in_flight(1);
        for _ in 0..3 {
            server.get("/work?wait_ms=10&cpu_ms=1");
            tell.send("short").expect("someone listens");
        }
    });
    let order: Vec<_> = order.iter().take(4).collect();
    assert_eq!(order, ["short", "short", "short", "long"]);
}

#[test]
fn changes_after_a_count() {
    let server = Server::start(&["--change-at", "10:size=5,rate=0.001"]);
    let answers: Vec<_> = (0..12).map(|_| server.get("/")).collect();
    assert!(answers[..10].iter().all(|answer| answer.body_bytes == 3));
    // One more is let in: the bucket of a new rate is full.
    assert_eq!((answers[10].status, answers[10].body_bytes), (200, 5));
    assert_eq!(answers[11].status, 429);
}

#[test]
fn changes_after_a_time() {
    let server = Server::start(&["--size", "1", "--change-at", "50ms:size=2"]);
    assert_eq!(server.get("/").body_bytes, 1);
    while server.get("/").body_bytes == 1 {}
    assert_eq!(server.get("/").body_bytes, 2);
}

#[test]
fn a_rate_rejects_or_queues() {
    // One token in a thousand seconds: only the burst gets in.
    let server = Server::start(&["--rate", "0.001/s", "--burst", "5"]);
    let answers = server.ask(4, 5, "/");
    let served = answers.iter().filter(|answer| answer.is_success()).count();
    assert_eq!(served, 5);
    assert_eq!(answers.iter().filter(|answer| answer.is_busy()).count(), 15);

    let server = Server::start(&["--rate", "1000", "--burst", "1", "--rate-queue"]);
    let answers = server.ask(4, 10, "/");
    assert!(answers.iter().all(paceline_lab::client::Answer::is_success));
}

#[test]
fn ends_when_asked_after_what_is_in_work() {
    let folder = tempfile::tempdir().expect("a directory");
    let port_file = folder.path().join("port");
    let path = port_file.to_str().expect("UTF-8");
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&["--latency", "300ms", "--port-file", path]);
        let port = fs::read_to_string(&port_file).expect("it was written");
        assert!(server.url.ends_with(&format!(":{}", port.trim())));
        let pid = Pid::from_child(&server.process);
        let answer = thread::scope(|scope| {
            let asking = scope.spawn(|| server.get("/"));
            server.until_in_flight(1);
            kill_process(pid, signal).expect("it runs");
            asking.join().expect("no panic")
        });
        assert_eq!(answer.status, 200);
        let status = server.process.wait().expect("it is ours");
        assert!(status.success(), "{status}");
    }
}

#[test]
fn says_what_is_wrong() {
    for (flags, hint) in [
        (&["--change-at", "5:speed=9"][..], "latency, jitter"),
        (&["--usl", "1"], "0.02,0.0006"),
        (&["--usl-beyond-capacity"], "--capacity"),
        (&["--latency", "soon"], "50ms"),
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_lab-server"))
            .args(flags)
            .output()
            .expect("it starts");
        assert!(!done.status.success());
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(complaint.contains(hint), "{flags:?}: {complaint}");
    }
}
