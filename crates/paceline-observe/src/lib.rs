//! What processes wait for and what the machine has to give, read from the kernel.
//!
//! What is needed to run jobs comes from `/proc` and the cgroup files, without privileges. To watch a
//! program, sockets, context switches and the stacks of Python are asked for too, where that is allowed.
//! It knows processes, not jobs or templates, and prints nothing.
#![forbid(unsafe_code)]

mod cgroup;
mod cores;
mod idle;
mod memory;
mod peer_load;
mod process;
pub mod profile;
mod sampler;
mod syscall;
pub mod verdict;
pub mod watch;

pub use cores::cores;
pub use idle::Idle;
pub use memory::{Memory, out_of_memory_kills};
pub use peer_load::PeerLoad;
pub use sampler::{Observation, Sampler};
