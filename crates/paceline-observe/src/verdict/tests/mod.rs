//! Every rule on both sides of its borders, and what is promised whatever a profile holds.

mod any_profile;
mod computing;
mod event_loops;
mod program;
mod rounds;
mod starting;
mod thin_evidence;
mod turns;
mod waiting;

use super::{Cause, Verdict, judge};
use crate::profile::Profile;

/// Asserts the cause and gives the verdict for more.
#[track_caller]
fn expect(profile: &Profile, cause: Cause) -> Verdict {
    let verdict = judge(profile);
    assert_eq!(
        verdict.cause, cause,
        "{}\n{:#?}",
        verdict.sentence, verdict.evidence
    );
    verdict
}

#[track_caller]
fn near(value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() <= tolerance * expected,
        "{value} is not near {expected}"
    );
}
