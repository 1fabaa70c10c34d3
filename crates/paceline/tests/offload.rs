//! The promises of `paceline::offload`, through its public face and with real threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use paceline::Cancelled;
use paceline::offload::{Job, Offload, OffloadError, Pending, Priority};

fn pool(threads: usize, queue: usize) -> Offload {
    Offload::builder()
        .threads(threads)
        .queue(queue)
        .build()
        .expect("threads can be started")
}

fn wait<T>(pending: Pending<T>) -> Result<T, OffloadError> {
    pollster::block_on(pending)
}

/// A job that runs until it is let go, and has begun when this returns.
fn occupy(cpu: &Offload) -> (mpsc::Sender<()>, Pending<()>) {
    occupy_as(cpu, Job::new())
}

fn occupy_as(cpu: &Offload, job: Job) -> (mpsc::Sender<()>, Pending<()>) {
    let (go, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let pending = cpu.run_as(job, move |_| {
        begun.send(()).expect("the test waits for it");
        let _ = gate.recv();
    });
    has_begun.recv().expect("it begins");
    (go, pending)
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn many_jobs_of_many_callers_all_come_back() {
    let cpu = pool(3, 10_000);
    std::thread::scope(|scope| {
        for caller in 0..4_u64 {
            let cpu = &cpu;
            scope.spawn(move || {
                let pending: Vec<_> = (0..500).map(|n| cpu.run(move |_| caller * n)).collect();
                for (n, pending) in (0..).zip(pending) {
                    assert_eq!(wait(pending), Ok(caller * n));
                }
            });
        }
    });
    let seen = cpu.snapshot();
    assert_eq!((seen.done, seen.shed, seen.queued), (2000, 0, 0));
    assert_eq!((seen.wait.count(), seen.service.count()), (2000, 2000));
}

#[test]
fn one_thread_and_room_for_one_never_lock_up() {
    let cpu = pool(1, 1);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut mine = 0;
                while mine < 100 {
                    match cpu.run_blocking(|_| ()) {
                        Ok(()) => mine += 1,
                        Err(OffloadError::Overloaded { .. }) => std::thread::yield_now(),
                        Err(other) => panic!("{other}"),
                    }
                }
                done.fetch_add(mine, Ordering::SeqCst);
            });
        }
    });
    assert_eq!(done.into_inner(), 400);
    let sum = cpu.map_reduce(Job::new(), 0..1000_u64, |_, n| n, 0, |a, b| a + b);
    assert_eq!(wait(sum), Ok(499_500));
}

#[test]
fn what_has_no_room_is_refused_at_once_and_nothing_of_it_runs() {
    let cpu = pool(1, 1);
    let (go, busy) = occupy(&cpu);
    let waits = cpu.run(|_| 1);
    let ran = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ran);
    let refused = wait(cpu.run(move |_| flag.store(true, Ordering::SeqCst)));
    assert!(
        matches!(refused, Err(OffloadError::Overloaded { queued: 1, .. })),
        "{refused:?}"
    );
    drop(go);
    assert_eq!((wait(busy), wait(waits)), (Ok(()), Ok(1)));
    assert!(!ran.load(Ordering::SeqCst));
    assert_eq!(cpu.snapshot().shed, 1);
}

#[test]
fn a_panic_comes_back_and_the_thread_goes_on() {
    let cpu = pool(1, 8);
    for n in 0..20 {
        let outcome = wait(cpu.run(move |_| -> u32 { panic!("no {n}") }));
        assert_eq!(outcome, Err(OffloadError::Panicked(format!("no {n}"))));
    }
    let odd = wait(cpu.run(|_| std::panic::panic_any(7_u8)));
    assert_eq!(odd, Err(OffloadError::Panicked("without a message".into())));
    assert_eq!(wait(cpu.run(|_| 1)), Ok(1));
    let seen = cpu.snapshot();
    assert_eq!((seen.done, seen.panicked), (22, 21));
}

#[test]
fn a_caller_that_goes_away_takes_its_waiting_job_along() {
    let cpu = pool(1, 8);
    let (go, busy) = occupy(&cpu);
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&dropped));
    let ran = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ran);
    let pending = cpu.run(move |_| {
        flag.store(true, Ordering::SeqCst);
        drop(counted);
    });
    assert_eq!(cpu.snapshot().queued, 1);
    drop(pending);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "at once, not later");
    assert_eq!((cpu.snapshot().queued, cpu.snapshot().cancelled), (0, 1));
    drop(go);
    assert_eq!(wait(busy), Ok(()));
    assert_eq!(wait(cpu.run(|_| ())), Ok(()));
    assert!(!ran.load(Ordering::SeqCst));
}

#[test]
fn a_running_job_hears_that_its_caller_is_gone() {
    let cpu = pool(1, 8);
    let (begun, has_begun) = mpsc::channel();
    let (told, is_told) = mpsc::channel();
    let pending = cpu.run(move |cx| {
        begun.send(()).expect("the test waits for it");
        while cx.checkpoint() != Err(Cancelled) {
            std::thread::yield_now();
        }
        told.send(()).expect("the test waits for it");
    });
    has_begun.recv().expect("it begins");
    drop(pending);
    is_told.recv().expect("it hears of it");
}

#[test]
fn a_deadline_ends_the_wait_also_when_all_threads_hang() {
    let cpu = pool(1, 8);
    let (go, busy) = occupy(&cpu);
    let job = Job::new().within(Duration::from_millis(20));
    assert_eq!(
        wait(cpu.run_as(job, |_| ())),
        Err(OffloadError::DeadlinePassed)
    );
    assert_eq!(cpu.snapshot().late, 1);
    drop(go);
    assert_eq!(wait(busy), Ok(()));
}

#[test]
fn the_longest_wait_is_kept_also_when_all_threads_hang() {
    let cpu = Offload::builder()
        .threads(1)
        .max_wait(Duration::from_millis(20))
        .build()
        .expect("threads can be started");
    let (go, busy) = occupy(&cpu);
    let outcome = wait(cpu.run(|_| ()));
    assert!(
        matches!(
            outcome,
            // The second, if the first job seemed to hang before this one came.
            Err(OffloadError::DeadlinePassed | OffloadError::Overloaded { .. })
        ),
        "{outcome:?}"
    );
    drop(go);
    assert_eq!(wait(busy), Ok(()));
}

#[test]
fn the_highest_priority_goes_first() {
    let cpu = pool(1, 8);
    // Under the lowest priority, so that no other earns a turn by waiting for it.
    let (go, busy) = occupy_as(&cpu, Job::new().priority(Priority::Batch));
    let (order, served) = mpsc::channel();
    let pending: Vec<_> = [Priority::Batch, Priority::Normal, Priority::High]
        .map(|priority| {
            let order = order.clone();
            cpu.run_as(Job::new().priority(priority), move |_| {
                order.send(priority).expect("the test waits for it");
            })
        })
        .into();
    drop(go);
    assert_eq!(wait(busy), Ok(()));
    for pending in pending {
        assert_eq!(wait(pending), Ok(()));
    }
    let served: Vec<_> = served.try_iter().collect();
    assert_eq!((served.len(), served[0]), (3, Priority::High));
}

#[test]
fn map_reduce_keeps_the_order_whoever_maps() {
    let cpu = pool(4, 8);
    let items: Vec<_> = (0..10_000_u32).collect();
    let expected = items.clone();
    let all = cpu.map_reduce(
        Job::new(),
        items,
        |_, n| {
            if n % 1000 == 0 {
                std::thread::yield_now();
            }
            n
        },
        Vec::new(),
        |mut all, n| {
            all.push(n);
            all
        },
    );
    assert_eq!(wait(all), Ok(expected));
    let seen = cpu.snapshot();
    assert_eq!(seen.done, 1);
    assert!(seen.pieces > 1);
}

#[test]
fn map_reduce_of_nothing_is_the_initial_value() {
    let cpu = pool(2, 8);
    let none = cpu.map_reduce(Job::new(), Vec::<u8>::new(), |_, n| n, 5_u8, |a, b| a + b);
    assert_eq!(wait(none), Ok(5));
    // Of an unknown number of items, too.
    let odd = (0..100_u32).filter(|n| n % 2 == 1);
    let few = cpu.map_reduce(Job::new(), odd, |_, n| n, 0, |a, b| a + b);
    assert_eq!(wait(few), Ok(2500));
}

#[test]
fn a_panic_in_any_part_of_map_reduce_is_that_jobs_error() {
    let cpu = pool(2, 8);
    let job = Job::new;
    let in_map = cpu.map_reduce(job(), 0..100, |_, n| assert!(n < 50), (), |(), ()| ());
    assert!(matches!(wait(in_map), Err(OffloadError::Panicked(_))));
    let in_reduce = cpu.map_reduce(
        job(),
        0..100,
        |_, n| n,
        0,
        |a, b| if b == 50 { panic!("at 50") } else { a + b },
    );
    assert_eq!(wait(in_reduce), Err(OffloadError::Panicked("at 50".into())));
    let source = (0..100).inspect(|n| assert!(*n != 70, "at 70"));
    let in_source = cpu.map_reduce(job(), source, |_, n| n, 0, |a, b| a + b);
    assert_eq!(wait(in_source), Err(OffloadError::Panicked("at 70".into())));
    assert_eq!(wait(cpu.run(|_| 1)), Ok(1));
    assert_eq!(cpu.snapshot().queued, 0);
}

#[test]
fn no_thread_goes_on_with_items_whose_source_panicked() {
    let cpu = pool(4, 8);
    for _ in 0..500 {
        // Unlike `panic!`, this prints nothing.
        let source = (0..100).inspect(|n| {
            if *n == 70 {
                std::panic::resume_unwind(Box::new("at 70"));
            }
        });
        let sum = cpu.map_reduce(Job::new(), source, |_, n| n, 0, |a, b| a + b);
        assert_eq!(wait(sum), Err(OffloadError::Panicked("at 70".into())));
    }
}

#[test]
fn a_dropped_map_reduce_stops_and_drops_each_item_once() {
    let cpu = pool(2, 8);
    let dropped = Arc::new(AtomicUsize::new(0));
    let items: Vec<_> = (0..100_000)
        .map(|_| Counted(Arc::clone(&dropped)))
        .collect();
    let (begun, has_begun) = mpsc::channel();
    let mapped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&mapped);
    let pending = cpu.map_reduce(
        Job::new(),
        items,
        move |_, item| {
            if count.fetch_add(1, Ordering::SeqCst) == 10 {
                let _ = begun.send(());
                std::thread::park_timeout(Duration::from_millis(5));
            }
            item
        },
        0,
        |sum, _| sum + 1,
    );
    has_begun.recv().expect("it begins");
    drop(pending);
    // Dropping the pool waits for what runs.
    drop(cpu);
    assert_eq!(dropped.load(Ordering::SeqCst), 100_000);
    assert!(mapped.load(Ordering::SeqCst) < 100_000);
}

#[test]
fn a_short_job_is_let_in_between_the_pieces_of_a_long_one() {
    let cpu = pool(1, 8);
    let (pieces, mapped) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let endless = std::iter::repeat(()).take_while(move |()| !stopped.load(Ordering::SeqCst));
    let long = cpu.map_reduce(
        Job::new().priority(Priority::Batch),
        endless,
        move |_, ()| {
            let _ = pieces.send(());
        },
        (),
        |(), ()| (),
    );
    mapped.recv().expect("the long one has begun");
    assert_eq!(wait(cpu.run(|_| 1)), Ok(1));
    stop.store(true, Ordering::SeqCst);
    assert_eq!(wait(long), Ok(()));
}

#[test]
fn dropping_the_pool_refuses_what_waits_and_tells_what_runs() {
    let cpu = pool(1, 8);
    let (begun, has_begun) = mpsc::channel();
    let running = cpu.run(move |cx| {
        begun.send(()).expect("the test waits for it");
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        "ended early"
    });
    has_begun.recv().expect("it begins");
    let waiting = cpu.run(|_| ());
    let split = cpu.map_reduce(Job::new(), 0..10, |_, n| n, 0, |a, b| a + b);
    drop(cpu);
    assert_eq!(wait(waiting), Err(OffloadError::ShutDown));
    assert_eq!(wait(split), Err(OffloadError::ShutDown));
    assert_eq!(wait(running), Ok("ended early"));
}

#[test]
fn a_map_reduce_whose_last_pieces_run_while_the_pool_goes_is_not_awaited_for_ever() {
    let cpu = pool(2, 8);
    let both = Arc::new(Barrier::new(3));
    let inner = Arc::clone(&both);
    let pending = cpu.map_reduce(
        Job::new(),
        0..2,
        move |cx, n| {
            inner.wait();
            while !cx.is_cancelled() {
                std::thread::yield_now();
            }
            n
        },
        0,
        |a, b| a + b,
    );
    both.wait();
    drop(cpu);
    assert_eq!(wait(pending), Err(OffloadError::ShutDown));
}

#[test]
fn a_pool_whose_last_handle_goes_on_its_own_thread_ends_too() {
    let cpu = pool(1, 8);
    let inner = cpu.clone();
    let (gone, is_gone) = mpsc::channel::<()>();
    let (go, gate) = mpsc::channel::<()>();
    let pending = cpu.run(move |_| {
        let _ = gate.recv();
        drop(inner);
        drop(gone);
    });
    drop(cpu);
    drop(go);
    assert!(is_gone.recv().is_err());
    assert_eq!(wait(pending), Ok(()));
}

#[test]
fn a_job_can_wait_for_another_on_its_own_thread() {
    let cpu = pool(1, 1);
    let inner = cpu.clone();
    let nested = cpu.run(move |_| inner.run_blocking(|_| 1).map(|n| n + 1));
    assert_eq!(wait(nested), Ok(Ok(2)));
}

#[test]
fn a_waker_that_panics_and_values_that_panic_when_dropped_end_no_thread() {
    struct Explodes;
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let cpu = pool(1, 8);
    let (go, busy) = occupy(&cpu);
    let bomb = cpu.run_as(Job::new().within(Duration::from_millis(5)), {
        let bomb = Explodes;
        move |_| {
            std::mem::forget(bomb);
        }
    });
    // It becomes late, and its closure is dropped by the keeper.
    assert_eq!(wait(bomb), Err(OffloadError::DeadlinePassed));
    drop(go);
    assert_eq!(wait(busy), Ok(()));
    let (begun, has_begun) = mpsc::channel();
    let abandoned = cpu.run(move |cx| {
        begun.send(()).expect("the test waits for it");
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        Explodes
    });
    has_begun.recv().expect("it begins");
    drop(abandoned);
    assert_eq!(wait(cpu.run(|_| 1)), Ok(1));
}

#[test]
fn a_closed_pool_does_what_it_took() {
    let cpu = pool(1, 8);
    let (go, busy) = occupy(&cpu);
    let waits = cpu.run(|_| 1);
    cpu.close();
    assert_eq!(wait(cpu.run(|_| 2)), Err(OffloadError::ShutDown));
    drop(go);
    assert_eq!((wait(busy), wait(waits)), (Ok(()), Ok(1)));
}
