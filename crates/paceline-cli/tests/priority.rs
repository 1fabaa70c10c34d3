//! paceline may put itself first; its jobs have the priority that they would have without it.
#![allow(clippy::unwrap_used)]

mod support;

use support::Scratch;

/// What `nice` tells a job.
fn seen_by_a_job(start: &str, flags: &str) -> i32 {
    let scratch = Scratch::new();
    let script = format!("{start} \"$PACELINE\" run {flags} nice ::: 1 2>&1");
    let output = scratch.shell(&script).end().with_code(0);
    let first = output.lines()[0];
    first.parse().unwrap()
}

#[test]
fn jobs_keep_our_niceness() {
    let scratch = Scratch::new();
    let ours: i32 = scratch.shell("nice").end().text().trim().parse().unwrap();
    for (start, flags, added) in [
        ("", "-N 0", 0),
        ("", "-N 0 -j 2", 0),
        ("", "-N 0 --nice 4", 4),
        ("nice -n 3", "-N 0", 3),
        ("nice -n 3", "-N 0 --nice 4", 7),
    ] {
        let expected = (ours + added).min(19);
        assert_eq!(seen_by_a_job(start, flags), expected, "{start} {flags}");
    }
}
