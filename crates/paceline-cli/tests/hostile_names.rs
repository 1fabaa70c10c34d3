//! Files with hostile names are processed like any other, and nothing else is touched.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use support::{Output, Scratch};

const NAMES: [&[u8]; 22] = [
    b"a b",
    b"$(touch pwned)",
    b"'; rm x; '",
    b"\"; rm x; \"",
    b"; rm x",
    b"-rf",
    b"--help",
    b"new\nline",
    b"ends in newline\n",
    b"\xff\xfe not text \x81\x88",
    b"\"",
    b"'",
    b"\\",
    b"ends in backslash\\",
    b"`touch pwned`",
    b"{}",
    b"{1} {#}",
    b"*",
    b"&& touch pwned",
    b"> pwned",
    b"$IFS",
    b"~",
];

/// All files and what is in them.
type Contents = BTreeMap<OsString, Vec<u8>>;

struct Directory {
    scratch: Scratch,
    before: Contents,
}

impl Directory {
    fn new() -> Self {
        let scratch = Scratch::new();
        for (n, name) in NAMES.iter().enumerate() {
            scratch.write(OsStr::from_bytes(name), content(n));
        }
        scratch.write("x", "still here\n");
        let before = contents(&scratch);
        assert_eq!(before.len(), NAMES.len() + 1);
        Self { scratch, before }
    }

    fn run(&self, command: &[&str]) -> Output {
        let mut names = NAMES.join(&0);
        names.push(0);
        let run = self.scratch.run().args(["-0", "-k", "-q", "-j", "4"]);
        let output = run.args(command).input(names).end().with_code(0);
        assert_eq!(output.stderr, "");
        output
    }

    fn assert_unchanged(&self) {
        assert_eq!(contents(&self.scratch), self.before);
    }
}

/// Of different lengths, so that a count tells files apart.
fn content(n: usize) -> String {
    format!("{}{n}\n", ".".repeat(3 * n))
}

fn contents(scratch: &Scratch) -> Contents {
    let names = scratch.names();
    let read = |name: OsString| {
        let content = fs::read(scratch.path(&name)).unwrap();
        (name, content)
    };
    names.into_iter().map(read).collect()
}

fn all_contents() -> String {
    (0..NAMES.len()).map(content).collect()
}

#[test]
fn without_a_shell() {
    for command in [
        &["--", "cat", "--", "{}"][..],
        &["cat", "--", "{}"],
        &["cat --"],
    ] {
        let directory = Directory::new();
        assert_eq!(directory.run(command).text(), all_contents(), "{command:?}");
        directory.assert_unchanged();
    }
}

#[test]
fn written_by_a_shell() {
    for command in [
        "cat -- {} > {}.out",
        "cat -- {}>{}.out",
        "cat < {} > ./\"{}\".out",
    ] {
        let directory = Directory::new();
        assert_eq!(directory.run(&[command]).text(), "", "{command}");
        let mut expected = directory.before.clone();
        for (n, name) in NAMES.iter().enumerate() {
            let out = [name, b".out".as_slice()].concat();
            expected.insert(OsString::from_vec(out), content(n).into_bytes());
        }
        assert_eq!(contents(&directory.scratch), expected, "{command}");
    }
}

#[test]
fn inside_quotes() {
    let commands = [
        "cat -- \"{}\" | cat",
        "cat -- '{}' | cat",
        "cat -- ./\"{}\" | cat",
        "cat -- './{}' | cat",
        "x=\"{}\"; cat -- \"$x\"",
        "echo \"$(cat -- \"{}\")\"",
        "if test -e './{}'; then cat -- \"{}\"; else echo missing {}; fi",
        "while read -r line; do echo \"$line\"; done < {}",
    ];
    for command in commands {
        let directory = Directory::new();
        assert_eq!(
            directory.run(&[command]).text(),
            all_contents(),
            "{command}"
        );
        directory.assert_unchanged();
    }
}

#[test]
fn in_the_script_of_a_shell_that_the_user_calls() {
    let counts: String = (0..NAMES.len())
        .map(|n| format!("{}\n", content(n).len()))
        .collect();
    let commands = [
        &["--", "sh", "-c", "cat -- {} | wc -c"][..],
        &["--", "sh", "-c", "cat -- \"{}\" | wc -c"],
        &["sh", "-c", "cat -- '{}' | wc -c"],
        &["--", "sh", "-c", "cat -- \"$1\" | wc -c", "sh", "{}"],
    ];
    for command in commands {
        let directory = Directory::new();
        assert_eq!(directory.run(command).text(), counts, "{command:?}");
        directory.assert_unchanged();
    }
}

#[test]
fn with_all_that_is_made_of_a_name() {
    let directory = Directory::new();
    let run = |flags: &[&str], command: &str| {
        let args: Vec<&str> = flags.iter().copied().chain([command]).collect();
        directory.run(&args)
    };
    run(
        &[],
        "printf '%s\\0' {/} {//} {.} \"{/.}\" '{1}' {#} {%} > /dev/null",
    );
    run(&["-X"], "cat -- {} > /dev/null");
    run(&["-m"], "cat -- {} > /dev/null");
    run(&["-n", "3"], "cat -- {} > /dev/null");
    run(&["--tag"], "cat -- {} | wc -c");
    run(&["--results", "../results"], "cat -- {}");
    run(&["--joblog", "../joblog"], "cat -- {}");
    directory.assert_unchanged();
    assert_eq!(
        fs::read_dir(directory.scratch.outside("results/1"))
            .unwrap()
            .count(),
        NAMES.len()
    );
    assert_eq!(
        fs::read_to_string(directory.scratch.outside("joblog"))
            .unwrap()
            .lines()
            .count(),
        NAMES.len() + 1,
        "each job has one line, whatever its name"
    );
}
