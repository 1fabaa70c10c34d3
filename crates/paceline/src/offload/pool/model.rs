//! The hand-over between callers and threads under loom, which runs it in every order in which the
//! threads can use locks and atomics:
//!
//! ```sh
//! scripts/models
//! ```
//!
//! A lost wake-up shows as a deadlock, which loom reports; a job that is run or dropped twice, or
//! never, by the counts.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::cx::Cx;
use crate::offload::Job;
use crate::offload::pending::Pending;
use crate::offload::work::Call;

fn pool(threads: usize, looks: bool) -> Arc<Pool> {
    let limits = Limits {
        threads,
        capacity: 8,
        max_wait: None,
    };
    Arc::new(Pool::new(limits, looks))
}

fn start(pool: &Arc<Pool>, threads: usize) -> Vec<loom::thread::JoinHandle<()>> {
    (0..threads)
        .map(|thread| {
            let pool = Arc::clone(pool);
            loom::thread::spawn(move || pool.work(thread))
        })
        .collect()
}

fn run<T: Send + 'static>(
    pool: &Arc<Pool>,
    call: impl FnOnce(&Cx) -> T + Send + 'static,
) -> Pending<T> {
    let job = Job::new();
    let work = Arc::new(Call::new(call, &job));
    let handed: Arc<dyn Work> = Arc::<Call<_, T>>::clone(&work);
    match pool.offer(&job, Shape::Whole, handed) {
        Ok(ticket) => Pending::taken(work, Arc::clone(pool), ticket),
        Err(error) => Pending::refused(error),
    }
}

struct Notify(loom::sync::Mutex<bool>, loom::sync::Condvar);

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        *self.0.lock().expect("no panic") = true;
        self.1.notify_one();
    }
}

fn wait<T>(mut pending: Pending<T>) -> Result<T, OffloadError> {
    let notify = Arc::new(Notify(
        loom::sync::Mutex::new(false),
        loom::sync::Condvar::new(),
    ));
    let waker = Waker::from(Arc::clone(&notify));
    loop {
        if let Poll::Ready(result) = Pin::new(&mut pending).poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let mut woken = notify.0.lock().expect("no panic");
        while !*woken {
            woken = notify.1.wait(woken).expect("no panic");
        }
        *woken = false;
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn end(pool: &Pool, threads: Vec<loom::thread::JoinHandle<()>>) {
    pool.end();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

#[test]
fn model_two_jobs_and_two_threads() {
    for looks in [false, true] {
        check(2, move || {
            let pool = pool(2, looks);
            let threads = start(&pool, 2);
            let (one, two) = (run(&pool, |_| 1), run(&pool, |_| 2));
            assert_eq!((wait(one), wait(two)), (Ok(1), Ok(2)));
            end(&pool, threads);
        });
    }
}

#[test]
fn model_one_thread_is_handed_jobs_by_two_callers() {
    check(3, || {
        let pool = pool(1, true);
        let threads = start(&pool, 1);
        let other = {
            let pool = Arc::clone(&pool);
            loom::thread::spawn(move || assert_eq!(wait(run(&pool, |_| 2)), Ok(2)))
        };
        assert_eq!(wait(run(&pool, |_| 1)), Ok(1));
        other.join().expect("no panic");
        end(&pool, threads);
    });
}

#[test]
fn model_a_dropped_job_is_dropped_once_and_does_not_hold_up_the_next() {
    check(3, || {
        struct Counted(Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let pool = pool(1, true);
        let threads = start(&pool, 1);
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&dropped));
        drop(run(&pool, move |_| counted));
        assert_eq!(wait(run(&pool, |_| 1)), Ok(1));
        end(&pool, threads);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn model_the_pool_ends_while_a_job_is_handed_over() {
    check(3, || {
        let pool = pool(1, true);
        let threads = start(&pool, 1);
        let caller = {
            let pool = Arc::clone(&pool);
            loom::thread::spawn(move || {
                let outcome = wait(run(&pool, |_| 1));
                assert!(
                    matches!(outcome, Ok(1) | Err(OffloadError::ShutDown)),
                    "{outcome:?}"
                );
            })
        };
        end(&pool, threads);
        caller.join().expect("no panic");
    });
}
