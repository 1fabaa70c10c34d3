//! What Ctrl-C and its relatives do: nothing is lost, and nothing is left running.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{Output, Running, Scratch, wait_until};

/// Says that it has begun, and ends when it is let go.
const WAITING: &str = "echo {} >> begun; until test -e go; do sleep 0.005; done; echo {} >> ended";

const INPUTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A run with two jobs in flight.
fn start(scratch: &Scratch, flags: &[&str], job: &str) -> Running {
    let run = scratch.run().args(["-j", "2", "-k"]).args(flags);
    let mut running = run.args([job, ":::"]).args(INPUTS).start();
    running.wait_until("two jobs run", || scratch.lines("begun").len() == 2);
    running
}

fn says(running: &mut Running, what: &str) {
    wait_until(what, || {
        let said = running.stderr().contains(what);
        assert!(said || !running.has_ended(), "{}", running.stderr());
        said
    });
}

/// It has ended, and nothing that it started is left.
#[track_caller]
fn ends_alone(scratch: &Scratch, running: Running, code: i32) -> Output {
    let output = running.end().with_code(code);
    let left = scratch.processes();
    assert!(left.is_empty(), "{left:?} after {output:?}");
    output
}

#[test]
fn one_interrupt_lets_running_jobs_end() {
    let scratch = Scratch::new();
    let mut running = start(&scratch, &[], WAITING);
    running.signal(Signal::INT);
    says(
        &mut running,
        "starting no more; waiting for 2 running jobs (Ctrl-C again stops them)",
    );
    scratch.write("go", "");
    let output = ends_alone(&scratch, running, 130);
    assert!(
        output
            .stderr
            .contains("stopped by SIGINT; --resume goes on from here"),
        "{output:?}"
    );
    assert_eq!(scratch.sorted_lines("begun"), ["a", "b"]);
    assert_eq!(scratch.sorted_lines("ended"), ["a", "b"]);
    assert_eq!(scratch.records().len(), 2);

    let rest = scratch
        .run()
        .args(["--resume", "-j", "2", WAITING, ":::"])
        .args(INPUTS);
    rest.end().with_code(0);
    assert_eq!(scratch.sorted_lines("begun"), INPUTS);
    assert_eq!(scratch.sorted_lines("ended"), INPUTS);
}

/// Notes that it was asked to end, as does a child of it in another session. The job of b does not
/// listen.
const ASKED: &str = "input={}; case $input in \
    a) setsid sh -c 'trap \"echo child >> asked; exit 0\" TERM; echo child >> ready; \
         sleep 1000 & wait' & \
       trap 'echo a >> asked; exit 0' TERM; echo $input >> begun; sleep 1000 & wait ;; \
    b) trap '' TERM INT; (trap '' TERM; exec sleep 1000) & echo $input >> begun; \
       sleep 1000; sleep 1000 ;; \
    *) echo $input >> begun ;; \
    esac";

#[test]
fn two_interrupts_end_the_whole_tree() {
    let scratch = Scratch::new();
    let mut running = start(&scratch, &["--grace", "300ms"], ASKED);
    running.wait_until("the child is ready", || scratch.exists("ready"));
    running.signal(Signal::INT);
    says(&mut running, "starting no more");
    assert!(!scratch.exists("asked"));
    running.signal(Signal::INT);
    says(&mut running, "stopping 2 running jobs");
    ends_alone(&scratch, running, 130);
    assert_eq!(scratch.sorted_lines("asked"), ["a", "child"]);
    assert_eq!(scratch.sorted_lines("begun"), ["a", "b"]);
    let records = scratch.records();
    assert!(
        records.iter().all(|record| record.state == "done"),
        "{records:?}"
    );
}

#[test]
fn three_interrupts_do_not_wait_for_the_grace_time() {
    let scratch = Scratch::new();
    let mut running = start(&scratch, &["--grace", "1h"], ASKED);
    running.signal(Signal::INT);
    says(&mut running, "starting no more");
    running.signal(Signal::INT);
    says(&mut running, "stopping 2 running jobs");
    running.signal(Signal::INT);
    ends_alone(&scratch, running, 130);
}

#[test]
fn other_signals_end_the_whole_tree_at_once() {
    for (signal, name, code) in [(Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 129)] {
        let scratch = Scratch::new();
        let mut running = start(&scratch, &["--grace", "300ms"], ASKED);
        running.wait_until("the child is ready", || scratch.exists("ready"));
        running.signal(signal);
        let output = ends_alone(&scratch, running, code);
        assert!(
            output.stderr.contains(&format!("stopped by {name}")),
            "{output:?}"
        );
        assert_eq!(scratch.sorted_lines("asked"), ["a", "child"]);
        assert_eq!(scratch.sorted_lines("begun"), ["a", "b"]);
    }
}

#[test]
fn what_was_stopped_runs_again_when_resumed() {
    let scratch = Scratch::new();
    let running = start(&scratch, &[], WAITING);
    running.signal(Signal::TERM);
    let output = ends_alone(&scratch, running, 143);
    assert!(!output.stderr.contains("failed"), "{output:?}");
    assert_eq!(scratch.records().len(), 0);
    assert_eq!(scratch.shown("last")["exit_code"], 143);
    scratch.write("go", "");
    let rest = scratch
        .run()
        .args(["--resume", WAITING, ":::"])
        .args(INPUTS);
    rest.end().with_code(0);
    assert_eq!(scratch.sorted_lines("ended"), INPUTS);
}

#[test]
fn an_interrupt_after_failures_still_says_interrupted() {
    let scratch = Scratch::new();
    let job = format!("{WAITING}; exit 1");
    let mut running = start(&scratch, &[], &job);
    running.signal(Signal::INT);
    says(&mut running, "starting no more");
    scratch.write("go", "");
    let output = ends_alone(&scratch, running, 130);
    assert!(output.stderr.contains("2 failed"), "{output:?}");
}

#[test]
fn a_rest_before_a_retry_is_not_waited_for() {
    let scratch = Scratch::new();
    let run = scratch
        .run()
        .args(["--retries", "2", "--retry-delay", "1h"]);
    let mut running = run
        .args(["echo {} >> begun; exit 1", ":::"])
        .args(INPUTS)
        .start();
    running.wait_until("all have failed", || {
        scratch.lines("begun").len() == INPUTS.len()
    });
    running.signal(Signal::INT);
    ends_alone(&scratch, running, 130);
    assert_eq!(scratch.records().len(), 0, "each has another try");
}

#[test]
fn inputs_that_are_still_to_come_are_not_waited_for() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let scratch = Scratch::new();
        let run = scratch.run().args(["-q", "echo {} >> begun"]);
        let mut running = run.open_input("a\n").start();
        running.wait_until("it has run", || scratch.exists("begun"));
        running.signal(signal);
        ends_alone(&scratch, running, code);
    }
}

#[test]
fn a_reader_who_does_not_read_does_not_hold_up_a_stop() {
    let scratch = Scratch::new();
    // Nobody reads the pipe, and it is far too small.
    let script = "mkfifo pipe; exec 3<>pipe; exec \"$PACELINE\" run -j 2 --line-buffer \
                  'yes {} | head -c 1000000; echo {} >> begun; sleep 1000' ::: a b c d > pipe";
    let mut running = scratch.shell(script).start();
    running.wait_until("two jobs run", || scratch.lines("begun").len() == 2);
    running.signal(Signal::TERM);
    ends_alone(&scratch, running, 143);
}

#[test]
fn what_was_ignored_before_stays_ignored() {
    let scratch = Scratch::new();
    let script = format!("trap '' HUP; exec \"$PACELINE\" run -j 2 '{WAITING}' ::: a b c d");
    let mut running = scratch.shell(&script).start();
    running.wait_until("two jobs run", || scratch.lines("begun").len() == 2);
    running.signal(Signal::HUP);
    scratch.write("go", "");
    ends_alone(&scratch, running, 0);
    assert_eq!(scratch.sorted_lines("ended"), ["a", "b", "c", "d"]);
}

/// The state of a process, as `/proc` shows it: T is stopped.
fn is_stopped(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(") ").next().unwrap().starts_with('T'))
}

#[test]
fn a_suspended_run_suspends_its_jobs() {
    let scratch = Scratch::new();
    // No job starts a process: a shell that waits in vfork for one that is stopped is not shown as
    // stopped itself.
    let job = "echo {} >> begun; until test -e go; do :; done; echo {} >> ended";
    let limit = Duration::from_secs(3);
    let running = start(&scratch, &["--timeout", "3s"], job);
    running.signal(Signal::TSTP);
    let ours = running.id().cast_signed();
    wait_until("all is stopped", || {
        is_stopped(ours)
            && scratch
                .processes()
                .iter()
                .all(|process| is_stopped(process.pid))
    });
    // This does not count against the time limit.
    thread::sleep(limit);
    scratch.write("go", "");
    assert!(!scratch.exists("ended"));
    running.signal(Signal::CONT);
    ends_alone(&scratch, running, 0);
    assert_eq!(scratch.sorted_lines("ended"), INPUTS);
    let shown = scratch.shown("last");
    for record in shown["records"].as_array().unwrap() {
        let wall = record["wall_s"].as_f64().unwrap();
        assert!(
            wall < limit.as_secs_f64(),
            "our clock stood still: {record}"
        );
    }
}

#[test]
fn a_job_killed_from_outside_is_a_failure_of_that_job_alone() {
    let scratch = Scratch::new();
    let job = "echo $$ >> begun; until test -e go; do sleep 0.005; done; : {}";
    let running = start(&scratch, &[], job);
    let victim: i32 = scratch.lines("begun")[0].parse().unwrap();
    kill_process(Pid::from_raw(victim).unwrap(), Signal::TERM).unwrap();
    scratch.write("go", "");
    let output = ends_alone(&scratch, running, 1);
    assert!(output.stderr.contains("    SIGTERM      "), "{output:?}");
    assert_eq!(scratch.records().len(), INPUTS.len());
}

#[test]
fn a_job_that_signals_its_group_hits_nobody_else() {
    let scratch = Scratch::new();
    let job = "test {} != b || kill -TERM 0; echo {}";
    let run = scratch.run().args(["-j", "3", "-k", job, ":::"]);
    let output = run.args(["a", "b", "c"]).end().with_code(1);
    assert_eq!(output.lines(), ["a", "c"]);
    assert!(output.stderr.contains("    SIGTERM      b"), "{output:?}");
}

#[test]
fn a_job_that_has_stopped_can_be_ended() {
    let scratch = Scratch::new();
    let running = start(
        &scratch,
        &["--grace", "1h"],
        "echo {} >> begun; kill -STOP $$; sleep 1000",
    );
    wait_until("both are stopped", || {
        scratch
            .processes()
            .iter()
            .filter(|process| is_stopped(process.pid))
            .count()
            == 2
    });
    running.signal(Signal::TERM);
    ends_alone(&scratch, running, 143);
}

/// While jobs end as fast as others can be started, there is always another end to deal with.
#[test]
fn crowded_cores_do_not_keep_signals_from_being_heard() {
    let scratch = Scratch::new();
    let inputs: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let list = scratch.write("list", inputs);
    let job = "touch begun; i=0; while [ $i -lt 8000 ]; do i=$((i+1)); done; : {}";
    let run = scratch
        .run()
        .args(["--no-journal", "-j", "64", job, "::::"]);
    let mut running = run.arg(list).start();
    running.wait_until("jobs run", || scratch.exists("begun"));
    running.signal(Signal::TERM);
    let output = ends_alone(&scratch, running, 143);
    assert!(!output.stderr.contains("200,000 done"), "{output:?}");
}
