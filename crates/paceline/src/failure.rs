//! How an item failed, and what was left of it.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

/// Any error that can cross threads.
///
/// ```
/// let error: paceline::BoxError = "no such host".into();
/// assert_eq!(error.to_string(), "no such host");
/// ```
pub type BoxError = Box<dyn Error + Send + Sync>;
/// The same, shared: what failed is told in more than one place.
///
/// ```
/// use paceline::{BoxError, SharedError};
///
/// let error = SharedError::from(BoxError::from("no such host"));
/// assert_eq!(error.to_string(), "no such host");
/// ```
pub type SharedError = Arc<dyn Error + Send + Sync>;

/// Why an item has no value.
///
/// ```
/// use paceline::FailureKind;
///
/// let halve = |n: &u32| if n % 2 == 0 { Ok(n / 2) } else { Err("odd") };
/// let error = paceline::map([7], halve).run().expect_err("7 is odd");
/// assert_eq!(error.first.kind, FailureKind::Error("odd"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind<E = SharedError> {
    /// The work said so.
    Error(E),
    /// The work panicked, with this message. Other items are not touched by that.
    Panic(String),
    /// It took longer than the stage allows.
    TimedOut(Duration),
    /// Its process ended with something else than success.
    Exit {
        /// How it ended.
        status: ExitStatus,
        /// The last of what it wrote to its standard error.
        stderr: String,
    },
    /// The run ended before the item was done.
    Cancelled,
}

impl<E: fmt::Display> fmt::Display for FailureKind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(message) => write!(f, "panicked: {message}"),
            Self::TimedOut(after) => write!(f, "timed out after {after:?}"),
            Self::Exit { status, stderr } => {
                write!(f, "{status}")?;
                match stderr.trim().lines().next_back() {
                    Some(line) => write!(f, ": {line}"),
                    None => Ok(()),
                }
            }
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// What a panic was raised with, in words.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is no text".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn says_what_happened() {
        let kinds: [FailureKind<&str>; 5] = [
            FailureKind::Error("no such host"),
            FailureKind::Panic("index out of bounds".into()),
            FailureKind::TimedOut(Duration::from_millis(1500)),
            FailureKind::Exit {
                status: ExitStatus::from_raw(256),
                stderr: "first\nlast\n\n".into(),
            },
            FailureKind::Cancelled,
        ];
        let told: Vec<_> = kinds.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "no such host",
                "panicked: index out of bounds",
                "timed out after 1.5s",
                "exit status: 1: last",
                "cancelled",
            ]
        );
    }

    #[test]
    fn reads_the_messages_of_panics() {
        assert_eq!(panic_message(&"a"), "a");
        assert_eq!(panic_message(&String::from("b")), "b");
        assert_eq!(panic_message(&7_u8), "a value that is no text");
    }
}
