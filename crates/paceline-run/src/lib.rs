//! Runs a command over many inputs, at a concurrency level that a controller sets.
//!
//! A [`Template`](template::Template) is filled in with the [inputs](input), each job is
//! [spawned](spawn), its [output] is caught and passed on, and what became of it goes to the
//! journal. [`engine::run`] is the loop that ties these together; it reads no flags and draws
//! nothing.
#![deny(unsafe_code)]

pub mod engine;
pub mod input;
pub mod output;
pub mod policy;
pub mod spawn;
pub mod template;
