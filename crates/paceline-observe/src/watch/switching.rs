//! Context switches as the ledger takes them: those since the last round, while they can be had.

use super::sources::switches::{Kind, Start, Switch, Switches};
use crate::profile::Source;

/// The switches of a program.
pub(crate) struct Switching {
    source: Result<Box<Switches>, Source>,
    since_last: Vec<Switch>,
    /// Processes that are not watched, though they come from one that is.
    leave_out: Vec<i32>,
    /// Processes that were made while we watched.
    processes: u64,
}

impl Switching {
    /// Of a process and what comes from it, but some. `starting`: it waits to become the program.
    pub(crate) fn open(pid: i32, starting: bool, leave_out: Vec<i32>) -> Self {
        let start = if starting { Start::OnExec } else { Start::Now };
        let source = Switches::open(pid, start)
            .map(Box::new)
            .map_err(|missing| Source::Missing(missing.to_string()));
        Self {
            source,
            since_last: Vec::new(),
            leave_out,
            processes: 0,
        }
    }

    pub(crate) fn not_needed() -> Self {
        Self {
            source: Err(Source::NotNeeded),
            since_last: Vec::new(),
            leave_out: Vec::new(),
            processes: 0,
        }
    }

    /// Takes those since the last time, all of them if this is the last.
    pub(crate) fn drain(&mut self, last: bool) {
        self.since_last.clear();
        let Ok(switches) = &mut self.source else {
            return;
        };
        if last {
            switches.drain_rest(&mut self.since_last);
        } else {
            switches.drain(&mut self.since_last);
        }
        self.since_last
            .retain(|switch| !self.leave_out.contains(&switch.pid));
        let made = |switch: &&Switch| matches!(switch.kind, Kind::Forked { parent_pid, .. } if parent_pid != switch.pid);
        self.processes += self.since_last.iter().filter(made).count() as u64;
    }

    /// Those that were taken last; `None` if they are not known.
    pub(crate) fn since_last(&self) -> Option<&[Switch]> {
        (self.source() == Source::Used).then_some(&self.since_last)
    }

    /// Processes that were made while we watched, 0 if it is not known.
    pub(crate) fn processes(&self) -> u64 {
        self.processes
    }

    /// Records that were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.source.as_ref().map_or(0, |switches| switches.lost())
    }

    pub(crate) fn source(&self) -> Source {
        match &self.source {
            Ok(switches) => switches.source(),
            Err(source) => source.clone(),
        }
    }
}
