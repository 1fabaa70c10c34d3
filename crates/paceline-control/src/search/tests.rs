//! The search on jobs whose durations follow a law of the level, end by end.

use super::*;

/// Slots that are always taken, and jobs that live as long as `law` says of the level, give or
/// take a half.
struct Rig {
    search: Search,
    law: fn(f64) -> f64,
    /// All jobs live so many times as long.
    factor: f64,
    /// Jobs that begin above this level fail.
    failing_above: usize,
    jobs: InFlight,
    /// (ends at, job, began at, fails)
    running: Vec<(f64, u64, f64, bool)>,
    started: u64,
    now: f64,
    waiting: f64,
    top: usize,
    floor: usize,
    still: bool,
    may_rise: bool,
    moves: Vec<Move>,
}

impl Rig {
    fn new(level: usize, law: fn(f64) -> f64) -> Self {
        let mut search = Search::default();
        search.begin(0.0, level);
        Self::with(search, law)
    }

    fn with(search: Search, law: fn(f64) -> f64) -> Self {
        Self {
            search,
            law,
            factor: 1.0,
            failing_above: usize::MAX,
            jobs: InFlight::default(),
            running: Vec::new(),
            started: 0,
            now: 0.0,
            waiting: 1e6,
            top: 300,
            floor: 1,
            still: false,
            may_rise: true,
            moves: Vec::new(),
        }
    }

    fn fill(&mut self) {
        while self.running.len() < self.search.level {
            self.started += 1;
            self.jobs.start(self.started, self.now);
            let level = self.search.level;
            let spread = 0.5 + (self.started as f64 * 0.618_033_988_75).fract();
            let lives = (self.law)(level as f64) * self.factor * spread;
            let fails = level > self.failing_above;
            self.running
                .push((self.now + lives, self.started, self.now, fails));
        }
    }

    fn step(&mut self) -> Option<usize> {
        let view = View {
            now: self.now,
            jobs: &self.jobs,
            waiting: self.waiting,
            floor: self.floor,
            top: self.top,
            still: self.still,
            may_rise: self.may_rise,
            core_seconds: 0.0,
            ticked: true,
            creeping: false,
        };
        let to = self.search.step(&view)?;
        let level = to.level;
        assert_eq!(level, self.search.level, "{to:?}");
        self.moves.push(to);
        Some(level)
    }

    /// Until it moves, or `ends` jobs have ended.
    fn until_move(&mut self, ends: usize) -> Option<Move> {
        let before = self.moves.len();
        for _ in 0..ends {
            self.fill();
            if self.step().is_none() {
                let next = self.running.iter().enumerate();
                let next = next.min_by(|a, b| a.1.0.total_cmp(&b.1.0));
                let at = next.map(|(at, _)| at).expect("jobs run");
                let (end, job, began, fails) = self.running.swap_remove(at);
                self.now = end;
                self.jobs.end(job);
                self.search.ended(began, end - began, fails);
                self.step();
            }
            if self.moves.len() > before {
                let Move { level, reason } = self.moves.last().expect("it moved");
                let (level, reason) = (*level, reason.clone());
                return Some(Move { level, reason });
            }
        }
        None
    }

    fn run(&mut self, ends: usize) {
        let until = self.started + ends as u64;
        while self.started < until && self.until_move(ends).is_some() {}
    }

    fn labels(&self) -> Vec<&'static str> {
        self.moves.iter().map(|to| to.reason.label()).collect()
    }
}

/// Whoever asks is served at once.
fn free(_: f64) -> f64 {
    0.1
}

/// Twenty are served at once.
fn twenty(level: f64) -> f64 {
    0.1 * (level / 20.0).max(1.0)
}

/// Each takes from the others: most gets done with about fifteen.
fn crowded(level: f64) -> f64 {
    0.1 * (1.0 + 0.05 * (level - 1.0) + 0.004 * level * (level - 1.0))
}

/// A disk that gets a fifth more done with twice as many.
fn deep(level: f64) -> f64 {
    0.1 * level.powf(0.72)
}

/// One after the other.
fn lock(level: f64) -> f64 {
    0.01 * level
}

#[test]
fn more_is_tried_and_kept_while_it_gains() {
    let mut rig = Rig::new(32, free);
    let first = rig.until_move(1000).expect("a probe");
    assert_eq!(first.level, 64);
    assert_eq!(first.reason, Reason::TryingMore { from: 32 });
    assert_eq!(rig.search.best(), 32, "until it is known better");
    let second = rig.until_move(1000).expect("a verdict");
    let Reason::MoreGained {
        level: 64,
        over: 32,
        factor,
    } = second.reason
    else {
        panic!("{second:?}");
    };
    assert!((1.7..2.3).contains(&factor), "{factor}");
    assert_eq!(second.level, 256, "in larger steps");
    rig.run(5000);
    assert_eq!(rig.search.best(), 300, "{:?}", rig.moves);
}

#[test]
fn where_hardly_any_are_in_flight_the_first_step_is_large() {
    let mut rig = Rig::new(6, deep);
    assert_eq!(rig.until_move(1000).map(|to| to.level), Some(24));
    let kept = rig.until_move(1000).expect("a verdict");
    assert_eq!(kept.reason.label(), "more-gained", "{kept:?}");
    assert_eq!(kept.level, 48, "then it doubles");
}

#[test]
fn a_rise_is_followed_however_slow() {
    let mut rig = Rig::new(6, deep);
    rig.run(3000);
    assert!(rig.search.best() >= 96, "{:?}", rig.moves);
}

/// So few jobs that one in five more cannot be told from chance.
#[test]
fn a_step_that_tells_nothing_is_followed_by_a_larger_one() {
    fn hardly(level: f64) -> f64 {
        0.1 * level.powf(0.95)
    }
    let mut rig = Rig::new(20, hardly);
    rig.waiting = 300.0;
    assert_eq!(rig.until_move(1000).map(|to| to.level), Some(40));
    let farther = rig.until_move(1000).expect("a verdict");
    assert_eq!(farther.reason, Reason::TryingMore { from: 20 });
    assert_eq!(farther.level, 80);
    // Once: chance must not lead on and on.
    let verdict = rig.until_move(1000).expect("another");
    assert!(verdict.level <= 80, "{:?}", rig.moves);
}

#[test]
fn jobs_that_are_few_end_the_climb() {
    let mut rig = Rig::new(32, free);
    rig.waiting = 40.0;
    assert_eq!(rig.until_move(1000), None);
    assert!(!rig.search.is_busy());
    assert!(!rig.search.is_settled(), "nobody knows");
}

#[test]
fn a_level_that_gains_nothing_is_left_again() {
    let mut rig = Rig::new(20, twenty);
    assert_eq!(rig.until_move(1000).map(|to| to.level), Some(40));
    let back = rig.until_move(1000).expect("a verdict");
    assert!(back.level <= 20, "{back:?}");
    rig.run(3000);
    assert!((15..=24).contains(&rig.search.best()), "{:?}", rig.moves);
    assert!(rig.search.is_settled());
}

#[test]
fn a_hopeless_level_is_left_before_its_jobs_end() {
    fn cliff(level: f64) -> f64 {
        if level > 40.0 { 10.0 } else { 0.1 }
    }
    let mut rig = Rig::new(32, cliff);
    assert_eq!(rig.until_move(1000).map(|to| to.level), Some(64));
    let since = rig.now;
    let back = rig.until_move(1000).expect("a verdict");
    let Reason::NotBetter { tried: 64, factor } = back.reason else {
        panic!("{back:?}");
    };
    assert!(factor < 0.86, "{factor}");
    assert!(rig.now - since < 5.0, "no job of it has ended yet");
}

#[test]
fn fewer_are_tried_where_more_got_no_more_done() {
    let mut rig = Rig::new(32, lock);
    rig.run(3000);
    assert!(rig.labels().contains(&"fewer-suffice"), "{:?}", rig.moves);
    assert!(rig.search.best() <= 16, "{:?}", rig.moves);
}

#[test]
fn the_law_leads_to_the_peak_inside_a_bracket() {
    let mut rig = Rig::new(32, crowded);
    rig.run(8000);
    assert!((11..=20).contains(&rig.search.best()), "{:?}", rig.moves);
    let levels: Vec<usize> = rig
        .search
        .curve()
        .points()
        .iter()
        .map(|p| p.level)
        .collect();
    assert!(levels.len() >= 3, "{levels:?}");
}

#[test]
fn a_level_where_jobs_fail_is_left_however_fast_it_is() {
    let mut rig = Rig::new(32, free);
    rig.failing_above = 40;
    assert_eq!(rig.until_move(1000).map(|to| to.level), Some(64));
    let back = rig.until_move(1000).expect("a verdict");
    assert!(back.level <= 32, "{back:?}");
    rig.run(4000);
    assert!(rig.search.best() <= 40, "{:?}", rig.moves);
}

#[test]
fn what_always_fails_is_no_reason() {
    let mut rig = Rig::new(32, free);
    rig.failing_above = 0;
    rig.run(3000);
    assert!(rig.search.best() >= 64, "{:?}", rig.moves);
}

#[test]
fn nothing_is_tried_while_nothing_can_be_gained() {
    let mut rig = Rig::new(32, free);
    rig.still = true;
    assert_eq!(rig.until_move(5000), None);
    rig.still = false;
    let to = rig.until_move(5000).expect("now it may");
    assert!(to.level > 32, "{to:?}");
}

#[test]
fn nothing_rises_right_after_a_cap_came_down() {
    let mut rig = Rig::new(32, free);
    rig.may_rise = false;
    assert_eq!(rig.until_move(500), None);
    rig.may_rise = true;
    assert_eq!(rig.until_move(1).map(|to| to.level), Some(64));
}

#[test]
fn no_probe_leaves_the_bounds() {
    let mut rig = Rig::new(32, twenty);
    rig.top = 40;
    rig.floor = 28;
    rig.run(5000);
    let inside = |to: &Move| (28..=40).contains(&to.level);
    assert!(
        !rig.moves.is_empty() && rig.moves.iter().all(inside),
        "{:?}",
        rig.moves
    );
}

#[test]
fn it_returns_when_a_cap_has_gone_up_again() {
    let mut rig = Rig::new(20, twenty);
    rig.run(3000);
    let found = rig.search.best();
    rig.search.lowered(rig.now, 5);
    rig.top = 5;
    assert_eq!((rig.search.best(), rig.search.wish()), (5, found));
    rig.run(300);
    assert_eq!(rig.search.best(), 5);
    rig.top = 10;
    let half = rig.until_move(10).expect("there is some room");
    assert_eq!((half.level, half.reason), (10, Reason::RoomAgain));
    rig.top = 1000;
    let back = rig.until_move(10).expect("there is room");
    assert_eq!((back.level, back.reason), (found, Reason::RoomAgain));
}

#[test]
fn a_cap_never_raises() {
    let mut search = Search::default();
    search.begin(0.0, 8);
    search.lowered(1.0, 12);
    assert_eq!(search.best(), 8);
}

#[test]
fn a_level_that_holds_is_looked_around_from_time_to_time() {
    let mut rig = Rig::new(20, twenty);
    rig.run(3000);
    let settled = rig.moves.len();
    rig.run(8000);
    let later = &rig.moves[settled..];
    let tried = later.iter().filter(|to| to.reason.label() == "trying-more");
    assert!(tried.count() >= 1, "{later:?}");
    assert!(later.len() < 30, "{later:?}");
    assert!((15..=24).contains(&rig.search.best()), "{:?}", rig.moves);
}

#[test]
fn a_change_of_work_is_noticed_and_followed() {
    let mut rig = Rig::new(20, twenty);
    rig.run(3000);
    let settled = rig.moves.len();
    rig.factor = 4.0;
    rig.run(3000);
    let later: Vec<_> = rig.labels().split_off(settled);
    assert!(later.contains(&"shifted"), "{later:?}");
    rig.factor = 1.0;
    rig.law = free;
    rig.run(12_000);
    assert!(rig.search.best() >= 100, "{:?}", rig.moves);
}

fn learned(level: usize, settled: bool) -> Learned {
    Learned {
        settled,
        ..Learned::level(level, "not-better")
    }
}

#[test]
fn a_settled_level_is_recalled_and_kept() {
    let mut search = Search::default();
    assert_eq!(search.recall(&learned(20, true), 1, 1000), Some(20));
    assert!(search.has_reference() && !search.is_busy() && search.is_settled());
    let mut rig = Rig::with(search, twenty);
    rig.run(200);
    assert_eq!((rig.search.best(), rig.moves.len()), (20, 0));
}

#[test]
fn an_unsettled_level_is_where_the_search_goes_on() {
    let mut search = Search::default();
    assert_eq!(search.recall(&learned(64, false), 1, 1000), Some(64));
    assert!(!search.is_settled());
    let mut rig = Rig::with(search, free);
    rig.run(3000);
    assert!(rig.search.best() > 64, "{:?}", rig.moves);
}

#[test]
fn where_throughput_grew_the_next_level_is_as_good_as_known() {
    let mut growing = learned(64, false);
    let point = |level, throughput| {
        let latency = std::time::Duration::from_millis(100);
        crate::learned::CurvePoint::new(level, throughput, latency, 100)
    };
    growing.curve = vec![point(32, 320.0), point(64, 640.0)];
    assert_eq!(Search::default().recall(&growing, 1, 1000), Some(128));
    growing.settled = true;
    assert_eq!(Search::default().recall(&growing, 1, 1000), Some(64));
}

#[test]
fn recalled_levels_stay_within_the_bounds() {
    for (level, floor, top, expected) in [(0, 1, 9, 1), (50, 1, 9, 9), (2, 4, 9, 4)] {
        let mut search = Search::default();
        assert_eq!(
            search.recall(&learned(level, true), floor, top),
            Some(expected)
        );
    }
    let mut search = Search::default();
    search.recall(&learned(50, true), 1, 9);
    assert_eq!(search.wish(), 50, "it may return");
}

#[test]
fn other_jobs_than_remembered_are_searched_anew() {
    let mut other = learned(20, true);
    other.mean_wall_seconds = 0.01;
    let mut search = Search::default();
    search.recall(&other, 1, 1000);
    let mut rig = Rig::with(search, lock);
    let to = rig.until_move(2000).expect("they are ten times as long");
    assert_eq!(to.reason.label(), "shifted");
    assert!(to.level < 20, "{to:?}");
}

#[test]
fn it_turns_to_where_an_earlier_run_turned() {
    let mut changing = learned(20, true);
    changing.changed_to = Some(7);
    let mut search = Search::default();
    search.recall(&changing, 1, 1000);
    let mut rig = Rig::with(search, twenty);
    rig.run(500);
    rig.factor = 5.0;
    let to = rig.until_move(2000).expect("they take longer");
    assert_eq!((to.level, to.reason.label()), (7, "shifted"));
}

#[test]
fn it_turns_as_far_as_caps_allow_where_the_cores_ease() {
    let mut changing = learned(9, true);
    changing.changed_to = Some(200);
    let mut search = Search::default();
    search.recall(&changing, 1, 9);
    let mut rig = Rig::with(search, free);
    (rig.top, rig.still) = (9, true);
    rig.run(100);
    rig.still = false;
    rig.top = 30;
    rig.search.eased();
    // The ramp may have gone on by then.
    rig.search.begin(rig.now, 18);
    for (top, level) in [(30, 30), (100, 100), (300, 200)] {
        rig.top = top;
        let to = rig.until_move(5).expect("there is room");
        assert_eq!((to.level, to.reason), (level, Reason::RoomAgain));
    }
    assert!(rig.until_move(5).is_none(), "it is there");
}

#[test]
fn a_collapse_shows_before_a_window_is_full() {
    let mut rig = Rig::new(32, twenty);
    rig.run(3000);
    let level = rig.search.best();
    let before = rig.started;
    rig.factor = 10.0;
    let shift = loop {
        let found = rig.until_move(3000).expect("it is noticed");
        if matches!(found.reason, Reason::Shifted { .. }) {
            break found;
        }
    };
    assert!(rig.started - before < 6 * level as u64, "{:?}", rig.moves);
    assert!(shift.level <= level / 2 + 1, "{:?}", rig.moves);
    // All of it was slower, and the same level is as good as before.
    rig.run(4000);
    assert!(rig.search.best() >= 12, "{:?}", rig.moves);
}

/// The level that was reckoned, not measured, is so near the measured one that jobs live as long.
#[test]
fn a_collapse_shows_though_no_job_ends() {
    let mut rig = Rig::new(32, twenty);
    rig.run(3000);
    rig.fill();
    let (settled, began) = (rig.search.best(), rig.now);
    // All are served at once, and none of them before the others.
    let ends = rig.running.iter().map(|job| job.0).fold(0.0, f64::max) + 100.0;
    for job in &mut rig.running {
        job.0 = ends;
    }
    assert_eq!(rig.search.mode, Mode::Hold);
    let mean = rig.search.usual_wall().expect("it was measured");
    let moved = (0..100).find_map(|_| {
        rig.now += 0.1 * mean;
        rig.step()
    });
    let level = moved.expect("it does not wait for one to end");
    assert!(level < settled && rig.now - began < 5.0 * mean, "{level}");
    assert_eq!(rig.labels().last(), Some(&"shifted"));
}

#[test]
fn a_collapse_shows_at_a_level_next_to_the_measured_one() {
    let mut rig = Rig::new(32, twenty);
    rig.run(3000);
    rig.search.level = rig.search.best() + 1;
    rig.search.mode = Mode::Hold;
    rig.search.epoch = Epoch::new(rig.now);
    rig.factor = 10.0;
    let before = rig.started;
    let shift = rig.until_move(3000).expect("it is noticed");
    assert_eq!(shift.reason.label(), "shifted", "{:?}", rig.moves);
    assert!(rig.started - before < 6 * 32, "{:?}", rig.moves);
}

/// 20 are served at once, and those beyond slow all others.
fn sharp(n: f64) -> f64 {
    let beyond = (n - 20.0).max(0.0);
    0.1 * (n / 20.0).max(1.0) * (1.0 + 0.02 * beyond + 0.0005 * beyond * beyond)
}

#[test]
fn a_remembered_level_is_looked_at_where_its_curve_leaves_room() {
    let mut known = learned(30, true);
    // The machine was half as fast then.
    known.curve = [16, 30, 39, 64]
        .into_iter()
        .map(|level| {
            let lives = 2.0 * sharp(level as f64);
            let latency = std::time::Duration::from_secs_f64(lives);
            crate::CurvePoint::new(level, level as f64 / lives, latency, 60)
        })
        .collect();
    known.mean_wall_seconds = sharp(30.0);
    let mut search = Search::default();
    search.recall(&known, 1, 1000);
    let mut rig = Rig::with(search, sharp);
    let to = rig.until_move(400).expect("16 got as much done as 30");
    assert_eq!((to.level, to.reason.label()), (22, "trying-fewer"));
    rig.run(600);
    assert!((20..=24).contains(&rig.search.best()), "{:?}", rig.moves);
}

#[test]
fn a_level_that_was_reckoned_is_not_the_last_word() {
    let mut rig = Rig::new(32, sharp);
    rig.run(1600);
    assert!((19..=26).contains(&rig.search.best()), "{:?}", rig.moves);
}
