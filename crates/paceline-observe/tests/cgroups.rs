//! What a cgroup allows is what is seen from inside it. Needs the right to make cgroups of version 1
//! or 2; without it, these tests say so and check nothing.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use paceline_observe::{Memory, cores};

const MIB: u64 = 1 << 20;

/// A cgroup that is removed at the end.
struct Group(PathBuf);

impl Group {
    /// A new one in that of this process, which has a folder for this controller. `None` if that is
    /// not permitted.
    fn new(controller: &str, name: &str) -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap();
        let path_of = |wanted: &str| {
            membership.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let has = fields.next()?.split(',').any(|one| one == wanted);
                has.then(|| fields.next().unwrap_or("/").to_owned())
            })
        };
        let folder = match (path_of(controller), path_of("")) {
            (Some(path), _) => format!("/sys/fs/cgroup/{controller}{path}"),
            (None, Some(path)) => format!("/sys/fs/cgroup{path}"),
            (None, None) => return None,
        };
        Self::below(Path::new(&folder), name)
    }

    fn below(folder: &Path, name: &str) -> Option<Self> {
        let path = folder.join(format!("paceline-test-{}-{name}", std::process::id()));
        if let Err(error) = fs::create_dir(&path) {
            println!("skipped: no cgroup {} can be made: {error}", path.display());
            return None;
        }
        Some(Self(path))
    }

    /// Sets a limit: the file of version 1 and its value, and those of version 2.
    fn set(&self, one: (&str, String), two: (&str, String)) -> Option<()> {
        for (file, value) in [one, two] {
            if self.0.join(file).exists() {
                return fs::write(self.0.join(file), value).ok();
            }
        }
        println!("skipped: {} has no such limit", self.0.display());
        None
    }

    fn limit_memory(&self, mib: u64) -> Option<()> {
        let bytes = (mib * MIB).to_string();
        self.set(
            ("memory.limit_in_bytes", bytes.clone()),
            ("memory.max", bytes),
        )
    }

    fn limit_cores(&self, cores: f64) -> Option<()> {
        let quota = (cores * 100_000.0) as u64;
        self.set(
            ("cpu.cfs_quota_us", quota.to_string()),
            ("cpu.max", format!("{quota} 100000")),
        )
    }

    /// Runs this test program in the group, as `inside` with `task`.
    fn start(&self, task: &str) -> Child {
        Command::new("/bin/sh")
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.0.join("cgroup.procs"))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "inside", "--nocapture"])
            .env("PACELINE_TEST_TASK", task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Cores, memory limit and available memory as they are seen inside.
    fn seen(&self) -> (f64, u64, u64) {
        let output = self.start("look").wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("seen "));
        let fields: Vec<&str> = line.expect(&text).split(' ').collect();
        (
            fields[0].parse().unwrap(),
            fields[1].parse().unwrap(),
            fields[2].parse().unwrap(),
        )
    }

    /// Something in the group that holds memory until it is dropped.
    fn holding(&self, what: &str) -> Holder {
        let mut child = self.start(what);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let holds = lines.any(|line| line.unwrap() == "holds");
        assert!(holds, "it holds {what}");
        Holder(child, lines)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let gone = fs::remove_dir(&self.0);
        assert!(gone.is_ok() || std::thread::panicking(), "{gone:?}");
    }
}

/// Its output stays open: it has more to say at its end.
struct Holder(Child, Lines<BufReader<ChildStdout>>);

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.1.by_ref().for_each(drop);
        let _ = self.0.wait();
    }
}

/// Not a test: what runs inside of a group.
#[test]
fn inside() {
    let Ok(task) = std::env::var("PACELINE_TEST_TASK") else {
        return;
    };
    let hold = || {
        println!("\nholds");
        std::io::stdout().flush().unwrap();
        let _ = std::io::stdin().read(&mut [0]);
    };
    match task.split_once(' ') {
        Some(("memory", mib)) => {
            let held = vec![1_u8; mib.parse::<usize>().unwrap() * MIB as usize];
            hold();
            drop(held);
        }
        Some(("file", path)) => {
            let mut file = fs::File::create(path).unwrap();
            file.write_all(&vec![1; 100 * MIB as usize]).unwrap();
            file.sync_all().unwrap();
            hold();
        }
        _ => {
            let memory = Memory::of_this_process();
            let (limit, left) = (memory.limit_bytes(), memory.available_bytes());
            println!("\nseen {} {limit} {left}", cores());
        }
    }
}

#[test]
fn a_memory_limit_is_seen_with_what_is_used_of_it() {
    let Some(group) = Group::new("memory", "limit") else {
        return;
    };
    if group.limit_memory(400).is_none() {
        return;
    }
    let (_, limit, left) = group.seen();
    assert_eq!(limit, 400 * MIB);
    assert!((350 * MIB..=400 * MIB).contains(&left), "{left}");
    let holder = group.holding("memory 150");
    let (_, _, left) = group.seen();
    assert!((200 * MIB..=250 * MIB).contains(&left), "{left}");
    drop(holder);
}

#[test]
fn files_in_memory_give_way() {
    let Some(group) = Group::new("memory", "files") else {
        return;
    };
    if group.limit_memory(400).is_none() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("file");
    let holder = group.holding(&format!("file {}", file.display()));
    let (_, _, left) = group.seen();
    drop(holder);
    assert!(left >= 330 * MIB, "{left}");
}

#[test]
fn the_limits_of_all_groups_around_count() {
    let Some(outer) = Group::new("memory", "outer") else {
        return;
    };
    if outer.limit_memory(500).is_none() {
        return;
    }
    // In version 2 the inner ones have no limit of their own, which is what is tested all the same.
    let (Some(inner), Some(beside)) = (
        Group::below(&outer.0, "inner"),
        Group::below(&outer.0, "beside"),
    ) else {
        return;
    };
    let _ = inner.limit_memory(450);
    assert!(inner.seen().1 <= 500 * MIB);
    // The inner limit is the lower one, but others have used up what the outer one allows.
    let holder = beside.holding("memory 300");
    let (_, _, left) = inner.seen();
    drop(holder);
    assert!((130 * MIB..=200 * MIB).contains(&left), "{left}");
}

#[test]
fn a_quota_of_cores_is_seen_also_from_below() {
    let Some(outer) = Group::new("cpu", "cores") else {
        return;
    };
    if outer.limit_cores(0.5).is_none() {
        return;
    }
    let near = |cores: f64| (cores - 0.5).abs() < 1e-9;
    assert!(near(outer.seen().0));
    if let Some(inner) = Group::below(&outer.0, "inner") {
        assert!(near(inner.seen().0));
    }
}

#[test]
fn affinity_counts() {
    let Ok(output) = Command::new("taskset")
        .args(["-c", "0"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--nocapture"])
        .env("PACELINE_TEST_TASK", "look")
        .output()
    else {
        println!("skipped: no taskset");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let seen = text.lines().find_map(|line| line.strip_prefix("seen "));
    let cores: f64 = seen.unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(cores <= 1.0, "{text}");
}
