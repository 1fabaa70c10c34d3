//! Finding and signalling whole trees of processes.

use std::collections::HashMap;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A process as `/proc/PID/stat` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// It has ended, and all its threads with it.
    pub(crate) is_zombie: bool,
    /// When it was started, in ticks since the machine was: tells it from later ones of this number.
    pub(crate) started: u64,
}

/// All processes that can be seen.
pub(crate) fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

/// One process, if it is there.
pub(crate) fn process(pid: i32) -> Option<Process> {
    parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The name, in parentheses, may hold anything, parentheses and newlines included: what follows the
/// last one is what counts.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let pid = std::str::from_utf8(stat.split(|b| *b == b' ').next()?)
        .ok()?
        .parse()
        .ok()?;
    let after_name = &stat[memchr::memrchr(b')', stat)? + 1..];
    let mut fields = std::str::from_utf8(after_name)
        .ok()?
        .split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let threads = fields.nth(14).map_or(Ok(1), str::parse::<u64>).ok()?;
    let started = fields.nth(1).map_or(Ok(0), str::parse).ok()?;
    Some(Process {
        pid,
        // The first thread may be gone while others run.
        is_zombie: matches!(state, "Z" | "X") && threads <= 1,
        parent,
        group,
        started,
    })
}

/// The living descendants of a process, itself left out, parents before children.
pub(crate) fn descendants(of: i32) -> Vec<i32> {
    descendants_among(&processes(), &[of])
}

/// The living descendants of any of `of`, which are themselves left out.
pub(crate) fn descendants_among(all: &[Process], of: &[i32]) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut frontier = of.to_vec();
    while let Some(parent) = frontier.pop() {
        // Removing them as they are visited ends the walk even on an inconsistent picture.
        for child in children.remove(&parent).unwrap_or_default() {
            frontier.push(child.pid);
            if !child.is_zombie {
                found.push(child.pid);
            }
        }
    }
    found
}

/// Signals every process of a group. One that is gone needs no signal.
pub(crate) fn signal_group(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        let _ = kill_process_group(group, signal);
    }
}

/// Signals a process. One that is gone needs no signal.
pub(crate) fn signal_process(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_that_look_like_the_rest() {
        assert_eq!(
            parse_stat(b"42 (a) Z 1 (b) R\n) S 7 8 9 0\n"),
            Some(Process {
                pid: 42,
                parent: 7,
                group: 8,
                is_zombie: false,
                started: 0,
            })
        );
        let whole = |threads: u32| {
            format!("42 (a) Z 7 8 8 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 {threads} 0 5000 0 0\n")
        };
        let ended = |threads| parse_stat(whole(threads).as_bytes()).expect("reads");
        assert_eq!((ended(1).is_zombie, ended(1).started), (true, 5000));
        assert!(!ended(2).is_zombie, "only its first thread has ended");
        assert_eq!(parse_stat(b"garbage"), None);
        assert_eq!(parse_stat(b"1 (x) S"), None);
    }

    #[test]
    fn walks_down_from_a_process() {
        let process = |pid, parent| Process {
            pid,
            parent,
            group: 1,
            is_zombie: pid == 5,
            started: 0,
        };
        let all = [
            process(2, 1),
            process(3, 2),
            process(4, 3),
            process(5, 2),
            process(6, 5),
            process(9, 1),
        ];
        let mut found = descendants_among(&all, &[2]);
        found.sort_unstable();
        assert_eq!(found, [3, 4, 6]);
    }

    #[test]
    fn sees_this_process() {
        let ours = std::process::id().cast_signed();
        assert!(processes().iter().any(|p| p.pid == ours));
    }
}
