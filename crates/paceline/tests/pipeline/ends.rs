//! However a run ends, by a drop, a token, or a runtime that goes away: nothing stays behind, no
//! closure, no task and no thread.

use std::collections::BTreeSet;

use paceline::{CancellationToken, FailureKind, OnError, Pipeline, Run};
use proptest::prelude::*;

use crate::plan::{Alive, place, plan};
use crate::said::{Said, quiet_panics, runtime};

/// Takes so many results, or all there are. None comes twice.
async fn take(run: &mut Run<u64>, most: usize) {
    let mut seen = BTreeSet::new();
    for _ in 0..most {
        let id = match run.next().await {
            Some(Ok(id)) => id,
            Some(Err(failure)) => match place(&failure) {
                Some((id, _)) => id,
                None => return,
            },
            None => return,
        };
        assert!(seen.insert(id), "{id} twice");
    }
}

/// Threads of this process that are ours.
fn our_threads() -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("lists threads")
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| name.starts_with("paceline-"))
        .count()
}

/// Runs an ignored test in a process of its own: others here have threads of the same names.
fn alone(test: &str) {
    let this = std::env::current_exe().expect("this program");
    let output = std::process::Command::new(this)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .expect("starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_token_ends_it_and_finish_waits_for_all(plan in plan(), threads in 0..3_usize, taken in 0..100_usize) {
        quiet_panics();
        let alive = Alive::default();
        let token = CancellationToken::new();
        let runtime = runtime(threads);
        let finished = runtime.block_on(async {
            let mut run = plan.build(&alive, OnError::Collect).cancel_with(&token).start();
            take(&mut run, taken).await;
            token.cancel();
            run.finish().await
        });
        prop_assert_eq!(alive.count(), 0);
        if let Err(error) = finished {
            prop_assert!(matches!(error.first.kind, FailureKind::Cancelled), "{:?}", error);
        }
    }

    #[test]
    fn a_runtime_that_goes_away_takes_all_with_it(plan in plan(), threads in 1..3_usize, taken in 0..50_usize) {
        quiet_panics();
        let alive = Alive::default();
        let runtime = runtime(threads);
        let run = runtime.block_on(async {
            let mut run = plan.build(&alive, OnError::Emit).start();
            take(&mut run, taken).await;
            run
        });
        drop(runtime);
        drop(run);
        while alive.count() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    #[ignore = "counts the threads of its process; a_drop_leaves_nothing runs it alone"]
    fn a_drop_leaves_no_closure_no_task_and_no_thread(
        plan in plan(),
        threads in 0..3_usize,
        taken in 0..100_usize,
        stop: bool,
        way in 0..3_u8,
    ) {
        quiet_panics();
        let alive = Alive::default();
        let runtime = runtime(threads);
        runtime.block_on(async {
            let policy = if stop { OnError::Stop } else { OnError::Emit };
            let mut run = plan.build(&alive, policy).start();
            take(&mut run, taken).await;
            let waits = way > 0;
            match way {
                0 => drop(run),
                1 => drop(run.cancel().await),
                _ => drop(run.finish().await),
            }
            // A pipeline that feeds another is dropped by it, and nobody waits for it.
            let waits = waits && !plan.stream;
            let metrics = tokio::runtime::Handle::current().metrics();
            let left = || (alive.count(), our_threads(), metrics.num_alive_tasks());
            if waits {
                assert_eq!(alive.count(), 0, "after it was waited for");
            }
            // Hangs if anything stays. What was waited for has ended, but the runtime and the kernel
            // may still have it on their lists.
            while left() != (0, 0, 0) {
                tokio::task::yield_now().await;
            }
        });
    }
}

#[test]
fn a_drop_leaves_nothing() {
    alone("ends::a_drop_leaves_no_closure_no_task_and_no_thread");
}

#[test]
fn no_thread_stays() {
    alone("ends::no_thread_stays_of_an_endless_run");
}

#[test]
#[ignore = "counts the threads of its process; no_thread_stays runs it alone"]
fn no_thread_stays_of_an_endless_run() {
    let runtime = runtime(2);
    runtime.block_on(async {
        let build = || {
            Pipeline::from_iter(0_u64..)
                .io("pass", |n| async move { Ok::<_, Said>(n) })
                .cpu("compute", |_, n| Ok::<_, Said>(n))
                .blocking("block", |_, n| Ok::<_, Said>(n))
                .flat_map("same", Some)
        };
        let mut run = build().start();
        assert!(run.next().await.is_some());
        assert!(our_threads() > 3);
        run.cancel().await;
        while our_threads() > 0 {
            tokio::task::yield_now().await;
        }
        let mut run = build().start();
        assert!(run.next().await.is_some());
        drop(run);
        while our_threads() > 0 {
            tokio::task::yield_now().await;
        }
    });
}
