//! Whom trees of processes are connected to, over TCP.
//!
//! Jobs that each talk to another machine share less than jobs that all talk to one. The addresses
//! tell them apart; ports do not, since services at one address share what that machine has.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::watch::{Descriptors, Side, Sockets, State};

/// How some trees of processes are spread over the peers that they are connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerLoad {
    /// Trees that are connected to a peer, or are about to be.
    pub connected: usize,
    /// The most of these that share a peer.
    pub heaviest: usize,
}

/// Asks the kernel for the connections of trees of processes.
#[derive(Default)]
pub(crate) struct PeerLookUp {
    kernel: Kernel,
}

#[derive(Default)]
enum Kernel {
    #[default]
    NotAsked,
    Answers(Box<Sockets>),
    Missing,
}

impl PeerLookUp {
    /// Looks at these processes, each with the tree that it belongs to; `None` if the kernel does not tell.
    pub(crate) fn look(&mut self, processes: &[(i32, i32)]) -> Option<PeerLoad> {
        let (_, first) = processes.first()?;
        if let Kernel::NotAsked = self.kernel {
            self.kernel = Sockets::open(*first).map_or(Kernel::Missing, |sockets| {
                Kernel::Answers(Box::new(sockets))
            });
        }
        let Kernel::Answers(sockets) = &mut self.kernel else {
            return None;
        };
        let Ok(table) = sockets.dump() else {
            self.kernel = Kernel::Missing;
            return None;
        };
        let mut connected: HashSet<i32> = HashSet::new();
        let mut trees: HashSet<(IpAddr, i32)> = HashSet::new();
        for (tree, pid) in processes {
            for inode in Descriptors::of(*pid).scan().sockets {
                let Some(socket) = table.get(inode) else {
                    continue;
                };
                // What it accepted is a job's own business.
                if socket.side == Side::Client && socket.state != State::Listening {
                    connected.insert(*tree);
                    trees.insert((socket.remote.ip().to_canonical(), *tree));
                }
            }
        }
        let mut load: HashMap<IpAddr, usize> = HashMap::new();
        for (peer, _) in trees {
            *load.entry(peer).or_default() += 1;
        }
        Some(PeerLoad {
            connected: connected.len(),
            heaviest: load.into_values().max().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that holds these connections, and nothing else of ours.
    struct Holder(Child);

    impl Holder {
        fn of(connection: TcpStream) -> Self {
            let held = Stdio::from(std::os::fd::OwnedFd::from(connection));
            let sleep = Command::new("sleep").arg("60").stdin(held).spawn();
            Self(sleep.expect("starts"))
        }

        fn pid(&self) -> i32 {
            self.0.id().cast_signed()
        }
    }

    impl Drop for Holder {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn holders(addresses: &[&str]) -> (TcpListener, Vec<Holder>) {
        let listener = TcpListener::bind("0.0.0.0:0").expect("binds");
        let port = listener.local_addr().expect("is bound").port();
        let holders = addresses
            .iter()
            .map(|address| Holder::of(TcpStream::connect((*address, port)).expect("connects")));
        let holders = holders.collect();
        (listener, holders)
    }

    fn look(processes: &[(i32, i32)]) -> Option<PeerLoad> {
        let seen = PeerLookUp::default().look(processes);
        if seen.is_none() {
            println!("not tested: the kernel does not tell of sockets");
        }
        seen
    }

    #[test]
    fn jobs_of_one_peer_are_told_from_jobs_of_many() {
        let (_listener, all) = holders(&["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]);
        let each: Vec<(i32, i32)> = all.iter().map(|held| (held.pid(), held.pid())).collect();
        let Some(seen) = look(&each) else { return };
        assert_eq!((seen.connected, seen.heaviest), (4, 2));
        let apart = look(&each[..3]).expect("it told before");
        assert_eq!((apart.connected, apart.heaviest), (3, 1));
    }

    #[test]
    fn a_tree_counts_once_at_a_peer() {
        let (_listener, all) = holders(&["127.0.0.1", "127.0.0.1", "127.0.0.2"]);
        let one: Vec<(i32, i32)> = all.iter().map(|held| (all[0].pid(), held.pid())).collect();
        let Some(seen) = look(&one) else { return };
        assert_eq!((seen.connected, seen.heaviest), (1, 1));
    }

    #[test]
    fn who_is_connected_to_nobody_does_not_count() {
        let sleep = Command::new("sleep").arg("60").spawn();
        let idle = Holder(sleep.expect("starts"));
        let Some(seen) = look(&[(idle.pid(), idle.pid())]) else {
            return;
        };
        assert_eq!(seen, PeerLoad::default());
        assert_eq!(PeerLookUp::default().look(&[]), None);
    }
}
