//! A command is measured at rising levels: what is counted, where it stops, what is remembered.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::Value;
use support::{Output, Paceline, Scratch, wait_until};

/// A job that takes a while and leaves its input behind.
const JOB: &str = "echo {} >> ran; sleep 0.01";

fn tune(scratch: &Scratch, flags: &[&str]) -> Paceline {
    scratch.paceline().arg("tune").args(flags)
}

fn numbers(count: usize) -> String {
    (0..count).map(|n| format!("{n}\n")).collect()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn levels_of(found: &Value) -> Vec<u64> {
    let levels = found["levels"].as_array().unwrap().iter();
    levels
        .map(|level| level["level"].as_u64().unwrap())
        .collect()
}

fn remembered(scratch: &Scratch) -> Vec<Value> {
    let output = scratch.paceline().args(["levels", "--json"]).end();
    let all: Value = json(&output.with_code(0));
    all.as_array().unwrap().clone()
}

#[test]
fn measures_rising_levels_and_remembers_the_best() {
    let scratch = Scratch::new();
    let flags = ["--seconds", "0.2", "--max-level", "8", "--json", JOB];
    let output = tune(&scratch, &flags)
        .input(numbers(2000))
        .end()
        .with_code(0);
    let found = json(&output);
    let levels = levels_of(&found);
    assert!(levels.starts_with(&[1, 2, 4]), "{found:#}");
    assert!(levels.iter().all(|level| *level <= 8), "{found:#}");
    for level in found["levels"].as_array().unwrap() {
        let of = |key: &str| level[key].as_f64().unwrap();
        assert!(of("jobs") >= (2.0 * of("level")).max(8.0), "{level:#}");
        assert!(of("time_s") >= 0.2 && of("jobs_per_s") > 0.0, "{level:#}");
        assert!(
            of("error_jobs_per_s") >= 0.0 && of("cores_used") > 0.0,
            "{level:#}"
        );
        assert!(of("peak_rss_bytes") > 100_000.0, "{level:#}");
        let wall = |key: &str| level["wall_s"][key].as_f64().unwrap();
        assert!(
            0.01 <= wall("p50") && wall("p50") <= wall("p95"),
            "{level:#}"
        );
        assert_eq!((of("failed"), of("busy")), (0.0, 0.0), "{level:#}");
    }
    let jobs = |key: &str| found[key].as_u64().unwrap() as usize;
    let ran = scratch.lines("ran");
    assert_eq!(ran.len(), jobs("jobs"), "every job is told of");
    assert_eq!(
        ran.iter().collect::<HashSet<_>>().len(),
        ran.len(),
        "each input once"
    );
    assert!(jobs("jobs") < 2000 && jobs("jobs_between_levels") < jobs("jobs"));
    assert_eq!(found["remembered"], true);
    assert!(found["law"]["lambda"].as_f64().unwrap() > 0.0);

    let known = remembered(&scratch);
    assert_eq!(known.len(), 1);
    assert_eq!(known[0]["level"], found["level"]);
    assert_eq!(
        (&known[0]["source"], &known[0]["runs"]),
        (&"tune".into(), &0.into())
    );
    assert_eq!(known[0]["limited_by"], found["limited_by"]);
    let curve = known[0]["learned"]["curve"].as_array().unwrap();
    assert_eq!(curve.len(), levels.len());
    let listed = scratch.paceline().arg("levels").end().with_code(0);
    assert!(listed.text().contains("/s |"), "{listed:?}");
    assert!(listed.text().contains("tuned on "), "{listed:?}");
    let run = scratch.run().arg(JOB).input(numbers(50)).end().with_code(0);
    assert!(run.stderr.contains("remembered tuned on "), "{run:?}");
}

#[test]
fn the_report_says_it_in_words() {
    let scratch = Scratch::new();
    let flags = ["--levels", "1,2,4", "--sample", "10", JOB];
    let output = tune(&scratch, &flags)
        .input(numbers(200))
        .end()
        .with_code(0);
    let text = output.text();
    for part in [
        "LEVEL",
        "JOBS/S",
        "P95",
        "QUEUED",
        "PEAK RSS",
        "FAILED",
        "  level  ",
        "  limit  ",
        "lambda ",
        "sigma ",
        "kappa ",
        "all levels asked for are measured",
        "-j auto begins at ",
    ] {
        assert!(text.contains(part), "{part}: {output:?}");
    }
    assert!(text.is_ascii(), "{output:?}");
    for level in [1, 2, 4] {
        let said = format!("paceline: level {level}: ");
        assert_eq!(output.stderr.matches(&said).count(), 1, "{output:?}");
    }
    let quiet = tune(&scratch, &["-q"])
        .args(flags)
        .input(numbers(200))
        .end();
    assert_eq!(quiet.with_code(0).stderr, "");
    let unicode = tune(&scratch, &["-q"]).args(flags).env("LC_ALL", "C.UTF-8");
    assert!(unicode.input(numbers(200)).end().text().contains("/s │"));
}

#[test]
fn crowded_cores_show_in_the_figures() {
    let scratch = Scratch::new();
    let cores = std::thread::available_parallelism().unwrap().get();
    let job = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; : {}";
    let levels = format!("1,{}", 8 * cores);
    let flags = ["--levels", &levels, "--sample", "40", "--json", job];
    let output = tune(&scratch, &flags).input(numbers(1000)).end();
    let found = json(&output.with_code(0));
    let of = |place: usize, key: &str| found["levels"][place][key].as_f64().unwrap();
    let p50 = |place: usize| found["levels"][place]["wall_s"]["p50"].as_f64().unwrap();
    assert!(p50(1) > p50(0), "{found:#}");
    assert!(of(1, "cores_used") < 1.5 * cores as f64, "{found:#}");
    assert!(of(0, "cores_used") < 1.5, "{found:#}");
}

#[test]
fn few_inputs_mean_fewer_levels() {
    let scratch = Scratch::new();
    let output = tune(&scratch, &["--json", JOB])
        .input(numbers(60))
        .end()
        .with_code(0);
    let found = json(&output);
    let levels = levels_of(&found);
    assert!(levels.contains(&1) && levels.len() < 6, "{found:#}");
    assert!(
        found["ended"].as_str().unwrap().contains("too few inputs"),
        "{found:#}"
    );
    let ran = scratch.sorted_lines("ran");
    assert!(ran.len() <= 60);
    assert_eq!(ran.iter().collect::<HashSet<_>>().len(), ran.len());
}

#[test]
fn inputs_are_used_again_only_if_asked_for() {
    let scratch = Scratch::new();
    let flags = [
        "--repeat", "--levels", "2,4", "--sample", "12", "--json", JOB,
    ];
    let output = tune(&scratch, &flags)
        .args([":::", "a", "b", "c"])
        .end()
        .with_code(0);
    assert_eq!(levels_of(&json(&output)), [2, 4]);
    let ran = scratch.lines("ran");
    assert!(ran.len() >= 24);
    assert_eq!(ran.iter().collect::<HashSet<_>>().len(), 3);
    let refused = tune(&scratch, &["--repeat", "--pipe", "cat"])
        .end()
        .with_code(2);
    assert!(refused.stderr.contains("--pipe"), "{refused:?}");
}

#[test]
fn too_few_inputs_measure_nothing_and_say_so() {
    let scratch = Scratch::new();
    let output = tune(&scratch, &["true", ":::", "1", "2"])
        .end()
        .with_code(110);
    assert!(output.stderr.contains("2 jobs are too few"), "{output:?}");
    assert!(output.stderr.contains("--repeat"), "{output:?}");
    assert!(
        output.text().contains("no level was measured"),
        "{output:?}"
    );
    assert!(
        output.text().contains("level 1: 2 jobs ended at it"),
        "{output:?}"
    );
    assert_eq!(remembered(&scratch), Vec::<Value>::new());
}

#[test]
fn no_inputs_are_a_mistake() {
    let scratch = Scratch::new();
    let output = tune(&scratch, &["true"]).input("").end().with_code(2);
    assert!(output.stderr.contains("no inputs"), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let repeated = tune(&scratch, &["--repeat", "true"])
        .input("")
        .end()
        .with_code(2);
    assert!(repeated.stderr.contains("no inputs"), "{repeated:?}");
}

#[test]
fn a_failing_command_is_not_run_on_and_on() {
    let scratch = Scratch::new();
    let job = "echo {} >> ran; echo no such thing >&2; exit 7";
    let output = tune(&scratch, &[job]).input(numbers(1000)).end();
    let ran = scratch.lines("ran").len();
    assert!((3..10).contains(&ran), "{ran}");
    assert_eq!(output.code, Some(i32::try_from(ran).unwrap()), "{output:?}");
    assert!(
        output.text().contains("3 of 3 jobs failed at level 1"),
        "{output:?}"
    );
    assert!(output.stderr.contains("exit 7"), "{output:?}");
    assert!(output.stderr.contains("no such thing"), "{output:?}");
    assert_eq!(remembered(&scratch), Vec::<Value>::new());
    let missing = tune(&scratch, &["no-such-program-here", ":::", "1"]).end();
    assert!(missing.with_code(127).stderr.contains("nothing was run"));
}

#[test]
fn jobs_that_fail_side_by_side_end_the_search() {
    let scratch = Scratch::new();
    // There is a fourth slot from level 4 on.
    let job = "test {%} -lt 4 && sleep 0.02; : {}; test {%} -lt 4";
    let flags = ["--seconds", "0.2", "--json", job];
    let output = tune(&scratch, &flags)
        .input(numbers(3000))
        .end()
        .with_code(0);
    let found = json(&output);
    assert_eq!(levels_of(&found), [1, 2], "{found:#}");
    assert_eq!(found["limited_by"], "failures", "{found:#}");
    assert_eq!(found["dropped"][0]["level"], 4, "{found:#}");
    assert!(output.stderr.contains("jobs failed, such as"), "{output:?}");
}

#[test]
fn busy_jobs_end_the_search_by_the_codes_that_are_named() {
    let scratch = Scratch::new();
    // There is a fourth slot from level 4 on.
    let job = "test {%} -lt 4 || exit 42; sleep 0.02; : {}";
    let flags = ["--seconds", "0.2", "--busy-exit", "42", "--json", job];
    let output = tune(&scratch, &flags).input(numbers(3000)).end();
    let found = json(&output.with_code(0));
    assert_eq!(levels_of(&found), [1, 2], "{found:#}");
    assert_eq!(found["limited_by"], "busy", "{found:#}");
}

#[test]
fn ctrl_c_shows_the_levels_so_far_and_remembers_nothing() {
    let scratch = Scratch::new();
    // From some input on, jobs wait to be let go.
    let job = "echo {} >> ran; test {} -lt 30 || until test -e go; do sleep 0.005; done";
    let flags = ["--levels", "1,2,4", "--sample", "10", job];
    let mut running = tune(&scratch, &flags).input(numbers(1000)).start();
    running.wait_until("jobs wait", || scratch.lines("ran").len() >= 31);
    assert!(running.stderr().contains("paceline: level 1: "));
    running.signal(Signal::INT);
    wait_until("it has heard", || {
        running.stderr().contains("measuring no further")
    });
    scratch.write("go", "");
    let output = running.end().with_code(130);
    assert!(output.text().contains("JOBS/S"), "{output:?}");
    assert!(
        output.text().contains("it was stopped before its end"),
        "{output:?}"
    );
    assert!(scratch.lines("ran").len() < 40);
    assert_eq!(remembered(&scratch), Vec::<Value>::new());
    scratch.wait_until_alone();
}

#[test]
fn what_jobs_write_is_shown_only_if_asked_for() {
    let scratch = Scratch::new();
    let job = "echo out {}; echo err {} >&2; sleep 0.01";
    let flags = ["--levels", "1,2", "--sample", "9", job];
    let hidden = tune(&scratch, &flags)
        .input(numbers(100))
        .end()
        .with_code(0);
    assert!(!hidden.text().contains("out 0"), "{hidden:?}");
    assert!(!hidden.stderr.contains("err 0"), "{hidden:?}");
    let shown = tune(&scratch, &["--show-output"]).args(flags);
    let shown = shown.input(numbers(100)).end().with_code(0);
    assert!(!shown.text().contains("out 0"), "{shown:?}");
    assert!(shown.stderr.contains("out 0\n"), "{shown:?}");
    assert!(shown.stderr.contains("err 0\n"), "{shown:?}");
}

#[test]
fn runs_know_nothing_of_it() {
    let scratch = Scratch::new();
    let flags = ["-q", "--levels", "1,2", "--sample", "9", JOB];
    tune(&scratch, &flags).input(numbers(40)).end().with_code(0);
    let runs = scratch.paceline().arg("runs").end().with_code(0);
    assert_eq!(runs.text(), "no runs yet\n");
    fs::remove_file(scratch.path("ran")).unwrap();
    scratch
        .run()
        .args(["-q", "--resume", JOB])
        .input(numbers(40))
        .end();
    assert_eq!(scratch.lines("ran").len(), 40, "all inputs run");
}

#[test]
fn one_level_or_no_journal_remembers_nothing() {
    let scratch = Scratch::new();
    let one = tune(&scratch, &["--levels", "3", "--sample", "9", JOB]);
    let one = one.input(numbers(100)).end().with_code(0);
    assert!(one.text().contains("nothing: one level alone"), "{one:?}");
    let none = tune(
        &scratch,
        &[
            "--no-journal",
            "--levels",
            "1,2",
            "--sample",
            "9",
            "--json",
            JOB,
        ],
    );
    let none = none.env("PACELINE_JOURNAL", scratch.outside("other.db"));
    let none = none.input(numbers(100)).end().with_code(0);
    assert_eq!(json(&none)["remembered"], false);
    assert!(!scratch.outside("other.db").exists());
    assert_eq!(remembered(&scratch), Vec::<Value>::new());
}

#[test]
fn a_journal_that_cannot_be_written_is_found_out_before_jobs_run() {
    let scratch = Scratch::new();
    let bad = scratch.outside("not a journal");
    fs::write(&bad, "text ".repeat(1000)).unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o444)).unwrap();
    let journal = bad.to_str().unwrap();
    let output = tune(&scratch, &["--journal", journal, JOB]);
    let output = output.input(numbers(100)).end().with_code(2);
    assert!(output.stderr.contains("--no-journal"), "{output:?}");
    assert!(!scratch.exists("ran"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    for (flags, part) in [
        (["-X", "echo", ":::", "1"].as_slice(), "-X and -m"),
        (&["--levels", "0", "echo"], "0"),
        (&["--levels", "1,x", "echo"], "x"),
        (&["--sample", "3", "--seconds", "1", "echo"], "--seconds"),
        (&["--pipe", "echo {}"], "--pipe"),
        (&["--no-journal", "--journal", "x", "echo"], "--journal"),
        (&[":::", "1"], "command"),
    ] {
        let output = tune(&scratch, flags).end().with_code(2);
        assert!(output.stderr.contains(part), "{flags:?} {output:?}");
    }
}

#[test]
fn inputs_may_come_in_every_way() {
    let scratch = Scratch::new();
    let list = scratch.write("list", numbers(40));
    let flags = ["-q", "--levels", "1,2", "--sample", "9", "--json"];
    let files = tune(&scratch, &flags)
        .args(["echo {} >> files", "::::"])
        .arg(&list);
    assert_eq!(levels_of(&json(&files.end().with_code(0))), [1, 2]);
    let argv = tune(&scratch, &flags).args(["--", "touch", "made-{1}-{2}", ":::"]);
    let argv = argv
        .args((0..10).map(|n| n.to_string()))
        .args([":::", "a", "b", "c", "d"]);
    assert_eq!(levels_of(&json(&argv.end().with_code(0))), [1, 2]);
    assert!(scratch.exists("made-0-a"));
    let pipe = tune(&scratch, &flags).args(["--pipe", "-N", "1", "cat >> piped"]);
    assert_eq!(
        levels_of(&json(&pipe.input(numbers(40)).end().with_code(0))),
        [1, 2]
    );
    assert!(scratch.lines("piped").contains(&"0".to_owned()));
}
