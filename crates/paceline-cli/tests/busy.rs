//! Jobs that say "busy": put back, not failed, and not for ever.
#![allow(clippy::unwrap_used)]

mod support;

use rustix::process::Signal;
use serde_json::Value;
use support::{Scratch, wait_until};

fn summary(scratch: &Scratch) -> Value {
    serde_json::from_str(&scratch.text("summary.json")).unwrap()
}

/// A job that notes each of its tries and the time, and is busy for the first so many.
fn busy_for(tries: usize, answer: &str) -> String {
    format!(
        "date +%s.%N >> {{}}; echo out-{{}}; test $(wc -l < {{}}) -gt {tries} || {{{{ {answer}; }}}}"
    )
    .replace("{{", "{")
    .replace("}}", "}")
}

fn gaps(scratch: &Scratch, file: &str) -> Vec<f64> {
    let times: Vec<f64> = scratch
        .lines(file)
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Else one slot would ask a peer that is busy a hundred times while another is served once.
#[test]
fn a_refusal_takes_its_slot_for_as_long_as_an_answer() {
    let scratch = Scratch::new();
    scratch.script(
        "job",
        "date +%s.%N >> \"$1\"
        case $1 in
            served) sleep 0.6; date +%s.%N >> served ;;
            refused) test $(wc -l < refused) -gt 1 || exit 75 ;;
        esac",
    );
    scratch
        .run()
        .args(["-j", "1", "--"])
        .arg(scratch.outside("job"))
        .args(["{}", ":::", "served", "refused", "next"])
        .end()
        .with_code(0);
    let took = gaps(&scratch, "served")[0];
    let at = |file: &str| -> f64 { scratch.lines(file)[0].parse().unwrap() };
    let empty = at("next") - at("refused");
    assert!(
        empty > took / 2.0,
        "empty for {empty} s, an answer took {took} s"
    );
}

#[test]
fn a_busy_job_is_tried_until_it_succeeds() {
    let scratch = Scratch::new();
    let output = scratch
        .run()
        .args([
            "-j",
            "3",
            "--halt",
            "now,fail=1",
            "--summary",
            "summary.json",
        ])
        .arg(busy_for(3, "echo not yet >&2; exit 75"))
        .args([":::", "a", "b", "c"])
        .end()
        .with_code(0);
    assert_eq!(
        output.sorted_lines(),
        ["out-a", "out-b", "out-c"],
        "{output:?}"
    );
    for name in ["a", "b", "c"] {
        assert_eq!(scratch.lines(name).len(), 4);
    }
    assert!(!output.stderr.contains("not yet"), "{output:?}");
    assert!(
        output.stderr.contains("3 done, 9 busy answers retried"),
        "{output:?}"
    );
    let jobs = &summary(&scratch)["jobs"];
    for (what, count) in [
        ("done", 3),
        ("failed", 0),
        ("retried", 0),
        ("busy_retried", 9),
    ] {
        assert_eq!(jobs[what], count, "{what} in {jobs}");
    }
    for record in scratch.records() {
        assert_eq!((record.state.as_str(), record.attempts), ("done", 1));
    }
    let shown = scratch.shown("last");
    assert_eq!(shown["records"][0]["note"], "busy 3 times before");
}

#[test]
fn it_rests_as_long_as_it_asks_to() {
    let scratch = Scratch::new();
    let retry = "echo Retry-After: 90 >&2; echo 'retry-after: 0.8' >&2; echo bye >&2; exit 75";
    scratch
        .run()
        .arg(busy_for(2, retry))
        .args([":::", "a"])
        .end()
        .with_code(0);
    let gaps = gaps(&scratch, "a");
    assert_eq!(gaps.len(), 2);
    assert!(gaps.iter().all(|gap| *gap >= 0.8), "{gaps:?}");
}

#[test]
fn a_time_of_day_is_an_answer_too() {
    let scratch = Scratch::new();
    let at = "$(LC_ALL=C date -u -d @$(($(date +%s) + 2)) '+%a, %d %b %Y %H:%M:%S GMT')";
    scratch
        .run()
        .arg(busy_for(
            1,
            &format!("echo \"Retry-After: {at}\" >&2; exit 75"),
        ))
        .args([":::", "a"])
        .end()
        .with_code(0);
    let gaps = gaps(&scratch, "a");
    assert!(gaps[0] >= 1.0, "{gaps:?}");
}

#[test]
fn other_codes_can_say_so_and_75_can_mean_failure() {
    let scratch = Scratch::new();
    let job = "echo >> {}; test $(wc -l < {}) -gt 1 || exit {}";
    let output = scratch
        .run()
        .args(["--busy-exit", "7,69", job, ":::", "7", "69", "75"])
        .end()
        .with_code(1);
    assert!(
        output
            .stderr
            .contains("2 done, 1 failed, 2 busy answers retried"),
        "{output:?}"
    );
    let output = scratch
        .run()
        .args(["--busy-exit", "none", "exit {}", ":::", "75"])
        .end()
        .with_code(1);
    assert!(output.stderr.contains("1 failed |"), "{output:?}");
    for wrong in ["0", "256", "x", ""] {
        let output = scratch
            .run()
            .args(["--busy-exit", wrong, "true", ":::", "1"])
            .end()
            .with_code(2);
        assert!(output.stderr.contains("or none"), "{output:?}");
    }
}

#[test]
fn one_that_is_always_busy_is_given_up() {
    let scratch = Scratch::new();
    let job = "echo >> {}; echo closed >&2; exit 75";
    let output = scratch
        .run()
        .args(["--busy-retries", "3", "--retries", "2", job, ":::", "a"])
        .end()
        .with_code(1);
    assert_eq!(scratch.lines("a").len(), 4);
    assert!(
        output
            .stderr
            .contains("exit 75      a: busy 4 times in a row, over "),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("closed"),
        "its last words are told: {output:?}"
    );
    let records = scratch.records();
    assert_eq!(
        (records[0].state.as_str(), records[0].exit_code),
        ("failed", Some(75))
    );
}

#[test]
fn busy_answers_and_failures_are_counted_apart() {
    let scratch = Scratch::new();
    // Busy, failed, busy, busy, failed: the second failure is the last that --retries allows.
    let job = "echo >> {}; case $(wc -l < {}) in 2|5) exit 1 ;; *) exit 75 ;; esac";
    let output = scratch
        .run()
        .args(["--retries", "2", "--busy-retries", "2", job, ":::", "a"])
        .end()
        .with_code(1);
    assert_eq!(scratch.lines("a").len(), 5);
    assert!(
        output
            .stderr
            .contains("1 failed, 1 retried, 3 busy answers retried"),
        "{output:?}"
    );
    let records = scratch.records();
    assert_eq!((records[0].exit_code, records[0].attempts), (Some(1), 2));
}

#[test]
fn the_order_of_outputs_waits_for_a_busy_job() {
    let scratch = Scratch::new();
    let job = "test -e seen || { touch seen; exit 75; }; echo {}";
    let output = scratch
        .run()
        .args(["-k", "-j", "1", job, ":::", "a", "b", "c"])
        .end()
        .with_code(0);
    assert_eq!(output.lines(), ["a", "b", "c"]);
}

#[test]
fn a_block_is_read_again_from_its_start() {
    let scratch = Scratch::new();
    let output = scratch
        .run()
        .args(["--pipe", "cat; test -e seen || { touch seen; exit 75; }"])
        .input("one\ntwo\n")
        .end()
        .with_code(0);
    assert_eq!(output.lines(), ["one", "two"]);
}

#[test]
fn ctrl_c_ends_a_run_whose_jobs_all_rest() {
    let scratch = Scratch::new();
    let job = "echo >> {}; echo Retry-After: 3000 >&2; exit 75";
    let running = scratch.run().args([job, ":::", "a", "b"]).start();
    wait_until("a long rest is told", || {
        running.stderr().contains("started again in 5")
    });
    // The guardian carries no mark: then paceline is alone.
    wait_until("both rest", || {
        scratch.exists("b") && scratch.processes().len() == 1
    });
    running.signal(Signal::INT);
    let output = running.end().with_code(130);
    assert!(output.stderr.contains("--resume goes on"), "{output:?}");
    assert_eq!(scratch.records(), []);
}

#[test]
fn a_killed_run_is_resumed_with_those_that_rested() {
    let scratch = Scratch::new();
    let job = "echo >> {}; test -e open || { echo Retry-After: 3000 >&2; exit 75; }";
    let mut running = scratch.run().args([job, ":::", "a", "b"]).start();
    running.wait_until("both have answered", || {
        scratch.exists("a") && scratch.exists("b")
    });
    running.signal(Signal::KILL);
    drop(running);
    scratch.wait_until_alone();
    scratch.write("open", "");
    let output = scratch
        .run()
        .args(["--resume", job, ":::", "a", "b"])
        .end()
        .with_code(0);
    assert!(output.stderr.contains("2 done |"), "{output:?}");
    assert_eq!(scratch.records().len(), 2);
}
