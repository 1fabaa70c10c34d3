//! What processes wait for and what the machine has to give, read from the kernel.
//!
//! Everything here comes from `/proc` and the cgroup files, without privileges. It knows processes,
//! not jobs or templates, and prints nothing.
#![forbid(unsafe_code)]

mod machine;
mod process;
mod sampler;
mod syscall;

pub use machine::{Memory, cores};
pub use sampler::{Observation, Sampler};
