//! Which threads and cores there are to be watched.

use std::collections::HashSet;
use std::fs;
use std::num::NonZero;
use std::ops::ControlFlow;

/// Visits the threads of a process and of all below it, each once.
pub(super) fn each_thread<B>(
    root: i32,
    seen: &mut HashSet<i32>,
    mut visit: impl FnMut(i32) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut processes = vec![root];
    while let Some(pid) = processes.pop() {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let name = thread.file_name();
            let Some(tid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if seen.insert(tid) {
                visit(tid)?;
            }
            // After the visit: what it makes later is inherited, what it made before is read here.
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            processes.extend(
                children
                    .split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            );
        }
    }
    ControlFlow::Continue(())
}

/// The numbers of the cores that are switched on.
pub(super) fn cores() -> Vec<u32> {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let cores = parse_list(online.trim());
    if cores.is_empty() {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get);
        return (0..count as u32).collect();
    }
    cores
}

/// Of the form "0-3,8"; nothing if it is of another.
fn parse_list(text: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) if last < MOST_CORES => numbers.extend(first..=last),
            _ => return Vec::new(),
        }
    }
    numbers
}

/// Linux's own limit.
const MOST_CORES: u32 = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_have_ranges_and_gaps() {
        assert_eq!(parse_list("0"), [0]);
        assert_eq!(parse_list("0-1"), [0, 1]);
        assert_eq!(parse_list("0-2,5,8-9"), [0, 1, 2, 5, 8, 9]);
        for broken in ["", "a", "0-", "-1", "0-99999999", "1,,2"] {
            assert_eq!(parse_list(broken), [0_u32; 0], "{broken}");
        }
        assert!(!cores().is_empty());
    }

    #[test]
    fn a_thread_is_visited_once() {
        let pid = std::process::id() as i32;
        let mut seen = HashSet::new();
        let mut visited = Vec::new();
        for _ in 0..2 {
            let _: ControlFlow<()> = each_thread(pid, &mut seen, |tid| {
                visited.push(tid);
                ControlFlow::Continue(())
            });
        }
        assert!(visited.contains(&pid));
        assert_eq!(visited.len(), seen.len());
    }
}
