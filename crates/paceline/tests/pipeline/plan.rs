//! Pipelines at random: stages of all kinds, what happens at each, and what is asked of the whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use paceline::{Again, Batch, Budget, ErrorKind, OnError, Pipeline, Retry, Stage};
use proptest::prelude::*;
use tokio::process::Command;

use crate::said::{SOON, Said};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Io,
    Cpu,
    Blocking,
    Command,
    /// Gathers some, and splits them again.
    Regroup(Batch),
    /// One becomes one, or none if splitting it panics.
    Split,
    Weigh,
}

fn batch() -> impl Strategy<Value = Batch> {
    let items = prop_oneof![1..2000_usize, Just(usize::MAX)];
    let bytes = prop_oneof![Just(u64::MAX), 1..500_u64];
    (items, bytes, any::<bool>()).prop_map(|(items, bytes, within)| {
        let batch = Batch::items(items).bytes(bytes);
        if within { batch.within(SOON) } else { batch }
    })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Io),
        4 => Just(Kind::Cpu),
        4 => Just(Kind::Blocking),
        1 => Just(Kind::Command),
        2 => batch().prop_map(Kind::Regroup),
        2 => Just(Kind::Split),
        2 => Just(Kind::Weigh),
    ]
}

/// A stage, and what is done about failures there, if that differs from the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    on_error: Option<OnError>,
}

fn step() -> impl Strategy<Value = Step> {
    let on_error = prop_oneof![
        2 => Just(None),
        1 => Just(Some(OnError::Collect)),
        1 => Just(Some(OnError::Emit)),
    ];
    (kind(), on_error).prop_map(|(kind, on_error)| Step { kind, on_error })
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

/// A process to which the same happens.
fn process(seed: u64, id: u64, at: usize, attempt: usize) -> Command {
    let program = match fate(seed, id, at) {
        Fate::Fails => "false",
        Fate::Panics => panic!("as told"),
        Fate::Late if attempt == 0 => "false",
        Fate::Busy if attempt == 0 => {
            let mut shell = Command::new("sh");
            shell.args(["-c", "exit 75"]);
            return shell;
        }
        _ => "true",
    };
    Command::new(program)
}

/// A plan for a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    seed: u64,
    pub(crate) items: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) limit: Option<usize>,
    pub(crate) budget: (u64, u64),
    pub(crate) ordered: bool,
    retries: bool,
    pub(crate) stream: bool,
    queue: usize,
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let budget = (
        prop_oneof![Just(1), 1..20_u64, Just(1024)],
        prop_oneof![Just(u64::MAX), 1..500_u64],
    );
    let limit = prop_oneof![Just(None), Just(Some(1)), (1..9_usize).prop_map(Some)];
    (
        any::<u64>(),
        0..300_u64,
        proptest::collection::vec(step(), 0..5),
        limit,
        budget,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![Just(1), Just(128)],
    )
        .prop_map(
            |(seed, items, steps, limit, budget, ordered, retries, stream, queue)| {
                let starts = |step: &Step| matches!(step.kind, Kind::Command);
                Plan {
                    seed,
                    // A process costs a thousand times what the others do.
                    items: items / if steps.iter().any(starts) { 10 } else { 1 },
                    steps,
                    limit,
                    budget,
                    ordered,
                    retries,
                    stream,
                    queue,
                }
            },
        )
}

/// Counts what lives.
#[derive(Clone, Default)]
pub(crate) struct Alive(Arc<()>);

impl Alive {
    /// How many closures and futures of a pipeline there are.
    pub(crate) fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl Plan {
    fn stage(&self, at: usize) -> Stage<Again> {
        let attempts = if self.retries { 2 } else { 1 };
        let mut stage = Stage::named(format!("stage {at}"));
        // A process says by its exit code that it is turned away.
        if !matches!(self.steps[at].kind, Kind::Command) {
            stage = stage.classify(|error| match error.downcast_ref::<Said>() {
                Some(Said::Busy) => ErrorKind::Busy,
                _ => ErrorKind::Transient,
            });
        }
        let mut stage = stage
            .retry(Retry::exponential(attempts, SOON))
            .busy_retry(Retry::exponential(attempts, SOON));
        if let Some(policy) = self.steps[at].on_error {
            stage = stage.on_error(policy);
        }
        match self.limit {
            Some(limit) => stage.limit(limit),
            None => stage,
        }
    }

    /// Its pipeline. Failures of stages that say nothing else are dealt with as `policy` says; with
    /// [`OnError::Stop`] none says anything else.
    pub(crate) fn build(&self, alive: &Alive, policy: OnError) -> Pipeline<u64> {
        if policy == OnError::Stop {
            let mut plan = self.clone();
            plan.steps.iter_mut().for_each(|step| step.on_error = None);
            return plan.assemble(alive).on_error(policy);
        }
        self.assemble(alive).on_error(policy)
    }

    fn assemble(&self, alive: &Alive) -> Pipeline<u64> {
        let mut pipeline = if self.stream {
            let inner = Pipeline::from_iter(0..self.items).ordered().start();
            Pipeline::from_stream(inner).cpu("unwrap", |_, id| id)
        } else {
            Pipeline::from_iter(0..self.items)
        }
        .label(u64::to_string);
        for (at, step) in self.steps.iter().enumerate() {
            pipeline = self.add(pipeline, at, step, alive.clone());
        }
        let (items, bytes) = self.budget;
        pipeline = pipeline
            .budget(Budget::items(items).bytes(bytes))
            .queue(self.queue);
        if self.ordered {
            pipeline = pipeline.ordered();
        }
        pipeline
    }

    fn add(&self, before: Pipeline<u64>, at: usize, step: &Step, alive: Alive) -> Pipeline<u64> {
        let seed = self.seed;
        let tries: Arc<Vec<AtomicUsize>> =
            Arc::new((0..self.items).map(|_| AtomicUsize::new(0)).collect());
        let attempt = move |id: u64| tries[id as usize].fetch_add(1, Ordering::Relaxed);
        match step.kind {
            Kind::Io => before.io(self.stage(at), move |id| {
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
            Kind::Cpu => before.cpu(self.stage(at), move |_, id| {
                drop(alive.clone());
                meet(seed, id, at, attempt(id))
            }),
            Kind::Blocking => before.blocking(self.stage(at), move |_, id| {
                drop(alive.clone());
                if fate(seed, id, at) == Fate::Sleeps {
                    std::thread::sleep(SOON);
                }
                meet(seed, id, at, attempt(id))
            }),
            Kind::Command => before
                .command(self.stage(at), move |id| {
                    drop(alive.clone());
                    process(seed, *id, at, attempt(*id))
                })
                .cpu("output", |_, (id, _)| Ok::<_, Said>(id)),
            Kind::Regroup(batch) => before
                .batch("gather", batch)
                .flat_map("scatter", move |ids| {
                    drop(alive.clone());
                    ids
                })
                .label(u64::to_string),
            Kind::Split => {
                let mut stage = Stage::named(format!("stage {at}"));
                if let Some(policy) = step.on_error {
                    stage = stage.on_error(policy);
                }
                before
                    .flat_map(stage, move |id| {
                        drop(alive.clone());
                        assert!(fate(seed, id, at) != Fate::Panics, "as told");
                        Some(id)
                    })
                    .label(u64::to_string)
            }
            Kind::Weigh => before.weigh(|id| (*id % 100) as usize),
        }
    }

    /// The items that have no value in the end, and the stages where they fail.
    pub(crate) fn failing(&self) -> BTreeMap<u64, usize> {
        let fails = |id: u64| {
            self.steps.iter().enumerate().find_map(|(at, step)| {
                let fate = fate(self.seed, id, at);
                let fails = match step.kind {
                    Kind::Io | Kind::Cpu | Kind::Blocking | Kind::Command => match fate {
                        Fate::Fails | Fate::Panics => true,
                        Fate::Late | Fate::Busy => !self.retries,
                        Fate::Value | Fate::Sleeps => false,
                    },
                    Kind::Split => fate == Fate::Panics,
                    Kind::Regroup(_) | Kind::Weigh => false,
                };
                fails.then_some((id, at))
            })
        };
        (0..self.items).filter_map(fails).collect()
    }

    /// The items that have a value in the end.
    pub(crate) fn passing(&self) -> Vec<u64> {
        let failing = self.failing();
        (0..self.items)
            .filter(|id| !failing.contains_key(id))
            .collect()
    }
}

/// Which item failed, and at which stage.
pub(crate) fn place(failure: &paceline::Failure) -> Option<(u64, usize)> {
    let id = failure.label.as_deref()?.parse().ok()?;
    let at = failure.stage.strip_prefix("stage ")?.parse().ok()?;
    Some((id, at))
}
