//! Starting processes, hearing of their end, and making sure that none outlives us.

mod child;
mod environment;
mod guardian;
mod limits;
mod program;
mod tree;

pub use guardian::{GUARDIAN_ARG, Guardian, guard};
pub use limits::{ProcessLimits, raise_open_files};
pub use program::{ProgramError, find_program};

pub(crate) use child::{
    Exit, Leads, Reaped, Spawn, Spawner, exit_record, reap, signal_is_ignored, stop_self,
};
pub(crate) use environment::Environment;
pub(crate) use tree::{descendants, descendants_among, processes, signal_group, signal_process};
