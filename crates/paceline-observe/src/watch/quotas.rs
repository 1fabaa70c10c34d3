//! For how long the quotas of control groups have held a program.
//!
//! A program may enter a group after watching has begun (a launcher that moves itself and then becomes the
//! program), and its processes may be in different ones: which groups bind it is asked again and again. Each
//! group counts from when it was first met; a quota further up holds what is below, so those above count too.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::kernel_file::whole_text;
use crate::cgroup::{Groups, Version};
use crate::cores::quota_of;

/// Groups that are kept in mind at most: a program that makes one for each job is not followed for ever.
const MOST_GROUPS: usize = 64;

/// The groups that the program was seen in, and those above them.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    groups: Vec<Group>,
    /// What the memberships said, with the least quota in each, and the mounts that give them a place.
    known: Vec<(String, f64)>,
    mounts: String,
    /// The least quota that bound the process itself when it was last asked, if one did.
    least: Option<f64>,
}

#[derive(Debug)]
struct Group {
    folder: PathBuf,
    version: Version,
    /// What it had counted when it was met, and when it could last be read.
    base: Duration,
    last: Duration,
}

impl Quotas {
    /// With the mounts that are there now.
    pub(crate) fn new() -> Self {
        Self {
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Reads the groups of the process itself and of others, and what all groups have counted.
    pub(crate) fn look(&mut self, itself: Option<i32>, others: impl Iterator<Item = i32>) {
        if let Some(pid) = itself
            && let Some(least) = self.ask(pid)
        {
            self.least = least.is_finite().then_some(least);
        }
        for pid in others {
            self.ask(pid);
        }
        for group in &mut self.groups {
            if let Some(now) = throttled(&group.folder, group.version) {
                group.last = now;
            }
        }
    }

    /// The least quota of the groups around the process itself, in cores.
    pub(crate) fn least(&self) -> Option<f64> {
        self.least
    }

    /// Time for which quotas have held threads since, by the group that was held longest.
    pub(crate) fn throttled(&self) -> Duration {
        // A group's time is within that of those around it only if they have quotas of their own.
        let times = self.groups.iter();
        times
            .map(|group| group.last.saturating_sub(group.base))
            .max()
            .unwrap_or_default()
    }

    /// The least quota of a process's groups, infinite if they have none; `None` if the process is gone.
    fn ask(&mut self, pid: i32) -> Option<f64> {
        let membership = whole_text(Path::new(&format!("/proc/{pid}/cgroup")))?;
        if let Some((_, least)) = self.known.iter().find(|(known, _)| *known == membership) {
            return Some(*least);
        }
        let least = self.enter(&membership);
        if self.known.len() < MOST_GROUPS {
            self.known.push((membership, least));
        }
        Some(least)
    }

    /// Follows the groups that have a quota. Says which is the least.
    fn enter(&mut self, membership: &str) -> f64 {
        let mut least = f64::INFINITY;
        let Some(groups) = Groups::find("cpu", membership, &self.mounts) else {
            return least;
        };
        for folder in groups.folders {
            let Some(quota) = quota_of(&folder, groups.version) else {
                continue;
            };
            least = least.min(quota);
            let known = self.groups.iter().any(|group| group.folder == folder);
            if known || self.groups.len() >= MOST_GROUPS {
                continue;
            }
            let base = throttled(&folder, groups.version).unwrap_or_default();
            self.groups.push(Group {
                folder,
                version: groups.version,
                base,
                last: base,
            });
        }
        least
    }
}

fn throttled(folder: &Path, version: Version) -> Option<Duration> {
    throttled_in(&whole_text(&folder.join("cpu.stat"))?, version)
}

fn throttled_in(text: &str, version: Version) -> Option<Duration> {
    let (name, unit): (_, fn(u64) -> Duration) = match version {
        Version::One => ("throttled_time ", Duration::from_nanos),
        Version::Two => ("throttled_usec ", Duration::from_micros),
    };
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok().map(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_tell_of_throttling() {
        let one = "nr_periods 5\nnr_throttled 2\nthrottled_time 1500000\n";
        let two = "usage_usec 7\nnr_throttled 2\nthrottled_usec 1500\n";
        let time = Some(Duration::from_micros(1500));
        assert_eq!(throttled_in(one, Version::One), time);
        assert_eq!(throttled_in(two, Version::Two), time);
        assert_eq!(throttled_in("usage_usec 7\n", Version::Two), None);
    }

    /// A hierarchy of version 2 in a folder of its own.
    struct Hierarchy {
        root: tempfile::TempDir,
    }

    impl Hierarchy {
        /// Groups with their quotas in milliseconds of a tenth of a second.
        fn with(groups: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().expect("a folder");
            for (group, quota) in groups {
                let folder = root.path().join(group);
                fs::create_dir_all(&folder).expect("a group");
                fs::write(folder.join("cpu.max"), format!("{quota} 100000\n")).expect("writes");
            }
            Self { root }
        }

        fn counts(&self, group: &str, us: u64) {
            let text = format!("nr_throttled 1\nthrottled_usec {us}\n");
            fs::write(self.root.path().join(group).join("cpu.stat"), text).expect("writes");
        }

        fn quotas(&self) -> Quotas {
            let place = self.root.path().display();
            Quotas {
                mounts: format!("31 30 0:27 / {place} rw - cgroup2 cgroup rw\n"),
                ..Quotas::default()
            }
        }
    }

    #[test]
    fn a_group_counts_from_when_it_is_met_and_after_it_is_gone() {
        let tree = Hierarchy::with(&[("a/b", "30000")]);
        tree.counts("a/b", 100);
        let mut quotas = tree.quotas();
        assert!((quotas.enter("0::/a/b\n") - 0.3).abs() < 1e-9);
        assert_eq!(quotas.throttled(), Duration::ZERO);
        tree.counts("a/b", 350);
        quotas.look(None, std::iter::empty());
        assert_eq!(quotas.throttled(), Duration::from_micros(250));
        fs::remove_dir_all(tree.root.path().join("a")).expect("removes");
        quotas.look(None, std::iter::empty());
        assert_eq!(quotas.throttled(), Duration::from_micros(250));
    }

    #[test]
    fn a_quota_further_up_holds_what_is_below() {
        let tree = Hierarchy::with(&[("a", "150000"), ("a/b", "max")]);
        tree.counts("a", 1000);
        tree.counts("a/b", 0);
        let mut quotas = tree.quotas();
        assert!((quotas.enter("0::/a/b\n") - 1.5).abs() < 1e-9);
        tree.counts("a", 5000);
        quotas.look(None, std::iter::empty());
        assert_eq!(quotas.throttled(), Duration::from_millis(4));
    }

    #[test]
    fn its_own_groups_can_be_asked_for() {
        let mut quotas = Quotas::new();
        let own = std::process::id().cast_signed();
        quotas.look(Some(own), [own, i32::MAX].into_iter());
        assert_eq!(quotas.known.len(), 1);
    }
}
