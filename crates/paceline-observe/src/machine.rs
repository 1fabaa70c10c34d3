//! Cores and memory that this process may use.

use std::fs;
use std::path::PathBuf;

/// Cores that this process may use: its affinity and its cgroup's quota, not the host's count.
pub fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// Where to read how much memory is left.
#[derive(Clone, Debug)]
pub struct Memory {
    total_bytes: u64,
    group: Option<Group>,
}

/// A cgroup with a memory limit.
#[derive(Clone, Debug)]
struct Group {
    limit_bytes: u64,
    usage: PathBuf,
    stat: PathBuf,
    /// The name in `stat` of file pages that are given back when needed.
    reclaimable: &'static str,
}

impl Memory {
    /// Looks at the machine and at the cgroup, v1 or v2, that this process is in.
    pub fn of_this_process() -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total_bytes = field_kib(&meminfo, "MemTotal:").unwrap_or(u64::MAX / 2048) * 1024;
        let group = tightest_group().filter(|group| group.limit_bytes < total_bytes);
        Self { total_bytes, group }
    }

    /// What all processes may take together, in bytes: the cgroup's limit or the machine's memory.
    pub fn limit_bytes(&self) -> u64 {
        self.group
            .as_ref()
            .map_or(self.total_bytes, |group| group.limit_bytes)
    }

    /// What new processes could still take, in bytes.
    pub fn available_bytes(&self) -> u64 {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let machine =
            field_kib(&meminfo, "MemAvailable:").map_or(self.total_bytes, |kib| kib * 1024);
        let group = self
            .group
            .as_ref()
            .and_then(Group::available_bytes)
            .unwrap_or(u64::MAX);
        machine.min(group)
    }
}

impl Group {
    fn available_bytes(&self) -> Option<u64> {
        let used: u64 = fs::read_to_string(&self.usage).ok()?.trim().parse().ok()?;
        let stat = fs::read_to_string(&self.stat).unwrap_or_default();
        let reclaimable = stat
            .lines()
            .find_map(|line| {
                line.strip_prefix(self.reclaimable)?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .unwrap_or(0);
        Some(
            self.limit_bytes
                .saturating_sub(used.saturating_sub(reclaimable)),
        )
    }
}

/// The least limit on the way from our cgroup up to the root.
fn tightest_group() -> Option<Group> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut groups = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let v2 = controllers.is_empty();
        if !v2
            && !controllers
                .split(',')
                .any(|controller| controller == "memory")
        {
            continue;
        }
        let (root, limit, usage, reclaimable) = if v2 {
            (
                "/sys/fs/cgroup",
                "memory.max",
                "memory.current",
                "inactive_file ",
            )
        } else {
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file ",
            )
        };
        // Inside a container the path may be the host's, and the root is what is mounted.
        let mut folder = PathBuf::from(format!("{root}{path}"));
        loop {
            let limit_bytes = fs::read_to_string(folder.join(limit))
                .ok()
                .and_then(|text| text.trim().parse().ok());
            if let Some(limit_bytes) = limit_bytes {
                groups.push(Group {
                    limit_bytes,
                    usage: folder.join(usage),
                    stat: folder.join("memory.stat"),
                    reclaimable,
                });
            }
            if folder.as_os_str() == root || !folder.pop() {
                break;
            }
        }
    }
    groups.into_iter().min_by_key(|group| group.limit_bytes)
}

fn field_kib(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_machine() {
        let memory = Memory::of_this_process();
        assert!(memory.limit_bytes() > 1 << 20);
        assert!(memory.available_bytes() > 0);
        assert!(cores() >= 1.0);
    }

    #[test]
    fn reads_fields() {
        assert_eq!(
            field_kib("MemTotal:  12 kB\nMemAvailable:   7 kB\n", "MemAvailable:"),
            Some(7)
        );
        assert_eq!(field_kib("MemTotal: x kB\n", "MemTotal:"), None);
    }
}
