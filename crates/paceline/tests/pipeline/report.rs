//! What a run tells of itself.

use paceline::{OnError, Pipeline};

use crate::said::Said;

#[test]
fn a_report_is_a_table_and_json() {
    let (_, report) = Pipeline::from_iter(0..100)
        .io("fetch", |n| async move { Ok::<_, Said>(n) })
        .cpu("parse", |_, n| if n == 7 { Err(Said::No) } else { Ok(n) })
        .on_error(OnError::Collect)
        .collect_blocking()
        .expect("failures are collected");
    let table = report.to_string();
    for word in [
        "fetch",
        "parse",
        "io",
        "cpu",
        "bottleneck",
        "starved",
        "blocked",
    ] {
        assert!(table.contains(word), "{table}");
    }
    assert_eq!(report.items, 100);
    assert_eq!((report.stages[1].done, report.stages[1].failed), (99, 1));
    #[cfg(feature = "serde")]
    {
        let json = serde_json::to_value(&report).expect("serializes");
        assert_eq!(json["stages"][0]["name"], "fetch");
        assert_eq!(json["failures"][0]["error"], "No");
    }
}
