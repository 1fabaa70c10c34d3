//! The journal through its public face: what it promises to those who run jobs.
#![allow(clippy::unwrap_used, missing_docs)]

mod killed;
mod levels;
mod locks;
mod opening;
mod prune;
mod resume;
mod round_trip;
mod sharing;
mod support;
mod trouble;
