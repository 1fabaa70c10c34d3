//! The cgroups that a process is in, of either version.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Which of the two interfaces a group's files follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// The groups that bind a process in one respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) version: Version,
    /// Its own first, then those around it, as far up as can be seen from here.
    pub(crate) folders: Vec<PathBuf>,
}

impl Groups {
    /// Those of this process for a controller such as `memory` or `cpu`.
    pub(crate) fn of_this_process(controller: &str) -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::find(controller, &membership, &mounts)
    }

    /// Those that `/proc/PID/cgroup` and `/proc/self/mountinfo` tell of, as far as they can be seen from here.
    ///
    /// A machine may have both versions, each with controllers of its own; one that the first
    /// version has, the second has not.
    pub(crate) fn find(controller: &str, membership: &str, mounts: &str) -> Option<Self> {
        let path_of = |wanted: &dyn Fn(&str) -> bool| {
            membership.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (controllers, path) = (fields.next()?, fields.next()?);
                wanted(controllers).then_some(path)
            })
        };
        let has = |list: &str| list.split(',').any(|name| name == controller);
        let one = path_of(&has)
            .zip(Mount::find(mounts, |mount| {
                mount.kind == "cgroup" && has(mount.options)
            }))
            .map(|(path, mount)| (Version::One, mount, path));
        let two = || {
            path_of(&str::is_empty)
                .zip(Mount::find(mounts, |mount| mount.kind == "cgroup2"))
                .map(|(path, mount)| (Version::Two, mount, path))
        };
        let (version, mount, path) = one.or_else(two)?;
        Some(Self {
            version,
            folders: mount.folders(path),
        })
    }
}

/// A line of `/proc/self/mountinfo`.
struct Mount<'a> {
    /// What of the file system is mounted.
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn find(mounts: &'a str, fits: impl Fn(&Self) -> bool) -> Option<Self> {
        mounts.lines().filter_map(Self::parse).find(fits)
    }

    fn parse(line: &'a str) -> Option<Self> {
        let (ours, theirs) = line.split_once(" - ")?;
        let mut ours = ours.split(' ').skip(3);
        let mut theirs = theirs.split(' ');
        Some(Self {
            root: ours.next()?,
            point: ours.next()?,
            kind: theirs.next()?,
            options: theirs.nth(1)?,
        })
    }

    /// The folder of the group with this path and those above it. Inside a container the path may be
    /// the host's, of which only the end is mounted, or nothing.
    fn folders(&self, path: &str) -> Vec<PathBuf> {
        let point = unescaped(self.point);
        let below = Path::new(path)
            .strip_prefix(unescaped(self.root))
            .unwrap_or(Path::new(""));
        let mut folders: Vec<PathBuf> = below
            .ancestors()
            .filter(|above| !above.as_os_str().is_empty())
            .map(|above| point.join(above))
            .collect();
        folders.push(point);
        folders
    }
}

/// Blanks and backslashes stand as `\040` in the table of mounts.
fn unescaped(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERSHIP: &str = "4:memory:/a/b\n3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/u/v\n";

    fn found(controller: &str, membership: &str, mounts: &str) -> Option<(Version, Vec<String>)> {
        let groups = Groups::find(controller, membership, mounts)?;
        let text = |folder: &PathBuf| folder.display().to_string();
        Some((groups.version, groups.folders.iter().map(text).collect()))
    }

    #[allow(clippy::unnecessary_wraps, reason = "as `found` has it")]
    fn groups(version: Version, folders: &[&str]) -> Option<(Version, Vec<String>)> {
        let folders = folders.iter().map(|&folder| folder.to_owned());
        Some((version, folders.collect()))
    }

    fn one(folders: &[&str]) -> Option<(Version, Vec<String>)> {
        groups(Version::One, folders)
    }

    fn two(folders: &[&str]) -> Option<(Version, Vec<String>)> {
        groups(Version::Two, folders)
    }

    #[test]
    fn each_controller_has_its_place() {
        let mounts = "\
            30 29 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            31 30 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let memory = "/sys/fs/cgroup/memory";
        assert_eq!(
            found("memory", MEMBERSHIP, mounts),
            one(&[&format!("{memory}/a/b"), &format!("{memory}/a"), memory])
        );
        assert_eq!(
            found("cpu", MEMBERSHIP, mounts),
            one(&["/sys/fs/cgroup/cpu,cpuacct"])
        );
        let unified = "/sys/fs/cgroup/unified";
        assert_eq!(
            found("pids", MEMBERSHIP, mounts),
            two(&[&format!("{unified}/u/v"), &format!("{unified}/u"), unified])
        );
        assert_eq!(found("memory", "", mounts), None);
        assert_eq!(found("memory", MEMBERSHIP, "junk\n"), None);
    }

    #[test]
    fn a_container_sees_its_part_of_the_tree() {
        let mounts = "31 30 0:27 /docker/1a /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let seen = |path: &str| found("memory", &format!("0::{path}\n"), mounts);
        assert_eq!(
            seen("/docker/1a/job"),
            two(&["/sys/fs/cgroup/job", "/sys/fs/cgroup"])
        );
        assert_eq!(seen("/docker/1a"), two(&["/sys/fs/cgroup"]));
        assert_eq!(seen("/elsewhere"), two(&["/sys/fs/cgroup"]));
        assert_eq!(seen("/"), two(&["/sys/fs/cgroup"]));
    }

    #[test]
    fn names_with_blanks() {
        assert_eq!(unescaped(r"/a\040b\134c\9"), PathBuf::from(r"/a b\c\9"));
    }
}
