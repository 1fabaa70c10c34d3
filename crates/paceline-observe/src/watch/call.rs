//! What `/proc/TID/syscall` says: the call that a thread sleeps in, and what kind of waiting that is.
//!
//! Numbers differ between architectures, so all go by the names of `libc`; the older calls exist on x86-64
//! alone. See proc(5).

use libc::c_long;

/// What a thread does at the moment of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// On a core or ready to be.
    Running,
    /// Asleep in a call.
    InCall(Call),
    /// Asleep outside of any call: for a page, or about to end.
    OutsideCalls,
}

/// A call with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    number: c_long,
    arguments: [u64; 6],
}

impl Now {
    /// Reads the text of the file; `None` if it is not of that form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_ascii_whitespace();
        let first = fields.next()?;
        if first == "running" {
            return Some(Self::Running);
        }
        let number: c_long = first.parse().ok()?;
        if number < 0 {
            return Some(Self::OutsideCalls);
        }
        let mut arguments = [0; 6];
        for argument in &mut arguments {
            let digits = fields.next()?.strip_prefix("0x")?;
            *argument = u64::from_str_radix(digits, 16).ok()?;
        }
        Some(Self::InCall(Call { number, arguments }))
    }
}

/// What a call waits for, as far as its number and arguments tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What stands behind a descriptor.
    Descriptor(u64),
    /// The other end of a socket.
    Socket(u64),
    /// Data of a file to be safe on disk.
    Commit(u64),
    /// All data to be safe on disk.
    CommitAll,
    /// A new connection.
    Accept(u64),
    /// Any of several events.
    Poll {
        /// Which ones.
        set: PollSet,
        /// It ends by itself after some time.
        timed: bool,
    },
    /// A futex.
    Futex(FutexCall),
    /// Time to pass.
    Sleep,
    /// A child process.
    Child,
    /// A signal, for ever or for some time.
    Signal {
        /// It ends by itself after some time.
        timed: bool,
    },
    /// A lock on a file.
    FileLock(u64),
    /// A name in a file system.
    FileSystem,
    /// A file to be opened by its name.
    Open(Name),
    /// Requests that a queue of the kernel holds.
    Queue,
    /// Nothing that we know.
    Unknown,
}

/// A name that a program gives to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The folder that it is relative to, by its descriptor; `None` for the working directory.
    pub(crate) folder: Option<u64>,
    /// Where it stands in the program's memory.
    pub(crate) address: u64,
}

/// What a poll looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollSet {
    /// An array of `struct pollfd` in the program's memory.
    Array {
        /// Where.
        address: u64,
        /// How many.
        count: u64,
    },
    /// Bit sets of descriptors to read and to write, in the program's memory; 0 for none.
    Bits {
        /// How many bits.
        count: u64,
        /// Where those to read are.
        read: u64,
        /// Where those to write are.
        write: u64,
    },
    /// The set of an epoll descriptor.
    Epoll(u64),
}

/// A wait for a futex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FutexCall {
    /// Where.
    pub(crate) address: u64,
    /// The value that stood there when the wait began.
    pub(crate) value: u64,
    /// It ends by itself after some time.
    pub(crate) timed: bool,
    /// The kernel keeps who holds it: a mutex.
    pub(crate) owned: bool,
    /// No other process can reach it.
    pub(crate) private: bool,
}

impl Call {
    /// What it waits for.
    pub(crate) fn kind(&self) -> Kind {
        named(self.number).map_or(Kind::Unknown, |(_, kind)| kind(&self.arguments))
    }

    /// It may wait for a disk or for something else, and its arguments do not tell which.
    pub(crate) fn is_vague(&self) -> bool {
        matches!(
            self.kind(),
            Kind::FileSystem | Kind::Open(_) | Kind::Queue | Kind::Unknown
        )
    }

    /// Its name; empty if it is none that we know.
    pub(crate) fn name(&self) -> &'static str {
        named(self.number).map_or("", |(name, _)| name)
    }
}

type Reader = fn(&[u64; 6]) -> Kind;

/// The name of a call, and how to read its arguments.
#[rustfmt::skip]
fn named(number: c_long) -> Option<(&'static str, Reader)> {
    let descriptor: Reader = |a| Kind::Descriptor(a[0]);
    let socket: Reader = |a| Kind::Socket(a[0]);
    let commit: Reader = |a| Kind::Commit(a[0]);
    let file_system: Reader = |_| Kind::FileSystem;
    let sleep: Reader = |_| Kind::Sleep;
    let child: Reader = |_| Kind::Child;
    let queue: Reader = |_| Kind::Queue;
    Some(match number {
        libc::SYS_read => ("read", descriptor),
        libc::SYS_write => ("write", descriptor),
        libc::SYS_readv => ("readv", descriptor),
        libc::SYS_writev => ("writev", descriptor),
        libc::SYS_pread64 => ("pread64", descriptor),
        libc::SYS_pwrite64 => ("pwrite64", descriptor),
        libc::SYS_preadv => ("preadv", descriptor),
        libc::SYS_pwritev => ("pwritev", descriptor),
        libc::SYS_preadv2 => ("preadv2", descriptor),
        libc::SYS_pwritev2 => ("pwritev2", descriptor),
        libc::SYS_getdents64 => ("getdents64", descriptor),
        libc::SYS_ioctl => ("ioctl", descriptor),
        libc::SYS_fallocate => ("fallocate", descriptor),
        libc::SYS_ftruncate => ("ftruncate", descriptor),
        libc::SYS_readahead => ("readahead", descriptor),
        libc::SYS_splice => ("splice", descriptor),
        libc::SYS_tee => ("tee", descriptor),
        libc::SYS_vmsplice => ("vmsplice", descriptor),
        // What it reads from is a file, which comes from memory more often than what it writes to takes it.
        libc::SYS_sendfile => ("sendfile", descriptor),
        libc::SYS_copy_file_range => ("copy_file_range", descriptor),

        libc::SYS_connect => ("connect", socket),
        libc::SYS_sendto => ("sendto", socket),
        libc::SYS_recvfrom => ("recvfrom", socket),
        libc::SYS_sendmsg => ("sendmsg", socket),
        libc::SYS_recvmsg => ("recvmsg", socket),
        libc::SYS_sendmmsg => ("sendmmsg", socket),
        libc::SYS_recvmmsg => ("recvmmsg", socket),
        libc::SYS_accept => ("accept", |a| Kind::Accept(a[0])),
        libc::SYS_accept4 => ("accept4", |a| Kind::Accept(a[0])),

        libc::SYS_fsync => ("fsync", commit),
        libc::SYS_fdatasync => ("fdatasync", commit),
        libc::SYS_sync_file_range => ("sync_file_range", commit),
        libc::SYS_syncfs => ("syncfs", commit),
        libc::SYS_sync => ("sync", |_| Kind::CommitAll),
        libc::SYS_msync => ("msync", |_| Kind::CommitAll),

        libc::SYS_ppoll => ("ppoll", |a| poll_array(a, a[2] != 0)),
        libc::SYS_pselect6 => ("pselect6", select),
        libc::SYS_epoll_pwait => ("epoll_pwait", epoll),
        libc::SYS_epoll_pwait2 => ("epoll_pwait2", |a| Kind::Poll { set: PollSet::Epoll(a[0]), timed: a[3] != 0 }),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => ("poll", |a| poll_array(a, for_some_time(a[2]))),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => ("select", select),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => ("epoll_wait", epoll),

        libc::SYS_futex => ("futex", futex),
        libc::SYS_nanosleep => ("nanosleep", sleep),
        libc::SYS_clock_nanosleep => ("clock_nanosleep", sleep),

        libc::SYS_wait4 => ("wait4", child),
        libc::SYS_waitid => ("waitid", child),
        // The parent sleeps until the child has its own memory.
        libc::SYS_clone => ("clone", child),
        libc::SYS_clone3 => ("clone3", child),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_vfork => ("vfork", child),
        // Shells wait so for their children.
        libc::SYS_rt_sigsuspend => ("rt_sigsuspend", child),
        libc::SYS_rt_sigtimedwait => ("rt_sigtimedwait", |a| Kind::Signal { timed: a[2] != 0 }),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_pause => ("pause", |_| Kind::Signal { timed: false }),

        libc::SYS_flock => ("flock", |a| Kind::FileLock(a[0])),
        libc::SYS_fcntl => ("fcntl", |a| Kind::FileLock(a[0])),

        libc::SYS_openat => ("openat", open_at),
        libc::SYS_openat2 => ("openat2", open_at),
        libc::SYS_newfstatat => ("newfstatat", file_system),
        libc::SYS_statx => ("statx", file_system),
        libc::SYS_unlinkat => ("unlinkat", file_system),
        libc::SYS_renameat2 => ("renameat2", file_system),
        libc::SYS_mkdirat => ("mkdirat", file_system),
        libc::SYS_linkat => ("linkat", file_system),
        libc::SYS_symlinkat => ("symlinkat", file_system),
        libc::SYS_readlinkat => ("readlinkat", file_system),
        libc::SYS_faccessat => ("faccessat", file_system),
        libc::SYS_truncate => ("truncate", file_system),
        libc::SYS_close => ("close", file_system),
        libc::SYS_execve => ("execve", file_system),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => ("open", |a| Kind::Open(Name { folder: None, address: a[0] })),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat => ("stat", file_system),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink => ("unlink", file_system),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => ("rename", file_system),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => ("mkdir", file_system),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rmdir => ("rmdir", file_system),

        libc::SYS_io_uring_enter => ("io_uring_enter", queue),
        libc::SYS_io_getevents => ("io_getevents", queue),
        _ => return None,
    })
}

fn poll_array(arguments: &[u64; 6], timed: bool) -> Kind {
    match arguments[1] {
        0 if timed => Kind::Sleep,
        0 => Kind::Signal { timed: false },
        count => Kind::Poll {
            set: PollSet::Array {
                address: arguments[0],
                count,
            },
            timed,
        },
    }
}

fn select(arguments: &[u64; 6]) -> Kind {
    let [count, read, write, _, timeout, _] = *arguments;
    match (count, timeout != 0) {
        (0, true) => Kind::Sleep,
        (0, false) => Kind::Signal { timed: false },
        (count, timed) => Kind::Poll {
            set: PollSet::Bits { count, read, write },
            timed,
        },
    }
}

/// Milliseconds, -1 for ever; the register may hold more than the int that counts.
fn for_some_time(timeout: u64) -> bool {
    (timeout as u32).cast_signed() >= 0
}

fn epoll(arguments: &[u64; 6]) -> Kind {
    Kind::Poll {
        set: PollSet::Epoll(arguments[0]),
        timed: for_some_time(arguments[3]),
    }
}

/// `AT_FDCWD` is a negative int, and the register may hold more than that.
fn open_at(arguments: &[u64; 6]) -> Kind {
    Kind::Open(Name {
        folder: u64::try_from((arguments[0] as u32).cast_signed()).ok(),
        address: arguments[1],
    })
}

/// See futex(2). Operations carry two flags, for private futexes and for the clock.
fn futex(arguments: &[u64; 6]) -> Kind {
    let flags = arguments[1] as i32;
    let operation = flags & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    let owned = matches!(operation, libc::FUTEX_LOCK_PI | libc::FUTEX_LOCK_PI2);
    Kind::Futex(FutexCall {
        address: arguments[0],
        // The kernel compares an int.
        value: arguments[2] & u64::from(u32::MAX),
        timed: arguments[3] != 0,
        owned,
        private: flags & libc::FUTEX_PRIVATE_FLAG != 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(number: c_long, arguments: [u64; 6]) -> Call {
        let words: Vec<String> = arguments.iter().map(|a| format!("{a:#x}")).collect();
        let text = format!("{number} {} 0x7ffc 0x7f00\n", words.join(" "));
        match Now::parse(&text) {
            Some(Now::InCall(call)) => call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_forms_of_the_file() {
        assert_eq!(Now::parse("running\n"), Some(Now::Running));
        assert_eq!(Now::parse("-1 0x7ffc 0x7f00\n"), Some(Now::OutsideCalls));
        assert_eq!(call(libc::SYS_read, [3, 0, 0, 0, 0, 0]).name(), "read");
        for odd in ["", "read 0x1", "0 0x3", "0 3 3 3 3 3 3"] {
            assert_eq!(Now::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn timed_polls_without_descriptors_are_sleeps() {
        assert_eq!(
            call(libc::SYS_ppoll, [0, 0, 9, 0, 0, 0]).kind(),
            Kind::Sleep
        );
        assert_eq!(
            call(libc::SYS_pselect6, [0, 0, 0, 0, 9, 0]).kind(),
            Kind::Sleep
        );
        assert_eq!(
            call(libc::SYS_ppoll, [9, 2, 0, 0, 0, 0]).kind(),
            Kind::Poll {
                set: PollSet::Array {
                    address: 9,
                    count: 2
                },
                timed: false
            }
        );
    }

    #[test]
    fn an_endless_epoll_is_not_timed() {
        let kind = |timeout| call(libc::SYS_epoll_pwait, [5, 0, 0, timeout, 0, 0]).kind();
        let poll = |timed| Kind::Poll {
            set: PollSet::Epoll(5),
            timed,
        };
        assert_eq!(kind(u64::MAX), poll(false));
        assert_eq!(kind(0xffff_ffff), poll(false));
        assert_eq!(kind(100), poll(true));
    }

    #[test]
    fn what_is_opened_has_a_name() {
        let open = |folder| call(libc::SYS_openat, [folder, 0x7000, 0, 0, 0, 0]).kind();
        let name = |folder| {
            Kind::Open(Name {
                folder,
                address: 0x7000,
            })
        };
        assert_eq!(open(0xffff_ffff_ffff_ff9c), name(None));
        assert_eq!(open(0xffff_ff9c), name(None));
        assert_eq!(open(5), name(Some(5)));
    }

    #[test]
    fn futexes() {
        let wait = call(libc::SYS_futex, [0x7000, 0x189, 2, 0, 0, 0xffff_ffff]);
        assert_eq!(
            wait.kind(),
            Kind::Futex(FutexCall {
                address: 0x7000,
                value: 2,
                timed: false,
                owned: false,
                private: true
            })
        );
        let Kind::Futex(locked) = call(libc::SYS_futex, [0x7000, 0x86, 0, 0, 0, 0]).kind() else {
            panic!("a futex");
        };
        assert!(locked.owned);
    }

    #[test]
    fn calls_that_nobody_knows() {
        let unknown = call(99_999, [0; 6]);
        assert_eq!((unknown.name(), unknown.kind()), ("", Kind::Unknown));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC*") {
            let _ = Now::parse(&text);
        }

        #[test]
        fn every_call_has_a_kind(number in 0..600_i64, arguments in any::<[u64; 6]>()) {
            let call = call(number, arguments);
            let _ = (call.kind(), call.name());
        }
    }
}
