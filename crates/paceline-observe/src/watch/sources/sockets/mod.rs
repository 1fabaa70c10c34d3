//! The state of sockets, from the kernel's `sock_diag(7)`.
//!
//! One dump tells of every TCP socket when it last sent and received, which `/proc/net/tcp` does not, and
//! costs a fraction of reading that. From it: which peers owe an answer, whatever the program itself
//! waits in.

mod answer;
mod netlink;
mod socket;
mod table;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_UDP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_packet_sock_diag::unix::{self, ShowFlags, UnixRequest};
use rustix::time::{ClockId, clock_gettime};

use self::netlink::{Ask, Netlink, Request};
use self::socket::Address;
pub(crate) use self::socket::{InFlight, Side, Socket, State, tcp_peer};
pub(crate) use self::table::Table;
use super::Missing;

/// Dumps are made no more often than this.
const PAUSE: Duration = Duration::from_millis(50);

/// A dump's CPU time is at most this part of the pause before the next: 0.4 %.
const PAUSES_PER_COST: u32 = 250;

/// For how many dumps the answer holds that a UDP socket has this peer: it may connect to another.
const DUMPS_PER_UDP: u64 = 20;

/// Programs open and close sockets all day: beyond this, what is known is asked again.
const MOST_KNOWN: usize = 4096;

/// Linux's own default, for when the file is not there.
const PORTS_OF_CLIENTS: RangeInclusive<u16> = 32768..=60999;

/// The sockets of our network namespace.
pub(crate) struct Sockets {
    netlink: Netlink,
    all_tcp: Request,
    table: Table,
    before: Table,
    ports_of_clients: RangeInclusive<u16>,
    dumps: u64,
    cost: Duration,
    others: HashMap<u64, Known>,
    /// Whether sockets that no dump told of are unix ones.
    unix: HashMap<u64, bool>,
    udp: HashMap<u64, Peer>,
    udp_dumped: Option<u64>,
}

/// The other end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// As people write it: "tcp 127.0.0.1:8080", "udp 127.0.0.53:53", "unix /run/x.sock".
    pub(crate) address: String,
    /// The inode of the socket there, which is known of unix sockets.
    pub(crate) inode: Option<u64>,
}

#[derive(Clone, Debug)]
struct Known {
    peer: Option<Peer>,
    /// For this dump alone; `None` for a connected unix socket, which does not change its peer.
    dump: Option<u64>,
}

impl Sockets {
    /// For a process, which must share our network namespace: the kernel tells of this one alone.
    pub(crate) fn open(pid: i32) -> Result<Self, Missing> {
        let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/net"));
        match (namespace(&pid.to_string()), namespace("self")) {
            (Ok(theirs), Ok(ours)) if theirs == ours => {}
            (Ok(_), Ok(_)) => {
                return Err(Missing(
                    "the program has a network namespace of its own: run paceline inside it \
                     (nsenter --net, docker exec)"
                        .to_owned(),
                ));
            }
            (Err(error), _) | (_, Err(error)) => {
                return Err(Missing(format!("its network namespace is hidden: {error}")));
            }
        }
        let netlink = Netlink::open()
            .map_err(|error| Missing(format!("sockets cannot be asked about: {error}")))?;
        let mut sockets = Self {
            netlink,
            all_tcp: all_tcp(),
            table: Table::default(),
            before: Table::default(),
            ports_of_clients: ports_of_clients(),
            dumps: 0,
            cost: Duration::ZERO,
            others: HashMap::new(),
            unix: HashMap::new(),
            udp: HashMap::new(),
            udp_dumped: None,
        };
        match sockets.dump() {
            Ok(_) => Ok(sockets),
            Err(error) => Err(Missing(format!(
                "the kernel does not tell of sockets: {error}"
            ))),
        }
    }

    /// Asks for all TCP sockets. After an error the table is as it was.
    pub(crate) fn dump(&mut self) -> io::Result<&Table> {
        let started = cpu_time();
        let mut table = std::mem::take(&mut self.before);
        table.clear();
        let dumped = self.netlink.ask(Ask::Dump, &self.all_tcp, |payload| {
            if let Some(socket) = answer::tcp(payload) {
                table.insert(socket);
            }
        });
        if let Err(error) = dumped {
            self.before = table;
            return Err(error);
        }
        table.find_sides(&self.table, &self.ports_of_clients);
        self.before = std::mem::replace(&mut self.table, table);
        self.dumps += 1;
        self.cost = cpu_time().saturating_sub(started);
        Ok(&self.table)
    }

    /// Whether these are all unix sockets, of which no dump tells. Asks about so many at most that are new.
    pub(crate) fn are_unix(&mut self, mut inodes: impl Iterator<Item = u64>, most: usize) -> bool {
        let mut asked = 0;
        inodes.all(|inode| {
            if self.table.get(inode).is_some() {
                return false;
            }
            if let Some(known) = self.unix.get(&inode) {
                return *known;
            }
            asked += 1;
            if asked > most {
                return false;
            }
            let number = u32::try_from(inode).ok();
            let is = number.is_some_and(|number| self.unix(number).is_some());
            if self.unix.len() >= MOST_KNOWN {
                self.unix.clear();
            }
            self.unix.insert(inode, is);
            is
        })
    }

    /// There is nothing to dump. What is known for one dump alone gets older all the same.
    pub(crate) fn skip_dump(&mut self) {
        self.dumps += 1;
    }

    /// What the last dump said.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// A socket that the last two dumps told of, and how many segments with data it sent between them.
    pub(crate) fn sent(&self, inode: u64) -> Option<(&Socket, u32)> {
        self.table.sent_since(&self.before, inode)
    }

    /// How long to wait from one dump to the next, so that they stay cheap however many sockets the
    /// machine has.
    pub(crate) fn pause(&self) -> Duration {
        PAUSE.max(self.cost * PAUSES_PER_COST)
    }

    /// The other end of any socket of the families that can be asked about; `None` for the rest.
    pub(crate) fn peer(&mut self, inode: u64) -> Option<Peer> {
        if let Some(socket) = self.table.get(inode) {
            return Some(Peer {
                address: socket.peer(),
                inode: None,
            });
        }
        let known = self.others.get(&inode);
        if let Some(known) = known.filter(|known| known.dump.is_none_or(|dump| dump == self.dumps))
        {
            return known.peer.clone();
        }
        if let Some(peer) = self.fresh_udp().get(&inode) {
            return Some(peer.clone());
        }
        let peer = self.unix_peer(inode);
        let lasts = peer.as_ref().is_some_and(|peer| peer.inode.is_some());
        if self.others.len() >= MOST_KNOWN {
            self.others.clear();
        }
        let known = Known {
            peer: peer.clone(),
            dump: (!lasts).then_some(self.dumps),
        };
        self.others.insert(inode, known);
        peer
    }

    fn fresh_udp(&mut self) -> &HashMap<u64, Peer> {
        let old = self
            .udp_dumped
            .is_none_or(|dump| self.dumps >= dump + DUMPS_PER_UDP);
        if old {
            self.udp_dumped = Some(self.dumps);
            self.udp.clear();
            for family in [AF_INET, AF_INET6] {
                let udp = &mut self.udp;
                // A kernel without udp_diag: these sockets stay unnamed.
                let _ = self.netlink.ask(Ask::Dump, &all_udp(family), |payload| {
                    if let Some((inode, local, remote)) = answer::udp(payload) {
                        let address = if remote.port() == 0 {
                            format!("udp port {}", local.port())
                        } else {
                            format!("udp {}", Address(remote))
                        };
                        udp.insert(
                            inode,
                            Peer {
                                address,
                                inode: None,
                            },
                        );
                    }
                });
            }
        }
        &self.udp
    }

    fn unix_peer(&mut self, inode: u64) -> Option<Peer> {
        let own = self.unix(inode.try_into().ok()?)?;
        let other = own.peer.filter(|peer| *peer != 0);
        let theirs = other.and_then(|peer| self.unix(peer));
        // An end that was accepted bears the name of the socket that it came to; the other has none.
        let address = match theirs.and_then(|unix| unix.name).or(own.name) {
            Some(name) => format!("unix {name}"),
            None if other.is_some() => "unix socketpair".to_owned(),
            // Its other end gets its name when it is accepted.
            None if own.peer.is_some() => "unix, not accepted yet".to_owned(),
            None => "unix, not connected".to_owned(),
        };
        Some(Peer {
            address,
            inode: other.map(u64::from),
        })
    }

    fn unix(&mut self, inode: u32) -> Option<answer::Unix> {
        let request = SockDiagMessage::UnixRequest(UnixRequest {
            state_flags: unix::StateFlags::all(),
            inode,
            show_flags: ShowFlags::NAME | ShowFlags::PEER,
            cookie: [0xff; 8],
        });
        let mut found = None;
        let asked = self.netlink.ask(Ask::One, &request.into(), |payload| {
            found = answer::unix(payload);
        });
        asked.ok()?;
        found
    }
}

/// `struct inet_diag_req`, the first version of the question: one walk through the kernel's table of
/// connections, the larger part of the cost, finds IPv4 and IPv6 alike. The second version asks for one
/// family at a time.
fn all_tcp() -> Request {
    const TCPDIAG_GETSOCK: u16 = 18;
    // The kernel need not describe what is not asked for, and TIME-WAIT may be many.
    let states = StateFlags::ESTABLISHED
        | StateFlags::SYN_SENT
        | StateFlags::FIN_WAIT1
        | StateFlags::FIN_WAIT2
        | StateFlags::CLOSE_WAIT
        | StateFlags::LISTEN;
    let mut payload = vec![AF_INET, 0, 0, ExtensionFlags::INFO.bits()];
    // No socket by name.
    payload.extend([0; 48]);
    payload.extend(states.bits().to_ne_bytes());
    // No table by number.
    payload.extend([0; 4]);
    Request {
        kind: TCPDIAG_GETSOCK,
        payload,
    }
}

fn all_udp(family: u8) -> Request {
    let request = InetRequest {
        family,
        protocol: IPPROTO_UDP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: if family == AF_INET {
            SocketId::new_v4()
        } else {
            SocketId::new_v6()
        },
    };
    SockDiagMessage::InetRequest(request).into()
}

fn ports_of_clients() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ports = text.split_ascii_whitespace().map(str::parse);
    match (ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last))) => first..=last,
        _ => PORTS_OF_CLIENTS,
    }
}

/// This thread's, which the kernel's work within its calls is part of.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests;
