//! What the controller promises, on machines in made-up time.

use std::path::Path;

use paceline_control::simulator::{Run, Scenario, Simulation, Workload};
use paceline_control::{Auto, Bounds, Controller, Learned};

/// Core seconds of exec and dynamic loading of a small program.
const LOAD: &str = "{ on = 'cpu', seconds = 0.0006 }";

/// Jobs of these phases, on resources and with changes as `rest` says.
fn scenario(jobs: usize, phases: &str, rest: &str) -> Scenario {
    scenario_of(
        jobs,
        &format!("[[job]]\nphases = [{LOAD}, {phases}]\n{rest}"),
    )
}

fn scenario_of(jobs: usize, rest: &str) -> Scenario {
    let text = format!("why = 'a test'\nsplit = 'tune'\nkind = 'mixed'\njobs = {jobs}\n{rest}");
    Scenario::from_toml(&text, Path::new("test.toml")).expect("the scenario is right")
}

/// A run, and what the next one may know of it.
struct Ran {
    run: Run,
    learned: Learned,
}

impl Ran {
    fn moves(&self) -> usize {
        let moved = |d: &paceline_control::Decision| d.was != d.limit;
        let steps = self.run.steps.iter();
        steps.filter(|step| moved(&step.decision)).count()
    }

    /// The level in force when this share of the jobs was done.
    fn level_at(&self, share: f64) -> usize {
        let done = (share * self.run.done as f64) as usize;
        let before = self.run.steps.iter().take_while(|step| step.done <= done);
        before.last().map_or(2, |step| step.decision.limit)
    }

    /// One line per decision, to see a run at a glance.
    fn story(&self) -> String {
        let line = |step: &paceline_control::simulator::Step| {
            let d = &step.decision;
            let done = step.done;
            format!(
                "{:?} ({done} done): {} -> {}: {}\n",
                d.at, d.was, d.limit, d.reason
            )
        };
        let mut story: String = self.run.steps.iter().map(line).collect();
        story += &format!("{} s, {} at most\n", self.run.makespan, self.run.peak());
        story + &format!("{:?}", self.learned)
    }
}

fn auto(scenario: &Scenario, cores: f64) -> Auto {
    Auto::new(scenario.resources(cores), Bounds::default())
}

fn run_with(scenario: &Scenario, cores: f64, ticks: bool, mut auto: Auto) -> Ran {
    let workload = Workload::draw(scenario, cores, 1);
    let run = Simulation::new(scenario, &workload)
        .ticking(ticks)
        .run(&mut auto);
    assert!(run.complete && run.done == workload.len(), "{run:?}");
    let learned = auto.learned().expect("jobs have ended");
    Ran { run, learned }
}

fn run(scenario: &Scenario, cores: f64) -> Ran {
    run_with(scenario, cores, true, auto(scenario, cores))
}

#[test]
fn fifty_sleeps_run_at_once() {
    let ran = run(&scenario(50, "{ on = 'timer', seconds = 1.0 }", ""), 2.0);
    assert_eq!(ran.run.peak_by(0.3), 50, "{}", ran.story());
    assert!(ran.run.makespan < 1.3, "{}", ran.story());
}

#[test]
fn many_short_sleeps_reach_hundreds_fast() {
    let sleeps = scenario(5000, "{ on = 'timer', seconds = 0.1 }", "");
    let two = run(&sleeps, 2.0);
    assert!(two.run.peak_by(0.5) >= 150, "{}", two.story());
    let many = run(&sleeps, 32.0);
    assert!(many.run.peak_by(0.4) >= 400, "{}", many.story());
}

#[test]
fn computing_jobs_keep_to_the_cores_until_the_last() {
    for cores in [1.0, 2.0, 8.0, 32.0] {
        for ticks in [true, false] {
            for seconds in [0.005, 0.05, 0.5] {
                let phases = format!("{{ on = 'cpu', seconds = {seconds:?} }}");
                let cpu = scenario(640, &phases, "");
                let ran = run_with(&cpu, cores, ticks, auto(&cpu, cores));
                let story = format!("{cores} cores, {seconds} s\n{}", ran.story());
                assert!(ran.run.peak() <= (2.0 * cores) as usize, "{story}");
                assert!(ran.moves() <= 10, "{story}");
                let most = (1.3 * cores).ceil() as usize;
                for step in &ran.run.steps {
                    let last = step.decision.reason.label() == "last-jobs";
                    assert!(last || step.decision.limit <= most, "{story}");
                }
            }
        }
    }
}

#[test]
fn tiny_jobs_stay_near_the_cores() {
    let tiny = scenario_of(5000, &format!("[[job]]\nphases = [{LOAD}]\n"));
    for ticks in [true, false] {
        let ran = run_with(&tiny, 2.0, ticks, auto(&tiny, 2.0));
        assert!(ran.run.peak() <= 4, "{}", ran.story());
        assert!(ran.moves() <= 6, "{}", ran.story());
    }
}

#[test]
fn a_third_of_a_core_each_fills_the_cores() {
    let phases = "{ on = 'cpu', seconds = 0.03, cv = 0.3 }, \
                  { on = 'socket', seconds = 0.07, cv = 0.3 }";
    let ran = run(&scenario(1000, phases, ""), 8.0);
    // 1000 × 30.6 ms on 8 cores take 3.8 s.
    assert!(ran.run.makespan < 4.6, "{}", ran.story());
    assert!((24..=60).contains(&ran.run.peak()), "{}", ran.story());
}

#[test]
fn too_many_at_first_do_not_leave_too_few() {
    let phases = "{ on = 'socket', seconds = 0.05, cv = 0.3 }, \
                  { on = 'cpu', seconds = 0.01, cv = 0.3 }";
    let ran = run(&scenario(1000, phases, ""), 2.0);
    // 1000 × 10.6 ms on 2 cores take 5.3 s, and crowding some more.
    assert!(ran.run.makespan < 7.0, "{}", ran.story());
    assert!((8..=24).contains(&ran.level_at(0.9)), "{}", ran.story());
}

#[test]
fn python_start_up_delays_but_does_not_stop_the_ramp() {
    let phases = "{ on = 'cpu', seconds = 0.02 }, { on = 'timer', seconds = 1.0 }";
    let ran = run(&scenario(50, phases, ""), 2.0);
    assert!(ran.run.peak_by(1.2) >= 30, "{}", ran.story());
}

#[test]
fn sleepers_that_turn_to_computing_lose_their_slots() {
    let ran = run(
        &scenario_of(
            3000,
            "[[job]]\nto = 0.67\nphases = [{ on = 'timer', seconds = 0.1 }]\n\
             [[job]]\nfrom = 0.67\nphases = [{ on = 'cpu', seconds = 0.1 }]\n",
        ),
        2.0,
    );
    assert!(ran.run.peak() >= 100, "{}", ran.story());
    let settled = ran.run.settled().expect("it decided something");
    assert!(settled <= 4, "{}", ran.story());
    assert!(ran.level_at(0.95) <= 3, "{}", ran.story());
}

#[test]
fn memory_binds_sleepers_and_nobody_is_killed() {
    let ran = run(
        &scenario_of(
            50,
            "[machine]\nmemory_gb = 4\n[[job]]\nmemory_gb = 0.6\n\
             phases = [{ on = 'timer', seconds = 1.0 }]\n",
        ),
        2.0,
    );
    assert_eq!(ran.run.oom_kills, 0, "{}", ran.story());
    assert!((5..=9).contains(&ran.learned.level), "{}", ran.story());
    assert_eq!(ran.learned.limited_by, "memory", "{}", ran.story());
}

#[test]
fn the_users_bounds_hold_from_the_first_job() {
    let bounds = Bounds {
        min: 6,
        max: Some(10),
    };
    for (phase, expected) in [("cpu", 6), ("timer", 10), ("socket", 10)] {
        let phases = format!("{{ on = '{phase}', seconds = 0.3 }}");
        let some = scenario(400, &phases, "");
        let auto = Auto::new(some.resources(2.0), bounds);
        assert_eq!(auto.limit(), 6);
        let ran = run_with(&some, 2.0, true, auto);
        assert_eq!(ran.run.peak(), expected, "{}", ran.story());
        let inside = |level| (6..=10).contains(&level);
        let steps = &ran.run.steps;
        assert!(
            steps.iter().all(|s| inside(s.decision.limit)),
            "{}",
            ran.story()
        );
    }
}

/// Twenty are served at once, and more crowd each other.
const CROWDED: &str = "[resource.api]\nkind = 'remote'\ncapacity = 20\nusl_above = 20\n\
                       sigma = 0.01\nkappa = 0.001\n";

#[test]
fn a_crowded_peer_gets_what_it_serves() {
    let crowded = scenario(2000, "{ on = 'api', seconds = 0.08, cv = 0.5 }", CROWDED);
    let ran = run(&crowded, 8.0);
    assert!((16..=32).contains(&ran.learned.level), "{}", ran.story());
    assert!((16..=32).contains(&ran.level_at(0.9)), "{}", ran.story());
    assert!(
        ran.learned.settled && ran.learned.curve.len() >= 2,
        "{}",
        ran.story()
    );
}

#[test]
fn a_peer_that_scales_gets_more_than_was_trusted() {
    let free = scenario(5000, "{ on = 'socket', seconds = 0.1, cv = 0.3 }", "");
    let ran = run(&free, 8.0);
    assert!(ran.run.peak() >= 250, "{}", ran.story());
}

#[test]
fn a_disk_ends_near_its_queue() {
    let disk = scenario(
        2000,
        "{ on = 'disk', seconds = 0.02, cv = 0.5 }",
        "[resource.disk]\nkind = 'disk'\nqueue = 4\npeak = 1.6\nthrash = 0.05\n",
    );
    let ran = run(&disk, 8.0);
    assert!((2..=8).contains(&ran.learned.level), "{}", ran.story());
}

#[test]
fn who_answers_busy_is_soon_left_in_peace() {
    let rejecting = scenario(
        4000,
        "{ on = 'api', seconds = 0.1, cv = 0.3 }",
        "[resource.api]\nkind = 'remote'\nreject_above = 24\n",
    );
    let ran = run(&rejecting, 8.0);
    let settled = ran.run.settled().expect("it decided something");
    assert!((22..=24).contains(&settled), "{}", ran.story());
    assert!(ran.run.rejects <= 40, "{} {}", ran.run.rejects, ran.story());
    let above = ran.learned.busy_above.expect("somebody answered so");
    assert!((22..=26).contains(&above), "{above} {}", ran.story());
    let again = auto(&rejecting, 8.0).remembering(&ran.learned);
    let again = run_with(&rejecting, 8.0, true, again);
    assert!(again.run.rejects <= ran.run.rejects, "{}", again.story());
    assert!(again.run.makespan < ran.run.makespan, "{}", again.story());
}

#[test]
fn the_level_follows_when_the_peer_changes() {
    let shrinking = scenario(
        4000,
        "{ on = 'api', seconds = 0.1, cv = 0.3 }",
        "[resource.api]\nkind = 'remote'\ncapacity = 60\nusl_above = 60\nsigma = 0.02\n\
         [[change]]\nresource = 'api'\nat = 0.5\nset = { capacity = 10, usl_above = 10 }\n",
    );
    let ran = run(&shrinking, 8.0);
    assert!(ran.level_at(0.45) >= 45, "{}", ran.story());
    assert!(ran.level_at(0.9) <= 32, "{}", ran.story());
    let growing = scenario(
        4000,
        "{ on = 'api', seconds = 0.1, cv = 0.3 }",
        "[resource.api]\nkind = 'remote'\ncapacity = 10\nusl_above = 10\nsigma = 0.1\n\
         [[change]]\nresource = 'api'\nat = 0.4\nset = { capacity = 80, usl_above = 80 }\n",
    );
    let ran = run(&growing, 8.0);
    assert!(ran.level_at(0.35) <= 24, "{}", ran.story());
    assert!(ran.level_at(0.95) >= 45, "{}", ran.story());
}

#[test]
fn a_remembered_run_starts_at_its_level_and_is_no_slower() {
    for (rest, phases) in [
        (CROWDED, "{ on = 'api', seconds = 0.08, cv = 0.5 }"),
        ("", "{ on = 'timer', seconds = 0.1 }"),
        ("", "{ on = 'cpu', seconds = 0.02 }"),
        ("", "{ on = 'socket', seconds = 0.1, cv = 0.3 }"),
    ] {
        let some = scenario(2000, phases, rest);
        let first = run(&some, 8.0);
        let auto = auto(&some, 8.0).remembering(&first.learned);
        let level = auto.limit();
        assert!(level >= first.learned.level, "{level} {}", first.story());
        assert!(
            level <= 2 * first.learned.level,
            "{level} {}",
            first.story()
        );
        let second = run_with(&some, 8.0, true, auto);
        assert!(
            second.run.makespan <= 1.03 * first.run.makespan,
            "{}\n{}",
            first.story(),
            second.story()
        );
    }
}

#[test]
fn decisions_are_few_in_a_steady_run() {
    for phases in [
        "{ on = 'timer', seconds = 0.1 }",
        "{ on = 'socket', seconds = 0.05 }, { on = 'cpu', seconds = 0.01 }",
        "{ on = 'cpu', seconds = 0.01 }, { on = 'timer', seconds = 0.02 }, { on = 'cpu', seconds = 0.01 }",
    ] {
        let ran = run(&scenario(2000, phases, ""), 2.0);
        assert!(ran.moves() <= 24, "{} moves {}", ran.moves(), ran.story());
    }
}
