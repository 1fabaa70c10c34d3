//! What a thread can do or wait for.

use std::ops::{Index, IndexMut};

use serde::Serialize;

/// What a thread does or waits for at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// On a core.
    Cpu,
    /// Ready to run, but no core is free or the quota is used up.
    RunQueue,
    /// A disk, or a file system that waits for one: reads, writes, fsync.
    Disk,
    /// A page that has to come from a disk.
    PageFault,
    /// A peer: TCP, UDP, or a unix socket to a process that is not watched.
    Network,
    /// The other end of a pipe or terminal, or of a unix socket to another process that is watched.
    Pipe,
    /// A lock that another thread holds.
    Lock,
    /// A signal from another thread that does come: a condition variable, a barrier, a semaphore.
    Condition,
    /// The end of another thread.
    Join,
    /// Work that does not come: a pool's thread without a task, a server without a client.
    Idle,
    /// Time to pass.
    Sleep,
    /// A child process to end or to stop.
    Child,
    /// Any of several events: epoll, poll, select, an event loop at rest.
    Poll,
    /// The global interpreter lock of Python.
    Gil,
    /// Anything else.
    Other,
}

impl Class {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::Cpu,
        Self::RunQueue,
        Self::Disk,
        Self::PageFault,
        Self::Network,
        Self::Pipe,
        Self::Lock,
        Self::Condition,
        Self::Join,
        Self::Idle,
        Self::Sleep,
        Self::Child,
        Self::Poll,
        Self::Gil,
        Self::Other,
    ];

    /// From what moves the work on to what only waits for others to do so: when threads are in several
    /// classes at one moment, the first of these says what the program is at.
    pub const PRECEDENCE: [Self; 15] = [
        Self::Cpu,
        Self::RunQueue,
        Self::PageFault,
        Self::Disk,
        Self::Network,
        Self::Other,
        Self::Gil,
        Self::Lock,
        Self::Sleep,
        Self::Pipe,
        Self::Condition,
        Self::Poll,
        Self::Child,
        Self::Join,
        Self::Idle,
    ];

    /// Whether something outside the program has to answer: a disk or a peer.
    pub fn is_io(self) -> bool {
        matches!(self, Self::Disk | Self::PageFault | Self::Network)
    }

    /// Whether the thread runs or wants to.
    pub fn is_compute(self) -> bool {
        matches!(self, Self::Cpu | Self::RunQueue)
    }

    /// Whether it stands by for others, so that its time says nothing about the work.
    pub fn is_standby(self) -> bool {
        matches!(self, Self::Join | Self::Idle)
    }
}

/// One value for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByClass<T>([T; Class::ALL.len()]);

impl<T> ByClass<T> {
    /// Each class with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Class, &T)> {
        Class::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Class> for ByClass<T> {
    type Output = T;

    fn index(&self, class: Class) -> &T {
        &self.0[class as usize]
    }
}

impl<T> IndexMut<Class> for ByClass<T> {
    fn index_mut(&mut self, class: Class) -> &mut T {
        &mut self.0[class as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_precedence() {
        let mut order = Class::PRECEDENCE.to_vec();
        order.sort();
        assert_eq!(order, Class::ALL);
    }

    #[test]
    fn each_class_has_its_own_place() {
        let mut values = ByClass::<usize>::default();
        for (n, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, n);
            values[class] += n + 1;
        }
        assert!(values.iter().all(|(class, n)| *n == class as usize + 1));
    }
}
