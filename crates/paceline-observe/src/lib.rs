//! What processes wait for and what the machine has to give, read from the kernel.
//!
//! Everything here comes from `/proc` and the cgroup files, without privileges. It knows processes,
//! not jobs or templates, and prints nothing.
#![forbid(unsafe_code)]

mod cgroup;
mod cores;
mod memory;
mod process;
pub mod profile;
mod sampler;
mod syscall;
pub mod verdict;

pub use cores::cores;
pub use memory::{Memory, out_of_memory_kills};
pub use sampler::{Observation, Sampler};
