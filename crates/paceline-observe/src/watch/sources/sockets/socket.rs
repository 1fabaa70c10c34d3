//! One TCP socket, and whether a request is in flight on it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A TCP socket, as the kernel described it in one dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// As in the name of its descriptor: `socket:[INODE]`.
    pub(crate) inode: u64,
    pub(crate) state: State,
    pub(crate) side: Side,
    pub(crate) local: SocketAddr,
    /// The other end; its port is 0 if there is none.
    pub(crate) remote: SocketAddr,
    /// Bytes that arrived and were not read yet; of a listening socket: connections not accepted yet.
    pub(crate) receive_queue: u32,
    /// Bytes written and not acknowledged yet; of a listening socket: how many may queue.
    pub(crate) send_queue: u32,
    pub(crate) traffic: Traffic,
}

/// What has passed over a socket. The kernel keeps these times in jiffies, 1 to 10 ms each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// How long ago data were last sent; means nothing before the first.
    pub(crate) sent_ago: Duration,
    /// How long ago data last arrived; means nothing before the first.
    pub(crate) received_ago: Duration,
    /// How long ago the peer last acknowledged anything.
    pub(crate) acknowledged_ago: Duration,
    /// Data were sent at least once.
    pub(crate) ever_sent: bool,
    /// How many segments with data were sent, counted around; `None` if the kernel does not say.
    pub(crate) sent_segments: Option<u32>,
    /// Data arrived at least once.
    pub(crate) ever_received: bool,
    /// Bytes that were written and not even sent once: the peer or the path takes no more.
    pub(crate) unsent_bytes: u32,
    /// Round-trip time of the path, smoothed.
    pub(crate) round_trip: Duration,
}

/// The states of interest of RFC 9293; sockets in others are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// SYN-SENT: we asked for the connection.
    Connecting,
    Established,
    /// FIN-WAIT-1 or 2, its descriptor still open: we said that we send no more, and may still receive.
    SendingEnded,
    /// CLOSE-WAIT: the peer sends no more.
    ReceivingEnded,
    Listening,
}

/// Who asked for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// We connected: what we send is a request, what we receive an answer.
    Client,
    /// We accepted: what we receive is a request.
    Server,
}

/// Whether a peer owes an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    Yes,
    No,
    /// The clocks cannot tell, or it depends on the protocol: yes if a thread waits on it.
    Tie,
}

impl Socket {
    /// Whether a request of ours is in flight.
    ///
    /// A client that sent after it received, and has nothing to read, is owed an answer. A server is
    /// owed nothing between requests, however long ago it answered; it waits only for a peer that does
    /// not take what it was sent.
    pub(crate) fn in_flight(&self) -> InFlight {
        match self.state {
            State::Connecting => return InFlight::Yes,
            State::Listening | State::ReceivingEnded => return InFlight::No,
            State::Established | State::SendingEnded => {}
        }
        let Traffic {
            sent_ago,
            received_ago,
            ever_sent,
            ever_received,
            unsent_bytes,
            ..
        } = self.traffic;
        if unsent_bytes > 0 {
            return InFlight::Yes;
        }
        if self.side == Side::Server || self.receive_queue > 0 {
            return InFlight::No;
        }
        match (ever_sent, ever_received) {
            // A spare connection, or one on which the peer speaks first: SMTP, MySQL.
            (false, false) => InFlight::Tie,
            (false, true) => InFlight::No,
            (true, false) => InFlight::Yes,
            (true, true) => match sent_ago.cmp(&received_ago) {
                std::cmp::Ordering::Less => InFlight::Yes,
                std::cmp::Ordering::Equal => InFlight::Tie,
                std::cmp::Ordering::Greater => InFlight::No,
            },
        }
    }

    /// The other end, as people write it: "tcp 127.0.0.1:8080".
    pub(crate) fn peer(&self) -> String {
        tcp_peer(self.remote)
    }
}

/// The other end of a TCP connection, as people write it.
pub(crate) fn tcp_peer(remote: SocketAddr) -> String {
    format!("tcp {}", Address(remote))
}

/// An address as people write it: one of IPv4 that a socket of IPv6 speaks to looks like any other.
pub(super) struct Address(pub(super) SocketAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.0.ip().to_canonical(), self.0.port()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn client() -> Socket {
        Socket {
            inode: 1,
            state: State::Established,
            side: Side::Client,
            local: "127.0.0.1:40000".parse().expect("an address"),
            remote: "127.0.0.1:80".parse().expect("an address"),
            receive_queue: 0,
            send_queue: 0,
            traffic: Traffic {
                sent_ago: ms(5),
                received_ago: ms(900),
                ever_sent: true,
                ever_received: true,
                ..Traffic::default()
            },
        }
    }

    fn with(change: impl FnOnce(&mut Socket)) -> InFlight {
        let mut socket = client();
        change(&mut socket);
        socket.in_flight()
    }

    #[test]
    fn a_client_that_sent_last_is_owed_an_answer() {
        assert_eq!(with(|_| {}), InFlight::Yes);
        assert_eq!(with(|s| s.traffic.sent_ago = ms(899)), InFlight::Yes);
        assert_eq!(with(|s| s.traffic.sent_ago = ms(900)), InFlight::Tie);
        assert_eq!(with(|s| s.traffic.sent_ago = ms(901)), InFlight::No);
    }

    #[test]
    fn an_answer_that_waits_to_be_read_is_there() {
        assert_eq!(with(|s| s.receive_queue = 1), InFlight::No);
    }

    #[test]
    fn a_first_answer_is_owed_whatever_the_clocks_say() {
        assert_eq!(
            with(|s| {
                s.traffic.ever_received = false;
                s.traffic.received_ago = ms(0);
            }),
            InFlight::Yes
        );
    }

    #[test]
    fn a_silent_connection_is_for_the_caller_to_judge() {
        let silent = |s: &mut Socket| {
            s.traffic.ever_sent = false;
            s.traffic.ever_received = false;
        };
        assert_eq!(with(silent), InFlight::Tie);
        let greeted = |s: &mut Socket| s.traffic.ever_sent = false;
        assert_eq!(with(greeted), InFlight::No);
    }

    #[test]
    fn connecting_is_in_flight_and_the_ends_of_connections_are_not() {
        assert_eq!(with(|s| s.state = State::Connecting), InFlight::Yes);
        assert_eq!(with(|s| s.state = State::SendingEnded), InFlight::Yes);
        assert_eq!(with(|s| s.state = State::ReceivingEnded), InFlight::No);
        assert_eq!(with(|s| s.state = State::Listening), InFlight::No);
    }

    #[test]
    fn a_server_is_owed_nothing_but_room() {
        assert_eq!(with(|s| s.side = Side::Server), InFlight::No);
        assert_eq!(
            with(|s| {
                s.side = Side::Server;
                s.traffic.unsent_bytes = 1;
            }),
            InFlight::Yes
        );
    }

    #[test]
    fn peers_are_written_as_people_write_them() {
        let mut socket = client();
        assert_eq!(socket.peer(), "tcp 127.0.0.1:80");
        socket.remote = "[::1]:80".parse().expect("an address");
        assert_eq!(socket.peer(), "tcp [::1]:80");
        socket.remote = "[::ffff:10.0.0.7]:5432".parse().expect("an address");
        assert_eq!(socket.peer(), "tcp 10.0.0.7:5432");
    }
}
