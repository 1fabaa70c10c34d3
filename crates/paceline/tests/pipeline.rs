//! Pipelines: every item comes out once, whatever happens to it and wherever; nothing stays behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use paceline::{
    Batch, Budget, CancellationToken, ErrorKind, FailureKind, OnError, Pipeline, Retry, Stage,
};
use proptest::prelude::*;

const SOON: Duration = Duration::from_micros(200);

#[derive(Debug)]
enum Said {
    No,
    Busy,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Said {}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Io,
    Cpu,
    Blocking,
    /// Gathers up to so many, and splits them again.
    Regroup(usize),
    Weigh,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => Just(Kind::Io),
        2 => Just(Kind::Cpu),
        2 => Just(Kind::Blocking),
        1 => (1..2000_usize).prop_map(Kind::Regroup),
        1 => Just(Kind::Weigh),
    ]
}

/// What happens to item `id` at stage `at`, the same each time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Value,
    Fails,
    Panics,
    /// Fails once, then has a value.
    Late,
    /// Is turned away once, then has a value.
    Busy,
    Sleeps,
}

fn fate(seed: u64, id: u64, at: usize) -> Fate {
    let mixed = (seed ^ (id << 8) ^ at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    match mixed % 40 {
        0 => Fate::Fails,
        1 => Fate::Panics,
        2 | 3 => Fate::Late,
        4 => Fate::Busy,
        5..8 => Fate::Sleeps,
        _ => Fate::Value,
    }
}

fn meet(seed: u64, id: u64, at: usize, attempt: usize) -> Result<u64, Said> {
    match fate(seed, id, at) {
        Fate::Fails => Err(Said::No),
        Fate::Panics => panic!("as told"),
        Fate::Late if attempt == 0 => Err(Said::No),
        Fate::Busy if attempt == 0 => Err(Said::Busy),
        _ => Ok(id),
    }
}

fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"as told") {
                before(info);
            }
        }));
    });
}

/// A plan for a pipeline.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    items: u64,
    stages: Vec<Kind>,
    limit: Option<usize>,
    budget: Budget,
    ordered: bool,
    retries: bool,
    stream: bool,
    queue: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let budget = (
        prop_oneof![Just(1), 1..20_u64, Just(1024)],
        prop_oneof![Just(u64::MAX), 1..500_u64],
    )
        .prop_map(|(items, bytes)| Budget::items(items).bytes(bytes));
    let limit = prop_oneof![Just(None), Just(Some(1)), (1..9_usize).prop_map(Some)];
    (
        any::<u64>(),
        0..300_u64,
        proptest::collection::vec(kind(), 0..5),
        limit,
        budget,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![Just(1), Just(128)],
    )
        .prop_map(
            |(seed, items, stages, limit, budget, ordered, retries, stream, queue)| Plan {
                seed,
                items,
                stages,
                limit,
                budget,
                ordered,
                retries,
                stream,
                queue,
            },
        )
}

/// Counts what lives.
#[derive(Clone)]
struct Alive(Arc<()>);

impl Plan {
    fn stage(&self, at: usize) -> Stage<paceline::Again> {
        let attempts = if self.retries { 2 } else { 1 };
        let stage = Stage::named(format!("stage {at}"))
            .classify(|error| match error.downcast_ref::<Said>() {
                Some(Said::Busy) => ErrorKind::Busy,
                _ => ErrorKind::Transient,
            })
            .retry(Retry::exponential(attempts, SOON))
            .busy_retry(Retry::exponential(attempts, SOON));
        match self.limit {
            Some(limit) => stage.limit(limit),
            None => stage,
        }
    }

    fn build(&self, alive: &Alive) -> Pipeline<u64> {
        let mut pipeline = if self.stream {
            let inner = Pipeline::from_iter(0..self.items).ordered().start();
            Pipeline::from_stream(inner).cpu("unwrap", |_, id| id)
        } else {
            Pipeline::from_iter(0..self.items)
        }
        .label(u64::to_string);
        for (at, kind) in self.stages.iter().enumerate() {
            let (seed, alive) = (self.seed, alive.clone());
            let tries: Arc<Vec<AtomicUsize>> =
                Arc::new((0..self.items).map(|_| AtomicUsize::new(0)).collect());
            let attempt = move |id: u64| tries[id as usize].fetch_add(1, Ordering::Relaxed);
            pipeline = match *kind {
                Kind::Io => pipeline.io(self.stage(at), move |id| {
                    let (alive, tried) = (alive.clone(), attempt(id));
                    async move {
                        let held = alive;
                        match fate(seed, id, at) {
                            Fate::Sleeps => tokio::time::sleep(SOON).await,
                            _ => tokio::task::yield_now().await,
                        }
                        drop(held);
                        meet(seed, id, at, tried)
                    }
                }),
                Kind::Cpu => pipeline.cpu(self.stage(at), move |_, id| {
                    drop(alive.clone());
                    meet(seed, id, at, attempt(id))
                }),
                Kind::Blocking => pipeline.blocking(self.stage(at), move |_, id| {
                    drop(alive.clone());
                    if fate(seed, id, at) == Fate::Sleeps {
                        std::thread::sleep(SOON);
                    }
                    meet(seed, id, at, attempt(id))
                }),
                Kind::Regroup(size) => pipeline
                    .batch("gather", Batch::items(size))
                    .flat_map("split", |ids| ids)
                    .label(u64::to_string),
                Kind::Weigh => pipeline.weigh(|id| (*id % 100) as usize),
            };
        }
        pipeline = pipeline.budget(self.budget).queue(self.queue);
        if self.ordered {
            pipeline = pipeline.ordered();
        }
        pipeline
    }

    /// The items that have no value in the end, and the stages where they fail.
    fn failing(&self) -> BTreeMap<u64, usize> {
        let fails = |id: u64| {
            self.stages.iter().enumerate().find_map(|(at, kind)| {
                let tries = matches!(kind, Kind::Io | Kind::Cpu | Kind::Blocking);
                let fails = match fate(self.seed, id, at) {
                    Fate::Fails | Fate::Panics => true,
                    Fate::Late | Fate::Busy => !self.retries,
                    Fate::Value | Fate::Sleeps => false,
                };
                (tries && fails).then_some((id, at))
            })
        };
        (0..self.items).filter_map(fails).collect()
    }
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    if threads == 0 {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
    }
    .expect("a runtime")
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_item_comes_out_once(plan in plan(), threads in 0..3_usize, emit: bool) {
        quiet_panics();
        let alive = Alive(Arc::new(()));
        let runtime = runtime(threads);
        let policy = if emit { OnError::Emit } else { OnError::Collect };
        let (values, report) = runtime
            .block_on(async { plan.build(&alive).on_error(policy).collect().await })
            .expect("nothing ends the run");
        if plan.ordered {
            prop_assert!(values.is_sorted(), "{:?}", values);
        }
        let failing = plan.failing();
        let mut failed = BTreeMap::new();
        for failure in &report.failures {
            let id: u64 = failure.label.as_deref().expect("a label").parse().expect("an id");
            let at: usize = failure.stage["stage ".len()..].parse().expect("a place");
            prop_assert_eq!(failed.insert(id, at), None, "{} failed twice", id);
        }
        prop_assert_eq!(&failed, &failing);
        let mut values = values;
        values.sort_unstable();
        let expected: Vec<_> = (0..plan.items).filter(|id| !failing.contains_key(id)).collect();
        prop_assert_eq!(values, expected);
        prop_assert_eq!(Arc::strong_count(&alive.0), 1, "a stage is still there");
        for stage in &report.stages {
            prop_assert!(stage.peak <= plan.limit.unwrap_or(usize::MAX).max(1) || stage.name == "unwrap");
            prop_assert_eq!(stage.in_work, 0);
        }
    }

    #[test]
    fn a_drop_leaves_nothing(plan in plan(), threads in 0..3_usize, taken in 0..100_usize, stop: bool) {
        quiet_panics();
        let alive = Alive(Arc::new(()));
        let runtime = runtime(threads);
        runtime.block_on(async {
            let policy = if stop { OnError::Stop } else { OnError::Emit };
            let mut run = plan.build(&alive).on_error(policy).start();
            for _ in 0..taken {
                if run.next().await.is_none() {
                    break;
                }
            }
            drop(run);
            // Hangs if anything stays.
            while Arc::strong_count(&alive.0) > 1 {
                tokio::task::yield_now().await;
            }
        });
    }

    #[test]
    fn a_token_ends_it_and_finish_waits_for_all(plan in plan(), threads in 0..3_usize, taken in 0..100_usize) {
        quiet_panics();
        let alive = Alive(Arc::new(()));
        let token = CancellationToken::new();
        let runtime = runtime(threads);
        let finished = runtime.block_on(async {
            let mut run = plan.build(&alive).on_error(OnError::Collect).cancel_with(&token).start();
            for _ in 0..taken {
                if run.next().await.is_none() {
                    break;
                }
            }
            token.cancel();
            run.finish().await
        });
        prop_assert_eq!(Arc::strong_count(&alive.0), 1);
        if let Err(error) = finished {
            prop_assert!(matches!(error.first.kind, FailureKind::Cancelled), "{:?}", error);
        }
    }

    #[test]
    fn a_runtime_that_goes_away_takes_all_with_it(plan in plan(), threads in 1..3_usize, taken in 0..50_usize) {
        quiet_panics();
        let alive = Alive(Arc::new(()));
        let runtime = runtime(threads);
        let run = runtime.block_on(async {
            let mut run = plan.build(&alive).on_error(OnError::Emit).start();
            for _ in 0..taken {
                if run.next().await.is_none() {
                    break;
                }
            }
            run
        });
        drop(runtime);
        drop(run);
        while Arc::strong_count(&alive.0) > 1 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn the_first_failure_ends_the_run_and_the_report_survives() {
    let error = Pipeline::from_iter(0_u64..)
        .cpu(
            "check",
            |_, n| if n == 1000 { Err(Said::No) } else { Ok(n) },
        )
        .collect_blocking()
        .expect_err("item 1000 fails");
    assert_eq!((error.first.seq, &*error.first.stage), (1000, "check"));
    assert!(error.report.stages[0].done >= 900);
    assert_eq!(error.to_string(), "check: item 1000: No");
}

#[test]
fn a_source_that_panics_ends_the_run() {
    quiet_panics();
    let items = (0..10_u64).inspect(|n| assert!(*n < 5, "as told"));
    let error = Pipeline::from_iter(items)
        .cpu("pass", |_, n| Ok::<_, Said>(n))
        .collect_blocking()
        .expect_err("the source panics");
    assert_eq!(error.first.to_string(), "source: item 5: panicked: as told");
}

#[test]
fn time_limits_end_futures_and_tell_closures() {
    let endless = Stage::named("wait").timeout(SOON);
    let error = Pipeline::from_iter([1])
        .io(endless.clone(), |_| async {
            std::future::pending::<()>().await;
            Ok::<(), Said>(())
        })
        .collect_blocking()
        .expect_err("it never ends");
    assert!(matches!(error.first.kind, FailureKind::TimedOut(SOON)));
    let error = Pipeline::from_iter([1])
        .cpu(endless, |cx, _| {
            loop {
                cx.checkpoint()?;
            }
            #[allow(unreachable_code)]
            Ok::<(), paceline::Cancelled>(())
        })
        .collect_blocking()
        .expect_err("it never ends");
    assert!(matches!(error.first.kind, FailureKind::TimedOut(SOON)));
}

#[test]
fn the_budget_bounds_what_is_inside() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (enter, peak) = (Arc::clone(&inside), Arc::clone(&most));
    let (values, report) = Pipeline::from_iter((0..500).inspect(move |_| {
        // One more has been pulled than was let in.
        peak.fetch_max(enter.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }))
    .io("pass", |n| async move { Ok::<u64, Said>(n) })
    .cpu("leave", move |_, n| {
        inside.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, Said>(n)
    })
    .budget(Budget::items(7))
    .collect_blocking()
    .expect("none fails");
    assert_eq!(values.len(), 500);
    assert_eq!(report.peak_items, 7);
    assert!(most.load(Ordering::Relaxed) <= 8);
}

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

#[test]
fn no_thread_stays() {
    // In a process of its own: other tests have threads of these names.
    if std::env::var_os("ALONE").is_none() {
        let this = std::env::current_exe().expect("this program");
        let status = std::process::Command::new(this)
            .args(["--exact", "no_thread_stays"])
            .env("ALONE", "1")
            .status();
        assert!(status.expect("starts").success());
        return;
    }
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
        assert_eq!(our_threads(), 0);
        let mut run = build().start();
        assert!(run.next().await.is_some());
        drop(run);
        while our_threads() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_report_is_a_table_and_json() {
    let (_, report) = Pipeline::from_iter(0..100)
        .io("fetch", |n| async move { Ok::<_, Said>(n) })
        .cpu("parse", |_, n| if n == 7 { Err(Said::No) } else { Ok(n) })
        .on_error(OnError::Collect)
        .collect_blocking()
        .expect("failures are collected");
    let table = report.to_string();
    for word in [
        "fetch",
        "parse",
        "io",
        "cpu",
        "bottleneck",
        "starved",
        "blocked",
    ] {
        assert!(table.contains(word), "{table}");
    }
    assert_eq!(report.items, 100);
    assert_eq!((report.stages[1].done, report.stages[1].failed), (99, 1));
    #[cfg(feature = "serde")]
    {
        let json = serde_json::to_value(&report).expect("serializes");
        assert_eq!(json["stages"][0]["name"], "fetch");
        assert_eq!(json["failures"][0]["error"], "No");
    }
}

/// Panics when it is copied.
#[derive(Debug)]
struct Vicious(u64);

impl Clone for Vicious {
    fn clone(&self) -> Self {
        panic!("as told")
    }
}

#[test]
fn a_copy_that_panics_costs_its_item_nothing_but_the_second_attempt() {
    quiet_panics();
    let stage = |name| Stage::named(name).retry(Retry::exponential(3, SOON));
    let (values, report) = Pipeline::from_iter((0..50).map(Vicious))
        .io(stage("one"), |item| async move { Ok::<_, Said>(item) })
        .cpu(stage("two\0"), |_, item| match item.0 {
            7 => Err(Said::No),
            _ => Ok(item),
        })
        .on_error(OnError::Collect)
        .collect_blocking()
        .expect("failures are collected");
    assert_eq!((values.len(), report.failures.len()), (49, 1));
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "as told");
    }
}

#[test]
fn a_value_that_panics_when_dropped_is_its_items_failure() {
    quiet_panics();
    for stage in 0..2 {
        let pipeline = Pipeline::from_iter(0..10)
            .cpu("make", move |_, n| Ok::<_, Said>((n == 5).then(|| Bomb)));
        let pipeline = match stage {
            0 => pipeline
                .cpu("drop", |_, bomb| Ok::<_, Said>(bomb))
                .weigh(|_| 1),
            _ => pipeline.blocking("drop", |_, bomb| Ok::<_, Said>(bomb)),
        };
        // Here it is the closure that drops it, so it is that item's failure.
        let result = pipeline
            .io("last", |bomb| async move {
                drop(bomb);
                Ok::<_, Said>(())
            })
            .on_error(OnError::Collect)
            .collect_blocking();
        let (values, report) = result.expect("failures are collected");
        assert_eq!((values.len(), report.failures.len()), (9, 1));
    }
}

#[test]
fn a_busy_service_lowers_the_level_and_all_is_served_in_the_end() {
    // Serves ten at once and turns away whoever comes beside them.
    let inside = Arc::new(AtomicUsize::new(0));
    let stage = Stage::named("ask")
        .classify(|_| ErrorKind::Busy)
        .busy_retry(Retry::exponential(1000, Duration::from_millis(2)));
    let (values, report) = Pipeline::from_iter(0..400)
        .io(stage, move |n| {
            let inside = Arc::clone(&inside);
            async move {
                let served = inside.fetch_add(1, Ordering::SeqCst) < 10;
                if served {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                inside.fetch_sub(1, Ordering::SeqCst);
                if served { Ok(n) } else { Err(Said::Busy) }
            }
        })
        .collect_blocking()
        .expect("all are served");
    assert_eq!(values.len(), 400);
    let stage = &report.stages[0];
    assert!(stage.turned_away > 0 && stage.failed == 0, "{report}");
    let first = stage.path.first().map(|step| step.level);
    let last = stage.path.last().map(|step| step.level);
    assert!(last < first, "{report}");
}
