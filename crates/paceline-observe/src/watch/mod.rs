//! Watching a program: what its threads do and wait for, from the outside and without disturbing it.
//!
//! A [`Watcher`] looks at a process and all that come from it, some hundred times a second. It reads a few
//! files of `/proc` for each thread, which needs no privileges for one's own processes. The caller
//! decides when to look and when to stop; nothing here sleeps or starts a thread of its own, except the
//! one that reads the stacks of Python.

mod activity;
mod answers;
mod around;
mod attach;
mod bounds;
mod call;
mod clock;
mod descriptor;
mod descriptors;
mod holders;
mod kernel_file;
mod language;
mod ledger;
mod loops;
mod outside;
mod pace;
mod peers;
mod pipe_ends;
mod place;
mod polled;
mod pools;
mod python;
mod python_runtime;
mod quotas;
mod sources;
mod stat;
mod summary;
mod switching;
mod task;
mod tree;
mod watched;
mod watcher;

pub(crate) use descriptors::Descriptors;
pub(crate) use sources::sockets::{Side, Sockets, State};

pub use attach::AttachError;
pub use watcher::{Next, Options, Scope, Watcher};
