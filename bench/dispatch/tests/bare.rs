//! `bare` as a program: every job runs once, with its number, and failures are told.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::{Command, Output};

fn bare(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bare"))
        .args(args)
        .output()
        .expect("bare starts")
}

#[test]
fn every_job_runs_once_with_its_number() {
    let output = bare(&["3", "40", "--", "/bin/sh", "-c", "echo $0", "{}"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("digits");
    let lines: Vec<u64> = text
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    assert_eq!(lines.len(), 40);
    assert_eq!(
        lines.into_iter().collect::<BTreeSet<_>>(),
        (1..=40).collect()
    );
}

#[test]
fn level_one_runs_them_in_order() {
    let output = bare(&["1", "9", "--", "/bin/sh", "-c", "printf $0", "{}"]);
    assert_eq!(output.stdout, b"123456789");
}

#[test]
fn jobs_read_nothing() {
    let full = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let output = Command::new(env!("CARGO_BIN_EXE_bare"))
        .args(["2", "2", "--", "/bin/sh", "-c", "wc -c", "{}"])
        .stdin(full.expect("the manifest opens"))
        .output()
        .expect("bare starts");
    let text = String::from_utf8(output.stdout).expect("digits");
    let counts: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(counts, ["0", "0"]);
}

#[test]
fn failed_jobs_are_counted() {
    let output = bare(&["2", "5", "--", "/bin/sh", "-c", "test $0 -ne 3", "{}"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).expect("text");
    assert!(told.contains("5 jobs at level 2"), "{told}");
    assert!(told.contains("1 failed"), "{told}");
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let output = bare(&["2", "5", "--", "/nonexistent/program"]);
    assert_eq!(output.status.code(), Some(2));
}
