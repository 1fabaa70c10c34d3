//! Every item comes out once, as a value or as a failure, whatever the stages, the budget and the
//! policy are.

use std::collections::{BTreeMap, BTreeSet};

use paceline::{OnError, Pipeline};
use proptest::prelude::*;

use crate::plan::{Alive, Kind, place, plan};
use crate::said::{Said, quiet_panics, runtime};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_item_comes_out_once(plan in plan(), threads in 0..3_usize, emit: bool) {
        quiet_panics();
        let alive = Alive::default();
        let runtime = runtime(threads);
        let policy = if emit { OnError::Emit } else { OnError::Collect };
        let (values, report) = runtime
            .block_on(async { plan.build(&alive, policy).collect().await })
            .expect("nothing ends the run");
        if plan.ordered {
            prop_assert!(values.is_sorted(), "{:?}", values);
        }
        let mut failed = BTreeMap::new();
        for failure in &report.failures {
            let (id, at) = place(failure).expect("an item at a stage");
            prop_assert_eq!(failed.insert(id, at), None, "{} failed twice", id);
        }
        prop_assert_eq!(failed, plan.failing());
        let mut values = values;
        values.sort_unstable();
        prop_assert_eq!(values, plan.passing());
        prop_assert_eq!(alive.count(), 0, "a stage is still there");
        prop_assert_eq!(report.items, plan.items);
        for stage in report.stages.iter().filter(|stage| stage.name.starts_with("stage ")) {
            prop_assert!(stage.peak <= plan.limit.unwrap_or(usize::MAX).max(1), "{:?}", stage);
        }
        prop_assert!(report.stages.iter().all(|stage| stage.in_work == 0));
        let makes_more = |kind| matches!(kind, Kind::Split | Kind::Regroup(_));
        if !plan.steps.iter().any(|step| makes_more(step.kind)) {
            prop_assert!(report.peak_items <= plan.budget.0, "{:?}", report);
        }
    }

    #[test]
    fn so_it_does_one_by_one(plan in plan(), threads in 0..3_usize) {
        quiet_panics();
        let alive = Alive::default();
        let runtime = runtime(threads);
        let (values, mut failed, report) = runtime.block_on(async {
            let mut run = plan.build(&alive, OnError::Emit).start();
            let (mut values, mut failed) = (Vec::new(), BTreeMap::new());
            while let Some(result) = run.next().await {
                match result {
                    Ok(value) => values.push(value),
                    Err(failure) => {
                        let (id, at) = place(&failure).expect("an item at a stage");
                        assert_eq!(failed.insert(id, at), None, "{id} failed twice");
                    }
                }
            }
            (values, failed, run.finish().await.expect("nothing ends the run"))
        });
        if plan.ordered {
            prop_assert!(values.is_sorted(), "{:?}", values);
        }
        // Some stages collect.
        failed.extend(report.failures.iter().filter_map(place));
        prop_assert_eq!(&failed, &plan.failing());
        let values: BTreeSet<_> = values.into_iter().collect();
        prop_assert_eq!(values.into_iter().collect::<Vec<_>>(), plan.passing());
    }

    #[test]
    fn the_first_failure_ends_it_and_nothing_comes_out_twice(plan in plan(), threads in 0..3_usize) {
        quiet_panics();
        let alive = Alive::default();
        let runtime = runtime(threads);
        let (values, finished) = runtime.block_on(async {
            let mut run = plan.build(&alive, OnError::Stop).start();
            let mut values = Vec::new();
            let mut last = None;
            while let Some(result) = run.next().await {
                assert!(last.is_none(), "something comes out after {last:?}");
                match result {
                    Ok(value) => values.push(value),
                    Err(failure) => last = place(&failure),
                }
            }
            let finished = run.finish().await;
            assert_eq!(last, finished.as_ref().err().and_then(|error| place(&error.first)));
            (values, finished)
        });
        prop_assert_eq!(alive.count(), 0, "a stage is still there");
        let failing = plan.failing();
        let distinct: BTreeSet<_> = values.iter().copied().collect();
        prop_assert_eq!(distinct.len(), values.len(), "{:?}", values);
        prop_assert!(values.iter().all(|id| *id < plan.items && !failing.contains_key(id)));
        match finished {
            Ok(_) => {
                prop_assert!(failing.is_empty());
                prop_assert_eq!(values.len() as u64, plan.items);
            }
            Err(error) => {
                let (id, at) = place(&error.first).expect("an item at a stage");
                prop_assert_eq!(failing.get(&id), Some(&at));
            }
        }
    }
}

#[test]
fn the_first_failure_ends_the_run_and_the_report_survives() {
    let error = Pipeline::from_iter(0_u64..)
        .cpu(
            "check",
            |_, n| if n == 1000 { Err(Said::No) } else { Ok(n) },
        )
        .collect_blocking()
        .expect_err("item 1000 fails");
    assert_eq!((error.first.seq, &*error.first.stage), (1000, "check"));
    assert!(error.report.stages[0].done >= 900);
    assert_eq!(error.to_string(), "check: item 1000: No");
}
