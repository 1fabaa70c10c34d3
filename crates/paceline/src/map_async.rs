//! `map` over futures and over processes: a pipeline of one stage, whose failures give items back.

use std::collections::HashMap;
use std::fmt;
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::process::Command;

use crate::failure::{FailureKind, SharedError};
use crate::limit::Limit;
use crate::map::{Failed, MapResult, Mapped};
use crate::on_error::OnError;
use crate::pipeline::{Again, Failure, Pipeline, Stage};
use crate::retry::{ErrorKind, Patience, Retry};

/// Calls `work` on each item and awaits what it returns, many at once, and finds out how many.
///
/// The runtime polls the futures; what blocks or computes belongs into [`map`](crate::map). Items are
/// cloned, so that a failure can give its item back and a retry has one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mapped = paceline::map_async(["3", "x"], |text| async move { text.parse::<u32>() })
///     .on_error(paceline::OnError::Collect)
///     .run()
///     .await
///     .expect("failures are collected");
/// assert_eq!(mapped.values, [3]);
/// assert_eq!(mapped.failures[0].item, "x");
/// # }
/// ```
pub fn map_async<I, F, Fut, U, E>(items: I, work: F) -> MapAsync<I::Item, U, E>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    I::Item: Clone + Send + 'static,
    F: Fn(I::Item) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    let items = items.into_iter();
    MapAsync {
        build: Box::new(move |stage, kept| {
            Pipeline::from_iter((0..).zip(items)).io(stage, move |(seq, item)| {
                keep(&kept, seq, &item);
                let future = work(item);
                async move {
                    let value = future.await.map_err(Carried::new)?;
                    Ok::<_, Carried<E>>((seq, value))
                }
            })
        }),
        look: |error, judge| error.downcast_ref::<Carried<E>>()?.look(judge),
        take: |error| error.downcast_ref::<Carried<E>>()?.take(),
        options: Options::default(),
        classify: None,
    }
}

/// Runs a command for each item, several at once, and finds out how many. The values are the items
/// with what their processes wrote.
///
/// Each process is in a group of its own, which is killed when the run is given up. One that ends
/// with anything but success has failed; with 75 (`EX_TEMPFAIL`) it says that what it depends on is
/// busy, and is started again later.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use tokio::process::Command;
///
/// let echo = |word: &&str| {
///     let mut command = Command::new("echo");
///     command.arg(word);
///     command
/// };
/// let mapped = paceline::map_command(["a", "b"], echo).ordered().run().await.expect("succeeds");
/// assert_eq!(mapped.values[1].1.stdout, b"b\n");
/// # }
/// ```
pub fn map_command<I, F>(items: I, work: F) -> MapAsync<I::Item, (I::Item, Output), SharedError>
where
    I: IntoIterator,
    I::IntoIter: Send + 'static,
    I::Item: Clone + Send + 'static,
    F: Fn(&I::Item) -> Command + Send + Sync + 'static,
{
    let items = items.into_iter();
    MapAsync {
        build: Box::new(move |stage, kept| {
            Pipeline::from_iter((0..).zip(items)).processes(stage, move |(seq, item)| {
                keep(&kept, seq, &item);
                (work(&item), move |output| (seq, (item, output)))
            })
        }),
        look: |error, judge| Some(judge(error)),
        take: Some,
        options: Options::default(),
        classify: None,
    }
}

/// A `map` over futures or processes that is not begun yet; see [`map_async`] and [`map_command`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let map = paceline::map_async(0..3_u32, |n| async move { Ok::<_, String>(n) }).limit(2);
/// assert_eq!(map.run().await.expect("none fails").values.len(), 3);
/// # }
/// ```
#[must_use = "nothing is done before `run`"]
pub struct MapAsync<T, U: Send + 'static, E> {
    build: Build<T, U>,
    /// Has a look at an error inside of what the pipeline made of it.
    look: Look<E>,
    /// Takes it out.
    take: fn(SharedError) -> Option<E>,
    options: Options,
    classify: Option<Arc<Judge<E>>>,
}

type Judge<E> = dyn Fn(&E) -> ErrorKind + Send + Sync;
type Look<E> = fn(&SharedError, &Judge<E>) -> Option<ErrorKind>;
type Build<T, U> = Box<dyn FnOnce(Stage<Again>, Kept<T>) -> Pipeline<(u64, U)> + Send>;
/// Items under way, by their place.
type Kept<T> = Arc<Mutex<HashMap<u64, T>>>;

#[derive(Debug, Default)]
struct Options {
    limit: Limit,
    patience: Patience,
    timeout: Option<Duration>,
    on_error: OnError,
    ordered: bool,
}

impl<T, U, E> MapAsync<T, U, E>
where
    T: Clone + Send + 'static,
    U: Send + 'static,
    E: Send + 'static,
{
    /// So many at once, or within such bounds; the level is found unless it is fixed here.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let values = paceline::map_async([1, 2], |n| async move { Ok::<u32, std::io::Error>(2 * n) })
    ///     .limit(1..=64)
    ///     .run()
    ///     .await
    ///     .expect("none fails")
    ///     .values;
    /// assert_eq!(values.len(), 2);
    /// # }
    /// ```
    pub fn limit(mut self, limit: impl Into<Limit>) -> Self {
        self.options.limit = limit.into();
        self
    }

    /// How often an item is tried; once unless set.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::time::Duration;
    /// use paceline::Retry;
    ///
    /// let values = paceline::map_async([1, 2], |n| async move { Ok::<u32, std::io::Error>(2 * n) })
    ///     .retry(Retry::exponential(3, Duration::from_millis(50)))
    ///     .run()
    ///     .await
    ///     .expect("none fails")
    ///     .values;
    /// assert_eq!(values.len(), 2);
    /// # }
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.patience.failed = retry;
        self
    }

    /// How often an item is tried that is turned away with [`ErrorKind::Busy`]; [`Retry::BUSY`] unless
    /// set.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::time::Duration;
    /// use paceline::Retry;
    ///
    /// let values = paceline::map_async([1, 2], |n| async move { Ok::<u32, std::io::Error>(2 * n) })
    ///     .busy_retry(Retry::exponential(3, Duration::from_millis(50)))
    ///     .run()
    ///     .await
    ///     .expect("none fails")
    ///     .values;
    /// assert_eq!(values.len(), 2);
    /// # }
    /// ```
    pub fn busy_retry(mut self, retry: Retry) -> Self {
        self.options.patience.busy = retry;
        self
    }

    /// How long an attempt may take; its future is dropped then, or its process killed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use std::time::Duration;
    ///
    /// let stopped = paceline::map_async(["never"], |_| std::future::pending::<Result<(), String>>())
    ///     .timeout(Duration::from_millis(1))
    ///     .run()
    ///     .await
    ///     .expect_err("its time is over");
    /// assert!(matches!(stopped.first.kind, paceline::FailureKind::TimedOut(_)));
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// What an error says about trying again. Unless set, all are [`ErrorKind::Transient`], except that
    /// a process that ends with 75 is [`ErrorKind::Busy`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use paceline::ErrorKind;
    ///
    /// let stopped = paceline::map_async([404], |status| async move { Err::<(), i32>(status) })
    ///     .classify(|_| ErrorKind::Permanent)
    ///     .run()
    ///     .await
    ///     .expect_err("it fails");
    /// assert_eq!((stopped.first.item, stopped.first.attempts), (404, 1));
    /// # }
    /// ```
    pub fn classify(mut self, judge: impl Fn(&E) -> ErrorKind + Send + Sync + 'static) -> Self {
        self.classify = Some(Arc::new(judge));
        self
    }

    /// What is done about failures: the first one ends the run unless set.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let half = |n: u32| async move { if n % 2 == 0 { Ok(n / 2) } else { Err("odd") } };
    /// let mapped = paceline::map_async(1..=4, half)
    ///     .on_error(paceline::OnError::Collect)
    ///     .run()
    ///     .await
    ///     .expect("failures are collected");
    /// assert_eq!((mapped.values.len(), mapped.failures.len()), (2, 2));
    /// # }
    /// ```
    pub fn on_error(mut self, policy: OnError) -> Self {
        self.options.on_error = policy;
        self
    }

    /// Values come in the order of their items, not as they are done.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let values = paceline::map_async([1, 2], |n| async move { Ok::<u32, std::io::Error>(2 * n) })
    ///     .ordered()
    ///     .run()
    ///     .await
    ///     .expect("none fails")
    ///     .values;
    /// assert_eq!(values, [2, 4]);
    /// # }
    /// ```
    pub fn ordered(mut self) -> Self {
        self.options.ordered = true;
        self
    }

    /// Does it all.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mapped = paceline::map_async(["a"], |name| async move { Ok::<_, String>(name.len()) })
    ///     .run()
    ///     .await
    ///     .expect("none fails");
    /// assert_eq!(mapped.values, [1]);
    /// println!("{}", mapped.report);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If an item failed and failures are not collected: that one, beside what was done. Futures that
    /// were under way are dropped then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or if the iterator over the items panics.
    pub async fn run(self) -> MapResult<T, U, E> {
        let options = self.options;
        let kept = Kept::default();
        let mut stage = Stage::named("map")
            .limit(options.limit)
            .retry(options.patience.failed)
            .busy_retry(options.patience.busy);
        if let Some(timeout) = options.timeout {
            stage = stage.timeout(timeout);
        }
        if let Some(judge) = self.classify {
            let look = self.look;
            stage =
                stage.classify(move |error| look(error, &*judge).unwrap_or(ErrorKind::Transient));
        }
        let stops = options.on_error == OnError::Stop;
        let policy = if stops { OnError::Stop } else { OnError::Emit };
        let mut pipeline = (self.build)(stage, Arc::clone(&kept)).on_error(policy);
        if options.ordered {
            pipeline = pipeline.ordered();
        }
        let mut run = pipeline.start();
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        while let Some(result) = run.next().await {
            match result {
                Ok((seq, value)) => {
                    lock(&kept).remove(&seq);
                    values.push(value);
                }
                Err(failure) => {
                    let item = lock(&kept).remove(&failure.seq);
                    match item {
                        Some(item) => failures.push(given_back(item, failure, self.take)),
                        None => panic!("{failure}"),
                    }
                }
            }
        }
        let report = match run.end().await {
            Ok(report) => report,
            Err(error) => *error.report,
        };
        let mapped = Mapped::new(values, failures, report);
        if stops {
            mapped.or_first_failure()
        } else {
            Ok(mapped)
        }
    }
}

impl<T, U: Send + 'static, E> fmt::Debug for MapAsync<T, U, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapAsync")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn keep<T: Clone>(kept: &Kept<T>, seq: u64, item: &T) {
    lock(kept).insert(seq, item.clone());
}

fn lock<T>(kept: &Kept<T>) -> std::sync::MutexGuard<'_, HashMap<u64, T>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn given_back<T, E>(item: T, failure: Failure, take: fn(SharedError) -> Option<E>) -> Failed<T, E> {
    let kind = match failure.kind {
        FailureKind::Error(error) => match take(error) {
            Some(error) => FailureKind::Error(error),
            None => FailureKind::Cancelled,
        },
        FailureKind::Panic(message) => FailureKind::Panic(message),
        FailureKind::TimedOut(after) => FailureKind::TimedOut(after),
        FailureKind::Exit { status, stderr } => FailureKind::Exit { status, stderr },
        FailureKind::Cancelled => FailureKind::Cancelled,
    };
    Failed::new(item, failure.seq, failure.attempts, kind)
}

/// Carries an error of any type through a pipeline.
struct Carried<E>(Mutex<Option<E>>);

impl<E> Carried<E> {
    fn new(error: E) -> Self {
        Self(Mutex::new(Some(error)))
    }

    fn look(&self, judge: &Judge<E>) -> Option<ErrorKind> {
        let error = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map(judge)
    }

    fn take(&self) -> Option<E> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<E> fmt::Debug for Carried<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carried")
    }
}

impl<E> fmt::Display for Carried<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the work failed")
    }
}

impl<E: Send> std::error::Error for Carried<E> {}
