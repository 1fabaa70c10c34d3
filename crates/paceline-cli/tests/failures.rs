//! Failures are counted, named, tried again, timed out and acted upon.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Output, Record, Scratch};

/// The lines under "failed:", without what follows the list.
fn listed(output: &Output) -> Vec<String> {
    output
        .stderr
        .lines()
        .skip_while(|line| *line != "  failed:")
        .skip(1)
        .take_while(|line| line.starts_with("    ") && !line.trim_start().starts_with('…'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn numbers(to: usize) -> String {
    (1..=to).map(|n| format!("{n}\n")).collect()
}

fn summary(scratch: &Scratch) -> Value {
    serde_json::from_str(&scratch.text("summary.json")).unwrap()
}

/// The one record of an input.
fn record(scratch: &Scratch, input: &str) -> Record {
    let mut records = scratch.records();
    records.retain(|record| record.args == [input]);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

#[test]
fn the_exit_code_counts_failed_jobs() {
    for (inputs, failing, code) in [
        (5, 0, 0),
        (5, 3, 3),
        (100, 100, 100),
        (101, 101, 101),
        (140, 130, 101),
    ] {
        let scratch = Scratch::new();
        let output = scratch
            .run()
            .args(["-j", "4", &format!("test {{}} -gt {failing}")])
            .input(numbers(inputs))
            .end()
            .with_code(code);
        let failed = listed(&output);
        assert_eq!(failed.len(), failing.min(10), "{output:?}");
        assert_eq!(
            output.stderr.contains(&format!("{failing} failed")),
            failing > 0
        );
        let states = scratch.records();
        assert_eq!(
            states.iter().filter(|r| r.state == "failed").count(),
            failing
        );
        assert_eq!(states.len(), inputs);
    }
}

#[test]
fn each_failure_is_listed_with_its_input_and_status() {
    let scratch = Scratch::new();
    let job = "case {} in ok) ;; killed) kill -KILL $$ ;; segfault) kill -SEGV $$ ;; \
               missing) no-such-program ;; \"a b\") echo why >&2; exit 7 ;; esac";
    let output = scratch
        .run()
        .args(["-k", "-j", "1", job])
        .args([
            ":::",
            "ok",
            "killed",
            "segfault",
            "missing",
            "a b",
            "tab\there",
        ])
        .end()
        .with_code(4);
    assert_eq!(
        listed(&output),
        [
            "SIGKILL killed",
            "SIGSEGV segfault",
            "exit 127 missing",
            "exit 7 a b"
        ]
    );
    assert!(output.stderr.contains("2 done, 4 failed"), "{output:?}");
    assert_eq!(record(&scratch, "killed").signal, Some(9));
    assert_eq!(record(&scratch, "segfault").signal, Some(11));
    assert_eq!(record(&scratch, "a b").exit_code, Some(7));
    assert_eq!(record(&scratch, "ok").state, "done");
    assert_eq!(record(&scratch, "tab\there").state, "done");

    let shown = scratch
        .paceline()
        .args(["runs", "show", "last"])
        .end()
        .with_code(0);
    for expected in [
        "SIGKILL      killed",
        "exit 7       a b\n      why\n",
        "2 done, 4 failed",
    ] {
        assert!(shown.text().contains(expected), "{expected:?} in {shown:?}");
    }
}

#[test]
fn ten_failures_are_listed_and_the_rest_is_to_be_looked_up() {
    let scratch = Scratch::new();
    let output = scratch
        .run()
        .args(["-j", "1", "exit {}"])
        .input(numbers(15))
        .end();
    let output = output.with_code(15);
    let expected: Vec<String> = (1..=10).map(|n| format!("exit {n} {n}")).collect();
    assert_eq!(listed(&output), expected);
    assert!(
        output
            .stderr
            .contains("\n    … and 5 more: paceline runs show 1\n"),
        "{output:?}"
    );
    let shown = scratch
        .paceline()
        .args(["runs", "show", "1"])
        .end()
        .with_code(0);
    for n in 1..=15 {
        assert!(
            shown
                .lines()
                .contains(&format!("  exit {n:<7} {n}").as_str()),
            "{shown:?}"
        );
    }
    let shown = scratch
        .paceline()
        .args(["runs", "show", "1", "--failures", "3"])
        .end();
    assert!(
        shown.text().ends_with("… and 12 more: --failures 15\n"),
        "{shown:?}"
    );
}

#[test]
fn a_failing_job_is_tried_again_and_only_its_last_output_is_printed() {
    let scratch = Scratch::new();
    // Each try leaves a line; an input succeeds at the try that it names.
    let job =
        "echo x >> {}.tries; n=$(wc -l < {}.tries); echo {} $n; echo error $n >&2; test $n -ge {}";
    let output = scratch
        .run()
        .args([
            "-k",
            "-j",
            "3",
            "--retries",
            "3",
            "--summary",
            "summary.json",
            job,
        ])
        .args([":::", "1", "2", "3", "4"])
        .end()
        .with_code(1);
    assert_eq!(output.lines(), ["1 1", "2 2", "3 3", "4 3"]);
    assert_eq!(output.stderr.matches("error").count(), 4, "{output:?}");
    assert_eq!(listed(&output), ["exit 1 4 (tried 3 times)"]);
    let attempts: Vec<u64> = ["1", "2", "3", "4"]
        .map(|n| record(&scratch, n).attempts)
        .to_vec();
    assert_eq!(attempts, [1, 2, 3, 3]);
    let tries: Vec<usize> = (1..=4)
        .map(|n| scratch.lines(format!("{n}.tries")).len())
        .collect();
    assert_eq!(tries, [1, 2, 3, 3]);
    assert_eq!(summary(&scratch)["jobs"]["retried"], 5);
}

#[test]
fn with_retries_0_a_job_is_tried_until_it_succeeds() {
    let scratch = Scratch::new();
    let job = "echo x >> {}.tries; test $(wc -l < {}.tries) -ge 4";
    let run = scratch.run().args(["--retries", "0", job]);
    run.args([":::", "a", "b"]).end().with_code(0);
    assert_eq!(record(&scratch, "a").attempts, 4);
    assert_eq!(record(&scratch, "b").attempts, 4);
}

#[test]
fn a_time_limit_ends_the_whole_tree() {
    let scratch = Scratch::new();
    let job = "case {} in \
        quick) exit 0 ;; \
        asked) trap 'echo asked to end; exit 0' TERM; sleep 1000 & wait ;; \
        deaf) trap '' TERM; (trap '' TERM; sleep 1000) & setsid sleep 1000 & sleep 1000; sleep 1000 ;; \
        esac";
    let output = scratch
        .run()
        .args(["-k", "-j", "4", "--timeout", "1s", "--grace", "300ms", job])
        .args([":::", "quick", "asked", "deaf"])
        .end()
        .with_code(2);
    assert_eq!(output.text(), "asked to end\n");
    assert_eq!(listed(&output), ["timed out asked", "timed out deaf"]);
    assert!(record(&scratch, "asked").timed_out);
    assert!(record(&scratch, "deaf").timed_out);
    assert!(!record(&scratch, "quick").timed_out);
    // TERM went to the tree of the first, KILL to that of the second.
    scratch.wait_until_alone();
}

/// The job itself ends when it is asked to, and what it started does not.
#[test]
fn a_time_limit_ends_what_outlives_the_job() {
    let scratch = Scratch::new();
    let job = ": {}; (trap '' TERM; exec sleep 1000) > /dev/null 2>&1 & wait";
    let run = scratch
        .run()
        .args(["--timeout", "500ms", "--grace", "100ms", job]);
    let output = run.args([":::", "a"]).end().with_code(1);
    assert_eq!(listed(&output), ["timed out a"]);
    let left = scratch.processes();
    assert!(left.is_empty(), "{left:?} after {output:?}");
}

#[test]
fn a_time_limit_may_be_a_share_of_the_median() {
    let scratch = Scratch::new();
    let run = scratch
        .run()
        .args(["-j", "2", "--timeout", "1000%", "--grace", "100ms"]);
    let mut inputs = "1000\n".to_owned();
    inputs.push_str(&"0.1\n".repeat(8));
    let output = run
        .args(["--", "sleep", "{}"])
        .input(inputs)
        .end()
        .with_code(1);
    assert_eq!(listed(&output), ["timed out 1000"]);
    assert!(record(&scratch, "1000").timed_out);
    assert_eq!(
        scratch
            .records()
            .iter()
            .filter(|r| r.state == "done")
            .count(),
        8
    );
}

#[test]
fn what_exits_well_when_its_time_is_up_moves_no_median() {
    let scratch = Scratch::new();
    let job = "trap 'exit 0' TERM; sleep {} & wait";
    let quick = ["0.01"; 3];
    let slow = ["5"; 6];
    let run = scratch.run().args(["-j", "1", "--timeout", "2000%"]);
    let run = run.args([job, ":::"]).args(quick).args(slow);
    let output = run.end().with_code(6);
    assert_eq!(listed(&output), ["timed out 5"; 6]);
}

#[test]
fn each_try_has_its_own_time_limit() {
    let scratch = Scratch::new();
    let job = "echo {} >> tries; test {} != slow || sleep 1000";
    let output = scratch
        .run()
        .args([
            "--timeout",
            "700ms",
            "--retries",
            "3",
            job,
            ":::",
            "slow",
            "quick",
        ])
        .end()
        .with_code(1);
    assert_eq!(listed(&output), ["timed out slow (tried 3 times)"]);
    assert_eq!(
        scratch.sorted_lines("tries"),
        ["quick", "slow", "slow", "slow"]
    );
}

/// A run of which one job decides the end, while another waits for it in vain.
fn halted(halt: &str, job: &str, inputs: &[&str]) -> (Scratch, Output) {
    let scratch = Scratch::new();
    let run = scratch
        .run()
        .args(["-k", "-j", "2", "--halt", halt, job, ":::"]);
    let output = run.args(inputs).end();
    (scratch, output)
}

#[test]
fn halt_soon_waits_for_running_jobs() {
    // The second job ends well after the first has failed.
    let job = "echo {} >> begun; case {} in \
        bad) until test -e other; do sleep 0.01; done; exit 9 ;; \
        other) touch other; sleep 0.3; echo finished ;; esac";
    let (scratch, output) = halted("soon,fail=1", job, &["bad", "other", "c", "d", "e"]);
    assert_eq!(output.code, Some(9), "{output:?}");
    assert_eq!(output.text(), "finished\n");
    assert_eq!(scratch.sorted_lines("begun"), ["bad", "other"]);
    assert_eq!(record(&scratch, "other").state, "done");
    assert_eq!(record(&scratch, "bad").exit_code, Some(9));
    assert!(output.stderr.contains("halted by --halt"), "{output:?}");

    let rest = scratch
        .run()
        .args(["--resume", "-k", "-j", "2", job, ":::"]);
    rest.args(["bad", "other", "c", "d", "e"])
        .end()
        .with_code(0);
    assert_eq!(
        scratch.sorted_lines("begun"),
        ["bad", "c", "d", "e", "other"]
    );
}

#[test]
fn halt_now_stops_running_jobs() {
    let job = "echo {} >> begun; case {} in \
        bad) until test -e other; do sleep 0.01; done; exit 9 ;; \
        other) trap 'touch asked; exit 0' TERM; touch other; sleep 1000 & wait ;; esac";
    let (scratch, output) = halted("now,fail=1", job, &["bad", "other", "c", "d"]);
    assert_eq!(output.code, Some(9), "{output:?}");
    assert_eq!(scratch.sorted_lines("begun"), ["bad", "other"]);
    assert!(scratch.exists("asked"));
    scratch.wait_until_alone();
}

#[test]
fn a_job_that_halt_now_stopped_did_not_fail() {
    let job = "echo {} >> begun; case {} in \
        bad) until test -e other; do sleep 0.01; done; exit 9 ;; \
        other) touch other; exec sleep 1000 ;; esac";
    let (scratch, output) = halted("now,fail=1", job, &["bad", "other"]);
    assert_eq!(output.code, Some(9), "{output:?}");
    assert_eq!(listed(&output), ["exit 9 bad"]);
    assert_eq!(scratch.records().len(), 1);
    scratch.wait_until_alone();
}

#[test]
fn halt_on_success_is_a_success() {
    let job = "echo {} >> begun; test {} = good";
    let scratch = Scratch::new();
    let run = scratch
        .run()
        .args(["-j", "1", "--halt", "now,success=1", job]);
    let output = run
        .args([":::", "bad", "good", "c", "d"])
        .end()
        .with_code(0);
    assert_eq!(scratch.lines("begun"), ["bad", "good"]);
    assert_eq!(listed(&output), ["exit 1 bad"]);
}

#[test]
fn halt_counts_what_it_was_told_to_count() {
    for (halt, begun, code) in [
        ("soon,fail=2", 4, 1),
        ("soon,success=3", 5, 0),
        ("now,done=3", 3, 0),
        ("soon,fail=50%", 10, 1),
        ("soon,done=40%", 4, 1),
        ("never", 10, 5),
        ("1", 2, 1),
        ("2", 2, 1),
    ] {
        let scratch = Scratch::new();
        // Even ones fail.
        let job = "echo {} >> begun; test $(({} % 2)) = 1";
        let run = scratch.run().args(["-j", "1", "--halt", halt, job]);
        let words: Vec<String> = (1..=10).map(|n| n.to_string()).collect();
        let output = run.arg(":::").args(words).end();
        assert_eq!(scratch.lines("begun").len(), begun, "{halt}: {output:?}");
        assert_eq!(output.code, Some(code), "{halt}: {output:?}");
    }
}

#[test]
fn halt_by_a_signal_exits_as_a_shell_would() {
    let (_, output) = halted("now,fail=1", "test {} = a || kill -KILL $$", &["a", "b"]);
    assert_eq!(output.code, Some(137), "{output:?}");
}

#[test]
fn an_argument_too_long_for_the_kernel_fails_by_name_and_the_others_run() {
    let scratch = Scratch::new();
    let long = "x".repeat(140_000);
    let output = scratch
        .run()
        .args(["-k", "-j", "2", "--retries", "3", "--", "echo", "{}"])
        .input(format!("a\n{long}\nb\n"))
        .end()
        .with_code(1);
    assert_eq!(output.text(), "a\nb\n");
    let failed = listed(&output);
    assert_eq!(failed.len(), 1, "{output:?}");
    assert!(failed[0].starts_with("not started xxx"), "{failed:?}");
    assert!(failed[0].contains("argument list too long"), "{failed:?}");
    let states: Vec<String> = scratch.records().into_iter().map(|r| r.state).collect();
    assert_eq!(states.iter().filter(|state| *state == "done").count(), 2);
    assert_eq!(states.iter().filter(|state| *state == "failed").count(), 1);
}

#[test]
fn the_summary_has_its_documented_shape() {
    for (flags, failed) in [
        (&["-j", "2"][..], 1),
        (&["-j", "auto"], 1),
        (&["-q", "--no-journal"], 1),
    ] {
        let scratch = Scratch::new();
        scratch
            .run()
            .args(flags)
            .args([
                "--summary",
                "summary.json",
                "--retries",
                "2",
                "test {} != 3",
            ])
            .input(numbers(20))
            .end()
            .with_code(1);
        let summary = summary(&scratch);
        let keys =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let sorted = |mut keys: Vec<String>| {
            keys.sort();
            keys
        };
        assert_eq!(
            sorted(keys(&summary)),
            [
                "cpu_s",
                "jobs",
                "jobs_per_s",
                "level",
                "peak_rss_bytes",
                "run",
                "wall_s",
                "why"
            ]
        );
        assert_eq!(
            sorted(keys(&summary["jobs"])),
            [
                "busy_retried",
                "done",
                "failed",
                "put_back",
                "retried",
                "skipped",
                "total"
            ]
        );
        assert_eq!(
            ["total", "done", "failed", "skipped", "retried"]
                .map(|key| summary["jobs"][key].as_u64().unwrap()),
            [20, 19, failed, 0, 1]
        );
        let has_journal = !flags.contains(&"--no-journal");
        assert_eq!(summary["run"].as_i64(), has_journal.then_some(1));
        for number in ["wall_s", "cpu_s", "jobs_per_s"] {
            assert!(
                summary[number].as_f64().unwrap() > 0.0,
                "{number} in {summary}"
            );
        }
        assert!(
            summary["peak_rss_bytes"].as_u64().unwrap() > 100_000,
            "{summary}"
        );
        assert_eq!(
            sorted(keys(&summary["level"])),
            [
                "decisions",
                "decisions_left_out",
                "final",
                "limited_by",
                "max",
                "remembered"
            ]
        );
        let limit = summary["level"]["limited_by"].as_str().unwrap();
        assert!(limit.starts_with("limited by "), "{summary}");
        assert!(summary["why"].is_null(), "{summary}");
        let level = |key: &str| summary["level"][key].as_u64().unwrap();
        assert!(
            1 <= level("final") && level("final") <= level("max"),
            "{summary}"
        );
        let decisions = summary["level"]["decisions"].as_array().unwrap();
        for decision in decisions {
            assert_eq!(
                sorted(keys(decision)),
                ["label", "limit", "reason", "t_s", "was"]
            );
            assert!(decision["t_s"].as_f64().unwrap() >= 0.0);
            assert!(decision["limit"].as_u64().unwrap() >= 1);
            assert!(decision["was"].as_u64().is_some());
            assert!(!decision["reason"].as_str().unwrap().is_empty());
        }
        if flags[1] == "2" {
            assert_eq!((level("final"), level("max"), decisions.len()), (2, 2, 1));
        }
    }
}

#[test]
fn a_resumed_run_counts_what_it_skipped() {
    let scratch = Scratch::new();
    let run = |inputs: usize| {
        scratch
            .run()
            .args(["--resume", "--summary", "summary.json", "true"])
            .input(numbers(inputs))
            .end()
            .with_code(0);
        let jobs = summary(&scratch)["jobs"].clone();
        ["total", "done", "skipped"].map(|key| jobs[key].as_u64().unwrap())
    };
    assert_eq!(run(5), [5, 5, 0]);
    assert_eq!(run(8), [8, 3, 5]);
}
