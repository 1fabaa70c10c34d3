mod switched;

use proptest::prelude::*;

use super::*;
use crate::profile::{Futex, Target};
use crate::watch::activity::Activity;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn close(left: Duration, right: Duration) -> bool {
    left.abs_diff(right) < Duration::from_micros(10)
}

/// Leads one thread after another through looks 10 ms apart.
#[derive(Default)]
struct Play {
    ledger: Ledger,
    now: Duration,
    counters: HashMap<i32, (Duration, Duration, u64)>,
}

impl Play {
    fn wait(&mut self, class: Class) -> WaitId {
        let activity = Activity {
            class,
            target: Target::Call("call".into()),
            call: "call",
            futex: None,
            timed: false,
            syncs: false,
            socket: None,
            private: false,
            word: None,
        };
        self.ledger.waits.intern(activity, None)
    }

    /// A thread ran and queued so long, in so many slices, since the round before.
    fn thread(&mut self, tid: i32, ran: u64, queued: u64, slices: u64, doing: Doing) {
        let counter = self.counters.entry(tid).or_default();
        counter.0 += ms(ran);
        counter.1 += ms(queued);
        counter.2 += slices;
        let seen = Seen {
            at: self.now,
            ran: counter.0,
            queued: counter.1,
            slices: counter.2,
            doing,
        };
        self.ledger.enter(1, tid, seen, true);
    }

    fn round(&mut self) {
        self.ledger.close_round(self.now, 0, None);
        self.now += ms(10);
    }
}

#[test]
fn waits_that_look_after_look_misses_are_noticed() {
    let mut play = Play::default();
    let disk = play.wait(Class::Disk);
    let mut rounds = |rounds, ran, slices, last| {
        for round in 1..=rounds {
            let doing = if round == rounds {
                last
            } else {
                Doing::Running
            };
            play.thread(1, ran, 0, slices, doing);
            play.round();
        }
        play.ledger.misses_waits()
    };
    // Looks that meet waits now and then, and one that computes, miss none.
    for _ in 0..5 {
        assert!(!rounds(6, 4, 50, Doing::Waiting(disk)));
    }
    assert!(!rounds(50, 9, 3, Doing::Running));
    assert!(rounds(9, 4, 50, Doing::Running));
    assert!(!rounds(1, 4, 50, Doing::Waiting(disk)));
}

#[test]
fn what_no_look_met_is_not_taken_for_the_wait_before_the_start() {
    let mut play = Play::default();
    let held = crate::watch::activity::plain(Class::Idle, "", "");
    let held = play.ledger.waits.intern(held, None);
    play.thread(1, 0, 0, 1, Doing::Waiting(held));
    play.round();
    // Many short waits, and each look finds it ready to run.
    for _ in 0..100 {
        play.thread(1, 4, 0, 50, Doing::Running);
        play.round();
    }
    let sums = play.ledger.finish();
    assert!(sums.time[Class::Idle] < ms(20), "{:?}", sums.time);
    assert!(sums.time[Class::Other] > ms(500), "{:?}", sums.time);
}

#[test]
fn one_long_wait_is_one_wait() {
    let mut play = Play::default();
    let id = play.wait(Class::Network);
    for _ in 0..101 {
        play.thread(1, 0, 0, 0, Doing::Waiting(id));
        play.round();
    }
    let sums = play.ledger.finish();
    assert!(close(sums.time[Class::Network], ms(1000)));
    assert!(close(sums.of_wall[Class::Network], ms(1000)));
    assert!(close(sums.overlap.io, ms(1000)));
    assert!((sums.waits[0].effective_count - 1.0).abs() < 1e-6);
    assert!(close(sums.waits[0].longest, ms(1000)));
}

#[test]
fn a_wait_that_is_better_described_later_is_still_one() {
    let mut play = Play::default();
    let (vague, exact) = (play.wait(Class::Poll), play.wait(Class::Network));
    for n in 0..101 {
        let id = if n < 30 { vague } else { exact };
        play.thread(1, 0, 0, 0, Doing::Waiting(id));
        play.round();
    }
    let sums = play.ledger.finish();
    assert!(close(sums.time[Class::Network], ms(1000)));
    assert_eq!(sums.time[Class::Poll], Duration::ZERO);
    assert_eq!(sums.waits.len(), 1);
    assert!((sums.waits[0].effective_count - 1.0).abs() < 1e-6);
    assert!(close(sums.waits[0].of_wall, ms(1000)));
}

#[test]
fn short_waits_that_no_look_meets_are_counted_all_the_same() {
    let mut play = Play::default();
    let id = play.wait(Class::Disk);
    play.thread(1, 0, 0, 0, Doing::Waiting(id));
    play.round();
    // 6 ms of each 10 on a core, in three slices; it happens to run at every look.
    for _ in 0..100 {
        play.thread(1, 6, 0, 3, Doing::Running);
        play.round();
    }
    let sums = play.ledger.finish();
    // What the last tick left open is given to the core.
    let cpu = sums.time[Class::Cpu];
    assert!((ms(600)..ms(605)).contains(&cpu), "{cpu:?}");
    let disk = sums.time[Class::Disk].as_secs_f64();
    assert!((0.39..=0.4001).contains(&disk), "{disk}");
    assert_eq!(sums.waits[0].slices, 300);
    // One thread never overlaps itself.
    assert!(sums.overlap.both < ms(1), "{:?}", sums.overlap);
}

#[test]
fn counters_of_a_running_thread_lag_and_that_is_no_wait() {
    let mut play = Play::default();
    let id = play.wait(Class::Sleep);
    play.thread(1, 0, 0, 1, Doing::Waiting(id));
    play.round();
    play.thread(1, 6, 0, 1, Doing::Running);
    play.round();
    for _ in 0..50 {
        play.thread(1, 8, 0, 0, Doing::Running);
        play.round();
        play.thread(1, 12, 0, 0, Doing::Running);
        play.round();
    }
    let sums = play.ledger.finish();
    assert!(sums.time[Class::Sleep] < ms(5), "{:?}", sums.time);
    assert!(sums.overlap.compute > ms(1000));
}

#[test]
fn who_queues_for_long_is_not_taken_for_a_sleeper() {
    let mut play = Play::default();
    let id = play.wait(Class::Sleep);
    play.thread(1, 0, 0, 1, Doing::Waiting(id));
    play.round();
    play.thread(1, 10, 0, 1, Doing::Running);
    play.round();
    // The kernel adds the delay when it is over.
    for _ in 0..9 {
        play.thread(1, 0, 0, 0, Doing::Running);
        play.round();
    }
    play.thread(1, 5, 95, 1, Doing::Running);
    play.round();
    let sums = play.ledger.finish();
    assert!(close(sums.time[Class::RunQueue], ms(95)));
    assert!(sums.time[Class::Sleep] < ms(5), "{:?}", sums.time);
}

#[test]
fn compute_and_waits_of_two_threads_overlap() {
    let mut play = Play::default();
    let id = play.wait(Class::Network);
    for _ in 0..101 {
        play.thread(1, 10, 0, 0, Doing::Running);
        play.thread(2, 0, 0, 0, Doing::Waiting(id));
        play.round();
    }
    let overlap = play.ledger.finish().overlap;
    assert!(close(overlap.compute, ms(1000)) && close(overlap.io, ms(1000)));
    assert!(close(overlap.both, ms(1000)));
    assert!(close(overlap.io_in_flight, ms(1000)));
}

#[test]
fn each_moment_belongs_to_what_is_foremost() {
    let mut play = Play::default();
    let child = play.wait(Class::Child);
    let disk = play.wait(Class::Disk);
    play.thread(1, 0, 0, 0, Doing::Waiting(child));
    play.thread(2, 0, 0, 0, Doing::Waiting(disk));
    play.round();
    for _ in 0..50 {
        play.thread(1, 0, 0, 0, Doing::Waiting(child));
        play.thread(2, 0, 0, 0, Doing::Waiting(disk));
        play.round();
    }
    for _ in 0..50 {
        play.thread(1, 0, 0, 0, Doing::Waiting(child));
        play.thread(2, 4, 0, 1, Doing::Waiting(disk));
        play.round();
    }
    let sums = play.ledger.finish();
    assert!(close(sums.of_wall[Class::Child], ms(1000)));
    assert!(close(sums.foremost[Class::Child], ms(0)));
    assert!(close(sums.foremost[Class::Cpu], ms(200)));
    assert!(close(sums.foremost[Class::Disk], ms(800)));
}

#[test]
fn behind_a_pool_at_rest_is_what_the_program_was_at() {
    // A runtime's worker waits for a signal that does not come, another polls for half of the time.
    let mut play = Play::default();
    let signal = play.wait(Class::Condition);
    let poll = play.wait(Class::Poll);
    play.thread(1, 0, 0, 0, Doing::Waiting(signal));
    play.thread(2, 0, 0, 0, Doing::Waiting(poll));
    play.round();
    for _ in 0..100 {
        play.thread(1, 0, 0, 0, Doing::Waiting(signal));
        play.thread(2, 0, 0, 0, Doing::Waiting(poll));
        play.round();
    }
    play.ledger.end(2, play.now);
    for _ in 0..100 {
        play.thread(1, 0, 0, 0, Doing::Waiting(signal));
        play.round();
    }
    let sums = play.ledger.finish();
    assert!(close(sums.of_wall[Class::Idle], ms(2000)));
    assert!(close(sums.foremost[Class::Condition], ms(0)));
    assert!(
        close(sums.foremost[Class::Poll], ms(1000)),
        "{:?}",
        sums.foremost
    );
    assert!(
        close(sums.foremost[Class::Idle], ms(1000)),
        "{:?}",
        sums.foremost
    );
}

#[test]
fn phases_of_one_after_the_other_do_not() {
    let mut play = Play::default();
    let id = play.wait(Class::Network);
    play.thread(1, 0, 0, 0, Doing::Running);
    play.round();
    for _ in 0..10 {
        for _ in 0..5 {
            play.thread(1, 10, 0, 0, Doing::Running);
            play.round();
        }
        play.thread(1, 0, 0, 0, Doing::Waiting(id));
        play.round();
        for _ in 0..5 {
            play.thread(1, 0, 0, 0, Doing::Waiting(id));
            play.round();
        }
        play.thread(1, 10, 0, 1, Doing::Running);
        play.round();
    }
    let overlap = play.ledger.finish().overlap;
    assert!(overlap.both < ms(60), "{overlap:?}");
    assert!(overlap.io > ms(500) && overlap.compute > ms(500));
}

#[test]
fn polled_requests_are_in_flight_too() {
    let mut play = Play::default();
    let id = play.wait(Class::Poll);
    for _ in 0..11 {
        play.thread(1, 0, 0, 0, Doing::Waiting(id));
        play.ledger.close_round(play.now, 3, None);
        play.now += ms(10);
    }
    let overlap = play.ledger.finish().overlap;
    assert!(close(overlap.io, ms(100)) && close(overlap.io_in_flight, ms(300)));
}

#[test]
fn a_pool_at_rest_is_idle_and_a_flowing_one_is_not() {
    let mut play = Play::default();
    let rest = play.wait(Class::Condition);
    for _ in 0..101 {
        play.thread(1, 0, 0, 0, Doing::Waiting(rest));
        play.round();
    }
    let sums = play.ledger.finish();
    assert!(close(sums.time[Class::Idle], ms(1000)));
    assert!(close(sums.of_wall[Class::Idle], ms(1000)));
    assert_eq!(sums.time[Class::Condition], Duration::ZERO);
}

#[test]
fn what_a_new_thread_did_before_the_first_look_counts() {
    let seen = |new| {
        let mut ledger = Ledger::default();
        let seen = Seen {
            at: ms(100),
            ran: ms(7),
            queued: ms(2),
            slices: 3,
            doing: Doing::Running,
        };
        ledger.enter(1, 5, seen, new);
        ledger.end(5, ms(30));
        ledger.finish()
    };
    let fresh = seen(true);
    assert!(close(fresh.time[Class::Cpu], ms(7)));
    assert!(close(fresh.threads[0].alive, ms(9)));
    assert_eq!(seen(false).time[Class::Cpu], Duration::ZERO);
}

proptest! {
    /// No time is made or lost: what the classes have is what has passed.
    #[test]
    fn time_is_conserved(
        steps in proptest::collection::vec((0..10_u64, 0..5_u64, 0..6_u64, 0..4_usize), 1..80),
    ) {
        let mut play = Play::default();
        let kinds = [Class::Network, Class::Sleep, Class::Condition].map(|class| play.wait(class));
        play.thread(1, 0, 0, 0, Doing::Waiting(kinds[0]));
        play.round();
        for (ran, queued, slices, doing) in &steps {
            let doing = kinds.get(*doing).map_or(Doing::Running, |id| Doing::Waiting(*id));
            // A thread that ran was put on a core.
            let slices = if *ran + *queued > 0 { (*slices).max(1) } else { *slices };
            play.thread(1, *ran, (*queued).min(10 - *ran), slices, doing);
            play.round();
        }
        let sums = play.ledger.finish();
        let total: Duration = sums.time.iter().map(|(_, time)| *time).sum();
        let passed = ms(10 * steps.len() as u64);
        let foremost: Duration = sums.foremost.iter().map(|(_, time)| *time).sum();
        prop_assert!(foremost.abs_diff(passed) <= Duration::from_micros(100), "{foremost:?}");
        prop_assert!(total.abs_diff(passed) <= Duration::from_micros(100), "{total:?} of {passed:?}");
        prop_assert!(sums.overlap.both <= sums.overlap.io + ms(1));
        prop_assert!(sums.overlap.both <= sums.overlap.compute + ms(1));
    }

    /// No order of looks is too odd, not even clocks that go backwards.
    #[test]
    fn nothing_panics(looks in proptest::collection::vec(any::<(u8, u32, u32, u32, u8, bool)>(), 0..60)) {
        let mut play = Play::default();
        let id = play.wait(Class::Lock);
        for (tid, at, ran, queued, slices, waits) in looks {
            let seen = Seen {
                at: Duration::from_micros(u64::from(at)),
                ran: Duration::from_micros(u64::from(ran)),
                queued: Duration::from_micros(u64::from(queued)),
                slices: u64::from(slices),
                doing: if waits { Doing::Waiting(id) } else { Doing::Running },
            };
            play.ledger.enter(1, i32::from(tid % 4), seen, waits);
            if tid > 200 {
                play.ledger.end(i32::from(tid % 4), play.now);
            }
            play.ledger.close_round(Duration::from_micros(u64::from(at)), usize::from(slices), None);
        }
        let sums = play.ledger.finish();
        prop_assert!(sums.overlap.both.as_secs_f64().is_finite());
    }
}

#[test]
fn a_futex_that_is_found_taken_again_and_again_is_a_lock() {
    let mut play = Play::default();
    let activity = Activity {
        class: Class::Condition,
        target: Target::Call("futex".into()),
        call: "futex",
        futex: Some(Futex::Untimed),
        timed: false,
        syncs: false,
        socket: None,
        private: false,
        word: None,
    };
    let taken = play.ledger.waits.intern(activity, None);
    for _ in 0..6 {
        for tid in [1, 2] {
            play.ledger.waits.found(taken, 3);
            play.thread(tid, 1, 0, 1, Doing::Waiting(taken));
        }
        play.round();
    }
    let sums = play.ledger.finish();
    assert_eq!(sums.time[Class::Condition], Duration::ZERO);
    assert!(sums.time[Class::Lock] > ms(80), "{:?}", sums.time);
    assert!(sums.of_wall[Class::Lock] > ms(40), "{:?}", sums.of_wall);
    assert!(sums.foremost[Class::Lock] > ms(20), "{:?}", sums.foremost);
    assert_eq!(sums.foremost[Class::Condition], Duration::ZERO);
    assert_eq!(sums.waits[0].class, Class::Lock);
}
