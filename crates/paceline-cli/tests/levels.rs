//! What a run has learned about the level: remembered, listed, used again, forgotten.
#![allow(clippy::unwrap_used)]

mod support;

use rusqlite::Connection;
use serde_json::Value;
use support::{Output, Paceline, Scratch};

const JOB: &str = "sleep 0.01";

fn inputs() -> String {
    (0..300).map(|n| format!("{n}\n")).collect()
}

/// A run that finds a level.
fn run(scratch: &Scratch, flags: &[&str]) -> Output {
    let job = format!("{JOB}; : {{}}");
    let run = scratch.run().args(flags).arg(job);
    run.input(inputs()).end()
}

fn levels(scratch: &Scratch) -> Vec<Value> {
    let output = scratch.paceline().args(["levels", "--json"]).end();
    let all: Value = serde_json::from_slice(&output.with_code(0).stdout).unwrap();
    all.as_array().unwrap().clone()
}

fn listed(scratch: &Scratch, args: &[&str]) -> Output {
    paceline_levels(scratch).args(args).end()
}

fn paceline_levels(scratch: &Scratch) -> Paceline {
    scratch.paceline().arg("levels")
}

#[test]
fn what_a_run_has_learned_is_where_the_next_one_begins() {
    let scratch = Scratch::new();
    let first = run(&scratch, &[]).with_code(0);
    assert!(!first.stderr.contains("remembered"), "{first:?}");
    let known = levels(&scratch);
    assert_eq!(known.len(), 1);
    assert_eq!(known[0]["command"], format!("{JOB}; : {{}}"));
    assert_eq!(
        (&known[0]["runs"], &known[0]["source"]),
        (&1.into(), &"run".into())
    );
    let level = known[0]["level"].as_u64().unwrap();
    assert!(level >= 1);
    assert_eq!(known[0]["learned"]["level"], level);

    let summary = scratch.outside("summary.json");
    let second = run(&scratch, &["--summary", summary.to_str().unwrap()]).with_code(0);
    assert!(second.stderr.contains("  began at "), "{second:?}");
    assert!(
        second.stderr.contains("remembered from 1 run, on "),
        "{second:?}"
    );
    let told: Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    assert_eq!(told["level"]["remembered"], level);
    assert_eq!(levels(&scratch)[0]["runs"], 2);
}

#[test]
fn only_auto_begins_at_a_remembered_level() {
    let scratch = Scratch::new();
    run(&scratch, &["-q"]).with_code(0);
    let known = levels(&scratch);
    for flags in [["-j", "3"].as_slice(), &["--no-journal"], &["--dry-run"]] {
        let output = run(&scratch, flags).with_code(0);
        assert!(!output.stderr.contains("remembered"), "{output:?}");
        assert_eq!(levels(&scratch), known, "{flags:?}");
    }
}

#[test]
fn nothing_is_learned_from_failures_alone() {
    let scratch = Scratch::new();
    let job = format!("{JOB}; exit 1 {{}}");
    scratch.run().arg(job).input(inputs()).end().with_code(101);
    assert_eq!(levels(&scratch), Vec::<Value>::new());
}

#[test]
fn failures_do_not_replace_what_is_known() {
    let scratch = Scratch::new();
    let job = "test -e up || test {} = 7";
    scratch.write("up", "");
    scratch.run().arg(job).input(inputs()).end().with_code(0);
    let known = levels(&scratch);
    assert_eq!(known.len(), 1);
    std::fs::remove_file(scratch.path("up")).unwrap();
    scratch.run().arg(job).input(inputs()).end().with_code(101);
    assert_eq!(levels(&scratch), known);
}

#[test]
fn what_other_cores_taught_does_not_count() {
    let scratch = Scratch::new();
    run(&scratch, &["-q"]).with_code(0);
    let change = |sql: &str| {
        let connection = Connection::open(scratch.journal()).unwrap();
        assert_eq!(connection.execute(sql, ()).unwrap(), 1);
    };
    change("UPDATE levels SET cores = cores + 1");
    let output = run(&scratch, &[]).with_code(0);
    assert!(!output.stderr.contains("remembered"), "{output:?}");
    assert_eq!(levels(&scratch)[0]["runs"], 1, "counted from the start");
    // Written by a version that knows more.
    change("UPDATE levels SET learned = '{\"of\": \"the future\"}'");
    let output = run(&scratch, &[]).with_code(0);
    assert!(!output.stderr.contains("remembered"), "{output:?}");
}

#[test]
fn a_run_can_forget_and_learn_anew() {
    let scratch = Scratch::new();
    run(&scratch, &["-q"]).with_code(0);
    let output = run(&scratch, &["--forget"]).with_code(0);
    assert!(!output.stderr.contains("remembered"), "{output:?}");
    assert_eq!(levels(&scratch)[0]["runs"], 1);
    run(&scratch, &["-q", "--forget", "-j", "2"]).with_code(0);
    assert_eq!(levels(&scratch), Vec::<Value>::new());
    let refused = run(&scratch, &["--forget", "--no-journal"]).with_code(2);
    assert!(refused.stderr.contains("--no-journal"), "{refused:?}");
}

/// Levels as they may stand in a journal.
fn with_levels(scratch: &Scratch) {
    run(scratch, &["-q"]).with_code(0);
    let connection = Connection::open(scratch.journal()).unwrap();
    let curve = r#"{"level": 8, "changed_to": null, "settled": true, "limited_by": "peak", "busy_cores": 0.5,
        "mean_wall_seconds": 0.1, "job_bytes": 1000, "busy_above": null, "curve": [
        {"level": 1, "throughput": 10.0, "latency_seconds": 0.1, "jobs": 50},
        {"level": 8, "throughput": 70.0, "latency_seconds": 0.11, "jobs": 50},
        {"level": 16, "throughput": 60.0, "latency_seconds": 0.2, "jobs": 50}]}"#;
    let rows = [
        (1, "curl {}", "alpha", curve, 1_700_000_000_000_000_i64),
        (
            2,
            "convert {}\u{1b}[31m",
            "beta",
            "?",
            1_600_000_000_000_000,
        ),
    ];
    for (key, template, host, learned, at) in rows {
        connection
            .execute(
                "INSERT INTO levels VALUES (?1, ?2, ?3, 8, 'peak', ?4, 2.5, 1000, 3, 'run', ?5)",
                (vec![key; 16], host, template, learned, at),
            )
            .unwrap();
    }
}

#[test]
fn lists_the_newest_first_with_its_curve() {
    let scratch = Scratch::new();
    with_levels(&scratch);
    let output = listed(&scratch, &[]).with_code(0);
    let text = output.text();
    let place = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("{part}: {output:?}"))
    };
    assert!(place(JOB) < place("curl {}"), "{output:?}");
    assert!(
        place("curl {}") < place("convert {}\\u{1b}[31m"),
        "{output:?}"
    );
    place("level 8 on alpha with 2.5 cores, limited by peak");
    place("from 3 runs, the last on 2023-11-14 22:13");
    place("70.0/s |");
    place("this one cannot read the rest");
    assert!(text.is_ascii(), "{output:?}");
    let output = paceline_levels(&scratch).env("LC_ALL", "C.UTF-8").end();
    assert!(output.text().contains("70.0/s │"), "{output:?}");

    let words = |args: &[&str]| listed(&scratch, args).with_code(0).text().to_owned();
    assert!(words(&["curl"]).starts_with("curl {}\n"));
    assert!(!words(&["curl"]).contains("convert"));
    assert!(words(&["curl", "x"]).contains("no level is remembered"));
    assert!(words(&["--limit", "1"]).contains("and 2 more: --limit 3"));
    let all = levels(&scratch);
    let commands: Vec<&str> = all.iter().map(|l| l["command"].as_str().unwrap()).collect();
    assert_eq!(commands[1..], ["curl {}", "convert {}\u{1b}[31m"]);
    assert_eq!(all[1]["learned"]["curve"][1]["throughput"], 70.0);
    assert_eq!(all[2]["learned"], Value::Null);
}

#[test]
fn forgets_what_is_named() {
    let scratch = Scratch::new();
    with_levels(&scratch);
    let output = listed(&scratch, &["--forget"]).with_code(2);
    assert!(output.stderr.contains("--all"), "{output:?}");
    let output = listed(&scratch, &["--forget", "nothing like it"]).with_code(2);
    assert!(
        output.stderr.contains("no level is remembered"),
        "{output:?}"
    );
    let output = listed(&scratch, &["--forget", "{}"]).with_code(2);
    let said = "3 commands have \"{}\" in them; nothing was forgotten:";
    assert!(output.stderr.contains(said), "{output:?}");
    assert!(output.stderr.contains("\n    curl {}\n"), "{output:?}");
    assert_eq!(levels(&scratch).len(), 3);
    let output = listed(&scratch, &["--forget", "curl"]).with_code(0);
    assert_eq!(output.lines(), ["forgot level 8 of curl {}"]);
    assert_eq!(levels(&scratch).len(), 2);
    listed(&scratch, &["--forget", "--all"]).with_code(0);
    assert_eq!(levels(&scratch), Vec::<Value>::new());
    let output = listed(&scratch, &["--forget", "--all"]).with_code(0);
    assert_eq!(output.lines(), ["nothing to forget"]);
    let output = run(&scratch, &[]).with_code(0);
    assert!(!output.stderr.contains("remembered"), "{output:?}");
}

#[test]
fn forgets_the_command_that_is_named_wholly_or_all_that_match() {
    let scratch = Scratch::new();
    with_levels(&scratch);
    let change = "UPDATE levels SET template = 'curl {} {}' WHERE template LIKE 'convert%'";
    let connection = Connection::open(scratch.journal()).unwrap();
    assert_eq!(connection.execute(change, ()).unwrap(), 1);
    let output = listed(&scratch, &["--forget", "cur"]).with_code(2);
    assert!(output.stderr.contains("add --all"), "{output:?}");
    let output = listed(&scratch, &["--forget", "curl {}"]).with_code(0);
    assert_eq!(output.lines(), ["forgot level 8 of curl {}"]);
    let output = listed(&scratch, &["--forget", "--all", "{}"]).with_code(0);
    assert_eq!(output.lines().len(), 2, "{output:?}");
    assert_eq!(levels(&scratch), Vec::<Value>::new());
}

#[test]
fn nothing_yet_says_what_to_do() {
    let scratch = Scratch::new();
    let missing = listed(&scratch, &[]).with_code(2);
    assert!(
        missing.stderr.contains("there is no journal"),
        "{missing:?}"
    );
    let home = paceline_levels(&scratch).env("PACELINE_JOURNAL", "").end();
    assert!(home.with_code(0).text().contains("paceline tune"));
    scratch
        .run()
        .args(["-j", "1", "true", ":::", "1"])
        .end()
        .with_code(0);
    let none = listed(&scratch, &[]).with_code(0);
    assert!(none.text().starts_with("no levels yet: "), "{none:?}");
}
