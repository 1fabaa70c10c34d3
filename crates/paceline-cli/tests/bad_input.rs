//! What cannot work is refused before anything runs, in one line that says what to do.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Output, Paceline, Scratch};

/// Leaves a trace if it runs.
const JOB: &str = "touch ran";

/// A refusal: this exit code, one line that says `what`, one with a hint, and nothing was run.
#[track_caller]
fn refused(scratch: &Scratch, run: Paceline, code: i32, what: &str) -> Output {
    let output = run.end();
    assert_eq!(output.code, Some(code), "{output:?}");
    assert_eq!(output.text(), "", "{output:?}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert!(
        lines[0].starts_with("paceline: ") && lines[0].contains(what),
        "{output:?}"
    );
    assert_eq!(lines.len(), 2, "{output:?}");
    assert!(lines[1].starts_with("  hint: "), "{output:?}");
    assert!(!scratch.exists("ran"), "something was run: {output:?}");
    assert!(scratch.processes().is_empty());
    output
}

/// A refusal by the parser of flags, which has its own form.
#[track_caller]
fn refused_flag(args: &[&str], what: &[&str]) {
    let scratch = Scratch::new();
    let output = scratch.run().args(args).args([JOB, ":::", "a"]).end();
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(output.text(), "", "{output:?}");
    let first = output.stderr.lines().next().unwrap();
    assert!(first.starts_with("error: "), "{output:?}");
    for what in what {
        assert!(output.stderr.contains(what), "{what:?} in {output:?}");
    }
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    assert!(!scratch.exists("ran"), "{output:?}");
    assert!(!scratch.journal().exists(), "a run was begun: {output:?}");
}

#[test]
fn flags_that_do_not_exist_or_have_no_such_value() {
    refused_flag(&["--no-such-flag"], &["--no-such-flag", "Usage"]);
    refused_flag(&["--resume-faild"], &["--resume-failed"]);
    refused_flag(
        &["-j", "0"],
        &["a level of 0 would never run anything", "auto"],
    );
    refused_flag(&["-j", "many"], &["\"many\" is not a level", "50%"]);
    refused_flag(&["--timeout", "5x"], &["\"5x\" is not a time limit", "30s"]);
    refused_flag(&["--timeout", "0"], &["\"0\" is not a time limit"]);
    refused_flag(&["--delay", "soon"], &["\"soon\" is not a time", "200ms"]);
    refused_flag(
        &["--halt", "later,fail=1"],
        &["not a halt condition", "now,fail=1"],
    );
    refused_flag(&["--retries", "-1"], &["-1"]);
    refused_flag(&["-n", "0"], &["0"]);
    refused_flag(&["--nice", "50"], &["50", "19"]);
    refused_flag(&["--run", "first"], &["first"]);
    refused_flag(&["-0", "-d", ","], &["cannot be used with"]);
    refused_flag(&["--ungroup", "-k"], &["cannot be used with"]);
    refused_flag(&["--no-journal", "--resume"], &["cannot be used with"]);
    // Lines that have been printed are not there to be saved.
    refused_flag(
        &["--line-buffer", "--results", "r"],
        &["cannot be used with"],
    );
}

#[test]
fn inputs_that_cannot_be_read() {
    let scratch = Scratch::new();
    scratch.write("readable", "a\n");
    let run = || scratch.run().args(["-a", "nope", JOB]);
    let output = refused(
        &scratch,
        run(),
        2,
        "cannot read inputs from nope: No such file",
    );
    assert!(output.stderr.contains("check the name"), "{output:?}");
    refused(
        &scratch,
        scratch.run().args([JOB, "::::", "readable", "nope"]),
        2,
        "nope",
    );
    refused(
        &scratch,
        scratch.run().args(["-a", ".", JOB]),
        2,
        "cannot read inputs from .",
    );
    let twice = scratch.run().args([JOB, "::::", "-", "::::", "-"]);
    refused(
        &scratch,
        twice,
        2,
        "standard input is named as a source more than once",
    );
}

#[test]
fn commands_that_cannot_be_read() {
    let cases = [
        (vec!["touch ran; echo '{}"], "unclosed"),
        (vec!["touch ran; echo \"{}"], "unclosed"),
        (vec!["touch ran; (echo {}"], "unclosed"),
        (vec!["touch ran; echo $(echo {}"], "unclosed"),
        (
            vec!["touch ran; sh -c 'echo {}'"],
            "a second time by the inner sh",
        ),
        (vec!["touch ran; eval {}"], "a second time"),
        (vec![""], "no command was given"),
        (vec!["  "], "no command was given"),
        (vec![], "no command was given"),
        (vec!["--"], "no command was given"),
    ];
    for (words, what) in cases {
        let scratch = Scratch::new();
        let run = scratch.run().args(&words).args([":::", "a"]);
        refused(&scratch, run, 2, what);
        assert!(!scratch.journal().exists(), "a run was begun: {words:?}");
    }
}

#[test]
fn commands_that_are_not_there() {
    let scratch = Scratch::new();
    scratch.write("file", "touch ran");
    for (command, code, what) in [
        (
            &["no-such-program", "{}"][..],
            127,
            "command not found: no-such-program",
        ),
        (
            &["--", "no-such-program", "{}"],
            127,
            "command not found: no-such-program",
        ),
        (&["./nowhere {}"], 127, "command not found: ./nowhere"),
        (
            &["./file", "{}"],
            126,
            "cannot be executed (permission denied): ./file",
        ),
    ] {
        let run = scratch.run().args(command).args([":::", "a", "b"]);
        refused(&scratch, run, code, what);
    }
    let shell = scratch
        .run()
        .args(["--shell", "no-such-shell", "touch ran; :", ":::", "a"]);
    refused(&scratch, shell, 2, "no-such-shell");
    assert!(!scratch.journal().exists(), "a run was begun");
}

#[test]
fn patterns_and_delimiters_that_cannot_be_used() {
    let scratch = Scratch::new();
    let colsep = scratch.run().args(["--colsep", "(", JOB, ":::", "a"]);
    let output = refused(&scratch, colsep, 2, "--colsep \"(\" is not a pattern");
    assert!(output.stderr.contains("unclosed group"), "{output:?}");
    for delimiter in ["", "\\q", "\\x4"] {
        let run = scratch.run().args(["-d", delimiter, JOB, ":::", "a"]);
        refused(&scratch, run, 2, "--delimiter");
    }
}

#[test]
fn bounds_that_contradict_each_other() {
    let scratch = Scratch::new();
    let run = scratch
        .run()
        .args(["--min-level", "5", "--max-level", "2", JOB, ":::", "a"]);
    refused(&scratch, run, 2, "--min-level 5 is above --max-level 2");
    for (bound, level) in [("--max-level", "8"), ("--min-level", "50%")] {
        let run = scratch.run().args([bound, "4", "-j", level]);
        let run = run.args([JOB, ":::", "a"]);
        refused(
            &scratch,
            run,
            2,
            &format!("{bound} 4 bounds what -j auto may find"),
        );
    }
}

#[test]
fn runs_that_cannot_be_resumed() {
    let scratch = Scratch::new();
    scratch
        .run()
        .args(["true {}", ":::", "a"])
        .end()
        .with_code(0);
    let missing = scratch
        .run()
        .args(["--resume", "--run", "999", JOB, ":::", "a"]);
    refused(&scratch, missing, 2, "there is no run 999");
    let missing = scratch.run().args(["--run", "999", JOB, ":::", "a"]);
    refused(&scratch, missing, 2, "there is no run 999");
    let other = scratch
        .run()
        .args(["--resume", "--run", "1", JOB, ":::", "a"]);
    let output = refused(&scratch, other, 2, "run 1 was of another command: true {}");
    assert!(output.stderr.contains(JOB), "{output:?}");
    let runs = scratch.paceline().arg("runs").end().with_code(0);
    assert_eq!(runs.lines().len(), 2, "no run was begun: {runs:?}");
}

#[test]
fn inputs_with_a_nul() {
    let scratch = Scratch::new();
    let bytes = b"a\nb\nc\0d\ne\n";
    scratch.write("inputs", bytes);
    let file = scratch.run().args(["-a", "inputs", JOB]);
    let output = refused(&scratch, file, 2, "input 3 of inputs holds a NUL byte");
    assert!(output.stderr.contains("-0"), "{output:?}");
    let stdin = scratch.shell("exec \"$PACELINE\" run 'touch ran' < inputs");
    refused(
        &scratch,
        stdin,
        2,
        "input 3 of standard input holds a NUL byte",
    );
    let second = scratch.run().args([JOB, ":::", "a", "::::", "inputs"]);
    refused(&scratch, second, 2, "input 3 of inputs holds a NUL byte");
}

/// What comes through a pipe cannot be looked at beforehand: what was read by then may run.
#[test]
fn a_nul_in_a_pipe_ends_the_run() {
    let scratch = Scratch::new();
    let run = scratch
        .run()
        .args(["-q", "echo {} >> ran"])
        .input(b"a\nb\nc\0d\ne\n");
    let output = run.end().with_code(2);
    assert!(
        output
            .stderr
            .contains("input 3 of standard input holds a NUL byte"),
        "{output:?}"
    );
    assert!(output.stderr.contains("  hint: "), "{output:?}");
    let ran = scratch.sorted_lines("ran");
    assert!(
        ran.iter().all(|input| input == "a" || input == "b"),
        "{ran:?}"
    );
}

#[test]
fn a_journal_that_cannot_be_written() {
    let scratch = Scratch::new();
    scratch.write("file", "not a directory");
    scratch.write(
        "text.db",
        "this is no database, but long enough to be one".repeat(100),
    );
    std::fs::create_dir(scratch.path("directory")).unwrap();
    for (journal, what) in [
        ("file/journal.db", "file"),
        (
            "text.db",
            "text.db is not a journal: the file is not a database",
        ),
        ("directory", "directory"),
    ] {
        let run = scratch.run().args(["--journal", journal, JOB, ":::", "a"]);
        let output = refused(&scratch, run, 2, what);
        assert!(output.stderr.contains("--no-journal"), "{output:?}");
        let run = scratch
            .run()
            .args([JOB, ":::", "a"])
            .env("PACELINE_JOURNAL", journal);
        refused(&scratch, run, 2, what);
    }
}

#[test]
fn files_that_cannot_be_written() {
    let scratch = Scratch::new();
    scratch.write("file", "not a directory");
    for (flag, what) in [
        ("--joblog", "cannot write the job log file/x"),
        ("--results", "cannot write the results file/x"),
    ] {
        let run = scratch.run().args([flag, "file/x", JOB, ":::", "a"]);
        refused(&scratch, run, 2, what);
    }
    let run = scratch.run().args(["--workdir", "file", JOB, ":::", "a"]);
    refused(&scratch, run, 2, "--workdir file is not a directory");
    let run = scratch.run().args(["--env", "=x", JOB, ":::", "a"]);
    refused(&scratch, run, 2, "--env =x has no name");
}

/// Found after hours of work it would be too late.
#[test]
fn a_summary_that_cannot_be_written() {
    let scratch = Scratch::new();
    let run = scratch
        .run()
        .args(["--summary", "no/such/directory/x", JOB, ":::", "a"]);
    refused(&scratch, run, 2, "no/such/directory/x");
}

#[test]
fn lists_of_runs_that_are_not_there() {
    let scratch = Scratch::new();
    let missing = scratch.paceline().arg("runs");
    refused(&scratch, missing, 2, "there is no journal at");
    scratch.run().args(["true", ":::", "a"]).end().with_code(0);
    for (run, what) in [
        ("7", "there is no run 7"),
        ("x", "\"x\" is not the number of a run"),
    ] {
        let show = scratch.paceline().args(["runs", "show", run]);
        refused(&scratch, show, 2, what);
    }
}
