//! What a level may never exceed, one constraint per file.
//!
//! Each cap swallows the evidence that concerns it and publishes a number of jobs. The numbers
//! are steady by themselves: noise in the evidence moves none of them.

mod busy;
mod cpu;
mod fixed_resources;
mod memory;
mod queueing;
mod room;

pub(crate) use busy::BusyCap;
pub(crate) use cpu::CpuCap;
pub(crate) use fixed_resources::FixedCaps;
pub(crate) use memory::MemoryCap;

use crate::reason::Reason;

/// A number of jobs, and what says so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cap {
    pub(crate) jobs: usize,
    pub(crate) reason: Reason,
}

impl Cap {
    /// The lower of two; the first where they are equal.
    pub(crate) fn min(self, other: Self) -> Self {
        if other.jobs < self.jobs { other } else { self }
    }
}
