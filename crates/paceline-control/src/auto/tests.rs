//! The controller event by event.

use super::*;
use crate::controller::PeerLoad;

fn resources(cores: f64) -> Resources {
    Resources {
        cores,
        memory_bytes: 1 << 30,
        descriptor_jobs: 100,
        process_jobs: 200,
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// All slots taken by jobs that wait on timers, then two ticks that show it.
fn fill_and_tick(auto: &mut Auto, from: Duration) -> Vec<Decision> {
    let mut decisions = Vec::new();
    while auto.jobs.len() < auto.limit() {
        decisions.extend(auto.on(
            from,
            Event::Started {
                job: auto.jobs.len() as u64,
            },
        ));
    }
    for tick in 1..=3 {
        let signals = Signals {
            in_flight: auto.jobs.len(),
            sampled: auto.jobs.len(),
            observed: ms(10) * auto.jobs.len() as u32,
            timer_only: auto.jobs.len(),
            ..Signals::default()
        };
        decisions.extend(auto.on(from + ms(10) * tick, Event::Tick(signals)));
    }
    decisions
}

#[test]
fn first_level() {
    let first = |cores, min, max| Auto::new(resources(cores), Bounds { min, max }).limit();
    assert_eq!(first(4.0, 0, None), 2);
    assert_eq!(first(1.0, 0, None), 1);
    assert_eq!(first(4.0, 0, Some(1)), 1);
    assert_eq!(first(1.0, 6, None), 6, "the user may crowd the cores");
    assert_eq!(first(1.0, 500, None), 100, "but not the descriptors");
}

#[test]
fn timers_double_it_and_say_so() {
    let mut auto = Auto::new(resources(2.0), Bounds::default());
    auto.on(ms(0), Event::Queue(Left::Exactly(1000)));
    let first = fill_and_tick(&mut auto, ms(0));
    assert_eq!(first.len(), 1, "not full any more");
    assert_eq!((first[0].was, first[0].limit), (2, 4));
    let second = fill_and_tick(&mut auto, ms(40));
    assert_eq!((second[0].was, second[0].limit), (4, 8));
    assert_eq!(second[0].reason, Reason::NothingShared);
}

#[test]
fn the_last_jobs_are_no_decision() {
    let mut auto = Auto::new(resources(2.0), Bounds::default());
    auto.on(ms(0), Event::Queue(Left::Exactly(2)));
    assert_eq!(fill_and_tick(&mut auto, ms(0)), []);
    let decision = auto.on(ms(50), Event::Queue(Left::Exactly(1)));
    assert_eq!(decision.map(|to| to.limit), Some(3), "one slot for one job");
}

#[test]
fn a_refusal_binds_at_once_and_holds_the_ramp() {
    let mut auto = Auto::new(resources(2.0), Bounds::default());
    auto.on(ms(0), Event::Queue(Left::Exactly(1000)));
    for round in 0..4 {
        fill_and_tick(&mut auto, ms(round * 40));
    }
    assert!(auto.limit() > 18);
    let refused = auto.on(ms(200), Event::SpawnRefused { in_flight: 20 });
    let reason = Reason::SpawnRefused {
        in_flight: 20,
        jobs: 18,
    };
    assert_eq!(
        refused.map(|decision| decision.reason),
        Some(reason.clone())
    );
    assert_eq!(auto.binding(), (18, reason));
}

#[test]
fn more_ends_than_starts_and_time_standing_still() {
    let mut auto = Auto::new(resources(2.0), Bounds::default());
    let attempt = Attempt {
        outcome: Outcome::Done,
        wall: Duration::ZERO,
        cpu: Duration::MAX,
        run_queue_delay: None,
        peak_rss_bytes: 1,
    };
    for _ in 0..20 {
        auto.on(Duration::MAX, Event::Finished { job: 1, attempt });
        auto.on(ms(0), Event::Tick(Signals::default()));
        auto.on(ms(0), Event::SpawnRefused { in_flight: 0 });
    }
    assert_eq!(auto.limit(), 1);
}

#[test]
fn ticks_are_close_only_while_something_moves() {
    let mut auto = Auto::new(resources(2.0), Bounds::default());
    assert_eq!(auto.tick_every(), Some(TICK_RAMPING));
    auto.on(ms(300), Event::Queue(Left::Exactly(10)));
    assert_eq!(auto.tick_every(), Some(TICK_SETTLED));
}

#[test]
fn cancelled_jobs_prove_nothing() {
    let mut auto = Auto::new(resources(8.0), Bounds::default());
    for n in 0..50 {
        auto.on(ms(n), Event::Started { job: n });
        let attempt = Attempt {
            outcome: Outcome::Cancelled,
            wall: ms(1),
            cpu: ms(0),
            run_queue_delay: None,
            peak_rss_bytes: 1 << 30,
        };
        auto.on(ms(n), Event::Finished { job: n, attempt });
    }
    assert_eq!(auto.binding(), (8, Reason::CpuUnknown { cores: 8.0 }));
}

/// An engine that fills all slots and tells what a test wants it to tell.
struct Engine {
    auto: Auto,
    now: Duration,
    started: JobId,
    running: VecDeque<(JobId, Duration)>,
}

impl Engine {
    fn new(auto: Auto, waiting: u64) -> Self {
        let mut engine = Self {
            auto,
            now: Duration::ZERO,
            started: 0,
            running: VecDeque::new(),
        };
        engine.tell(Event::Queue(Left::Exactly(waiting)));
        engine
    }

    fn tell(&mut self, event: Event) -> Option<Decision> {
        let decision = self.auto.on(self.now, event);
        if let Some(decision) = &decision {
            assert!(!decision.reason.to_string().is_empty());
            assert_eq!(decision.limit, self.auto.limit());
        }
        decision
    }

    fn fill(&mut self) {
        while self.running.len() < self.auto.limit() {
            self.started += 1;
            self.running.push_back((self.started, self.now));
            self.tell(Event::Started { job: self.started });
        }
    }

    /// The oldest ends, having used this share of a core.
    fn end(&mut self, outcome: Outcome, share: f64) -> Option<Decision> {
        let (job, began) = self.running.pop_front().expect("jobs run");
        let wall = self.now.saturating_sub(began);
        let attempt = Attempt {
            outcome,
            wall,
            cpu: wall.mul_f64(share),
            run_queue_delay: Some(ms(0)),
            peak_rss_bytes: 4 << 20,
        };
        self.tell(Event::Finished { job, attempt })
    }

    /// A tick after `gap` in which jobs wait on timers or sockets, or compute.
    fn tick(&mut self, gap: Duration, timers: bool, computing: bool) -> Option<Decision> {
        self.now += gap;
        let jobs = self.running.len();
        let signals = Signals {
            in_flight: jobs,
            sampled: jobs,
            observed: gap * jobs as u32,
            ran: if computing { gap * jobs as u32 } else { ms(0) },
            runnable_threads: if computing { jobs } else { 0 },
            timer_only: if timers { jobs } else { 0 },
            ..Signals::default()
        };
        self.tell(Event::Tick(signals))
    }

    /// Generations of jobs of `wall`, one tick in the middle of each.
    fn generations(&mut self, count: usize, wall: Duration, timers: bool, share: f64) {
        for _ in 0..count {
            self.fill();
            self.tick(wall / 2, timers, share > 0.5);
            self.now += wall / 2;
            for _ in 0..self.running.len() {
                self.end(Outcome::Done, share);
            }
        }
    }
}

fn auto(cores: f64) -> Auto {
    Auto::new(resources(cores), Bounds::default())
}

#[test]
fn an_answer_of_busy_lowers_the_limit_at_once() {
    let mut engine = Engine::new(auto(8.0), 1000);
    while engine.auto.limit() < 16 {
        engine.fill();
        engine.tick(ms(20), false, false);
    }
    engine.fill();
    // The sixteenth began beside fifteen others.
    engine.running.rotate_right(1);
    let decision = engine.end(Outcome::Busy, 0.0).expect("it lowers");
    assert_eq!(decision.limit, 15);
    let beside = Reason::Busy {
        beside: 16,
        jobs: 15,
    };
    assert_eq!(decision.reason, beside);
    assert_eq!(engine.auto.binding(), (15, beside));
    assert_eq!(engine.auto.learned(), None, "nothing has ended by itself");
}

#[test]
fn the_youngest_are_shed_once_each_when_memory_runs_out() {
    let mut engine = Engine::new(auto(8.0), 1000);
    while engine.auto.limit() < 8 {
        engine.fill();
        engine.tick(ms(20), false, false);
    }
    engine.fill();
    let jobs = engine.running.len();
    engine.now += ms(5);
    let full = Signals {
        in_flight: jobs,
        sampled: jobs,
        observed: ms(5) * jobs as u32,
        rss_bytes: 1 << 30,
        memory_available_bytes: 1 << 20,
        ..Signals::default()
    };
    let decision = engine.tell(Event::Tick(full)).expect("it lowers");
    assert_eq!(decision.reason.label(), "memory");
    let shed: Vec<JobId> = std::iter::from_fn(|| engine.auto.shed()).collect();
    assert_eq!(shed.first(), Some(&engine.started), "the youngest");
    assert!(shed.is_sorted_by(|a, b| a > b), "{shed:?}");
    assert_eq!(engine.auto.limit(), jobs - shed.len());
    // Until they have gone, nobody else is named.
    engine.now += ms(5);
    engine.tell(Event::Tick(full));
    assert_eq!(engine.auto.shed(), None);
}

#[test]
fn who_ends_before_anyone_asks_is_not_shed() {
    let mut engine = Engine::new(auto(2.0), 1000);
    engine.fill();
    engine.now += ms(5);
    engine.tell(Event::Tick(Signals {
        in_flight: 2,
        sampled: 2,
        observed: ms(10),
        rss_bytes: 1 << 30,
        memory_available_bytes: 1 << 20,
        ..Signals::default()
    }));
    engine.running.rotate_right(1);
    engine.end(Outcome::Done, 0.0);
    assert_eq!(engine.auto.shed(), None);
}

#[test]
fn a_computing_run_learns_its_cores() {
    let mut engine = Engine::new(auto(4.0), 10_000);
    engine.generations(20, ms(50), false, 1.0);
    let learned = engine.auto.learned().expect("jobs have ended");
    assert_eq!((learned.level, learned.limited_by.as_str()), (4, "cpu"));
    assert!(learned.settled);
    let busy = learned.busy_cores.expect("it is known");
    assert!((busy - 1.0).abs() < 0.05, "{busy}");
    assert!((learned.mean_wall_seconds - 0.05).abs() < 1e-6);
    assert_eq!((learned.changed_to, learned.busy_above), (None, None));
    assert!(learned.job_bytes > 3 << 20, "{learned:?}");
}

#[test]
fn a_run_that_computes_first_learns_both_levels() {
    let mut engine = Engine::new(auto(4.0), 10_000);
    engine.generations(20, ms(50), false, 1.0);
    let computing = engine.auto.limit();
    engine.generations(20, ms(50), true, 0.01);
    let learned = engine.auto.learned().expect("jobs have ended");
    assert!((computing..=computing + 2).contains(&learned.level));
    assert!(learned.settled, "so many kept the cores full");
    let busy = learned.busy_cores.expect("it was known");
    assert!(busy > 0.5, "{busy}");
    assert!(learned.changed_to > Some(32), "{learned:?}");
}

#[test]
fn a_run_of_timers_learns_how_far_it_came() {
    let mut engine = Engine::new(auto(4.0), 10_000);
    for _ in 0..4 {
        engine.fill();
        engine.tick(ms(20), true, false);
    }
    engine.generations(1, ms(50), true, 0.0);
    let learned = engine.auto.learned().expect("jobs have ended");
    assert_eq!(learned.level, engine.auto.limit());
    assert!(learned.level >= 32, "{learned:?}");
    assert_eq!(learned.limited_by, "nothing-shared");
}

#[test]
fn a_run_bound_by_descriptors_says_so_even_if_nothing_is_shared() {
    let mut engine = Engine::new(auto(4.0), 10_000);
    for _ in 0..10 {
        engine.fill();
        engine.tick(ms(10), true, false);
        engine.tick(ms(10), true, false);
    }
    engine.generations(2, ms(50), true, 0.0);
    let learned = engine.auto.learned().expect("jobs have ended");
    assert_eq!(learned.level, 100);
    assert_eq!(learned.limited_by, "descriptors");
}

#[test]
fn a_refused_run_learns_what_was_served() {
    let mut engine = Engine::new(auto(8.0), 10_000);
    while engine.auto.limit() < 16 {
        engine.fill();
        engine.tick(ms(20), false, false);
    }
    engine.fill();
    engine.running.rotate_right(1);
    engine.end(Outcome::Busy, 0.0);
    engine.generations(1, ms(50), false, 0.0);
    let learned = engine.auto.learned().expect("jobs have ended");
    assert_eq!(learned.busy_above, Some(15));
    let next = auto(8.0).remembering(&learned);
    assert!(next.limit() <= 15, "{}", next.limit());
    assert_eq!(next.binding().0, 15, "{:?}", next.binding());
}

#[test]
fn remembering_starts_at_the_level_and_says_so() {
    let mut learned = Learned::level(20, "not-better");
    learned.busy_cores = Some(0.01);
    let auto = auto(2.0).remembering(&learned);
    assert_eq!(auto.limit(), 20);
    assert_eq!(auto.reason(), &Reason::Remembered { level: 20 });
    assert_eq!(auto.learned(), None);
}

#[test]
fn remembering_never_goes_beyond_what_is_allowed_now() {
    let mut learned = Learned::level(500, "nothing-shared");
    learned.busy_cores = Some(0.001);
    let within = |min, max, learned: &Learned| {
        let auto = Auto::new(resources(2.0), Bounds { min, max }).remembering(learned);
        auto.limit()
    };
    assert_eq!(within(0, None, &learned), 100, "descriptors");
    assert_eq!(within(0, Some(7), &learned), 7);
    learned.level = 1;
    assert_eq!(within(5, None, &learned), 5);
    // Jobs of 600 MiB in a machine of 1 GiB.
    learned.level = 50;
    learned.job_bytes = 600 << 20;
    assert_eq!(within(0, None, &learned), 1);
    // And computing ones on two cores.
    let mut computing = Learned::level(50, "cpu");
    computing.busy_cores = Some(1.0);
    assert_eq!(within(0, None, &computing), 2);
}

#[test]
fn the_last_jobs_are_one_decision() {
    let mut engine = Engine::new(auto(4.0), 200);
    while engine.auto.limit() <= 4 {
        engine.generations(1, ms(50), false, 1.0);
    }
    assert_eq!(engine.running.len(), 0);
    assert_eq!(engine.auto.reason(), &Reason::LastJobs { jobs: 8 });
    assert_eq!(engine.auto.limit(), 8, "it does not follow them down");
    let learned = engine.auto.learned().expect("jobs have ended");
    assert_eq!(learned.level, 4);
}

/// Jobs that wait for sockets, 10 ms a tick, until the limit has stood for ten ticks.
fn climb(engine: &mut Engine, peers: Option<PeerLoad>) -> (usize, bool) {
    let (mut still, mut asked) = (0, false);
    while still < 10 {
        let before = engine.auto.limit();
        engine.fill();
        let wanted = engine.auto.wants_peers();
        asked |= wanted;
        engine.now += ms(10);
        let jobs = engine.running.len();
        engine.tell(Event::Tick(Signals {
            in_flight: jobs,
            sampled: jobs.min(32),
            observed: ms(10) * jobs.min(32) as u32,
            peers: peers.filter(|_| wanted),
            ..Signals::default()
        }));
        still = if engine.auto.limit() == before {
            still + 1
        } else {
            0
        };
    }
    (engine.auto.limit(), asked)
}

#[test]
fn a_cap_that_goes_up_again_is_told_as_room() {
    let mut engine = Engine::new(auto(8.0), 5000);
    engine.generations(8, ms(100), false, 0.0);
    let full = engine.auto.limit();
    engine.fill();
    engine.now += ms(10);
    let lowered = engine.end(Outcome::Busy, 0.0).expect("one too many");
    assert_eq!(lowered.reason.label(), "busy");
    let mut raised = None;
    while raised.is_none() {
        engine.fill();
        engine.now += ms(100);
        for _ in 0..engine.running.len() {
            let more = engine.end(Outcome::Done, 0.0);
            raised = raised.or(more.filter(|more| more.limit > more.was));
        }
    }
    let raised = raised.expect("the loop ended");
    assert!(raised.limit <= full, "{raised:?}");
    assert_ne!(raised.reason.label(), "busy", "that was why it was low");
}

#[test]
fn it_asks_for_peers_where_only_trust_holds_it_and_goes_by_the_heaviest() {
    let machine = Resources {
        descriptor_jobs: 5000,
        process_jobs: 5000,
        ..resources(2.0)
    };
    let many = |heaviest| PeerLoad { jobs: 30, heaviest };
    for (peers, level, label) in [
        (None, 32, "unproven"),
        (Some(many(30)), 32, "unproven"),
        (Some(many(10)), 48, "many-peers"),
        (Some(many(1)), 128, "many-peers"),
        // Hardly any has connected yet.
        (
            Some(PeerLoad {
                jobs: 9,
                heaviest: 1,
            }),
            32,
            "unproven",
        ),
    ] {
        let mut engine = Engine::new(Auto::new(machine, Bounds::default()), 5000);
        assert_eq!(climb(&mut engine, peers), (level, true), "{peers:?}");
        assert_eq!(engine.auto.reason().label(), label);
        let capped = Bounds {
            max: Some(20),
            ..Bounds::default()
        };
        let mut engine = Engine::new(Auto::new(machine, capped), 5000);
        assert_eq!(climb(&mut engine, peers), (20, false), "a cap holds it");
    }
}
