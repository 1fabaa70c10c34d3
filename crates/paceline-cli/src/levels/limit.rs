//! What set a level, from the label in the journal into words.

use std::borrow::Cow;

const SEARCHING: &str = "still searching when the run ended";
const NO_MORE: &str = "more got no more done";

/// For people: what limits a run that has just ended, in a sentence. `settled` as in [`words`].
pub(crate) fn sentence(label: &str, settled: bool) -> Cow<'static, str> {
    match label {
        "set-by-user" => "limited by -j, which set the level".into(),
        "min-level" => "limited by --min-level, which set the level".into(),
        _ => match words(label, settled) {
            said if said == SEARCHING => {
                "limited by its shortness: the best level was still being searched for".into()
            }
            said if said == NO_MORE => {
                "limited by what jobs share: with more at once, no more got done".into()
            }
            said => said,
        },
    }
}

/// For people: what kept a level from being higher. `settled`: a higher one was tried or was not
/// allowed.
pub(super) fn words(label: &str, settled: bool) -> Cow<'static, str> {
    Cow::Borrowed(match label {
        "cpu" => "limited by the cores",
        "memory" | "memory-short" => "limited by memory",
        "never-full" => "limited by how fast jobs are started: they end before the slots are full",
        "disk" => "limited by the disk",
        "descriptors" => "limited by the open files allowed (ulimit -n)",
        "processes" | "spawn-refused" => "limited by the processes allowed (ulimit -u)",
        "busy" => "limited by busy answers",
        "failures" | "more-failed" => "limited by failures: with more at once, more jobs failed",
        "contention" => "limited by something that jobs share, not the cores",
        "unproven" => "limited by caution: jobs may share something unseen",
        "many-peers" => "limited by caution: each of many peers gets few jobs",
        "max-level" => "limited by --max-level",
        "min-level" => "as --min-level asked",
        "set-by-user" => "set by -j",
        "nothing-shared" => "limited by nothing: jobs only wait on timers",
        "not-reached" => "throughput still grew at the highest level measured",
        "not-better" | "fitted" | "fewer-suffice" | "trying-fewer" => NO_MORE,
        // What was found before stands.
        "remembered" | "last-jobs" if settled => NO_MORE,
        "remembered" | "last-jobs" | "ramping-up" | "trying-more" | "more-gained"
        | "room-again" | "shifted" | "cpu-unknown" => SEARCHING,
        _ => return Cow::Owned(format!("limited by {}", label.replace('-', " "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_no_limit() {
        assert_eq!(words("cpu", true), "limited by the cores");
        assert_eq!(words("fitted", true), "more got no more done");
        assert_eq!(
            words("trying-more", false),
            "still searching when the run ended"
        );
        assert_eq!(
            words("last-jobs", false),
            "still searching when the run ended"
        );
        assert_eq!(words("last-jobs", true), "more got no more done");
        assert_eq!(words("new-thing", true), "limited by new thing");
    }

    #[test]
    fn of_a_run_it_is_always_told_what_limits_it() {
        for label in [
            "cpu",
            "set-by-user",
            "min-level",
            "trying-more",
            "fitted",
            "new-thing",
        ] {
            for settled in [true, false] {
                let said = sentence(label, settled);
                assert!(said.starts_with("limited by "), "{label}: {said}");
            }
        }
    }
}
