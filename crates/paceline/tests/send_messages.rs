//! The example `send_messages`, as one would run it: each message that bounces is told with its error.

mod example;

use std::process::Command;

#[test]
fn what_bounces_is_told_with_its_message_and_error() {
    let output = Command::new(example::example("send_messages", ""))
        .arg("5")
        .output()
        .expect("the example was built with the tests");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let rows = text.lines().filter(|line| line.contains(" s "));
    for way in ["4 at once", "level found"] {
        let row = rows.clone().find(|line| line.starts_with(way));
        assert!(
            row.is_some_and(|row| row.split_whitespace().rev().take(2).eq(["6", "44"])),
            "{text}"
        );
    }
    let (_, told) = text.split_once("failed:\n").expect("a list");
    let mut told: Vec<_> = told.lines().map(str::trim).collect();
    told.sort_unstable();
    let mut expected: Vec<_> = [4, 13, 22, 31, 40, 49]
        .map(|n| format!("message {n} to user{n}@example.org: no such mailbox"))
        .into();
    expected.sort_unstable();
    assert_eq!(told, expected);
}
