//! `kill -9` at any moment: each input is recorded once, none is lost, no process is left.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};
use support::{
    Running, Scratch, fresh_mark, guardians_of, kill_marked, processes_marked, wait_until,
    wait_until_gone,
};

const INPUTS: usize = 500;
const KILLS: usize = 50;

/// Some jobs leave a process behind, in their group or out of it.
const JOB: &str = "echo {} $PACELINE_TEST_MARK >> ran; \
     case {} in \
       *7) sleep 1000 > /dev/null 2>&1 & ;; \
       *9) setsid sleep 1000 > /dev/null 2>&1 & ;; \
     esac; \
     sleep 0.02";

#[test]
fn every_input_is_recorded_once_however_often_we_are_killed() {
    let mut random = fastrand::Rng::new();
    println!("seed {}", random.get_seed());
    let mut kills = 0;
    while kills < KILLS {
        kills += kill_until_done(&mut random, KILLS - kills);
    }
}

/// Resumes until all inputs are done, and kills at most so many times on the way. Tells how often.
fn kill_until_done(random: &mut fastrand::Rng, most: usize) -> usize {
    let scratch = Scratch::new();
    let inputs: Vec<String> = (0..INPUTS).map(|n| format!("{n:03}")).collect();
    scratch.write("inputs", inputs.join("\n"));
    let mut kills = 0;
    // Sessions whose processes nobody has waited for yet.
    let mut before: Vec<String> = Vec::new();
    loop {
        let mark = fresh_mark();
        let mut session = scratch
            .run()
            .args(["--resume", "-j", "8", JOB, "::::", "inputs"])
            .marked(&mark)
            .start();
        let killed = kills < most && kill_somewhere(&scratch, &mut session, &mark, &before, random);
        if !killed {
            session.end().with_code(0);
            before.iter().for_each(|mark| wait_until_gone(mark));
            // What jobs leave running on purpose stays when a run ends by itself.
            kill_marked(&mark);
            break;
        }
        kills += 1;
        drop(session);
        before.push(mark);
        // Every other time the next session begins at once, and has to wait by itself.
        if random.bool() {
            before.drain(..).for_each(|mark| wait_until_gone(&mark));
        }
    }
    check_records(&scratch, &inputs);
    kills
}

/// Kills a session at some moment. False if it ended before that.
fn kill_somewhere(
    scratch: &Scratch,
    session: &mut Running,
    mark: &str,
    before: &[String],
    random: &mut fastrand::Rng,
) -> bool {
    let jobs = random.usize(0..15);
    let mut first = true;
    while scratch.text("ran").matches(mark).count() < jobs {
        if session.has_ended() {
            return false;
        }
        if std::mem::replace(&mut first, false) {
            continue;
        }
        thread::sleep(Duration::from_millis(1));
    }
    if jobs > 0 {
        for mark in before {
            let left = processes_marked(mark);
            assert!(left.is_empty(), "jobs began while there was still {left:?}");
        }
    }
    thread::sleep(Duration::from_micros(random.u64(0..30_000)));
    if session.has_ended() {
        return false;
    }
    session.signal(Signal::KILL);
    true
}

fn check_records(scratch: &Scratch, inputs: &[String]) {
    let mut recorded: BTreeMap<String, usize> = BTreeMap::new();
    for record in scratch.records() {
        assert_eq!(
            (record.state.as_str(), record.exit_code, record.attempts),
            ("done", Some(0), 1),
            "{record:?}"
        );
        *recorded.entry(record.args.join(" ")).or_default() += 1;
    }
    let once: BTreeMap<String, usize> = inputs.iter().map(|input| (input.clone(), 1)).collect();
    assert_eq!(recorded, once);
    let mut ran = scratch.lines("ran");
    ran.iter_mut().for_each(|line| line.truncate(3));
    ran.sort();
    ran.dedup();
    assert_eq!(ran, inputs);

    let ran = scratch.text("ran");
    let again = scratch.run().args(["--resume", JOB, "::::", "inputs"]);
    let again = again.end().with_code(0);
    assert!(again.stderr.contains("500 skipped"), "{again:?}");
    assert_eq!(scratch.text("ran"), ran);
}

/// Jobs that make it hard to find what they started: nine sleeps in all.
const STAYING: [&str; 5] = [
    "sleep 1000",
    "sleep 1000 & sleep 1000",
    "setsid sleep 1000 & sleep 1000",
    "trap '' TERM HUP INT; (trap '' TERM; sleep 1000) & sleep 1000 & wait",
    "setsid sh -c 'sleep 1000 & setsid sleep 1000 & wait' & exit 0",
];

fn start_staying(scratch: &Scratch, flag: &str) -> Running {
    scratch.write("jobs", STAYING.join("\n"));
    let mut running = scratch
        .run()
        .args([flag, "-j", "8", "--", "sh", "-c", "{}", "::::", "jobs"])
        .start();
    running.wait_until("all jobs run", || {
        let all = scratch.processes();
        let sleeps = all.iter().filter(|p| p.command.starts_with("sleep"));
        sleeps.count() == 9
    });
    running
}

#[test]
fn a_killed_run_takes_all_its_processes_along() {
    for flag in ["--group", "--line-buffer", "--ungroup", "--no-journal"] {
        let scratch = Scratch::new();
        let running = start_staying(&scratch, flag);
        let pid = running.id();
        assert_eq!(guardians_of(pid).len(), 1);
        running.signal(Signal::KILL);
        let output = running.end();
        assert_eq!(output.signal, Some(9), "{output:?}");
        scratch.wait_until_alone();
        wait_until("the guardian is gone", || guardians_of(pid).is_empty());
    }
}

#[test]
fn the_guardian_goes_when_a_run_ends_by_itself() {
    for (job, code) in [("true {}", 0), ("false {}", 3)] {
        let scratch = Scratch::new();
        let running = scratch.run().args([job, ":::", "a", "b", "c"]).start();
        let pid = running.id();
        running.end().with_code(code);
        let left = guardians_of(pid);
        assert!(left.is_empty(), "{left:?}");
        assert!(scratch.processes().is_empty());
    }
}

#[test]
fn a_run_goes_on_without_its_guardian() {
    let scratch = Scratch::new();
    let mut running = scratch
        .run()
        .args(["-j", "2", "-k"])
        .arg("touch begun; until test -e go; do sleep 0.01; done; echo {}")
        .args([":::", "a", "b", "c", "d"])
        .start();
    running.wait_until("jobs run", || scratch.exists("begun"));
    for guardian in guardians_of(running.id()) {
        kill_process(Pid::from_raw(guardian.pid).unwrap(), Signal::KILL).unwrap();
    }
    scratch.write("go", "");
    let output = running.end().with_code(0);
    assert_eq!(output.lines(), ["a", "b", "c", "d"]);
    assert_eq!(scratch.records().len(), 4);
}

#[test]
fn a_run_inside_a_run_goes_too() {
    let scratch = Scratch::new();
    let inner = scratch.script(
        "inner",
        "exec \"$PACELINE\" run --no-journal -j 4 'touch in.{}; setsid sleep 1000; :' ::: $1 $1x $1y",
    );
    let mut running = scratch
        .run()
        .args(["-j", "2", "--"])
        .arg(inner)
        .args(["{}", ":::", "a", "b"])
        .start();
    running.wait_until("the inner jobs run", || {
        ["in.a", "in.ax", "in.ay", "in.b", "in.bx", "in.by"]
            .iter()
            .all(|name| scratch.exists(name))
    });
    let inner: Vec<u32> = scratch
        .processes()
        .iter()
        .filter(|p| p.command.contains("--no-journal"))
        .map(|p| p.pid.cast_unsigned())
        .collect();
    assert!(inner.len() >= 2);
    running.signal(Signal::KILL);
    running.end();
    scratch.wait_until_alone();
    wait_until("the guardians are gone", || {
        inner.iter().all(|pid| guardians_of(*pid).is_empty())
    });
}

/// The guardian holds the run until its work is done, however long that takes.
#[test]
fn a_resumed_run_begins_when_the_jobs_of_the_killed_one_are_gone() {
    let scratch = Scratch::new();
    let job = "echo $PACELINE_TEST_MARK >> ran; test -e mended || \
               { setsid sleep 1000 > /dev/null 2>&1 & sleep 1000; }; : {}";
    let run = |mark: &str| {
        let run = scratch
            .run()
            .marked(mark)
            .args(["--resume", "-j", "2", job]);
        run.args([":::", "a", "b", "c"]).start()
    };
    let (killed, resumed) = (fresh_mark(), fresh_mark());
    let mut first = run(&killed);
    first.wait_until("its jobs run", || {
        let all = processes_marked(&killed);
        let sleeps = all.iter().filter(|p| p.command.starts_with("sleep"));
        sleeps.count() == 4
    });
    // Orphaned, a process that has stopped would be woken up by the system: adopt it.
    set_child_subreaper(Some(Pid::INIT)).unwrap();
    let guardian = Pid::from_raw(guardians_of(first.id())[0].pid).unwrap();
    kill_process(guardian, Signal::STOP).unwrap();
    first.signal(Signal::KILL);
    first.end();
    scratch.write("mended", "");

    let mut second = run(&resumed);
    wait_until("it tells what it waits for", || {
        let stderr = second.stderr();
        assert!(!second.has_ended(), "{stderr}");
        stderr.contains("waiting for the last jobs of the killed run 1 to go")
    });
    assert!(!processes_marked(&killed).is_empty());
    assert!(!scratch.text("ran").contains(&resumed));
    kill_process(guardian, Signal::CONT).unwrap();
    second.wait_until("its jobs run", || scratch.text("ran").contains(&resumed));
    let left = processes_marked(&killed);
    assert!(left.is_empty(), "jobs began while there was still {left:?}");
    second.end().with_code(0);
    assert_eq!(scratch.records().len(), 3);
}
