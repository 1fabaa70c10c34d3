//! The example `migrate`, as one would run it: all ways write the rows of the CSV, and a file that
//! fails comes back with its name while the others are migrated.

#[path = "../examples/migrate/compare.rs"]
mod compare;
#[path = "../examples/migrate/convert.rs"]
mod convert;
mod example;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// As in the example, whose comparison is tested here: what it says must be worth something.
type Failed = Box<dyn std::error::Error + Send + Sync>;

fn migrate(flags: &[&str]) -> Output {
    Command::new(example::example("migrate", "tokio"))
        .args(flags)
        .output()
        .expect("the example was built with the tests")
}

/// What it printed, after it succeeded.
fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

/// Files, rows and failures of each way.
fn counts(text: &str) -> Vec<(String, [u64; 3])> {
    ["sequential ", "thread per file ", "paceline "]
        .iter()
        .map(|way| {
            let row = text
                .lines()
                .find(|line| line.starts_with(way))
                .unwrap_or_else(|| panic!("no row of {way}: {text}"));
            let words: Vec<u64> = row
                .split_whitespace()
                .rev()
                .take(3)
                .map(|word| word.parse().expect("a count"))
                .collect();
            (way.trim().to_owned(), [words[2], words[1], words[0]])
        })
        .collect()
}

#[test]
fn over_http_all_ways_write_the_rows_of_the_csv() {
    let output = migrate(&[
        "--files",
        "20",
        "--rows",
        "50",
        "--malformed",
        "2",
        "--latency-ms",
        "1",
    ]);
    let text = printed(&output);
    for (way, counts) in counts(&text) {
        assert_eq!(counts, [18, 900, 2], "{way}: {text}");
    }
    assert!(
        text.ends_with("all 3 ways wrote the same 900 rows, those of the CSV\n"),
        "{text}"
    );
    let failed: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("failed: "))
        .collect();
    assert_eq!(failed.len(), 2, "{text}");
    for (line, number) in failed.iter().zip([18, 19]) {
        let file = format!("csv/orders-{number:05}.csv: ");
        let why = line.strip_prefix(&file).expect("its name");
        assert!(why.to_lowercase().contains("csv"), "{line}");
    }
}

#[test]
fn files_of_ones_own_are_migrated_in_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("it is written");
    };
    put("a.csv", "n,x,word\n1,2.50,\"a, \"\"b\"\"\"\n-7,,\n");
    put(
        "deep/er/b.csv",
        "when,ok,none\n2026-03-01,TRUE,\n2025-12-31,false,\n",
    );
    put("deep/bad.csv", "a,b\n1,2\n3\n");
    put("other.txt", "no CSV");
    let text = printed(&migrate(&[
        "--store",
        &format!("file://{}", folder.path().display()),
    ]));
    for (way, counts) in counts(&text) {
        assert_eq!(counts, [2, 4, 1], "{way}: {text}");
    }
    assert!(text.contains("failed: deep/bad.csv: "), "{text}");
    for way in ["parquet-sequential", "parquet-threads", "parquet-paceline"] {
        let written = |name: &str| folder.path().join(way).join(Path::new(name)).exists();
        assert!(
            written("a.parquet") && written("deep/er/b.parquet"),
            "{way}"
        );
        assert!(!written("deep/bad.parquet"), "{way}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = format!("file://{}", folder.path().display());
    for (store, why) in [(&*empty, "no *.csv"), ("ftp://x", "is no store")] {
        let output = migrate(&["--store", store]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(why), "{errors}");
    }
}
