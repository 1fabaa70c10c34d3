//! What a `map` leaves behind.

use std::error::Error;
use std::fmt;
use std::time::Instant;

use crate::failure::FailureKind;
use crate::level::Level;
use crate::limit::Limit;
use crate::meter::Meter;
use crate::report::{Report, StageKind, StageReport};

/// An item that has no value, and why.
///
/// ```
/// let failed = paceline::map(["x"], |text| text.parse::<u32>()).run().expect_err("no number");
/// assert_eq!((failed.first.item, failed.first.seq), ("x", 0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed<T, E> {
    /// The item.
    pub item: T,
    /// Its place among the items, from 0.
    pub seq: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub kind: FailureKind<E>,
}

#[cfg(feature = "tokio")]
impl<T, E> Failed<T, E> {
    pub(crate) fn new(item: T, seq: u64, attempts: u32, kind: FailureKind<E>) -> Self {
        Self {
            item,
            seq,
            attempts,
            kind,
        }
    }
}

impl<T: fmt::Debug, E: fmt::Display> fmt::Display for Failed<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.item, self.kind)?;
        if self.attempts > 1 {
            write!(f, " ({} attempts)", self.attempts)?;
        }
        Ok(())
    }
}

impl<T: fmt::Debug, E: Error + 'static> Error for Failed<T, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            FailureKind::Error(error) => Some(error),
            _ => None,
        }
    }
}

/// What [`Map::run`](crate::Map::run) comes back with.
///
/// ```
/// use std::num::ParseIntError;
///
/// fn read(texts: Vec<String>) -> paceline::MapResult<String, u32, ParseIntError> {
///     paceline::map(texts, |text| text.parse::<u32>()).run()
/// }
/// assert!(read(vec!["x".into()]).is_err());
/// ```
pub type MapResult<T, U, E> = Result<Mapped<T, U, E>, MapError<T, U, E>>;

/// All that came out of a [`map`](crate::map).
///
/// ```
/// let mapped = paceline::map(0..3, |n| Ok::<_, String>(n * 2)).ordered().run().expect("none fails");
/// assert_eq!(mapped.values, [0, 2, 4]);
/// println!("{}", mapped.report);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mapped<T, U, E> {
    /// The values: in the order of their items if that was asked for, else as they were done.
    pub values: Vec<U>,
    /// The items without one, as they failed.
    pub failures: Vec<Failed<T, E>>,
    /// How it went.
    pub report: Report,
}

impl<T, U, E> Mapped<T, U, E> {
    #[cfg(feature = "tokio")]
    pub(crate) fn new(values: Vec<U>, failures: Vec<Failed<T, E>>, report: Report) -> Self {
        Self {
            values,
            failures,
            report,
        }
    }

    pub(crate) fn or_first_failure(mut self) -> MapResult<T, U, E> {
        if self.failures.is_empty() {
            return Ok(self);
        }
        let first = self.failures.remove(0);
        Err(MapError {
            first,
            rest: Box::new(self),
        })
    }
}

/// An item failed, so nothing new was begun after it.
///
/// ```
/// let error = paceline::map(["1", "x"], |text| text.parse::<u32>()).limit(1).run().expect_err("x");
/// assert_eq!(error.to_string(), "\"x\": invalid digit found in string");
/// assert_eq!(error.rest.values, [1]);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct MapError<T, U, E> {
    /// The first item that failed.
    pub first: Failed<T, E>,
    /// What had been done by then, or was running and ended after, further failures included.
    pub rest: Box<Mapped<T, U, E>>,
}

impl<T: fmt::Debug, U, E: fmt::Debug> fmt::Debug for MapError<T, U, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapError")
            .field("first", &self.first)
            .field("values", &self.rest.values.len())
            .field("further_failures", &self.rest.failures.len())
            .finish_non_exhaustive()
    }
}

impl<T: fmt::Debug, U, E: fmt::Display> fmt::Display for MapError<T, U, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl<T: fmt::Debug, U, E: Error + 'static> Error for MapError<T, U, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first.source()
    }
}

/// The report of a run with one stage.
pub(super) fn report(level: &Level, meter: &Meter, limit: Limit, origin: Instant) -> Report {
    let wall = origin.elapsed();
    let stage = StageReport::read("map".into(), StageKind::Blocking, limit, level, meter, wall);
    Report::of(wall, vec![stage])
}
