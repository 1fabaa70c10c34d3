//! Against real sockets.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};

use super::socket::Socket;
use super::*;

/// None where the machine lacks the source: the test ends there, having said so.
fn opened() -> Option<Sockets> {
    match Sockets::open(std::process::id() as i32) {
        Ok(sockets) => Some(sockets),
        Err(missing) => {
            println!("not tested: {missing}");
            None
        }
    }
}

fn inode(socket: &impl AsFd) -> u64 {
    let fd = socket.as_fd().as_raw_fd();
    let link = fs::read_link(format!("/proc/self/fd/{fd}")).expect("is open");
    let name = link.to_str().expect("is text");
    let digits = name.trim_start_matches("socket:[").trim_end_matches(']');
    digits.parse().expect("is a number")
}

fn socket(sockets: &mut Sockets, of: &impl AsFd) -> Socket {
    let inode = inode(of);
    let table = sockets.dump().expect("dumps");
    table.get(inode).expect("is in").clone()
}

/// Dumps until it fits; what never does hangs until the test is ended from outside.
fn until(sockets: &mut Sockets, of: &impl AsFd, fits: impl Fn(&Socket) -> bool) -> Socket {
    loop {
        let seen = socket(sockets, of);
        if fits(&seen) {
            return seen;
        }
        std::thread::yield_now();
    }
}

fn pair(address: &str) -> Option<(TcpListener, TcpStream, TcpStream)> {
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            println!("not tested: {address}: {error}");
            return None;
        }
    };
    let client = TcpStream::connect(listener.local_addr().expect("is bound")).expect("connects");
    let (server, _) = listener.accept().expect("accepts");
    Some((listener, client, server))
}

#[test]
fn a_request_is_in_flight_until_it_is_answered() {
    let Some(mut sockets) = opened() else { return };
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Some((listener, mut client, mut server)) = pair(address) else {
            continue;
        };
        let seen = socket(&mut sockets, &client);
        assert_eq!(seen.remote, listener.local_addr().expect("is bound"));
        assert_eq!(seen.peer(), format!("tcp {}", seen.remote));
        assert_eq!((seen.side, seen.in_flight()), (Side::Client, InFlight::Tie));

        client.write_all(b"request").expect("writes");
        let seen = until(&mut sockets, &server, |seen| seen.receive_queue == 7);
        assert_eq!((seen.side, seen.in_flight()), (Side::Server, InFlight::No));
        assert_eq!(socket(&mut sockets, &client).in_flight(), InFlight::Yes);

        // The answer comes in a later tick of the kernel's clock than the request.
        until(&mut sockets, &client, |seen| {
            seen.traffic.sent_ago >= Duration::from_millis(20)
        });
        server.write_all(b"answer").expect("writes");
        let seen = until(&mut sockets, &client, |seen| seen.receive_queue == 6);
        assert_eq!(seen.in_flight(), InFlight::No);
        client.read_exact(&mut [0; 6]).expect("reads");
        let seen = until(&mut sockets, &client, |seen| seen.receive_queue == 0);
        assert_eq!(seen.in_flight(), InFlight::No);
        assert!(seen.traffic.ever_sent && seen.traffic.ever_received);
        assert_eq!(socket(&mut sockets, &server).in_flight(), InFlight::No);

        until(&mut sockets, &client, |seen| {
            seen.traffic.received_ago >= Duration::from_millis(20)
        });
        client.write_all(b"again").expect("writes");
        assert_eq!(
            until(&mut sockets, &client, |seen| seen.traffic.sent_ago
                < seen.traffic.received_ago)
            .in_flight(),
            InFlight::Yes
        );
        // Ends of a loopback connection tell each other apart after the listener is gone, too.
        drop(listener);
        assert_eq!(socket(&mut sockets, &server).side, Side::Server);
        assert_eq!(socket(&mut sockets, &client).side, Side::Client);
    }
}

#[test]
fn a_peer_that_takes_no_more_keeps_a_server_waiting() {
    let Some(mut sockets) = opened() else { return };
    let Some((_listener, client, mut server)) = pair("127.0.0.1:0") else {
        return;
    };
    server.set_nonblocking(true).expect("sets");
    while server.write(&[0; 8192]).is_ok() {}
    let seen = until(&mut sockets, &server, |seen| seen.traffic.unsent_bytes > 0);
    assert_eq!(seen.in_flight(), InFlight::Yes);
    drop(client);
}

#[test]
fn a_listening_socket_and_a_closed_one_owe_nothing() {
    let Some(mut sockets) = opened() else { return };
    let Some((listener, client, server)) = pair("127.0.0.1:0") else {
        return;
    };
    let seen = socket(&mut sockets, &listener);
    assert_eq!(
        (seen.state, seen.side, seen.in_flight()),
        (State::Listening, Side::Server, InFlight::No)
    );
    drop(server);
    let seen = until(&mut sockets, &client, |seen| {
        seen.state == State::ReceivingEnded
    });
    assert_eq!(seen.in_flight(), InFlight::No);
    let gone = inode(&client);
    drop(client);
    assert_eq!(sockets.dump().expect("dumps").get(gone), None);
}

#[test]
fn peers_of_every_family_are_named() {
    let Some(mut sockets) = opened() else { return };
    let Some((listener, client, _server)) = pair("127.0.0.1:0") else {
        return;
    };
    sockets.dump().expect("dumps");
    let at = listener.local_addr().expect("is bound");
    let peer = sockets.peer(inode(&client)).expect("is known");
    assert_eq!(peer.address, format!("tcp {at}"));

    let udp = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let connected = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let at = udp.local_addr().expect("is bound");
    connected.connect(at).expect("connects");
    if let Some(peer) = sockets.peer(inode(&connected)) {
        assert_eq!(peer.address, format!("udp {at}"));
        let peer = sockets.peer(inode(&udp)).expect("is known");
        assert_eq!(peer.address, format!("udp port {}", at.port()));
    } else {
        println!("not tested: the kernel lacks udp_diag");
    }

    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("x.sock");
    let listener = UnixListener::bind(&path).expect("binds");
    let client = UnixStream::connect(&path).expect("connects");
    let (server, _) = listener.accept().expect("accepts");
    let Some(peer) = sockets.peer(inode(&client)) else {
        println!("not tested: the kernel lacks unix_diag");
        return;
    };
    let address = format!("unix {}", path.display());
    assert_eq!(peer.address, address);
    assert_eq!(peer.inode, Some(inode(&server)));
    let peer = sockets.peer(inode(&server)).expect("is known");
    assert_eq!((peer.address, peer.inode), (address, Some(inode(&client))));

    let name = format!("paceline-{}", std::process::id());
    let listener =
        UnixListener::bind_addr(&UnixAddr::from_abstract_name(&name).expect("is a name"));
    let listener = listener.expect("binds");
    let client = UnixStream::connect_addr(&listener.local_addr().expect("is bound"));
    let client = client.expect("connects");
    let peer = sockets.peer(inode(&client)).expect("is known");
    assert_eq!(peer.address, "unix, not accepted yet");
    let _server = listener.accept().expect("accepts");
    sockets.dump().expect("dumps");
    let peer = sockets.peer(inode(&client)).expect("is known");
    assert_eq!(peer.address, format!("unix @{name}"));

    let (one, other) = UnixStream::pair().expect("makes a pair");
    let peer = sockets.peer(inode(&one)).expect("is known");
    assert_eq!(
        (peer.address.as_str(), peer.inode),
        ("unix socketpair", Some(inode(&other)))
    );
}

#[test]
fn what_is_no_such_socket_has_no_peer() {
    let Some(mut sockets) = opened() else { return };
    let netlink = Netlink::open().expect("opens");
    let own = fs::read_link(format!("/proc/self/fd/{}", netlink.as_fd().as_raw_fd()));
    assert!(
        own.expect("is open")
            .to_string_lossy()
            .starts_with("socket:")
    );
    assert_eq!(sockets.peer(inode(&netlink)), None);
    assert_eq!(sockets.peer(u64::MAX), None);
    assert_eq!(sockets.peer(0), None);
}

#[test]
fn a_process_that_is_gone_is_missing() {
    let mut child = std::process::Command::new("true").spawn().expect("starts");
    child.wait().expect("ends");
    let Err(missing) = Sockets::open(child.id() as i32) else {
        panic!("opened");
    };
    assert!(
        missing.to_string().contains("network namespace"),
        "{missing}"
    );
}

#[test]
fn a_process_in_another_network_is_missing() {
    let started = std::process::Command::new("unshare")
        .args(["--net", "cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        println!("not tested: no unshare");
        return;
    };
    // It answers once it is inside.
    let mut stdin = child.stdin.take().expect("is piped");
    let written = stdin.write_all(b"x");
    let mut answer = [0];
    let stdout = child.stdout.as_mut().expect("is piped");
    let inside = written.is_ok() && stdout.read_exact(&mut answer).is_ok();
    let opened = Sockets::open(child.id() as i32).map(|_| ());
    drop(stdin);
    let _ = child.wait();
    if inside {
        let missing = opened.expect_err("opened");
        assert!(missing.to_string().contains("of its own"), "{missing}");
    } else {
        println!("not tested: no network namespace can be made");
    }
}

#[test]
fn dumps_are_paced_by_what_they_cost() {
    let Some(mut sockets) = opened() else { return };
    sockets.cost = Duration::ZERO;
    assert_eq!(sockets.pause(), PAUSE);
    sockets.cost = Duration::from_millis(2);
    assert_eq!(sockets.pause(), Duration::from_millis(500));
}

#[test]
fn what_we_start_inherits_no_socket() {
    let Some(sockets) = opened() else { return };
    let fd = sockets.netlink.as_fd().as_raw_fd();
    let flags = File::open(format!("/proc/self/fdinfo/{fd}")).and_then(|mut file| {
        let mut text = String::new();
        file.read_to_string(&mut text).map(|_| text)
    });
    let flags = flags.expect("is open");
    let octal = flags.lines().find_map(|line| line.strip_prefix("flags:"));
    let bits = u32::from_str_radix(octal.expect("has flags").trim(), 8).expect("is octal");
    assert_ne!(bits & libc::O_CLOEXEC as u32, 0);
}
