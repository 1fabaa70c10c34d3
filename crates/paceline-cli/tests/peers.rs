//! Jobs that each talk to another machine are trusted with more at once than jobs of one server.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use paceline_observe::Sampler;
use serde_json::Value;
use support::Scratch;

/// What one server is trusted with before it has answered.
const TRUSTED: usize = 32;

/// Answers nobody until so many are connected; from then on, everybody at once.
struct Server {
    port: u16,
    connected: Arc<AtomicUsize>,
}

impl Server {
    fn answering_from(least: usize) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connected = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connected);
        std::thread::spawn(move || {
            let mut held: Vec<TcpStream> = Vec::new();
            for stream in listener.incoming() {
                held.extend(stream);
                if count.fetch_add(1, Ordering::SeqCst) + 1 >= least {
                    // Their end is the answer.
                    held.clear();
                }
            }
        });
        Self { port, connected }
    }
}

/// The kernel tells whom processes are connected to.
fn peers_can_be_seen() -> bool {
    let mut sampler = Sampler::new();
    let now = Instant::now();
    sampler.look([(std::process::id().cast_signed(), now)], now);
    let seen = sampler.peers().is_some();
    if !seen {
        println!("not tested: the kernel does not tell of sockets");
    }
    seen
}

fn asking(scratch: &Scratch, address: &str, port: u16, jobs: usize) -> Value {
    scratch
        .run()
        .args(["--summary", "summary.json", "--", "bash", "-c"])
        .arg(format!(
            "exec 3<>/dev/tcp/{address}/{port}; read -r -u 3; exit 0"
        ))
        .args(["job", "{}", ":::"])
        .args((1..=jobs).map(|n| n.to_string()))
        .end()
        .with_code(0);
    serde_json::from_str(&scratch.text("summary.json")).unwrap()
}

#[test]
fn many_peers_are_asked_at_once() {
    if !peers_can_be_seen() {
        return;
    }
    let scratch = Scratch::new();
    // No job ends before more have begun than one server would be trusted with.
    let server = Server::answering_from(TRUSTED + TRUSTED / 2);
    let summary = asking(&scratch, "127.0.3.$1", server.port, 120);
    assert_eq!(summary["jobs"]["done"], 120, "{summary}");
    assert_eq!(server.connected.load(Ordering::SeqCst), 120);
}

#[test]
fn one_peer_is_not() {
    if !peers_can_be_seen() {
        return;
    }
    let scratch = Scratch::new();
    let server = Server::answering_from(TRUSTED);
    let summary = asking(&scratch, "127.0.4.1", server.port, 120);
    assert_eq!(summary["jobs"]["done"], 120, "{summary}");
    let text = summary.to_string();
    assert!(text.contains("\"unproven\""), "{text}");
    assert!(!text.contains("\"many-peers\""), "{text}");
}
