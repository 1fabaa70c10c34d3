//! Against real processes.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::*;

struct Running(Child);

impl Running {
    /// A shell that waits for a line before it runs the script, or becomes the command in it.
    fn waiting(script: &str) -> Self {
        let child = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.expect("starts"))
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    fn go(&mut self) {
        let stdin = self.0.stdin.as_mut().expect("is piped");
        stdin.write_all(b"go\n").expect("writes");
    }
}

impl Drop for Running {
    /// With all below it.
    fn drop(&mut self) {
        // All are found before one ends: what it made would be nobody's.
        let mut below = HashSet::new();
        let _: ControlFlow<()> =
            threads::each_thread(self.pid(), &mut below, |_| ControlFlow::Continue(()));
        for tid in below {
            let one = rustix::process::Pid::from_raw(tid).expect("is a number");
            let _ = rustix::process::kill_process(one, rustix::process::Signal::KILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// None where the machine lacks the source: the test ends there, having said so.
fn opened(running: &Running, start: Start) -> Option<Switches> {
    match Switches::open(running.pid(), start) {
        Ok(switches) => Some(switches),
        Err(missing) => {
            println!("not tested: {missing}");
            None
        }
    }
}

/// Drains until it fits; what never does hangs until the test is ended from outside.
fn until(switches: &mut Switches, seen: &mut Vec<Switch>, fits: impl Fn(&[Switch]) -> bool) {
    while !fits(seen) {
        switches.drain(seen);
        std::thread::yield_now();
    }
}

fn to_the_end(mut running: Running, mut switches: Switches) -> Vec<Switch> {
    let mut seen = Vec::new();
    while running.0.try_wait().expect("waits").is_none() {
        switches.drain(&mut seen);
        std::thread::yield_now();
    }
    switches.drain_rest(&mut seen);
    assert_eq!((switches.lost(), switches.source()), (0, Source::Used));
    seen
}

#[test]
fn a_program_is_followed_from_its_exec_to_its_end() {
    let mut running = Running::waiting(r#"exec sh -c "sleep 0.02; sleep 0.02; sleep 0.02; true""#);
    let Some(switches) = opened(&running, Start::OnExec) else {
        return;
    };
    let pid = running.pid();
    running.go();
    let seen = to_the_end(running, switches);
    assert!(seen.is_sorted_by_key(|switch| switch.at));

    let mut sleepers = HashSet::new();
    let mut on_core: HashMap<i32, bool> = HashMap::new();
    let mut waits: HashMap<i32, usize> = HashMap::new();
    let (mut ended, mut execs) = (HashSet::new(), 0);
    for switch in &seen {
        match switch.kind {
            Kind::In => {
                // The first of a thread that ran when it was first seen is an Out.
                let before = on_core.insert(switch.tid, true);
                assert_ne!(before, Some(true), "{switch:?}");
            }
            Kind::Out { preempted } => {
                let before = on_core.insert(switch.tid, false);
                assert_ne!(before, Some(false), "{switch:?}");
                *waits.entry(switch.tid).or_default() += usize::from(!preempted);
            }
            Kind::Forked { parent_pid, .. } => {
                assert_eq!(parent_pid, pid);
                sleepers.insert(switch.tid);
            }
            Kind::Exec(_) => execs += 1,
            Kind::Exit => assert!(ended.insert(switch.tid)),
        }
    }
    assert_eq!(sleepers.len(), 3);
    assert!(ended.contains(&pid) && ended.is_superset(&sleepers));
    // Its own and the sleepers'.
    assert_eq!(execs, 4);
    for tid in sleepers.iter().chain([&pid]) {
        assert!(waits.get(tid).is_some_and(|waits| *waits > 0), "{tid}");
    }
}

#[test]
fn nothing_is_seen_before_the_exec() {
    let mut running = Running::waiting("sleep 0.02; exec true");
    let Some(switches) = opened(&running, Start::OnExec) else {
        return;
    };
    let pid = running.pid();
    running.go();
    let seen = to_the_end(running, switches);
    // The sleeper execs too, but it inherits events that wait for that as well.
    let first = seen.iter().find(|switch| switch.tid == pid);
    let name = match first.map(|switch| switch.kind) {
        Some(Kind::Exec(name)) => name.text(),
        other => panic!("{other:?}"),
    };
    assert_eq!(name, "true");
}

#[test]
fn two_on_one_core_preempt_each_other() {
    let core = threads::cores()[0];
    let mut running = Running::waiting(&format!(
        "taskset -p -c {core} $$ >/dev/null && {{ while :; do :; done & while :; do :; done; }}"
    ));
    let Some(mut switches) = opened(&running, Start::Now) else {
        return;
    };
    running.go();
    let mut seen = Vec::new();
    until(&mut switches, &mut seen, |seen| {
        let preempted = |tid| {
            let out = Kind::Out { preempted: true };
            seen.iter()
                .any(|switch: &Switch| switch.tid == tid && switch.kind == out)
        };
        let burners = seen
            .iter()
            .filter(|switch| matches!(switch.kind, Kind::Forked { .. }) && preempted(switch.tid));
        burners.count() > 0 && preempted(running.pid())
    });
}

#[test]
fn a_running_tree_is_followed_with_its_threads_and_children() {
    let script = r#"exec python3 -c "
import subprocess, sys, threading, time
def turn():
    while True: time.sleep(0.001)
for _ in range(3): threading.Thread(target=turn, daemon=True).start()
child = subprocess.Popen(['sh', '-c', 'while :; do sleep 0.01; done'])
print('ready', flush=True)
sys.stdin.readline()
threading.Thread(target=turn).start()
""#;
    let mut running = Running::waiting(script);
    running.go();
    let pid = running.pid();
    let stdout = running.0.stdout.take().expect("is piped");
    let ready = BufReader::new(stdout).lines().next();
    if ready.is_none() {
        println!("not tested: no python3");
        return;
    }
    let Some(mut switches) = opened(&running, Start::Now) else {
        return;
    };
    let mut seen = Vec::new();
    let moved = |seen: &[Switch]| {
        let ins = seen.iter().filter(|switch| switch.kind == Kind::In);
        ins.map(|switch| (switch.pid, switch.tid))
            .collect::<HashSet<_>>()
    };
    until(&mut switches, &mut seen, |seen| {
        let moved = moved(seen);
        let sleepers = moved.iter().filter(|(of, _)| *of != pid).count();
        let turners = moved.iter().filter(|(of, _)| *of == pid).count();
        turners >= 3 && sleepers >= 2
    });
    let made = |seen: &[Switch]| {
        let of_ours =
            |switch: &&Switch| switch.pid == pid && matches!(switch.kind, Kind::Forked { .. });
        seen.iter().find(of_ours).map(|switch| switch.tid)
    };
    assert_eq!(made(&seen), None);
    running.go();
    until(&mut switches, &mut seen, |seen| {
        made(seen).is_some_and(|tid| moved(seen).contains(&(pid, tid)))
    });
}

#[test]
fn a_process_that_is_gone_is_missing() {
    let mut running = Running::waiting("true");
    running.go();
    running.0.wait().expect("ends");
    for start in [Start::OnExec, Start::Now] {
        let Err(missing) = Switches::open(running.pid(), start) else {
            panic!("opened");
        };
        assert!(missing.to_string().contains("has ended"), "{missing}");
    }
}

#[test]
fn too_many_switches_end_it_and_nothing_before_is_lost() {
    let mut running = Running::waiting("exec sleep 60");
    let Some(mut switches) = opened(&running, Start::OnExec) else {
        return;
    };
    running.go();
    let mut seen = Vec::new();
    until(&mut switches, &mut seen, |seen| !seen.is_empty());
    // As if half a second had brought too many.
    switches.rate = Rate::new(Duration::ZERO);
    let far = monotonic().as_secs() * MOST_PER_SECOND * 2;
    assert!(!switches.rate.is_too_high(Duration::ZERO, far));
    switches.drain(&mut seen);
    let Source::Missing(reason) = switches.source() else {
        panic!("still speaks");
    };
    assert_eq!(reason, "more than 50,000 switches a second");
    assert!(switches.rings.is_empty());
    switches.drain_rest(&mut seen);
}

#[test]
fn rings_are_powers_of_pages() {
    let page = rustix::param::page_size();
    assert_eq!(pages_exponent(page), 0);
    assert_eq!(pages_exponent(page * 64), 6);
    assert_eq!(pages_exponent(page * 65), 6);
    assert_eq!(pages_exponent(1), 0);
}

#[test]
fn reasons_say_what_would_help() {
    let error = io::Error::from_raw_os_error;
    let said = words(&error(libc::EACCES), Some(4));
    assert!(said.contains("paranoid is 4"), "{said}");
    let said = words(&error(libc::EACCES), Some(2));
    assert!(said.contains("another user's"), "{said}");
    let said = words(&error(libc::EPERM), Some(2));
    assert!(said.contains("seccomp"), "{said}");
    let said = words(&error(libc::ENOSYS), None);
    assert!(said.contains("no perf events"), "{said}");
    let said = words(&error(libc::EMFILE), Some(2));
    assert!(said.contains("open files"), "{said}");
}
