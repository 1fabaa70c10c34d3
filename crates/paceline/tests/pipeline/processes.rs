//! Stages of processes.

use std::time::Duration;

use paceline::{Pipeline, Stage};

use crate::said::runtime;

#[test]
fn processes_come_to_their_end_or_are_killed_with_all_they_started() {
    let runtime = runtime(1);
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let path = file.clone();
        let stage = Stage::named("sleep").timeout(Duration::from_secs(3600));
        let mut run = Pipeline::from_iter(["one"])
            .command(stage, move |_| {
                let mut shell = tokio::process::Command::new("sh");
                // The shell waits for a child of its own, whose number it leaves behind.
                shell
                    .args(["-c", "sleep 3600 & echo $! > $0.new; mv $0.new $0; wait"])
                    .arg(&path);
                shell
            })
            .start();
        let pid = loop {
            tokio::select! {
                biased;
                _ = run.next() => panic!("it sleeps"),
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
            if let Ok(text) = std::fs::read_to_string(&file) {
                break text.trim().to_owned();
            }
        };
        drop(run);
        // A zombie is dead too, whoever has to reap it.
        let is_alive = |stat: String| {
            !stat
                .rsplit(')')
                .next()
                .is_some_and(|rest| rest.starts_with(" Z"))
        };
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(is_alive) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_process_that_fails_says_how() {
    let error = Pipeline::from_iter([3])
        .command("exit", |code| {
            let mut shell = tokio::process::Command::new("sh");
            shell
                .args(["-c", "echo no such luck >&2; exit $0"])
                .arg(code.to_string());
            shell
        })
        .collect_blocking()
        .expect_err("it fails");
    assert_eq!(
        error.to_string(),
        "exit: item 0: exit status: 3: no such luck"
    );
    let error = Pipeline::from_iter([3])
        .command("none", |_| tokio::process::Command::new("/no/such/program"))
        .collect_blocking()
        .expect_err("there is none");
    assert!(
        error.to_string().contains("cannot start /no/such/program"),
        "{error}"
    );
}
