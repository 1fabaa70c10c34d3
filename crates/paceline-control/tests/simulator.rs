//! The simulator against what can be worked out on paper.

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use paceline_control::simulator::{Kind, Run, Scenario, Simulation, Split, Workload, oracle};
use paceline_control::{
    Auto, Bounds, Controller, Decision, Event, Fixed, JobId, Left, Outcome, PeerLoad, Signals,
};

/// A scenario without any cost of dispatch, unless `rest` says otherwise.
fn scenario(jobs: usize, rest: &str) -> Scenario {
    scenario_with("signal_noise", 0.0, jobs, rest)
}

/// The same with a key at the top.
fn scenario_with(key: &str, value: impl Debug, jobs: usize, rest: &str) -> Scenario {
    let dispatch = if rest.contains("[dispatch]") {
        ""
    } else {
        "[dispatch]\nseconds = 0.0\n"
    };
    let text = format!(
        "why = 'a test'\nsplit = 'tune'\nkind = 'mixed'\njobs = {jobs}\n\
         {key} = {value:?}\n{dispatch}{rest}"
    );
    Scenario::from_toml(&text, Path::new("test.toml")).expect("the scenario is right")
}

fn run_with(scenario: &Scenario, cores: f64, controller: &mut dyn Controller) -> Run {
    let workload = Workload::draw(scenario, cores, 1);
    let run = Simulation::new(scenario, &workload).run(controller);
    assert!(run.complete && run.done == workload.len(), "{run:?}");
    run
}

fn fixed(scenario: &Scenario, cores: f64, level: usize) -> Run {
    run_with(scenario, cores, &mut Fixed::new(level))
}

#[track_caller]
fn assert_near(value: f64, expected: f64) {
    assert!(
        (value - expected).abs() <= 1e-6 * expected.abs(),
        "{value} is not {expected}"
    );
}

/// One kind of job with one phase.
fn one(on: &str, seconds: f64) -> String {
    format!("[[job]]\nphases = [{{ on = '{on}', seconds = {seconds:?} }}]\n")
}

#[test]
fn cores_are_shared_and_a_bit_is_lost() {
    let eight = scenario(8, &one("cpu", 1.0));
    assert_near(fixed(&eight, 8.0, 8).makespan, 1.0);
    assert_near(fixed(&eight, 8.0, 4).makespan, 2.0);
    assert_near(fixed(&eight, 4.0, 8).makespan, 2.0 * 1.03);
    assert_near(fixed(&eight, 2.0, 8).makespan, 4.0 * (1.0 + 0.03 * 3.0));
}

#[test]
fn who_needs_less_leaves_first_and_the_other_speeds_up() {
    let unequal = scenario(
        2,
        "[[job]]\nto = 0.5\nphases = [{ on = 'cpu', seconds = 1.0 }]\n\
         [[job]]\nfrom = 0.5\nphases = [{ on = 'cpu', seconds = 2.0 }]\n",
    );
    // Both have 1 s after 2.06 s, then one has a core for itself.
    assert_near(fixed(&unequal, 1.0, 2).makespan, 3.06);
}

#[test]
fn threads_of_one_job_run_at_once() {
    let threads = scenario(
        2,
        "[[job]]\nphases = [{ on = 'cpu', seconds = 4.0, threads = 4 }]\n",
    );
    assert_near(fixed(&threads, 8.0, 2).makespan, 1.0);
    assert_near(fixed(&threads, 4.0, 2).makespan, 2.0 * 1.03);
}

#[test]
fn waits_do_not_share_and_starts_take_time() {
    for on in ["timer", "socket"] {
        let waits = scenario(10, &format!("[dispatch]\nseconds = 0.1\n{}", one(on, 1.0)));
        assert_near(fixed(&waits, 1.0, 10).makespan, 2.0);
        // One more may start when the first ends, which is when the tenth would.
        assert_near(fixed(&waits, 1.0, 5).makespan, 2.6);
    }
}

#[test]
fn starts_that_take_a_core_compete_for_it() {
    let starts = scenario(
        2,
        &format!(
            "[dispatch]\nseconds = 1.0\ntakes_core = true\n{}",
            one("cpu", 1.0)
        ),
    );
    // The second start and the first job share the core.
    assert_near(fixed(&starts, 1.0, 2).makespan, 1.0 + 2.06 + 1.0);
}

#[test]
fn peers_have_a_capacity_and_lose_by_crowding() {
    let capacity = format!(
        "{}[resource.api]\nkind = 'remote'\ncapacity = 2\n",
        one("api", 1.0)
    );
    assert_near(fixed(&scenario(4, &capacity), 8.0, 4).makespan, 2.0);
    let usl = format!(
        "{}[resource.api]\nkind = 'remote'\nsigma = 0.1\nkappa = 0.05\n",
        one("api", 1.0)
    );
    let expected = 1.0 + 0.1 * 3.0 + 0.05 * 12.0;
    assert_near(fixed(&scenario(4, &usl), 8.0, 4).makespan, expected);
    let above = format!(
        "{}[resource.api]\nkind = 'remote'\nsigma = 0.5\nusl_above = 3\n",
        one("api", 1.0)
    );
    assert_near(fixed(&scenario(3, &above), 8.0, 3).makespan, 1.0);
    assert_near(fixed(&scenario(4, &above), 8.0, 4).makespan, 1.5);
}

#[test]
fn a_disk_is_best_at_its_queue() {
    let disk = format!(
        "{}[resource.disk]\nkind = 'disk'\nqueue = 4\npeak = 2.0\nthrash = 0.25\n",
        one("disk", 1.0)
    );
    let disk = scenario(8, &disk);
    // Alone, a job gets half a unit per second; four get two units in all.
    assert_near(fixed(&disk, 8.0, 1).makespan, 16.0);
    assert_near(fixed(&disk, 8.0, 4).makespan, 4.0);
    assert_near(fixed(&disk, 8.0, 8).makespan, 8.0);
}

#[test]
fn a_lock_serves_one_and_slots_serve_some() {
    let lock = format!("{}[resource.row]\nkind = 'lock'\n", one("row", 0.1));
    assert_near(fixed(&scenario(5, &lock), 8.0, 5).makespan, 0.5);
    let slots = format!(
        "{}[resource.row]\nkind = 'lock'\nslots = 2\n",
        one("row", 0.1)
    );
    assert_near(fixed(&scenario(5, &slots), 8.0, 5).makespan, 0.3);
}

#[test]
fn a_rate_limit_lets_in_one_after_the_other() {
    let api = one("api", 0.5);
    let plain = format!("{api}[resource.api]\nkind = 'remote'\nper_second = 10\n");
    assert_near(fixed(&scenario(11, &plain), 8.0, 11).makespan, 1.5);
    let burst = format!("{plain}burst = 6\n");
    assert_near(fixed(&scenario(11, &burst), 8.0, 11).makespan, 1.0);
}

#[test]
fn who_comes_too_fast_may_be_refused() {
    let resource = |early: bool| {
        format!(
            "[resource.api]\nkind = 'remote'\nper_second = 2.0\nburst = 3\nrejects_early = {early}\n{}",
            one("api", 0.1)
        )
    };
    let patient = fixed(&scenario(5, &resource(false)), 8.0, 5);
    assert_near(patient.makespan, 1.1);
    assert_eq!(patient.rejects, 0);
    // Three are let in; the others come again after 0.1 s, 0.2 s, …, and the first finds a token
    // at 0.705 s, after three refusals.
    let early = fixed(&scenario(5, &resource(true)), 8.0, 5);
    assert!(
        early.makespan > patient.makespan && early.rejects >= 6,
        "{early:?}"
    );
}

#[test]
fn the_refused_rest_longer_each_time() {
    let api = format!(
        "{}[resource.api]\nkind = 'remote'\nreject_above = 2\n",
        one("api", 0.05)
    );
    let run = fixed(&scenario(3, &api), 8.0, 3);
    assert_eq!(run.rejects, 1);
    assert_near(run.makespan, 0.005 + 0.1 + 0.05);

    let long = format!(
        "{}[resource.api]\nkind = 'remote'\nreject_above = 1\n",
        one("api", 0.25)
    );
    let run = fixed(&scenario(2, &long), 8.0, 2);
    // Refused at 0 and 0.105; the second rest is twice the first.
    assert_eq!(run.rejects, 2);
    assert_near(run.makespan, 0.105 + 0.205 + 0.25);
}

#[test]
fn memory_slows_all_and_then_kills_the_youngest() {
    let greedy = scenario(
        2,
        "[machine]\nmemory_gb = 16\n[[job]]\nmemory_gb = 10\n\
         phases = [{ on = 'timer', seconds = 1.0 }]\n",
    );
    let run = fixed(&greedy, 8.0, 2);
    // All is held at 0.4, killed at 0.44 of both at 0.8 s; again at 0.38 of the second, 1.9 s.
    // The first ends at 2.08 s, when the second has done 0.18.
    assert_eq!(run.oom_kills, 2);
    assert!((run.makespan - 2.9).abs() < 0.01, "{run:?}");
    let run = fixed(&greedy, 8.0, 1);
    assert_eq!(run.oom_kills, 0);
    assert_near(run.makespan, 2.0);
}

#[test]
fn resources_change_at_once_or_bit_by_bit() {
    let base = format!(
        "{}[resource.api]\nkind = 'remote'\ncapacity = 2\n[[change]]\nresource = 'api'\n",
        one("api", 1.0)
    );
    let at_once = format!("{base}at = 0.5\nset = {{ capacity = 1 }}\n");
    assert_near(fixed(&scenario(4, &at_once), 8.0, 2).makespan, 3.0);
    let slowly = format!("{base}during = [0.0, 1.0]\nset = {{ slowdown = 5.0 }}\n");
    // Alone: 1, 2, 3 and 4 times as long.
    assert_near(fixed(&scenario(4, &slowly), 8.0, 1).makespan, 10.0);
}

#[test]
fn jobs_change_by_their_place_in_the_list() {
    let halves = scenario(
        8,
        "[[job]]\nto = 0.5\nphases = [{ on = 'timer', seconds = 1.0 }]\n\
         [[job]]\nfrom = 0.5\nphases = [{ on = 'timer', seconds = 3.0 }]\n",
    );
    assert_near(fixed(&halves, 8.0, 4).makespan, 4.0);
}

#[test]
fn the_built_in_cores_follow_the_machine_and_its_quota() {
    let quota = format!("[machine]\ncores_factor = 0.25\n{}", one("cpu", 1.0));
    let quota = scenario(4, &quota);
    assert_near(fixed(&quota, 8.0, 2).makespan, 2.0);
    assert_near(quota.resources(8.0).cores, 2.0);
    let scaled = scenario_with("scale_jobs_with_cores", true, 40, &one("cpu", 1.0));
    assert_eq!((scaled.jobs(2.0), scaled.jobs(32.0)), (10, 160));
    assert_eq!(quota.jobs(2.0), 4);
}

/// Keeps a level and all that it is told.
struct Listener {
    level: usize,
    ticks: Vec<Signals>,
    queue: Vec<Left>,
    ended: Vec<Outcome>,
    cpu: Duration,
    delay: Option<Duration>,
    /// What to give up at the first tick.
    shed: Option<JobId>,
}

impl Listener {
    fn new(level: usize) -> Self {
        Self {
            level,
            ticks: Vec::new(),
            queue: Vec::new(),
            ended: Vec::new(),
            cpu: Duration::ZERO,
            delay: None,
            shed: None,
        }
    }
}

impl Controller for Listener {
    fn limit(&self) -> usize {
        self.level
    }

    fn on(&mut self, _now: Duration, event: Event) -> Option<Decision> {
        match event {
            Event::Tick(signals) => self.ticks.push(signals),
            Event::Queue(left) => self.queue.push(left),
            Event::Finished { attempt, .. } => {
                self.ended.push(attempt.outcome);
                self.cpu += attempt.cpu;
                self.delay = attempt.run_queue_delay;
            }
            _ => {}
        }
        None
    }

    fn tick_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(10))
    }

    fn shed(&mut self) -> Option<JobId> {
        self.shed.take().filter(|_| !self.ticks.is_empty())
    }
}

#[test]
fn signals_account_for_every_moment() {
    let mixed = scenario(
        6,
        "[[job]]\nphases = [{ on = 'cpu', seconds = 1.0 }]\nto = 0.67\n\
         [[job]]\nphases = [{ on = 'timer', seconds = 9.0 }]\nfrom = 0.67\n",
    );
    let mut listener = Listener::new(6);
    run_with(&mixed, 2.0, &mut listener);
    for signals in &listener.ticks[..20] {
        assert_eq!((signals.in_flight, signals.sampled), (6, 6));
        assert_eq!((signals.runnable_threads, signals.timer_only), (4, 2));
        assert_near(signals.observed.as_secs_f64(), 0.06);
        assert!(
            (signals.ran.as_secs_f64() - 0.02).abs() < 1e-8,
            "{signals:?}"
        );
        let delay = signals.run_queue_delay.as_secs_f64();
        assert!((delay - 0.02).abs() < 1e-8, "{signals:?}");
        assert_eq!(signals.rss_bytes, 6 * (2 << 20));
    }
    // Four jobs of 1 s, and what was lost by switching between two on each core.
    assert!((listener.cpu.as_secs_f64() - 4.0 * 1.03).abs() < 1e-6);
    assert_eq!(listener.delay, None);
}

#[test]
fn delays_are_told_at_the_end_if_asked_for() {
    let two = scenario(2, &one("cpu", 1.0));
    let workload = Workload::draw(&two, 1.0, 1);
    let mut listener = Listener::new(2);
    Simulation::new(&two, &workload)
        .telling_delays(true)
        .run(&mut listener);
    let delay = listener.delay.map_or(0.0, |delay| delay.as_secs_f64());
    assert!((delay - 1.03).abs() < 1e-6, "{delay}");
}

#[test]
fn an_engine_may_send_no_ticks() {
    let two = scenario(2, &one("cpu", 1.0));
    let workload = Workload::draw(&two, 1.0, 1);
    let mut listener = Listener::new(2);
    let run = Simulation::new(&two, &workload)
        .ticking(false)
        .run(&mut listener);
    assert!(run.complete && listener.ticks.is_empty());
}

#[test]
fn no_more_than_32_are_looked_at() {
    let many = scenario(100, &one("socket", 0.1));
    let mut listener = Listener::new(70);
    run_with(&many, 8.0, &mut listener);
    assert_eq!(listener.ticks[0].in_flight, 70);
    // Every third of them.
    assert_eq!(listener.ticks[0].sampled, 24);
}

#[test]
fn peers_are_told_if_they_are_asked_for() {
    struct Curious(Fixed, Option<PeerLoad>);
    impl Controller for Curious {
        fn limit(&self) -> usize {
            self.0.limit()
        }
        fn on(&mut self, _now: Duration, event: Event) -> Option<Decision> {
            if let Event::Tick(signals) = event {
                let told = signals.peers.filter(|peers| peers.jobs == 16);
                self.1 = told.or(self.1);
            }
            None
        }
        fn tick_every(&self) -> Option<Duration> {
            Some(Duration::from_millis(100))
        }
        fn wants_peers(&self) -> bool {
            true
        }
    }
    let heaviest = |peers: usize, on: &str| {
        let job =
            format!("[[job]]\nphases = [{{ on = \"{on}\", seconds = 1.0, peers = {peers} }}]\n");
        let mut curious = Curious(Fixed::new(16), None);
        run_with(&scenario(16, &job), 8.0, &mut curious);
        curious.1.map(|peers| peers.heaviest)
    };
    assert_eq!(heaviest(1, "socket"), Some(16));
    assert!(heaviest(1_000_000, "socket") == Some(1));
    assert!(heaviest(4, "socket").is_some_and(|most| (4..16).contains(&most)));
    assert_eq!(heaviest(4, "timer"), None, "nobody to talk to");
}

#[test]
fn noise_touches_signals_only() {
    let job = one("cpu", 0.1);
    let ran = |noise: f64| {
        let mut listener = Listener::new(4);
        let run = run_with(
            &scenario_with("signal_noise", noise, 20, &job),
            2.0,
            &mut listener,
        );
        (run, listener.ticks[0].ran)
    };
    let ((plain, exact), (noisy, inexact)) = (ran(0.0), ran(0.2));
    assert_eq!(plain, noisy);
    assert_ne!(exact, inexact);
}

#[test]
fn the_shed_are_started_again_first() {
    let three = scenario(3, &one("timer", 0.1));
    let mut listener = Listener::new(2);
    listener.shed = Some(2);
    let run = run_with(&three, 8.0, &mut listener);
    assert_eq!(run.sheds, 1);
    assert_eq!(listener.ended[0], Outcome::Shed);
    // 10 ms of the second are lost; it starts again at once, and the third when the first ends.
    assert_near(run.makespan, 0.2);
    assert_eq!(listener.queue, [Left::Exactly(3), Left::Exactly(2)]);
}

#[test]
fn inputs_may_come_bit_by_bit() {
    let arriving = format!(
        "{}[arrivals]\nper_second = 10\nat_start = 1\nchunk = 2\n",
        one("timer", 0.05)
    );
    let mut listener = Listener::new(9);
    let run = run_with(&scenario(6, &arriving), 8.0, &mut listener);
    // Two come at 0.2, two at 0.4, and the last at 0.5.
    assert_near(run.makespan, 0.55);
    let expected = [
        Left::AtLeast(1),
        Left::AtLeast(2),
        Left::AtLeast(2),
        Left::Exactly(1),
    ];
    assert_eq!(listener.queue, expected);
}

#[test]
fn one_seed_is_one_run_and_another_is_another() {
    let spread = scenario(
        300,
        "[[job]]\nphases = [{ on = 'cpu', seconds = 0.02, cv = 1.0 }, { on = 'socket', between = [0.05, 0.1] }]\n",
    );
    let run = |seed| {
        let workload = Workload::draw(&spread, 4.0, seed);
        let mut auto = Auto::new(spread.resources(4.0), Bounds::default());
        Simulation::new(&spread, &workload).run(&mut auto)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).makespan.to_bits(), run(8).makespan.to_bits());
}

#[test]
fn a_run_can_be_cut() {
    let long = scenario(10, &one("timer", 10.0));
    let workload = Workload::draw(&long, 8.0, 1);
    let run = Simulation::new(&long, &workload)
        .until(15.0)
        .run(&mut Fixed::new(1));
    assert!(!run.complete);
    assert_eq!((run.done, run.makespan), (1, 15.0));
}

#[test]
fn the_best_level_for_computing_is_the_cores() {
    for cores in [1.0, 2.0, 8.0, 32.0] {
        let cpu = scenario(640, &one("cpu", 0.05));
        let best = oracle(&cpu, &Workload::draw(&cpu, cores, 1)).expect("nothing can go wrong");
        assert!((best.level as f64 - cores).abs() < f64::EPSILON, "{best:?}");
        assert_near(best.makespan, 640.0 * 0.05 / cores);
    }
}

#[test]
fn the_best_level_for_crowding_is_where_the_law_has_its_peak() {
    for (sigma, kappa) in [(0.02, 0.0006), (0.05, 0.004), (0.0, 0.01)] {
        let usl = format!(
            "{}[resource.db]\nkind = 'remote'\nsigma = {sigma:?}\nkappa = {kappa:?}\n",
            one("db", 0.1)
        );
        let usl = scenario(5000, &usl);
        let best = oracle(&usl, &Workload::draw(&usl, 8.0, 1)).expect("nothing can go wrong");
        let peak = f64::sqrt((1.0 - sigma) / kappa);
        // The top is flat, and the levels are 12 % apart.
        assert!(
            (best.level as f64 / peak - 1.0).abs() < 0.15,
            "{best:?} {peak}"
        );
    }
}

#[test]
fn the_best_level_has_no_flaws() {
    let reject = format!(
        "{}[resource.api]\nkind = 'remote'\nreject_above = 6\n",
        one("api", 0.1)
    );
    let reject = scenario(600, &reject);
    let best = oracle(&reject, &Workload::draw(&reject, 8.0, 1));
    assert_eq!(best.map(|best| best.level), Some(6));
    let memory = scenario(
        64,
        "[[job]]\nmemory_gb = 3.0\nphases = [{ on = 'timer', seconds = 1.0 }]\n",
    );
    let best = oracle(&memory, &Workload::draw(&memory, 8.0, 1));
    assert_eq!(best.map(|best| best.level), Some(5));
    // What fits into no machine is cut down to what does.
    let greedy = scenario(
        4,
        "[[job]]\nmemory_gb = 30.0\nphases = [{ on = 'timer', seconds = 1.0 }]\n",
    );
    let best = oracle(&greedy, &Workload::draw(&greedy, 8.0, 1));
    assert_eq!(best.map(|best| best.level), Some(1));
}

fn own_scenarios() -> Vec<Scenario> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    Scenario::all_in(&directory).expect("our own scenarios are right")
}

#[test]
fn both_halves_have_each_kind_of_scenario() {
    let scenarios = own_scenarios();
    let kinds = [
        Kind::Cpu,
        Kind::Wait,
        Kind::Remote,
        Kind::Disk,
        Kind::Memory,
        Kind::Tail,
        Kind::Change,
        Kind::Reject,
        Kind::Mixed,
    ];
    for split in [Split::Tune, Split::Score] {
        let half: Vec<&Scenario> = scenarios.iter().filter(|s| s.split == split).collect();
        assert!(half.len() * 5 >= scenarios.len() * 2);
        for kind in kinds {
            assert!(half.iter().any(|s| s.kind == kind), "{split:?} {kind:?}");
        }
    }
    assert!(scenarios.iter().all(|scenario| !scenario.why.is_empty()));
}

#[test]
fn some_fixed_level_can_do_each_scenario() {
    for scenario in own_scenarios() {
        for cores in [2.0, 32.0] {
            let workload = Workload::draw(&scenario, cores, 1);
            let run = Simulation::new(&scenario, &workload)
                .flawless()
                .run(&mut Fixed::new(1));
            assert!(run.complete, "{}: {run:?}", scenario.name);
        }
    }
}

#[track_caller]
fn assert_wrong(text: &str, expected: &str) {
    let error = Scenario::from_toml(text, Path::new("dir/x.toml")).expect_err("it is wrong");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn mistakes_are_told_by_line() {
    let good = "why = ''\nsplit = 'tune'\nkind = 'cpu'\njobs = 5\n\
                [[job]]\nphases = [\n  { on = 'cpu', seconds = 1.0 },\n]\n";
    assert!(Scenario::from_toml(good, Path::new("x.toml")).is_ok());
    assert_wrong(
        &good.replace("jobs = 5", "jobs = 0"),
        "dir/x.toml:4: jobs = 0: must be from 1 to 10000000",
    );
    assert_wrong(
        &good.replace("on = 'cpu'", "on = 'gpu'"),
        "dir/x.toml:7: no resource is named \"gpu\"; there are: cpu, timer, socket",
    );
    assert_wrong(
        &good.replace("seconds", "peers = 0, seconds"),
        "dir/x.toml:7: peers: must be above 0",
    );
    assert_wrong(
        &good.replace("seconds", "second"),
        "dir/x.toml:7: unknown field `second`, expected one of `on`, `seconds`, `cv`, `between`, \
         `threads`, `peers`",
    );
    assert_wrong(
        &format!("{good}[resource.api]\nkind = 'socket'\ncapacity = 4\n"),
        "dir/x.toml:9: resource.api: capacity means nothing for a socket",
    );
    assert_wrong(
        &good.replace("phases", "from = 0.5\nphases"),
        "dir/x.toml:5: job: none for the part of the list at 0",
    );
    assert_wrong(
        &good.replace("kind = 'cpu'", "kind = cpu"),
        "dir/x.toml:3: string values must be quoted, expected literal string",
    );
}

#[test]
fn a_directory_without_scenarios_is_a_mistake() {
    let nowhere = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let error = Scenario::all_in(&nowhere).expect_err("there is none");
    assert!(error.to_string().starts_with("no scenario"), "{error}");
    let error = Scenario::all_in(Path::new("/does/not/exist")).expect_err("there is none");
    assert!(error.to_string().starts_with("cannot read"), "{error}");
}
