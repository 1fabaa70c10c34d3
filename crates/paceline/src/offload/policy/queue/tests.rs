//! The queue in made-up time: what it takes, in which order, and what it refuses.

use proptest::prelude::*;

use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn queue(threads: usize, capacity: usize, max_wait: Option<u64>) -> Queue<u32> {
    Queue::new(Limits {
        threads,
        capacity,
        max_wait: max_wait.map(ms),
    })
}

fn request(priority: Priority) -> Request {
    Request {
        name: "",
        priority,
        deadline: None,
        shape: Shape::Whole,
    }
}

fn normal() -> Request {
    request(Priority::Normal)
}

fn split() -> Request {
    Request {
        shape: Shape::Split,
        ..normal()
    }
}

fn run(next: Next<u32>) -> Option<(u32, Ticket)> {
    match next {
        Next::Run { work, ticket, .. } => Some((work, ticket)),
        Next::Late(_) | Next::Nothing => None,
    }
}

/// Teaches the queue that jobs take so long.
fn measured(queue: &mut Queue<u32>, took: Duration) -> Duration {
    queue
        .offer(Duration::ZERO, normal(), 0)
        .expect("an idle pool takes it");
    assert!(run(queue.next(Duration::ZERO, 0)).is_some());
    queue.finished(took, 0, None);
    took
}

#[test]
fn first_come_first_served_and_high_before_normal_before_batch() {
    let mut queue = queue(1, 10, None);
    let order = [
        (Priority::Batch, 5),
        (Priority::Normal, 3),
        (Priority::High, 1),
        (Priority::High, 2),
        (Priority::Normal, 4),
    ];
    for (priority, work) in order {
        queue
            .offer(ms(0), request(priority), work)
            .expect("there is room");
    }
    let served: Vec<_> = std::iter::from_fn(|| {
        let work = run(queue.next(ms(0), 0))?.0;
        queue.finished(ms(0), 0, None);
        Some(work)
    })
    .collect();
    assert_eq!(served, [1, 2, 3, 4, 5]);
}

#[test]
fn refuses_at_once_what_would_wait_too_long() {
    let mut queue = queue(2, 100, Some(200));
    let now = measured(&mut queue, ms(50));
    // Two run, and each further pair waits 50 ms longer.
    let mut taken = 0;
    let refusal = loop {
        match queue.offer(now, normal(), taken) {
            Ok(_) => taken += 1,
            Err((refusal, work)) => {
                assert_eq!(work, taken, "the work is handed back");
                break refusal;
            }
        }
        if taken <= 2 {
            assert!(run(queue.next(now, taken as usize - 1)).is_some());
        }
    };
    // 2 running and 6 waiting are 400 ms of work: 200 ms for two threads, if none takes longer.
    assert_eq!(taken, 8);
    let Refusal::Overloaded {
        queued,
        retry_after,
    } = refusal
    else {
        panic!("{refusal:?}");
    };
    assert_eq!(queued, 6);
    assert_eq!(retry_after, ms(25), "then one more will have room");
}

#[test]
fn a_deadline_counts_the_work_itself() {
    let mut queue = queue(1, 100, None);
    let now = measured(&mut queue, ms(50));
    queue.offer(now, normal(), 1).expect("idle");
    assert!(run(queue.next(now, 0)).is_some());
    let by = |after: u64| Request {
        deadline: Some(now + ms(after)),
        ..normal()
    };
    assert!(
        queue.offer(now, by(104), 2).is_err(),
        "50 to wait, or a tenth more, and 50 to run"
    );
    assert!(queue.offer(now, by(106), 3).is_ok());
    let past = queue.offer(now, by(0), 4).map_err(|refused| refused.0);
    assert_eq!(past, Err(Refusal::DeadlinePassed));
}

#[test]
fn nothing_known_yet_is_bounded_by_the_capacity() {
    let mut queue = queue(2, 1, Some(10));
    for work in 0..3 {
        assert!(queue.offer(ms(0), normal(), work).is_ok(), "{work}");
    }
    assert!(queue.offer(ms(0), normal(), 3).is_err());
}

#[test]
fn a_thread_that_hangs_is_not_expected_back_soon() {
    let mut queue = queue(1, 100, Some(200));
    let now = measured(&mut queue, ms(10));
    queue.offer(now, normal(), 1).expect("idle");
    assert!(run(queue.next(now, 0)).is_some());
    assert!(queue.offer(now + ms(11), normal(), 2).is_ok());
    assert!(queue.offer(now + ms(5000), normal(), 3).is_err());
}

#[test]
fn what_waited_too_long_is_not_begun() {
    let mut queue = queue(1, 100, Some(100));
    queue.offer(ms(0), normal(), 1).expect("there is room");
    queue.offer(ms(60), normal(), 2).expect("there is room");
    assert_eq!(queue.late_at(), Some(ms(100)));
    assert!(matches!(queue.next(ms(101), 0), Next::Late(1)));
    assert_eq!(run(queue.next(ms(101), 0)).map(|run| run.0), Some(2));
    queue.offer(ms(101), normal(), 3).expect("there is room");
    assert_eq!(queue.late(ms(202)), [3]);
    assert_eq!((queue.queued(), queue.busy()), (0, 1));
}

#[test]
fn what_was_cancelled_makes_room_and_is_not_run() {
    let mut queue = queue(1, 2, None);
    let tickets: Vec<_> = (0..3)
        .map(|work| queue.offer(ms(0), normal(), work).expect("room"))
        .collect();
    assert!(queue.offer(ms(0), normal(), 3).is_err());
    assert_eq!(queue.remove(tickets[1]), Some(1));
    assert_eq!(queue.remove(tickets[1]), None);
    assert!(queue.offer(ms(0), normal(), 4).is_ok());
    let served: Vec<_> = (0..4)
        .filter_map(|_| {
            let work = run(queue.next(ms(0), 0))?.0;
            queue.finished(ms(0), 0, None);
            Some(work)
        })
        .collect();
    assert_eq!(served, [0, 2, 4]);
}

#[test]
fn a_split_job_occupies_all_threads_and_lets_higher_ones_in_between() {
    let mut queue = queue(2, 10, None);
    queue.offer(ms(0), split(), 7).expect("room");
    queue.offer(ms(0), normal(), 8).expect("room");
    assert_eq!(queue.turns(), 3);
    let (work, ticket) = run(queue.next(ms(0), 0)).expect("a piece");
    assert_eq!(work, 7);
    assert_eq!(run(queue.next(ms(0), 1)).map(|run| run.0), Some(7));
    queue
        .offer(ms(0), request(Priority::High), 9)
        .expect("room");
    queue.finished(ms(1), 0, Some(ms(40)));
    assert_eq!(run(queue.next(ms(1), 0)).map(|run| run.0), Some(9));
    queue.finished(ms(2), 0, None);
    assert_eq!(run(queue.next(ms(2), 0)).map(|run| run.0), Some(7));
    assert_eq!(queue.exhausted(ticket), Some(7));
    assert_eq!(queue.exhausted(ticket), None, "whoever finds out second");
    queue.finished(ms(3), 0, None);
    assert_eq!(run(queue.next(ms(3), 0)).map(|run| run.0), Some(8));
}

#[test]
fn the_rest_of_a_split_job_counts_towards_the_wait() {
    let mut queue = queue(2, 10, Some(100));
    queue.offer(ms(0), split(), 7).expect("room");
    assert!(run(queue.next(ms(0), 0)).is_some());
    assert!(run(queue.next(ms(0), 1)).is_some());
    queue.finished(ms(1), 0, Some(ms(400)));
    let refused = queue.offer(ms(1), normal(), 1);
    assert!(refused.is_err(), "200 ms for two threads");
    assert!(queue.offer(ms(1), request(Priority::High), 2).is_ok());
    assert!(run(queue.next(ms(1), 0)).is_some());
    queue.finished(ms(1), 1, Some(ms(100)));
    assert!(queue.offer(ms(1), normal(), 3).is_ok());
}

#[test]
fn a_closed_queue_refuses_and_gives_back_what_it_had() {
    let mut queue = queue(1, 10, None);
    queue.offer(ms(0), normal(), 1).expect("room");
    queue.close();
    let refused = queue.offer(ms(0), normal(), 2);
    assert_eq!(refused, Err((Refusal::Closed, 2)));
    assert_eq!(queue.clear(), [1]);
    assert_eq!(queue.queued(), 0);
}

/// An open loop of jobs at a multiple of what the threads can do, in made-up time.
struct Storm {
    accepted: usize,
    refused: usize,
    late: usize,
    longest_wait: Duration,
    done: usize,
}

fn storm(threads: usize, times: f64, jobs: usize, took: impl Fn(usize) -> u64) -> Storm {
    let mut queue = queue(threads, 1000, Some(200));
    let mean = (0..jobs).map(&took).sum::<u64>() as f64 / jobs as f64;
    let gap = Duration::from_secs_f64(mean / 1000.0 / threads as f64 / times);
    let mut seen = Storm {
        accepted: 0,
        refused: 0,
        late: 0,
        longest_wait: Duration::ZERO,
        done: 0,
    };
    let mut ends: Vec<Option<Duration>> = vec![None; threads];
    let (mut now, mut next_job) = (Duration::ZERO, 0);
    loop {
        for (thread, end) in ends.iter_mut().enumerate() {
            if end.is_some_and(|at| at <= now) {
                queue.finished(now, thread, None);
                *end = None;
                seen.done += 1;
            }
            while end.is_none() {
                match queue.next(now, thread) {
                    Next::Run { work, waited, .. } => {
                        seen.longest_wait = seen.longest_wait.max(waited);
                        *end = Some(now + ms(took(work as usize)));
                    }
                    Next::Late(_) => seen.late += 1,
                    Next::Nothing => break,
                }
            }
        }
        let arrival = (next_job < jobs).then(|| gap * next_job as u32);
        if arrival == Some(now) {
            match queue.offer(now, normal(), next_job as u32) {
                Ok(_) => seen.accepted += 1,
                Err(_) => seen.refused += 1,
            }
            next_job += 1;
            continue;
        }
        let Some(next) = ends.iter().flatten().copied().chain(arrival).min() else {
            return seen;
        };
        now = next;
    }
}

#[test]
fn at_four_times_the_capacity_a_quarter_is_accepted_and_all_of_that_is_done() {
    let seen = storm(2, 4.0, 2000, |_| 50);
    let all = seen.accepted + seen.refused;
    assert_eq!(all, 2000);
    assert_eq!(seen.accepted, seen.done + seen.late);
    // Only the very first, taken before anything was measured, may have been too many.
    assert!(seen.late <= 8, "{} late", seen.late);
    assert!((490..=530).contains(&seen.done), "{} done", seen.done);
    assert!(seen.longest_wait <= ms(200));
}

#[test]
fn at_four_times_the_capacity_jobs_of_uneven_length_keep_the_threads_busy() {
    let seen = storm(4, 4.0, 4000, |job| [5, 10, 20, 165][job * 7919 % 4]);
    assert!(seen.longest_wait <= ms(200));
    assert!(seen.done >= 940, "{} done", seen.done);
    assert!(seen.late * 10 <= seen.accepted, "{} late", seen.late);
}

#[test]
fn below_its_capacity_nothing_is_refused() {
    let seen = storm(2, 0.8, 1000, |_| 50);
    assert_eq!((seen.refused, seen.late, seen.done), (0, 0, 1000));
}

#[derive(Clone, Debug)]
enum Step {
    Offer(Priority, bool, Option<u64>),
    Next(usize),
    Finish(usize, bool),
    Cancel(usize),
    Wait(u64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..3, any::<bool>(), prop::option::of(0u64..50)).prop_map(
            |(class, split, deadline)| Step::Offer(Priority::ALL[class], split, deadline)
        ),
        4 => (0usize..3).prop_map(Step::Next),
        4 => ((0usize..3), any::<bool>()).prop_map(|(thread, last)| Step::Finish(thread, last)),
        1 => (0usize..40).prop_map(Step::Cancel),
        2 => (0u64..30).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    /// Whatever happens in whatever order, each job that was taken leaves in exactly one way, and
    /// the counts agree.
    #[test]
    fn every_job_leaves_once(steps in prop::collection::vec(step(), 0..200)) {
        let mut queue = queue(3, 8, Some(40));
        let mut now = Duration::ZERO;
        let mut tickets = Vec::new();
        let mut running: [Option<(u32, Ticket)>; 3] = [None; 3];
        let mut left = std::collections::BTreeMap::<u32, usize>::new();
        let mut is_split = std::collections::BTreeSet::new();
        let mut leave = |work: u32| *left.entry(work).or_default() += 1;
        let mut job = 0;
        for step in steps {
            match step {
                Step::Offer(priority, split, deadline) => {
                    job += 1;
                    let request = Request {
                        name: "",
                        priority,
                        deadline: deadline.map(|after| now + ms(after)),
                        shape: if split { Shape::Split } else { Shape::Whole },
                    };
                    match queue.offer(now, request, job) {
                        Ok(ticket) => {
                            tickets.push((job, ticket));
                            if split { is_split.insert(job); }
                        }
                        Err((_, work)) => prop_assert_eq!(work, job),
                    }
                    let free = running.iter().filter(|thread| thread.is_none()).count();
                    prop_assert!(queue.queued() <= 8 + 3, "{} free {}", queue.queued(), free);
                }
                Step::Next(thread) if running[thread].is_none() => match queue.next(now, thread) {
                    Next::Run { work, ticket, waited, .. } => {
                        prop_assert!(is_split.contains(&work) || waited <= ms(40));
                        if !is_split.contains(&work) { leave(work); }
                        running[thread] = Some((work, ticket));
                    }
                    Next::Late(work) => leave(work),
                    Next::Nothing => prop_assert_eq!(queue.queued(), 0),
                },
                Step::Finish(thread, last) => if let Some((work, ticket)) = running[thread].take() {
                    if last && is_split.contains(&work) && let Some(work) = queue.exhausted(ticket) {
                        leave(work);
                    }
                    queue.finished(now, thread, None);
                },
                Step::Cancel(index) => if let Some(&(_, ticket)) = tickets.get(index)
                    && let Some(work) = queue.remove(ticket) { leave(work); },
                Step::Wait(time) => now += ms(time),
                Step::Sweep => for work in queue.late(now) { leave(work); },
                Step::Next(_) => {}
            }
            let busy = running.iter().flatten().count();
            prop_assert_eq!(queue.busy(), busy);
        }
        for work in queue.clear() { leave(work); }
        prop_assert_eq!(queue.queued(), 0);
        for (job, _) in tickets {
            prop_assert_eq!(left.get(&job), Some(&1), "job {}", job);
        }
    }
}
