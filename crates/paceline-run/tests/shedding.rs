//! Attempts that are killed to free memory: their jobs are neither lost nor counted, and run again
//! when nothing of them is left. Real processes, and a controller that sheds by script.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use paceline_control::{Controller, Decision, Event, JobId, Outcome as How};
use paceline_run::engine::{
    self, Ending, JobOptions, Observer, Outcome, Plan, RunEvent, StopCause,
};
use paceline_run::input::{
    BlockOptions, InputOptions, Joined, NothingDone, OpenInputs, Origin, Source,
};
use paceline_run::output::{NoGate, OutputOptions};
use paceline_run::policy::{Retry, Timeout};
use paceline_run::template::{CommandLine, Insert, Template};
use rustix::process::{Pid, Signal, getpid, kill_process};
use tempfile::TempDir;

/// Only a test that hangs waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run reaps all children of its process: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a controller was told: the starts of attempts, and how they ended.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<News>>>);

type News = (JobId, Option<How>);

impl Heard {
    fn of(&self, wanted: impl Fn(How) -> bool) -> usize {
        let heard = self.0.lock().unwrap();
        heard
            .iter()
            .filter(|(_, how)| how.is_some_and(&wanted))
            .count()
    }

    /// Each attempt that was started has ended once.
    fn check(&self) {
        let mut open: HashMap<JobId, u32> = HashMap::new();
        for (job, how) in self.0.lock().unwrap().iter() {
            match how {
                None => assert_eq!(open.insert(*job, 0), None, "{job} was started twice"),
                Some(_) => *open.get_mut(job).unwrap() += 1,
            }
        }
        assert!(open.values().all(|ends| *ends == 1), "{open:?}");
    }
}

/// Names attempts as `script` does, which gets those in flight, oldest first.
struct ByScript<S> {
    limit: usize,
    in_flight: Vec<JobId>,
    heard: Heard,
    script: S,
}

impl<S: FnMut(&[JobId]) -> Option<JobId> + Send> Controller for ByScript<S> {
    fn limit(&self) -> usize {
        self.limit
    }

    fn on(&mut self, _: Duration, event: Event) -> Option<Decision> {
        let mut heard = self.heard.0.lock().unwrap();
        match event {
            Event::Started { job } => {
                self.in_flight.push(job);
                heard.push((job, None));
            }
            Event::Finished { job, attempt } => {
                self.in_flight.retain(|running| *running != job);
                heard.push((job, Some(attempt.outcome)));
            }
            _ => {}
        }
        None
    }

    fn tick_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(1))
    }

    fn shed(&mut self) -> Option<JobId> {
        (self.script)(&self.in_flight)
    }
}

/// The jobs that ended for good, and the words about those that did not.
#[derive(Default)]
struct Watch {
    ended: Vec<(String, Ending, u32)>,
    shed: usize,
}

impl Observer for Watch {
    fn event(&mut self, _: Duration, event: &RunEvent<'_>) {
        match event {
            RunEvent::Finished(job) => self.ended.push((
                String::from_utf8(job.joined.to_vec()).unwrap(),
                job.ending,
                job.attempts,
            )),
            RunEvent::Shed { .. } => self.shed += 1,
            _ => {}
        }
    }
}

struct Run {
    directory: TempDir,
    inputs: Vec<Source>,
    blocks: Option<BlockOptions>,
    jobs: JobOptions,
    limit: usize,
}

struct Ended {
    outcome: Outcome,
    watch: Watch,
    heard: Heard,
}

impl Run {
    fn of(words: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Self {
            inputs: vec![Source {
                origin: Origin::Words(words),
                joined: Joined::Product,
            }],
            blocks: None,
            jobs: JobOptions {
                directory: Some(directory.path().to_owned()),
                ..JobOptions::default()
            },
            limit: 4,
            directory,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs `job`, which finds its input in `$1`.
    fn run(
        &self,
        job: &str,
        script: impl FnMut(&[JobId]) -> Option<JobId> + Send + 'static,
    ) -> Ended {
        let words = ["sh", "-c", job, "sh"].map(|word| word.as_bytes().to_vec());
        let insert = match self.blocks {
            None => Insert::Inputs,
            Some(_) => Insert::Nothing,
        };
        let template =
            Template::parse(CommandLine::Argv(words.to_vec()), insert, "/bin/sh".into()).unwrap();
        let options = InputOptions {
            sources: self.inputs.clone(),
            blocks: self.blocks.clone(),
            ..InputOptions::default()
        };
        let heard = Heard::default();
        let plan = Plan {
            template,
            feed: OpenInputs::open(&options)
                .unwrap()
                .start(Box::new(NothingDone))
                .unwrap(),
            jobs: self.jobs.clone(),
            output: OutputOptions {
                results: Some(self.path("results")),
                ..OutputOptions::default()
            },
            gate: Arc::new(NoGate),
            controller: Box::new(ByScript {
                limit: self.limit,
                in_flight: Vec::new(),
                heard: heard.clone(),
                script,
            }),
            journal: None,
            guardian: None,
        };
        let mut watch = Watch::default();
        let outcome = engine::run(plan, &mut watch).unwrap();
        heard.check();
        assert!(outcome.broken.is_none());
        Ended {
            outcome,
            watch,
            heard,
        }
    }
}

/// Names the youngest attempt, once, when `ready`.
fn youngest_when(mut ready: impl FnMut() -> bool) -> impl FnMut(&[JobId]) -> Option<JobId> {
    let mut named = false;
    move |running| {
        if named || !ready() {
            return None;
        }
        let youngest = running.last().copied();
        named = youngest.is_some();
        youngest
    }
}

fn exists(path: PathBuf) -> impl FnMut() -> bool {
    move || path.exists()
}

/// The end of a job that notes its process, and ends when it is told to.
const END_WHEN_TOLD: &str = "echo $$ > new; mv new pid; until test -e end; do sleep 0.01; done";

/// Tells such a job to end, and waits until it has. Nobody reaps it meanwhile: that is the business
/// of the thread that asks here.
fn zombie_in(directory: &Path) -> impl FnMut() -> bool + use<> {
    let (pid, end) = (directory.join("pid"), directory.join("end"));
    move || {
        let Ok(pid) = fs::read_to_string(&pid) else {
            return false;
        };
        fs::write(&end, "").unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
            if stat.contains(") Z ") {
                return true;
            }
            assert!(Instant::now() < deadline, "{stat}");
            std::thread::yield_now();
        }
    }
}

fn ask_ourselves(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

#[test]
fn a_shed_job_runs_again_before_others_and_counts_once() {
    let _alone = alone();
    let mut run = Run::of(&["a", "b", "c"]);
    run.limit = 1;
    let job = "echo $1 >> begun; echo said; \
               test -e second || { touch second; while :; do sleep 1000; done; }";
    let ended = run.run(job, youngest_when(exists(run.path("second"))));
    let status = &ended.outcome.status;
    assert_eq!(
        (status.done, status.failed, status.shed, status.retried),
        (3, 0, 1, 0)
    );
    assert_eq!(run.text("begun"), "a\na\nb\nc\n");
    assert_eq!(run.text("results/1/a/stdout"), "said\n");
    let once = |name: &str| (name.to_owned(), Ending::Exit(0), 1);
    assert_eq!(ended.watch.ended, [once("a"), once("b"), once("c")]);
    assert_eq!(ended.watch.shed, 1);
    assert_eq!(ended.heard.of(|how| how == How::Shed), 1);
    assert_eq!(ended.heard.of(|how| how == How::Done), 3);
}

#[test]
fn whatever_is_shed_each_job_ends_once() {
    let _alone = alone();
    let names: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut run = Run::of(&names);
    run.limit = 6;
    let mut random = fastrand::Rng::new();
    println!("seed {}", random.get_seed());
    let mut left = 200;
    let job = "sleep 0.01 & sleep 0.0$(($1 % 4)); wait; echo $1";
    let ended = run.run(job, move |running| {
        // Some at once, some ticks none at all.
        let name = left > 0 && !running.is_empty() && random.u8(..) < 100;
        left -= usize::from(name);
        name.then(|| running[random.usize(..running.len())])
    });
    let mut seen: Vec<usize> = ended
        .watch
        .ended
        .iter()
        .map(|(name, ending, attempts)| {
            assert_eq!((*ending, *attempts), (Ending::Exit(0), 1), "{name}");
            name.parse().unwrap()
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    for name in names {
        assert_eq!(
            run.text(&format!("results/1/{name}/stdout")),
            format!("{name}\n")
        );
    }
    let shed = ended.outcome.status.shed as usize;
    assert!(shed > 0);
    assert_eq!(ended.heard.of(|how| how == How::Shed), shed);
    assert_eq!(ended.heard.of(|how| how == How::Done), 60);
}

#[test]
fn nothing_is_left_of_it_when_it_runs_again() {
    let _alone = alone();
    let run = Run::of(&["a"]);
    // In the group, out of it, without the environment, and without a parent of ours.
    let job = r#"
        test -e pids && {
            for pid in $(cat pids); do
                grep -qs ') [^Z]' /proc/$pid/stat && echo $pid is left
            done
            exit 0
        }
        staying='echo $$ >> starting; exec sleep 1000'
        sh -c "$staying" &
        setsid sh -c "$staying" &
        env -i sh -c "$staying" &
        setsid env -i sh -c "$staying" &
        (setsid sh -c "$staying" &)
        (env -i sh -c "$staying" &)
        sh -c "setsid sh -c 'sleep 1000 & $staying' & wait" &
        until test "$(wc -l 2> /dev/null < starting)" = 7; do sleep 0.01; done
        cp starting pids.new
        mv pids.new pids
        wait"#;
    let ended = run.run(job, youngest_when(exists(run.path("pids"))));
    assert_eq!(ended.outcome.status.done, 1);
    assert_eq!(ended.outcome.status.shed, 1);
    assert_eq!(run.text("pids").lines().count(), 7);
    assert_eq!(run.text("results/1/a/stdout"), "");
    assert_eq!(ended.outcome.left_running, 0);
}

#[test]
fn one_that_had_succeeded_is_done() {
    let _alone = alone();
    let run = Run::of(&["a"]);
    let job = format!("echo >> begun; echo said; {END_WHEN_TOLD}");
    let ended = run.run(&job, youngest_when(zombie_in(run.directory.path())));
    assert_eq!(ended.outcome.status.done, 1);
    assert_eq!(ended.outcome.status.shed, 0);
    assert_eq!(run.text("begun"), "\n");
    assert_eq!(run.text("results/1/a/stdout"), "said\n");
    assert_eq!(ended.heard.of(|how| how == How::Done), 1);
}

#[test]
fn one_that_had_failed_has_failed() {
    let _alone = alone();
    let run = Run::of(&["a"]);
    let job = format!("{END_WHEN_TOLD}; exit 3");
    let ended = run.run(&job, youngest_when(zombie_in(run.directory.path())));
    assert_eq!(ended.watch.ended, [("a".to_owned(), Ending::Exit(3), 1)]);
    assert_eq!(ended.outcome.status.shed, 0);
    assert_eq!(ended.heard.of(|how| how == How::Failed), 1);
}

#[test]
fn tries_are_counted_without_it() {
    let _alone = alone();
    let mut run = Run::of(&["a"]);
    run.jobs.retry = Retry {
        attempts: Some(2),
        ..Retry::default()
    };
    // Fails, is shed, succeeds.
    let job = "echo >> begun; case $(wc -l < begun) in 1) exit 1 ;; \
               2) touch second; while :; do sleep 1000; done ;; esac";
    let ended = run.run(job, youngest_when(exists(run.path("second"))));
    assert_eq!(ended.watch.ended, [("a".to_owned(), Ending::Exit(0), 2)]);
    let status = &ended.outcome.status;
    assert_eq!((status.retried, status.shed), (1, 1));
}

#[test]
fn one_that_is_being_ended_for_its_time_limit_has_timed_out() {
    let _alone = alone();
    let mut run = Run::of(&["a"]);
    run.jobs.timeout = Some(Timeout::After(Duration::from_millis(50)));
    run.jobs.grace = PATIENCE;
    let job = "trap 'touch asked' TERM; while :; do sleep 0.01; done";
    let ended = run.run(job, youngest_when(exists(run.path("asked"))));
    assert_eq!(ended.watch.ended, [("a".to_owned(), Ending::TimedOut, 1)]);
    assert_eq!(ended.outcome.status.shed, 0);
    assert_eq!(ended.heard.of(|how| how == How::TimedOut), 1);
}

#[test]
fn its_standard_input_begins_again() {
    let _alone = alone();
    let mut run = Run::of(&[]);
    let lines: String = (0..1000).map(|n| format!("{n}\n")).collect();
    fs::write(run.path("lines"), &lines).unwrap();
    run.inputs = vec![Source {
        origin: Origin::File(run.path("lines")),
        joined: Joined::Product,
    }];
    run.blocks = Some(BlockOptions {
        bytes: 1 << 20,
        records: None,
        record_end: b"\n".to_vec(),
    });
    let job = "head -n 1; test -e second || { touch second; while :; do sleep 1000; done; }; \
               cat > rest";
    let ended = run.run(job, youngest_when(exists(run.path("second"))));
    assert_eq!(ended.outcome.status.done, 1);
    assert!(run.text("rest").ends_with("999\n"));
}

#[test]
fn in_a_run_that_drains_it_is_not_started_again() {
    let _alone = alone();
    let run = Run::of(&["a"]);
    let ready = run.path("ready");
    let mut interrupted = false;
    let mut ticks = 0;
    let job = "echo >> begun; trap 'touch asked' TERM; touch ready; setsid sleep 1000 & wait";
    let ended = run.run(job, move |running| {
        if !ready.exists() {
            return None;
        }
        if !std::mem::replace(&mut interrupted, true) {
            ask_ourselves(Signal::INT);
        }
        ticks += 1;
        // The signal is heard before the next tick but one.
        (ticks == 5).then(|| running.last().copied()).flatten()
    });
    assert_eq!(ended.outcome.stopped, Some(StopCause::Signal(2)));
    assert_eq!(run.text("begun"), "\n");
    assert!(ended.watch.ended.is_empty());
    assert_eq!(ended.outcome.left_running, 0);
    assert_eq!(ended.heard.of(|how| how == How::Shed), 1);
}

#[test]
fn a_stop_that_comes_before_or_after_has_the_last_word() {
    let _alone = alone();
    for shed_at in [1, 5] {
        let mut run = Run::of(&["a", "b"]);
        run.jobs.grace = PATIENCE;
        let ready = [run.path("a"), run.path("b")];
        let mut ticks = 0;
        let job = "echo >> begun; trap '' TERM; touch $1; while :; do sleep 0.01; done";
        let ended = run.run(job, move |running| {
            if !ready.iter().all(|file| file.exists()) {
                return None;
            }
            ticks += 1;
            match ticks {
                2 => {
                    ask_ourselves(Signal::TERM);
                    None
                }
                _ if ticks >= shed_at => running.last().copied().filter(|_| ticks < 20),
                _ => None,
            }
        });
        assert_eq!(ended.outcome.stopped, Some(StopCause::Signal(15)));
        assert!(ended.watch.ended.is_empty(), "{shed_at}");
        let ends = ended
            .heard
            .of(|how| matches!(how, How::Cancelled | How::Shed));
        assert!(ends >= 2, "{shed_at}");
    }
}

#[test]
fn naming_what_is_gone_or_never_was_does_nothing() {
    let _alone = alone();
    let run = Run::of(&["a", "b"]);
    let mut id = 0;
    let ended = run.run("sleep 0.02", move |running| {
        id += 1;
        (id < 200 && !running.contains(&id)).then_some(id)
    });
    assert_eq!(ended.outcome.status.done, 2);
    assert_eq!(ended.outcome.status.shed, 0);
}

#[test]
fn the_jobs_of_a_shed_run_are_gone_too() {
    // A job that is a session of its own with a leader that has exited.
    let _alone = alone();
    let run = Run::of(&["a"]);
    let job = "test -e gone && { \
                   kill -0 $(cat gone) 2> /dev/null && echo left; exit 0; }; \
               setsid sh -c '(sleep 1000 & echo $! > new; mv new gone)' & \
               while :; do sleep 1000; done";
    let ended = run.run(job, youngest_when(exists(run.path("gone"))));
    assert_eq!(ended.outcome.status.done, 1);
    assert_eq!(run.text("results/1/a/stdout"), "");
    let left: i32 = run.text("gone").trim().parse().unwrap();
    let left = Pid::from_raw(left).unwrap();
    assert!(kill_process(left, Signal::CONT).is_err());
}
