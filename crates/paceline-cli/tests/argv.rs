//! Whatever bytes an input holds, they arrive in argv unchanged.
#![allow(clippy::unwrap_used)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{Paceline, Scratch};

/// Prints how many arguments it got and what they were, each ended by a NUL.
const SHOW: &str = "printf '%s\\0' \"$#\" \"$@\"";

/// Words that somebody between us and the program might take for something else.
const TRICKY: [&str; 34] = [
    "",
    "-",
    "--",
    "-n",
    "-rf",
    "-0",
    "--help",
    "--resume",
    "a b",
    " ",
    "\n",
    "a\n",
    "\t",
    "'",
    "\"",
    "`touch pwned`",
    "$(touch pwned)",
    "$HOME",
    "${x",
    "\\",
    "\\n",
    "*",
    "~",
    "!",
    "#",
    "a;b",
    "&",
    "|",
    ">pwned",
    "{}",
    "{1}",
    "{#}",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        2 => 1..=u8::MAX,
        1 => prop::sample::select(b"'\"\\$`\n {}-".to_vec()),
    ];
    prop_oneof![
        1 => prop::sample::select(TRICKY.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        2 => prop::collection::vec(byte, 0..12),
    ]
    .prop_filter("means a source of inputs", |word| {
        let operators: [&[u8]; 4] = [b":::", b"::::", b":::+", b"::::+"];
        !operators.contains(&word.as_slice())
    })
}

fn inputs() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(input(), 0..=20)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 30,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

/// What the jobs saw: the arguments of each.
fn seen(printed: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut words = printed.split(|b| *b == 0);
    let mut jobs = Vec::new();
    while let Some(count) = words.next().filter(|count| !count.is_empty()) {
        let count: usize = std::str::from_utf8(count).unwrap().parse().unwrap();
        jobs.push(words.by_ref().take(count).map(<[u8]>::to_vec).collect());
    }
    assert_eq!(words.count(), 0);
    jobs
}

/// A way to give the inputs to a run.
type Give = fn(&Scratch, Paceline, &[Vec<u8>]) -> Paceline;

/// Runs the inputs without a shell and with one, and compares.
fn arrives(inputs: &[Vec<u8>], flags: &[&str], give: Give) {
    let scratch = Scratch::new();
    let show = scratch.script("show", SHOW);
    let show = show.to_str().unwrap();
    let all_quotings = format!("{show} {{}} \"{{}}\" '{{}}' | cat");
    let with_shell = [all_quotings.as_str()];
    let commands: [(&[&str], usize); 3] = [
        (&["--", show, "{}"], 1),
        (&[show, "{}"], 1),
        (&with_shell, 3),
    ];
    for (command, times) in commands {
        let run = scratch.run().args(["-k", "-j", "4", "-q"]).args(flags);
        let output = give(&scratch, run.args(command), inputs).end();
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (Some(0), ""),
            "{command:?}"
        );
        let expected: Vec<Vec<Vec<u8>>> = inputs
            .iter()
            .map(|input| vec![input.clone(); times])
            .collect();
        assert_eq!(seen(&output.stdout), expected, "{command:?}");
    }
    let nothing: [&str; 0] = [];
    assert_eq!(scratch.names(), nothing, "an input was run");
}

fn ended_by_nul(inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = inputs.join(&0);
    if !inputs.is_empty() {
        bytes.push(0);
    }
    bytes
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn from_standard_input(inputs in inputs()) {
        arrives(&inputs, &["-0"], |_, run, inputs| run.input(ended_by_nul(inputs)));
    }

    #[test]
    fn from_a_file(inputs in inputs()) {
        let flags = ["-0", "-a", "../inputs"];
        arrives(&inputs, &flags, |scratch, run, inputs| {
            std::fs::write(scratch.outside("inputs"), ended_by_nul(inputs)).unwrap();
            run
        });
    }

    #[test]
    fn from_the_command_line(inputs in inputs()) {
        arrives(&inputs, &[], |_, run, inputs| {
            run.arg(":::").args(inputs.iter().map(|input| OsStr::from_bytes(input)))
        });
    }
}

/// Dashes among the words of the command itself belong to it.
#[test]
fn two_dashes_in_the_command_are_its_own() {
    let scratch = Scratch::new();
    let show = scratch.script("show", SHOW);
    for before in [&[][..], &["--"][..]] {
        let run = scratch.run().arg("-q").args(before).arg(&show);
        let output = run.args(["rm", "--", "-x", "{}", ":::", "--", "a"]).end();
        let word = |word: &str| word.as_bytes().to_vec();
        let expected: Vec<Vec<Vec<u8>>> = ["--", "a"]
            .map(|input| ["rm", "--", "-x", input].map(word).to_vec())
            .to_vec();
        let mut found = seen(&output.with_code(0).stdout);
        found.sort();
        assert_eq!(found, expected, "{before:?}");
    }
}

/// A script for an inner shell, an eval or a trap is no danger to what stands after it.
#[test]
fn a_script_that_has_ended_does_not_matter() {
    let scratch = Scratch::new();
    for before in [
        "trap 'true' EXIT;",
        "trap 'true; true' TERM\n",
        "trap '' INT TERM &&",
        "trap \"rm -f nothing\" EXIT;",
        "eval 'true; true';",
        "eval \"x=1\" &&",
        "sh -c 'true; true';",
        "sh -c \"true\" &&",
    ] {
        let command = format!("{before} printf '%s' {{}}");
        let output = scratch
            .run()
            .args(["-q", &command, ":::", "a'; touch pwned; '"])
            .end();
        assert_eq!(output.code, Some(0), "{before} {output:?}");
        assert_eq!(output.text(), "a'; touch pwned; '", "{before}");
    }
    assert!(scratch.names().is_empty());
}
