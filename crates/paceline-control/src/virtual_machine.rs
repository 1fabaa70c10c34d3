//! A machine in virtual time for tests: cores shared equally by all who want one, jobs as lists
//! of phases, an engine that spends core time on every process it makes, and the signals that a
//! sampler would see.

use std::fmt;
use std::time::Duration;

use crate::controller::{Attempt, Controller, Decision, Event, Left, Outcome, Signals};

/// One step of virtual time, in seconds.
const DT: f64 = 0.000_05;

/// What a job does for some seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    /// Wants a core for this many core seconds.
    Cpu(f64),
    /// Waits on a timer.
    Timer(f64),
    /// Waits for a peer.
    Socket(f64),
    /// Waits for a disk that serves all at once.
    Disk(f64),
}

impl Phase {
    fn left(&mut self) -> &mut f64 {
        match self {
            Self::Cpu(left) | Self::Timer(left) | Self::Socket(left) | Self::Disk(left) => left,
        }
    }
}

/// What happened.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) decisions: Vec<Decision>,
    /// Seconds until the last job ended.
    pub(crate) makespan: f64,
    /// (seconds, jobs in flight) whenever a new maximum was reached.
    pub(crate) peaks: Vec<(f64, usize)>,
}

impl fmt::Debug for Report {
    /// One line per decision, to see a run at a glance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Decision {
            at,
            was,
            limit,
            reason,
        } in &self.decisions
        {
            writeln!(f, "{at:?}: {was} -> {limit}: {reason}")?;
        }
        write!(f, "makespan {} peak {:?}", self.makespan, self.peaks.last())
    }
}

impl Report {
    /// Most jobs in flight by `seconds`.
    pub(crate) fn peak_by(&self, seconds: f64) -> usize {
        let before = self.peaks.iter().filter(|peak| peak.0 <= seconds);
        before.map(|peak| peak.1).max().unwrap_or(0)
    }

    /// Most jobs in flight ever.
    pub(crate) fn peak(&self) -> usize {
        self.peak_by(f64::INFINITY)
    }

    /// The last decision's limit.
    pub(crate) fn settled(&self) -> Option<usize> {
        self.decisions.last().map(|decision| decision.limit)
    }
}

/// The machine and its engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) cores: f64,
    /// Core seconds that the engine needs for each process.
    pub(crate) spawn: f64,
    /// Resident bytes of one job.
    pub(crate) rss: u64,
    /// Bytes available when no job runs.
    pub(crate) memory: u64,
    /// Jobs looked at per tick, at most.
    pub(crate) sample: usize,
    /// The engine sends ticks.
    pub(crate) ticks: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            cores: 2.0,
            spawn: 0.000_25,
            rss: 2 << 20,
            memory: 4 << 30,
            sample: 64,
            ticks: true,
        }
    }
}

struct Running {
    phases: Vec<Phase>,
    started: f64,
    cpu: f64,
    delay: f64,
    /// `cpu`, `delay` and time at the last tick that looked.
    seen: (f64, f64, f64),
}

impl Running {
    fn wants_core(&self) -> bool {
        matches!(self.phases.first(), Some(Phase::Cpu(_)))
    }

    fn advance(&mut self, share: f64) {
        let rate = if self.wants_core() {
            self.cpu += share * DT;
            self.delay += (1.0 - share) * DT;
            share
        } else {
            1.0
        };
        if let Some(phase) = self.phases.first_mut() {
            *phase.left() -= rate * DT;
            if *phase.left() <= 0.0 {
                self.phases.remove(0);
            }
        }
    }
}

impl Machine {
    /// Runs `jobs` in order until all have ended or `until` seconds passed.
    pub(crate) fn run(
        &self,
        jobs: &[Vec<Phase>],
        controller: &mut dyn Controller,
        until: f64,
    ) -> Report {
        let mut report = Report::default();
        let mut running: Vec<Running> = Vec::new();
        let mut next = 0;
        let mut spawning: Option<(f64, f64)> = None;
        let mut ticked = 0.0;
        let mut steps = 0u32;
        let first = Event::Queue(Left::Exactly(jobs.len() as u64));
        report
            .decisions
            .extend(controller.on(Duration::ZERO, first));
        loop {
            let now = f64::from(steps) * DT;
            let clock = Duration::from_secs_f64(now);
            steps += 1;
            if now > until || (next == jobs.len() && running.is_empty()) {
                report.makespan = now;
                return report;
            }

            let full = running.len() >= controller.limit();
            if spawning.is_none() && next < jobs.len() && !full {
                spawning = Some((self.spawn, now));
            }
            let wanting = running.iter().filter(|job| job.wants_core()).count();
            let runnable = wanting as f64 + if spawning.is_some() { 1.0 } else { 0.0 };
            let share = (self.cores / runnable.max(1.0)).min(1.0);
            for job in &mut running {
                job.advance(share);
            }

            if let Some((left, began)) = &mut spawning {
                *left -= share * DT;
                if *left <= 0.0 {
                    running.push(Running {
                        phases: jobs[next].clone(),
                        started: *began,
                        cpu: 0.0,
                        delay: 0.0,
                        seen: (0.0, 0.0, *began),
                    });
                    next += 1;
                    spawning = None;
                    let event = Event::Started { job: next as u64 };
                    report.decisions.extend(controller.on(clock, event));
                    if running.len() > report.peak() {
                        report.peaks.push((now, running.len()));
                    }
                }
            }

            let mut at = 0;
            while at < running.len() {
                if !running[at].phases.is_empty() {
                    at += 1;
                    continue;
                }
                let job = running.remove(at);
                let attempt = Attempt {
                    outcome: Outcome::Done,
                    wall: Duration::from_secs_f64(now - job.started),
                    cpu: Duration::from_secs_f64(job.cpu),
                    run_queue_delay: None,
                    peak_rss_bytes: self.rss,
                };
                let event = Event::Finished { job: 0, attempt };
                report.decisions.extend(controller.on(clock, event));
            }

            let every = controller.tick_every().filter(|_| self.ticks);
            if every.is_some_and(|every| now - ticked >= every.as_secs_f64()) {
                ticked = now;
                let signals = self.look(&mut running, now);
                report
                    .decisions
                    .extend(controller.on(clock, Event::Tick(signals)));
            }
        }
    }

    fn look(&self, running: &mut [Running], now: f64) -> Signals {
        let all = running.len();
        let held = self.rss * all as u64;
        let mut signals = Signals {
            in_flight: all,
            sampled: all.min(self.sample),
            memory_available_bytes: self.memory.saturating_sub(held).max(1),
            ..Signals::default()
        };
        signals.rss_bytes = self.rss * signals.sampled as u64;
        // Spread over old and new jobs alike.
        for n in 0..signals.sampled {
            let job = &mut running[n * all / signals.sampled];
            signals.ran += Duration::from_secs_f64(job.cpu - job.seen.0);
            signals.run_queue_delay += Duration::from_secs_f64(job.delay - job.seen.1);
            signals.observed += Duration::from_secs_f64(now - job.seen.2);
            job.seen = (job.cpu, job.delay, now);
            match job.phases.first() {
                Some(Phase::Cpu(_)) => signals.runnable_threads += 1,
                Some(Phase::Disk(_)) => signals.disk_threads += 1,
                Some(Phase::Timer(_)) => signals.timer_only += 1,
                Some(Phase::Socket(_)) | None => {}
            }
        }
        signals
    }
}

mod scenarios {
    use super::Phase::{Cpu, Disk, Socket, Timer};
    use super::*;
    use crate::auto::Auto;
    use crate::bounds::Bounds;
    use crate::controller::Resources;

    /// Core seconds of exec and dynamic loading of a small program.
    const LOAD: f64 = 0.000_6;

    fn auto(machine: &Machine) -> Auto {
        auto_within(machine, Bounds::default())
    }

    fn auto_within(machine: &Machine, bounds: Bounds) -> Auto {
        let resources = Resources {
            cores: machine.cores,
            memory_bytes: machine.memory,
            descriptor_jobs: 5000,
            process_jobs: 5000,
        };
        Auto::new(resources, bounds)
    }

    fn jobs(count: usize, phases: &[Phase]) -> Vec<Vec<Phase>> {
        let mut job = vec![Cpu(LOAD)];
        job.extend_from_slice(phases);
        vec![job; count]
    }

    fn run(machine: &Machine, jobs: &[Vec<Phase>], until: f64) -> Report {
        machine.run(jobs, &mut auto(machine), until)
    }

    #[test]
    fn fifty_sleeps_run_at_once() {
        let machine = Machine::default();
        let report = run(&machine, &jobs(50, &[Timer(1.0)]), 5.0);
        assert_eq!(report.peak_by(0.3), 50, "{report:?}");
        assert!(report.makespan < 1.3, "{report:?}");
        assert_eq!(report.settled(), Some(50));
    }

    #[test]
    fn many_short_sleeps_reach_hundreds_fast() {
        let machine = Machine::default();
        let report = run(&machine, &jobs(5000, &[Timer(0.1)]), 1.0);
        assert!(report.peak_by(0.5) >= 150, "{report:?}");
        let machine = Machine {
            cores: 32.0,
            spawn: 0.000_05,
            ..machine
        };
        let report = run(&machine, &jobs(5000, &[Timer(0.1)]), 0.5);
        assert!(report.peak_by(0.4) >= 800, "{report:?}");
    }

    #[test]
    fn computing_jobs_keep_to_the_cores() {
        for cores in [1.0, 2.0, 8.0, 32.0] {
            for ticks in [true, false] {
                let machine = Machine {
                    cores,
                    ticks,
                    ..Machine::default()
                };
                for seconds in [0.005, 0.05, 0.5] {
                    let report = run(&machine, &jobs(400, &[Cpu(seconds)]), 3.0);
                    let most = (1.3 * cores).ceil() as usize;
                    assert!(report.peak() <= most, "{cores} {seconds} {report:?}");
                    assert!(report.decisions.len() <= 8, "{cores} {seconds} {report:?}");
                }
            }
        }
    }

    #[test]
    fn tiny_jobs_stay_near_the_cores() {
        for ticks in [true, false] {
            let machine = Machine {
                ticks,
                ..Machine::default()
            };
            let report = run(&machine, &jobs(5000, &[]), 3.0);
            assert!(report.peak() <= 3, "{report:?}");
            assert!(report.decisions.len() <= 4, "{report:?}");
        }
    }

    #[test]
    fn a_third_of_a_core_each_fills_the_cores() {
        let machine = Machine {
            cores: 8.0,
            ..Machine::default()
        };
        let report = run(&machine, &jobs(1000, &[Cpu(0.03), Socket(0.07)]), 10.0);
        assert!((24..=45).contains(&report.peak()), "{report:?}");
        // 1000 × 30.8 ms on 8 cores take 3.9 s.
        assert!(report.makespan < 4.6, "{report:?}");
    }

    #[test]
    fn too_many_at_first_do_not_leave_too_few() {
        let machine = Machine::default();
        let report = run(&machine, &jobs(1000, &[Socket(0.05), Cpu(0.01)]), 10.0);
        // 1000 × 10.6 ms on 2 cores take 5.3 s, and the engine's part 0.1 s.
        assert!(report.makespan < 6.5, "{report:?}");
        assert!(
            report
                .settled()
                .is_some_and(|level| (8..=20).contains(&level)),
            "{report:?}"
        );
    }

    #[test]
    fn python_start_up_delays_but_does_not_stop_the_ramp() {
        let machine = Machine::default();
        let report = run(&machine, &jobs(50, &[Cpu(0.02), Timer(1.0)]), 20.0);
        assert!(report.peak_by(1.2) >= 30, "{report:?}");
    }

    #[test]
    fn peers_unseen_are_not_flooded() {
        let machine = Machine::default();
        let report = run(&machine, &jobs(1000, &[Socket(0.2)]), 2.0);
        assert_eq!(report.peak(), 64, "{report:?}");
        let report = run(&machine, &jobs(120, &[Socket(0.2)]), 2.0);
        assert_eq!(report.peak(), 20, "{report:?}");
    }

    #[test]
    fn disks_get_few() {
        let machine = Machine::default();
        let report = run(&machine, &jobs(1000, &[Disk(0.1)]), 2.0);
        assert!(report.peak() <= 8, "{report:?}");
        assert_eq!(report.settled(), Some(4), "{report:?}");
    }

    #[test]
    fn sleepers_that_turn_to_computing_lose_their_slots() {
        let machine = Machine::default();
        let mut mixed = jobs(400, &[Timer(0.1)]);
        mixed.extend(jobs(200, &[Cpu(0.1)]));
        let report = run(&machine, &mixed, 15.0);
        assert!(report.peak() >= 100, "{report:?}");
        assert!(
            report.settled().is_some_and(|level| level <= 3),
            "{report:?}"
        );
    }

    #[test]
    fn sleepers_that_turn_to_sockets_are_no_longer_free() {
        let machine = Machine::default();
        let mut mixed = jobs(600, &[Timer(0.2)]);
        mixed.extend(jobs(2000, &[Socket(0.2)]));
        let report = run(&machine, &mixed, 3.0);
        assert!(report.peak() > 100, "{report:?}");
        assert_eq!(report.settled(), Some(64), "{report:?}");
    }

    #[test]
    fn memory_binds_sleepers() {
        let machine = Machine {
            rss: 300 << 20,
            memory: 2 << 30,
            ..Machine::default()
        };
        let report = run(&machine, &jobs(50, &[Timer(1.0)]), 3.0);
        assert!((6..=7).contains(&report.peak()), "{report:?}");
    }

    #[test]
    fn the_users_bounds_hold_from_the_first_job() {
        let machine = Machine::default();
        let bounds = Bounds {
            min: 6,
            max: Some(10),
        };
        for phase in [Cpu(0.05), Timer(0.3)] {
            let mut auto = auto_within(&machine, bounds);
            assert_eq!(auto.limit(), 6);
            let report = machine.run(&jobs(100, &[phase]), &mut auto, 2.0);
            let expected = if phase == Cpu(0.05) { 6 } else { 10 };
            assert_eq!(report.peak(), expected, "{report:?}");
        }
    }

    #[test]
    fn decisions_are_few_in_a_steady_run() {
        let machine = Machine::default();
        for phases in [
            vec![Timer(0.1)],
            vec![Socket(0.05), Cpu(0.01)],
            vec![Cpu(0.01), Timer(0.02), Cpu(0.01)],
        ] {
            let report = run(&machine, &jobs(2000, &phases), 5.0);
            assert!(report.decisions.len() <= 16, "{phases:?}: {report:?}");
        }
    }
}
