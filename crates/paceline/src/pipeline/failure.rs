//! How an item of a pipeline failed, and how a run did.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::failure::FailureKind;
use crate::report::Report;

/// An item that did not come through.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (values, report) = paceline::Pipeline::from_iter(["1", "x"])
///     .label(|text| text.to_string())
///     .cpu("parse", |_, text| text.parse::<u32>())
///     .on_error(paceline::OnError::Collect)
///     .collect()
///     .await
///     .expect("failures are collected");
/// assert_eq!(values, [1]);
/// assert_eq!(report.failures[0].to_string(), "parse: x: invalid digit found in string");
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The stage at which it failed.
    pub stage: Arc<str>,
    /// Its place among the items of the source; behind a stage that gathers or splits, among those
    /// that come out there.
    pub seq: u64,
    /// What [`Pipeline::label`](crate::Pipeline::label) called it.
    pub label: Option<Arc<str>>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub kind: FailureKind,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.stage)?;
        match &self.label {
            Some(label) => write!(f, "{label}: ")?,
            None => write!(f, "item {}: ", self.seq)?,
        }
        self.kind.fmt(f)?;
        if self.attempts > 1 {
            write!(f, " ({} attempts)", self.attempts)?;
        }
        Ok(())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            FailureKind::Error(error) => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Failure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Failure", 5)?;
        fields.serialize_field("stage", &*self.stage)?;
        fields.serialize_field("seq", &self.seq)?;
        fields.serialize_field("label", &self.label.as_deref())?;
        fields.serialize_field("attempts", &self.attempts)?;
        fields.serialize_field("error", &self.kind.to_string())?;
        fields.end()
    }
}

/// A run ended early: an item failed where that stops the run, or it was cancelled.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let error = paceline::Pipeline::from_iter(["x"])
///     .cpu("parse", |_, text| text.parse::<u32>())
///     .collect()
///     .await
///     .expect_err("x is no number");
/// assert_eq!(&*error.first.stage, "parse");
/// println!("{}", error.report);
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunError {
    /// What ended it.
    pub first: Failure,
    /// How it had gone until then.
    pub report: Box<Report>,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.first.source()
    }
}
