//! The TCP sockets of one dump, and who asked for each connection.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use super::socket::{Side, Socket, State};

/// The TCP sockets of a network namespace by their inodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    sockets: HashMap<u64, Socket>,
    listening: HashSet<SocketAddr>,
}

impl Table {
    pub(crate) fn get(&self, inode: u64) -> Option<&Socket> {
        self.sockets.get(&inode)
    }

    /// A connection, and how many segments with data it has sent since another dump, which knew it too.
    pub(crate) fn sent_since(&self, before: &Self, inode: u64) -> Option<(&Socket, u32)> {
        let (now, then) = (self.get(inode)?, before.get(inode)?);
        let same = (now.local, now.remote) == (then.local, then.remote);
        let (sent, sent_then) = (now.traffic.sent_segments?, then.traffic.sent_segments?);
        same.then(|| (now, sent.wrapping_sub(sent_then)))
    }

    pub(crate) fn inodes(&self) -> impl Iterator<Item = u64> {
        self.sockets.keys().copied()
    }

    pub(super) fn clear(&mut self) {
        self.sockets.clear();
        self.listening.clear();
    }

    pub(super) fn insert(&mut self, socket: Socket) {
        if socket.state == State::Listening {
            self.listening.insert(socket.local);
        }
        self.sockets.insert(socket.inode, socket);
    }

    /// Tells the servers' ends from the clients', once all sockets are in.
    ///
    /// The kernel does not say. A connection to a port that is listened at was accepted there. The
    /// listening socket may be closed since: then the dump before still knows, or the ports tell, since
    /// those of clients are handed out from a range of their own.
    pub(super) fn find_sides(&mut self, before: &Self, of_clients: &RangeInclusive<u16>) {
        let Self { sockets, listening } = self;
        for socket in sockets.values_mut() {
            let known = before
                .get(socket.inode)
                .filter(|old| (old.local, old.remote) == (socket.local, socket.remote))
                .filter(|old| old.state != State::Listening);
            socket.side = if let Some(old) = known {
                old.side
            } else if socket.state == State::Listening || is_listened_at(listening, socket.local) {
                Side::Server
            } else if is_listened_at(listening, socket.remote) {
                Side::Client
            } else if of_clients.contains(&socket.remote.port())
                && !of_clients.contains(&socket.local.port())
            {
                Side::Server
            } else {
                Side::Client
            };
        }
    }
}

fn is_listened_at(listening: &HashSet<SocketAddr>, end: SocketAddr) -> bool {
    let port = end.port();
    [
        // A socket of IPv6 at any address accepts IPv4 as well.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        end.ip(),
        end.ip().to_canonical(),
    ]
    .into_iter()
    .any(|ip| listening.contains(&SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::sources::sockets::socket::Traffic;

    fn socket(inode: u64, state: State, local: &str, remote: &str) -> Socket {
        Socket {
            inode,
            state,
            side: Side::Client,
            local: local.parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            receive_queue: 0,
            send_queue: 0,
            traffic: Traffic::default(),
        }
    }

    fn established(inode: u64, local: &str, remote: &str) -> Socket {
        socket(inode, State::Established, local, remote)
    }

    fn sides(sockets: &[Socket], before: &Table) -> Table {
        let mut table = Table::default();
        for socket in sockets {
            table.insert(socket.clone());
        }
        table.find_sides(before, &(32768..=60999));
        table
    }

    fn side(table: &Table, inode: u64) -> Side {
        table.get(inode).expect("is in").side
    }

    #[test]
    fn both_ends_of_a_loopback_connection_are_told_apart() {
        for (at, server, client) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:40000"),
            ("0.0.0.0:8080", "127.0.0.1:8080", "127.0.0.1:40000"),
            (
                "[::]:8080",
                "[::ffff:127.0.0.1]:8080",
                "[::ffff:127.0.0.1]:40000",
            ),
            ("[::1]:50000", "[::1]:50000", "[::1]:40000"),
        ] {
            let table = sides(
                &[
                    socket(1, State::Listening, at, "0.0.0.0:0"),
                    established(2, server, client),
                    established(3, client, server),
                ],
                &Table::default(),
            );
            assert_eq!(side(&table, 2), Side::Server, "{at}");
            assert_eq!(side(&table, 3), Side::Client, "{at}");
        }
    }

    #[test]
    fn what_was_sent_between_two_dumps() {
        let table = |local: &str, segments| {
            let mut socket = established(2, local, "10.0.0.9:443");
            socket.traffic.sent_segments = segments;
            sides(&[socket], &Table::default())
        };
        let sent = |then: Table, now: Table| now.sent_since(&then, 2).map(|(_, sent)| sent);
        let own = "10.0.0.2:40000";
        assert_eq!(sent(table(own, Some(3)), table(own, Some(5))), Some(2));
        assert_eq!(
            sent(table(own, Some(u32::MAX)), table(own, Some(1))),
            Some(2)
        );
        // The number was given to another connection since.
        assert_eq!(
            sent(table("10.0.0.2:40001", Some(3)), table(own, Some(3))),
            None
        );
        assert_eq!(sent(table(own, None), table(own, None)), None);
        assert_eq!(sent(Table::default(), table(own, Some(3))), None);
    }

    #[test]
    fn a_listener_elsewhere_makes_no_server() {
        let table = sides(
            &[
                socket(1, State::Listening, "10.0.0.1:443", "0.0.0.0:0"),
                established(2, "10.0.0.2:40000", "10.0.0.9:443"),
            ],
            &Table::default(),
        );
        assert_eq!(side(&table, 2), Side::Client);
    }

    #[test]
    fn without_a_listener_the_ports_tell() {
        let table = sides(
            &[
                established(1, "10.0.0.2:22", "10.0.0.9:40000"),
                established(2, "10.0.0.2:40000", "10.0.0.9:22"),
                established(3, "10.0.0.2:40000", "10.0.0.9:50000"),
            ],
            &Table::default(),
        );
        assert_eq!(side(&table, 1), Side::Server);
        assert_eq!(side(&table, 2), Side::Client);
        assert_eq!(side(&table, 3), Side::Client);
    }

    #[test]
    fn a_side_once_known_stays() {
        let connection = established(2, "10.0.0.2:50000", "10.0.0.9:40000");
        let listener = socket(1, State::Listening, "0.0.0.0:50000", "0.0.0.0:0");
        let before = sides(&[listener, connection.clone()], &Table::default());
        let table = sides(&[connection], &before);
        assert_eq!(side(&table, 2), Side::Server);
        // The number was given to another connection since.
        let other = established(2, "10.0.0.2:50001", "10.0.0.9:40000");
        let table = sides(&[other], &before);
        assert_eq!(side(&table, 2), Side::Client);
    }
}
