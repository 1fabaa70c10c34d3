//! The real jobs: exit codes, and what they take.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use crate::started::Server;

fn job(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab-job"))
        .args(arguments)
        .output()
        .expect("it starts")
}

fn fetch(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab-get"))
        .args(arguments)
        .output()
        .expect("it starts")
}

#[test]
fn the_exit_code_tells_what_the_server_said() {
    let server = Server::start(&["--size", "4"]);
    let done = fetch(&["--print", &server.url]);
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(done.stdout, b"xxxx");
    let done = fetch(&[&server.url]);
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(done.stdout, b"");
    // Not a thing the server knows how to do.
    let done = fetch(&[&format!("{}/work?dance=1", server.url)]);
    assert_eq!(done.status.code(), Some(1));

    let full = Server::start(&["--rate", "0.001", "--burst", "1", "--retry-after", "9"]);
    assert_eq!(fetch(&[&full.url]).status.code(), Some(0));
    let done = fetch(&[&full.url]);
    assert_eq!(done.status.code(), Some(75));
    assert_eq!(done.stderr, b"Retry-After: 9\n");

    let url = full.url.clone();
    drop(full);
    assert_eq!(fetch(&[&url]).status.code(), Some(1));
    assert_eq!(fetch(&[]).status.code(), Some(2));
}

#[test]
fn a_mix_waits_at_the_server() {
    let server = Server::start(&[]);
    let done = job(&["mix", "--cpu", "1", "--wait", "5", "--socket", &server.url]);
    assert!(done.status.success());
    assert_eq!(server.stats()["by_path"]["/work"]["served"], 1);
    let done = job(&["mix", "--cpu", "1", "--wait", "1", "--timer"]);
    assert!(done.status.success());
    let url = server.url.clone();
    drop(server);
    let done = job(&["mix", "--cpu", "1", "--wait", "5", "--socket", &url]);
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn burns_sleeps_and_holds() {
    for arguments in [
        &["burn", "5ms"][..],
        &["sleep", "1ms"],
        &["hold", "--bytes", "3M", "--seconds", "0.01"],
    ] {
        let done = job(arguments);
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
    assert_eq!(job(&["burn", "fast"]).status.code(), Some(2));
}

#[test]
fn reads_past_the_cache() {
    // On the disk that the build is on, since not every temporary directory is on one.
    let mut file =
        tempfile::NamedTempFile::new_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a file");
    let path = file.path().to_str().expect("UTF-8").to_owned();
    let read = ["read-direct", &path, "--bytes", "1M", "--block", "8k"];
    let done = job(&read);
    assert_eq!(done.status.code(), Some(1), "an empty file has no blocks");
    file.write_all(&vec![1; 64 << 10]).expect("there is room");
    let done = job(&read);
    let complaint = String::from_utf8_lossy(&done.stderr);
    if complaint.contains("Invalid argument") {
        eprintln!("skipped: this file system has no direct reads");
        return;
    }
    assert!(done.status.success(), "{complaint}");
    let sequential = [&read[..], &["--sequential"]].concat();
    assert!(job(&sequential).status.success());
    let odd = ["read-direct", &path, "--bytes", "1M", "--block", "1000"];
    let done = job(&odd);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("multiple of 4096"));
}
