//! Many jobs, and memory for six of them: all end, none is killed by the kernel, and none runs twice
//! to its end. The limit is that of a real cgroup, which not everybody may make.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use support::{PATIENCE, Scratch, program};

const MIB: u64 = 1 << 20;
/// What one job holds (`memory` in [`program`]), times six, and room for paceline itself.
const LIMIT: u64 = 6 * 48 * MIB + 72 * MIB;
const JOBS: usize = 60;

/// A cgroup, of either version, in which so much memory may be used.
struct Group {
    path: PathBuf,
    events: &'static str,
}

impl Group {
    fn new(bytes: u64) -> io::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let first = root.join("memory");
        let name = format!("paceline-test-{}", std::process::id());
        let (path, limits, events) = if first.join("memory.limit_in_bytes").exists() {
            let limits = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
            (first.join(name), limits, "memory.oom_control")
        } else {
            fs::write(root.join("cgroup.subtree_control"), "+memory")?;
            let limits = ["memory.max", "memory.swap.max"];
            (root.join(name), limits, "memory.events")
        };
        fs::create_dir(&path)?;
        let group = Self { path, events };
        fs::write(group.path.join(limits[0]), bytes.to_string())?;
        // This is about swap, which not every kernel counts.
        let swap = if limits[1] == "memory.swap.max" {
            0
        } else {
            bytes
        };
        let _ = fs::write(group.path.join(limits[1]), swap.to_string());
        // Without this, what the kernel has killed would not be known.
        group.kills()?;
        Ok(group)
    }

    /// Processes that the kernel has killed in it.
    fn kills(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.path.join(self.events))?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count
            .and_then(|count| count.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("{} does not count kills", self.events)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let began = Instant::now();
        while fs::remove_dir(&self.path).is_err() && began.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }
}

#[test]
fn be_a_program() {
    program::be();
}

#[test]
fn with_memory_for_six_all_of_sixty_jobs_end_once() {
    let group = match Group::new(LIMIT) {
        Ok(group) => group,
        Err(error) => {
            eprintln!("skipped: no memory cgroup can be made here: {error}");
            return;
        }
    };
    let scratch = Scratch::new();
    // Begun, held, ended. A job that is put back is killed before its last line.
    let job = scratch.script(
        "job",
        r#"echo "$1" >>begun
"$PROGRAM" be_a_program --exact --nocapture >/dev/null || exit
echo "$1" >>ended"#,
    );
    let enter = r#"echo $$ >"$GROUP/cgroup.procs" && exec "$PACELINE" run -j auto -- "$JOB" {}"#;
    let inputs: String = (0..JOBS).map(|n| format!("{n}\n")).collect();
    let output = scratch
        .shell(enter)
        .env("GROUP", &group.path)
        .env("JOB", job)
        .env("PROGRAM", std::env::current_exe().unwrap())
        .env("PACELINE_TEST_BE", "memory")
        .input(inputs)
        .end();
    let kills = group.kills().unwrap();

    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(kills, 0, "the kernel killed some: {output:?}");
    let mut all: Vec<String> = (0..JOBS).map(|n| n.to_string()).collect();
    all.sort();
    assert_eq!(scratch.sorted_lines("ended"), all, "{output:?}");
    let records = scratch.records();
    assert_eq!(records.len(), JOBS);
    for record in records {
        let end = (record.exit_code, record.signal);
        assert_eq!(end, (Some(0), None), "{record:?}");
    }
    scratch.wait_until_alone();
}
