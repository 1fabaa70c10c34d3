//! A resumed run goes on by what the inputs are, not by where they stand.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Output, Paceline, Scratch};

/// Notes that it ran, and fails if a file says so.
const JOB: &str = "echo {} >> ran; test ! -e fail.{}";

fn run(scratch: &Scratch, flags: &[&str], inputs: &[&str]) -> Output {
    scratch
        .run()
        .args(flags)
        .args([JOB, ":::"])
        .args(inputs)
        .end()
}

/// What ran since this was last asked.
fn ran(scratch: &Scratch) -> Vec<String> {
    let lines = scratch.sorted_lines("ran");
    let _ = fs::remove_file(scratch.path("ran"));
    lines
}

/// The states of all records, by input.
fn states(scratch: &Scratch) -> Vec<(String, String)> {
    let mut states: Vec<(String, String)> = scratch
        .records()
        .into_iter()
        .map(|record| (record.args.join(" "), record.state))
        .collect();
    states.sort();
    states
}

fn number_of_runs(scratch: &Scratch) -> usize {
    let output = scratch
        .paceline()
        .args(["runs", "--json"])
        .end()
        .with_code(0);
    let runs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    runs.as_array().unwrap().len()
}

#[test]
fn new_inputs_run_wherever_they_stand() {
    let scratch = Scratch::new();
    run(&scratch, &[], &["b", "d"]).with_code(0);
    assert_eq!(ran(&scratch), ["b", "d"]);
    let output = run(&scratch, &["--resume"], &["a", "b", "c", "d", "e"]).with_code(0);
    assert_eq!(ran(&scratch), ["a", "c", "e"]);
    assert!(output.stderr.contains("3 done, 2 skipped"), "{output:?}");
    let output = run(&scratch, &["--resume"], &["e", "d", "c", "b", "a"]).with_code(0);
    assert_eq!(ran(&scratch).len(), 0);
    assert!(output.stderr.contains("5 skipped"), "{output:?}");
    assert_eq!(states(&scratch).len(), 5);
    assert_eq!(number_of_runs(&scratch), 1);
}

#[test]
fn an_input_that_is_there_twice_runs_twice() {
    let scratch = Scratch::new();
    run(&scratch, &[], &["a", "a", "b"]).with_code(0);
    ran(&scratch);
    run(&scratch, &["--resume"], &["b", "a", "b", "a", "a", "c"]).with_code(0);
    assert_eq!(ran(&scratch), ["a", "b", "c"]);
    run(&scratch, &["--resume"], &["a", "a", "a", "b", "b", "c"]).with_code(0);
    assert_eq!(ran(&scratch).len(), 0);
}

#[test]
fn inputs_are_told_apart_by_their_bytes() {
    let scratch = Scratch::new();
    let give = |flags: &[&str], input: &[u8]| -> Paceline {
        scratch
            .run()
            .arg("-0")
            .args(flags)
            .args(["--", "printf", "[%s]", "{}"])
            .input(input)
    };
    give(&[], b"a\0a \0\xff\0\0").end().with_code(0);
    let output = give(
        &["--resume", "-k", "-j", "1"],
        b"a\0 a\0a \0\xfe\0\xff\0\0A\0",
    )
    .end();
    assert_eq!(output.with_code(0).stdout, b"[ a][\xfe][A]");
}

#[test]
fn several_sources_make_one_input() {
    let scratch = Scratch::new();
    let run = |flag: &str, sources: &[&str]| {
        let run = scratch.run().args([flag, "-q", "-k", "echo {1} {2}"]);
        let output = run.args(sources).end().with_code(0);
        output.text().to_owned()
    };
    assert_eq!(run("--group", &[":::", "a", "b", ":::", "1"]), "a 1\nb 1\n");
    let all = [":::", "1", "a", "b", ":::", "1", "2"];
    assert_eq!(run("--resume", &all), "1 1\n1 2\na 2\nb 2\n");
}

#[test]
fn failed_jobs_are_left_alone_unless_asked_for() {
    let scratch = Scratch::new();
    scratch.write("fail.b", "");
    scratch.write("fail.c", "");
    let inputs = ["a", "b", "c"];
    run(&scratch, &[], &inputs).with_code(2);
    ran(&scratch);
    let output = run(&scratch, &["--resume"], &inputs).with_code(0);
    assert_eq!(ran(&scratch).len(), 0);
    assert!(
        output
            .stderr
            .contains("2 jobs failed earlier in this run; --resume-failed"),
        "{output:?}"
    );

    // One is mended, the other fails again.
    fs::remove_file(scratch.path("fail.b")).unwrap();
    run(&scratch, &["--resume-failed"], &inputs).with_code(1);
    assert_eq!(ran(&scratch), ["b", "c"]);
    fs::remove_file(scratch.path("fail.c")).unwrap();
    run(&scratch, &["--resume-failed"], &["new", "c", "b", "a"]).with_code(0);
    assert_eq!(ran(&scratch), ["c", "new"]);
    let output = run(&scratch, &["--resume-failed"], &inputs).with_code(0);
    assert_eq!(ran(&scratch).len(), 0);
    assert!(!output.stderr.contains("failed"), "{output:?}");

    let shown = scratch.shown("last");
    assert_eq!(shown["jobs"]["failed"], 0);
    assert_eq!(shown["jobs"]["done"], 4);
    assert_eq!(shown["failures"].as_array().unwrap().len(), 0);
    let shown = scratch
        .paceline()
        .args(["runs", "show", "last"])
        .end()
        .with_code(0);
    assert!(shown.text().contains("4 done, 0 failed"), "{shown:?}");
}

#[test]
fn a_run_may_be_named() {
    let scratch = Scratch::new();
    run(&scratch, &[], &["a"]).with_code(0);
    run(&scratch, &[], &["a", "b"]).with_code(0);
    assert_eq!(number_of_runs(&scratch), 2);
    ran(&scratch);
    run(&scratch, &["--resume", "--run", "1"], &["a", "b"]).with_code(0);
    assert_eq!(ran(&scratch), ["b"]);
    run(&scratch, &["--run", "1"], &["a", "b", "c"]).with_code(0);
    assert_eq!(ran(&scratch), ["c"]);
    run(&scratch, &["--resume"], &["a", "b", "c"]).with_code(0);
    assert_eq!(ran(&scratch), ["c"], "without --run it is the newest");
    assert_eq!(number_of_runs(&scratch), 2);
}

#[test]
fn the_newest_run_of_the_same_command_is_meant() {
    let scratch = Scratch::new();
    run(&scratch, &[], &["a"]).with_code(0);
    scratch
        .run()
        .args(["true {}", ":::", "a", "b"])
        .end()
        .with_code(0);
    ran(&scratch);
    let output = run(&scratch, &["--resume"], &["a", "b"]).with_code(0);
    assert_eq!(ran(&scratch), ["b"]);
    assert!(!output.stderr.contains("nothing to resume"), "{output:?}");
    let new = scratch
        .run()
        .args(["--resume", "echo new {}", ":::", "a"])
        .end()
        .with_code(0);
    assert!(new.stderr.contains("nothing to resume"), "{new:?}");
    assert_eq!(new.text(), "new a\n");
    assert_eq!(number_of_runs(&scratch), 3);
}

#[test]
fn a_run_belongs_to_its_directory() {
    let scratch = Scratch::new();
    for name in ["here", "there"] {
        fs::create_dir(scratch.path(name)).unwrap();
    }
    let run = |directory: &str, flags: &[&str]| {
        let run = scratch.run().in_directory(scratch.path(directory));
        run.args(flags).args([JOB, ":::", "a"]).end().with_code(0)
    };
    run("here", &[]);
    let output = run("there", &["--resume"]);
    assert!(output.stderr.contains("nothing to resume"), "{output:?}");
    assert_eq!(scratch.lines("there/ran"), ["a"]);
    run("here", &["--resume"]);
    assert_eq!(scratch.lines("here/ran"), ["a"]);
    run(".", &["--resume", "--workdir", "here"]);
    assert_eq!(
        scratch.lines("here/ran"),
        ["a"],
        "it is the jobs' directory that counts"
    );
}

#[test]
fn other_flags_make_no_other_run() {
    let scratch = Scratch::new();
    run(&scratch, &["-j", "1"], &["a", "b"]).with_code(0);
    ran(&scratch);
    scratch.write("inputs", "c\na\nb\n");
    let resumed = scratch
        .run()
        .args(["--resume", "-k", "--tag", "--retries", "2", "-j", "3"]);
    resumed
        .args(["--env", "X=1", JOB, "::::", "inputs"])
        .end()
        .with_code(0);
    assert_eq!(ran(&scratch), ["c"]);
}

#[test]
fn packed_inputs_are_resumed_one_by_one() {
    for flag in ["-X", "-m"] {
        let scratch = Scratch::new();
        let run = |flags: &[&str], inputs: &[&str]| {
            let run = scratch
                .run()
                .args([flag, "-q", "-k", "-j", "2"])
                .args(flags);
            let output = run
                .args(["echo", "{}", ":::"])
                .args(inputs)
                .end()
                .with_code(0);
            let mut words: Vec<String> = output
                .text()
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            words.sort();
            words
        };
        assert_eq!(run(&[], &["a", "b", "c", "d", "e"]).len(), 5);
        assert_eq!(
            run(&["--resume"], &["x", "e", "c", "y", "a", "a"]),
            ["a", "x", "y"]
        );
        assert_eq!(run(&["--resume"], &["x", "y", "b", "d"]).len(), 0);
    }
}

#[test]
fn groups_of_inputs_are_resumed_as_groups() {
    let scratch = Scratch::new();
    let run = |flag: &str, inputs: &[&str]| {
        let run = scratch
            .run()
            .args([flag, "-q", "-k", "-n", "2", "echo", ":::"]);
        run.args(inputs).end().with_code(0).text().to_owned()
    };
    assert_eq!(run("--group", &["1", "2", "3", "4"]), "1 2\n3 4\n");
    assert_eq!(
        run("--resume", &["0", "0", "1", "2", "3", "5"]),
        "0 0\n3 5\n"
    );
}

#[test]
fn a_run_that_goes_on_cannot_be_resumed() {
    let scratch = Scratch::new();
    let job = "touch begun; until test -e go; do sleep 0.005; done; echo {} >> ran";
    let run = |flags: &[&str]| scratch.run().args(flags).args([job, ":::", "a", "b"]);
    let mut first = run(&[]).start();
    first.wait_until("jobs run", || scratch.exists("begun"));
    let pid = first.id();
    for flags in [&["--resume"][..], &["--resume-failed"], &["--run", "1"]] {
        let second = run(flags).end().with_code(2);
        let expected = format!("paceline: run 1 is still going (process {pid})\n  hint: ");
        assert!(second.stderr.starts_with(&expected), "{second:?}");
    }
    let listed = scratch.paceline().arg("runs").end().with_code(0);
    assert!(
        listed.text().contains(&format!("running {pid}")),
        "{listed:?}"
    );
    // Beginning anew is no harm.
    assert!(!scratch.exists("ran"));
    scratch.write("go", "");
    run(&[]).end().with_code(0);
    first.end().with_code(0);
    assert_eq!(scratch.sorted_lines("ran"), ["a", "a", "b", "b"]);
    run(&["--resume"]).end().with_code(0);
    assert_eq!(scratch.lines("ran").len(), 4);
}

#[test]
fn without_a_journal_nothing_is_kept() {
    let scratch = Scratch::new();
    run(&scratch, &["--no-journal"], &["a"]).with_code(0);
    assert!(!scratch.journal().exists());
    let output = run(&scratch, &["--resume"], &["a"]).with_code(0);
    assert!(output.stderr.contains("nothing to resume"), "{output:?}");
    assert_eq!(ran(&scratch), ["a", "a"]);
}

#[test]
fn the_journal_may_be_named() {
    let scratch = Scratch::new();
    run(&scratch, &["--journal", "own.db"], &["a"]).with_code(0);
    assert!(!scratch.journal().exists());
    run(&scratch, &["--journal", "own.db", "--resume"], &["a", "b"]).with_code(0);
    assert_eq!(ran(&scratch), ["a", "b"]);
    let runs = scratch
        .paceline()
        .args(["runs", "--journal", "own.db"])
        .end()
        .with_code(0);
    assert_eq!(runs.lines().len(), 2);
}

/// By default the journal lies in the user's state directory.
#[test]
fn the_journal_has_a_place_of_its_own() {
    let scratch = Scratch::new();
    let script = "unset PACELINE_JOURNAL; \"$PACELINE\" run -q true ::: a";
    scratch.shell(script).end().with_code(0);
    assert!(
        scratch
            .outside("home/.local/state/paceline/journal.db")
            .exists()
    );
    let state = scratch.outside("state");
    scratch
        .shell(script)
        .env("XDG_STATE_HOME", &state)
        .end()
        .with_code(0);
    assert!(state.join("paceline/journal.db").exists());
}
