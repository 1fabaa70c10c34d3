//! From a call that a thread sleeps in to what it waits for.
//!
//! A pure function of the call and of what can be asked about its surroundings, so that it is tested
//! without processes.

use super::call::{Call, FutexCall, Kind, Name, Now, PollSet};
use super::descriptor::Descriptor;
use super::polled::poll;
use crate::profile::{Class, Futex, Target};

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Activity {
    pub(crate) class: Class,
    pub(crate) target: Target,
    pub(crate) call: &'static str,
    pub(crate) futex: Option<Futex>,
    /// The call ends by itself after some time.
    pub(crate) timed: bool,
    /// It waits for data to be safe on disk.
    pub(crate) syncs: bool,
    /// The socket that it waits for, if it is one alone.
    pub(crate) socket: Option<u64>,
    /// Nobody but another thread of the process can end it, unless its time is up: a futex that is not shared.
    pub(crate) private: bool,
    /// For a wait for a signal: what stood at the futex when it began.
    pub(crate) word: Option<u32>,
}

/// What is known of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Its other end, as people write it; the name of the process there if it is watched too.
    pub(crate) peer: String,
    /// What the thread that waits for it waits for.
    pub(crate) role: Role,
}

/// What a wait for a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Another process that may owe an answer.
    Peer,
    /// A peer that owes nothing: it answered all it was asked.
    Quiet,
    /// A client that may come, or ask again.
    Client,
    /// This process itself: a pair by which its threads wake each other.
    Own,
    /// Another process that is watched: what it does is seen, as at the other end of a pipe.
    Within {
        /// This process holds the other end as well, so that it may be a pair of its own that the other process
        /// was born with.
        also_own: bool,
    },
}

/// What can be asked about the process of a thread.
pub(crate) trait Surroundings {
    fn pid(&self) -> i32;
    fn descriptor(&mut self, number: u64) -> Option<Descriptor>;
    /// What was said of a descriptor is out of date.
    fn forget(&mut self, number: u64);
    /// Writes to it return when the data is safe on disk.
    fn writes_sync(&mut self, number: u64) -> bool;
    fn polled(&mut self, set: PollSet) -> Option<Vec<u64>>;
    fn socket(&mut self, inode: u64) -> Option<Socket>;
    /// The path of a named pipe, if that is what is opened.
    fn opened_pipe(&mut self, name: Name) -> Option<String>;
    /// The timer behind a descriptor will go off.
    fn timer_is_set(&mut self, number: u64) -> bool;
    /// The process at the other end of a pipe.
    fn beyond_pipe(&mut self, inode: u64) -> Option<String>;
    /// The address is within Python's runtime.
    fn in_python_runtime(&mut self, address: u64) -> bool;
    /// It is the number of one of the process's threads.
    fn is_thread(&mut self, number: u64) -> bool;
    /// The thread is in uninterruptible sleep.
    fn in_disk_sleep(&mut self) -> bool;
}

/// What a thread waits for; `None` if it runs or is ready to.
pub(crate) fn activity(now: Now, around: &mut impl Surroundings) -> Option<Activity> {
    match now {
        Now::Running => None,
        Now::OutsideCalls if around.in_disk_sleep() => {
            Some(plain(Class::PageFault, "page fault", ""))
        }
        Now::OutsideCalls => Some(plain(Class::Other, "", "")),
        Now::InCall(call) => Some(in_call(call, around)),
    }
}

pub(crate) fn plain(class: Class, target: &str, call: &'static str) -> Activity {
    of(class, Target::Call(target.to_owned()), call)
}

pub(super) fn of(class: Class, target: Target, call: &'static str) -> Activity {
    Activity {
        class,
        target,
        call,
        futex: None,
        timed: class == Class::Sleep,
        syncs: false,
        socket: None,
        private: false,
        word: None,
    }
}

fn in_call(call: Call, around: &mut impl Surroundings) -> Activity {
    let name = call.name();
    let named = |class| plain(class, name, name);
    match call.kind() {
        Kind::Descriptor(number) | Kind::Socket(number) => {
            let mut descriptor = around.descriptor(number);
            let socket = matches!(descriptor, Some(Descriptor::Socket(_)));
            if !socket && matches!(call.kind(), Kind::Socket(_)) {
                // The number was that of something else a moment ago.
                around.forget(number);
                descriptor = around.descriptor(number);
            }
            let wait = one_descriptor(descriptor, name, around);
            let syncs =
                wait.class == Class::Disk && name.contains("write") && around.writes_sync(number);
            Activity { syncs, ..wait }
        }
        Kind::Commit(number) => Activity {
            syncs: true,
            ..match around.descriptor(number) {
                Some(Descriptor::File(path)) => of(Class::Disk, Target::File(path), name),
                _ => named(Class::Disk),
            }
        },
        Kind::CommitAll => Activity {
            syncs: true,
            ..named(Class::Disk)
        },
        Kind::Poll { set, timed } => Activity {
            timed,
            ..poll(set, timed, name, around)
        },
        Kind::Futex(futex) => futex_wait(futex, name, around),
        Kind::Sleep | Kind::Signal { timed: true } => named(Class::Sleep),
        Kind::Child => named(Class::Child),
        Kind::Accept(_) | Kind::Signal { timed: false } => named(Class::Idle),
        Kind::FileLock(number) => match around.descriptor(number) {
            Some(Descriptor::File(path)) => of(Class::Lock, Target::File(path), name),
            _ => named(Class::Lock),
        },
        Kind::FileSystem | Kind::Open(_) | Kind::Unknown if around.in_disk_sleep() => {
            named(Class::Disk)
        }
        Kind::Open(file) => open(file, name, around),
        Kind::Queue if name.starts_with("io_uring") && !around.in_disk_sleep() => {
            named(Class::Poll)
        }
        Kind::Queue => named(Class::Disk),
        Kind::FileSystem | Kind::Unknown => named(Class::Other),
    }
}

/// Opening a named pipe lasts until somebody has the other end.
fn open(file: Name, call: &'static str, around: &mut impl Surroundings) -> Activity {
    match around.opened_pipe(file) {
        Some(name) => of(Class::Pipe, Target::Pipe { name, other: None }, call),
        None => plain(Class::Other, call, call),
    }
}

pub(super) fn one_descriptor(
    descriptor: Option<Descriptor>,
    call: &'static str,
    around: &mut impl Surroundings,
) -> Activity {
    match descriptor {
        Some(Descriptor::Socket(inode)) => one_socket(inode, call, around),
        Some(Descriptor::Pipe(inode)) => {
            let other = around.beyond_pipe(inode);
            // One pipe after another to the same program is one thing to wait for.
            let name = match &other {
                Some(_) => "pipe".to_owned(),
                None => format!("pipe:[{inode}]"),
            };
            of(Class::Pipe, Target::Pipe { name, other }, call)
        }
        Some(Descriptor::Terminal(name)) => {
            let other = Some("a terminal".to_owned());
            of(Class::Pipe, Target::Pipe { name, other }, call)
        }
        Some(Descriptor::File(path)) => of(Class::Disk, Target::File(path), call),
        Some(Descriptor::Device(path)) if around.in_disk_sleep() => {
            of(Class::Disk, Target::File(path), call)
        }
        Some(Descriptor::Device(path)) => of(Class::Other, Target::File(path), call),
        Some(Descriptor::Event) => plain(Class::Condition, call, call),
        Some(Descriptor::Timer) => plain(Class::Sleep, call, call),
        Some(Descriptor::Process) => plain(Class::Child, call, call),
        Some(Descriptor::Epoll) => plain(Class::Poll, call, call),
        Some(Descriptor::News) => plain(Class::Idle, call, call),
        Some(Descriptor::Other(name)) => of(Class::Other, Target::File(name), call),
        None if around.in_disk_sleep() => plain(Class::Disk, call, call),
        None => plain(Class::Other, call, call),
    }
}

fn one_socket(inode: u64, call: &'static str, around: &mut impl Surroundings) -> Activity {
    let socket = around.socket(inode);
    if let Some(Socket {
        peer,
        role: Role::Within { .. },
    }) = socket
    {
        let name = "unix socket".to_owned();
        let other = Some(peer);
        return of(Class::Pipe, Target::Pipe { name, other }, call);
    }
    let class = match socket.as_ref().map(|socket| socket.role) {
        // A thread that reads is sure to expect something, answered or not.
        None | Some(Role::Peer | Role::Quiet) => Class::Network,
        Some(Role::Client) => Class::Idle,
        Some(Role::Own | Role::Within { .. }) => Class::Condition,
    };
    let target = socket.map_or(Target::Call(call.to_owned()), |socket| {
        Target::Peer(socket.peer)
    });
    Activity {
        socket: (class == Class::Network).then_some(inode),
        ..of(class, target, call)
    }
}

/// Mutexes of the C library and of Rust's standard library hold 2 while others wait for them; the end of
/// a thread is waited for at the place that holds its number.
fn futex_wait(wait: FutexCall, call: &'static str, around: &mut impl Surroundings) -> Activity {
    if wait.timed && around.in_python_runtime(wait.address) {
        // It is waited for at several addresses, and there is one in a process.
        return Activity {
            futex: Some(Futex::Timed),
            timed: true,
            ..plain(Class::Gil, "interpreter lock", call)
        };
    }
    let (class, futex) = if wait.owned || wait.value == 2 {
        (Class::Lock, Futex::Mutex)
    } else if wait.value > 2 && around.is_thread(wait.value) {
        (Class::Join, Futex::Untimed)
    } else if wait.timed {
        (Class::Condition, Futex::Timed)
    } else {
        (Class::Condition, Futex::Untimed)
    };
    // The end of a thread is waited for as if others could see it.
    let shared = !wait.private && class != Class::Join;
    let target = Target::Lock {
        pid: (!shared).then(|| around.pid()),
        address: wait.address,
    };
    Activity {
        futex: Some(futex),
        timed: wait.timed,
        private: wait.private,
        word: (class == Class::Condition).then_some(wait.value as u32),
        ..of(class, target, call)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Around {
        descriptors: HashMap<u64, Descriptor>,
        sockets: HashMap<u64, Socket>,
        members: Option<Vec<u64>>,
        in_disk_sleep: bool,
        timer_is_set: bool,
        fifo: Option<String>,
    }

    impl Surroundings for Around {
        fn pid(&self) -> i32 {
            7
        }
        fn descriptor(&mut self, number: u64) -> Option<Descriptor> {
            self.descriptors.get(&number).cloned()
        }
        fn forget(&mut self, number: u64) {
            self.descriptors.insert(number, Descriptor::Socket(30));
        }
        fn writes_sync(&mut self, number: u64) -> bool {
            number == 8
        }
        fn polled(&mut self, _: PollSet) -> Option<Vec<u64>> {
            self.members.clone()
        }
        fn socket(&mut self, inode: u64) -> Option<Socket> {
            self.sockets.get(&inode).cloned()
        }
        fn opened_pipe(&mut self, _: Name) -> Option<String> {
            self.fifo.clone()
        }
        fn timer_is_set(&mut self, _: u64) -> bool {
            self.timer_is_set
        }
        fn beyond_pipe(&mut self, _: u64) -> Option<String> {
            Some("gzip".into())
        }
        fn in_python_runtime(&mut self, address: u64) -> bool {
            address == 0x1000
        }
        fn is_thread(&mut self, number: u64) -> bool {
            number == 77
        }
        fn in_disk_sleep(&mut self) -> bool {
            self.in_disk_sleep
        }
    }

    fn call(number: libc::c_long, arguments: [u64; 6]) -> Now {
        let words: Vec<String> = arguments.iter().map(|a| format!("{a:#x}")).collect();
        Now::parse(&format!("{number} {} 0x0 0x0", words.join(" "))).expect("a call")
    }

    fn class(now: Now, around: &mut Around) -> Class {
        activity(now, around).expect("waits").class
    }

    /// Descriptor 3 is a socket of this role; polls look at it and at an eventfd.
    fn with_socket(role: Role) -> Around {
        let peer = "tcp 127.0.0.1:80".to_owned();
        Around {
            descriptors: HashMap::from([(3, Descriptor::Socket(30)), (4, Descriptor::Event)]),
            sockets: HashMap::from([(30, Socket { peer, role })]),
            members: Some(vec![3, 4]),
            ..Around::default()
        }
    }

    #[test]
    fn who_runs_waits_for_nothing() {
        assert_eq!(activity(Now::Running, &mut Around::default()), None);
    }

    #[test]
    fn reads_go_by_what_they_read() {
        let read = call(libc::SYS_read, [3, 0, 0, 0, 0, 0]);
        let seen = |descriptor: Descriptor| {
            let mut around = Around {
                descriptors: HashMap::from([(3, descriptor)]),
                ..Around::default()
            };
            activity(read, &mut around).expect("waits")
        };
        let file = seen(Descriptor::File("/a".into()));
        assert_eq!(
            (file.class, file.target),
            (Class::Disk, Target::File("/a".into()))
        );
        let pipe = seen(Descriptor::Pipe(5));
        assert_eq!(pipe.class, Class::Pipe);
        assert!(matches!(pipe.target, Target::Pipe { other: Some(other), .. } if other == "gzip"));
        assert_eq!(seen(Descriptor::Timer).class, Class::Sleep);
        assert_eq!(seen(Descriptor::Event).class, Class::Condition);
        assert_eq!(class(read, &mut Around::default()), Class::Other);
    }

    #[test]
    fn what_waits_for_data_to_be_safe_says_so() {
        let mut around = Around {
            descriptors: HashMap::from([3, 8].map(|n| (n, Descriptor::File("/a".into())))),
            ..Around::default()
        };
        let mut syncs = |number, descriptor| {
            let call = call(number, [descriptor, 0, 0, 0, 0, 0]);
            let seen = activity(call, &mut around).expect("waits");
            assert_eq!(seen.class, Class::Disk);
            seen.syncs
        };
        assert!(syncs(libc::SYS_fdatasync, 3));
        assert!(syncs(libc::SYS_sync, 0));
        assert!(syncs(libc::SYS_pwrite64, 8));
        assert!(!syncs(libc::SYS_pwrite64, 3));
        assert!(!syncs(libc::SYS_pread64, 8));
    }

    #[test]
    fn a_socket_goes_by_who_is_at_its_end() {
        let receive = call(libc::SYS_recvfrom, [3, 0, 0, 0, 0, 0]);
        let seen = |role| activity(receive, &mut with_socket(role)).expect("waits");
        assert_eq!(seen(Role::Peer).class, Class::Network);
        assert_eq!(seen(Role::Peer).socket, Some(30));
        assert_eq!(seen(Role::Quiet).class, Class::Network);
        assert_eq!(seen(Role::Client).class, Class::Idle);
        assert_eq!(seen(Role::Own).class, Class::Condition);
        for also_own in [false, true] {
            let within = seen(Role::Within { also_own });
            assert_eq!((within.class, within.socket), (Class::Pipe, None));
            assert!(matches!(within.target, Target::Pipe { other: Some(_), .. }));
        }
    }

    #[test]
    fn a_number_that_was_a_file_is_asked_for_again() {
        let mut around = with_socket(Role::Peer);
        around.descriptors.insert(3, Descriptor::File("/a".into()));
        let receive = call(libc::SYS_recvfrom, [3, 0, 0, 0, 0, 0]);
        assert_eq!(class(receive, &mut around), Class::Network);
    }

    #[test]
    fn a_poll_of_one_socket_is_a_read_of_it() {
        let poll = call(libc::SYS_ppoll, [0x9, 2, 1, 0, 0, 0]);
        let seen = activity(poll, &mut with_socket(Role::Peer)).expect("waits");
        assert_eq!((seen.class, seen.socket), (Class::Network, Some(30)));
        assert_eq!(class(poll, &mut with_socket(Role::Client)), Class::Idle);
    }

    #[test]
    fn a_poll_of_one_socket_to_a_process_that_is_watched_is_one_of_a_pipe() {
        let seen = |also_own, members: &[u64]| {
            let mut around = with_socket(Role::Within { also_own });
            around.members = Some(members.to_vec());
            let poll = call(libc::SYS_ppoll, [0x9, members.len() as u64, 0, 0, 0, 0]);
            let epoll = call(libc::SYS_epoll_pwait, [9, 0, 0, 100, 0, 0]);
            (class(poll, &mut around), class(epoll, &mut around))
        };
        assert_eq!(seen(false, &[3]), (Class::Pipe, Class::Poll));
        assert_eq!(seen(false, &[3, 4]), (Class::Pipe, Class::Poll));
        // A pair that a loop is woken by, and that a child got when it was made, wakes nobody else.
        assert_eq!(seen(true, &[3]), (Class::Pipe, Class::Sleep));
        assert_eq!(seen(true, &[3, 4]), (Class::Poll, Class::Sleep));
    }

    #[test]
    fn an_event_loop_polls_or_sleeps() {
        let epoll = |timeout| call(libc::SYS_epoll_pwait, [9, 0, 0, timeout, 0, 0]);
        assert_eq!(class(epoll(100), &mut with_socket(Role::Peer)), Class::Poll);
        assert_eq!(
            class(epoll(100), &mut with_socket(Role::Quiet)),
            Class::Sleep
        );
        assert_eq!(class(epoll(100), &mut with_socket(Role::Own)), Class::Sleep);
        assert_eq!(
            class(epoll(100), &mut with_socket(Role::Client)),
            Class::Poll
        );
        assert_eq!(
            class(epoll(u64::MAX), &mut with_socket(Role::Own)),
            Class::Poll
        );
        assert_eq!(class(epoll(100), &mut Around::default()), Class::Poll);
    }

    #[test]
    fn a_lock_between_processes_is_one_wherever_it_is_waited_for() {
        let target = |operation| {
            let wait = call(libc::SYS_futex, [0x2000, operation, 0, 0, 0, 0]);
            activity(wait, &mut Around::default()).map(|activity| activity.target)
        };
        let at = |pid| {
            Some(Target::Lock {
                pid,
                address: 0x2000,
            })
        };
        assert_eq!(target(0x189), at(Some(7)));
        assert_eq!(target(0x109), at(None));
    }

    #[test]
    fn a_poll_that_a_timer_ends_is_a_sleep() {
        let calls = [
            call(libc::SYS_epoll_pwait, [9, 0, 0, u64::MAX, 0, 0]),
            call(libc::SYS_ppoll, [0x9, 2, 0, 0, 0, 0]),
        ];
        for poll in calls {
            let seen = |timer_is_set, beside: Descriptor| {
                let mut around = with_socket(Role::Peer);
                around.descriptors = HashMap::from([(3, Descriptor::Timer), (4, beside)]);
                around.timer_is_set = timer_is_set;
                class(poll, &mut around)
            };
            assert_eq!(seen(true, Descriptor::Event), Class::Sleep);
            // One that nobody has set ends nothing.
            assert_eq!(seen(false, Descriptor::Event), Class::Poll);
            // A peer may answer first, and somebody may write.
            let with_peer = seen(true, Descriptor::Socket(30));
            assert!(matches!(with_peer, Class::Poll | Class::Network));
            let with_pipe = seen(true, Descriptor::Pipe(5));
            assert!(matches!(with_pipe, Class::Poll | Class::Pipe));
        }
    }

    #[test]
    fn futexes_go_by_what_they_hold() {
        let futex = |address, operation, value, timeout| {
            let wait = call(libc::SYS_futex, [address, operation, value, timeout, 0, 0]);
            let seen = activity(wait, &mut Around::default()).expect("waits");
            (seen.class, seen.futex.expect("a futex"))
        };
        assert_eq!(futex(0x1000, 0x89, 0, 9), (Class::Gil, Futex::Timed));
        assert_eq!(futex(0x2000, 0x80, 2, 0), (Class::Lock, Futex::Mutex));
        assert_eq!(futex(0x2000, 0x86, 0, 0), (Class::Lock, Futex::Mutex));
        assert_eq!(futex(0x2000, 0x109, 77, 0), (Class::Join, Futex::Untimed));
        assert_eq!(
            futex(0x2000, 0x189, 0, 0),
            (Class::Condition, Futex::Untimed)
        );
        assert_eq!(futex(0x2000, 0x189, 0, 9), (Class::Condition, Futex::Timed));
    }

    #[test]
    fn a_futex_may_be_shared_with_other_processes() {
        let private = |operation| {
            let wait = call(libc::SYS_futex, [0x2000, operation, 0, 9, 0, 0]);
            let seen = activity(wait, &mut Around::default()).expect("waits");
            seen.private
        };
        assert!(private(0x189) && private(0x80));
        assert!(!private(0x109) && !private(0));
    }

    #[test]
    fn opening_a_named_pipe_waits_for_its_other_end() {
        let open = call(libc::SYS_openat, [0; 6]);
        let mut around = Around {
            fifo: Some("/run/spool".into()),
            ..Around::default()
        };
        let seen = activity(open, &mut around).expect("waits");
        assert_eq!(seen.class, Class::Pipe);
        assert!(matches!(seen.target, Target::Pipe { name, other: None } if name == "/run/spool"));
        around.in_disk_sleep = true;
        assert_eq!(class(open, &mut around), Class::Disk);
    }

    #[test]
    fn uninterruptible_sleep_decides_where_the_call_does_not() {
        let open = call(libc::SYS_openat, [0; 6]);
        let mut around = Around::default();
        assert_eq!(class(open, &mut around), Class::Other);
        assert_eq!(class(Now::OutsideCalls, &mut around), Class::Other);
        around.in_disk_sleep = true;
        assert_eq!(class(open, &mut around), Class::Disk);
        assert_eq!(class(Now::OutsideCalls, &mut around), Class::PageFault);
    }
}
