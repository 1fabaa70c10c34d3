//! What jobs write arrives whole, unmixed, in bounded memory.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::thread;
use std::time::Duration;

use support::{Scratch, wait_until};

const MIB: u64 = 1 << 20;

/// Ten lines, each written in pieces with others' turns in between.
const IN_PIECES: &str = "for n in 0 1 2 3 4 5 6 7 8 9; do \
     printf '%s ' {}; printf '%s' $n >&2; sleep 0.001; echo $n; echo \" {}\" >&2; \
     done";

#[test]
fn outputs_of_jobs_are_never_mixed() {
    let scratch = Scratch::new();
    let jobs: Vec<String> = (100..130).map(|n| n.to_string()).collect();
    let run = scratch.run().args(["-j", "8", "-q", IN_PIECES, ":::"]);
    let output = run.args(&jobs).end().with_code(0);
    let whole = |line: &dyn Fn(&str, usize) -> String| {
        let blocks = jobs
            .iter()
            .map(|job| (0..10).map(|n| line(job, n)).collect());
        let mut blocks: Vec<String> = blocks.collect();
        blocks.sort();
        blocks
    };
    let found = |text: &str| {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut blocks: Vec<String> = lines.chunks(10).map(<[&str]>::concat).collect();
        blocks.sort();
        blocks
    };
    assert_eq!(
        found(output.text()),
        whole(&|job, n| format!("{job} {n}\n"))
    );
    assert_eq!(
        found(&output.stderr),
        whole(&|job, n| format!("{n} {job}\n"))
    );
}

#[test]
fn with_k_outputs_come_in_the_order_of_inputs() {
    let scratch = Scratch::new();
    // Each ends only after the one behind it.
    let job = "until test -e ended.$(({} + 1)); do sleep 0.005; done; \
               echo out {}; echo err {} >&2; touch ended.{}";
    scratch.write("ended.7", "");
    for (flag, count) in [("--group", 6), ("--line-buffer", 6), ("--tag", 6)] {
        for n in 1..=count {
            let _ = fs::remove_file(scratch.path(format!("ended.{n}")));
        }
        let run = scratch
            .run()
            .args([flag, "-q", "-k", "-j", "6", job, ":::"]);
        let output = run
            .args((1..=count).map(|n| n.to_string()))
            .end()
            .with_code(0);
        let tag = |n| {
            if flag == "--tag" {
                format!("{n}\t")
            } else {
                String::new()
            }
        };
        let expected = |what: &str| -> String {
            (1..=count)
                .map(|n| format!("{}{what} {n}\n", tag(n)))
                .collect()
        };
        assert_eq!(output.text(), expected("out"), "{flag}");
        assert_eq!(output.stderr, expected("err"), "{flag}");
    }
}

#[test]
fn the_tag_stands_before_each_line() {
    let scratch = Scratch::new();
    let job = "printf 'one\\n\\nthree'; echo problem >&2; : {}";
    let run = scratch.run().args(["-k", "-q", "--tag", job]);
    let output = run.args([":::", "a b", "c", ":::", "1"]).end().with_code(0);
    let expected = "a b 1\tone\na b 1\t\na b 1\tthree\nc 1\tone\nc 1\t\nc 1\tthree\n";
    assert_eq!(output.text(), expected);
    assert_eq!(output.stderr, "a b 1\tproblem\nc 1\tproblem\n");
}

#[test]
fn line_by_line_means_whole_lines_as_they_come() {
    let scratch = Scratch::new();
    let job =
        "echo first {}; printf 'begun '; until test -e go; do sleep 0.005; done; echo ended {}";
    let run = scratch.run().args(["-j", "3", "-q", "--line-buffer", job]);
    let mut running = run.args([":::", "a", "b", "c"]).start();
    wait_until("the first lines are there", || {
        running.stdout().len() >= "first a\n".len() * 3
    });
    let first = String::from_utf8(running.stdout()).unwrap();
    let mut lines: Vec<&str> = first.split_inclusive('\n').collect();
    lines.sort_unstable();
    assert_eq!(lines, ["first a\n", "first b\n", "first c\n"]);
    assert!(!running.has_ended());
    scratch.write("go", "");
    let output = running.end().with_code(0);
    assert_eq!(
        &output.sorted_lines()[..3],
        ["begun ended a", "begun ended b", "begun ended c"]
    );
}

#[test]
fn lines_stay_whole_line_by_line() {
    let scratch = Scratch::new();
    let jobs: Vec<String> = (100..130).map(|n| n.to_string()).collect();
    let run = scratch
        .run()
        .args(["-j", "8", "-q", "--line-buffer", "--tag", IN_PIECES, ":::"]);
    let output = run.args(&jobs).end().with_code(0);
    let mut expected: Vec<String> = jobs
        .iter()
        .flat_map(|job| (0..10).map(move |n| format!("{job}\t{job} {n}")))
        .collect();
    expected.sort();
    assert_eq!(output.sorted_lines(), expected);
    assert_eq!(output.stderr.lines().count(), 300);
}

/// Far more than is held in memory, without and with an end of line.
#[test]
fn a_very_long_line_stays_whole_line_by_line() {
    let scratch = Scratch::new();
    let job = "head -c 3000000 /dev/zero | tr '\\0' {}; test {} = a || echo; echo after {}";
    let run = scratch.run().args(["-j", "3", "-q", "--line-buffer", job]);
    let output = run.args([":::", "a", "b", "c"]).end().with_code(0);
    let long = |letter: &str| letter.repeat(3_000_000);
    let mut expected = vec![
        format!("{}after a", long("a")),
        long("b"),
        "after b".to_owned(),
        long("c"),
        "after c".to_owned(),
    ];
    expected.sort();
    assert!(
        output.sorted_lines() == expected,
        "lines were torn or mixed"
    );
}

#[test]
fn ungrouped_output_comes_at_once() {
    let scratch = Scratch::new();
    let job =
        "printf begun; until test -e go; do sleep 0.005; done; echo ' ended'; echo err >&2; :";
    let mut running = scratch.run().args(["-u", "-q", job, ":::", "a"]).start();
    wait_until("it has begun", || running.stdout() == b"begun");
    assert!(!running.has_ended());
    scratch.write("go", "");
    let output = running.end().with_code(0);
    assert_eq!(
        (output.text(), output.stderr.as_str()),
        ("begun ended\n", "err\n")
    );
}

#[test]
fn every_byte_arrives() {
    let scratch = Scratch::new();
    let mut random = fastrand::Rng::with_seed(7);
    let sizes = [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000];
    let mut whole = Vec::new();
    for (n, size) in sizes.into_iter().enumerate() {
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(size)
            .collect();
        scratch.write(format!("in.{n}"), &bytes);
        whole.extend_from_slice(&bytes);
    }
    let names = (0..sizes.len()).map(|n| format!("in.{n}"));
    let run = scratch
        .run()
        .args(["-k", "-q", "-j", "4", "cat {}; cat {} >&2", ":::"]);
    let mut running = run.args(names).start();
    wait_until("it ends", || running.has_ended());
    wait_until("its errors are there", || {
        running.stderr_bytes().len() >= whole.len()
    });
    assert!(running.stderr_bytes() == whole);
    let output = running.end().with_code(0);
    assert!(
        output.stdout == whole,
        "{} bytes of {}",
        output.stdout.len(),
        whole.len()
    );
    assert_eq!(fs::read_dir(scratch.outside("tmp")).unwrap().count(), 0);
}

#[test]
fn much_output_on_both_streams_does_not_lock_up() {
    let scratch = Scratch::new();
    for flag in ["--group", "--line-buffer"] {
        let job = "for n in 1 2 3 4 5 6 7 8; do head -c 100000 /dev/zero | tr '\\0' o; echo; \
                   head -c 100000 /dev/zero | tr '\\0' e >&2; echo >&2; done; : {}";
        let run = scratch.run().args([flag, "-q", "-j", "2", job]);
        let output = run.args([":::", "a", "b", "c"]).end().with_code(0);
        let lines = |letter: &str| format!("{}\n", letter.repeat(100_000)).repeat(24);
        assert!(
            output.text() == lines("o"),
            "{flag}: {} bytes",
            output.stdout.len()
        );
        assert!(
            output.stderr == lines("e"),
            "{flag}: {} bytes",
            output.stderr.len()
        );
    }
}

#[test]
fn a_huge_output_arrives_whole_and_is_not_held_in_memory() {
    const BYTES: u64 = 200_000_000;
    const LINE: &str = "0123456789abcde\n";
    let scratch = Scratch::new();
    let script = format!(
        "exec \"$PACELINE\" run -q -j 2 'yes {} | head -c {BYTES}' ::: {} > out",
        "{}",
        LINE.trim()
    );
    let mut running = scratch.shell(&script).start();
    let status = format!("/proc/{}/status", running.id());
    let mut peak_kib = 0;
    while !running.has_ended() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(peak) = peak.and_then(|peak| peak.split_whitespace().next()) {
            peak_kib = peak_kib.max(peak.parse().unwrap());
        }
        thread::sleep(Duration::from_millis(2));
    }
    running.end().with_code(0);
    assert!(peak_kib > 0 && peak_kib * 1024 < 40 * MIB, "{peak_kib} KiB");
    let file = File::open(scratch.path("out")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), BYTES);
    let expected = LINE.repeat(1 << 14);
    let mut reader = BufReader::with_capacity(expected.len(), file);
    let mut chunk = vec![0; expected.len()];
    for _ in 0..BYTES / expected.len() as u64 {
        reader.read_exact(&mut chunk).unwrap();
        assert!(chunk == expected.as_bytes());
    }
    let rest = reader.fill_buf().unwrap();
    assert!(expected.as_bytes().starts_with(rest));
}

#[test]
fn a_reader_who_goes_early_ends_the_run_quietly() {
    for job in [
        "echo {}",
        "yes {} | head -c 200000",
        "while echo {}; do sleep 0.01; done",
    ] {
        let scratch = Scratch::new();
        let script = format!(
            "seq 100000 | {{ \"$PACELINE\" run --line-buffer -j 4 '{job}'; echo $? > code; }} | head -n 1"
        );
        let output = scratch.shell(&script).end().with_code(0);
        assert_eq!(output.lines().len(), 1, "{output:?}");
        assert_eq!(output.stderr, "", "{job}");
        assert_eq!(scratch.text("code"), "141\n", "{job}");
        assert!(scratch.processes().is_empty());
        assert!(scratch.records().len() < 100_000);
    }
}

#[test]
fn an_output_that_cannot_be_written_breaks_the_run_off() {
    for job in ["echo {}", "yes {} | head -c 200000", "echo {}; sleep 1000"] {
        let scratch = Scratch::new();
        let script = format!(
            "seq 1000 | \"$PACELINE\" run --line-buffer --grace 1s -j 4 '{job}' > /dev/full"
        );
        let output = scratch.shell(&script).end().with_code(110);
        assert!(
            output
                .stderr
                .contains("cannot write the output: No space left on device"),
            "{output:?}"
        );
        assert!(!output.stderr.contains("panicked"), "{output:?}");
        assert!(scratch.processes().is_empty());
        let lost = scratch
            .records()
            .into_iter()
            .find(|record| record.state == "done");
        assert!(lost.is_none(), "its output is nowhere: {lost:?}");
    }
}

#[test]
fn results_are_saved_where_gnu_parallel_puts_them() {
    let scratch = Scratch::new();
    let job = "echo out {1} {2}; echo err {1} >&2; exit {2}";
    let run = scratch.run().args(["-k", "--results", "some/where", job]);
    let output = run
        .args([":::", "a/b", "c", ":::", "0", "1"])
        .end()
        .with_code(2);
    assert_eq!(
        output.lines(),
        ["out a/b 0", "out a/b 1", "out c 0", "out c 1"]
    );
    for (n, (one, two)) in [("a\\_b", "0"), ("a\\_b", "1"), ("c", "0"), ("c", "1")]
        .iter()
        .enumerate()
    {
        let input = one.replace("\\_", "/");
        let file = |name: &str| scratch.text(format!("some/where/1/{one}/2/{two}/{name}"));
        assert_eq!(file("stdout"), format!("out {input} {two}\n"));
        assert_eq!(file("stderr"), format!("err {input}\n"));
        assert_eq!(file("seq"), (n + 1).to_string());
    }
}

#[test]
fn the_job_log_has_the_columns_of_gnu_parallel() {
    let scratch = Scratch::new();
    let job =
        "case {} in b) exit 3 ;; c) kill -TERM $$ ;; d) sleep 1000 ;; *) printf 12345 ;; esac";
    let run = |resume: &str, inputs: &[&str]| {
        let run = scratch
            .run()
            .args(["-j", "1", "--timeout", "2s", "--joblog", "log"]);
        run.args([resume, job, ":::"]).args(inputs).end()
    };
    run("-q", &["a", "b", "c", "d"]).with_code(3);
    let log = scratch.lines("log");
    assert_eq!(
        log[0],
        "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
    );
    let rows: Vec<Vec<&str>> = log[1..]
        .iter()
        .map(|line| line.split('\t').collect())
        .collect();
    let columns = |row: &Vec<&str>| [0, 4, 5, 6, 7].map(|n| row[n].to_owned());
    let found: Vec<_> = rows.iter().map(columns).collect();
    assert_eq!(
        found,
        [
            ["1", "0", "5", "0", "0"],
            ["2", "0", "0", "3", "0"],
            ["3", "0", "0", "0", "15"],
            ["4", "0", "0", "-1", "15"],
        ]
    );
    for (row, input) in rows.iter().zip(["a", "b", "c", "d"]) {
        assert_eq!(row.len(), 9);
        assert!(!row[1].is_empty());
        assert!(row[2].parse::<f64>().unwrap() > 1e9);
        assert!(row[3].trim().parse::<f64>().unwrap() >= 0.0);
        assert_eq!(row[8], job.replace("{}", &format!("'{input}'")));
    }
    // Going on adds to it; beginning anew begins it anew.
    run("--resume", &["a", "b", "c", "d", "e"]).with_code(0);
    assert_eq!(scratch.lines("log").len(), 6);
    run("-q", &["a"]).with_code(0);
    assert_eq!(scratch.lines("log").len(), 2);
}

#[test]
fn a_process_left_behind_does_not_hold_up_the_run() {
    for flag in ["--group", "--line-buffer"] {
        let scratch = Scratch::new();
        let run = scratch.run().args([flag, "-k", "sleep 1000 & echo {}"]);
        let output = run.args([":::", "a", "b"]).end().with_code(0);
        assert_eq!(output.text(), "a\nb\n");
        let told = output
            .stderr
            .lines()
            .find(|line| line.contains("still running"));
        assert!(told.is_some_and(|line| line.contains('2')), "{output:?}");
        assert_eq!(scratch.processes().len(), 2);
    }
}

#[test]
fn an_unfinished_last_line_is_ended_only_where_lines_matter() {
    for (flag, expected) in [
        ("--group", "aabb"),
        ("--line-buffer", "aa\nbb\n"),
        ("--ungroup", "aabb"),
    ] {
        let scratch = Scratch::new();
        let run = scratch
            .run()
            .args([flag, "-q", "-j", "1", "printf {}; sleep 0.02; printf {}"]);
        let output = run.args([":::", "a", "b"]).end().with_code(0);
        assert_eq!(output.text(), expected, "{flag}");
    }
}

/// What has been printed by then is no less what a job wrote before it failed.
#[test]
fn errors_that_are_printed_line_by_line_are_remembered_too() {
    let scratch = Scratch::new();
    let job = "for n in 1 2 3 4 5; do echo err $n >&2; sleep 0.01; done; exit {}";
    let run = scratch.run().args(["-q", "--line-buffer", job, ":::", "3"]);
    run.end().with_code(1);
    let tail = "err 1\nerr 2\nerr 3\nerr 4\nerr 5\n";
    assert_eq!(scratch.shown("last")["failures"][0]["stderr_tail"], tail);
}

#[test]
fn with_k_much_output_may_wait_for_the_first_job() {
    let scratch = Scratch::new();
    // The first job ends when half of the others have written more than is held in memory.
    let job = "test {} != 1 || until test -e done.200; do sleep 0.005; done; \
               yes {} | head -c 70000; touch done.{}";
    let run = scratch.run().args(["-k", "-q", "-j", "3", job]);
    let inputs: String = (1..=400).map(|n| format!("{n}\n")).collect();
    let output = run.input(inputs).end().with_code(0);
    let block = |n: usize| {
        let line = format!("{n}\n");
        let mut block = line.repeat(70_000 / line.len() + 1);
        block.truncate(70_000);
        block
    };
    let expected: String = (1..=400).map(block).collect();
    assert!(
        output.text() == expected,
        "{} bytes of {}",
        output.stdout.len(),
        expected.len()
    );
}

#[test]
fn a_reader_who_takes_his_time_gets_everything() {
    let scratch = Scratch::new();
    let script = "seq 10 29 | \"$PACELINE\" run -k -q -j 2 'yes {} | head -c 300000; touch ran.{}' | \
                  { until test -e ran.13; do sleep 0.005; done; cat > out; }";
    scratch.shell(script).end().with_code(0);
    let expected: String = (10..30).map(|n| format!("{n}\n").repeat(100_000)).collect();
    assert!(scratch.text("out") == expected);
}

/// Whoever reads our messages may go, too; the jobs do not depend on him.
#[test]
fn messages_that_cannot_be_written_do_no_harm() {
    for (job, code) in [
        ("echo {}", 0),
        ("echo {}; exit 3", 2),
        ("no-such-program-{}", 2),
    ] {
        let scratch = Scratch::new();
        let script = format!("exec \"$PACELINE\" run -k '{job}' ::: a b 2> /dev/full");
        let output = scratch.shell(&script).end();
        assert_eq!(output.code, Some(code), "{output:?}");
        assert_eq!(scratch.records().len(), 2);
    }
}

#[test]
fn a_reader_of_messages_who_goes_early_does_no_harm() {
    let scratch = Scratch::new();
    let script = "{ \"$PACELINE\" run 'until test -e go; do sleep 0.005; done; echo {} >> ran' ::: a b \
                    2>&1 > /dev/null; echo $? > code; } | { exec < /dev/null; touch go; }";
    scratch.shell(script).end().with_code(0);
    assert_eq!(scratch.sorted_lines("ran"), ["a", "b"]);
    assert_eq!(scratch.text("code"), "0\n");
}

#[test]
fn without_room_for_temporary_files_the_run_breaks_off_and_says_why() {
    for limit in ["TMPDIR=/no/such/directory; export TMPDIR", "ulimit -f 1000"] {
        let scratch = Scratch::new();
        let script = format!(
            "{limit}; exec \"$PACELINE\" run -k 'echo {{}}; test {{}} = small || yes | head -c 2000000' ::: small large"
        );
        let output = scratch.shell(&script).end();
        assert_eq!(output.code, Some(110), "{limit}: {output:?}");
        assert!(
            output.stderr.contains("cannot hold the output of a job"),
            "{output:?}"
        );
        assert!(
            scratch
                .records()
                .iter()
                .all(|record| record.args != ["large"])
        );
    }
}
