//! What processes of one program wait for. Those that no look met are taken to be like those that one did.
//!
//! A process that was made and became no other program does a part of what its parent is for, as the subshells of a
//! script do: it is like others that were made so, as many steps away from the program.

use std::collections::HashMap;

use super::waits::WaitId;
use crate::watch::sources::switches::Name;

/// What a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Program {
    of: Origin,
    /// How many processes lie between it and the one that became the program.
    steps: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Named(Name),
    /// This process ran before we watched.
    Process(i32),
}

/// A process that makes one like itself, and so on, makes no new program with each step.
const MOST_STEPS: u32 = 8;

/// Of all programs that processes became while we watched.
#[derive(Default)]
pub(super) struct Kin {
    programs: HashMap<i32, Program>,
    /// Of those that looks have met and that have ended, in which part of its waits each waited so. A long one has no
    /// more weight than others: those that no look met are short.
    waited: HashMap<Program, HashMap<WaitId, f64>>,
}

impl Kin {
    /// A process has made another.
    pub(super) fn begin(&mut self, pid: i32, parent: i32) {
        let parent = self.programs.get(&parent).copied().unwrap_or(Program {
            of: Origin::Process(parent),
            steps: 0,
        });
        let program = Program {
            steps: (parent.steps + 1).min(MOST_STEPS),
            ..parent
        };
        self.programs.insert(pid, program);
    }

    /// The number of one that has ended is a thread's now.
    pub(super) fn forget(&mut self, tid: i32) {
        self.programs.remove(&tid);
    }

    /// A process has become the program of this name.
    pub(super) fn becomes(&mut self, pid: i32, name: Name) {
        let program = Program {
            of: Origin::Named(name),
            steps: 0,
        };
        self.programs.insert(pid, program);
    }

    /// One that looks have met has ended.
    pub(super) fn ended(&mut self, pid: i32, waits: &HashMap<WaitId, f64>) {
        let Some(program) = self.programs.get(&pid) else {
            return;
        };
        let all: f64 = waits.values().sum();
        if all <= 0.0 {
            return;
        }
        let waited = self.waited.entry(*program).or_default();
        for (id, seconds) in waits {
            *waited.entry(*id).or_default() += seconds / all;
        }
    }

    /// What processes like this one waited for most.
    pub(super) fn usual(&self, pid: i32) -> Option<WaitId> {
        let waited = self.waited.get(self.programs.get(&pid)?)?.iter();
        let most = waited.max_by(|a, b| a.1.total_cmp(b.1))?;
        (*most.1 > 0.0).then_some(*most.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::waits::Waits;
    use super::*;
    use crate::profile::Class;
    use crate::watch::activity::plain;

    #[test]
    fn a_subshell_waits_like_others_as_far_from_the_script() {
        let mut waits = Waits::default();
        let child = waits.intern(plain(Class::Child, "wait4", "wait4"), None);
        let pipe = waits.intern(plain(Class::Pipe, "read", "read"), None);
        let mut kin = Kin::default();
        // Each subshell makes a process that stays one, and another that becomes a program.
        for subshell in [10, 20] {
            kin.begin(subshell, 1);
            kin.begin(subshell + 1, subshell);
            kin.begin(subshell + 2, subshell);
            kin.becomes(subshell + 2, Name::from("cut"));
        }
        assert_eq!(kin.usual(20), None);
        kin.ended(10, &HashMap::from([(child, 1.0), (pipe, 0.1)]));
        kin.ended(12, &HashMap::from([(pipe, 1.0)]));
        assert_eq!(kin.usual(20), Some(child));
        assert_eq!(kin.usual(21), None);
        assert_eq!(kin.usual(22), Some(pipe));
        // Those of another program are not like it.
        kin.begin(30, 2);
        assert_eq!(kin.usual(30), None);
    }
}
