//! Whatever panics, the source, a closure, a copy or a drop, costs no other item anything.

use paceline::{OnError, Pipeline, Retry, Stage};

use crate::said::{SOON, Said, quiet_panics};

#[test]
fn a_source_that_panics_ends_the_run() {
    quiet_panics();
    let items = (0..10_u64).inspect(|n| assert!(*n < 5, "as told"));
    let error = Pipeline::from_iter(items)
        .cpu("pass", |_, n| Ok::<_, Said>(n))
        .collect_blocking()
        .expect_err("the source panics");
    assert_eq!(error.first.to_string(), "source: item 5: panicked: as told");
}

/// Panics when it is copied.
#[derive(Debug)]
struct Vicious(u64);

impl Clone for Vicious {
    fn clone(&self) -> Self {
        panic!("as told")
    }
}

#[test]
fn a_copy_that_panics_costs_its_item_nothing_but_the_second_attempt() {
    quiet_panics();
    let stage = |name| Stage::named(name).retry(Retry::exponential(3, SOON));
    let (values, report) = Pipeline::from_iter((0..50).map(Vicious))
        .io(stage("one"), |item| async move { Ok::<_, Said>(item) })
        .cpu(stage("two\0"), |_, item| match item.0 {
            7 => Err(Said::No),
            _ => Ok(item),
        })
        .on_error(OnError::Collect)
        .collect_blocking()
        .expect("failures are collected");
    assert_eq!((values.len(), report.failures.len()), (49, 1));
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "as told");
    }
}

#[test]
fn a_value_that_panics_when_dropped_is_its_items_failure() {
    quiet_panics();
    for stage in 0..2 {
        let pipeline = Pipeline::from_iter(0..10)
            .cpu("make", move |_, n| Ok::<_, Said>((n == 5).then(|| Bomb)));
        let pipeline = match stage {
            0 => pipeline
                .cpu("drop", |_, bomb| Ok::<_, Said>(bomb))
                .weigh(|_| 1),
            _ => pipeline.blocking("drop", |_, bomb| Ok::<_, Said>(bomb)),
        };
        // Here it is the closure that drops it, so it is that item's failure.
        let result = pipeline
            .io("last", |bomb| async move {
                drop(bomb);
                Ok::<_, Said>(())
            })
            .on_error(OnError::Collect)
            .collect_blocking();
        let (values, report) = result.expect("failures are collected");
        assert_eq!((values.len(), report.failures.len()), (9, 1));
    }
}
