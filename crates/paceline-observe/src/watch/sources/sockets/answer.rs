//! What an answer of `sock_diag` says, from its bytes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use netlink_packet_core::{NLA_ALIGNTO, NLA_HEADER_SIZE, NlaBuffer, Parseable};
use netlink_packet_sock_diag::constants::{
    INET_DIAG_INFO, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LISTEN,
    TCP_SYN_SENT, UNIX_DIAG_NAME, UNIX_DIAG_PEER,
};
use netlink_packet_sock_diag::inet::{InetResponseHeader, SocketId};
use netlink_packet_sock_diag::unix::UnixResponseHeader;

use super::socket::{Side, Socket, State, Traffic};

/// The attributes follow the headers of `struct inet_diag_msg` and `struct unix_diag_msg`.
const INET_HEADER_BYTES: usize = 72;
const UNIX_HEADER_BYTES: usize = 16;

/// A TCP socket; `None` if its state is of no interest or nobody holds it any more. Who asked for the
/// connection is not in the answer: every socket is a client's here.
pub(super) fn tcp(payload: &[u8]) -> Option<Socket> {
    let header = InetResponseHeader::parse(payload).ok()?;
    let state = match header.state {
        TCP_SYN_SENT => State::Connecting,
        TCP_ESTABLISHED => State::Established,
        TCP_FIN_WAIT1 | TCP_FIN_WAIT2 => State::SendingEnded,
        TCP_CLOSE_WAIT => State::ReceivingEnded,
        TCP_LISTEN => State::Listening,
        _ => return None,
    };
    if header.inode == 0 {
        return None;
    }
    let (local, remote) = ends(&header.socket_id);
    Some(Socket {
        inode: header.inode.into(),
        state,
        side: Side::Client,
        local,
        remote,
        receive_queue: header.recv_queue,
        send_queue: header.send_queue,
        traffic: attribute(payload, INET_HEADER_BYTES, INET_DIAG_INFO)
            .map(traffic)
            .unwrap_or_default(),
    })
}

/// A UDP socket's inode and its two ends; the port of the other is 0 if it is not connected.
pub(super) fn udp(payload: &[u8]) -> Option<(u64, SocketAddr, SocketAddr)> {
    let header = InetResponseHeader::parse(payload).ok()?;
    let (local, remote) = ends(&header.socket_id);
    (header.inode != 0).then_some((header.inode.into(), local, remote))
}

/// A unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unix {
    /// The socket at the other end; 0 while it is not accepted there.
    pub(super) peer: Option<u32>,
    /// The path it is bound to, or "@name" of the abstract namespace.
    pub(super) name: Option<String>,
}

pub(super) fn unix(payload: &[u8]) -> Option<Unix> {
    UnixResponseHeader::parse(payload).ok()?;
    let attribute = |kind| attribute(payload, UNIX_HEADER_BYTES, kind);
    Some(Unix {
        peer: attribute(UNIX_DIAG_PEER)
            .and_then(|value| Some(u32::from_ne_bytes(*value.first_chunk()?))),
        name: attribute(UNIX_DIAG_NAME).and_then(unix_name),
    })
}

/// A path ends with a zero, a name of the abstract namespace begins with one.
fn unix_name(value: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect::<String>()
    };
    match value {
        [] | [0] => None,
        [0, name @ ..] => Some(format!("@{}", text(name))),
        path => {
            let end = path.iter().position(|b| *b == 0).unwrap_or(path.len());
            Some(text(&path[..end]))
        }
    }
}

fn ends(id: &SocketId) -> (SocketAddr, SocketAddr) {
    let end = |address: IpAddr, port| SocketAddr::new(address, port);
    (
        end(id.source_address, id.source_port),
        end(id.destination_address, id.destination_port),
    )
}

/// The value of the first attribute of a kind.
fn attribute(payload: &[u8], header_bytes: usize, kind: u16) -> Option<&[u8]> {
    let mut rest = payload.get(header_bytes..)?;
    while let Ok(attribute) = NlaBuffer::new_checked(rest) {
        let length = usize::from(attribute.length());
        if attribute.kind() == kind {
            return rest.get(NLA_HEADER_SIZE..length);
        }
        rest = rest.get(length.next_multiple_of(NLA_ALIGNTO)..)?;
    }
    None
}

/// From `struct tcp_info` of `linux/tcp.h`, which grows with the kernel: fields that one does not have yet
/// are taken for "there was traffic", so that the times alone decide.
fn traffic(info: &[u8]) -> Traffic {
    let field = |offset: usize| {
        let bytes = info.get(offset..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let milliseconds = |offset| Duration::from_millis(field(offset).unwrap_or(0).into());
    Traffic {
        sent_ago: milliseconds(44),
        received_ago: milliseconds(52),
        acknowledged_ago: milliseconds(56),
        round_trip: Duration::from_micros(field(68).unwrap_or(0).into()),
        unsent_bytes: field(144).unwrap_or(0),
        ever_received: field(152) != Some(0),
        ever_sent: field(156) != Some(0),
        sent_segments: field(156),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute_bytes(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((4 + value.len() as u16).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// Of a connection from 127.0.0.1:40000 to 127.0.0.1:80.
    fn inet(state: u8, inode: u32, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![libc::AF_INET as u8, state, 0, 0];
        bytes.extend(40000_u16.to_be_bytes());
        bytes.extend(80_u16.to_be_bytes());
        for _ in 0..2 {
            bytes.extend([127, 0, 0, 1]);
            bytes.extend([0; 12]);
        }
        bytes.extend([0; 4 + 8]);
        for field in [0, 11, 22, 1000, inode] {
            bytes.extend(field.to_ne_bytes());
        }
        assert_eq!(bytes.len(), INET_HEADER_BYTES);
        bytes.extend(attributes);
        bytes
    }

    fn info(length: usize, fields: &[(usize, u32)]) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for (offset, value) in fields {
            bytes[*offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        }
        attribute_bytes(INET_DIAG_INFO, &bytes)
    }

    #[test]
    fn a_connection_is_read_whole() {
        let mut attributes = attribute_bytes(99, b"of no interest");
        attributes.extend(info(
            232,
            &[
                (44, 5),
                (52, 70),
                (56, 6),
                (68, 250),
                (144, 3),
                (152, 1),
                (156, 2),
            ],
        ));
        let socket = tcp(&inet(TCP_ESTABLISHED, 42, &attributes)).expect("a socket");
        assert_eq!(
            (
                socket.inode,
                socket.state,
                socket.receive_queue,
                socket.send_queue
            ),
            (42, State::Established, 11, 22)
        );
        assert_eq!(socket.local.to_string(), "127.0.0.1:40000");
        assert_eq!(socket.remote.to_string(), "127.0.0.1:80");
        assert_eq!(
            socket.traffic,
            Traffic {
                sent_ago: Duration::from_millis(5),
                received_ago: Duration::from_millis(70),
                acknowledged_ago: Duration::from_millis(6),
                ever_sent: true,
                sent_segments: Some(2),
                ever_received: true,
                unsent_bytes: 3,
                round_trip: Duration::from_micros(250),
            }
        );
    }

    #[test]
    fn an_older_kernel_leaves_the_times_to_decide() {
        let socket = tcp(&inet(TCP_ESTABLISHED, 42, &info(104, &[(44, 5), (52, 70)])));
        let traffic = socket.expect("a socket").traffic;
        assert!(traffic.ever_sent && traffic.ever_received);
        assert_eq!(traffic.sent_ago, Duration::from_millis(5));
    }

    #[test]
    fn sockets_that_nobody_holds_are_left_out() {
        assert_eq!(tcp(&inet(TCP_FIN_WAIT2, 0, &[])), None);
        // TIME-WAIT.
        assert_eq!(tcp(&inet(6, 42, &[])), None);
    }

    #[test]
    fn unix_sockets_have_names_of_two_kinds_or_none() {
        let mut bytes = vec![libc::AF_UNIX as u8, 1, 1, 0];
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend([0; 8]);
        assert_eq!(unix(&bytes), Some(Unix::default()));
        let named = |name: &[u8]| {
            let mut bytes = bytes.clone();
            bytes.extend(attribute_bytes(UNIX_DIAG_PEER, &9_u32.to_ne_bytes()));
            bytes.extend(attribute_bytes(UNIX_DIAG_NAME, name));
            unix(&bytes).expect("a socket")
        };
        assert_eq!(named(b"/run/x.sock\0").name.as_deref(), Some("/run/x.sock"));
        assert_eq!(named(b"\0name").name.as_deref(), Some("@name"));
        assert_eq!(named(b"\0").name, None);
        assert_eq!(
            named(b"/\xff\x1b[1m").name.as_deref(),
            Some("/\u{fffd}\u{fffd}[1m")
        );
        assert_eq!(named(b"x").peer, Some(9));
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (tcp(&bytes), udp(&bytes), unix(&bytes));
        }

        #[test]
        fn no_attributes_upset_the_readers(
            state in 0..13_u8,
            attributes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = tcp(&inet(state, 42, &attributes));
        }
    }
}
