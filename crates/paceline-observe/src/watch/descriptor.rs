//! What stands behind a descriptor, from the names that `/proc/PID/fd` gives.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What stands behind a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// A socket, by its inode.
    Socket(u64),
    /// A pipe, by its inode.
    Pipe(u64),
    /// A terminal.
    Terminal(String),
    /// A counter by which threads wake each other.
    Event,
    /// A timer.
    Timer,
    /// A set of descriptors that are polled together.
    Epoll,
    /// A process.
    Process,
    /// Signals, changes of files and other news.
    News,
    /// A file or folder.
    File(String),
    /// A device that never waits for a disk, such as `/dev/null`.
    Device(String),
    /// Anything else, by its name.
    Other(String),
}

impl Descriptor {
    /// From the target of the link in `/proc/PID/fd`.
    pub(crate) fn named(link: &OsStr) -> Self {
        let bytes = link.as_bytes();
        let text = || link.to_string_lossy().into_owned();
        let inode = |kind: &str| {
            let digits = bytes.strip_prefix(kind.as_bytes())?;
            let digits = digits.strip_prefix(b":[")?.strip_suffix(b"]")?;
            std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
        };
        if let Some(inode) = inode("socket") {
            return Self::Socket(inode);
        }
        if let Some(inode) = inode("pipe") {
            return Self::Pipe(inode);
        }
        if let Some(kind) = bytes.strip_prefix(b"anon_inode:") {
            return match kind {
                b"[eventfd]" => Self::Event,
                b"[timerfd]" => Self::Timer,
                b"[eventpoll]" => Self::Epoll,
                b"[pidfd]" => Self::Process,
                b"[signalfd]" | b"inotify" | b"[fanotify]" => Self::News,
                _ => Self::Other(text()),
            };
        }
        if bytes.starts_with(b"pidfd:") {
            return Self::Process;
        }
        if [&b"/dev/pts/"[..], b"/dev/tty", b"/dev/console"]
            .iter()
            .any(|tty| bytes.starts_with(tty))
        {
            return Self::Terminal(text());
        }
        if bytes.starts_with(b"/dev/") && !bytes.starts_with(b"/dev/shm/") {
            return Self::Device(text());
        }
        if bytes.starts_with(b"/") {
            return Self::File(text());
        }
        Self::Other(text())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_the_kernel() {
        let named = |name: &str| Descriptor::named(OsStr::new(name));
        assert_eq!(named("socket:[123]"), Descriptor::Socket(123));
        assert_eq!(named("pipe:[7]"), Descriptor::Pipe(7));
        assert_eq!(named("anon_inode:[eventpoll]"), Descriptor::Epoll);
        assert_eq!(named("anon_inode:[eventfd]"), Descriptor::Event);
        assert_eq!(named("anon_inode:inotify"), Descriptor::News);
        assert_eq!(
            named("anon_inode:[io_uring]"),
            Descriptor::Other("anon_inode:[io_uring]".into())
        );
        assert_eq!(
            named("/dev/pts/3"),
            Descriptor::Terminal("/dev/pts/3".into())
        );
        assert_eq!(named("/dev/null"), Descriptor::Device("/dev/null".into()));
        assert_eq!(named("/dev/shm/x"), Descriptor::File("/dev/shm/x".into()));
        assert_eq!(
            named("/a b (deleted)"),
            Descriptor::File("/a b (deleted)".into())
        );
        assert_eq!(named("socket:[x]"), Descriptor::Other("socket:[x]".into()));
    }

    proptest! {
        #[test]
        fn any_name_is_something(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Descriptor::named(OsStr::from_bytes(&name));
        }
    }
}
