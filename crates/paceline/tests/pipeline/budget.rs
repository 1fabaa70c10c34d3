//! What may be inside at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use paceline::{Budget, Pipeline};

use crate::said::Said;

#[test]
fn the_budget_bounds_what_is_inside() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (enter, peak) = (Arc::clone(&inside), Arc::clone(&most));
    let (values, report) = Pipeline::from_iter((0..500).inspect(move |_| {
        // One more has been pulled than was let in.
        peak.fetch_max(enter.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }))
    .io("pass", |n| async move { Ok::<u64, Said>(n) })
    .cpu("leave", move |_, n| {
        inside.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, Said>(n)
    })
    .budget(Budget::items(7))
    .collect_blocking()
    .expect("none fails");
    assert_eq!(values.len(), 500);
    assert_eq!(report.peak_items, 7);
    assert!(most.load(Ordering::Relaxed) <= 8);
}
