//! Programs that make it hard: very many threads, very many children, very short, hostile names.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode};
use serde_json::Value;
use support::{Paceline, Scratch, program, wait_until};

#[test]
fn be_a_program() {
    program::be();
}

fn diagnose(scratch: &Scratch) -> Paceline {
    scratch.paceline().arg("diagnose")
}

fn verdict(scratch: &Scratch) -> Value {
    serde_json::from_str(&scratch.text("v")).unwrap()
}

#[test]
fn a_program_that_is_over_at_once() {
    let scratch = Scratch::new();
    let mut tries = 0;
    // A busy machine may not run it at once; then there is something to say.
    let verdict = loop {
        diagnose(&scratch)
            .args(["--format", "json", "-o", "v", "sleep", "0.005"])
            .end()
            .with_code(0);
        let verdict = verdict(&scratch);
        tries += 1;
        if verdict["wall_seconds"].as_f64().unwrap() < 0.05 {
            break verdict;
        }
        assert!(tries < 1000, "it never ends at once: {verdict:#}");
    };
    assert_eq!(verdict["cause"], "undetermined");
    assert!(verdict["sentence"].as_str().unwrap().contains("too short"));
    let advice = verdict["prescription"]["advice"].as_str().unwrap();
    assert!(
        advice.contains("longer") && advice.contains("inputs"),
        "{advice}"
    );
}

#[test]
fn two_thousand_threads() {
    let scratch = Scratch::new();
    let run = diagnose(&scratch).args(["--duration", "1s", "--format", "json", "-o", "v", "--"]);
    let mut running = program::program(run, "threads").start();
    running.wait_until("it has begun", || scratch.exists("begun"));
    running.wait_until("the verdict is there", || scratch.text("v").ends_with('\n'));
    scratch.write("go", "");
    running.end().with_code(5);
    // Some may have come after the time for watching.
    let attached = scratch
        .paceline()
        .args(["diagnose", "--format", "json", "-o", "w"]);
    let _ = std::fs::remove_file(scratch.path("go"));
    let _ = std::fs::remove_file(scratch.path("begun"));
    let plain = scratch.shell("exec \"$@\"").arg("sh");
    let mut plain = program::program(plain, "threads").start();
    plain.wait_until("it has begun", || scratch.exists("begun"));
    let id = plain.id().to_string();
    attached
        .args(["--duration", "1s", "--pid", &id])
        .end()
        .with_code(0);
    scratch.write("go", "");
    plain.end().with_code(5);
    let watched: Value = serde_json::from_str(&scratch.text("w")).unwrap();
    assert!(watched["threads"].as_u64().unwrap() >= 2000, "{watched:#}");
    assert!(
        watched["shares"]["sleep"].as_f64().unwrap() > 0.5,
        "{watched:#}"
    );
}

#[test]
fn ten_thousand_children() {
    let scratch = Scratch::new();
    let script = "i=0; while [ $i -lt 10000 ]; do (:); i=$((i+1)); done; echo $i; exit 4";
    let output = diagnose(&scratch)
        .args(["--format", "json", "-o", "v", "sh", "-c", script])
        .end()
        .with_code(4);
    assert_eq!(output.text(), "10000\n");
    let verdict = verdict(&scratch);
    assert!(verdict["processes"].as_u64().unwrap() > 10, "{verdict:#}");
}

#[test]
fn hostile_names_do_no_harm() {
    let scratch = Scratch::new();
    let name = "p\n\u{1b}[31m\u{7}";
    std::fs::copy("/bin/sleep", scratch.path(name)).unwrap();
    let fifo = scratch.path("f\n\u{1b}[32m");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    let child = "\"./$1\" 0.5";
    let first = diagnose(&scratch)
        .args(["sh", "-c", child, "x\u{1b}[2J", name])
        .end()
        .with_code(0);
    let run = diagnose(&scratch).args(["--duration", "500ms", "-o", "v", "--"]);
    let mut running = program::program(run, "odd-thread").start();
    running.wait_until("the verdict is there", || scratch.text("v").ends_with('\n'));
    scratch.write("go", "");
    running.end().with_code(0);
    for text in [first.stderr, scratch.text("v")] {
        assert!(text.contains("paceline: "), "{text}");
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    let mut odd = Command::new("sleep")
        .arg0("a\n\u{1b}[31m")
        .arg("1000")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let output = diagnose(&scratch)
        .args(["--duration", "200ms", "--pid", &odd.id().to_string()])
        .end();
    odd.kill().unwrap();
    odd.wait().unwrap();
    let text = output.with_code(0).text().to_owned();
    assert!(text.contains("a\\n\\u{1b}[31m 1000"), "{text}");
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}

#[test]
fn what_a_program_leaves_behind_is_not_waited_for() {
    let scratch = Scratch::new();
    let script = "(until test -e go; do sleep 0.005; done; touch gone) > /dev/null 2>&1 & exit 3";
    let output = diagnose(&scratch)
        .args(["sh", "-c", script])
        .end()
        .with_code(3);
    assert!(output.stderr.contains("(exit 3)"), "{output:?}");
    assert!(!scratch.exists("gone"));
    scratch.write("go", "");
    wait_until("it has gone on", || scratch.exists("gone"));
}
