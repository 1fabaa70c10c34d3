//! The peers of a program: who is at the other end of its sockets, and what they owe it.
//!
//! The kernel is asked for all TCP sockets some twenty times a second, and only once the program has sockets.
//! What is in flight at one dump is taken to be so until the next. How many requests there were follows from
//! how old those are that dumps meet: see [`Use::count`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use fastrand::Rng;

use super::activity::{self, Role};
use super::answers::{Answers, Connection};
use super::call::PollSet;
use super::clock;
use super::descriptor::Descriptor;
use super::holders::{Held, Holders};
use super::sources::sockets::{InFlight, Side, Sockets, State};
use super::watched::Watched;
use crate::profile::{NetworkUse, PeerUse, Source};

/// The sockets that a process has are looked up this often, and when there are new ones that may be its.
const LOOK_UP: Duration = Duration::from_millis(250);

/// Looking up takes at most this part of the time: 0.1 %, and 0.3 % while there are new ones.
const PART_OF_TIME: u32 = 1000;
const PART_OF_TIME_FOR_NEW: u32 = 300;

/// A walk through all connections of the machine is dear, and loops that only wake themselves up have a pair of unix
/// sockets: with no others there is none. So many are asked about at once.
const MOST_ASKED: usize = 64;

/// Times that differ by less belong to one request; the kernel keeps them in ticks of up to 10 ms.
const SAME: Duration = Duration::from_millis(15);

/// Where the clocks cannot tell whether a peer owes an answer, it does not for longer than this.
const UNTOLD: Duration = Duration::from_secs(2);

/// Requests this many times as long as the time between dumps are counted one by one.
const COUNTED: f64 = 6.0;

/// With fewer meetings than this their age says little.
const FEW_MEETINGS: u32 = 8;

/// The peers of a program.
pub(crate) struct Peers {
    began: Duration,
    kernel: Kernel,
    /// The sockets of each process.
    owned: Holders,
    /// Sockets that were there when processes were looked through, and are not theirs.
    strangers: HashSet<u64>,
    /// They have had no other sockets than unix ones so far.
    only_unix: bool,
    look_up_due: Duration,
    /// When they may be looked through at the earliest.
    next_look_up: Duration,
    dump_due: Duration,
    random: Rng,
    dumped: Option<Duration>,
    flights: HashMap<u64, Flight>,
    /// Processes that were seen to poll: they have requests in flight while no thread waits for one.
    loops: HashSet<i32>,
    uses: HashMap<String, Use>,
    answers: Answers,
    most_in_flight: usize,
    of_wall: Duration,
}

enum Kernel {
    NotAsked,
    Answers(Box<Sockets>),
    Missing(String),
}

/// A request in flight.
struct Flight {
    peer: String,
    sent: Duration,
    seen: Duration,
}

#[derive(Default)]
struct Use {
    in_flight: Duration,
    most: usize,
    now: usize,
    /// Of requests that are over: Σd and Σd².
    total: f64,
    squares: f64,
    /// Of those that dumps met: how long ago they were sent, and how many there were.
    ages: f64,
    meetings: u32,
    round_trip: Option<Duration>,
}

impl Peers {
    /// Of a program that is watched from now on.
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            began: now,
            kernel: Kernel::NotAsked,
            owned: Holders::default(),
            strangers: HashSet::new(),
            only_unix: true,
            look_up_due: Duration::ZERO,
            next_look_up: Duration::ZERO,
            dump_due: Duration::ZERO,
            random: Rng::with_seed(1),
            dumped: None,
            flights: HashMap::new(),
            loops: HashSet::new(),
            uses: HashMap::new(),
            answers: Answers::default(),
            most_in_flight: 0,
            of_wall: Duration::ZERO,
        }
    }

    /// Asks the kernel again if it is time to. `polling` are the processes with a thread in a poll, `waited_for` the
    /// sockets that a thread waits for by itself.
    pub(crate) fn refresh(
        &mut self,
        now: Duration,
        processes: &mut BTreeMap<i32, Watched>,
        polling: &HashSet<i32>,
        waited_for: &HashSet<u64>,
    ) {
        self.loops.extend(polling);
        let pids = processes.keys().copied();
        if now >= self.look_up_due || now >= self.next_look_up && self.owned.are_out_of_date(pids) {
            self.look_up(now, processes);
        }
        if now < self.dump_due || self.owned.is_empty() && self.flights.is_empty() {
            return;
        }
        if let (Kernel::NotAsked, Some(pid)) = (&self.kernel, processes.keys().next()) {
            self.kernel = match Sockets::open(*pid) {
                Ok(sockets) => Kernel::Answers(Box::new(sockets)),
                Err(missing) => Kernel::Missing(missing.to_string()),
            };
        }
        let Kernel::Answers(sockets) = &mut self.kernel else {
            return;
        };
        let mut owned = self.owned.iter().map(|(inode, _)| inode);
        self.only_unix = self.only_unix && sockets.are_unix(&mut owned, MOST_ASKED);
        if self.only_unix {
            sockets.skip_dump();
            self.dump_due = now + sockets.pause();
            return;
        }
        drop(owned);
        if let Err(error) = sockets.dump() {
            self.kernel =
                Kernel::Missing(format!("the kernel stopped telling of sockets: {error}"));
            return;
        }
        self.dump_due = now + sockets.pause().mul_f64(uneven(&mut self.random));
        if now >= self.next_look_up && self.sees_strangers() {
            self.look_up(now, processes);
        }
        let first = self.dumped.is_none();
        self.add_up(now, waited_for);
        self.take(now, polling, first);
    }

    /// What is known of a socket of a process; `None` if it is of no family that can be asked about, or
    /// not yet.
    pub(crate) fn socket(&mut self, inode: u64, pid: i32) -> Option<activity::Socket> {
        if self.owned.add(inode, pid) && !matches!(self.kernel, Kernel::Missing(_)) {
            // A thread waits for a socket that the last dump may not have.
            self.dump_due = Duration::ZERO;
        }
        let Kernel::Answers(sockets) = &mut self.kernel else {
            return None;
        };
        let tcp = sockets.table().get(inode).map(|socket| {
            let role = match (socket.state, socket.side, socket.in_flight()) {
                (State::Listening, ..) | (_, Side::Server, InFlight::No | InFlight::Tie) => {
                    Role::Client
                }
                (_, Side::Client, InFlight::No) => Role::Quiet,
                _ => Role::Peer,
            };
            (socket.peer(), role)
        });
        if let Some((peer, role)) = tcp {
            return Some(activity::Socket { peer, role });
        }
        let peer = sockets.peer(inode)?;
        let role = match peer.inode.map(|other| self.owned.end(other, pid)) {
            Some(Held::Own) => Role::Own,
            Some(Held::Outside) => Role::Peer,
            Some(Held::Within { name, also_own }) => {
                return Some(activity::Socket {
                    peer: name,
                    role: Role::Within { also_own },
                });
            }
            // Bound or listening, and connected to nobody.
            None if peer.address.starts_with("udp ") && !peer.address.starts_with("udp port") => {
                Role::Peer
            }
            None => Role::Client,
        };
        Some(activity::Socket {
            peer: peer.address,
            role,
        })
    }

    /// Requests of event loops in flight, over sockets that no thread waits for by itself.
    pub(crate) fn polled_requests(&self, waited_for: &HashSet<u64>) -> usize {
        let polled = |inode: &&u64| {
            let mut owners = self.owned.of(**inode).iter();
            !waited_for.contains(inode) && owners.any(|pid| self.loops.contains(pid))
        };
        self.flights.keys().filter(polled).count()
    }

    /// What there was, and where it is known from.
    pub(crate) fn into_profile(mut self) -> (NetworkUse, Source) {
        let open: Vec<u64> = self.flights.keys().copied().collect();
        open.into_iter().for_each(|inode| self.land(inode));
        let answers = self.answers.into_sums();
        for address in answers.keys() {
            self.uses.entry(address.clone()).or_default();
        }
        let mut peers: Vec<PeerUse> = self
            .uses
            .into_iter()
            .map(|(address, sums)| {
                let answers = answers.get(&address).copied().unwrap_or_default();
                PeerUse {
                    address,
                    effective_count: sums.count(),
                    in_flight: sums.in_flight,
                    most_in_flight: sums.most,
                    round_trip: sums.round_trip,
                    answers: answers.count(),
                    waited_for_answers: answers.time(),
                }
            })
            .collect();
        peers.sort_by(|a, b| (b.in_flight, &a.address).cmp(&(a.in_flight, &b.address)));
        let source = match self.kernel {
            Kernel::NotAsked => Source::NotNeeded,
            Kernel::Answers(_) => Source::Used,
            Kernel::Missing(why) => Source::Missing(why),
        };
        let network = NetworkUse {
            peers,
            most_in_flight: self.most_in_flight,
            of_wall: self.of_wall,
        };
        (network, source)
    }

    fn look_up(&mut self, now: Duration, processes: &mut BTreeMap<i32, Watched>) {
        let started = clock::of_this_thread();
        for process in processes.values_mut() {
            process.open = process.descriptors.scan();
        }
        let all = processes.values().map(|process| {
            let sockets = process.open.sockets.as_slice();
            (process.pid, process.name.as_str(), sockets)
        });
        self.owned.set(all);
        for process in processes.values_mut() {
            if !process.sockets_in_epoll {
                process.sockets_in_epoll = self.in_epoll(process, now);
            }
        }
        let cost = clock::of_this_thread().saturating_sub(started);
        self.next_look_up = now + cost * PART_OF_TIME_FOR_NEW;
        self.look_up_due = now + LOOK_UP.max(cost * PART_OF_TIME);
        if let Kernel::Answers(sockets) = &self.kernel {
            let inodes = sockets.table().inodes();
            self.strangers = inodes
                .filter(|inode| self.owned.of(*inode).is_empty())
                .collect();
        }
    }

    /// Whether the last dump has sockets of which it is not known whose they are.
    fn sees_strangers(&self) -> bool {
        let Kernel::Answers(sockets) = &self.kernel else {
            return false;
        };
        let known =
            |inode: u64| !self.owned.of(inode).is_empty() || self.strangers.contains(&inode);
        sockets.table().inodes().any(|inode| !known(inode))
    }

    /// Whether an epoll set of a process has a socket to somebody else in it, or several timers or sockets to
    /// itself: one of each is how a loop is woken.
    fn in_epoll(&mut self, process: &mut Watched, now: Duration) -> bool {
        for set in process.open.epolls.clone() {
            let (mut own, mut timers) = (0, 0);
            let members = process.descriptors.polled(PollSet::Epoll(set), now);
            for number in members.unwrap_or_default() {
                let inode = match process.descriptors.get(number, now) {
                    Some(Descriptor::Socket(inode)) => *inode,
                    Some(Descriptor::Timer) => {
                        timers += 1;
                        continue;
                    }
                    _ => continue,
                };
                match self.socket(inode, process.pid).map(|socket| socket.role) {
                    Some(Role::Own | Role::Within { also_own: true }) => own += 1,
                    Some(_) => return true,
                    None => {}
                }
            }
            if own > 1 || timers > 1 {
                return true;
            }
        }
        false
    }

    /// Gives the time since the last dump to what was in flight then.
    fn add_up(&mut self, now: Duration, waited_for: &HashSet<u64>) {
        let passed = self
            .dumped
            .map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.follow_answers(passed, waited_for);
        self.dumped = Some(now);
        if !self.flights.is_empty() {
            self.of_wall += passed;
        }
        for flight in self.flights.values() {
            if let Some(sums) = self.uses.get_mut(&flight.peer) {
                sums.in_flight += passed;
            }
        }
    }

    /// Who waits now has waited since the last dump, if nothing was sent meanwhile.
    fn follow_answers(&mut self, passed: Duration, waited_for: &HashSet<u64>) {
        let Kernel::Answers(sockets) = &self.kernel else {
            return;
        };
        for &inode in waited_for {
            let Some((socket, sent_since)) = sockets.sent(inode) else {
                continue;
            };
            if socket.side == Side::Client
                && let Some(sent) = socket.traffic.sent_segments
            {
                let connection = Connection {
                    inode,
                    peer: socket.remote,
                    sent,
                    sent_since,
                };
                self.answers.waited_for(connection, passed);
            }
        }
        let table = sockets.table();
        self.answers.retain(|inode| table.get(inode).is_some());
    }

    /// Takes what is in flight from the last dump.
    fn take(&mut self, now: Duration, polling: &HashSet<i32>, first: bool) {
        let Kernel::Answers(sockets) = &self.kernel else {
            return;
        };
        let mut flying: Vec<(u64, String, Duration, Duration)> = Vec::new();
        let mut unsent: HashSet<u64> = HashSet::new();
        for (inode, owners) in self.owned.iter() {
            let Some(socket) = sockets.table().get(inode) else {
                continue;
            };
            let sent_ago = socket.traffic.sent_ago;
            let in_flight = match socket.in_flight() {
                InFlight::Yes => true,
                InFlight::No => false,
                InFlight::Tie => {
                    let polled = owners.iter().any(|pid| polling.contains(pid));
                    socket.traffic.ever_sent && sent_ago < UNTOLD && polled
                }
            };
            if in_flight {
                let sent = now.saturating_sub(sent_ago);
                if !socket.traffic.ever_sent {
                    unsent.insert(inode);
                }
                flying.push((inode, socket.peer(), sent, socket.traffic.round_trip));
            }
        }
        let still: HashMap<u64, Duration> = flying
            .iter()
            .map(|(inode, _, sent, _)| (*inode, *sent))
            .collect();
        let landed: Vec<u64> = self
            .flights
            .iter()
            .filter(|(inode, flight)| {
                still
                    .get(inode)
                    .is_none_or(|sent| sent.saturating_sub(flight.sent) > SAME)
            })
            .map(|(inode, _)| *inode)
            .collect();
        landed.iter().for_each(|inode| self.land(*inode));
        self.uses.values_mut().for_each(|sums| sums.now = 0);
        self.most_in_flight = self.most_in_flight.max(flying.len());
        for (inode, peer, sent, round_trip) in flying {
            let sums = self.uses.entry(peer.clone()).or_default();
            sums.now += 1;
            sums.most = sums.most.max(sums.now);
            if !unsent.contains(&inode) {
                sums.ages += now.saturating_sub(sent.max(self.began)).as_secs_f64();
                sums.meetings += 1;
            }
            sums.round_trip = (round_trip > Duration::ZERO).then_some(round_trip);
            let flight = self.flights.entry(inode).or_insert_with(|| {
                // Each dump stands for the time until the next. No dump stands for what was before.
                if first {
                    sums.in_flight += now.saturating_sub(sent.max(self.began));
                }
                Flight {
                    peer,
                    sent,
                    seen: now,
                }
            });
            flight.seen = now;
        }
    }

    /// A request is over; it was last seen in flight at the last dump before.
    fn land(&mut self, inode: u64) {
        let Some(flight) = self.flights.remove(&inode) else {
            return;
        };
        if let Some(sums) = self.uses.get_mut(&flight.peer) {
            let length = flight.seen.saturating_sub(flight.sent).as_secs_f64();
            sums.total += length;
            sums.squares += length * length;
        }
    }
}

impl Use {
    /// How many requests there were, each weighted by its length: (Σ d)² / Σ d².
    ///
    /// Long ones are counted as they end. Of short ones many are over before a dump meets them, and the
    /// ends of the others lie somewhere between two. But a dump, at whatever moment, meets a long one more
    /// likely than a short one, and each at any age alike, so that the age is Σ d² / 2 Σ d on average (the
    /// inspection paradox: W. Feller, "An Introduction to Probability Theory and Its Applications" II, I.4).
    /// With Σ d, the time in flight, that gives the count.
    fn count(&self) -> f64 {
        let counted = if self.squares > 0.0 {
            self.total * self.total / self.squares
        } else {
            0.0
        };
        let age = self.ages / f64::from(self.meetings.max(1));
        let in_flight = self.in_flight.as_secs_f64();
        // Each meeting stands for the time until the next dump.
        let pause = in_flight / f64::from(self.meetings.max(1));
        if self.meetings < FEW_MEETINGS || age <= 0.0 || 2.0 * age > COUNTED * pause {
            return counted;
        }
        in_flight / (2.0 * age)
    }
}

/// A factor of 1 on average for a pause between dumps. In step with requests, dumps would always meet them at
/// one age; who comes at random sees things as they are (R. W. Wolff, "Poisson Arrivals See Time Averages",
/// Operations Research 30(2), 1982). Half of the pause is kept for the sake of the cost.
fn uneven(random: &mut Rng) -> f64 {
    (0.5 - 0.5 * random.f64().max(0.01).ln()).min(3.0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::watch::kernel_file::Allowance;
    use crate::watch::stat::tick;

    /// This process, with its sockets: clients and servers at once.
    fn own() -> BTreeMap<i32, Watched> {
        let pid = std::process::id().cast_signed();
        let process = Watched::open(pid, 0, false, Duration::ZERO, tick(), &Allowance::of(100));
        BTreeMap::from([(pid, process.expect("is there"))])
    }

    #[test]
    fn a_request_is_in_flight_until_it_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("an address");
        let mut client = TcpStream::connect(address).expect("connects");
        let (mut server, _) = listener.accept().expect("accepts");
        client.write_all(b"ask").expect("writes");
        server.read_exact(&mut [0; 3]).expect("reads");

        let mut processes = own();
        let mut peers = Peers::new(Duration::ZERO);
        let name = format!("tcp {address}");
        let mut now = Duration::from_secs(100);
        // Longer than any pause between dumps.
        let step = Duration::from_secs(60);
        let mut dump = |peers: &mut Peers| {
            now += step;
            peers.refresh(now, &mut processes, &HashSet::new(), &HashSet::new());
            let uses = peers.uses.get(&name);
            uses.map_or((0, Duration::ZERO), |sums| (sums.now, sums.in_flight))
        };
        let (in_flight, first) = dump(&mut peers);
        assert_eq!(in_flight, 1);
        assert_eq!(dump(&mut peers), (1, first + step));

        server.write_all(b"answer").expect("writes");
        // The answer has arrived, though nobody has read it.
        loop {
            let (in_flight, time) = dump(&mut peers);
            if in_flight == 0 {
                assert!(time >= first + 2 * step);
                break;
            }
        }
        let (network, source) = peers.into_profile();
        assert_eq!(source, Source::Used);
        assert!(
            network
                .peers
                .iter()
                .any(|peer| peer.address == name && peer.most_in_flight == 1)
        );
    }

    /// Requests of these lengths one after the other, and dumps of them.
    fn met(lengths: &[f64], pause: f64, seed: u64) -> Use {
        let (mut sums, mut random) = (Use::default(), Rng::with_seed(seed));
        let (mut began, mut dump) = (0.0, 0.5 * pause);
        for length in lengths {
            let mut last = None;
            while dump < began + length {
                sums.ages += dump - began;
                sums.meetings += 1;
                last = Some(dump - began);
                let next = pause * uneven(&mut random);
                sums.in_flight += Duration::from_secs_f64(next);
                dump += next;
            }
            if let Some(last) = last {
                sums.total += last;
                sums.squares += last * last;
            }
            began += length;
        }
        sums
    }

    #[test]
    fn requests_that_dumps_hardly_meet_are_counted_by_their_age() {
        // As long as the time between dumps, shorter, a little longer; and of two lengths.
        for (lengths, pause) in [
            (vec![0.05; 60], 0.05),
            (vec![0.02; 150], 0.05),
            (vec![0.1; 100], 0.06),
            ([0.2, 0.02].repeat(40), 0.05),
            (vec![2.0; 5], 0.05),
        ] {
            let sum: f64 = lengths.iter().sum();
            let squares: f64 = lengths.iter().map(|length| length * length).sum();
            let truth = sum * sum / squares;
            let counts: Vec<f64> = (1..=40)
                .map(|seed| met(&lengths, pause, seed).count() / truth)
                .collect();
            // A single count is some percent off, all of them not to one side.
            let mean = counts.iter().sum::<f64>() / 40.0;
            let off = |limit: f64| counts.iter().filter(|c| (*c - 1.0).abs() > limit).count();
            assert!((mean - 1.0).abs() < 0.05, "{mean} of {truth}");
            assert!(off(0.25) <= 1, "{counts:?} of {truth}");
        }
    }

    #[test]
    fn who_has_no_sockets_asks_nobody() {
        let mut peers = Peers::new(Duration::ZERO);
        peers.refresh(
            Duration::from_secs(1),
            &mut BTreeMap::new(),
            &HashSet::new(),
            &HashSet::new(),
        );
        let (network, source) = peers.into_profile();
        assert_eq!((network.peers.len(), source), (0, Source::NotNeeded));
    }
}
