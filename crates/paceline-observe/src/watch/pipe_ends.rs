//! Who is at the other end of a pipe, among the processes under observation.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use super::descriptor::Descriptor;

/// Who has just been made still holds pipes that are meant for others …
const FIRST: Duration = Duration::from_millis(30);
/// … but looking through all descriptors of all processes is dear, and pipes live long.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// More descriptors are not looked through.
const MOST_SCANNED: usize = 4096;

/// The pipes of the processes.
#[derive(Default)]
pub(crate) struct PipeEnds {
    holders: HashMap<u64, Vec<i32>>,
    names: HashMap<i32, String>,
    /// When to look again, and after how long the next time.
    due: Duration,
    pause: Duration,
}

impl PipeEnds {
    /// The processes that there are, with their names.
    pub(crate) fn set_processes<'a>(&mut self, processes: impl Iterator<Item = (i32, &'a str)>) {
        let before = self.names.len();
        let mut same = 0;
        let mut now = HashMap::with_capacity(before);
        for (pid, name) in processes {
            same += usize::from(self.names.get(&pid).is_some_and(|known| known == name));
            now.insert(pid, name.to_owned());
        }
        if same != before || now.len() != before {
            self.names = now;
            self.due = Duration::ZERO;
            self.pause = FIRST;
        }
    }

    /// A process other than this one that holds the pipe open.
    pub(crate) fn beyond(&mut self, inode: u64, pid: i32, now: Duration) -> Option<String> {
        if now < self.due {
            return self.other(inode, pid);
        }
        self.due = now + self.pause;
        self.pause = (self.pause * 2).min(LOOK_AGAIN);
        self.holders.clear();
        for &holder in self.names.keys() {
            for inode in pipes_of(holder) {
                let holders = self.holders.entry(inode).or_default();
                if !holders.contains(&holder) {
                    holders.push(holder);
                }
            }
        }
        self.other(inode, pid)
    }

    fn other(&self, inode: u64, pid: i32) -> Option<String> {
        let mut others: Vec<i32> = self.holders.get(&inode)?.clone();
        // A shell that set the pipe up holds it too for a moment; those at work were started later.
        others.sort_unstable();
        let other = others.into_iter().rev().find(|holder| *holder != pid)?;
        self.names.get(&other).cloned()
    }
}

fn pipes_of(pid: i32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .take(MOST_SCANNED)
        .filter_map(|entry| {
            let link = fs::read_link(entry.path()).ok()?;
            match Descriptor::named(link.as_os_str()) {
                Descriptor::Pipe(inode) => Some(inode),
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn finds_the_child_at_the_other_end() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let own = std::process::id().cast_signed();
        let pid = child.id().cast_signed();
        let inode = *pipes_of(pid).first().expect("a pipe");
        let mut ends = PipeEnds::default();
        ends.set_processes([(own, "me"), (pid, "cat")].into_iter());
        assert_eq!(
            ends.beyond(inode, own, Duration::ZERO).as_deref(),
            Some("cat")
        );
        assert_eq!(
            ends.beyond(inode, pid, Duration::ZERO).as_deref(),
            Some("me")
        );
        assert_eq!(ends.beyond(1, pid, Duration::ZERO), None);
        child.kill().expect("is ours");
        child.wait().expect("ends");
    }
}
