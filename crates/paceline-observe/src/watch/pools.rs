//! Which threads were made for the same work.
//!
//! Nothing in the kernel says so. Threads of one process with the same name but for its digits are taken for a
//! pool, and so are processes of one name that one process has started.

use std::collections::HashMap;

/// What is known of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) pid: i32,
    pub(crate) tid: i32,
    pub(crate) parent: i32,
    pub(crate) name: &'a str,
}

/// The pool of each thread, in their order. Main threads are in one only with those of sister processes.
pub(crate) fn pools(members: &[Member<'_>]) -> Vec<Option<usize>> {
    let mut sizes: HashMap<(bool, i32, String), usize> = HashMap::new();
    let keys: Vec<_> = members
        .iter()
        .map(|member| {
            let main = member.pid == member.tid;
            let owner = if main { member.parent } else { member.pid };
            (main, owner, stem(member.name))
        })
        .collect();
    for key in &keys {
        *sizes.entry(key.clone()).or_default() += 1;
    }
    let mut numbers = HashMap::new();
    keys.into_iter()
        .map(|key| {
            let (main, owner, _) = key;
            // Processes whose parent is not watched have nothing in common.
            if main && (owner == 0 || sizes.get(&key).is_none_or(|size| *size < 2)) {
                return None;
            }
            let next = numbers.len();
            Some(*numbers.entry(key).or_insert(next))
        })
        .collect()
}

fn stem(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: i32, tid: i32, parent: i32, name: &str) -> Member<'_> {
        Member {
            pid,
            tid,
            parent,
            name,
        }
    }

    #[test]
    fn threads_of_one_name_are_a_pool() {
        let pools = pools(&[
            member(1, 1, 0, "app"),
            member(1, 2, 0, "worker-1"),
            member(1, 3, 0, "worker-12"),
            member(1, 4, 0, "logger"),
            member(9, 10, 1, "worker-1"),
        ]);
        assert_eq!(pools[0], None);
        assert!(pools[1].is_some() && pools[1] == pools[2]);
        assert!(pools[3].is_some() && pools[3] != pools[1]);
        assert!(pools[4].is_some() && pools[4] != pools[1]);
    }

    #[test]
    fn sister_processes_are_a_pool_and_an_only_child_is_not() {
        let pools = pools(&[
            member(1, 1, 0, "python3"),
            member(2, 2, 1, "python3"),
            member(3, 3, 1, "python3"),
            member(4, 4, 3, "python3"),
        ]);
        assert_eq!((pools[0], pools[3]), (None, None));
        assert!(pools[1].is_some() && pools[1] == pools[2]);
    }
}
