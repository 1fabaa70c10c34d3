//! Questions to the kernel about sockets, see `sock_diag(7)`.
//!
//! The crate for these messages copies each into a tree of vectors. A dump is made twenty times a second
//! and may hold thousands of sockets, so the answers are walked through where they lie.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netlink_packet_core::{
    Emitable, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
};
use netlink_packet_sock_diag::SockDiagMessage;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The kernel fills no larger buffer at once.
const BUFFER_BYTES: usize = 32 * 1024;

/// The kernel answers within the call that reads; this is for one that never does.
const PATIENCE: Duration = Duration::from_secs(2);

/// `struct nlmsghdr`.
const NETLINK_HEADER_BYTES: usize = 16;

/// How much to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The one socket that is named.
    One,
    /// All that fit.
    Dump,
}

/// A question: its number and what follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) kind: u16,
    pub(super) payload: Vec<u8>,
}

/// A connection to the kernel.
pub(super) struct Netlink {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self {
            socket,
            buffer: vec![0; BUFFER_BYTES],
            sequence: 0,
        })
    }

    /// Asks, and gives each answer's payload to `each`.
    pub(super) fn ask(
        &mut self,
        ask: Ask,
        request: &Request,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.message(ask, self.sequence);
        send(&self.socket, &bytes, SendFlags::empty())?;
        loop {
            let (length, _) = rustix::io::retry_on_intr(|| {
                recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())
            })?;
            match walk(&self.buffer[..length], ask, self.sequence, &mut each)? {
                Progress::Complete => return Ok(()),
                Progress::More => {}
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Request {
    fn message(&self, ask: Ask, sequence: u32) -> Vec<u8> {
        let length = NETLINK_HEADER_BYTES + self.payload.len();
        let mut message = NetlinkBuffer::new(vec![0; length]);
        message.set_length(length as u32);
        message.set_message_type(self.kind);
        message.set_sequence_number(sequence);
        message.set_flags(match ask {
            Ask::One => NLM_F_REQUEST,
            Ask::Dump => NLM_F_REQUEST | NLM_F_DUMP,
        });
        let mut bytes = message.into_inner();
        bytes[NETLINK_HEADER_BYTES..].copy_from_slice(&self.payload);
        bytes
    }
}

impl From<SockDiagMessage> for Request {
    fn from(message: SockDiagMessage) -> Self {
        let mut payload = vec![0; message.buffer_len()];
        message.emit(&mut payload);
        Self {
            kind: message.message_type(),
            payload,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Complete,
    More,
}

/// Walks through the messages of one read.
fn walk(
    mut bytes: &[u8],
    ask: Ask,
    sequence: u32,
    mut each: impl FnMut(&[u8]),
) -> io::Result<Progress> {
    while let Ok(message) = NetlinkBuffer::new_checked(bytes) {
        let (payload, kind) = (message.payload(), message.message_type());
        // Messages begin at multiples of four bytes.
        let length = (message.length() as usize).next_multiple_of(4);
        let ours = message.sequence_number() == sequence;
        bytes = bytes.get(length..).unwrap_or_default();
        if !ours {
            // What is left of an answer that was given up.
            continue;
        }
        match kind {
            NLMSG_DONE | NLMSG_ERROR => {
                let code = payload.first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
                return if code < 0 {
                    Err(io::Error::from_raw_os_error(-code))
                } else {
                    Ok(Progress::Complete)
                };
            }
            _ => each(payload),
        }
        if ask == Ask::One {
            return Ok(Progress::Complete);
        }
    }
    Ok(Progress::More)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((16 + payload.len() as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(2_u16.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn walked(bytes: &[u8], ask: Ask) -> (Vec<Vec<u8>>, io::Result<Progress>) {
        let mut seen = Vec::new();
        let progress = walk(bytes, ask, 7, |payload| seen.push(payload.to_vec()));
        (seen, progress)
    }

    #[test]
    fn a_dump_goes_on_until_it_is_done() {
        let mut bytes = message(20, 7, b"first");
        bytes.extend(message(20, 7, b"second!"));
        let (seen, progress) = walked(&bytes, Ask::Dump);
        assert_eq!(seen, [b"first".to_vec(), b"second!".to_vec()]);
        assert_eq!(progress.expect("no error"), Progress::More);
        bytes.extend(message(NLMSG_DONE, 7, &0_i32.to_ne_bytes()));
        let (seen, progress) = walked(&bytes, Ask::Dump);
        assert_eq!(seen.len(), 2);
        assert_eq!(progress.expect("no error"), Progress::Complete);
    }

    #[test]
    fn one_answer_is_all_of_one() {
        let (seen, progress) = walked(&message(20, 7, b"only"), Ask::One);
        assert_eq!(seen, [b"only".to_vec()]);
        assert_eq!(progress.expect("no error"), Progress::Complete);
    }

    #[test]
    fn answers_to_older_questions_are_passed_over() {
        let mut bytes = message(20, 6, b"late");
        bytes.extend(message(NLMSG_DONE, 6, &0_i32.to_ne_bytes()));
        bytes.extend(message(20, 7, b"now"));
        let (seen, progress) = walked(&bytes, Ask::Dump);
        assert_eq!(seen, [b"now".to_vec()]);
        assert_eq!(progress.expect("no error"), Progress::More);
    }

    #[test]
    fn errors_are_those_of_the_kernel() {
        let refused = message(NLMSG_ERROR, 7, &(-libc::ENOENT).to_ne_bytes());
        let (_, progress) = walked(&refused, Ask::Dump);
        let error = progress.expect_err("an error");
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_walk(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let (seen, _) = walked(&bytes, Ask::Dump);
            prop_assert!(seen.len() <= bytes.len() / 16);
        }
    }
}
