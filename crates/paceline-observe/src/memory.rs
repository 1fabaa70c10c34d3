//! Memory that this process and its children may use.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::cgroup::{Groups, Version};

/// Where to read how much memory is left, held open: a reading takes some ten microseconds.
#[derive(Debug)]
pub struct Memory {
    total_bytes: u64,
    meminfo: Option<File>,
    groups: Vec<Group>,
}

/// How many processes the kernel has killed since it started because memory ran out, of the whole
/// machine and of all cgroups; 0 if it does not say.
pub fn out_of_memory_kills() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

/// What these files hold; the longest has some 2 KiB.
type Text = [u8; 8192];

impl Memory {
    /// Looks at the machine and at the cgroups, v1 or v2, that this process is in.
    pub fn of_this_process() -> Self {
        let meminfo = File::open("/proc/meminfo").ok();
        let mut text: Text = [0; 8192];
        let total_bytes = meminfo
            .as_ref()
            .and_then(|file| read(file, &mut text))
            .and_then(|text| field(text, "MemTotal:"))
            .map_or(u64::MAX / 2, |kib| kib * 1024);
        let groups = Groups::of_this_process("memory").map_or_else(Vec::new, |groups| {
            let open = |folder| Group::open(folder, groups.version);
            groups.folders.iter().filter_map(|f| open(f)).collect()
        });
        Self {
            total_bytes,
            meminfo,
            groups,
        }
    }

    /// What all processes may take together, in bytes: the least of the machine's memory and the
    /// limits of all cgroups around us. Limits may be changed while we run.
    pub fn limit_bytes(&self) -> u64 {
        let limits = self.groups.iter().filter_map(Group::limit_bytes);
        limits.fold(self.total_bytes, u64::min)
    }

    /// What new processes could still take, in bytes, where no limit allows less: the contents of
    /// files that are held in memory count as free, since they give way.
    pub fn available_bytes(&self) -> u64 {
        let mut text: Text = [0; 8192];
        let machine = self
            .meminfo
            .as_ref()
            .and_then(|file| read(file, &mut text))
            .and_then(|text| field(text, "MemAvailable:"))
            .map_or(self.total_bytes, |kib| kib * 1024);
        let groups = self
            .groups
            .iter()
            .filter_map(|group| group.available_bytes(self.total_bytes));
        groups.fold(machine, u64::min)
    }
}

/// A cgroup with memory of its own account.
#[derive(Debug)]
struct Group {
    /// Each holds a limit, or says that there is none.
    limits: Vec<File>,
    usage: File,
    stat: File,
    /// The fields in `stat` of what is given back when it is needed, and of what of that is not:
    /// it has yet to be written.
    given_back: &'static [&'static str],
    unwritten: &'static [&'static str],
}

impl Group {
    /// `None` where there is nothing to read, as in the topmost group of version 2.
    fn open(folder: &Path, version: Version) -> Option<Self> {
        let open = |name: &str| File::open(folder.join(name)).ok();
        let (limits, usage): (&[&str], &str) = match version {
            Version::One => (&["memory.limit_in_bytes"], "memory.usage_in_bytes"),
            // Above `high` jobs are slowed until they stand still: the end of what can be used too.
            Version::Two => (&["memory.max", "memory.high"], "memory.current"),
        };
        let (given_back, unwritten): (&[&str], &[&str]) = match version {
            // The sums over the groups below, as the usage is.
            Version::One => (
                &["total_inactive_file ", "total_active_file "],
                &["total_dirty ", "total_writeback "],
            ),
            Version::Two => (
                &["inactive_file ", "active_file ", "slab_reclaimable "],
                &["file_dirty ", "file_writeback "],
            ),
        };
        Some(Self {
            limits: limits.iter().filter_map(|name| open(name)).collect(),
            usage: open(usage)?,
            stat: open("memory.stat")?,
            given_back,
            unwritten,
        })
    }

    /// The limit in force, if there is one: version 1 says so with a huge number.
    fn limit_bytes(&self) -> Option<u64> {
        let limits = self.limits.iter();
        limits
            .filter_map(number)
            .min()
            .filter(|limit| *limit < u64::MAX / 4)
    }

    fn available_bytes(&self, total_bytes: u64) -> Option<u64> {
        // The long file is read only where there is a limit to keep.
        let limit = self.limit_bytes().filter(|limit| *limit < total_bytes)?;
        let used = number(&self.usage)?;
        let mut text: Text = [0; 8192];
        let stat = read(&self.stat, &mut text).unwrap_or_default();
        let sum = |names: &[&str]| names.iter().filter_map(|name| field(stat, name)).sum();
        let given_back = u64::saturating_sub(sum(self.given_back), sum(self.unwritten));
        Some(limit.saturating_sub(used.saturating_sub(given_back)))
    }
}

/// The text of one of the kernel's files, as far as it fits.
fn read<'a>(file: &File, text: &'a mut [u8]) -> Option<&'a str> {
    let length = file.read_at(text, 0).ok()?;
    std::str::from_utf8(&text[..length]).ok()
}

fn number(file: &File) -> Option<u64> {
    read(file, &mut [0; 64])?.trim().parse().ok()
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn reads_this_machine() {
        let memory = Memory::of_this_process();
        assert!(memory.limit_bytes() > 1 << 20);
        assert!(memory.available_bytes() > 0);
        assert!(memory.available_bytes() <= memory.total_bytes);
    }

    #[test]
    fn reads_fields() {
        let text = "MemTotal:  12 kB\nMemAvailable:   7 kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(7));
        assert_eq!(field("MemTotal: x kB\n", "MemTotal:"), None);
        let stat = "file 3\ninactive_file 5\nactive_file 6\n";
        assert_eq!(field(stat, "active_file "), Some(6));
    }

    fn group(version: Version, files: &[(&str, &str)]) -> Group {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("writes");
        }
        Group::open(folder.path(), version).expect("opens")
    }

    #[test]
    fn a_group_of_version_1() {
        let stat = "inactive_file 1\ntotal_dirty 4\ntotal_inactive_file 20\ntotal_active_file 10\n";
        let files = |limit| {
            [
                ("memory.limit_in_bytes", limit),
                ("memory.usage_in_bytes", "70\n"),
                ("memory.stat", stat),
            ]
        };
        let limited = group(Version::One, &files("100\n"));
        assert_eq!(limited.limit_bytes(), Some(100));
        assert_eq!(limited.available_bytes(1 << 20), Some(100 - (70 - 26)));
        let unlimited = group(Version::One, &files("9223372036854771712\n"));
        assert_eq!(unlimited.limit_bytes(), None);
        assert_eq!(unlimited.available_bytes(u64::MAX), None);
        let above_the_machine = group(Version::One, &files("5000\n"));
        assert_eq!(above_the_machine.available_bytes(4000), None);
    }

    #[test]
    fn a_group_of_version_2() {
        let stat = "file_dirty 0\ninactive_file 5\nactive_file 6\nslab_reclaimable 7\n";
        let files = |max, high| {
            [
                ("memory.max", max),
                ("memory.high", high),
                ("memory.current", "60\n"),
                ("memory.stat", stat),
            ]
        };
        let of = |max, high| group(Version::Two, &files(max, high));
        assert_eq!(of("100\n", "max\n").limit_bytes(), Some(100));
        assert_eq!(of("100\n", "80\n").available_bytes(1 << 20), Some(80 - 42));
        assert_eq!(of("max\n", "max\n").limit_bytes(), None);
        assert_eq!(of("30\n", "max\n").available_bytes(1 << 20), Some(0));
    }
}
