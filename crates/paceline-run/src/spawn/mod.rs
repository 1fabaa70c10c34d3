//! Starting processes, hearing of their end, and making sure that none outlives us.

mod child;
mod environment;
mod guardian;
mod limits;
mod program;
mod tree;
mod whole;

pub use child::signal_is_ignored;
pub use guardian::{GUARDIAN_ARG, Guardian, guard};
pub use limits::{ProcessLimits, raise_open_files};
pub use program::{ProgramError, find_program};

pub(crate) use child::{
    Exit, Leads, Reaped, Spawn, Spawner, be_served_first, exit_record, reap, stop_self,
};
pub(crate) use environment::{Environment, run_mark};
pub(crate) use tree::{
    Process, descendants, descendants_among, processes, signal_group, signal_process,
};
pub(crate) use whole::Tree;
