//! Errors of any type on their way through a pipeline, which wants errors that it can show.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::failure::SharedError;
use crate::retry::ErrorKind;

/// Says what kind an error is of.
pub(super) type Judge<E> = dyn Fn(&E) -> ErrorKind + Send + Sync;
/// Has a look at an error inside of what the pipeline made of it.
pub(super) type Look<E> = fn(&SharedError, &Judge<E>) -> Option<ErrorKind>;
/// Takes it out.
pub(super) type Take<E> = fn(SharedError) -> Option<E>;

/// Carries an error of any type through a pipeline.
pub(super) struct Carried<E>(Mutex<Option<E>>);

impl<E: Send + 'static> Carried<E> {
    pub(super) fn new(error: E) -> Self {
        Self(Mutex::new(Some(error)))
    }

    pub(super) fn look(error: &SharedError, judge: &Judge<E>) -> Option<ErrorKind> {
        let carried = error.downcast_ref::<Self>()?;
        let error = carried.0.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map(judge)
    }

    pub(super) fn take(error: SharedError) -> Option<E> {
        let carried = error.downcast_ref::<Self>()?;
        carried
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
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
