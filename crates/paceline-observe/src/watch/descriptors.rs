//! The descriptors of one process: what they are, and which of them a poll looks at.
//!
//! The sets of `poll` and `select` lie in the program's memory. Who may read `/proc/PID/syscall` may read
//! `/proc/PID/mem` too, so a poll of a single socket is told from that of an event loop.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use super::call::{Name, PollSet};
use super::descriptor::Descriptor;
use super::kernel_file::whole_text;

/// Numbers are used again: a name is taken for true no longer than this.
const NAMES_KEPT: Duration = Duration::from_millis(100);

/// Larger sets are those of an event loop, whatever is in them.
const MOST_POLLED: u64 = 64;

/// Longer names are not known to the kernel either (`PATH_MAX`).
const LONGEST_NAME: usize = 4096;

/// More descriptors are not looked through for sockets.
const MOST_SCANNED: usize = 4096;

/// What a process has open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The inodes of its sockets.
    pub(crate) sockets: Vec<u64>,
    /// The numbers of its epoll sets.
    pub(crate) epolls: Vec<u64>,
}

/// The descriptors of a process.
pub(crate) struct Descriptors {
    folder: PathBuf,
    memory: Option<File>,
    known: HashMap<u64, (Descriptor, Duration)>,
    polled: HashMap<u64, (Vec<u64>, Duration)>,
}

impl Descriptors {
    /// Of this process.
    pub(crate) fn of(pid: i32) -> Self {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        Self {
            memory: File::open(folder.join("mem")).ok(),
            folder,
            known: HashMap::new(),
            polled: HashMap::new(),
        }
    }

    /// What stands behind a number; `None` if it is closed or may not be seen.
    pub(crate) fn get(&mut self, number: u64, now: Duration) -> Option<&Descriptor> {
        let fresh = self
            .known
            .get(&number)
            .is_some_and(|(_, read)| now.saturating_sub(*read) < NAMES_KEPT);
        if !fresh {
            let link = fs::read_link(self.folder.join(format!("fd/{number}"))).ok()?;
            let descriptor = match Descriptor::named(link.as_os_str()) {
                Descriptor::File(path) => named_pipe(&path).unwrap_or(Descriptor::File(path)),
                other => other,
            };
            self.known.insert(number, (descriptor, now));
        }
        self.known.get(&number).map(|(descriptor, _)| descriptor)
    }

    /// What is known of a number is out of date.
    pub(crate) fn forget(&mut self, number: u64) {
        self.known.remove(&number);
    }

    /// Whether writes to it return when the data is safe on disk.
    pub(crate) fn writes_sync(&self, number: u64) -> bool {
        whole_text(&self.folder.join(format!("fdinfo/{number}")))
            .is_some_and(|text| opened_to_sync(&text))
    }

    /// Whether the timer behind a number will go off. Timers are set and stopped all the time: this is read
    /// each time.
    pub(crate) fn timer_is_set(&self, number: u64) -> bool {
        whole_text(&self.folder.join(format!("fdinfo/{number}")))
            .is_some_and(|text| timer_has_time_left(&text))
    }

    /// The numbers that a poll looks at; `None` if they cannot be read or are many.
    pub(crate) fn polled(&mut self, set: PollSet, now: Duration) -> Option<Vec<u64>> {
        match set {
            PollSet::Array { address, count } => {
                if count > MOST_POLLED {
                    return None;
                }
                // int fd; short events; short revents;
                let bytes = self.read_memory(address, count as usize * 8)?;
                let numbers = bytes
                    .chunks_exact(8)
                    .map(|entry| i32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]]));
                // Negative ones are left out by the kernel, too.
                Some(
                    numbers
                        .filter_map(|number| u64::try_from(number).ok())
                        .collect(),
                )
            }
            PollSet::Bits { count, read, write } => {
                let bytes = count.min(1024).div_ceil(64) as usize * 8;
                let mut numbers = Vec::new();
                for address in [read, write].into_iter().filter(|address| *address != 0) {
                    let set = self.read_memory(address, bytes)?;
                    let bits = set.iter().enumerate().flat_map(|(n, byte)| {
                        (0..8)
                            .filter(move |bit| byte >> bit & 1 == 1)
                            .map(move |bit| n as u64 * 8 + bit)
                    });
                    numbers.extend(bits.filter(|bit| *bit < count));
                }
                numbers.sort_unstable();
                numbers.dedup();
                (numbers.len() as u64 <= MOST_POLLED).then_some(numbers)
            }
            PollSet::Epoll(number) => self.in_epoll(number, now),
        }
    }

    /// The path by which a named pipe is opened; `None` if it is none, or may not be seen.
    pub(crate) fn opened_pipe(&self, name: Name) -> Option<String> {
        let path = self.read_name(name.address)?;
        let base = match name.folder {
            _ if path.is_absolute() => "root".to_owned(),
            None => "cwd".to_owned(),
            Some(number) => format!("fd/{number}"),
        };
        // As the process sees it, which may have a root of its own.
        let relative = path.strip_prefix("/").unwrap_or(&path);
        let seen = self.folder.join(base).join(relative);
        let is_pipe = fs::metadata(seen).ok()?.file_type().is_fifo();
        is_pipe.then(|| path.to_string_lossy().into_owned())
    }

    /// Looks through all of them.
    pub(crate) fn scan(&self) -> Scan {
        let mut scan = Scan::default();
        let Ok(entries) = fs::read_dir(self.folder.join("fd")) else {
            return scan;
        };
        for entry in entries.flatten().take(MOST_SCANNED) {
            let Ok(link) = fs::read_link(entry.path()) else {
                continue;
            };
            match Descriptor::named(link.as_os_str()) {
                Descriptor::Socket(inode) => scan.sockets.push(inode),
                Descriptor::Epoll => {
                    let number = entry
                        .file_name()
                        .to_str()
                        .and_then(|name| name.parse::<u64>().ok());
                    scan.epolls.extend(number);
                }
                _ => {}
            }
        }
        scan
    }

    fn read_memory(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.memory
            .as_ref()?
            .read_exact_at(&mut bytes, address)
            .ok()?;
        Some(bytes)
    }

    /// A name in the program's memory, which ends with a zero.
    fn read_name(&self, address: u64) -> Option<PathBuf> {
        let memory = self.memory.as_ref()?;
        let mut bytes = vec![0; LONGEST_NAME];
        // What comes after it may end before so many bytes.
        let read = memory.read_at(&mut bytes, address).ok()?;
        let end = bytes[..read].iter().position(|byte| *byte == 0)?;
        bytes.truncate(end);
        Some(PathBuf::from(OsString::from_vec(bytes)))
    }

    fn in_epoll(&mut self, number: u64, now: Duration) -> Option<Vec<u64>> {
        let fresh = self
            .polled
            .get(&number)
            .is_some_and(|(_, read)| now.saturating_sub(*read) < NAMES_KEPT);
        if !fresh {
            let text = whole_text(&self.folder.join(format!("fdinfo/{number}")))?;
            self.polled.insert(number, (epoll_members(&text), now));
        }
        let (members, _) = self.polled.get(&number)?;
        (members.len() as u64 <= MOST_POLLED).then(|| members.clone())
    }
}

/// A pipe with a name in the file system looks like a file by its name.
fn named_pipe(path: &str) -> Option<Descriptor> {
    let metadata = fs::metadata(path).ok()?;
    metadata
        .file_type()
        .is_fifo()
        .then(|| Descriptor::Pipe(metadata.ino()))
}

/// The lines `tfd: 7 events: 19 …` of an epoll descriptor's `fdinfo`.
fn epoll_members(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.strip_prefix("tfd:"))
        .filter_map(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .collect()
}

/// The line `flags: 02100002` of `fdinfo`, octal; `O_SYNC` contains `O_DSYNC`.
fn opened_to_sync(text: &str) -> bool {
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_DSYNC != 0)
}

/// The line `it_value: (0, 49406829)` of a timer's `fdinfo`: the time that is left, all zeros if it is not set.
fn timer_has_time_left(text: &str) -> bool {
    let left = text.lines().find_map(|line| line.strip_prefix("it_value:"));
    left.is_some_and(|left| left.contains(|c: char| matches!(c, '1'..='9')))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn own() -> Descriptors {
        Descriptors::of(std::process::id().cast_signed())
    }

    #[test]
    fn names_the_descriptors_of_a_process() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        let number = one.as_raw_fd() as u64;
        let mut descriptors = own();
        let Some(Descriptor::Socket(inode)) = descriptors.get(number, Duration::ZERO).cloned()
        else {
            panic!("a socket");
        };
        assert!(descriptors.scan().sockets.contains(&inode));
        assert_eq!(descriptors.get(1 << 30, Duration::ZERO), None);
    }

    /// A named pipe in a folder of its own, if this machine can make one.
    fn fifo() -> Option<(tempfile::TempDir, PathBuf)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        if made.is_ok_and(|status| status.success()) {
            return Some((folder, path));
        }
        println!("not tested: no mkfifo");
        None
    }

    #[test]
    fn a_pipe_that_is_opened_has_its_name_in_memory() {
        let Some((folder, path)) = fifo() else {
            return;
        };
        let opened = |folder: Option<u64>, name: &str| {
            let bytes = std::ffi::CString::new(name).expect("a name");
            own().opened_pipe(Name {
                folder,
                address: bytes.as_ptr() as u64,
            })
        };
        let path = path.to_str().expect("a name");
        assert_eq!(opened(None, path), Some(path.to_owned()));
        let open = File::open(folder.path()).expect("opens");
        let number = Some(open.as_raw_fd() as u64);
        assert_eq!(opened(number, "fifo"), Some("fifo".to_owned()));
        assert_eq!(opened(number, "none"), None);
        assert_eq!(opened(None, "/etc/passwd"), None);
        let nowhere = Name {
            folder: None,
            address: 8,
        };
        assert_eq!(own().opened_pipe(nowhere), None);
    }

    #[test]
    fn a_pipe_with_a_name_is_a_pipe() {
        let Some((_folder, path)) = fifo() else {
            return;
        };
        let mut options = fs::OpenOptions::new();
        // Open at both ends, so that opening does not wait.
        let file = options.read(true).write(true).open(&path).expect("opens");
        let number = file.as_raw_fd() as u64;
        let seen = own().get(number, Duration::ZERO).cloned();
        assert!(matches!(seen, Some(Descriptor::Pipe(_))), "{seen:?}");
    }

    #[test]
    fn reads_the_sets_of_polls_from_memory() {
        let mut descriptors = own();
        let array: [[i32; 2]; 3] = [[5, 1], [-1, 1], [9, 4]];
        let set = PollSet::Array {
            address: array.as_ptr() as u64,
            count: 3,
        };
        assert_eq!(descriptors.polled(set, Duration::ZERO), Some(vec![5, 9]));

        let bits: [u64; 2] = [1 << 3 | 1 << 63, 1];
        let set = PollSet::Bits {
            count: 65,
            read: bits.as_ptr() as u64,
            write: 0,
        };
        assert_eq!(
            descriptors.polled(set, Duration::ZERO),
            Some(vec![3, 63, 64])
        );

        let nowhere = PollSet::Array {
            address: 8,
            count: 1,
        };
        assert_eq!(descriptors.polled(nowhere, Duration::ZERO), None);
    }

    #[test]
    fn knows_files_whose_writes_sync() {
        use std::os::unix::fs::OpenOptionsExt;
        let file = tempfile::NamedTempFile::new().expect("a file");
        let open = |flags| {
            let mut options = fs::OpenOptions::new();
            options
                .write(true)
                .custom_flags(flags)
                .open(file.path())
                .expect("opens")
        };
        let (plain, sync) = (open(0), open(libc::O_DSYNC));
        assert!(!own().writes_sync(plain.as_raw_fd() as u64));
        assert!(own().writes_sync(sync.as_raw_fd() as u64));
    }

    #[test]
    fn a_timer_is_set_while_time_is_left() {
        let info = |left: &str| {
            format!(
                "pos:\t0\nclockid: 1\nticks: 7\nsettime flags: 01\nit_value: {left}\nit_interval: (1, 0)\n"
            )
        };
        assert!(timer_has_time_left(&info("(0, 49406829)")));
        assert!(timer_has_time_left(&info("(60, 0)")));
        assert!(!timer_has_time_left(&info("(0, 0)")));
        assert!(!timer_has_time_left("it_interval: (1, 0)\n"));
        assert!(!own().timer_is_set(1 << 30));
    }

    #[test]
    fn reads_the_members_of_an_epoll_set() {
        let text = "pos:\t0\nflags:\t02\ntfd:        5 events:       19 data: 5  pos:0\ntfd: 12 events: 1\n";
        assert_eq!(epoll_members(text), [5, 12]);
    }
}
