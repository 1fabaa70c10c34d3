//! All interleavings of the budget and of the turns at the cores, tried out by `loom`.
//!
//! `scripts/models` runs them.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::budget::{Budget, Purse};
use super::closures::Cores;

#[test]
fn whoever_waits_for_the_budget_is_woken() {
    loom::model(|| {
        let purse = Arc::new(Purse::new(Budget::items(1)));
        let first = block_on(purse.admit(Some(1)));
        let leaves = thread::spawn(move || drop(first));
        // Deadlocks, which loom reports, if the wake-up can be lost.
        drop(block_on(purse.admit(Some(1))));
        leaves.join().expect("it only drops");
        assert_eq!(purse.summary().0, 1, "never two at once");
    });
}

#[test]
fn growth_and_its_end_are_not_lost() {
    loom::model(|| {
        let purse = Arc::new(Purse::new(Budget::items(2).bytes(10)));
        let mut first = block_on(purse.admit(Some(4)));
        let grows = thread::spawn(move || {
            first.weigh(20);
            drop(first);
        });
        drop(block_on(purse.admit(Some(8))));
        grows.join().expect("it only weighs");
        assert!(!purse.is_waited_for());
    });
}

#[test]
fn no_more_turns_than_cores_and_none_is_lost() {
    loom::model(|| {
        let cores = Arc::new(Cores::new(1));
        let at_once = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (cores, at_once) = (Arc::clone(&cores), Arc::clone(&at_once));
                thread::spawn(move || {
                    let turn = cores.turn();
                    let before = at_once.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
                    assert_eq!(before, 0);
                    at_once.fetch_sub(1, loom::sync::atomic::Ordering::SeqCst);
                    drop(turn);
                })
            })
            .collect();
        for other in others {
            other.join().expect("no assertion failed");
        }
    });
}
