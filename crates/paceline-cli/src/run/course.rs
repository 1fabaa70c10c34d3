//! How the level went, in words for the summary.

use paceline_control::{Decision, Learned, Reason};

use super::progress::grouped;
use crate::levels::limit_sentence;

/// Below this share of the cores, on average, they do not limit a run.
const IDLE: f64 = 0.4;

/// The level at the end and why it was that, with the highest that was allowed if another. That the
/// last jobs ran together says nothing about the level before.
pub(super) fn level(
    decisions: &[Decision],
    last: usize,
    most: usize,
    max_level: Option<usize>,
) -> String {
    let (before, together) = split(decisions);
    let (level, most, end) = match (together.first(), together.last()) {
        (Some(first), Some(last)) => {
            let highest = before
                .iter()
                .map(|decision| decision.limit.max(decision.was))
                .max();
            let end = match last.reason {
                Reason::LastJobs { jobs } => format!("; the last {jobs} ran together"),
                _ => String::new(),
            };
            (first.was, highest.unwrap_or(first.was), end)
        }
        _ => (last, most, String::new()),
    };
    let reason = match before.last() {
        Some(decision) => decision.reason.to_string(),
        None if max_level == Some(level) => Reason::MaxLevel { level }.to_string(),
        None => "where it began; nothing called for another".to_owned(),
    };
    let most = if most > level {
        format!(" (at most {most})")
    } else {
        String::new()
    };
    format!("level {level}{most}: {reason}{end}")
}

/// The level before the last jobs ran together, or the last one.
pub(super) fn lasting(decisions: &[Decision], last: usize) -> usize {
    let (_, together) = split(decisions);
    together.first().map_or(last, |first| first.was)
}

/// The decisions without those on the last jobs, and these.
fn split(decisions: &[Decision]) -> (&[Decision], &[Decision]) {
    let before = decisions
        .iter()
        .rposition(|decision| !matches!(decision.reason, Reason::LastJobs { .. }))
        .map_or(0, |at| at + 1);
    decisions.split_at(before)
}

/// What limits a run of so many jobs, in a sentence; `None` if no job ended. The jobs used `cores_share`
/// of the cores.
pub(super) fn limit(
    decisions: &[Decision],
    last: usize,
    learned: Option<&Learned>,
    jobs: u64,
    cores_share: f64,
) -> Option<String> {
    if jobs == 0 {
        return None;
    }
    let first = decisions.first().map_or(last, |decision| decision.was);
    if jobs <= first as u64 {
        return Some("limited by the number of jobs: all ran at once".to_owned());
    }
    let (label, settled) = match learned {
        Some(learned) => (learned.limited_by.as_str(), learned.settled),
        None => (decisions.last()?.reason.label(), false),
    };
    if label == "cpu" && cores_share < IDLE {
        return Some(format!(
            "limited by what jobs wait for: the cores, which could take no more at once, were {:.0} % busy",
            100.0 * cores_share
        ));
    }
    Some(limit_sentence(label, settled).into_owned())
}

/// The levels on the way to the last one, if it was not straight up: the first few, the highest, the
/// last. `left_out` were taken from the middle of `decisions`.
pub(super) fn way(decisions: &[Decision], left_out: u64) -> Option<String> {
    const FIRST: usize = 5;
    if decisions
        .iter()
        .all(|decision| decision.limit >= decision.was)
    {
        return None;
    }
    let start = decisions.first()?.was;
    let mut levels: Vec<usize> = std::iter::once(start)
        .chain(decisions.iter().map(|decision| decision.limit))
        .collect();
    levels.dedup();
    let (last, before) = levels.split_last()?;
    let shown = &before[..before.len().min(FIRST)];
    let mut way: Vec<String> = shown.iter().map(usize::to_string).collect();
    let hidden = &before[shown.len()..];
    if let Some(highest) = hidden.iter().max().filter(|_| hidden.len() > 1) {
        way.push(format!("… {highest} …"));
    } else {
        way.extend(hidden.iter().map(usize::to_string));
    }
    way.push(last.to_string());
    // That a level is kept is a decision, too, but no change.
    let changes = decisions.iter().filter(|one| one.limit != one.was);
    let changes = changes.count() as u64 + left_out;
    Some(format!(
        "by way of {}, {} change{}",
        way.join(" → "),
        grouped(changes),
        plural(changes)
    ))
}

/// The ending of a noun.
pub(super) fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn decisions(levels: &[usize]) -> Vec<Decision> {
        levels
            .windows(2)
            .map(|pair| Decision {
                at: Duration::ZERO,
                was: pair[0],
                limit: pair[1],
                reason: Reason::RampingUp,
            })
            .collect()
    }

    #[test]
    fn the_last_jobs_do_not_hide_why_the_level_was_what_it_was() {
        let mut taken = decisions(&[1, 2, 6]);
        taken[0].reason = Reason::NothingShared;
        taken[1].reason = Reason::LastJobs { jobs: 4 };
        assert_eq!(
            level(&taken, 6, 6, None),
            format!(
                "level 2: {}; the last 4 ran together",
                Reason::NothingShared
            )
        );
        assert_eq!(
            level(&taken[1..], 6, 6, None),
            "level 2: where it began; nothing called for another; the last 4 ran together"
        );
        assert_eq!(
            level(&taken[..1], 2, 5, None),
            format!("level 2 (at most 5): {}", Reason::NothingShared)
        );
    }

    #[test]
    fn a_bound_is_named_where_no_decision_was_taken() {
        assert_eq!(level(&[], 2, 2, Some(2)), "level 2: --max-level allows 2");
        let free = "level 2: where it began; nothing called for another";
        assert_eq!(level(&[], 2, 2, Some(9)), free);
    }

    #[test]
    fn what_limits_a_run_is_named() {
        let named = |decisions: &[Decision], learned: Option<&Learned>, jobs| {
            limit(decisions, 2, learned, jobs, 1.0).unwrap_or_default()
        };
        let cpu = Learned::level(8, "cpu");
        let taken = decisions(&[2, 4, 8]);
        assert_eq!(named(&taken, Some(&cpu), 100), "limited by the cores");
        let all = "limited by the number of jobs: all ran at once";
        assert_eq!(named(&taken, Some(&cpu), 2), all);
        assert_eq!(named(&[], None, 2), all);
        assert_eq!(named(&taken, None, 0), "");
        let mut set = decisions(&[3, 3]);
        set[0].reason = Reason::SetByUser;
        assert_eq!(named(&set, None, 9), "limited by -j, which set the level");
    }

    #[test]
    fn idle_cores_are_no_limit() {
        let cpu = Learned::level(176, "cpu");
        let said = limit(&decisions(&[2, 176]), 176, Some(&cpu), 500, 0.104);
        let expected = "limited by what jobs wait for: the cores, which could take no more at once, were 10 % busy";
        assert_eq!(said.as_deref(), Some(expected));
    }

    #[test]
    fn the_lasting_level_is_that_before_the_last_jobs() {
        let mut taken = decisions(&[4, 2, 6]);
        assert_eq!(lasting(&taken, 6), 6);
        taken[1].reason = Reason::LastJobs { jobs: 6 };
        assert_eq!(lasting(&taken, 6), 2);
        assert_eq!(lasting(&[], 3), 3);
    }

    #[test]
    fn the_way_is_told_shortly_and_only_if_it_was_not_straight() {
        let told = |levels: &[usize]| way(&decisions(levels), 0);
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[2, 4, 8, 300]), None);
        assert_eq!(
            told(&[2, 4, 3]).as_deref(),
            Some("by way of 2 → 4 → 3, 2 changes")
        );
        assert_eq!(told(&[4, 3]).as_deref(), Some("by way of 4 → 3, 1 change"));
        let kept = Some("by way of 4 → 3, 1 change");
        assert_eq!(
            told(&[4, 3, 3]).as_deref(),
            kept,
            "to keep one is no change"
        );
        assert_eq!(
            told(&[2, 4, 8, 16, 32, 20, 14]).as_deref(),
            Some("by way of 2 → 4 → 8 → 16 → 32 → 20 → 14, 6 changes")
        );
        let many: Vec<usize> = [2, 4, 8, 16, 32, 64]
            .into_iter()
            .chain((0..50).map(|n| 20 + n % 7))
            .collect();
        assert_eq!(
            way(&decisions(&many), 1000).as_deref(),
            Some("by way of 2 → 4 → 8 → 16 → 32 → … 64 … → 20, 1,055 changes")
        );
    }
}
