//! `map` over futures and over processes: a pipeline of one stage, whose failures give items back.

mod carried;
mod results;

use std::fmt;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;

pub use results::ResultStream;

use crate::failure::SharedError;
use crate::limit::Limit;
use crate::map::{MapResult, Mapped};
use crate::on_error::OnError;
use crate::pipeline::{Again, Pipeline, Stage};
use crate::retry::{ErrorKind, Patience, Retry};
use carried::{Carried, Judge, Look, Take};
use results::Kept;

/// The name of the one stage.
const STAGE: &str = "map";

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
        build: Box::new(move |stage, kept: Kept<I::Item>| {
            Pipeline::from_iter((0..).zip(items)).io(stage, move |(seq, item)| {
                kept.put(seq, item.clone());
                let future = work(item);
                async move {
                    let value = future.await.map_err(Carried::new)?;
                    Ok::<_, Carried<E>>((seq, value))
                }
            })
        }),
        look: Carried::look,
        take: Carried::take,
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
        build: Box::new(move |stage, kept: Kept<I::Item>| {
            Pipeline::from_iter((0..).zip(items)).processes(stage, move |(seq, item)| {
                kept.put(seq, item.clone());
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
#[must_use = "nothing is done before `run` or `results`"]
pub struct MapAsync<T, U: Send + 'static, E> {
    build: Build<T, U>,
    look: Look<E>,
    take: Take<E>,
    options: Options,
    classify: Option<Arc<Judge<E>>>,
}

type Build<T, U> = Box<dyn FnOnce(Stage<Again>, Kept<T>) -> Pipeline<(u64, U)> + Send>;
#[derive(Debug, Default)]
struct Options {
    limit: Limit,
    patience: Patience,
    timeout: Option<Duration>,
    on_error: Option<OnError>,
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

    /// What is done about failures. Unless set, [`MapAsync::run`] stops at the first one, and
    /// [`MapAsync::results`] hands out each.
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
        self.options.on_error = Some(policy);
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
        let stops = self.options.on_error.unwrap_or_default() == OnError::Stop;
        // Each failure is handed to us, and from us to the caller.
        let policy = if stops { OnError::Stop } else { OnError::Emit };
        let mut results = self.begin(policy);
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        while let Some(result) = results.next().await {
            match result {
                Ok(value) => values.push(value),
                Err(failed) => failures.push(failed),
            }
        }
        let mapped = Mapped::new(values, failures, results.end().await);
        if stops {
            mapped.or_first_failure()
        } else {
            Ok(mapped)
        }
    }

    /// Begins, and hands out each result as it comes, or in order. At most 1,024 items are under way
    /// or wait to be taken. Dropping the stream ends the run.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let square = |n: u32| async move { Ok::<_, String>(n * n) };
    /// let mut results = paceline::map_async(1..=10, square).results();
    /// let mut sum = 0;
    /// while let Some(result) = results.next().await {
    ///     sum += result.expect("none fails");
    /// }
    /// assert_eq!(sum, 385);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn results(self) -> ResultStream<T, U, E> {
        let policy = self.options.on_error.unwrap_or(OnError::Emit);
        self.begin(policy)
    }

    fn begin(self, on_error: OnError) -> ResultStream<T, U, E> {
        let options = self.options;
        let kept = Kept::default();
        let mut stage = Stage::named(STAGE)
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
        // What is collected is collected with its item, not by the pipeline.
        let policy = match on_error {
            OnError::Stop => OnError::Stop,
            OnError::Collect | OnError::Emit => OnError::Emit,
        };
        let mut pipeline = (self.build)(stage, kept.clone()).on_error(policy);
        if options.ordered {
            pipeline = pipeline.ordered();
        }
        ResultStream::new(pipeline.start(), kept, self.take, on_error)
    }
}

impl<T, U: Send + 'static, E> fmt::Debug for MapAsync<T, U, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapAsync")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
