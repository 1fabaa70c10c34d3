//! What can be asked about the process of a thread, answered from `/proc`.

use std::path::PathBuf;
use std::time::Duration;

use super::activity::{Socket, Surroundings};
use super::call::{Name, PollSet};
use super::descriptor::Descriptor;
use super::descriptors::Descriptors;
use super::peers::Peers;
use super::pipe_ends::PipeEnds;
use super::python_runtime::PythonRuntime;
use super::task::state_of;

/// The surroundings of one thread at one moment.
pub(crate) struct Around<'a> {
    pub(crate) pid: i32,
    pub(crate) tid: i32,
    pub(crate) now: Duration,
    /// The letter of its state, if it has been read.
    pub(crate) state: Option<char>,
    pub(crate) descriptors: &'a mut Descriptors,
    pub(crate) python: &'a PythonRuntime,
    pub(crate) peers: &'a mut Peers,
    pub(crate) pipes: &'a mut PipeEnds,
}

impl Around<'_> {
    fn task(&self, number: u64) -> PathBuf {
        PathBuf::from(format!("/proc/{}/task/{number}", self.pid))
    }
}

impl Surroundings for Around<'_> {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn descriptor(&mut self, number: u64) -> Option<Descriptor> {
        self.descriptors.get(number, self.now).cloned()
    }

    fn forget(&mut self, number: u64) {
        self.descriptors.forget(number);
    }

    fn writes_sync(&mut self, number: u64) -> bool {
        self.descriptors.writes_sync(number)
    }

    fn polled(&mut self, set: PollSet) -> Option<Vec<u64>> {
        self.descriptors.polled(set, self.now)
    }

    fn socket(&mut self, inode: u64) -> Option<Socket> {
        self.peers.socket(inode, self.pid)
    }

    fn opened_pipe(&mut self, name: Name) -> Option<String> {
        self.descriptors.opened_pipe(name)
    }

    fn timer_is_set(&mut self, number: u64) -> bool {
        self.descriptors.timer_is_set(number)
    }

    fn beyond_pipe(&mut self, inode: u64) -> Option<String> {
        self.pipes.beyond(inode, self.pid, self.now)
    }

    fn in_python_runtime(&mut self, address: u64) -> bool {
        self.python.holds(address)
    }

    fn is_thread(&mut self, number: u64) -> bool {
        i32::try_from(number).is_ok() && self.task(number).exists()
    }

    fn in_disk_sleep(&mut self) -> bool {
        let state = self.state;
        state.or_else(|| state_of(&self.task(self.tid as u64))) == Some('D')
    }
}
