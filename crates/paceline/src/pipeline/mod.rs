//! Pipelines: stages of different kinds, each at its own level, side by side.

mod batch;
mod begin;
mod budget;
mod buffer;
mod closures;
mod command;
mod control;
mod core;
mod crew;
mod failure;
mod flat_map;
mod futures;
mod leg;
#[cfg(all(test, paceline_loom))]
mod models;
mod order;
mod queue;
mod run;
mod settings;
mod sink;
mod source;
mod stage;
mod station;
mod sync;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::Arc;

use futures_core::Stream;
use pollster::block_on;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

pub use batch::Batch;
pub use budget::Budget;
pub use failure::{Failure, RunError};
pub use run::Run;
pub use stage::{Again, IntoStage, Once, Stage};

use crate::cx::Cx;
use crate::failure::{BoxError, SharedError};
use crate::level::{Level, Nature};
use crate::limit::Limit;
use crate::on_error::OnError;
use crate::report::{Report, StageKind};
use batch::Gatherer;
use budget::Ticket;
use closures::{Closure, Cores};
use control::Control;
use core::Core;
use flat_map::Splitter;
use futures::Futures;
use leg::Way;
use queue::{Inlet, Queue};
use station::Station;

/// What comes back from a run whose values are collected.
///
/// ```
/// fn lengths(names: Vec<String>) -> paceline::Collected<usize> {
///     paceline::Pipeline::from_iter(names)
///         .cpu("count", |_cx, name| Ok::<_, String>(name.len()))
///         .collect_blocking()
/// }
/// assert_eq!(lengths(vec!["abc".into()]).expect("none fails").0, [3]);
/// ```
pub type Collected<T> = Result<(Vec<T>, Report), RunError>;

/// Stages that every item passes, one after the other, while other items are at other stages.
///
/// Each stage runs on tasks or threads of its own, at a level of its own that is found, with a short
/// queue to the next; what all hold together is bounded by a [`Budget`]. Nothing is done before
/// [`Pipeline::start`] or one of the `collect` methods.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), paceline::RunError> {
/// use paceline::Pipeline;
///
/// async fn fetch(n: u32) -> std::io::Result<String> {
///     Ok(n.to_string())
/// }
///
/// let (values, report) = Pipeline::from_iter(1..=100)
///     .io("fetch", fetch)
///     .cpu("parse", |_, text| text.parse::<u64>())
///     .blocking("store", |_, n| Ok::<_, std::io::Error>(n * n))
///     .ordered()
///     .collect()
///     .await?;
/// assert_eq!(values[99], 10_000);
/// println!("{report}");
/// # Ok(()) }
/// ```
#[must_use = "nothing is done before it is started"]
pub struct Pipeline<T: Send + 'static> {
    build: Build<T>,
    computing: usize,
    budget: Budget,
    on_error: OnError,
    ordered: bool,
    queue: usize,
    token: Option<CancellationToken>,
}

/// Items between two stages, unless something else is asked for.
const QUEUE: usize = 128;

/// Builds all up to here, given where items go from here, and on which leg of the way.
type Build<T> = Box<dyn FnOnce(&Env, Inlet<T>, Arc<Way>) + Send>;

/// What a run is built with.
struct Env {
    control: Arc<Control>,
    on_error: OnError,
    /// Where several stages compute.
    cores: Option<Arc<Cores>>,
}

impl Env {
    fn found(&self, limit: Limit, nature: Nature) -> Level {
        Level::new(self.control.origin, limit, nature, self.control.cores)
    }

    /// One thread per core needs no search.
    fn computing(&self, limit: Limit) -> Level {
        let cores = self.control.cores.ceil().max(1.0) as usize;
        let bounds = limit.bounds();
        let level = cores.clamp(bounds.lowest(), bounds.highest());
        let reason = match limit {
            Limit::Fixed(_) => "set by you",
            _ => "it computes: one per core",
        };
        Level::constant(self.control.origin, level, reason)
    }

    /// One thread or task, in the order of items.
    fn single(&self) -> Level {
        Level::constant(self.control.origin, 1, "one by one")
    }
}

impl<T: Send + 'static> Pipeline<T> {
    fn new(build: impl FnOnce(&Env, Inlet<T>, Arc<Way>) + Send + 'static) -> Self {
        Self {
            build: Box::new(build),
            computing: 0,
            budget: Budget::default(),
            on_error: OnError::Stop,
            ordered: false,
            queue: QUEUE,
            token: None,
        }
    }

    /// The same run with another end.
    fn then<U: Send + 'static>(
        self,
        build: impl FnOnce(Build<T>, &Env, Inlet<U>, Arc<Way>) + Send + 'static,
    ) -> Pipeline<U> {
        let before = self.build;
        Pipeline {
            build: Box::new(move |env, out, way| build(before, env, out, way)),
            computing: self.computing,
            budget: self.budget,
            on_error: self.on_error,
            ordered: self.ordered,
            queue: self.queue,
            token: self.token,
        }
    }

    /// Items from an iterator, which may block: it has a thread of its own.
    ///
    /// ```
    /// use std::io::BufRead;
    ///
    /// let lines = std::io::Cursor::new("a\nb\n").lines().map_while(Result::ok);
    /// let (values, _) = paceline::Pipeline::from_iter(lines)
    ///     .cpu("count", |_cx, line| Ok::<_, String>(line.len()))
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// assert_eq!(values, [1, 1]);
    /// ```
    #[allow(clippy::should_implement_trait)]
    pub fn from_iter<I>(items: I) -> Self
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'static,
    {
        let items = items.into_iter();
        Self::new(move |env, out, way| source::from_iter(items, &env.control, way, out))
    }

    /// Items from a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use paceline::Pipeline;
    /// // A run is a stream of results itself.
    /// let run = Pipeline::from_iter(0..3).cpu("one", |_, n| Ok::<u32, String>(n + 1)).start();
    /// let (values, _) = Pipeline::from_stream(run)
    ///     .cpu("two", |_, n| n)
    ///     .ordered()
    ///     .collect()
    ///     .await
    ///     .expect("none fails");
    /// assert_eq!(values.len(), 3);
    /// # }
    /// ```
    pub fn from_stream<S>(items: S) -> Self
    where
        S: Stream<Item = T> + Send + 'static,
    {
        Self::new(move |env, out, way| source::from_stream(items, &env.control, way, out))
    }

    /// A stage of futures, polled by the runtime: requests, queries, timers.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::time::Duration;
    /// use paceline::{Pipeline, Retry, Stage};
    ///
    /// let fetch = Stage::named("fetch")
    ///     .timeout(Duration::from_secs(5))
    ///     .retry(Retry::exponential(3, Duration::from_millis(50)));
    /// let (bodies, _) = Pipeline::from_iter(["/a", "/b"])
    ///     .io(fetch, |path| async move { Ok::<_, std::io::Error>(path.len()) })
    ///     .collect()
    ///     .await
    ///     .expect("none fails");
    /// assert_eq!(bodies, [2, 2]);
    /// # }
    /// ```
    pub fn io<U, E, F, Fut>(self, stage: impl IntoStage<T>, work: F) -> Pipeline<U>
    where
        U: Send + 'static,
        E: Into<BoxError> + 'static,
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
    {
        let (config, spare) = stage.into_parts();
        self.then(move |before, env, out, way| {
            let level = env.found(config.limit, Nature::Waits);
            let station = Station::new(&config, StageKind::Io, level);
            let work = move |item| {
                let future = work(item);
                async move { future.await.map_err(share) }
            };
            let kind = Futures(work);
            let core = Core::new(
                station,
                &env.control,
                out,
                config,
                spare,
                env.on_error,
                kind,
            );
            before(env, core.inlet(), way);
        })
    }

    /// A stage of closures that compute: one thread per core, shared with other such stages.
    ///
    /// ```
    /// # let (hashes, _) =
    /// paceline::Pipeline::from_iter(["a", "bc"])
    ///     .cpu("hash", |_cx, text| Ok::<_, std::fmt::Error>(text.len()))
    ///     .ordered()
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// # assert_eq!(hashes, [1, 2]);
    /// ```
    pub fn cpu<U, E, F>(self, stage: impl IntoStage<T>, work: F) -> Pipeline<U>
    where
        U: Send + 'static,
        E: Into<BoxError>,
        F: Fn(&Cx, T) -> Result<U, E> + Send + Sync + 'static,
    {
        let (config, spare) = stage.into_parts();
        let mut pipeline = self.then(move |before, env: &Env, out, way| {
            let level = env.computing(config.limit);
            let station = Station::new(&config, StageKind::Cpu, level);
            let kind = Closure {
                work: move |cx: &Cx, item| work(cx, item).map_err(share),
                cores: env.cores.clone(),
            };
            let core = Core::new(
                station,
                &env.control,
                out,
                config,
                spare,
                env.on_error,
                kind,
            );
            before(env, core.inlet(), way);
        });
        pipeline.computing += 1;
        pipeline
    }

    /// A stage of closures that block: files, locks, libraries without futures. As many threads as get
    /// more done.
    ///
    /// ```
    /// # let (lengths, _) =
    /// paceline::Pipeline::from_iter(["/proc/self/comm"])
    ///     .blocking("read", |_cx, path| std::fs::read(path))
    ///     .collect_blocking()
    ///     .expect("it is there");
    /// # assert_eq!(lengths.len(), 1);
    /// ```
    pub fn blocking<U, E, F>(self, stage: impl IntoStage<T>, work: F) -> Pipeline<U>
    where
        U: Send + 'static,
        E: Into<BoxError>,
        F: Fn(&Cx, T) -> Result<U, E> + Send + Sync + 'static,
    {
        let (config, spare) = stage.into_parts();
        self.then(move |before, env, out, way| {
            let level = env.found(config.limit, Nature::Waits);
            let station = Station::new(&config, StageKind::Blocking, level);
            let kind = Closure {
                work: move |cx: &Cx, item| work(cx, item).map_err(share),
                cores: None,
            };
            let core = Core::new(
                station,
                &env.control,
                out,
                config,
                spare,
                env.on_error,
                kind,
            );
            before(env, core.inlet(), way);
        })
    }

    /// A stage of processes. Each runs in a process group of its own, which is killed when its time is
    /// over or the run is given up. Its standard output and error are captured; its standard input is
    /// ours unless the closure sets another. One that ends with anything but success has failed; with
    /// 75 (`EX_TEMPFAIL`) it says that what it depends on is busy.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use tokio::process::Command;
    ///
    /// let (outputs, _) = paceline::Pipeline::from_iter(["a", "b"])
    ///     .command("echo", |word| {
    ///         let mut echo = Command::new("echo");
    ///         echo.arg(word);
    ///         echo
    ///     })
    ///     .ordered()
    ///     .collect()
    ///     .await
    ///     .expect("echo succeeds");
    /// assert_eq!((outputs[1].0, &*outputs[1].1.stdout), ("b", &b"b\n"[..]));
    /// # }
    /// ```
    pub fn command<F>(self, stage: impl IntoStage<T>, work: F) -> Pipeline<(T, Output)>
    where
        F: Fn(&T) -> Command + Send + Sync + 'static,
    {
        self.processes(stage, move |item| {
            let command = work(&item);
            (command, move |output| (item, output))
        })
    }

    /// A stage of processes, with what is made of their output.
    pub(crate) fn processes<U, F, G>(self, stage: impl IntoStage<T>, work: F) -> Pipeline<U>
    where
        U: Send + 'static,
        F: Fn(T) -> (Command, G) + Send + Sync + 'static,
        G: FnOnce(Output) -> U + Send + 'static,
    {
        let (config, spare) = stage.into_parts();
        self.then(move |before, env, out, way| {
            let level = env.found(config.limit, Nature::Processes);
            let station = Station::new(&config, StageKind::Command, level);
            let of = Arc::clone(&station);
            let kind = Futures(move |item: T| {
                let (command, made_of) = work(item);
                let run = command::run(command, Arc::clone(&of));
                async move { Ok(made_of(run.await?)) }
            });
            let core = Core::new(
                station,
                &env.control,
                out,
                config,
                spare,
                env.on_error,
                kind,
            );
            before(env, core.inlet(), way);
        })
    }

    /// Several items become one: so many, or so many bytes, or those of so much time.
    ///
    /// ```
    /// # let (sums, _) =
    /// paceline::Pipeline::from_iter(1..=10_u32)
    ///     .batch("rows", 4)
    ///     .cpu("sum", |_cx, rows| Ok::<_, std::fmt::Error>(rows.iter().sum::<u32>()))
    ///     .ordered()
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// # assert_eq!(sums, [10, 26, 19]);
    /// ```
    pub fn batch(self, stage: impl Into<Stage>, batch: impl Into<Batch>) -> Pipeline<Vec<T>> {
        let config = stage.into().config;
        let batch = batch.into();
        self.then(move |before, env, out, to| {
            let station = Station::new(&config, StageKind::Batch, env.single());
            let queue = Queue::new(&env.control);
            let from = Way::new(env.control.ordered);
            env.control.add(Arc::clone(&station), None);
            let gatherer = Gatherer {
                control: Arc::clone(&env.control),
                station,
                queue: Arc::clone(&queue),
                out,
                from: Arc::clone(&from),
                to,
                batch,
                held: Vec::new(),
                ticket: Ticket::default(),
                began: None,
                seq: 0,
            };
            env.control.task(gatherer.run());
            before(env, Inlet::new(queue, None), from);
        })
    }

    /// One item becomes any number of others. The closure and the iterator run on a thread of their
    /// own, one item after the other.
    ///
    /// ```
    /// # let (letters, _) =
    /// paceline::Pipeline::from_iter(["ab", "c"])
    ///     .flat_map("letters", |word| word.chars())
    ///     .ordered()
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// # assert_eq!(letters, ['a', 'b', 'c']);
    /// ```
    pub fn flat_map<U, I, F>(self, stage: impl Into<Stage>, split: F) -> Pipeline<U>
    where
        U: Send + 'static,
        I: IntoIterator<Item = U>,
        F: Fn(T) -> I + Send + 'static,
    {
        let config = stage.into().config;
        self.then(move |before, env, out, way| {
            let station = Station::new(&config, StageKind::FlatMap, env.single());
            let queue = Queue::new(&env.control);
            let from = Way::new(env.control.ordered);
            env.control.add(Arc::clone(&station), None);
            let splitter = Splitter {
                control: Arc::clone(&env.control),
                station,
                queue: Arc::clone(&queue),
                out,
                way,
                on_error: config.on_error.unwrap_or(env.on_error),
                split,
                seq: 0,
            };
            if !env.control.thread("paceline-split", move || splitter.run()) {
                env.control.cancelled_by_user();
            }
            before(env, Inlet::new(queue, None), from);
        })
    }

    /// From here on an item weighs so many bytes; see [`Budget::bytes`]. May be called at several
    /// places, where items become larger or smaller.
    ///
    /// ```
    /// # use paceline::{Budget, Pipeline};
    /// # let (_, report) =
    /// Pipeline::from_iter([vec![0_u8; 100], vec![0; 200]])
    ///     .weigh(|body| body.len())
    ///     .cpu("count", |_cx, body| Ok::<_, std::fmt::Error>(body.len()))
    ///     .weigh(|_| 8)
    ///     .budget(Budget::items(512).bytes(64 << 20))
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// # assert!(report.peak_bytes >= 200);
    /// ```
    pub fn weigh(self, weigh: impl Fn(&T) -> usize + Send + Sync + 'static) -> Self {
        let weigh = Arc::new(weigh);
        self.then(move |before, env, out, way| {
            // A weigher that panics must not take a worker with it.
            let weigh = move |item: &T| catch_unwind(AssertUnwindSafe(|| weigh(item))).unwrap_or(0);
            before(env, out.weighing(Arc::new(weigh)), way);
        })
    }

    /// From here on an item is called this in failures.
    ///
    /// ```
    /// let error = paceline::Pipeline::from_iter(["7", "x"])
    ///     .label(|text| format!("line {text:?}"))
    ///     .cpu("parse", |_cx, text| text.parse::<u32>())
    ///     .collect_blocking()
    ///     .expect_err("x is no number");
    /// assert_eq!(error.to_string(), "parse: line \"x\": invalid digit found in string");
    /// ```
    pub fn label(self, label: impl Fn(&T) -> String + Send + Sync + 'static) -> Self {
        let label = Arc::new(label);
        self.then(move |before, env, out, way| {
            let label =
                move |item: &T| catch_unwind(AssertUnwindSafe(|| label(item))).unwrap_or_default();
            before(env, out.naming(Arc::new(label)), way);
        })
    }
}

impl<T: Send + 'static> fmt::Debug for Pipeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("budget", &self.budget)
            .field("on_error", &self.on_error)
            .field("ordered", &self.ordered)
            .finish_non_exhaustive()
    }
}

fn share(error: impl Into<BoxError>) -> SharedError {
    SharedError::from(error.into())
}
