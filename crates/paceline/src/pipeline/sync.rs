//! The locks of what `loom` tries out.

#[cfg(all(test, paceline_loom))]
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, paceline_loom)))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
