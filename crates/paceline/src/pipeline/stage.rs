//! What a stage is asked for: its name, level, retries, time limit, and what its errors mean.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::SharedError;
use crate::limit::Limit;
use crate::on_error::OnError;
use crate::retry::{ErrorKind, Patience, Retry};

/// Says what kind an error is of.
pub(super) type Classify = Arc<dyn Fn(&SharedError) -> ErrorKind + Send + Sync>;

/// How a stage is to work. A stage of which nothing but its name is asked is written as that name.
///
/// `A` tells whether items may be tried again: if so they must be `Clone`, because an attempt uses
/// the item up.
///
/// ```
/// use std::time::Duration;
/// use paceline::{Retry, Stage};
///
/// let fetch = Stage::named("fetch")
///     .limit(1..=256)
///     .timeout(Duration::from_secs(5))
///     .retry(Retry::exponential(3, Duration::from_millis(50)));
/// assert_eq!(fetch.name(), "fetch");
/// ```
#[derive(Clone)]
#[must_use]
pub struct Stage<A = Once> {
    pub(super) config: Config,
    attempts: std::marker::PhantomData<A>,
}

/// Items of a [`Stage`] are tried once.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Once;

/// Items of a [`Stage`] may be tried again, so they must be `Clone`.
///
/// ```compile_fail
/// struct NotClone;
/// let stage = paceline::Stage::named("use up").retry(paceline::Retry::NEVER);
/// let _ = paceline::Pipeline::from_iter([NotClone]).cpu(stage, |_, _| Ok::<_, String>(()));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Again;

#[derive(Clone)]
pub(super) struct Config {
    pub(super) name: Arc<str>,
    pub(super) limit: Limit,
    pub(super) patience: Patience,
    pub(super) timeout: Option<Duration>,
    pub(super) classify: Option<Classify>,
    pub(super) on_error: Option<OnError>,
}

impl Stage {
    /// A stage of this name, of which nothing else is asked.
    ///
    /// ```
    /// assert_eq!(paceline::Stage::named("fetch").name(), "fetch");
    /// ```
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            config: Config {
                name: name.into(),
                limit: Limit::Auto,
                patience: Patience {
                    failed: Retry::NEVER,
                    busy: Retry::NEVER,
                },
                timeout: None,
                classify: None,
                on_error: None,
            },
            attempts: std::marker::PhantomData,
        }
    }
}

impl<A> Stage<A> {
    /// How many items may be in work at once; found unless set.
    ///
    /// ```
    /// let stage = paceline::Stage::named("fetch").limit(1..=256);
    /// let three_at_once = stage.limit(3);
    /// ```
    pub fn limit(mut self, limit: impl Into<Limit>) -> Self {
        self.config.limit = limit.into();
        self
    }

    /// How long an attempt may take. A future is dropped and a process killed when its time is over.
    /// A closure cannot be ended: [`Cx::checkpoint`](crate::Cx::checkpoint) tells it, and what it
    /// returns later counts as timed out.
    ///
    /// ```
    /// let stage = paceline::Stage::named("fetch").timeout(std::time::Duration::from_secs(5));
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = Some(timeout);
        self
    }

    /// What an error says about trying again; unless set, all are [`ErrorKind::Transient`]. Panics and
    /// time-outs always are.
    ///
    /// ```
    /// use paceline::{ErrorKind, Stage};
    /// use std::io;
    ///
    /// let stage = Stage::named("read").classify(|error| match error.downcast_ref::<io::Error>() {
    ///     Some(error) if error.kind() == io::ErrorKind::NotFound => ErrorKind::Permanent,
    ///     _ => ErrorKind::Transient,
    /// });
    /// ```
    pub fn classify(
        mut self,
        judge: impl Fn(&SharedError) -> ErrorKind + Send + Sync + 'static,
    ) -> Self {
        self.config.classify = Some(Arc::new(judge));
        self
    }

    /// What is done about items that fail here; what the pipeline says unless set.
    ///
    /// ```
    /// let stage = paceline::Stage::named("fetch").on_error(paceline::OnError::Collect);
    /// ```
    pub fn on_error(mut self, policy: OnError) -> Self {
        self.config.on_error = Some(policy);
        self
    }

    /// How often an item is tried.
    ///
    /// ```
    /// use std::time::Duration;
    /// use paceline::{Retry, Stage};
    ///
    /// let stage = Stage::named("fetch").retry(Retry::exponential(3, Duration::from_millis(50)));
    /// ```
    pub fn retry(mut self, retry: Retry) -> Stage<Again> {
        self.config.patience.failed = retry;
        if self.config.patience.busy == Retry::NEVER {
            self.config.patience.busy = Retry::BUSY;
        }
        self.again()
    }

    /// How often an item is tried that is turned away with [`ErrorKind::Busy`]. [`Retry::BUSY`] where
    /// only [`Stage::retry`] is called.
    ///
    /// ```
    /// let stage = paceline::Stage::named("fetch").busy_retry(paceline::Retry::BUSY);
    /// ```
    pub fn busy_retry(mut self, retry: Retry) -> Stage<Again> {
        self.config.patience.busy = retry;
        self.again()
    }

    /// Its name.
    ///
    /// ```
    /// assert_eq!(paceline::Stage::from("fetch").name(), "fetch");
    /// ```
    pub fn name(&self) -> &str {
        &self.config.name
    }

    fn again(self) -> Stage<Again> {
        Stage {
            config: self.config,
            attempts: std::marker::PhantomData,
        }
    }
}

impl<A> fmt::Debug for Stage<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.config.name)
            .field("limit", &self.config.limit)
            .field("patience", &self.config.patience)
            .field("timeout", &self.config.timeout)
            .field("on_error", &self.config.on_error)
            .finish_non_exhaustive()
    }
}

impl From<&str> for Stage {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<String> for Stage {
    fn from(name: String) -> Self {
        Self::named(name)
    }
}

/// What describes a stage for items of type `T`: a name, a [`Stage`], or, if `T` is `Clone`, one that
/// tries items again.
///
/// ```
/// use paceline::{IntoStage, Pipeline};
///
/// fn doubled(stage: impl IntoStage<u32>) -> Pipeline<u32> {
///     Pipeline::from_iter(0..3).cpu(stage, |_cx, n| Ok::<_, String>(2 * n))
/// }
/// let by_name = doubled("double");
/// let limited = doubled(paceline::Stage::named("double").limit(1));
/// ```
pub trait IntoStage<T>: sealed::Sealed<T> {}

impl<T, S: sealed::Sealed<T>> IntoStage<T> for S {}

pub(super) mod sealed {
    use super::{Again, Config, Once, Stage};

    /// Keeps a copy of an item for the next attempt.
    pub(crate) type Spare<T> = fn(&T) -> Option<T>;

    pub trait Sealed<T> {
        #[doc(hidden)]
        #[allow(private_interfaces)]
        fn into_parts(self) -> (Config, Spare<T>);
    }

    #[allow(private_interfaces)]
    impl<T> Sealed<T> for Stage<Once> {
        fn into_parts(self) -> (Config, Spare<T>) {
            (self.config, |_| None)
        }
    }

    #[allow(private_interfaces)]
    impl<T: Clone> Sealed<T> for Stage<Again> {
        fn into_parts(self) -> (Config, Spare<T>) {
            (self.config, |item| Some(item.clone()))
        }
    }

    #[allow(private_interfaces)]
    impl<T> Sealed<T> for &str {
        fn into_parts(self) -> (Config, Spare<T>) {
            Sealed::into_parts(Stage::from(self))
        }
    }

    #[allow(private_interfaces)]
    impl<T> Sealed<T> for String {
        fn into_parts(self) -> (Config, Spare<T>) {
            Sealed::into_parts(Stage::from(self))
        }
    }
}
