//! What a poll is for, by what it looks at.
//!
//! An event loop polls for many things, and a client with a timeout for the one socket that it then reads. Its tests
//! are with those of [`activity`](super::activity), whose surroundings it asks.

use super::activity::{Activity, Role, Socket, Surroundings, of, one_descriptor, plain};
use super::call::PollSet;
use super::descriptor::Descriptor;
use crate::profile::{Class, Target};

/// What a poll looks at, counted.
#[derive(Default)]
struct Polled {
    /// Sockets to peers, each with what it is.
    peers: Vec<(u64, Socket)>,
    clients: usize,
    /// Pipes, and sockets to other processes that are watched.
    pipes: Vec<Descriptor>,
    processes: usize,
    /// The numbers of its timers.
    timers: Vec<u64>,
    terminals: usize,
    others: usize,
}

impl Polled {
    fn of(set: PollSet, numbers: &[u64], around: &mut impl Surroundings) -> Self {
        let mut polled = Self::default();
        // Who polls nothing else waits for the other process. A loop is woken by a pair of its own.
        let one_alone = numbers.len() == 1 && !matches!(set, PollSet::Epoll(_));
        for &number in numbers {
            match around.descriptor(number) {
                Some(Descriptor::Socket(inode)) => match around.socket(inode) {
                    Some(Socket {
                        role: Role::Own, ..
                    }) => {}
                    Some(Socket {
                        role: Role::Within { also_own },
                        ..
                    }) => {
                        if one_alone || !also_own {
                            polled.pipes.push(Descriptor::Socket(inode));
                        }
                    }
                    Some(Socket {
                        role: Role::Client, ..
                    }) => polled.clients += 1,
                    Some(socket) => polled.peers.push((inode, socket)),
                    None => polled.peers.push((
                        inode,
                        Socket {
                            peer: String::new(),
                            role: Role::Peer,
                        },
                    )),
                },
                Some(pipe @ Descriptor::Pipe(_)) => polled.pipes.push(pipe),
                Some(Descriptor::Process) => polled.processes += 1,
                Some(Descriptor::Timer) => polled.timers.push(number),
                Some(Descriptor::Terminal(_)) => polled.terminals += 1,
                Some(Descriptor::Event) => {}
                _ => polled.others += 1,
            }
        }
        polled
    }

    /// Some timer of it will go off. Loops keep one that is not set, for when they need it.
    fn has_timer(&self, around: &mut impl Surroundings) -> bool {
        self.timers.iter().any(|timer| around.timer_is_set(*timer))
    }

    /// The one peer, if all lead to the same.
    fn one_peer(&self) -> Option<&str> {
        let (_, first) = self.peers.first()?;
        let same = self
            .peers
            .iter()
            .all(|(_, socket)| socket.peer == first.peer);
        (same && !first.peer.is_empty()).then_some(first.peer.as_str())
    }
}

/// What a thread waits for in a poll of such a set.
pub(super) fn poll(
    set: PollSet,
    timed: bool,
    call: &'static str,
    around: &mut impl Surroundings,
) -> Activity {
    let Some(numbers) = around.polled(set) else {
        return plain(Class::Poll, call, call);
    };
    let polled = Polled::of(set, &numbers, around);
    let quiet = polled.clients == 0
        && polled
            .peers
            .iter()
            .all(|(_, socket)| socket.role == Role::Quiet);
    let target = || {
        polled
            .one_peer()
            .map_or(Target::Call(call.to_owned()), |peer| {
                Target::Peer(peer.to_owned())
            })
    };
    if matches!(set, PollSet::Epoll(_)) {
        // Nothing can come but the end of the time.
        let asleep = quiet
            && polled.processes + polled.others + polled.terminals == 0
            && polled.pipes.is_empty()
            && (timed || polled.has_timer(around));
        return if asleep {
            plain(Class::Sleep, call, call)
        } else {
            of(Class::Poll, target(), call)
        };
    }
    match (polled.peers.as_slice(), polled.pipes.as_slice()) {
        // A client with a timeout polls the one socket that it then reads.
        ([(inode, _)], _) if polled.clients == 0 => Activity {
            socket: Some(*inode),
            ..of(Class::Network, target(), call)
        },
        ([], [first, ..]) if polled.clients == 0 => {
            one_descriptor(Some(first.clone()), call, around)
        }
        ([], []) if polled.processes > 0 => plain(Class::Child, call, call),
        ([], []) if polled.clients > 0 => plain(Class::Idle, call, call),
        ([], []) if polled.terminals > 0 => {
            one_descriptor(Some(Descriptor::Terminal(String::new())), call, around)
        }
        ([], []) if polled.has_timer(around) => plain(Class::Sleep, call, call),
        ([], []) if timed && polled.others == 0 => plain(Class::Sleep, call, call),
        _ => of(Class::Poll, target(), call),
    }
}
