//! Inputs from everywhere, cut, combined, packed, and put into their places.
#![allow(clippy::unwrap_used)]

mod support;

use support::Scratch;

/// What jobs print, in order.
#[track_caller]
fn printed(scratch: &Scratch, args: &[&str], input: &str) -> Vec<String> {
    let run = scratch.run().args(["-k", "-q"]).args(args).input(input);
    let output = run.end().with_code(0);
    assert_eq!(output.stderr, "", "{args:?}");
    output.lines().into_iter().map(str::to_owned).collect()
}

/// The same from a real run and from `--dry-run`, whose commands are run by a shell here.
#[track_caller]
fn prints(args: &[&str], input: &str, expected: &[&str]) {
    let scratch = Scratch::new();
    for name in ["letters", "numbers"] {
        let lines = if name == "letters" {
            "a\nb\nc\n"
        } else {
            "1\n2\n"
        };
        scratch.write(name, lines);
    }
    assert_eq!(printed(&scratch, args, input), expected, "{args:?}");
    let dry: Vec<&str> = ["--dry-run"].iter().chain(args).copied().collect();
    let commands = printed(&scratch, &dry, input);
    let output = scratch.shell(&commands.join("\n")).end().with_code(0);
    assert_eq!(output.lines(), expected, "{commands:?}");
}

#[test]
fn words_make_every_combination_the_last_varying_fastest() {
    prints(&["echo", ":::", "a", "b", "c"], "", &["a", "b", "c"]);
    prints(
        &[
            "echo",
            "{1}{2}{3}",
            ":::",
            "a",
            "b",
            ":::",
            "1",
            "2",
            ":::",
            "x",
            "y",
        ],
        "",
        &["a1x", "a1y", "a2x", "a2y", "b1x", "b1y", "b2x", "b2y"],
    );
    prints(
        &["echo", ":::", "a", "b", ":::", "1", "2"],
        "",
        &["a 1", "a 2", "b 1", "b 2"],
    );
}

#[test]
fn linked_words_go_together() {
    prints(
        &["echo", ":::", "a", "b", ":::+", "1", "2"],
        "",
        &["a 1", "b 2"],
    );
    prints(
        &["echo", ":::", "a", "b", "c", ":::+", "1", "2"],
        "",
        &["a 1", "b 2"],
    );
    prints(
        &["echo", ":::", "a", "b", ":::+", "1", "2", ":::", "x", "y"],
        "",
        &["a 1 x", "a 1 y", "b 2 x", "b 2 y"],
    );
    prints(
        &["--link", "echo", ":::", "a", "b", "c", ":::", "1", "2"],
        "",
        &["a 1", "b 2", "c 1"],
    );
}

#[test]
fn files_are_read_line_by_line() {
    prints(&["echo", "::::", "letters"], "", &["a", "b", "c"]);
    prints(&["-a", "letters", "echo"], "", &["a", "b", "c"]);
    prints(
        &["echo", "::::", "letters", "numbers"],
        "",
        &["a 1", "a 2", "b 1", "b 2", "c 1", "c 2"],
    );
    prints(
        &["-a", "letters", "-a", "numbers", "echo", "{2}{1}"],
        "",
        &["1a", "2a", "1b", "2b", "1c", "2c"],
    );
    prints(
        &["-a", "numbers", "--link", "-a", "letters", "echo"],
        "",
        &["1 a", "2 b", "1 c"],
    );
    prints(
        &["echo", "::::", "letters", "::::+", "numbers"],
        "",
        &["a 1", "b 2"],
    );
    prints(
        &["echo", "::::", "-", ":::", "x"],
        "1\n2\n",
        &["1 x", "2 x"],
    );
    prints(&["-a", "-", "echo"], "1\n2", &["1", "2"]);
}

#[test]
fn standard_input_is_the_default() {
    prints(
        &["echo"],
        "a b\n\n  c  \nlast",
        &["a b", "", "  c  ", "last"],
    );
    prints(&["-r", "echo"], "a\n\nb\n\n", &["a", "b"]);
    prints(&["echo", "{}."], "", &[]);
}

#[test]
fn other_delimiters() {
    prints(&["-d", ",", "echo"], "a,b c,", &["a", "b c"]);
    prints(&["-d", "\\t", "echo"], "a\tb\tc", &["a", "b", "c"]);
    prints(&["-d", "<>", "echo"], "a>b<>c<<>d", &["a>b", "c<", "d"]);
    prints(&["-d", "\\x3b", "echo"], "a;b", &["a", "b"]);
    prints(&["-d", "\\0", "echo"], "a\0b c\0", &["a", "b c"]);
    prints(&["-0", "echo"], "a\0b c\0", &["a", "b c"]);
}

#[test]
fn columns_become_arguments() {
    prints(
        &["--colsep", ",", "echo", "{2}-{1}"],
        "a,b\nc,d\n",
        &["b-a", "d-c"],
    );
    prints(
        &["-C", "\\s+", "echo", "{-1}{1}"],
        "a  b\tc\nd e\n",
        &["ca", "ed"],
    );
    prints(
        &["--colsep", ",", "echo", "[{3}]"],
        "a,b,c\nd\n",
        &["[c]", "[]"],
    );
    prints(&["--colsep", ",", "echo"], "a,b\nc\n", &["a b", "c"]);
    prints(
        &[
            "--colsep",
            ",",
            "echo",
            "{1}{2}{3}",
            ":::",
            "a,b",
            ":::",
            "x",
        ],
        "",
        &["abx"],
    );
}

#[test]
fn several_inputs_per_job() {
    prints(
        &["-n", "2", "echo"],
        "1\n2\n3\n4\n5\n",
        &["1 2", "3 4", "5"],
    );
    prints(
        &["-N", "2", "echo", "{2}{1}"],
        "1\n2\n3\n4\n",
        &["21", "43"],
    );
    prints(
        &["-N", "3", "echo", "{}", "{#}"],
        "1\n2\n3\n4\n",
        &["1 2 3 1", "4 2"],
    );
    prints(&["-N0", "echo", "hello"], "1\n2\n3\n", &["hello"; 3]);
    prints(&["-N0", "echo hello | cat"], "1\n2\n", &["hello"; 2]);
}

#[test]
fn packed_jobs_share_the_inputs_among_the_level() {
    let ten: String = (1..=10).map(|n| format!("{n}\n")).collect();
    let five_each = ["1 2 3 4 5", "6 7 8 9 10"];
    prints(&["-X", "-j", "2", "echo"], &ten, &five_each);
    prints(&["-m", "-j", "2", "echo"], &ten, &five_each);
    prints(&["-X", "-j", "2", "echo {} | cat"], &ten, &five_each);
    prints(
        &["-X", "-j", "5", "echo"],
        &ten,
        &["1 2", "3 4", "5 6", "7 8", "9 10"],
    );
    prints(
        &["-X", "-j", "3", "echo"],
        &ten,
        &["1 2 3 4", "5 6 7 8", "9 10"],
    );
}

#[test]
fn a_level_of_one_packs_all_into_one_job() {
    let ten: String = (1..=10).map(|n| format!("{n}\n")).collect();
    prints(&["-X", "-j", "1", "echo"], &ten, &["1 2 3 4 5 6 7 8 9 10"]);
}

#[test]
fn packed_jobs_may_be_limited() {
    let seven = "1\n2\n3\n4\n5\n6\n7\n";
    prints(
        &["-X", "-n", "2", "-j", "1", "echo"],
        seven,
        &["1 2", "3 4", "5 6", "7"],
    );
    prints(
        &["-m", "-N", "3", "-j", "1", "echo"],
        seven,
        &["1 2 3", "4 5 6", "7"],
    );
}

#[test]
fn the_word_around_a_placeholder() {
    prints(
        &["-X", "-j", "2", "echo", "pre-{}-post", "x"],
        "1\n2\n3\n4\n",
        &["pre-1-post pre-2-post x", "pre-3-post pre-4-post x"],
    );
    prints(
        &["-m", "-j", "2", "echo", "pre-{}-post", "x"],
        "1\n2\n3\n4\n",
        &["pre-1 2-post x", "pre-3 4-post x"],
    );
}

/// Prints all arguments, a line each, and one line for the job.
const LIST: &str = "printf '%s\\n' \"$@\"; echo job";

#[track_caller]
fn all_arrive(args: &[&str], inputs: &[String], least_jobs: usize) {
    let scratch = Scratch::new();
    scratch.script("list", LIST);
    let run = scratch.run().args(["-k", "-q", "-j", "2"]).args(args);
    let output = run.input(inputs.join("\n")).end().with_code(0);
    assert_eq!(output.stderr, "", "{args:?}");
    let mut lines = output.lines();
    let with_jobs = lines.len();
    lines.retain(|line| *line != "job");
    let jobs = with_jobs - lines.len();
    assert!(jobs >= least_jobs && jobs < inputs.len(), "{jobs} jobs");
    assert!(
        lines == inputs,
        "{} of {} inputs in {jobs} jobs",
        lines.len(),
        inputs.len()
    );
    let recorded: usize = scratch
        .records()
        .iter()
        .map(|record| record.args.len())
        .sum();
    assert_eq!(recorded, inputs.len());
}

#[test]
fn long_lists_are_cut_where_the_kernel_would_refuse_them() {
    let many: Vec<String> = (0..400_000).map(|n| format!("{n:07}")).collect();
    all_arrive(&["-X", "--", "../list", "{}"], &many, 3);
    all_arrive(&["-m", "../list"], &many, 3);
    let fewer = &many[..60_000];
    all_arrive(&["-X", "../list {} | cat"], fewer, 4);
    let quotes: Vec<String> = (0..20_000).map(|n| format!("{n}'\"$`\\'''")).collect();
    all_arrive(&["-X", "../list {} | cat"], &quotes, 4);
    all_arrive(&["-m", "../list \"{}\" | tr ' ' '\\n'"], &quotes, 3);
    let long: Vec<String> = (0..60).map(|n| format!("{n}").repeat(40_000)).collect();
    all_arrive(&["-X", "../list"], &long, 2);
}

/// The script of a shell that the user calls is one argument, and those may be no longer than
/// 128 KiB.
#[test]
fn long_lists_are_cut_where_a_script_would_become_too_long() {
    let many: Vec<String> = (0..60_000).map(|n| format!("{n:07}")).collect();
    all_arrive(&["-X", "--", "sh", "-c", "../list {} | cat"], &many, 4);
    all_arrive(&["-m", "--", "sh", "-c", "../list {} | cat"], &many, 4);
}

#[test]
fn a_large_environment_leaves_less_room() {
    let scratch = Scratch::new();
    scratch.script("list", LIST);
    let many: Vec<String> = (0..200_000).map(|n| format!("{n:07}")).collect();
    let mut run = scratch.run().args(["-k", "-q", "-j", "2", "-X"]);
    for n in 0..12 {
        run = run.env(&format!("LARGE_{n}"), "x".repeat(100_000));
    }
    for n in 0..3 {
        run = run.args(["--env", &format!("ADDED_{n}={}", "x".repeat(100_000))]);
    }
    let output = run.arg("../list").input(many.join("\n")).end().with_code(0);
    let lines = output.lines().into_iter().filter(|line| *line != "job");
    assert!(lines.eq(many.iter().map(String::as_str)));
}

#[test]
fn no_inputs_no_jobs() {
    let scratch = Scratch::new();
    scratch.write("empty", "");
    for args in [
        &["touch ran", "::::", "empty"][..],
        &["-a", "empty", "touch ran"],
        &["touch ran", ":::"],
        &["-X", "touch ran"],
        &["-m", "touch ran"],
        &["-n", "3", "touch ran"],
        &["-k", "touch ran"],
        &["--shuf", "touch ran"],
        &["touch ran", "::::", "empty", ":::", "a", "b"],
        &["touch ran", ":::", "a", "b", "::::", "empty"],
        &["--link", "touch ran", ":::", "a", "b", "::::", "empty"],
        &["--resume", "touch ran"],
        &["--dry-run", "touch ran"],
    ] {
        let output = scratch.run().args(args).end().with_code(0);
        assert_eq!(output.text(), "", "{args:?}");
    }
    assert!(!scratch.exists("ran"));
}

#[test]
fn placeholders() {
    let paths = "dir/sub/file.tar.gz\nplain\n/top.c\ndir/.hidden\n";
    for (template, expected) in [
        (
            "{}",
            ["dir/sub/file.tar.gz", "plain", "/top.c", "dir/.hidden"],
        ),
        ("{.}", ["dir/sub/file.tar", "plain", "/top", "dir/.hidden"]),
        ("{/}", ["file.tar.gz", "plain", "top.c", ".hidden"]),
        ("{//}", ["dir/sub", ".", "/", "dir"]),
        ("{/.}", ["file.tar", "plain", "top", ".hidden"]),
        ("{#}", ["1", "2", "3", "4"]),
        ("x{1/.}y", ["xfile.tary", "xplainy", "xtopy", "x.hiddeny"]),
        ("{-1//}", ["dir/sub", ".", "/", "dir"]),
        (
            "{a} {0} {1..3} {}",
            [
                "{a} {0} {1..3} dir/sub/file.tar.gz",
                "{a} {0} {1..3} plain",
                "{a} {0} {1..3} /top.c",
                "{a} {0} {1..3} dir/.hidden",
            ],
        ),
    ] {
        let scratch = Scratch::new();
        // {#} alone leaves the input to be appended, which nothing here is to print.
        let shown = printed(
            &scratch,
            &[
                "-j",
                "1",
                "--",
                "printf",
                &format!("{template}\\n%.0s"),
                "{}",
            ],
            paths,
        );
        assert_eq!(shown, expected, "{template}");
        let through_shell = format!("printf '%s\\n' \"{template}\"; : {{}}");
        let shown = printed(&scratch, &["-j", "2", &through_shell], paths);
        assert_eq!(shown, expected, "{template}");
    }
}

#[test]
fn without_a_placeholder_inputs_are_appended() {
    prints(&["echo", "x"], "a b\nc\n", &["x a b", "x c"]);
    prints(&["echo x"], "a b\nc\n", &["x a b", "x c"]);
    prints(&["echo x | cat -"], "letters\n", &["x", "a", "b", "c"]);
    prints(&["echo", "{#}"], "a\nb\n", &["1 a", "2 b"]);
}

/// Slots are numbered from 1, and no two jobs that run at once have the same.
#[test]
fn slots_are_taken_by_one_job_at_a_time() {
    let scratch = Scratch::new();
    let job = "mkdir slot.{%} || exit 1; sleep 0.01; rmdir slot.{%}; echo {%} $PACELINE_SLOT; : {}";
    let run = scratch.run().args(["-q", "-j", "3", job]);
    let words: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let output = run.arg(":::").args(words).end().with_code(0);
    let mut slots = output.sorted_lines();
    slots.dedup();
    assert_eq!(slots, ["1 1", "2 2", "3 3"]);
}

#[test]
fn jobs_know_their_place() {
    let scratch = Scratch::new();
    let job = "echo $PACELINE_SEQ $GREETING $(pwd) {}";
    std::fs::create_dir(scratch.path("below")).unwrap();
    let args = [
        "--env",
        "GREETING=hello",
        "--workdir",
        "below",
        job,
        ":::",
        "a",
        "b",
    ];
    let below = scratch.path("below").canonicalize().unwrap();
    let expected = [
        format!("1 hello {} a", below.display()),
        format!("2 hello {} b", below.display()),
    ];
    assert_eq!(printed(&scratch, &args, ""), expected);
}

#[test]
fn jobs_do_not_read_the_inputs() {
    let scratch = Scratch::new();
    assert_eq!(
        printed(&scratch, &["-j", "2", "cat; echo {}"], "a\nb\nc\n"),
        ["a", "b", "c"]
    );
}

#[test]
fn a_dry_run_runs_nothing_and_records_nothing() {
    let scratch = Scratch::new();
    let args = [
        "--dry-run",
        "touch",
        "{}",
        "a b",
        ":::",
        "x y",
        "$(id)",
        "it's",
        "plain",
    ];
    let shown = printed(&scratch, &args, "");
    let expected = [
        "touch 'x y' 'a b'",
        "touch '$(id)' 'a b'",
        "touch 'it'\\''s' 'a b'",
        "touch plain 'a b'",
    ];
    assert_eq!(shown, expected);
    let nothing: [&str; 0] = [];
    assert_eq!(scratch.names(), nothing);
    assert!(!scratch.journal().exists());
}

#[test]
fn shuffled_inputs_are_the_same_inputs() {
    let scratch = Scratch::new();
    let inputs: Vec<String> = (200..400).map(|n| (n / 2).to_string()).collect();
    let shuffled = printed(&scratch, &["--shuf", "--", "echo"], &inputs.join("\n"));
    assert_ne!(shuffled, inputs);
    let mut sorted = shuffled;
    sorted.sort();
    assert_eq!(sorted, inputs);
}

#[test]
fn an_input_is_run_as_it_comes() {
    let scratch = Scratch::new();
    let run = scratch.run().args(["-q", "echo {}; touch {}.ran"]);
    let mut running = run.open_input("a\nunfinish").start();
    running.wait_until("the first job has run", || scratch.exists("a.ran"));
    running.write("ed\nlast");
    running.end_input();
    let output = running.end().with_code(0);
    assert_eq!(output.sorted_lines(), ["a", "last", "unfinished"]);
}

#[test]
fn jobs_run_with_the_limits_and_the_niceness_that_they_should_have() {
    let scratch = Scratch::new();
    let script =
        "ulimit -Sn 256; exec \"$PACELINE\" run -q --nice 3 'ulimit -Sn; nice; : {}' ::: a";
    let output = scratch.shell(script).end().with_code(0);
    let niceness = scratch.shell("nice").end().with_code(0);
    let niceness: i32 = niceness.text().trim().parse().unwrap();
    assert_eq!(output.text(), format!("256\n{}\n", (niceness + 3).min(19)));
}

#[test]
fn few_open_files_mean_fewer_jobs_at_once_not_failures() {
    let scratch = Scratch::new();
    let script = "ulimit -n 80; seq 200 | \"$PACELINE\" run -q -j 100 'echo {}; : | cat'";
    let output = scratch.shell(script).end().with_code(0);
    assert_eq!(output.lines().len(), 200);
}

#[test]
fn programs_are_found_as_shells_find_them() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("bin")).unwrap();
    let program = scratch.script("program", "echo found $1");
    std::fs::rename(&program, scratch.path("bin/program")).unwrap();
    let path = format!("PATH={}:/usr/bin:/bin", scratch.path("bin").display());
    assert_eq!(
        printed(&scratch, &["--env", &path, "program", ":::", "a"], ""),
        ["found a"]
    );
    let below = ["--workdir", "bin", "./program", ":::", "a"];
    assert_eq!(printed(&scratch, &below, ""), ["found a"]);
    assert_eq!(
        printed(&scratch, &["{}", "x", ":::", "bin/program", "echo"], ""),
        ["found x", "x"]
    );
    // Without a first line that names its interpreter.
    std::fs::write(scratch.path("bin/program"), "echo plain $1\n").unwrap();
    assert_eq!(
        printed(&scratch, &["bin/program", ":::", "a"], ""),
        ["plain a"]
    );
}
