//! How many answers threads wait for, whatever pieces they come in.
//!
//! A long answer is read in many waits, and looks like many requests one after another. But nothing is sent in
//! between: between two dumps of the sockets in which a connection sent nothing, whoever waits for it waits for what
//! was asked before. Of protocols in which the client speaks meanwhile, as that of HTTP/2 does, this says nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::ledger::seconds;
use super::sources::sockets::tcp_peer;

/// The answers that are waited for.
#[derive(Default)]
pub(crate) struct Answers {
    /// Those that still come, by the inodes of their sockets.
    coming: HashMap<u64, Answer>,
    peers: HashMap<SocketAddr, Sums>,
}

struct Answer {
    peer: SocketAddr,
    /// How many segments had been sent when it was asked for.
    sent: u32,
    waited: f64,
}

/// Of answers that have come: Σd and Σd².
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    time: f64,
    squares: f64,
}

/// A connection that a thread waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) inode: u64,
    pub(crate) peer: SocketAddr,
    /// Segments with data, in all and since the dump before.
    pub(crate) sent: u32,
    pub(crate) sent_since: u32,
}

impl Answers {
    /// A dump has found a thread waiting, so long after the dump before.
    pub(crate) fn waited_for(&mut self, connection: Connection, pause: Duration) {
        let Connection {
            inode,
            peer,
            sent,
            sent_since,
        } = connection;
        let asked_anew = self
            .coming
            .get(&inode)
            .is_some_and(|answer| answer.sent != sent || answer.peer != peer);
        if asked_anew {
            self.land(inode);
        }
        let answer = self.coming.entry(inode).or_insert_with(|| Answer {
            peer,
            sent,
            waited: 0.0,
        });
        // When in the pause it was asked for is not known.
        if sent_since == 0 {
            answer.waited += pause.as_secs_f64();
        }
    }

    /// Connections that are no more have brought what they had to.
    pub(crate) fn retain(&mut self, there: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = (self.coming.keys().copied())
            .filter(|inode| !there(*inode))
            .collect();
        gone.iter().for_each(|inode| self.land(*inode));
    }

    /// By peer.
    pub(crate) fn into_sums(mut self) -> HashMap<String, Sums> {
        self.retain(|_| false);
        let peers = self.peers.into_iter();
        peers.map(|(peer, sums)| (tcp_peer(peer), sums)).collect()
    }

    fn land(&mut self, inode: u64) {
        if let Some(answer) = self.coming.remove(&inode).filter(|one| one.waited > 0.0) {
            let sums = self.peers.entry(answer.peer).or_default();
            sums.time += answer.waited;
            sums.squares += answer.waited * answer.waited;
        }
    }
}

impl Sums {
    /// How long they were waited for.
    pub(crate) fn time(self) -> Duration {
        seconds(self.time)
    }

    /// How many there were, weighted by their length: (Σ d)² / Σ d².
    pub(crate) fn count(self) -> f64 {
        if self.squares > 0.0 {
            self.time * self.time / self.squares
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(50);

    fn at(address: &str) -> SocketAddr {
        address.parse().expect("an address")
    }

    /// What is known of a peer after dumps that met one connection each, with so many segments sent by it in all.
    fn met(dumps: &[(u64, u32)]) -> Option<(f64, f64)> {
        let mut answers = Answers::default();
        let mut before: HashMap<u64, u32> = HashMap::new();
        for (inode, sent) in dumps {
            // The first dump to tell of a connection has none to compare with.
            if let Some(last) = before.insert(*inode, *sent) {
                let connection = Connection {
                    inode: *inode,
                    peer: at("10.0.0.7:80"),
                    sent: *sent,
                    sent_since: sent - last,
                };
                answers.waited_for(connection, PAUSE);
            }
        }
        let sums = answers.into_sums().remove("tcp 10.0.0.7:80")?;
        Some((sums.time().as_secs_f64(), sums.count()))
    }

    fn near(seen: Option<(f64, f64)>, time: f64, count: f64) {
        let (t, n) = seen.expect("was waited for");
        assert!(
            (t - time).abs() < 1e-6 && (n - count).abs() < 1e-6,
            "{t} {n}"
        );
    }

    #[test]
    fn what_comes_without_being_asked_for_again_is_one_answer() {
        near(met(&[(1, 1); 41]), 2.0, 1.0);
        // Another is asked for half way.
        let two = [[(1, 1); 21], [(1, 2); 21]].concat();
        near(met(&two), 2.0, 2.0);
        // One on each of two connections.
        near(met(&[(1, 1), (2, 1)].repeat(21)), 2.0, 2.0);
    }

    #[test]
    fn requests_that_follow_each_other_say_nothing() {
        let short: Vec<(u64, u32)> = (1..40).map(|sent| (1, sent)).collect();
        assert_eq!(met(&short), None);
        // A connection for each, met once.
        let new: Vec<(u64, u32)> = (1..40).map(|inode| (inode, 1)).collect();
        assert_eq!(met(&new), None);
    }

    #[test]
    fn a_connection_that_is_gone_has_brought_its_answer() {
        let mut answers = Answers::default();
        let met = |answers: &mut Answers, peer| {
            let connection = Connection {
                inode: 1,
                peer: at(peer),
                sent: 1,
                sent_since: 0,
            };
            answers.waited_for(connection, PAUSE);
        };
        met(&mut answers, "10.0.0.7:80");
        answers.retain(|_| true);
        met(&mut answers, "10.0.0.7:80");
        answers.retain(|_| false);
        // Its number is given to another.
        met(&mut answers, "10.0.0.7:80");
        met(&mut answers, "10.0.0.8:80");
        let sums = answers.into_sums();
        assert!(
            (sums["tcp 10.0.0.7:80"].count() - 9.0 / 5.0).abs() < 1e-9,
            "{sums:?}"
        );
        assert!((sums["tcp 10.0.0.8:80"].count() - 1.0).abs() < 1e-9);
    }
}
